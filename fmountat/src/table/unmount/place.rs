// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A mount point, held by its parent directory so that nothing on the way can be exchanged.

use crate::error::{Error, ErrorKind, Result};
use crate::mountinfo::MountEntry;
use crate::mountinfo::id::{MountId, MountinfoId};
use crate::sys::procfs::name_for;
use crate::table::unmount::errors;
use crate::table::{fdinfo, located};
use crate::vfs::identity::is_mount_root;
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{CWD, FileType, Mode, OFlags};
use rustix::io::Errno;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

#[derive(Debug)]
pub(crate) struct Place {
    pub(crate) path: PathBuf,
    pub(crate) handle: Handle,
    pub(crate) id: MountId,
    /// The id that mountinfo has for it.
    pub(crate) number: MountinfoId,
    pub(crate) fs_type: OsString,
}

/// What a system call, also one on another thread, needs to get to the place.
#[derive(Debug, Clone)]
pub(crate) struct Handle {
    /// What umount2(2) is given: the last component below the held parent.
    pub(crate) name: PathBuf,
    parent: Option<Arc<OwnedFd>>,
}

impl Handle {
    /// Holds the parent of `path`, which starts at `dir`.
    fn open(dir: BorrowedFd<'_>, path: &Path) -> Result<Self> {
        let (Some(parent), Some(last)) = (path.parent(), path.file_name()) else {
            return Ok(Self { name: path.to_owned(), parent: None });
        };
        let parent = if parent.as_os_str().is_empty() { Path::new(".") } else { parent };
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let fd = rustix::fs::openat(dir, parent, flags, Mode::empty()).map_err(|e| errors::open(path, e))?;
        let name = name_for(errors::STEP, fd.as_fd()).map_err(|e| e.with_argument(path))?.join(last);
        Ok(Self { name, parent: Some(Arc::new(fd)) })
    }

    /// The parent and the name in it, for a program that starts there.
    pub(crate) fn in_parent(&self) -> Option<(BorrowedFd<'_>, &OsStr)> {
        Some((self.parent.as_ref()?.as_fd(), self.name.file_name()?))
    }

    /// What is seen there now.
    fn top(&self, path: &Path) -> Result<OwnedFd> {
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let opened = rustix::fs::openat(CWD, &self.name, flags, Mode::empty());
        opened.map_err(|errno| errors::open(path, errno))
    }

    /// The mount that is seen there: its id, and the number that mountinfo has for it.
    fn seen(&self, path: &Path, top: BorrowedFd<'_>) -> Result<Option<(MountId, MountinfoId)>> {
        match is_mount_root(top) {
            Ok(true) => Ok(Some((MountId::of(top)?, MountinfoId::of(top)?))),
            Ok(false) => Ok(None),
            // FUSE keeps everybody but the user who mounted it out, root too.
            Err(error) if error.raw_errno() == Some(Errno::ACCESS) => {
                let above = self.parent.as_ref().and_then(|parent| fdinfo::mount_number(parent.as_fd()));
                let number = fdinfo::mount_number(top).ok_or(error)?;
                Ok((above != Some(number)).then(|| (number.into(), number)))
            }
            Err(error) => Err(error.with_argument(path)),
        }
    }
}

impl Place {
    /// The mount that is seen at `path`; `None` if nothing is mounted there. A symbolic link is an error.
    pub(crate) fn open(path: &Path) -> Result<Option<Self>> {
        Self::open_at(CWD, path)
    }

    /// The same with a path that starts at `dir`.
    pub(crate) fn open_at(dir: BorrowedFd<'_>, path: &Path) -> Result<Option<Self>> {
        Self::look(path.to_owned(), Handle::open(dir, path)?)
    }

    /// The mount that is seen at the same place now.
    pub(crate) fn again(&self) -> Result<Option<Self>> {
        Self::look(self.path.clone(), self.handle.clone())
    }

    fn look(path: PathBuf, handle: Handle) -> Result<Option<Self>> {
        let top = handle.top(&path)?;
        match handle.seen(&path, top.as_fd())? {
            Some((id, number)) => {
                let fs_type = located::fs_type(id)?;
                Ok(Some(Self { path, handle, id, number, fs_type }))
            }
            None if is_link(top.as_fd()) => Err(errors::symbolic_link(&path)),
            None => Ok(None),
        }
    }

    /// The mount of this line of the table, if it is the one that is seen at its place.
    pub(crate) fn of(entry: &MountEntry) -> Result<Option<Self>> {
        match Self::open(&entry.target) {
            Ok(place) => Ok(place.filter(|place| place.number == entry.id)),
            Err(error) if is_hidden(&error) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Of the mount that the process has its root directory on umount2(2) would only make the file system read-only, wherever
    /// else it is mounted, and report success (`do_umount`, fs/namespace.c).
    pub(crate) fn need_not_be_root(&self) -> Result<()> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let root = rustix::fs::openat(CWD, "/", flags, Mode::empty())
            .map_err(|e| errors::open(Path::new("/"), e))?;
        if MountinfoId::of(root.as_fd())? == self.number { Err(errors::own_root(&self.path)) } else { Ok(()) }
    }

    /// Still the same mount: umount2(2) goes by path and takes whatever is on top there.
    pub(crate) fn check_identity(&self) -> Result<()> {
        if self.is_seen()? { Ok(()) } else { Err(errors::exchanged(&self.path)) }
    }

    /// The mount's root, if it is the one that is seen at its place.
    pub(crate) fn root(&self) -> Result<OwnedFd> {
        let top = self.handle.top(&self.path)?;
        match self.handle.seen(&self.path, top.as_fd())? {
            Some((id, _)) if id == self.id => Ok(top),
            _ => Err(errors::exchanged(&self.path)),
        }
    }

    /// Whether this mount is the one that is seen at its place.
    pub(crate) fn is_seen(&self) -> Result<bool> {
        let top = self.handle.top(&self.path)?;
        Ok(self.handle.seen(&self.path, top.as_fd())?.is_some_and(|(id, _)| id == self.id))
    }

    /// Its file system is answered for by a program or another machine, which may not answer.
    pub(crate) fn may_hang(&self) -> bool {
        const REMOTE: [&str; 6] = ["9p", "cifs", "smb3", "ceph", "afs", "virtiofs"];
        let name = self.fs_type.as_bytes();
        REMOTE.iter().any(|remote| self.fs_type == *remote)
            || name.starts_with(b"fuse")
            || name.starts_with(b"nfs")
    }

    /// `fuse` or `fuse.SUBTYPE`: what fusermount3(1) unmounts.
    pub(crate) fn is_fuse(&self) -> bool {
        self.fs_type == "fuse" || self.fs_type.as_bytes().starts_with(b"fuse.")
    }
}

/// What another mount hides is found under another name, or not at all.
pub(crate) fn is_hidden(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory | ErrorKind::NotMounted)
}

fn is_link(fd: BorrowedFd<'_>) -> bool {
    rustix::fs::fstat(fd).is_ok_and(|s| FileType::from_raw_mode(s.st_mode).is_symlink())
}
