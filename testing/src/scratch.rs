// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Scratch directories: created before a case, removed after it with everything in them.

use rustix::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use rustix::fs::{AtFlags, CWD, Dir, FileType, Mode, OFlags};
use std::ffi::CStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

/// Creates a directory of mode 0755 in the directory for temporary files. Returns its canonical
/// path, as in mountinfo.
pub(crate) fn make() -> io::Result<PathBuf> {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let number = COUNT.fetch_add(1, Ordering::Relaxed);
    let path =
        std::env::temp_dir().canonicalize()?.join(format!("fmountat-test-{}-{number}", std::process::id()));
    std::fs::create_dir(&path)?;
    std::fs::set_permissions(&path, PermissionsExt::from_mode(0o755))?;
    Ok(path)
}

/// Removes a directory and everything in it. Symbolic links are not followed. Directories without
/// permission (overlay leaves `work/work` with mode 000) are removed after a chmod. A directory on
/// another file system is an error, and is kept with its contents.
pub(crate) fn remove(path: &Path) -> io::Result<()> {
    let c_path = std::ffi::CString::new(path.as_os_str().as_bytes())?;
    let device = rustix::fs::statat(CWD, &c_path, AtFlags::SYMLINK_NOFOLLOW)?.st_dev;
    remove_dir(CWD, &c_path, device)
        .map_err(|e| io::Error::new(e.kind(), format!("remove {}: {e}", path.display())))
}

fn remove_dir(parent: BorrowedFd<'_>, name: &CStr, device: u64) -> io::Result<()> {
    let dir = open_dir(parent, name)?;
    if rustix::fs::fstat(&dir)?.st_dev != device {
        return Err(io::Error::other(format!("{} is on another file system", name.to_string_lossy())));
    }
    // fchmod(2) does not work on an O_PATH descriptor, and fchmodat(2) would follow a link that
    // replaces the directory.
    rustix::fs::chmodat(CWD, format!("/proc/self/fd/{}", dir.as_raw_fd()), Mode::RWXU, AtFlags::empty())?;
    let listing = rustix::fs::openat(&dir, c".", OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
    for entry in Dir::read_from(&listing)? {
        let entry = entry?;
        let name = entry.file_name();
        if name == c"." || name == c".." {
            continue;
        }
        let kind = rustix::fs::statat(&listing, name, AtFlags::SYMLINK_NOFOLLOW)?.st_mode;
        if FileType::from_raw_mode(kind).is_dir() {
            remove_dir(listing.as_fd(), name, device)?;
        } else {
            rustix::fs::unlinkat(&listing, name, AtFlags::empty())?;
        }
    }
    Ok(rustix::fs::unlinkat(parent, name, AtFlags::REMOVEDIR)?)
}

fn open_dir(parent: BorrowedFd<'_>, name: &CStr) -> io::Result<OwnedFd> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    Ok(rustix::fs::openat(parent, name, flags, Mode::empty())?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directories_come_new_and_readable_for_all() {
        let (one, two) = (make().unwrap(), make().unwrap());
        assert_ne!(one, two);
        assert_eq!(one.metadata().unwrap().permissions().mode() & 0o7777, 0o755);
        remove(&one).unwrap();
        remove(&two).unwrap();
        assert!(!one.exists() && !two.exists());
    }

    #[test]
    fn unreadable_directories_go() {
        let base = make().unwrap();
        crate::write(base.join("work/work/index/file"), "x");
        for closed in ["work/work/index", "work/work", "work"] {
            std::fs::set_permissions(base.join(closed), PermissionsExt::from_mode(0o000)).unwrap();
        }
        remove(&base).unwrap();
        assert!(!base.exists());
    }

    #[test]
    fn links_go_and_what_they_lead_to_stays() {
        let (base, other) = (make().unwrap(), make().unwrap());
        crate::write(other.join("precious"), "x");
        std::os::unix::fs::symlink(&other, base.join("dir")).unwrap();
        std::os::unix::fs::symlink(other.join("precious"), base.join("file")).unwrap();
        std::os::unix::fs::symlink("nowhere", base.join("dangling")).unwrap();
        remove(&base).unwrap();
        assert!(!base.exists());
        assert_eq!(crate::read(other.join("precious")), "x");
        let link = other.with_extension("link");
        std::os::unix::fs::symlink(&other, &link).unwrap();
        remove(&link).unwrap_err();
        assert!(other.join("precious").exists());
        std::fs::remove_file(link).unwrap();
        remove(&other).unwrap();
    }
}
