// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `fmountat clean`: what a set that was killed half way has left goes.

use crate::output;
use crate::verbs::common::Outcome;
use fmountat::{Errors, Notes};
use serde_json::json;

pub(crate) fn run(json: bool) -> Outcome {
    let mut cleaned = Notes::standard().clean();
    if json {
        let mount = |(id, place): &(fmountat::MountId, std::path::PathBuf)| json!({"id": id.get(), "target": output::text(place)});
        let texts = |places: &[std::path::PathBuf]| -> serde_json::Value {
            places.iter().map(|place| output::text(place)).collect()
        };
        let value = json!({
            "unmounted": cleaned.unmounted.iter().map(mount).collect::<serde_json::Value>(),
            "removed": texts(&cleaned.removed),
            "uncertain": texts(&cleaned.uncertain),
            "skipped": cleaned.skipped,
        });
        cleaned.errors.extend(output::result(&value, true).err());
    } else {
        for (_, place) in &cleaned.unmounted {
            output::line("unmounted", place);
        }
        for place in &cleaned.removed {
            output::line("removed directory", place);
        }
        for place in &cleaned.uncertain {
            output::uncertain(place);
        }
        if cleaned.skipped > 0 {
            output::note(&format!(
                "{} left alone: still being mounted, or in another mount namespace",
                match cleaned.skipped {
                    1 => String::from("1 set"),
                    many => format!("{many} sets"),
                }
            ));
        }
    }
    Errors::check(cleaned.errors)
}
