// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Swaps: a tree in the place of what is mounted, without a moment between.

use super::identity::{MountId, is_mount_root};
use super::target::Target;
use super::tree::{Attached, NEEDS_ADMIN, Tree, detach_fd};
use crate::error::{Error, ErrorKind, Result};
use rustix::fd::AsFd;
use rustix::io::Errno;
use rustix::mount::UnmountFlags;

/// A swap that has come half way is not given up at the first refusal: what is left then is the new tree beneath the
/// old one.
const TRIES: usize = 4;

impl Tree {
    /// Publishes the tree in place of what is mounted on `target`: **beneath** it (`MOVE_MOUNT_BENEATH` \[Linux 6.5\]),
    /// then that one is taken away with all that is mounted in it (`umount2(MNT_DETACH)`). Readers see one of the two at
    /// any moment. Who has a file or directory of the old one open keeps it.
    ///
    /// What could fail is looked at before the move.
    ///
    /// # Errors
    /// [`ErrorKind::NotMounted`] when nothing is mounted there; [`ErrorKind::Busy`] when another mount was put over the
    /// old one; [`ErrorKind::Permission`], also where a seccomp filter forbids umount2(2); [`ErrorKind::System`] with
    /// `EINVAL` before 6.5, or for a mount that the kernel has locked. The old mount is in its place then. Should the
    /// second step fail, again and again, then the new tree stays beneath the old one, and the error says so.
    pub fn replace(self, target: &Target) -> Result<Attached> {
        let old = look(target)?;
        self.put_beneath(target, old)
    }

    /// As [`replace`](Self::replace), and gives a copy of the old tree: attach it, or let it [`replace`](Self::replace)
    /// the new one, to go back; drop it to be rid of it.
    ///
    /// The copy has the same file systems with all that is in them, and every attribute of its mounts; but they are
    /// private, have ids of their own, and mounts that are `unbindable` are not in it: a mount that was attached can't
    /// be detached and attached again, only copied (open_tree(2)).
    ///
    /// # Errors
    /// Those of [`replace`](Self::replace) and [`clone_of`](Self::clone_of).
    pub fn exchange(self, target: &Target) -> Result<(Attached, Self)> {
        let old = look(target)?;
        let copy = Self::private_copy(target)?;
        Ok((self.put_beneath(target, old)?, copy))
    }

    fn put_beneath(self, target: &Target, old: MountId) -> Result<Attached> {
        let attached = self.attach_beneath(target)?;
        let mut tries = 1;
        loop {
            match take_away(target, old) {
                Ok(()) => return Ok(attached),
                Err(error) if tries == TRIES => {
                    let stays =
                        "the new set is there, beneath the old mount: it is seen when that one is unmounted";
                    return Err(error.arg(target.path()).hinted(stays));
                }
                Err(_) => tries += 1,
            }
        }
    }
}

/// The mount that is to be replaced, if it is the one that is seen, and if it can be taken away.
fn look(target: &Target) -> Result<MountId> {
    if !is_mount_root(target.as_fd())? {
        let reason = "nothing is mounted there to be replaced";
        return Err(Error::new(ErrorKind::NotMounted, "replace", reason).arg(target.path()));
    }
    let old = MountId::of(target.as_fd())?;
    check_top(target, old)?;
    // The kernel looks at the path first: another answer is that of a filter, which would leave the swap half done.
    match rustix::mount::unmount(c"", UnmountFlags::DETACH) {
        Err(errno @ (Errno::PERM | Errno::NOSYS)) => {
            let error = Error::sys("unmount", "umount2", errno).arg(target.path()).hinted(NEEDS_ADMIN);
            Err(error.because("a seccomp filter forbids to unmount: the old mount could not be taken away"))
        }
        _ => Ok(old),
    }
}

/// umount2(2) takes what is on top: that must be the old mount.
fn check_top(target: &Target, old: MountId) -> Result<()> {
    if MountId::of(target.seen_now()?.as_fd())? == old {
        return Ok(());
    }
    let reason = "another mount was put over the old one, which therefore stays";
    Err(Error::new(ErrorKind::Busy, "unmount", reason).arg(target.path()))
}

fn take_away(target: &Target, old: MountId) -> Result<()> {
    check_top(target, old)?;
    detach_fd(target.as_fd())
}
