// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Provokes every error and compares its code, step, argument, errno and hint with
//! `docs/errors.md`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod page;
mod row;
mod rows;
mod rows_layers;
mod run;

use crate::fixture;
use fmountat::ErrorKind;
use fmountat_testing::command_output;
use page::Entry;
use row::Row;
use run::ReportedError;
use std::process::Command;

fn all_rows() -> Vec<Row> {
    [rows::words(), rows::paths(), rows_layers::overlays(), rows_layers::images(), rows::privilege()].concat()
}

/// Compares the error with the row. Returns a text if they differ.
fn wrong(row: &Row, said: &ReportedError) -> Option<String> {
    let is_right = said.code == row.kind.code()
        && said.step == row.step
        && said.argument.contains(row.argument)
        && (row.argument.is_empty() == said.argument.is_empty() || row.argument.is_empty())
        && said.errno == i64::from(if row.errno == 0 { row.kind.errno() } else { row.errno })
        && said.hint.contains(row.hint)
        && said.status != 0
        && said.is_clean;
    (!is_right).then(|| format!("{}: {row:?}\n  {said:?}", row.name))
}

/// Files and calls that fmountat uses only to find the reason of a failure.
const LOOKS: [&str; 9] = [
    "thread-self/status",
    "thread-self/attr",
    "thread-self/mountinfo",
    "/proc/filesystems",
    "/proc/sys/",
    "/lib/modules",
    "/sys/dev/block",
    "NS_GET_USERNS",
    "thread-self/ns\"",
];

/// Returns the system calls of a mount with their arguments, after the probes for kernel features.
fn calls(dir: &std::path::Path, line: &str) -> (bool, Vec<String>) {
    let mut strace = Command::new("strace");
    strace
        .args(["-f", "-o", "log"])
        .arg(fmountat_testing::binary(env!("CARGO_BIN_EXE_fmountat")))
        .args(line.split(' '));
    let status = strace.current_dir(dir).stderr(std::process::Stdio::null()).status().unwrap();
    let log = fmountat_testing::read(dir.join("log"));
    let lines =
        log.lines().map(|line| line.split_once(' ').map_or(line, |(_, text)| text.trim_start()).to_owned());
    // The last question is put with a flag that the call does not know.
    let is_last = |line: &String| line.starts_with("unshare(") && line.contains("= -1 EINVAL");
    let own = lines.skip_while(|line| !is_last(line)).skip(1);
    (status.success(), own.collect())
}

fmountat_testing::cases! {
    /// A mount that succeeds makes only the calls that mounting needs, none in preparation for an
    /// error.
    fn a_mount_that_works_looks_for_no_reason() needs [Kernel(6, 15), Root, Tool("strace"), Filesystem("overlay")] {
        let mounting = ["fsopen", "fsconfig", "fsmount", "open_tree", "mount_setattr", "move_mount", "openat2"];
        for (line, want) in [
            ("mount -t tmpfs -o size=1m x t", &["fsopen", "fsconfig", "fsconfig", "fsconfig", "fsmount", "move_mount"][..]),
            ("mount -o bind,ro s t", &["open_tree", "mount_setattr", "move_mount"]),
            (
                "mount -t overlay -o lowerdir=l1:l2,upperdir=u,workdir=w x t",
                &["fsopen", "fsconfig", "fsconfig", "fsconfig", "fsconfig", "fsconfig", "fsconfig", "fsmount", "move_mount"],
            ),
            ("apply set.json t", &[]),
        ] {
            let (has_worked, calls) = fixture::with_fixture(|dir| {
                let set = r#"[{"type": "tmpfs", "source": "x"}, {"type": "bind", "source": "s", "target": "a", "options": ["X-mount.mkdir"]}]"#;
                fmountat_testing::write(dir.join("set.json"), set);
                calls(dir, line)
            });
            assert!(has_worked, "{line}: {calls:?}");
            let looks: Vec<_> = calls.iter().filter(|call| LOOKS.iter().any(|look| call.contains(look))).collect();
            assert!(looks.is_empty(), "{line}: {looks:?}");
            let names = calls.iter().filter_map(|call| call.split('(').next()).filter(|name| mounting.contains(name));
            let names: Vec<_> = names.collect();
            assert!(want.is_empty() || names == want, "{line}: {names:?}");
        }
        // A mount that fails does use the files: the test would notice them.
        let (has_worked, calls) = fixture::with_fixture(|dir| calls(dir, "mount -t tmfs x t"));
        assert!(!has_worked && calls.iter().any(|call| call.contains("/proc/filesystems")), "{calls:?}");
    }

    /// Compares code, step, argument, errno and hint of each situation with the pages. Nothing is
    /// left mounted.
    fn every_error_says_what_it_is() needs [Root, Tool("mount"), Tool("losetup"), Tool("mkfs.ext4"), Tool("setpriv"), Tool("unshare"),
        Tool("prlimit"), Filesystem("ext4"), Filesystem("overlay"), Filesystem("xfs"), Filesystem("squashfs"), UserNamespaces] {
        run::prepare();
        let mut entries = Vec::new();
        let mut faults = Vec::new();
        for row in all_rows() {
            let ours = run::ours(&row);
            faults.extend(wrong(&row, &ours));
            entries.push(Entry { row, ours, theirs: run::theirs(&row) });
        }
        let codes = ErrorKind::all().iter().filter(|kind| entries.iter().any(|entry| entry.row.kind == **kind)).count();
        println!("counted: {} situations, {codes} of {} codes, {} wrong", entries.len(), ErrorKind::all().len(), faults.len());
        for fault in &faults {
            println!("{fault}");
        }
        assert!(faults.is_empty());
        assert_eq!(codes, ErrorKind::all().len(), "a code is never provoked");
        let version = command_output(Command::new("mount").arg("--version"));
        page::compare(&entries, version.split(" (").next().unwrap().trim());
    }
}
