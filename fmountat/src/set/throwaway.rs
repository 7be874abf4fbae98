// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Throw-away roots: read from layers, written to a tmpfs that is hidden and goes with the mounts.

use super::apply::Built;
use super::machine::Machine;
use super::mount::Mount;
use super::mounter::Mounter;
use super::plan::{Plan, What};
use crate::error::{Error, ErrorKind, Result};
use crate::kinds::overlay::Overlay;
use crate::kinds::store::Store;
use crate::vfs::attr::MountAttr;
use crate::vfs::hidden::Hidden;
use crate::vfs::target::{Create, Target};
use crate::vfs::tree::Tree;
use rustix::fd::{AsFd, BorrowedFd};
use rustix::fs::{AtFlags, CWD, Mode, OFlags};
use std::path::{Path, PathBuf};

/// A place of the machine's own system that a throw-away copy of it does not have, or only to be read.
#[derive(Debug, Clone)]
pub struct NotCovered {
    /// The place.
    pub path: PathBuf,
    /// Why, in words.
    pub reason: String,
}

impl Mounter {
    /// Builds a root to be thrown away. Its first layer is an overlay of `lowers` (topmost first) with an upper in a
    /// tmpfs; then come the plan's mounts. Without `lowers` the plan's own first mount is the root, and if that is an
    /// overlay without `upperdir` and `ro` it gets such an upper. Relative paths start at `dir`.
    ///
    /// The one lower `/` means the machine's own system: with privilege an overlay for each real file system, in a
    /// user namespace one for each directory that has no mounts below, since the kernel refuses others there. What is
    /// not covered comes back in the list.
    ///
    /// Where the kernel can't mount into a detached tree \[before Linux 6.15\] this is for a process with a mount namespace of its
    /// own ([`in_own_namespace`](Self::in_own_namespace)): the root is mounted in it, and is to be [entered](Built::enter).
    ///
    /// # Errors
    /// Those of [`Mounter::build`]; [`ErrorKind::Spec`] when nothing gives a root; [`ErrorKind::Unsupported`] for `/`
    /// among other lowers, and where neither the kernel nor the namespace serves.
    pub fn build_throwaway(
        &self,
        dir: impl AsFd,
        lowers: &[PathBuf],
        plan: Option<&Plan>,
    ) -> Result<(Built, Vec<NotCovered>)> {
        let dir = dir.as_fd();
        self.need_mount_interface(true)?;
        self.need_detached_children_or_own_namespace()?;
        let store = Store::new()?;
        let hidden = self.mounts_here().then(|| Hidden::new(store.root())).transpose()?;
        let mut not_covered = Vec::new();
        let base = match lowers {
            [] => None,
            [one] if is_slash(one) => {
                let mut machine = Machine::new(self, &store)?;
                let built = machine.build()?;
                not_covered = machine.not_covered;
                Some(built)
            }
            many if many.iter().any(|l| is_slash(l)) => {
                let reason = "the machine's own `/` can't be one of several layers";
                return Err(Error::new(ErrorKind::Unsupported, "read --lower", reason).arg("/"));
            }
            many => {
                let overlay = many.iter().fold(Overlay::new(), |o, lower| o.lower(lower));
                Some(self.throwaway_base(throwaway_overlay(self, &store, dir, overlay)?, &store)?)
            }
        };
        let mut built = match (base, plan) {
            (base, Some(plan)) if base.is_some() || plan.has_root() => {
                self.build_on(dir, base, plan, Some(&store))?
            }
            (Some(base), None) => base,
            _ => {
                let reason = "no mount has the target `/`, so there is no root to run in";
                let error = Error::new(ErrorKind::Spec, "read the mount list", reason);
                return Err(error.hinted("make the first mount one for `/`, or give --lower DIR"));
            }
        };
        if plan.is_some_and(makes_dev) {
            add_device_links(built.root())?;
        }
        if store.lacks_marks(&self.features) {
            let reason = "a directory that comes from a layer can't be removed (EIO): in a user namespace that needs Linux 6.6";
            not_covered.push(NotCovered { path: PathBuf::from("/"), reason: reason.into() });
        }
        built.hidden = hidden;
        Ok((built, not_covered))
    }

    /// A root that the rest is mounted in.
    pub(super) fn throwaway_base(&self, tree: Tree, store: &Store) -> Result<Built> {
        let mut built = Built::from_tree(tree)?;
        if self.mounts_here() {
            built.put_into(store)?;
        }
        Ok(built)
    }
}

pub(super) fn throwaway_overlay(
    mounter: &Mounter,
    store: &Store,
    dir: BorrowedFd<'_>,
    overlay: Overlay,
) -> Result<Tree> {
    mounter.overlay_tree(dir, &store.give_upper(overlay, dir)?, &MountAttr::default())
}

fn is_slash(path: &Path) -> bool {
    path.is_absolute() && path.components().count() == 1
}

/// What a root needs around its files, as OCI runtimes give it: proc, the devices that an ordinary user can have, shared
/// memory, and the machine's /sys to be read. The devices are read-only binds of the machine's own nodes: programs can use
/// them, and can't change their mode, owner or times.
#[must_use]
pub fn standard_mounts() -> Vec<Mount> {
    let new = |fstype: &str, target: &str, options: &str| {
        Mount::new(fstype, fstype).at(target).option(options).option("X-mount.mkdir")
    };
    let mut mounts = vec![
        new("proc", "/proc", "nosuid,nodev,noexec"),
        Mount::new("bind", "/sys").at("/sys").option("rbind,rro,nofail,X-mount.mkdir"),
        new("tmpfs", "/dev", "nosuid,noexec,mode=755,size=1m"),
        new("devpts", "/dev/pts", "nosuid,noexec,newinstance,ptmxmode=0666,mode=0620"),
        new("tmpfs", "/dev/shm", "nosuid,nodev,noexec,mode=1777"),
    ];
    for name in ["null", "zero", "full", "random", "urandom", "tty"] {
        let path = format!("/dev/{name}");
        mounts.push(Mount::new("bind", &path).at(&path).option("bind,ro,nofail,X-mount.mkdir"));
    }
    mounts
}

/// Whether what is on /dev in the end is a new tmpfs of the plan: anything else may be the caller's own directory.
fn makes_dev(plan: &Plan) -> bool {
    let is_dev = |target: &Path| target.strip_prefix("/").unwrap_or(target) == Path::new("dev");
    let last = plan.steps.iter().rev().find(|step| is_dev(&step.target));
    last.is_some_and(|step| matches!(&step.what, What::Filesystem(name) if name == "tmpfs"))
}

/// The links that programs expect in /dev, where it is a file system of the set's own: runtime-linux.md of OCI.
fn add_device_links(root: BorrowedFd<'_>) -> Result<()> {
    let Ok(dev) = Target::in_root(root, "dev") else {
        return Ok(());
    };
    let is_own = crate::vfs::identity::is_mount_root(dev.as_fd())?
        && rustix::fs::fstatfs(dev.as_fd()).is_ok_and(|s| s.f_type == 0x0102_1994);
    if !is_own {
        return Ok(());
    }
    for (name, to) in [
        ("fd", "/proc/self/fd"),
        ("stdin", "/proc/self/fd/0"),
        ("stdout", "/proc/self/fd/1"),
        ("stderr", "/proc/self/fd/2"),
        ("ptmx", "pts/ptmx"),
    ] {
        match rustix::fs::symlinkat(to, dev.as_fd(), name) {
            Ok(()) | Err(rustix::io::Errno::EXIST | rustix::io::Errno::ROFS) => {}
            Err(errno) => return Err(Error::sys("make device link", "symlinkat", errno).arg(name)),
        }
    }
    Ok(())
}

/// A directory of the host, for reading its names.
pub(super) fn open_directory(path: &Path) -> Result<rustix::fd::OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    rustix::fs::openat(CWD, path, flags, Mode::empty())
        .map_err(|e| Error::sys("read directory", "openat", e).arg(path))
}

pub(super) fn make_directory(root: BorrowedFd<'_>, path: &Path, mode: u32) -> Result<Target> {
    let made = Target::create_in_root(root, path, Create::directory(mode))?;
    // mkdir(2) leaves out what the umask says. Only `.` names it, and there is no link to follow.
    rustix::fs::chmodat(made.as_fd(), ".", Mode::from_raw_mode(mode), AtFlags::empty())
        .map_err(|e| Error::sys("set mode of directory", "fchmodat", e).arg(path))?;
    made.keep();
    Ok(made)
}
