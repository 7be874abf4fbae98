// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `fmountat clean`: what a set that was killed half way has left goes.

use crate::output;
use crate::report;
use crate::verbs::common::Outcome;
use fmountat::Errors;
use fmountat::journal::Journal;

pub(crate) fn run(json: bool) -> Outcome {
    let mut cleaned = Journal::standard().clean();
    if json {
        let printed = output::result(&report::cleaned(&cleaned), true);
        cleaned.errors.extend(printed.err());
    } else {
        for (_, place) in &cleaned.unmounted {
            output::line("unmounted", place);
        }
        for place in &cleaned.removed {
            output::line("removed directory", place);
        }
        for place in &cleaned.uncertain {
            let path = output::escaped(place);
            output::note(&format!(
                "uncertain: fmountat was killed while mounting on {path}: if the mount there is its own, \
                 unmount it"
            ));
        }
        if cleaned.skipped > 0 {
            let sets = if cleaned.skipped == 1 { "set" } else { "sets" };
            let text = "skipped: still being mounted, or in another mount namespace";
            output::note(&format!("{} {sets} {text}", cleaned.skipped));
        }
    }
    Errors::check(cleaned.errors)
}
