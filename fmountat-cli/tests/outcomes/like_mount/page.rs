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
    /// The same exit status and the same mounts; each has its own words for a failure.
    pub(crate) fn is_same(&self) -> bool {
        (self.theirs.status, &self.theirs.changed) == (self.ours.status, &self.ours.changed)
    }

    fn line(&self) -> String {
        let theirs =
            if self.is_same() && self.ours.status == 0 { String::from("=") } else { cell(&self.theirs) };
        format!(
            "| `{}` | {} | {theirs} | {} |\n",
            self.row.line,
            cell(&self.ours),
            self.row.differs.unwrap_or("same")
        )
    }
}

fn cell(outcome: &Outcome) -> String {
    outcome.to_string().replace('|', "\\|").replace('<', "&lt;")
}

fn page(sections: &[(&str, Vec<Entry>)], version: &str) -> String {
    let mut text = format!("{HEAD}\n{COMPARED}{version}.\n");
    for (title, entries) in sections {
        text.push_str(&format!(
            "\n## {title}\n\n| command line | fmountat | mount(8) | same or why not |\n|---|---|---|---|\n"
        ));
        text.extend(entries.iter().map(Entry::line));
    }
    text
}

const HEAD: &str = "\
# `fmountat mount` beside mount(8)

What both programs did with the same command line (`mount ...` and `fmountat mount ...`) in the same state: the mounts that were
made or changed, or the exit status and the first line of the message. The test `like_mount` makes this table, holds it against
this file, and fails on any difference that has no reason here.

In the state before, `s` and `t` are directories, `f` and `g` files, `link` leads to `t`, `flink` to `g` and `loose` nowhere;
`m` is a tmpfs (nosuid,noatime,size=64k), `b` a bind of `s` with nodev, `tree` a tmpfs with another on `tree/sub`, `sh` a shared
tmpfs; `l1`, `l2`, `l3`, `u`, `w` are directories; `image` is an ext4, and `DEVICE` a loop device on it, `PROTECTED-DEVICE` one
that can't be written to.
";

const PATH: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/mount8.md");
const COMPARED: &str = "Compared with: ";

/// Whether the file was made with this mount(8); others may differ elsewhere.
pub(crate) fn is_of(version: &str) -> bool {
    std::env::var_os("FMOUNTAT_REGENERATE").is_some() || read().contains(&format!("{COMPARED}{version}.\n"))
}

fn read() -> String {
    std::fs::read_to_string(PATH).unwrap_or_default()
}

/// Without what is said of mount(8).
fn of_fmountat(page: &str) -> String {
    let lines = page.lines().filter(|line| !line.starts_with(COMPARED));
    let short = |line: &str| line.split(" | ").take(2).collect::<Vec<_>>().join(" | ");
    lines.map(|line| if line.starts_with("| `") { short(line) } else { line.to_owned() } + "\n").collect()
}

/// Fails if the file is not this page, as far as it is of this mount(8); writes it if it is asked to.
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
