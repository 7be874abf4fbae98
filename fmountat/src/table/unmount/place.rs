// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A mount point, protected against path exchange by a descriptor of its parent directory.

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
    /// Its mountinfo id.
    pub(crate) number: MountinfoId,
    pub(crate) fs_type: OsString,
}

/// The name of a mount point for system calls, valid on any thread.
#[derive(Debug, Clone)]
pub(crate) struct Handle {
    /// The path for umount2(2): the last component below the held parent.
    pub(crate) name: PathBuf,
    parent: Option<Arc<OwnedFd>>,
}

impl Handle {
    /// Holds the parent of `path`, relative to `dir`.
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

    /// Returns the parent and the name in it, for a program that starts there.
    pub(crate) fn in_parent(&self) -> Option<(BorrowedFd<'_>, &OsStr)> {
        Some((self.parent.as_ref()?.as_fd(), self.name.file_name()?))
    }

    /// Opens the visible file at the name.
    fn top(&self, path: &Path) -> Result<OwnedFd> {
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let opened = rustix::fs::openat(CWD, &self.name, flags, Mode::empty());
        opened.map_err(|errno| errors::open(path, errno))
    }

    /// Returns the visible mount at the name: its id and its mountinfo id.
    fn seen(&self, path: &Path, top: BorrowedFd<'_>) -> Result<Option<(MountId, MountinfoId)>> {
        match is_mount_root(top) {
            Ok(true) => Ok(Some((MountId::of(top)?, MountinfoId::of(top)?))),
            Ok(false) => Ok(None),
            // FUSE denies access to everybody but the user that mounted it, root included.
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
    /// Returns the visible mount at `path`, or `None` if nothing is mounted there. A symbolic link
    /// is an error.
    pub(crate) fn open(path: &Path) -> Result<Option<Self>> {
        Self::open_at(CWD, path)
    }

    /// Like [`open`](Self::open), with a path relative to `dir`.
    pub(crate) fn open_at(dir: BorrowedFd<'_>, path: &Path) -> Result<Option<Self>> {
        Self::at(path.to_owned(), Handle::open(dir, path)?)
    }

    /// Returns the visible mount at the same place now.
    pub(crate) fn again(&self) -> Result<Option<Self>> {
        Self::at(self.path.clone(), self.handle.clone())
    }

    fn at(path: PathBuf, handle: Handle) -> Result<Option<Self>> {
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

    /// Returns the mount of a table entry, if it is visible at its mount point.
    pub(crate) fn of(entry: &MountEntry) -> Result<Option<Self>> {
        match Self::open(&entry.target) {
            Ok(place) => Ok(place.filter(|place| place.number == entry.id)),
            Err(error) if is_hidden(&error) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Fails if the mount holds the process's root directory. umount2(2) would only remount that
    /// file system read-only, for all its mounts, and report success (`do_umount`, fs/namespace.c).
    pub(crate) fn need_not_be_root(&self) -> Result<()> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let root = rustix::fs::openat(CWD, "/", flags, Mode::empty())
            .map_err(|e| errors::open(Path::new("/"), e))?;
        if MountinfoId::of(root.as_fd())? == self.number { Err(errors::own_root(&self.path)) } else { Ok(()) }
    }

    /// Fails if another mount is visible at the place: umount2(2) takes a path and unmounts the top
    /// mount.
    pub(crate) fn check_identity(&self) -> Result<()> {
        if self.is_seen()? { Ok(()) } else { Err(errors::exchanged(&self.path)) }
    }

    /// Opens the mount's root, if it is visible at its place.
    pub(crate) fn root(&self) -> Result<OwnedFd> {
        let top = self.handle.top(&self.path)?;
        match self.handle.seen(&self.path, top.as_fd())? {
            Some((id, _)) if id == self.id => Ok(top),
            _ => Err(errors::exchanged(&self.path)),
        }
    }

    /// Reports whether this mount is visible at its place.
    pub(crate) fn is_seen(&self) -> Result<bool> {
        let top = self.handle.top(&self.path)?;
        Ok(self.handle.seen(&self.path, top.as_fd())?.is_some_and(|(id, _)| id == self.id))
    }

    /// Reports whether a program or another machine serves the file system and may not answer.
    pub(crate) fn may_block(&self) -> bool {
        const REMOTE: [&str; 6] = ["9p", "cifs", "smb3", "ceph", "afs", "virtiofs"];
        let name = self.fs_type.as_bytes();
        REMOTE.iter().any(|remote| self.fs_type == *remote)
            || name.starts_with(b"fuse")
            || name.starts_with(b"nfs")
    }

    /// Reports whether fusermount3(1) can unmount it: the type is `fuse` or `fuse.SUBTYPE`.
    pub(crate) fn is_fuse(&self) -> bool {
        self.fs_type == "fuse" || self.fs_type.as_bytes().starts_with(b"fuse.")
    }
}

/// Reports whether the error may mean that another mount hides the target: its path then leads to
/// another file or to none.
pub(crate) fn is_hidden(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory | ErrorKind::NotMounted)
}

fn is_link(fd: BorrowedFd<'_>) -> bool {
    rustix::fs::fstat(fd).is_ok_and(|s| FileType::from_raw_mode(s.st_mode).is_symlink())
}
