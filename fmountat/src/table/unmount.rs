// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Unmounting: what was looked at, and nothing else; no symbolic link followed; every error reported.

use super::mountinfo::{self, MountEntry};
use crate::error::{Error, ErrorKind, Result};
use crate::vfs::identity::{MountId, is_mount_root, mountinfo_id};
use crate::vfs::tree::NEEDS_ADMIN;
use rustix::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use rustix::fs::{CWD, FileType, Mode, OFlags};
use rustix::io::Errno;
use rustix::mount::{MountPropagationFlags, UnmountFlags};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How to unmount.
///
/// ```no_run
/// fmountat::Unmount::new().recursive(true).run("/srv/rootfs").map_err(|errors| errors[0].clone())?;
/// # Ok::<(), fmountat::Error>(())
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Unmount {
    recursive: bool,
    lazy: bool,
    timeout: Duration,
}

impl Default for Unmount {
    fn default() -> Self {
        Self::new()
    }
}

impl Unmount {
    /// The top mount alone, not lazily; a busy one is tried again for 2.5 seconds.
    #[must_use]
    pub fn new() -> Self {
        Self { recursive: false, lazy: false, timeout: Duration::from_millis(2500) }
    }

    /// Everything mounted at and below it, deepest first. Mounts that came into a user namespace from outside are
    /// locked together (mount_namespaces(7)): a copy of such a tree goes as a whole, with `MNT_DETACH`.
    #[must_use]
    pub fn recursive(mut self, yes: bool) -> Self {
        self.recursive = yes;
        self
    }

    /// `MNT_DETACH`: out of the table now, gone when its last user is.
    #[must_use]
    pub fn lazy(mut self, yes: bool) -> Self {
        self.lazy = yes;
        self
    }

    /// How long to try again while it is busy.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Unmounts `path`. A final symbolic link is not followed.
    ///
    /// # Errors
    /// All that went wrong, never none: [`ErrorKind::NotFound`], [`ErrorKind::NotMounted`] (also for a symbolic link),
    /// [`ErrorKind::Busy`] after the timeout, [`ErrorKind::Permission`].
    pub fn run(&self, path: impl AsRef<Path>) -> Result<(), Vec<Error>> {
        let path = path.as_ref();
        let place = Place::open(path).map_err(|e| vec![e])?;
        // No deadline that the clock can hold means: as long as it takes.
        let deadline = Instant::now().checked_add(self.timeout);
        if !self.recursive {
            return self.one(&place, deadline).map_err(|e| vec![e]);
        }
        let table = mountinfo::read().map_err(|e| vec![e])?;
        // What is stacked on the same place goes too, so start at the lowest mount there.
        let lowest = lowest_of_stack(&table, place.table_id);
        drop(place);
        let order = mountinfo::deepest_first(&table, lowest);
        if self.lazy {
            return self.whole(path, &order).map_err(|e| vec![e]);
        }
        let mut errors = Vec::new();
        for entry in &order {
            let below = Place::open(&entry.target).and_then(|below| below.check(entry));
            match below.and_then(|below| self.one(&below, deadline)) {
                Err(error) if error.raw_errno() == Some(Errno::INVAL) => {
                    return self.whole(path, &order).map_err(|e| vec![e]);
                }
                done => errors.extend(done.err()),
            }
        }
        if errors.is_empty() { Ok(()) } else { Err(errors) }
    }

    /// Copies of mounts that the kernel has locked together only go together: each tree on the place, by `MNT_DETACH`.
    fn whole(&self, path: &Path, known: &[&MountEntry]) -> Result<()> {
        let lazy = Self { lazy: true, ..*self };
        for _ in known {
            match Place::open(path) {
                Ok(place) if known.iter().any(|entry| entry.id == place.table_id) => {
                    lazy.one(&place, None)?;
                }
                _ => return Ok(()),
            }
        }
        Ok(())
    }

    fn one(&self, place: &Place, deadline: Option<Instant>) -> Result<()> {
        let flags = if self.lazy { UnmountFlags::DETACH } else { UnmountFlags::empty() };
        let mut pause = Duration::from_millis(1);
        loop {
            place.check_identity()?;
            match rustix::mount::unmount(&place.name, flags | UnmountFlags::NOFOLLOW) {
                Ok(()) => return Ok(()),
                Err(Errno::BUSY) if has_children(place) => return Err(has_mounts_below(&place.path)),
                Err(Errno::BUSY) if deadline.is_none_or(|end| Instant::now() + pause < end) => {
                    std::thread::sleep(pause)
                }
                Err(Errno::INTR) => {}
                Err(errno) => return Err(unmount_error(&place.path, errno)),
            }
            pause = (pause * 2).min(Duration::from_millis(50));
        }
    }
}

/// A mount point, held by its parent directory so that nothing on the way can be exchanged.
#[derive(Debug)]
struct Place {
    path: PathBuf,
    /// What umount2(2) is given: the last component below the held parent.
    name: PathBuf,
    _parent: Option<OwnedFd>,
    id: MountId,
    table_id: u64,
}

impl Place {
    fn open(path: &Path) -> Result<Self> {
        let (parent, name) = match (path.parent(), path.file_name()) {
            (Some(parent), Some(last)) => {
                let parent = if parent.as_os_str().is_empty() { Path::new(".") } else { parent };
                let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
                let fd = rustix::fs::openat(CWD, parent, flags, Mode::empty())
                    .map_err(|e| crate::vfs::target::open_error("open target", "openat", path, e))?;
                let name = PathBuf::from(format!("/proc/self/fd/{}", fd.as_raw_fd())).join(last);
                (Some(fd), name)
            }
            _ => (None, path.to_owned()),
        };
        let top = open_no_follow(&name, path)?;
        if !is_mount_root(top.as_fd())? {
            return Err(not_mounted(top.as_fd(), path));
        }
        let id = MountId::of(top.as_fd())?;
        let table_id = mountinfo_id(top.as_fd())?;
        Ok(Self { path: path.to_owned(), name, _parent: parent, id, table_id })
    }

    /// The mount at this place is the one that the table has.
    fn check(self, entry: &MountEntry) -> Result<Self> {
        if self.table_id == entry.id {
            return Ok(self);
        }
        Err(Error::new(ErrorKind::Busy, "unmount", "another mount is on top of it").arg(&self.path))
    }

    /// Still the same mount: umount2(2) goes by path and takes whatever is on top there.
    fn check_identity(&self) -> Result<()> {
        let top = open_no_follow(&self.name, &self.path)?;
        if MountId::of(top.as_fd())? == self.id {
            return Ok(());
        }
        let reason = "another mount has been put there meanwhile";
        Err(Error::new(ErrorKind::Busy, "unmount", reason).arg(&self.path))
    }
}

fn open_no_follow(name: &Path, path: &Path) -> Result<OwnedFd> {
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    rustix::fs::openat(CWD, name, flags, Mode::empty())
        .map_err(|e| crate::vfs::target::open_error("open target", "openat", path, e))
}

fn not_mounted(fd: BorrowedFd<'_>, path: &Path) -> Error {
    let is_link = rustix::fs::fstat(fd).is_ok_and(|s| FileType::from_raw_mode(s.st_mode).is_symlink());
    let reason = if is_link {
        "it is a symbolic link, which unmounting does not follow"
    } else {
        "nothing is mounted there"
    };
    Error::new(ErrorKind::NotMounted, "unmount", reason).arg(path)
}

/// Waiting does not help against mounts below; asked only once it was busy.
fn has_children(place: &Place) -> bool {
    mountinfo::read().is_ok_and(|table| table.iter().any(|e| e.parent == place.table_id && e.id != e.parent))
}

fn has_mounts_below(path: &Path) -> Error {
    let error = Error::sys("unmount", "umount2", Errno::BUSY).arg(path);
    error.because("it has mounts below it").hinted("unmount those too: recursively (umount -R)")
}

fn unmount_error(path: &Path, errno: Errno) -> Error {
    let error = Error::sys("unmount", "umount2", errno).arg(path);
    match errno {
        Errno::BUSY => error.because("it is in use").hinted(
            "fuser -vm shows who uses it; lazily (umount -l) it goes away now and is freed when nobody uses it",
        ),
        Errno::INVAL => error
            .because("the kernel keeps it locked here")
            .hinted("mounts that came into a user namespace from outside can't be unmounted one by one"),
        Errno::PERM => error.hinted(NEEDS_ADMIN),
        _ => error,
    }
}

/// The lowest of the mounts that are stacked on each other's root at one place.
fn lowest_of_stack(table: &[MountEntry], top: u64) -> u64 {
    let find = |id| table.iter().find(|e| e.id == id);
    let mut at = top;
    while let Some((entry, parent)) = find(at).and_then(|e| find(e.parent).map(|p| (e, p))) {
        if parent.target != entry.target || parent.id == entry.id {
            break;
        }
        at = parent.id;
    }
    at
}

/// Takes away, lazily and with all below, the mount that `fd` is the root of. The kernel takes what is on top of that
/// place: the caller has looked.
pub(crate) fn detach_fd(fd: BorrowedFd<'_>) -> Result<()> {
    let name = format!("/proc/self/fd/{}", fd.as_raw_fd());
    rustix::mount::unmount(name, UnmountFlags::DETACH).map_err(|e| Error::sys("unmount", "umount2", e))
}

/// Takes back, lazily and with all below, a mount that we made and that is on top of its place. It is made private first:
/// a tree that was bound from a shared one is its peer, and what is mounted below the source would go with it.
pub(crate) fn take_back(fd: BorrowedFd<'_>) -> Result<()> {
    let name = format!("/proc/self/fd/{}", fd.as_raw_fd());
    let private = MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
    rustix::mount::mount_change(name, private).map_err(|e| Error::sys("unmount", "mount", e))?;
    detach_fd(fd)
}
