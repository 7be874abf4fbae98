// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Every error provoked for real: its code, step, argument, errno and hint; `docs/errors.md` is what came of it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "errors/page.rs"]
mod page;
#[path = "errors/row.rs"]
mod row;
#[path = "errors/rows.rs"]
mod rows;
#[path = "errors/rows_layers.rs"]
mod rows_layers;
#[path = "errors/run.rs"]
mod run;
#[path = "common/stage.rs"]
mod stage;

use fmountat::ErrorKind;
use fmountat_testing::command_output;
use page::Entry;
use row::Row;
use run::Said;
use std::process::Command;

fn all_rows() -> Vec<Row> {
    [rows::words(), rows::paths(), rows_layers::overlays(), rows_layers::images(), rows::machine()].concat()
}

/// What is not as the row says.
fn wrong(row: &Row, said: &Said) -> Option<String> {
    let is_right = said.code == row.kind.code()
        && said.step == row.step
        && said.argument.contains(row.argument)
        && (row.argument.is_empty() == said.argument.is_empty() || row.argument.is_empty())
        && said.errno == i64::from(row.errno)
        && said.hint.contains(row.hint)
        && said.status != 0
        && said.is_clean;
    (!is_right).then(|| format!("{}: {row:?}\n  {said:?}", row.name))
}

fmountat_testing::tests! {
    /// Code, step, argument, errno and hint of each situation; nothing is left mounted. The pages are what was said.
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
