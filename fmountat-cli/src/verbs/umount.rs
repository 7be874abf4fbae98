// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `fmountat umount`: unmounts targets, ids and sets.

use crate::args::UmountArgs;
use crate::exit;
use crate::output;
use crate::patience::waiting;
use crate::report::{self, UmountReport};
use crate::sources::{mounts_of, of_tag};
use crate::verbs::common::{boot_id, open_namespace, read_file, start_directory};
use fmountat::table::is_mount_point;
use fmountat::{Error, ErrorKind, Errors, MountId, Operation, PublishedSet, Unmount};
use rustix::fs::CWD;
use serde::{Deserialize, Serialize};
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

pub(crate) fn run(args: &UmountArgs, json: bool) -> Result<ExitCode, Errors> {
    if args.timeout.is_nan() || args.timeout < 0.0 {
        let reason = "not a number of seconds, 0 or more";
        let error = Error::new(ErrorKind::Usage, Operation::Program("parse option --timeout"), reason);
        return Err(error.with_argument(args.timeout.to_string()).into());
    }
    let timeout = Duration::try_from_secs_f64(args.timeout).unwrap_or(Duration::MAX);
    if let Some(namespace) = open_namespace(&start_directory(None)?, args.into.as_deref())? {
        namespace.enter()?;
    }
    let unmount = Unmount::new().recursive(args.recursive).all(args.all).lazy(args.lazy);
    let unmount = unmount.force(args.force).timeout(timeout);
    let mut errors = Vec::new();
    for target in &args.target {
        let path = output::escaped(target);
        let _waiting =
            waiting(format!("umount {path}: waiting until it is not busy or its file system answers"), json);
        let done = mount_point(target).map_err(Errors::from).and_then(|point| unmount.run(point));
        errors.extend(printed(done, report::text(target), json));
    }
    for id in &args.id {
        errors.extend(printed(unmount.run_id(MountId::from_number(*id)).map_err(Errors::from), id, json));
    }
    if !args.set.is_empty() {
        let sets = args.set.iter().map(|file| sets_of(file)).collect::<Result<Vec<_>, _>>()?.concat();
        errors.extend(printed(unmount.run_sets(&sets), &sets, json));
    }
    let failed = !errors.is_empty();
    errors.retain(|error| !args.quiet || error.kind() != ErrorKind::NotMounted);
    Errors::check(errors)?;
    // As umount(8) -q: without a message, but not with success.
    Ok(ExitCode::from(if failed { exit::MOUNT } else { exit::OK }))
}

/// Returns the mount point of a device or image that is mounted once, and other paths unchanged.
fn mount_point(target: &Path) -> Result<PathBuf, Error> {
    let path = of_tag(target.to_owned());
    let meta = std::fs::symlink_metadata(&path);
    let is_source =
        path != target || meta.is_ok_and(|meta| meta.is_file() || meta.file_type().is_block_device());
    if !is_source || is_mount_point(CWD, target).unwrap_or(false) {
        return Ok(target.to_owned());
    }
    let mut points: Vec<PathBuf> = mounts_of(target.as_os_str())?.into_iter().map(|m| m.target).collect();
    match points.len() {
        0 => Ok(target.to_owned()),
        1 => Ok(points.remove(0)),
        _ => {
            let points: Vec<String> = points.iter().map(output::escaped).collect();
            let reason = format!("is mounted on several mount points: {}", points.join(", "));
            let error = Error::new(ErrorKind::Usage, Operation::Unmount, reason).with_argument(target);
            Err(error.with_hint("name the mount point"))
        }
    }
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
    let now = boot_id();
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
