// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Namespaces of one's own: to mount without privilege, and to leave nothing when the process ends.

use crate::error::{Error, ErrorKind, Result};
use crate::mountinfo::id::mountinfo_id;
use crate::sys::namespace::unshare_namespaces;
use crate::vfs::target::Target;
use crate::vfs::tree::Tree;
use rustix::fd::{AsFd, BorrowedFd};
use rustix::fs::{CWD, Mode, OFlags};
use rustix::io::Errno;
use rustix::mount::{MountPropagationFlags, UnmountFlags};

/// The step of [`change_root`] and what follows it.
const STEP: &str = "enter the root";

/// Moves the calling process into a mount namespace of its own, private throughout, and its next child into a pid
/// namespace of its own. Where that needs privilege that the process lacks, a user namespace is made for it, in which
/// the process's user and group are root.
///
/// The process must have one thread: unshare(2).
///
/// # Errors
/// [`ErrorKind::Permission`] where user namespaces are not allowed, [`ErrorKind::Unsupported`] where there are none.
pub fn unshare_mount_and_pid() -> Result<()> {
    let (uid, gid) = (rustix::process::geteuid(), rustix::process::getegid());
    match unshare_namespaces(false) {
        Ok(()) => {}
        Err(Errno::PERM) => {
            unshare_namespaces(true).map_err(user_namespace_error)?;
            write_map("setgroups", "deny")?;
            write_map("uid_map", &format!("0 {} 1", uid.as_raw()))?;
            write_map("gid_map", &format!("0 {} 1", gid.as_raw()))?;
        }
        Err(errno) => return Err(Error::sys("make namespaces", "unshare", errno)),
    }
    make_private("make namespaces")
}

/// Makes every mount of the calling thread's mount namespace private.
pub(crate) fn make_private(step: &str) -> Result<()> {
    let private = MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
    rustix::mount::mount_change("/", private).map_err(|errno| {
        let error = Error::sys(step, "mount", errno);
        match errno {
            Errno::INVAL => error
                .because("the root directory is no mount: this runs in a chroot, whose other mounts can't be reached")
                .hinted("bind the directory onto itself before chroot(1)"),
            _ => error,
        }
    })
}

fn user_namespace_error(errno: Errno) -> Error {
    let error = Error::sys("make a user namespace", "unshare", errno);
    match errno {
        Errno::NOSPC | Errno::USERS => error
            .with_kind(ErrorKind::TooManyNamespaces)
            .because("the limit of user namespaces is reached")
            .hinted("raise /proc/sys/user/max_user_namespaces, or run as root"),
        Errno::PERM => error
            .because("no user namespace may be made here: the machine does not let ordinary users, or this runs in a chroot")
            .hinted(
                "see the sysctls kernel.unprivileged_userns_clone and kernel.apparmor_restrict_unprivileged_userns, or run as root",
            ),
        Errno::INVAL => {
            error.hinted("the process has more than one thread, or the kernel has no user namespaces")
        }
        _ => error,
    }
}

fn write_map(file: &str, text: &str) -> Result<()> {
    let path = format!("/proc/self/{file}");
    std::fs::write(&path, text).map_err(|e| {
        let errno = Errno::from_io_error(&e).unwrap_or(Errno::IO);
        Error::sys("map user and group", "write", errno).arg(&path)
    })
}

/// Makes `tree` the root of the calling process and its mount namespace, as it is seen from `top`, the uppermost of the mounts
/// on its root; without `tree`, what is seen from `top` is mounted already: pivot_root(2) onto itself. The old root lies over it
/// then, to be [taken away](OldRoot::take_away).
///
/// # Errors
/// [`ErrorKind::Permission`]; the errno of pivot_root(2).
pub(crate) fn change_root(tree: Option<Tree>, top: BorrowedFd<'_>) -> Result<OldRoot> {
    if let Some(tree) = tree {
        tree.attach(&Target::open(CWD, "/")?)?;
    }
    let over = mountinfo_id(top)?;
    rustix::process::fchdir(top).map_err(|e| Error::sys(STEP, "fchdir", e))?;
    rustix::process::pivot_root(".", ".").map_err(|e| Error::sys(STEP, "pivot_root", e))?;
    Ok(OldRoot { over })
}

/// What lies on the new root: the old one, and whatever was mounted over that.
#[must_use]
pub(crate) struct OldRoot {
    /// The mount that is the new root.
    over: u64,
}

impl OldRoot {
    /// Takes all of it away, with what is mounted in it: `umount2(MNT_DETACH)` of the uppermost until the new root is. What
    /// stayed would be reached by `/..`. The cwd is then `/`.
    pub(crate) fn take_away(self) -> Result<()> {
        loop {
            let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
            let uppermost =
                rustix::fs::open("/..", flags, Mode::empty()).map_err(|e| Error::sys(STEP, "open", e))?;
            if mountinfo_id(uppermost.as_fd())? == self.over {
                return rustix::process::chdir("/").map_err(|e| Error::sys(STEP, "chdir", e));
            }
            drop(uppermost);
            rustix::mount::unmount("/..", UnmountFlags::DETACH).map_err(|errno| {
                let error = Error::sys(STEP, "umount2", errno);
                match errno {
                    Errno::INVAL => error
                        .because("a mount that lies over the old `/` is locked by the kernel, and would stay within reach")
                        .hinted("run it where nothing is mounted over `/`, or as root"),
                    _ => error,
                }
            })?;
        }
    }
}
