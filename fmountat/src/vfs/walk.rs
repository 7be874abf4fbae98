// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A path inside a root without openat2(2) \[Linux 5.6\]: component by component, downwards only.
//!
//! `..` goes back to a descriptor that was passed on the way down, never up from where that directory is now, so no
//! rename by others can lead out of the root. What it finds was below the root when it was passed.

use super::target::is_dir;
use crate::error::Result;
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{AtFlags, FileType, Mode, OFlags, StatxFlags};
use rustix::io::Errno;

/// As many links as the kernel follows: `MAXSYMLINKS`, include/linux/namei.h.
const LINKS_MAX: usize = 40;

/// `PROC_SUPER_MAGIC` and `PROC_ROOT_INO`.
pub(super) const PROC: rustix::fs::FsWord = 0x9fa0;
const PROC_ROOT: u64 = 1;

/// `ST_NOSYMFOLLOW` of statfs(2).
const NOSYMFOLLOW: u64 = 0x2000;

/// Opens `path` with `O_PATH` inside `root`, as `openat2(RESOLVE_IN_ROOT|RESOLVE_NO_MAGICLINKS)` does.
pub(super) fn open_inside(root: BorrowedFd<'_>, path: &[u8]) -> Result<OwnedFd, Errno> {
    if path.len() >= libc::PATH_MAX as usize {
        return Err(Errno::NAMETOOLONG);
    }
    let open = |dir: BorrowedFd<'_>, name: &[u8]| {
        rustix::fs::openat(dir, name, OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty())
    };
    let mut passed: Vec<OwnedFd> = Vec::new();
    let mut here = open(root, b".")?;
    // Components still to walk, the next one last.
    let mut ahead = components(path);
    let mut links = 0;
    while let Some(name) = ahead.pop() {
        match name.as_slice() {
            b"" | b"." => must_be_dir(here.as_fd())?,
            b".." => {
                must_be_dir(here.as_fd())?;
                here = passed.pop().unwrap_or(here);
            }
            name => {
                let next = open(here.as_fd(), name)?;
                let Some(link) = read_link(here.as_fd(), next.as_fd())? else {
                    passed.push(std::mem::replace(&mut here, next));
                    continue;
                };
                links += 1;
                if links > LINKS_MAX {
                    return Err(Errno::LOOP);
                }
                if link.starts_with(b"/") {
                    passed.clear();
                    here = open(root, b".")?;
                }
                ahead.append(&mut components(&link));
            }
        }
    }
    Ok(here)
}

/// The components of a path, the first one last; a trailing slash is an empty one, which only a directory can have.
fn components(path: &[u8]) -> Vec<Vec<u8>> {
    let relative = path.strip_prefix(b"/").unwrap_or(path);
    relative.split(|byte| *byte == b'/').rev().map(<[u8]>::to_vec).collect()
}

fn must_be_dir(fd: BorrowedFd<'_>) -> Result<(), Errno> {
    match is_dir(fd) {
        Ok(true) => Ok(()),
        Ok(false) => Err(Errno::NOTDIR),
        Err(error) => Err(error.raw_errno().unwrap_or(Errno::IO)),
    }
}

/// Where the link leads that `fd`, opened in `dir`, is on; `None` if it is no link. Links of /proc lead to files
/// themselves, not by a path: they are refused, as are links on a mount with `nosymfollow`.
fn read_link(dir: BorrowedFd<'_>, fd: BorrowedFd<'_>) -> Result<Option<Vec<u8>>, Errno> {
    let stat = rustix::fs::statx(fd, "", AtFlags::EMPTY_PATH, StatxFlags::TYPE)?;
    if !FileType::from_raw_mode(stat.stx_mode.into()).is_symlink() {
        return Ok(None);
    }
    let is_of_proc = rustix::fs::fstatfs(fd)?.f_type == PROC;
    if is_of_proc && rustix::fs::statx(dir, "", AtFlags::EMPTY_PATH, StatxFlags::INO)?.stx_ino != PROC_ROOT {
        return Err(Errno::LOOP);
    }
    if rustix::fs::fstatvfs(fd)?.f_flag.bits() & NOSYMFOLLOW != 0 {
        return Err(Errno::LOOP);
    }
    Ok(Some(rustix::fs::readlinkat(fd, c"", Vec::new())?.into_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::fs::ResolveFlags;
    use std::os::unix::fs::{MetadataExt, symlink};

    fn by_openat2(root: BorrowedFd<'_>, path: &[u8]) -> Result<OwnedFd, Errno> {
        let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
        loop {
            match rustix::fs::openat2(root, path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty(), resolve) {
                // Somebody on this machine has renamed something.
                Err(Errno::AGAIN) => {}
                opened => return opened,
            }
        }
    }

    fn told(opened: Result<OwnedFd, Errno>) -> Result<(u64, u64), Errno> {
        opened.map(|fd| std::fs::File::from(fd).metadata().unwrap()).map(|meta| (meta.dev(), meta.ino()))
    }

    /// Every path of up to four of these words leads to the same place as by openat2(2), or fails alike.
    #[test]
    fn it_goes_where_openat2_goes() {
        let dir = std::env::temp_dir().join(format!("fmountat-walk-{}", std::process::id()));
        std::fs::create_dir_all(dir.join("root/a/b")).unwrap();
        std::fs::write(dir.join("root/f"), "").unwrap();
        std::fs::write(dir.join("out"), "").unwrap();
        for (to, name) in [
            ("/a", "abs"),
            ("..", "up"),
            ("../../out", "a/out"),
            ("a/b", "rel"),
            ("loop", "loop"),
            ("f", "tof"),
            ("/", "slash"),
            ("nowhere", "dangling"),
            ("a/", "dirlink"),
            ("f/", "notdir"),
        ] {
            symlink(to, dir.join("root").join(name)).unwrap();
        }
        let words = [
            "a", "b", "f", ".", "..", "", "abs", "up", "out", "rel", "loop", "tof", "slash", "dangling",
            "dirlink", "notdir",
        ];
        let root = std::fs::File::open(dir.join("root")).unwrap();
        let mut paths = vec![String::from("/"), "x".repeat(256), "a/".repeat(2100)];
        for one in words {
            for two in words {
                paths.extend([format!("{one}/{two}"), format!("/{two}/{one}")]);
                paths.extend(words.iter().map(|three| format!("{one}/{two}/{three}")));
            }
        }
        for path in paths {
            let expected = told(by_openat2(root.as_fd(), path.as_bytes()));
            assert_eq!(told(open_inside(root.as_fd(), path.as_bytes())), expected, "{path}");
        }
        let slash = std::fs::File::open("/").unwrap();
        for path in
            ["proc/self/fd/0", "proc/self/exe", "proc/self/root/etc", "proc/self/status", "proc/mounts"]
        {
            let (got, expected) = (
                told(open_inside(slash.as_fd(), path.as_bytes())),
                told(by_openat2(slash.as_fd(), path.as_bytes())),
            );
            assert_eq!(got.map(drop), expected.map(drop), "{path}");
        }
        std::fs::remove_dir_all(dir).unwrap();
    }
}
