// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `docs/mount8.md`: what both programs did, row by row.

use super::program::Outcome;
use super::rows::Row;

/// A row with its two outcomes.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) row: &'static Row,
    pub(crate) theirs: Outcome,
    pub(crate) ours: Outcome,
}

impl Entry {
    /// Reports whether the exit status and the mounts are the same. Error texts may differ.
    pub(crate) fn is_same(&self) -> bool {
        (self.theirs.status, &self.theirs.changed) == (self.ours.status, &self.ours.changed)
    }

    /// Reports whether both programs succeed with the same result. The page then shows one line.
    fn is_plain(&self) -> bool {
        self.row.differs.is_none() && self.ours.status == 0
    }

    fn line(&self) -> String {
        format!("| `{}` | {} |\n", abbreviated(self.row.line), cell(&self.ours))
    }

    fn item(&self) -> String {
        format!(
            "- `{}`: {}\n  - fmountat: {}\n{THEIRS}{}\n",
            abbreviated(self.row.line),
            self.row.differs.unwrap_or("both fail"),
            cell(&self.ours),
            cell(&self.theirs),
        )
    }
}

fn cell(outcome: &Outcome) -> String {
    abbreviated(&outcome.to_string()).replace('|', "\\|").replace('<', "&lt;")
}

/// Shortens arguments that no line of a terminal has room for.
fn abbreviated(line: &str) -> String {
    let argument = |text: &str| match text.char_indices().nth(8) {
        Some((at, _)) if text.len() > 80 => format!("{}...[{} bytes]", &text[..at], text.len()),
        _ => text.to_owned(),
    };
    line.split(' ').map(argument).collect::<Vec<_>>().join(" ")
}

fn page(sections: &[(&str, Vec<Entry>)], version: &str) -> String {
    let mut text = format!("{HEAD}\n{COMPARED}{version}.\n");
    for (title, entries) in sections {
        let (plain, others): (Vec<_>, Vec<_>) = entries.iter().partition(|entry| entry.is_plain());
        text.push_str(&format!("\n## {title}\n"));
        if !plain.is_empty() {
            text.push_str("\n| command line | both |\n|---|---|\n");
            text.extend(plain.into_iter().map(Entry::line));
        }
        if !others.is_empty() {
            text.push('\n');
            text.extend(others.into_iter().map(Entry::item));
        }
    }
    text
}

const HEAD: &str = "\
# `fmountat mount` beside mount(8)

The same command lines (`mount ...` and `fmountat mount ...`) in the same state. The tables have those with the same
result: the mounts that were made or changed. The lists have those that differ, with the reason, and those that fail in
both, with the exit status and the first line of the message. The test `like_mount` makes this page, and fails on a
difference without a reason.

The state before each command line:

- `s` and `t` are directories, `f` and `g` files. `link` leads to `t`, `flink` to `g`, `loose` to nothing.
- `m` is a tmpfs (nosuid,noatime,size=64k), `b` a bind of `s` with nodev, `sh` a shared tmpfs.
- `tree` is a tmpfs with another tmpfs on `tree/sub`.
- `l1`, `l2`, `l3`, `u` and `w` are directories for overlays.
- `image` is an ext4 image, `DEVICE` a loop device on it, `PROTECTED-DEVICE` a read-only loop device.

An argument of more than 80 bytes is abbreviated.
";

const PATH: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/mount8.md");
const COMPARED: &str = "Compared with: ";
const THEIRS: &str = "  - mount(8): ";

/// Reports whether the file was made with this mount(8); others may differ elsewhere.
pub(crate) fn is_of(version: &str) -> bool {
    std::env::var_os("FMOUNTAT_REGENERATE").is_some() || read().contains(&format!("{COMPARED}{version}.\n"))
}

fn read() -> String {
    std::fs::read_to_string(PATH).unwrap_or_default()
}

/// Returns the page without the results of mount(8).
fn of_fmountat(page: &str) -> String {
    let lines = page.lines().filter(|line| !line.starts_with(COMPARED) && !line.starts_with(THEIRS));
    lines.map(|line| line.to_owned() + "\n").collect()
}

/// Fails if the file differs from this page in the sections for this version of mount(8). Writes
/// the file on request.
pub(crate) fn compare(sections: &[(&str, Vec<Entry>)], version: &str) {
    let page = page(sections, version);
    if std::env::var_os("FMOUNTAT_REGENERATE").is_some() {
        return std::fs::write(PATH, page).unwrap();
    }
    let of_this = |page: String| if is_of(version) { page } else { of_fmountat(&page) };
    let (want, got) = (of_this(read()), of_this(page));
    let other = got.lines().find(|line| !want.lines().any(|other| other == *line));
    assert!(
        want == got,
        "docs/mount8.md is out of date: FMOUNTAT_REGENERATE=1 cargo test --test outcomes like_mount:: writes it; it lacks {other:?}"
    );
}
