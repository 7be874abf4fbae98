// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `docs/ways.md`: each way of the code, with the cases that went it, as `.ci/filters --page` counted them. A way that none went
//! fails here. `FMOUNTAT_REGENERATE=1 cargo test --test ways_page` writes the page from the counts.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::{Path, PathBuf};

const HEAD: &str = "# The ways that each operation has, and the tests that went them

Written by `.ci/filters --page` (`just filters`) from a real run: the test binaries of `.ci/filters.d/binaries`, first without a filter, then
under each seccomp filter of `testing/src/profile.rs`, which each case and all that it starts is put under. The ways are those of the code
(`fmountat/src/ways.rs`), best first; the kernel's release in brackets. A case counts once for each way that was gone in it, and once for each filter.

| operation | way | needs | cases without a filter | cases under a filter | in |
|---|---|---|---|---|---|
";

const FILTERS: &str = "
## By filter

The calls that it takes away, and what it answers, are in its name; `old-release` is a uname(2) that says 2.6, so that all that follows from the
release counts as missing. *Differ*: cases that can't hold there, listed below with the reason. *Unsupported*: refused, with the error that a user sees, or
about something that only newer kernels have.

| filter | passed | differ | unsupported | skipped | failed |
|---|---|---|---|---|---|
";

const DIFFERS: &str = "
## Cases that can't hold under a filter

| case | filters | why |
|---|---|---|
";

fn top() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn rows(path: &str) -> Vec<Vec<String>> {
    let text = std::fs::read_to_string(top().join(path)).unwrap();
    text.lines().map(|line| line.split('\t').map(str::to_owned).collect()).collect()
}

/// Counts of a way: without a filter, under one, and by binary.
#[derive(Default)]
struct Gone {
    plain: u64,
    filtered: u64,
    binaries: BTreeMap<String, u64>,
}

fn gone() -> BTreeMap<(String, String), Gone> {
    let mut all: BTreeMap<(String, String), Gone> = BTreeMap::new();
    for row in rows("docs/ways.tsv") {
        let [filter, operation, way, binary, cases] = row.try_into().unwrap();
        let cases: u64 = cases.parse().unwrap();
        let gone = all.entry((operation, way)).or_default();
        *(if filter == "none" { &mut gone.plain } else { &mut gone.filtered }) += cases;
        *gone.binaries.entry(binary).or_default() += cases;
    }
    all
}

fn by_filter() -> String {
    let mut counts: BTreeMap<String, BTreeMap<String, u64>> = BTreeMap::new();
    for row in rows("docs/filters.tsv") {
        let [filter, _, outcome, count] = row.try_into().unwrap();
        *counts.entry(filter).or_default().entry(outcome).or_default() += count.parse::<u64>().unwrap();
    }
    let mut text = String::new();
    for (filter, outcomes) in &counts {
        write!(text, "| {filter} ").unwrap();
        for outcome in ["passed", "differs", "unsupported", "skipped", "failed"] {
            write!(text, "| {} ", outcomes.get(outcome).unwrap_or(&0)).unwrap();
        }
        text += "|\n";
    }
    text
}

fn differs() -> String {
    let text = std::fs::read_to_string(top().join(".ci/filters.d/differs")).unwrap();
    let mut rows = String::new();
    for line in text.lines().filter(|line| !line.starts_with('#') && !line.is_empty()) {
        let [binary, case, filters, why] = line.splitn(4, ' ').collect::<Vec<_>>().try_into().unwrap();
        // A bar would end the cell.
        let [binary, case, filters] = [binary, case, filters].map(|text| text.replace('|', "\\|"));
        writeln!(rows, "| {binary}: `{case}` | `{filters}` | {why} |").unwrap();
    }
    rows
}

#[test]
fn the_page_of_ways_is_true() {
    let gone = gone();
    let mut page = String::from(HEAD);
    let mut missed = Vec::new();
    for way in fmountat::ways() {
        let Some(gone) = gone.get(&(way.operation.to_owned(), way.way.to_owned())) else {
            missed.push(format!("{}: {}", way.operation, way.way));
            continue;
        };
        let binaries: Vec<String> =
            gone.binaries.iter().map(|(name, count)| format!("{name} {count}")).collect();
        let needs = if way.needs.is_empty() { "-".to_owned() } else { way.needs.join(", ") };
        let Gone { plain, filtered, .. } = gone;
        writeln!(
            page,
            "| {} | {} | {needs} | {plain} | {filtered} | {} |",
            way.operation,
            way.way,
            binaries.join(", ")
        )
        .unwrap();
    }
    let none = if missed.is_empty() { "none".to_owned() } else { missed.join("; ") };
    writeln!(page, "\nWays that no test went: {none}.").unwrap();
    page = page + FILTERS + &by_filter() + DIFFERS + &differs();
    let path = top().join("docs/ways.md");
    if std::env::var_os("FMOUNTAT_REGENERATE").is_some() {
        std::fs::write(&path, &page).unwrap();
    }
    assert!(missed.is_empty(), "no test went: {missed:#?}");
    assert!(std::fs::read_to_string(&path).unwrap_or_default() == page, "docs/ways.md is out of date");
}

/// What was counted is what the code has.
#[test]
fn every_way_that_was_counted_is_one_of_the_code() {
    let ways = fmountat::ways();
    for (operation, way) in gone().keys() {
        assert!(
            ways.iter().any(|known| known.operation == operation && known.way == way),
            "{operation}: {way}"
        );
    }
}
