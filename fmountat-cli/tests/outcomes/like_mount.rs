// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Compares `fmountat mount` with mount(8): the same command lines in the same state lead to the
//! same mounts and exit status.
//!
//! `docs/mount8.md` holds the results; `FMOUNTAT_REGENERATE=1` writes the file.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod page;
mod program;
mod rows;

use fmountat_testing::command_output;
use page::Entry;
use program::{Program, run};
use rows::SECTIONS;
use std::process::Command;

fn judge(entries: &[Entry]) -> Vec<String> {
    let wrong = entries.iter().filter_map(|entry| {
        let why = match (entry.is_same(), entry.row.differs) {
            (false, None) => "they differ, and no reason is listed",
            (true, Some(_)) => "they are the same now: take the reason away",
            _ => return None,
        };
        Some(format!("{}: {why}\n  mount(8): {}\n  fmountat: {}", entry.row.line, entry.theirs, entry.ours))
    });
    wrong.collect()
}

fmountat_testing::cases! {
    fn the_same_command_lines_as_mount_8() needs [Kernel(6, 15), Root, Tool("mount"), Tool("losetup"), Tool("mkfs.ext4"), Filesystem("ext4"), Filesystem("overlay"), Filesystem("mqueue")] {
        program::make_image();
        let entry = |row| Entry { row, theirs: run(Program::Mount8, row), ours: run(Program::Fmountat, row) };
        let sections: Vec<(&str, Vec<Entry>)> =
            SECTIONS.iter().map(|(title, rows)| (*title, rows.iter().map(entry).collect())).collect();
        let entries: Vec<Entry> = sections.iter().flat_map(|(_, entries)| entries.clone()).collect();
        let version = command_output(Command::new("mount").arg("--version"));
        let version = version.split(" (").next().unwrap().trim();
        let differ = entries.iter().filter(|entry| !entry.is_same()).count();
        println!("counted: {} command lines, {differ} of them not as {version}", entries.len());
        let wrong = judge(&entries);
        for wrong in &wrong {
            println!("{wrong}");
        }
        page::compare(&sections, version);
        if !page::is_of(version) {
            fmountat_testing::skip(&format!("docs/mount8.md was made with another mount(8) than {version}"));
        }
        assert!(wrong.is_empty(), "{} rows are not as listed", wrong.len());
    }
}
