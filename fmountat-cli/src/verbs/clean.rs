// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `fmountat clean`: unmounts and removes what a killed command left behind.

use crate::output;
use crate::report;
use crate::show::write;
use crate::verbs::common::Outcome;
use fmountat::Errors;
use fmountat::journal::Journal;

pub(crate) fn run(json: bool) -> Outcome {
    let mut cleaned = Journal::standard().clean();
    if json {
        let printed = output::result(&report::cleaned(&cleaned), true);
        cleaned.errors.extend(printed.err());
    } else {
        let mut lines = String::new();
        for (_, place) in &cleaned.unmounted {
            lines += &format!("unmounted {}\n", output::escaped(place));
        }
        for place in &cleaned.removed {
            lines += &format!("removed directory {}\n", output::escaped(place));
        }
        cleaned.errors.extend(write(&lines).err());
        for place in &cleaned.uncertain {
            let path = output::escaped(place);
            output::message(&format!(
                "uncertain: a command was killed while a mount helper mounted on {path}. The mount there now may \
                 belong to another program: check it before you unmount it"
            ));
        }
        if cleaned.skipped > 0 {
            let sets = if cleaned.skipped == 1 { "set" } else { "sets" };
            let text = "skipped: still being mounted, or in another mount namespace";
            output::message(&format!("{} {sets} {text}", cleaned.skipped));
        }
    }
    Errors::check(cleaned.errors)
}
