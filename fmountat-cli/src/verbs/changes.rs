// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `fmountat changes`: lists what the commands of `run --keep` have changed.

use crate::kept::compare::{Change, Comparison, Entry};
use crate::kept::index::Kept;
use crate::output;
use crate::report;
use crate::run_args::ChangesArgs;
use crate::show::write;
use crate::verbs::common::Outcome;
use fmountat::{Error, Operation};

pub(crate) fn run(args: &ChangesArgs, json: bool) -> Outcome {
    let kept = Kept::open(&args.directory)?;
    let mut comparison = Comparison::new(kept.index.in_user_namespace);
    for (number, overlay) in kept.index.overlays.iter().enumerate() {
        let (target, upper) = (overlay.target.path(), kept.upper(number));
        let lowers = overlay.lowers.iter().map(|lower| lower.path()).collect();
        comparison
            .overlay(&target, &upper, lowers)
            .map_err(|e| Error::from_io(Operation::Program("compare"), &upper, e))?;
    }
    let mut entries = comparison.entries;
    entries.sort_by(|one, other| one.path.cmp(&other.path));
    if json {
        return Ok(output::result(&report::changes(&entries), true)?);
    }
    write(&entries.iter().map(line).collect::<String>())?;
    output::message(&summary(&entries));
    Ok(())
}

/// Returns a line: the change, what is different, the type or size, and the path.
fn line(entry: &Entry) -> String {
    let size = entry.size.map_or_else(|| String::from(entry.kind), |size| size.to_string());
    let end = if entry.kind == "directory" { "/" } else { "" };
    let what = match &entry.what[..] {
        [] => String::new(),
        what => format!("  ({})", what.join(", ")),
    };
    format!("{:<8}  {size:>16}  {}{end}{what}\n", entry.change.name(), output::escaped(&entry.path))
}

fn summary(entries: &[Entry]) -> String {
    let kinds = [Change::Added, Change::Changed, Change::Removed, Change::Replaced];
    let counts = kinds.iter().map(|change| {
        let count = entries.iter().filter(|entry| entry.change == *change).count();
        format!("{count} {}", change.name())
    });
    counts.collect::<Vec<_>>().join(", ")
}
