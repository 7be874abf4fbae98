// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Makes docs/measured/kernels.md: the counts for each kernel, and why cases did not pass.

use super::table::{self, Row, Run};
use crate::results::Outcome;
use std::collections::BTreeSet;

const HEAD: &str = "# Tests on real kernels

`.ci/kernels --table` (or `just kernels`) makes this page from a run on Debian's cloud kernels in qemu, with an emulated
processor, and on the machine's own kernel. A case is *unsupported* where the kernel lacks a feature that the case
declares; the reasons are below. Such a case does not run and does not count as passed. [The outcome of every
case](../../.ci/baseline/kernels.tsv). [Kernel features, and what replaces them](../kernel-features.md).
";

const BY_BINARY: &str = "
By test file: the cases that passed, then `+N unsupported`, `+N skipped` and `+N failed`. Seconds in brackets.

";

const AGAIN: &str = "
## Run it again

As root, on a Debian machine with the packages of `.ci/packages`: `just kernels`, or `.ci/kernels --table`.

- `.ci/kernels 6.1` runs one kernel, `TESTS=\"set private_namespace\" .ci/kernels 6.12` two test files, `--quick` what CI runs.
- The files named in `.ci/kernels.d/not-here` do not run, each for the reason given there.
- `FMOUNTAT_PROOF=short` is set: loops have an eighth of their rounds.
";

/// The longest reason on the page, in characters.
const REASON: usize = 400;

/// Returns the page. `quick` names the binaries of a quick run.
pub(crate) fn page(runs: &[Run], quick: Option<&[String]>) -> String {
    let rows = table::rows(runs);
    let mut page = String::from(HEAD);
    if let Some(names) = quick {
        page += &format!(
            "\nThis run had only the tests of strategies for older kernels (`--quick`, as in CI): {}.\n",
            names.join(", ")
        );
    }
    page += "\n| kernel | release | passed | unsupported | skipped | failed | seconds |\n|---|---|---|---|---|---|---|\n";
    for run in runs {
        page += &kernel_line(run, &rows);
    }
    page += BY_BINARY;
    page += &by_binary(runs, &rows);
    for run in runs {
        for outcome in [Outcome::Failed, Outcome::Unsupported, Outcome::Skipped] {
            page += &reasons(run.kernel, outcome, &rows);
        }
    }
    page += AGAIN;
    page
}

/// Counts the rows with the same word as `outcome`: `Skipped` includes `Ignored`.
fn count<'a>(rows: impl Iterator<Item = &'a Row<'a>>, outcome: Outcome) -> usize {
    rows.filter(|row| row.outcome.word() == outcome.word()).count()
}

fn kernel_line(run: &Run, rows: &[Row<'_>]) -> String {
    let count = |outcome| count(rows.iter().filter(|row| row.kernel == run.kernel), outcome);
    format!(
        "| {} | {} | {} | {} | {} | {} | {} |\n",
        run.kernel,
        run.results.release,
        count(Outcome::Passed),
        count(Outcome::Unsupported),
        count(Outcome::Skipped),
        count(Outcome::Failed),
        run.results.seconds.map_or_else(|| "not to the end".to_owned(), |seconds| seconds.to_string()),
    )
}

fn by_binary(runs: &[Run], rows: &[Row<'_>]) -> String {
    let mut text = String::from("| test |");
    runs.iter().for_each(|run| text += &format!(" {} |", run.kernel));
    text += "\n|---|";
    runs.iter().for_each(|_| text += "---|");
    text.push('\n');
    let binaries: BTreeSet<&str> = rows.iter().map(|row| row.binary).collect();
    let mut lines: Vec<String> = binaries
        .into_iter()
        .map(|binary| {
            let mut line = format!("| {binary} |");
            runs.iter().for_each(|run| line += &format!(" {} |", cell(run.kernel, binary, rows)));
            line + "\n"
        })
        .collect();
    lines.sort_unstable();
    text + &lines.concat()
}

/// Returns how the cases of one binary ended on one kernel, and how many seconds they took.
fn cell(kernel: &str, binary: &str, rows: &[Row<'_>]) -> String {
    let rows = rows.iter().filter(|row| row.kernel == kernel && row.binary == binary);
    if rows.clone().next().is_none() {
        return "not run".to_owned();
    }
    let mut cell = count(rows.clone(), Outcome::Passed).to_string();
    for outcome in [Outcome::Unsupported, Outcome::Skipped, Outcome::Failed] {
        let count = count(rows.clone(), outcome);
        if count > 0 {
            cell += &format!(" +{count} {}", outcome.word());
        }
    }
    let seconds: f64 = rows.map(|row| row.seconds).sum();
    cell + &format!(" ({:.0})", seconds.trunc())
}

/// Returns a section that lists the cases with this outcome and their reasons.
///
/// Returns an empty text if there is no such case.
fn reasons(kernel: &str, outcome: Outcome, rows: &[Row<'_>]) -> String {
    let rows = rows.iter().filter(|row| row.kernel == kernel && row.outcome.word() == outcome.word());
    let mut lines: Vec<String> = rows
        .map(|row| {
            let why = reason(&row.why);
            let separator = if why.is_empty() { "" } else { ": " };
            format!("- {}: `{}`{separator}{why}\n", row.binary, row.case)
        })
        .collect();
    if lines.is_empty() {
        return String::new();
    }
    lines.sort_unstable();
    let title = match outcome {
        Outcome::Failed => "Failed",
        Outcome::Unsupported => "Unsupported",
        _ => "Skipped",
    };
    format!("\n## {title} on {kernel}\n\n{}", lines.concat())
}

/// Shortens a reason: removes names of temporary directories and the hint about backtraces.
fn reason(why: &str) -> String {
    const TEMPORARY: &str = "/tmp/fmountat-test-";
    let why = why.replace('|', "\\|");
    let mut parts = why.split(TEMPORARY);
    let mut text = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        text += "...";
        text += part.trim_start_matches(|c: char| c.is_ascii_digit() || c == '-');
    }
    let text = text.split(" note: run with ").next().unwrap_or_default();
    text.chars().take(REASON).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::results::parse;

    fn runs() -> Vec<Run> {
        let old = "kernel 6.1.0\nbinary set\ncase b unsupported 0.00 no a|b\ncase a passed 0.75 \ncase d unsupported 0.00 \nend set 0 1\n\
                   binary run\ncase c failed 1.50 at /tmp/fmountat-test-12-3/x note: run with y\nend run 101 1\n";
        let new = "kernel 6.18\nbinary set\ncase a passed 0.75 \ncase b passed 0.75 \nend set 0 1\n\
                   binary unit\nplain x ignored\nend unit 0 0\ndone 7\n";
        vec![Run { kernel: "6.1", results: parse(old) }, Run { kernel: "own", results: parse(new) }]
    }

    #[test]
    fn the_page_counts_by_kernel_and_by_binary_and_gives_reasons() {
        let page = page(&runs(), None);
        let body = page.strip_prefix(HEAD).and_then(|page| page.strip_suffix(AGAIN)).unwrap();
        let (kernels, rest) = body.split_once(BY_BINARY).unwrap();
        assert_eq!(
            kernels,
            "\n| kernel | release | passed | unsupported | skipped | failed | seconds |\n|---|---|---|---|---|---|---|\n\
             | 6.1 | 6.1.0 | 1 | 2 | 0 | 1 | not to the end |\n| own | 6.18 | 2 | 0 | 1 | 0 | 7 |\n"
        );
        assert_eq!(
            rest,
            "| test | 6.1 | own |\n|---|---|---|\n\
             | run | 0 +1 failed (1) | not run |\n\
             | set | 1 +2 unsupported (0) | 2 (1) |\n\
             | unit | not run | 0 +1 skipped (0) |\n\
             \n## Failed on 6.1\n\n- run: `c`: at .../x\n\
             \n## Unsupported on 6.1\n\n- set: `b`: no a\\|b\n- set: `d`\n\
             \n## Skipped on own\n\n- unit: `x`\n"
        );
    }

    #[test]
    fn a_quick_run_names_its_binaries() {
        let page = page(&runs(), Some(&["set".to_owned(), "private_namespace".to_owned()]));
        assert!(page.contains("\n\nThis run had only the tests"), "{page}");
        assert!(page.contains("(`--quick`, as in CI): set, private_namespace.\n\n| kernel |"), "{page}");
    }

    #[test]
    fn a_long_reason_is_cut() {
        assert_eq!(reason(&"ä".repeat(500)), "ä".repeat(400));
        assert_eq!(reason("/tmp/fmountat-test-1-2 and /tmp/fmountat-test-x"), "... and ...x");
    }
}
