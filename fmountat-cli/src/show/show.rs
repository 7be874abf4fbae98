// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Prints mounts as a tree, a grid or JSON.

use crate::args::{ShowArgs, WayArg};
use crate::show::columns::{self, Column};
use crate::show::grid::{self, Cell, Grid};
use crate::show::shown::Shown;
use fmountat::Operation;
use fmountat::mountinfo::MountEntry;
use fmountat::{Error, Fields, TableWay};
use serde_json::{Map, Value, json};
use std::io::Write;

/// How to print mounts.
#[derive(Debug)]
pub(crate) struct Show {
    pub(crate) columns: Vec<Column>,
    full: bool,
    headings: bool,
    fsroot: bool,
}

impl Show {
    pub(crate) fn of(args: &ShowArgs) -> Result<Self, Error> {
        Ok(Self {
            columns: columns::parse(&args.output)?,
            full: args.full,
            headings: !args.noheadings,
            fsroot: !args.nofsroot,
        })
    }

    /// What must be read for it.
    pub(crate) fn fields(&self) -> Fields {
        self.columns.iter().fold(Fields::TARGET, |all, column| all | column.fields(self.fsroot))
    }

    /// Prints mounts, each after its parent.
    pub(crate) fn print(&self, mounts: &[Shown], is_tree: bool, json: bool) -> Result<(), Error> {
        match json {
            true => write(&format!("{}\n", json!({"filesystems": self.json(mounts, is_tree)}))),
            false => write(&self.text(mounts, is_tree)),
        }
    }

    fn json(&self, mounts: &[Shown], is_tree: bool) -> Value {
        let mut values: Vec<Option<Map<String, Value>>> =
            mounts.iter().map(|mount| Some(self.object(&mount.entry))).collect();
        let mut roots = Vec::new();
        // From the last to the first: a mount is complete before it becomes a child. Children so come in reverse.
        for n in (0..mounts.len()).rev() {
            let Some(mut value) = values[n].take() else { continue };
            if let Some(Value::Array(children)) = value.get_mut("children") {
                children.reverse();
            }
            match mounts[n].parent.filter(|_| is_tree).and_then(|parent| values[parent].as_mut()) {
                Some(parent) => {
                    let children = parent.entry("children").or_insert_with(|| Value::Array(Vec::new()));
                    if let Value::Array(list) = children {
                        list.push(value.into());
                    }
                }
                None => roots.push(value.into()),
            }
        }
        roots.reverse();
        Value::Array(roots)
    }

    /// One mount, with findmnt's names.
    pub(crate) fn object(&self, entry: &MountEntry) -> Map<String, Value> {
        self.columns.iter().map(|c| (c.name().to_lowercase(), c.json(entry, self.fsroot))).collect()
    }

    fn text(&self, mounts: &[Shown], is_tree: bool) -> String {
        let terminal = crate::show::terminal::Terminal::of_stdout();
        let branches = if is_tree { grid::branches(mounts, terminal.utf8) } else { Vec::new() };
        let mut grid = Grid::new(&self.columns);
        for (n, mount) in mounts.iter().enumerate() {
            let cells = self.columns.iter().map(|column| {
                let branch = branches.get(n).filter(|_| *column == Column::Target);
                Cell {
                    branch: branch.cloned().unwrap_or_default(),
                    text: column.text(&mount.entry, self.fsroot, self.full),
                }
            });
            grid.row(cells.collect());
        }
        let width = if self.full { None } else { terminal.width };
        grid.print(self.headings, width, terminal)
    }
}

pub(crate) fn way(arg: WayArg) -> TableWay {
    match arg {
        WayArg::Auto => TableWay::Auto,
        WayArg::Statmount => TableWay::Statmount,
        WayArg::Mountinfo => TableWay::Mountinfo,
    }
}

/// A reader that has gone away has read enough.
pub(crate) fn write(text: &str) -> Result<(), Error> {
    write_on(text).map(drop)
}

/// The same; false when the reader has gone.
pub(crate) fn write_on(text: &str) -> Result<bool, Error> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Ok(()) => Ok(true),
        Err(e) if e.kind() == std::io::ErrorKind::BrokenPipe => Ok(false),
        Err(e) => Err(Error::from_io(Operation::Write, "stdout", e)),
    }
}
