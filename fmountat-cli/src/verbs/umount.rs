// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `fmountat umount`: unmounts targets, ids and sets.

use crate::args::UmountArgs;
use crate::output;
use crate::report::{self, UmountReport};
use crate::verbs::common::{Outcome, boot, read_file, start_directory};
use fmountat::{Error, ErrorKind, Errors, MountId, Operation, PublishedSet, Unmount};
use serde::{Deserialize, Serialize};
use std::path::Path;
use std::time::Duration;

pub(crate) fn run(args: &UmountArgs, json: bool) -> Outcome {
    if args.timeout.is_nan() || args.timeout < 0.0 {
        let reason = "not a number of seconds, 0 or more";
        let error = Error::new(ErrorKind::Usage, Operation::Program("read --timeout"), reason);
        return Err(error.with_argument(args.timeout.to_string()).into());
    }
    let timeout = Duration::try_from_secs_f64(args.timeout).unwrap_or(Duration::MAX);
    let unmount = Unmount::new().recursive(args.recursive).all(args.all).lazy(args.lazy).timeout(timeout);
    let mut errors = Vec::new();
    for target in &args.target {
        errors.extend(printed(unmount.run(target), report::text(target), json));
    }
    for id in &args.id {
        errors.extend(printed(unmount.run_id(MountId::from_number(*id)).map_err(Errors::from), id, json));
    }
    if !args.set.is_empty() {
        let sets = args.set.iter().map(|file| sets_of(file)).collect::<Result<Vec<_>, _>>()?.concat();
        errors.extend(printed(unmount.run_sets(&sets), &sets, json));
    }
    Errors::check(errors)
}

/// Prints what was unmounted. Returns the errors of unmounting and printing.
fn printed(done: Result<(), Errors>, unmounted: impl Serialize, json: bool) -> Vec<Error> {
    let done = done.and_then(|()| Ok(output::result(&UmountReport { unmounted }, json)?));
    done.err().into_iter().flatten().collect()
}

/// Holds the fields that `umount --set` needs of a line of `apply --json`.
#[derive(Deserialize)]
struct Line {
    set: Option<PublishedSet>,
    boot: Option<String>,
}

fn sets_of(file: &Path) -> Result<Vec<PublishedSet>, Error> {
    let text = read_file(&start_directory(None)?, file, Operation::ReadSets)?;
    let lines = serde_json::Deserializer::from_slice(&text).into_iter::<Line>();
    let bad = |reason: &str| Error::new(ErrorKind::Spec, Operation::ReadSets, reason).with_argument(file);
    let lines = lines.collect::<Result<Vec<_>, _>>().map_err(|e| bad(&e.to_string()))?;
    if lines.is_empty() {
        return Err(bad("the file is empty"));
    }
    let now = boot();
    if lines.iter().any(|line| line.boot.is_some() && now.is_some() && line.boot != now) {
        let reason = "a set in it was mounted before this boot, and its ids may belong to other mounts now";
        return Err(Error::new(ErrorKind::NotMounted, Operation::FindSet, reason).with_argument(file));
    }
    let without = "a set in it has no ids: listmount(2) [6.8] was not available when it was mounted, or the set is in another \
                   mount namespace, or not one tree";
    let sets = lines.into_iter().map(|line| line.set);
    sets.collect::<Option<_>>()
        .ok_or_else(|| bad(without).with_hint("unmount it there by its target: fmountat umount -R TARGET"))
}
