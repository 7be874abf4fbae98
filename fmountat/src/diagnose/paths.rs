// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Explains paths that could not be opened: finds the component that is missing or not searchable.

use crate::error::{Error, Syscall, escape};
use crate::sys::procfs;
use rustix::fd::BorrowedFd;
use rustix::fs::{Access, AtFlags, CWD, FileType};
use rustix::io::Errno;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// Names the path component that cannot be passed. A relative path is resolved from `dir`.
pub(crate) fn explain(error: Error, dir: Option<BorrowedFd<'_>>) -> Error {
    if error.hint().is_some() {
        return error;
    }
    // A path inside a root is relative to that root, which is not available here.
    let is_inside = error.call() == Some(Syscall::Openat2);
    if is_inside && error.raw_errno() == Some(Errno::LOOP) {
        return error.with_hint(
            "use a path without magic links of /proc (root, cwd, fd/N): they are not \
                                followed inside a root",
        );
    }
    let path = error.argument().map(PathBuf::from).filter(|_| !is_inside);
    let found = path.and_then(|path| {
        let dir = if path.is_absolute() { CWD } else { dir? };
        match error.raw_errno() {
            Some(Errno::NOENT) if path.starts_with("/proc") && procfs::check().is_err() => {
                Some(String::from("/proc is not mounted: run `fmountat mount -t proc proc /proc`"))
            }
            Some(Errno::NOENT) => missing(dir, &path),
            Some(Errno::NOTDIR) => not_a_directory(dir, &path),
            Some(Errno::ACCESS) => closed(dir, &path),
            Some(Errno::LOOP) => in_circle(dir, &path),
            _ => None,
        }
    });
    match found {
        Some(hint) => error.with_hint(hint),
        None => error,
    }
}

fn escaped(path: &Path) -> String {
    escape(path.as_os_str().as_bytes())
}

/// Returns all prefixes of the path, the shortest first, the path itself last.
fn prefixes(path: &Path) -> Vec<&Path> {
    let mut prefixes: Vec<_> = path.ancestors().filter(|prefix| !prefix.as_os_str().is_empty()).collect();
    prefixes.reverse();
    prefixes
}

/// Explains ENOENT if a directory on the path is missing, or a symbolic link is dangling.
fn missing(dir: BorrowedFd<'_>, path: &Path) -> Option<String> {
    let exists = |path: &Path| rustix::fs::statat(dir, path, AtFlags::empty()).is_ok();
    let absent = prefixes(path).into_iter().find(|path| !exists(path))?;
    if let Ok(to) = rustix::fs::readlinkat(dir, absent, Vec::new()) {
        return Some(format!(
            "{} is a symbolic link to {}, which does not exist",
            escaped(absent),
            escape(to.as_bytes())
        ));
    }
    let (parent, name) = (absent.parent()?, absent.file_name()?);
    let parent =
        if parent.as_os_str().is_empty() { String::from("the starting directory") } else { escaped(parent) };
    (absent != path).then(|| format!("`{}` does not exist in {parent}", escape(name.as_bytes())))
}

/// Explains ELOOP: names the first link that cannot be followed to an end.
fn in_circle(dir: BorrowedFd<'_>, path: &Path) -> Option<String> {
    let is_endless = |path: &&Path| {
        rustix::fs::statat(dir, *path, AtFlags::empty()).is_err_and(|errno| errno == Errno::LOOP)
    };
    let link = prefixes(path).into_iter().find(is_endless)?;
    let to = rustix::fs::readlinkat(dir, link, Vec::new()).ok()?;
    Some(format!(
        "{} is a symbolic link to {}: links that lead in a circle, or more than 40 in a row",
        escaped(link),
        escape(to.as_bytes())
    ))
}

fn not_a_directory(dir: BorrowedFd<'_>, path: &Path) -> Option<String> {
    let is_file = |path: &&Path| {
        let stat = rustix::fs::statat(dir, *path, AtFlags::empty());
        stat.is_ok_and(|stat| !FileType::from_raw_mode(stat.st_mode).is_dir())
    };
    let file = prefixes(path).into_iter().find(is_file)?;
    (file != path).then(|| format!("{} is not a directory", escaped(file)))
}

fn closed(dir: BorrowedFd<'_>, path: &Path) -> Option<String> {
    let may_not_enter = |path: &&Path| {
        let access = rustix::fs::accessat(dir, *path, Access::EXEC_OK, AtFlags::EACCESS);
        access == Err(Errno::ACCESS)
    };
    let parent = path.parent()?;
    let closed = prefixes(parent).into_iter().find(may_not_enter)?;
    let stat = rustix::fs::statat(dir, closed, AtFlags::empty()).ok()?;
    let (mode, uid) = (stat.st_mode & 0o7777, stat.st_uid);
    let me = rustix::process::geteuid().as_raw();
    Some(format!(
        "user {me} has no search permission on {}: its mode is {mode:04o} and its owner is user {uid}",
        escaped(closed)
    ))
}
