// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Builds throw-away roots: layers are read-only, all writes are kept in a tmpfs that ends with the
//! mounts.

use crate::kept::index::Kept;
use crate::run::host_root::HostRoot;
use crate::run::layout::{NotOverlaid, makes_dev};
use crate::run::uppers::Uppers;
use fmountat::call::FsContext;
use fmountat::kernel::Features;
use fmountat::oci::standard_links;
use fmountat::table::is_mount_point;
use fmountat::{Attr, DetachedSet, Error, ErrorKind, MountAttr, Mounter, Operation, Plan, Spec, Target};
use rustix::fd::BorrowedFd;
use rustix::io::Errno;
use std::cell::RefCell;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

/// Where the changes are written.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Changes<'a> {
    /// A tmpfs, with the value of its option `size`.
    Memory(Option<&'a OsStr>),
    /// The directory of `--keep`.
    Directory(&'a Path),
}

impl Changes<'_> {
    fn uppers(self, mounter: &Mounter) -> Result<Uppers, Error> {
        Ok(match self {
            Self::Memory(Some(size)) => Uppers::Ephemeral(mounter.ephemeral_uppers_of(size)?),
            Self::Memory(None) => Uppers::Ephemeral(mounter.ephemeral_uppers()?),
            Self::Directory(directory) => {
                let in_user_namespace = !Features::get().initial_user_namespace;
                Uppers::Kept(RefCell::new(Kept::open_or_new(directory, in_user_namespace)?))
            }
        })
    }

    /// Covers the kept directory in the copy of the host: an overlay shows no upper directory.
    fn cover(self, built: &DetachedSet) -> Result<(), Error> {
        let Self::Directory(directory) = self else { return Ok(()) };
        let Ok(place) = Target::in_root(built.root(), directory) else { return Ok(()) };
        let attr = MountAttr { set: Attr::RDONLY, ..MountAttr::default() };
        let mut empty = FsContext::open("tmpfs")?;
        empty.set_string("mode", "0555")?;
        empty.create()?.mount(&attr)?.attach(&place)?;
        Ok(())
    }
}

/// Builds a throw-away root: an overlay of `lowers` (topmost first) with an upper directory on a
/// tmpfs, then the mounts of the set. Without `lowers`, the set must have a mount for `/`. If that
/// is an overlay without `upperdir` and `ro`, it gets an upper directory on the tmpfs. `dir`
/// resolves relative paths, and `changes` says where the tmpfs is.
///
/// The single lower `/` stands for the host: with privilege, an overlay for each real file system;
/// in a user namespace, one for each directory without mounts below it, because the kernel refuses
/// the others. Returns the paths that are not overlaid.
pub(crate) fn build(
    dir: BorrowedFd<'_>,
    lowers: &[PathBuf],
    changes: Changes<'_>,
    spec: &Spec,
) -> Result<(DetachedSet, Vec<NotOverlaid>), Error> {
    let mut plan = if *spec == Spec::default() { None } else { Some(Plan::new(spec)?) };
    let mounter = Mounter::detached().in_own_namespace();
    let uppers = changes.uppers(&mounter)?;
    if let (Some(plan), Uppers::Ephemeral(uppers)) = (&mut plan, &uppers) {
        plan.give_root_upper(dir, uppers)?;
    }
    let mut not_overlaid = Vec::new();
    let base = match lowers {
        [] => None,
        [one] if is_slash(one) => {
            let mut host = HostRoot::new(&mounter, &uppers)?;
            let built = host.build()?;
            changes.cover(&built)?;
            not_overlaid = host.not_overlaid;
            Some(built)
        }
        many if many.iter().any(|l| is_slash(l)) => {
            let reason = "`/` cannot be one of several layers";
            let step = Operation::Program("parse option --lower");
            return Err(Error::new(ErrorKind::Unsupported, step, reason).with_argument("/"));
        }
        many => Some(mounter.begin(uppers.overlay(&mounter, dir, Path::new("/"), many)?)?),
    };
    let built = match (base, plan) {
        (Some(base), Some(plan)) => mounter.build_onto(dir, base, &plan)?,
        (Some(base), None) => base,
        (None, Some(plan)) if plan.has_root() => mounter.build(dir, &plan, None)?,
        (None, _) => {
            let reason = "no mount has the target `/`, so there is no root directory";
            let error = Error::new(ErrorKind::Spec, Operation::ReadMountList, reason);
            return Err(error.with_hint("add a mount with the target `/` as the first, or use --lower DIR"));
        }
    };
    if makes_dev(spec) && spec.links.is_empty() && has_dev(&built)? {
        add_links(&mounter, &built)?;
    }
    let unused = uppers.unused().into_iter();
    not_overlaid.extend(
        unused.map(|path| (path, String::from("its kept changes are not shown: not an overlay now"))),
    );
    if uppers.lacks_marks() {
        let reason =
            "directories of a layer cannot be removed (EIO): in a user namespace that needs Linux 6.6";
        not_overlaid.push((PathBuf::from("/"), reason.into()));
    }
    Ok((built, not_overlaid))
}

/// Creates the links that programs expect in /dev, except where a file has the name already.
fn add_links(mounter: &Mounter, built: &DetachedSet) -> Result<(), Error> {
    for link in standard_links() {
        match mounter.create_nodes(built.root(), &Spec::default().nodes([], [link])) {
            Err(error) if error.errno() == Errno::EXIST.raw_os_error() => {}
            created => created?,
        }
    }
    Ok(())
}

/// Reports whether /dev of the root is a mount: a second root may have covered the one with /dev.
fn has_dev(built: &DetachedSet) -> Result<bool, Error> {
    Target::in_root(built.root(), "dev").map_or(Ok(false), |dev| is_mount_point(&dev, "."))
}

fn is_slash(path: &Path) -> bool {
    path.is_absolute() && path.components().count() == 1
}
