// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Lays out cells in columns, one of them with a tree, and cuts them to the width of the terminal.

use super::columns::Column;
use crate::show::terminal::Terminal;
use fmountat::mountinfo::MountEntry;
use unicode_width::UnicodeWidthStr;

/// Holds a mount to print, and the index of its parent among the printed ones.
#[derive(Debug)]
pub(crate) struct Shown {
    pub(crate) entry: MountEntry,
    pub(crate) parent: Option<usize>,
}

/// Holds a text, and the tree lines before it.
#[derive(Debug, Default)]
pub(crate) struct Cell {
    pub(crate) branch: String,
    pub(crate) text: String,
}

impl Cell {
    fn width(&self) -> usize {
        self.branch.width() + self.text.width()
    }
}

/// Returns the tree lines before each mount.
pub(crate) fn branches(mounts: &[Shown], utf8: bool) -> Vec<String> {
    let (down, last, through, none) =
        if utf8 { ("├─", "└─", "│ ", "  ") } else { ("|-", "`-", "| ", "  ") };
    let mut last_child = vec![0; mounts.len()];
    for (n, mount) in mounts.iter().enumerate() {
        if let Some(parent) = mount.parent {
            last_child[parent] = n;
        }
    }
    // The tree lines before the children of each mount.
    let mut before: Vec<String> = Vec::with_capacity(mounts.len());
    let branch = |(n, mount): (usize, &Shown)| {
        let (own, below) = match mount.parent {
            None => (String::new(), String::new()),
            Some(parent) => {
                let (own, below) = if last_child[parent] == n { (last, none) } else { (down, through) };
                (format!("{}{own}", before[parent]), format!("{}{below}", before[parent]))
            }
        };
        before.push(below);
        own
    };
    mounts.iter().enumerate().map(branch).collect()
}

/// Returns rows of cells as text, at most `limit` columns wide.
pub(crate) fn print(
    columns: &[Column],
    rows: &[Vec<Cell>],
    headings: bool,
    limit: Option<usize>,
    terminal: Terminal,
) -> String {
    let natural = columns.iter().enumerate().map(|(n, column)| {
        let cells = rows.iter().filter_map(|row| row.get(n)).map(Cell::width).max().unwrap_or(0);
        if headings { cells.max(column.name().width()) } else { cells }
    });
    let widths = fit(columns, natural.collect(), limit.unwrap_or(usize::MAX));
    let mut out = String::new();
    if headings {
        let cells = columns.iter().map(|c| Cell { branch: String::new(), text: c.name().to_owned() });
        let plain = Terminal { colour: false, ..terminal };
        let mut names = String::new();
        line(&mut names, columns, &cells.collect::<Vec<_>>(), &widths, plain);
        match terminal.colour {
            true => out.push_str(&format!("\x1b[1m{}\x1b[0m\n", names.trim_end())),
            false => out.push_str(&names),
        }
    }
    for row in rows {
        line(&mut out, columns, row, &widths, terminal);
    }
    out
}

fn line(out: &mut String, columns: &[Column], row: &[Cell], widths: &[usize], terminal: Terminal) {
    let mark = if terminal.utf8 { "…" } else { "~" };
    let start = out.len();
    for ((column, cell), room) in columns.iter().zip(row).zip(widths) {
        if out.len() > start {
            out.push(' ');
        }
        let branch = cut(&cell.branch, *room, false, mark);
        let left = room.saturating_sub(branch.width());
        // Paths are cut in the middle: both ends matter. Options are cut at the end.
        let is_path = matches!(column, Column::Target | Column::Source | Column::Fsroot);
        let text = cut(&cell.text, left, is_path, mark);
        let blanks = " ".repeat(left.saturating_sub(text.width()));
        let branch = if branch.is_empty() { branch } else { painted(&branch, "2", terminal) };
        let text = if *column == Column::Fstype { painted(&text, "36", terminal) } else { text };
        let parts = if column.is_number() { [blanks, branch, text] } else { [branch, text, blanks] };
        out.push_str(&parts.concat());
    }
    out.truncate(start + out[start..].trim_end().len());
    out.push('\n');
}

fn painted(text: &str, how: &str, terminal: Terminal) -> String {
    if terminal.colour { format!("\x1b[{how}m{text}\x1b[0m") } else { text.to_owned() }
}

/// Narrows columns until all fit: first each to its least useful width, options before sources and
/// targets, then below it.
fn fit(columns: &[Column], mut widths: Vec<usize>, limit: usize) -> Vec<usize> {
    let least = |column: Column| match column {
        Column::Options | Column::FsOptions | Column::VfsOptions => (0, 20),
        Column::Source | Column::Fsroot => (1, 14),
        Column::Target => (2, 24),
        // A cut number would be another number.
        _ if column.is_number() => (4, usize::MAX),
        _ => (3, 7),
    };
    let total = |widths: &[usize]| widths.iter().sum::<usize>() + widths.len().saturating_sub(1);
    let mut order: Vec<usize> = (0..columns.len()).collect();
    order.sort_by_key(|n| least(columns[*n]).0);
    for hard in [false, true] {
        for n in &order {
            let over = total(&widths).saturating_sub(limit);
            let floor = if hard { 3 } else { least(columns[*n]).1 };
            widths[*n] -= over.min(widths[*n].saturating_sub(floor));
        }
    }
    widths
}

/// Cuts a text to `room` columns, in the middle or at the end, and puts a mark there.
fn cut(text: &str, room: usize, in_middle: bool, mark: &str) -> String {
    let length = text.width();
    if length <= room {
        return text.to_owned();
    }
    let kept = room.saturating_sub(1);
    let tail = if in_middle { kept * 2 / 3 } else { 0 };
    let head = text.char_indices().map(|(at, c)| &text[..at + c.len_utf8()]);
    let head = head.take_while(|head| head.width() <= kept - tail).last().unwrap_or_default();
    let end = text.char_indices().rev().map(|(at, _)| &text[at..]);
    let end = end.take_while(|end| end.width() <= tail).last().unwrap_or_default();
    if room == 0 { String::new() } else { format!("{head}{mark}{end}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_cut_where_it_hurts_least() {
        assert_eq!(cut("/var/lib/x/merged", 10, true, "…"), "/va…merged");
        assert_eq!(cut("rw,relatime", 6, false, "…"), "rw,re…");
        assert_eq!(
            (cut("漢字漢字", 6, false, "…"), cut("漢字漢字", 6, true, "…")),
            ("漢字…".into(), "漢…字".into())
        );
        assert_eq!((cut("abc", 3, true, "…"), cut("abc", 0, true, "…")), ("abc".into(), String::new()));
        // Two characters of width 1 can have width 2 together.
        let faces = "\u{263a}\u{fe0f}".repeat(60);
        for room in 0..130 {
            assert!(cut(&faces, room, true, "…").width() <= room, "{room}");
        }
    }

    #[test]
    fn columns_fit_the_terminal() {
        let columns = [Column::Target, Column::Source, Column::Fstype, Column::Options];
        let total = |widths: Vec<usize>| widths.iter().sum::<usize>() + 3;
        assert_eq!(fit(&columns, vec![10, 10, 6, 20], 80), [10, 10, 6, 20]);
        assert_eq!(fit(&columns, vec![30, 10, 6, 200], 80), [30, 10, 6, 31]);
        let with_ids = [Column::Target, Column::UniqueId, Column::Source, Column::Options];
        assert_eq!(fit(&with_ids, vec![60, 10, 60, 200], 60)[1], 10);
        for limit in [80, 40, 20] {
            assert_eq!(total(fit(&columns, vec![100, 100, 9, 200], limit)), limit);
        }
    }
}
