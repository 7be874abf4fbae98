// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Throw-away roots: read from layers, written to a hidden tmpfs, which ends with the mounts.

use crate::run::host_root::HostRoot;
use crate::run::layout::{NotCovered, makes_dev, throwaway_overlay};
use fmountat::oci::standard_links;
use fmountat::overlay::Overlay;
use fmountat::{DetachedSet, Error, ErrorKind, Mounter, Operation, Plan, Spec};
use rustix::fd::BorrowedFd;
use std::path::{Path, PathBuf};

/// Builds a root to be thrown away. Its first layer is an overlay of `lowers` (topmost first) with an upper in a tmpfs; then come
/// the mounts of the set. Without `lowers` the set's own first mount is the root, and if that is an overlay without `upperdir` and
/// `ro` it gets such an upper. Relative paths start at `dir`.
///
/// The one lower `/` means the host's own system: with privilege an overlay for each real file system, in a user namespace one
/// for each directory that has no mounts below, since the kernel refuses others there. What is not covered comes back in the list.
pub(crate) fn build(
    dir: BorrowedFd<'_>,
    lowers: &[PathBuf],
    spec: &Spec,
) -> Result<(DetachedSet, Vec<NotCovered>), Error> {
    let mut plan = if *spec == Spec::default() { None } else { Some(Plan::new(spec)?) };
    let mounter = Mounter::detached().in_own_namespace();
    let uppers = mounter.ephemeral_uppers()?;
    if let Some(plan) = &mut plan {
        plan.give_root_upper(dir, &uppers)?;
    }
    let mut not_covered = Vec::new();
    let base = match lowers {
        [] => None,
        [one] if is_slash(one) => {
            let mut host = HostRoot::new(&mounter, &uppers)?;
            let built = host.build()?;
            not_covered = host.not_covered;
            Some(built)
        }
        many if many.iter().any(|l| is_slash(l)) => {
            let reason = "`/` can't be one of several layers";
            let step = Operation::Program("parse option --lower");
            return Err(Error::new(ErrorKind::Unsupported, step, reason).with_argument("/"));
        }
        many => {
            let overlay = many.iter().fold(Overlay::new(), |o, lower| o.lower(lower));
            Some(mounter.begin(throwaway_overlay(&mounter, &uppers, dir, overlay)?)?)
        }
    };
    let built = match (base, plan) {
        (Some(base), Some(plan)) => mounter.build_onto(dir, base, &plan)?,
        (Some(base), None) => base,
        (None, Some(plan)) if plan.has_root() => mounter.build(dir, &plan, None)?,
        (None, _) => {
            let reason = "no mount has the target `/`, so there is no root directory to run in";
            let error = Error::new(ErrorKind::Spec, Operation::ReadMountList, reason);
            return Err(error.with_hint("add a first mount with the target `/`, or give --lower DIR"));
        }
    };
    if makes_dev(spec) && spec.links.is_empty() {
        mounter.create_nodes(built.root(), &Spec::default().nodes([], standard_links()))?;
    }
    if uppers.lacks_marks() {
        let reason = "directories of a layer can't be removed (EIO): in a user namespace this requires \
                      Linux 6.6";
        not_covered.push((PathBuf::from("/"), reason.into()));
    }
    Ok((built, not_covered))
}

fn is_slash(path: &Path) -> bool {
    path.is_absolute() && path.components().count() == 1
}
