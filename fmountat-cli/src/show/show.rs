// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Prints mounts as a tree, a grid or JSON.

use crate::args::{ShowArgs, StrategyArg};
use crate::report::{self, ListReport, ListedMount};
use crate::show::columns::{self, Column};
use crate::show::grid::{self, Cell, Shown};
use crate::show::terminal::Terminal;
use fmountat::table::{Fields, TableStrategy};
use fmountat::{Error, Operation};
use std::collections::VecDeque;
use std::io::Write;

/// Holds the columns and options of the output.
#[derive(Debug)]
pub(crate) struct Show<'a> {
    columns: Vec<Column>,
    args: &'a ShowArgs,
}

impl<'a> Show<'a> {
    pub(crate) fn of(args: &'a ShowArgs) -> Result<Self, Error> {
        Ok(Self { columns: columns::parse(&args.output, args.df)?, args })
    }

    /// Returns the fields that the columns need.
    pub(crate) fn fields(&self) -> Fields {
        self.columns.iter().fold(Fields::TARGET, |all, column| all | column.fields(!self.args.nofsroot))
    }

    /// Prints mounts, each after its parent.
    pub(crate) fn print(&self, mounts: &[Shown], is_tree: bool, json: bool) -> Result<(), Error> {
        match json {
            true => write(&format!("{}\n", report::json(&self.report(mounts, is_tree)))),
            false if self.args.raw || self.args.pairs => write(&self.lines(mounts)),
            false => write(&self.text(mounts, is_tree && !self.args.df)),
        }
    }

    fn report(&self, mounts: &[Shown], is_tree: bool) -> ListReport {
        let column =
            |mount: &Shown, c: &Column| (c.name().to_lowercase(), c.json(&mount.entry, !self.args.nofsroot));
        let listed = |mount| ListedMount {
            children: VecDeque::new(),
            columns: self.columns.iter().map(|c| column(mount, c)).collect(),
        };
        let mut listed: Vec<ListedMount> = mounts.iter().map(listed).collect();
        let mut filesystems = VecDeque::new();
        // Iterates backwards, so that a mount has all its children when it is added to its parent.
        for mount in mounts.iter().rev() {
            let Some(complete) = listed.pop() else { break };
            match mount.parent.filter(|_| is_tree).and_then(|parent| listed.get_mut(parent)) {
                Some(parent) => parent.children.push_front(complete),
                None => filesystems.push_front(complete),
            }
        }
        ListReport { filesystems }
    }

    /// Returns a line for each mount that programs can split: `--raw` or `--pairs`.
    fn lines(&self, mounts: &[Shown]) -> String {
        let names = self.columns.iter().map(|column| column.name());
        let is_headed = self.args.raw && !self.args.noheadings;
        let mut text = if is_headed { names.collect::<Vec<_>>().join(" ") + "\n" } else { String::new() };
        for mount in mounts {
            let value = |column: &Column| {
                let bytes = column.bytes(&mount.entry, !self.args.nofsroot);
                match self.args.pairs {
                    true => format!("{}=\"{}\"", column.name(), hexadecimal(&bytes, b"\"\\$`")),
                    false => hexadecimal(&bytes, b" \\"),
                }
            };
            text.push_str(&self.columns.iter().map(value).collect::<Vec<_>>().join(" "));
            text.push('\n');
        }
        text
    }

    fn text(&self, mounts: &[Shown], is_tree: bool) -> String {
        let terminal = Terminal::of_stdout();
        let branches = if is_tree { grid::branches(mounts, terminal.utf8) } else { Vec::new() };
        let cells = |(n, mount): (usize, &Shown)| {
            let cell = |column: &Column| Cell {
                branch: branches.get(n).filter(|_| *column == Column::Target).cloned().unwrap_or_default(),
                text: column.text(&mount.entry, !self.args.nofsroot, self.args.full),
            };
            self.columns.iter().map(cell).collect()
        };
        let rows: Vec<Vec<Cell>> = mounts.iter().enumerate().map(cells).collect();
        let width = if self.args.full { None } else { terminal.width };
        grid::print(&self.columns, &rows, !self.args.noheadings, width, terminal)
    }
}

/// Writes control characters and those in `special` as `\x20`, as findmnt does.
fn hexadecimal(bytes: &[u8], special: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let escape = |c: char| match u8::try_from(c) {
        Ok(byte) if byte < 0x20 || byte == 0x7f || special.contains(&byte) => format!("\\x{byte:02x}"),
        _ => c.to_string(),
    };
    text.chars().map(escape).collect()
}

pub(crate) fn strategy(arg: StrategyArg) -> TableStrategy {
    match arg {
        StrategyArg::Auto => TableStrategy::Auto,
        StrategyArg::Statmount => TableStrategy::Statmount,
        StrategyArg::Mountinfo => TableStrategy::Mountinfo,
    }
}

/// Writes to stdout. A closed pipe is no error: its reader has read enough.
pub(crate) fn write(text: &str) -> Result<(), Error> {
    write_on(text).map(drop)
}

/// Writes to stdout and returns false if the reader has closed the pipe.
pub(crate) fn write_on(text: &str) -> Result<bool, Error> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Ok(()) => Ok(true),
        Err(e) if e.kind() == std::io::ErrorKind::BrokenPipe => Ok(false),
        Err(e) => Err(Error::from_io(Operation::WriteResult, "", e)),
    }
}
