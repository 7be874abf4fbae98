// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Swaps: replaces a mounted tree by another without a gap.

use crate::error::{Error, ErrorKind, Failed, Operation, Result, Syscall, or_give_back};
use crate::mountinfo;
use crate::mountinfo::id::{MountId, MountinfoId, id_mask};
use crate::sys::procfs::name_for;
use crate::sys::swap::{NotSwapped, Swap, swap};
use crate::sys::swap_gap::swap_with_gap;
use crate::vfs::bytes::c_string;
use crate::vfs::detach::unmount_forbidden;
use crate::vfs::features::Features;
use crate::vfs::identity::{is_mount_root, is_same_place};
use crate::vfs::privilege::needs_admin;
use crate::vfs::swap_lock;
use crate::vfs::target::Target;
use crate::vfs::tree::{Attached, Tree};
use rustix::fd::AsFd;
use rustix::io::Errno;
use std::path::Path;

impl Tree {
    /// Publishes the tree in place of the mount at `target`: attaches it **beneath** that mount
    /// (`MOVE_MOUNT_BENEATH` \[Linux 6.5\]), then detaches that mount with all mounts below
    /// (`umount2(MNT_DETACH)`). Readers see one of the two at any moment. A process that has a file
    /// or directory of the old tree open keeps it.
    ///
    /// What could fail is checked before the move. A child makes both calls. It shares memory with
    /// this process but is not part of it, so `kill -9` of this process leaves one of the two
    /// mounts, never both. (If a whole pid namespace or cgroup is killed at once, the new tree may
    /// be left beneath the old one.)
    ///
    /// # Errors
    /// [`ErrorKind::NotMounted`] when nothing is mounted there; [`ErrorKind::Busy`] when another
    /// mount is on top of the old one; [`ErrorKind::Permission`], also where a seccomp filter
    /// forbids umount2(2); [`ErrorKind::System`] with `EINVAL` before 6.5, or for a mount that the
    /// kernel has locked. The old mount is then still in place, and [`Failed`] returns the tree. If
    /// the old mount can't be detached, even after retries, the new tree is left beneath it, and
    /// the error says so.
    pub fn replace(self, target: &Target) -> Result<Attached, Failed<Self>> {
        let (tree, old) = or_give_back(self, check_old_mount(target))?;
        tree.put_in_place(target, old, None)
    }

    /// Publishes the tree as [`replace`](Self::replace) does, and returns a copy of the old tree.
    /// To revert, attach the copy, or let it [`replace`](Self::replace) the new tree. Dropping it
    /// dissolves it.
    ///
    /// The copy has the same file systems with their contents, and every attribute of its mounts.
    /// However, the mounts are private and have new ids, and `unbindable` mounts are missing: an
    /// attached mount can't be detached and attached again, only copied (open_tree(2)).
    ///
    /// # Errors
    /// Those of [`replace`](Self::replace) and [`clone_of`](Self::clone_of).
    pub fn exchange(self, target: &Target) -> Result<(Attached, Self), Failed<Self>> {
        let copied = check_old_mount(target).and_then(|old| Ok((old, Self::private_copy(target)?)));
        let (tree, (old, copy)) = or_give_back(self, copied)?;
        Ok((tree.put_in_place(target, old, None)?, copy))
    }

    /// Publishes the tree as [`replace`](Self::replace) does, for kernels before 6.5: detaches the
    /// old mount and attaches this tree, one call after the other. **Readers see neither for a
    /// moment** (about ten microseconds). If the kernel refuses the tree, a copy of the old one is
    /// attached again (see [`exchange`](Self::exchange)).
    ///
    /// # Errors
    /// Those of [`replace`](Self::replace); [`ErrorKind::Unsupported`], before any change, where a
    /// mount of the old tree is unbindable, because the copy would lack it. If the kernel refuses
    /// the copy too, the error says that nothing is mounted there.
    pub fn replace_with_gap(self, target: &Target) -> Result<Attached, Failed<Self>> {
        let copied = check_old_mount(target).and_then(|old| {
            need_whole_copy(target)?;
            Ok((old, Self::private_copy(target)?))
        });
        let (tree, (old, copy)) = or_give_back(self, copied)?;
        tree.put_in_place(target, old, Some(&copy))
    }

    /// Attaches beneath the old mount, or with a gap if there is a copy of the old tree to restore.
    fn put_in_place(
        self,
        target: &Target,
        old: MountId,
        copy: Option<&Self>,
    ) -> Result<Attached, Failed<Self>> {
        let (tree, (id, swapped)) = {
            let _lock = swap_lock::lock(target);
            // Another swap may have come first.
            let swapped = check_top(target, old).and_then(|()| self.id());
            let swapped = swapped.and_then(|id| Ok((id, self.swap(target, old, copy)?)));
            or_give_back(self, swapped)?
        };
        match swapped {
            Ok(()) => {
                target.keep();
                Ok(Attached::new(tree.into_fd(), id))
            }
            Err(why @ (NotSwapped::NoLongerOnTop | NotSwapped::Detach(_))) => {
                Err(Failed::lost(tree.explain_swap(target, why)))
            }
            Err(why) => {
                let error = tree.explain_swap(target, why);
                Err(Failed::giving_back(tree, error))
            }
        }
    }

    fn swap(
        &self,
        target: &Target,
        old: MountId,
        copy: Option<&Self>,
    ) -> Result<std::result::Result<(), NotSwapped>> {
        let (start, in_root) = target.start();
        let path = match target.path() {
            root if root.as_os_str().is_empty() => Path::new("."),
            path => path,
        };
        let job = Swap {
            new: self.root(),
            target: target.as_fd(),
            name: &c_string(Operation::ReadTarget, name_for(Operation::Replace, target.as_fd())?)?,
            old: old.get(),
            mask: id_mask(),
            start,
            path: &c_string(Operation::ReadTarget, path)?,
            in_root,
        };
        Ok(match copy {
            None => swap(&job),
            Some(copy) => swap_with_gap(&job, copy.root()),
        })
    }

    fn explain_swap(&self, target: &Target, why: NotSwapped) -> Error {
        let failed = |operation, call, errno| Error::sys(operation, call, errno).with_argument(target.path());
        let refused = |errno| failed(Operation::Attach, Syscall::MoveMount, errno);
        match why {
            NotSwapped::NotOnTop => not_on_top(target),
            NotSwapped::Restored(errno) => refused(errno)
                .with_reason("the new tree could not be attached; a copy of the old one was attached again"),
            NotSwapped::Lost(errno) => refused(errno).with_reason(
                "neither the new tree nor a copy of the old one could be attached: the target is not \
                 mounted any more",
            ),
            NotSwapped::Clone(errno) => failed(Operation::Replace, Syscall::Clone, errno),
            NotSwapped::Move(errno) => self.explain_beneath(target, errno),
            NotSwapped::NoLongerOnTop => not_on_top(target).with_hint(STAYS_BENEATH),
            NotSwapped::Detach(errno) => {
                failed(Operation::Unmount, Syscall::Umount2, errno).with_hint(STAYS_BENEATH)
            }
        }
    }

    fn explain_beneath(&self, target: &Target, errno: Errno) -> Error {
        let error = self.explain_move(target, errno);
        match errno {
            Errno::INVAL if !Features::get().move_beneath => error
                .with_kind(ErrorKind::Unsupported)
                .with_reason(
                    "this kernel can't attach a mount beneath another, so for a moment neither \
                              would be mounted",
                )
                .with_hint("use Linux 6.5 or newer"),
            Errno::INVAL => error.with_hint(
                "MOVE_MOUNT_BENEATH requires Linux 6.5, and a target that is neither a locked mount nor the \
                 root directory of the process",
            ),
            _ => error,
        }
    }
}

const STAYS_BENEATH: &str = "unmount the old mount: the new set is attached beneath it";

/// Refuses a target where nothing is mounted, and the root directory of the process, beneath which
/// the kernel attaches nothing (`can_move_mount_beneath`, fs/namespace.c).
pub(crate) fn check_replaceable(target: &Target) -> Result<()> {
    if !is_mount_root(target.as_fd())? {
        let reason = "is not mounted, so there is nothing to replace";
        return Err(
            Error::new(ErrorKind::NotMounted, Operation::Replace, reason).with_argument(target.path())
        );
    }
    // umount2(2) takes a path: the name of the descriptor in /proc.
    name_for(Operation::Replace, target.as_fd()).map_err(|e| e.with_argument(target.path()))?;
    if is_process_root(target)? {
        let reason = "is the root directory of this process, and the kernel can't attach a mount beneath it";
        let error =
            Error::new(ErrorKind::Unsupported, Operation::Replace, reason).with_argument(target.path());
        return Err(error.with_hint(
            "change the root directory with `fmountat run`, DetachedSet::enter or pivot_root(2)",
        ));
    }
    Ok(())
}

/// Reports whether the target is the root directory of the process.
pub(crate) fn is_process_root(target: &Target) -> Result<bool> {
    let root = Target::open(rustix::fs::CWD, "/")?;
    is_same_place(root.as_fd(), target.as_fd())
}

/// Returns the mount to be replaced, after checking that it is the topmost there and that it can be
/// unmounted.
fn check_old_mount(target: &Target) -> Result<MountId> {
    check_replaceable(target)?;
    let old = MountId::of(target.as_fd())?;
    check_top(target, old)?;
    // A forbidden umount2(2) would leave the swap half done.
    match unmount_forbidden() {
        Some(errno) => {
            let error = needs_admin(
                Error::sys(Operation::Unmount, Syscall::Umount2, errno).with_argument(target.path()),
            );
            Err(error
                .with_reason("a seccomp filter forbids umount2(2), so the old mount could not be unmounted"))
        }
        None => Ok(old),
    }
}

/// Refuses an old tree with an unbindable mount: a copy of it, the only means to restore it, would
/// lack that mount.
pub(crate) fn need_whole_copy(target: &Target) -> Result<()> {
    let table = mountinfo::read()?;
    let old = mountinfo::deepest_first(&table, MountinfoId::of(target.as_fd())?);
    let Some(entry) = old.into_iter().find(|entry| entry.unbindable) else { return Ok(()) };
    let reason = "is an unbindable mount of the old set, so the old set could not be restored if the new \
                  one fails";
    Err(Error::new(ErrorKind::Unsupported, Operation::Replace, reason)
        .with_argument(&entry.target)
        .with_hint("use Linux 6.5 or newer, or unmount the old set first"))
}

fn check_top(target: &Target, old: MountId) -> Result<()> {
    if MountId::of(target.seen_now()?.as_fd())? == old { Ok(()) } else { Err(not_on_top(target)) }
}

fn not_on_top(target: &Target) -> Error {
    let reason = "another mount has covered or replaced the old one since the target was opened";
    Error::new(ErrorKind::Busy, Operation::Replace, reason)
        .with_argument(target.path())
        .with_hint("open the target again, and retry")
}
