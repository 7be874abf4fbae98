// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The mounts of `--bind`, `--ro-bind` and `--tmpfs`.

use crate::run_args::RunArgs;
use fmountat::{Error, ErrorKind, Mount, Operation};
use rustix::fs::{CWD, Mode, OFlags};
use rustix::io::Errno;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Component, Path, PathBuf};

/// Directories that every user may write to.
const OPEN_TO_ALL: [&str; 2] = ["/tmp", "/var/tmp"];

/// Returns the mounts, those above others first. Of two at one path the later option is the upper.
pub(crate) fn extra_mounts(args: &RunArgs) -> Result<Vec<Mount>, Error> {
    let mut mounts = Vec::new();
    for path in &args.tmpfs {
        mounts.push(tmpfs(path)?);
    }
    for text in &args.ro_binds {
        mounts.push(bind(text, "--ro-bind", args)?.option("rro"));
    }
    for text in &args.binds {
        mounts.push(bind(text, "--bind", args)?);
    }
    mounts.sort_by_key(|mount| mount.target.components().count());
    Ok(mounts)
}

/// Parses `SRC[:DST[:OPTIONS]]`. Without DST, the mount point is the absolute path of SRC.
fn bind(text: &OsStr, option: &'static str, args: &RunArgs) -> Result<Mount, Error> {
    let (directory, is_of_bundle) = (args.directory.as_deref(), args.bundle.is_some());
    let mut parts = fields(text.as_bytes()).into_iter();
    let source = parts.next().unwrap_or_default();
    if source.is_empty() {
        return Err(wrong(option, "the source of the bind mount is empty").with_argument(text));
    }
    let target = match parts.next().filter(|target| !target.is_empty()) {
        Some(target) => PathBuf::from(target),
        None => absolute(Path::new(&source), directory)?,
    };
    let target = below_root(&target).ok_or_else(|| {
        wrong(option, "the mount would cover the whole root")
            .with_argument(text)
            .with_hint("name a directory in the root, as in SRC:/mnt")
    })?;
    need_source(Path::new(&source), directory)?;
    // The sources of a bundle start at its directory.
    let source = if is_of_bundle { absolute(Path::new(&source), directory)?.into() } else { source };
    let mount = Mount::new("bind", source).at(target).option("rbind,X-mount.mkdir");
    Ok(match parts.next() {
        Some(options) => mount.option(options),
        None => mount,
    })
}

/// Fails for a source that cannot be opened, before the mounts have numbers that the user did not
/// give them.
fn need_source(source: &Path, directory: Option<&Path>) -> Result<(), Error> {
    let path = absolute(source, directory)?;
    match rustix::fs::openat(CWD, &path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty()) {
        Ok(_) => Ok(()),
        Err(errno) => {
            let error = Error::from_io(Operation::Program("open bind source"), source, errno.into());
            Err(if errno == Errno::NOENT { error.with_hint("create it first") } else { error })
        }
    }
}

fn tmpfs(path: &Path) -> Result<Mount, Error> {
    let target = below_root(path)
        .ok_or_else(|| wrong("--tmpfs", "the tmpfs would cover the whole root").with_argument(path))?;
    let mode = if OPEN_TO_ALL.iter().any(|open| target == Path::new(open)) { "1777" } else { "0755" };
    let options = format!("nosuid,nodev,mode={mode},X-mount.mkdir");
    Ok(Mount::new("tmpfs", "tmpfs").at(target).option(options))
}

fn wrong(option: &'static str, reason: &'static str) -> Error {
    let step = match option {
        "--bind" => "parse option --bind",
        "--ro-bind" => "parse option --ro-bind",
        _ => "parse option --tmpfs",
    };
    Error::new(ErrorKind::OptionValue, Operation::Program(step), reason)
}

/// Splits at the first two colons. `\:` is a colon that does not separate, `\\` a backslash.
fn fields(text: &[u8]) -> Vec<OsString> {
    let mut fields = vec![Vec::new()];
    let mut bytes = text.iter().copied().peekable();
    while let Some(byte) = bytes.next() {
        let escaped = bytes.next_if(|next| byte == b'\\' && matches!(next, b':' | b'\\'));
        if byte == b':' && fields.len() < 3 {
            fields.push(Vec::new());
        } else if let Some(last) = fields.last_mut() {
            last.push(escaped.unwrap_or(byte));
        }
    }
    fields.into_iter().map(OsString::from_vec).collect()
}

/// Returns the absolute path of a source. `..` is what it is on the host, also after a symbolic
/// link.
fn absolute(source: &Path, directory: Option<&Path>) -> Result<PathBuf, Error> {
    let failed = |path: &Path, error| Error::from_io(Operation::Program("find the path of"), path, error);
    let start = match directory {
        _ if source.is_absolute() => PathBuf::from("/"),
        Some(directory) => std::fs::canonicalize(directory).map_err(|e| failed(directory, e))?,
        None => std::env::current_dir().map_err(|e| failed(Path::new("."), e))?,
    };
    let path = start.join(source);
    let has_parent = source.components().any(|part| part == Component::ParentDir);
    if has_parent { std::fs::canonicalize(&path).map_err(|e| failed(source, e)) } else { Ok(path) }
}

/// Returns the path without `.` and `..`, or `None` for the root itself.
fn below_root(target: &Path) -> Option<PathBuf> {
    let mut plain = PathBuf::from("/");
    for part in target.components() {
        match part {
            Component::Normal(name) => plain.push(name),
            Component::ParentDir => drop(plain.pop()),
            _ => {}
        }
    }
    (plain != Path::new("/")).then_some(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_colon_can_be_escaped() {
        for (text, want) in [
            ("a", &["a"][..]),
            ("a:b", &["a", "b"]),
            ("a:b:c:d", &["a", "b", "c:d"]),
            (r"a\:b:c", &["a:b", "c"]),
            (r"a\\:b", &[r"a\", "b"]),
            (r"a\b:c\", &[r"a\b", r"c\"]),
            ("", &[""]),
            ("::rro", &["", "", "rro"]),
        ] {
            assert_eq!(fields(text.as_bytes()), want, "{text}");
        }
    }

    #[test]
    fn the_root_is_not_below_the_root() {
        for root in ["/", ".", "..", "/usr/..", "//", "a/../..", ""] {
            assert_eq!(below_root(Path::new(root)), None, "{root}");
        }
        for (path, want) in [("/mnt/", "/mnt"), ("out", "/out"), ("/a/./b/../c", "/a/c")] {
            assert_eq!(below_root(Path::new(path)), Some(PathBuf::from(want)));
        }
    }
}
