// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Mount helpers: `mount.fuse3` and `mount.TYPE`, which mount by themselves; run in bounded time, their words in the error.

use crate::error::{Error, ErrorKind, Result};
use crate::sys::spawn::{Ended, Program, run};
use crate::vfs::bytes::c_string;
use crate::vfs::identity::{MountId, is_mount_root};
use crate::vfs::target::Target;
use crate::vfs::tree::moved;
use rustix::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use rustix::fs::{CWD, MemfdFlags, Mode, OFlags};
use rustix::io::Errno;
use std::ffi::{CString, OsStr, OsString};
use std::io::{Read, Seek};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long a helper may take, unless the caller says otherwise.
pub const HELPER_LIMIT: Duration = Duration::from_secs(30);

/// How much of its output is kept, in bytes: the end of it.
const OUTPUT_KEPT: usize = 4096;

/// A program that mounts a file system of one type.
///
/// ```no_run
/// use fmountat::{HELPER_LIMIT, Helper, Target};
/// if let Some(helper) = Helper::find("fuse3.sshfs")? {
///     let target = Target::open(rustix::fs::CWD, "/mnt")?;
///     helper.mount(rustix::fs::CWD, "host:/", &target, &["ro".into()], HELPER_LIMIT)?;
/// }
/// # Ok::<(), fmountat::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Helper {
    program: PathBuf,
    fstype: OsString,
    /// What follows `-t`.
    subtype: Option<OsString>,
    /// `-o a -o b` where a list with commas would do for mount(8)'s own helpers.
    is_fuse: bool,
}

impl Helper {
    /// The helper that mount(8) or containerd would use for the type, if there is one: for `fuse.X` and `fuse3.X`
    /// `mount.fuse` or `mount.fuse3`, looked for in PATH too; for every other type `mount.TYPE` in /sbin and its like.
    ///
    /// # Errors
    /// [`ErrorKind::HelperMissing`] for a FUSE type without its helper.
    pub fn find(fstype: impl AsRef<OsStr>) -> Result<Option<Self>> {
        let of_system = ["/sbin", "/sbin/fs.d", "/sbin/fs", "/usr/sbin"].map(PathBuf::from);
        let path = std::env::var_os("PATH").unwrap_or_default();
        let all: Vec<PathBuf> = std::env::split_paths(&path).chain(of_system.clone()).collect();
        Self::find_in(fstype, &all, &of_system)
    }

    /// As [`find`](Self::find), in these directories: `fuse` for FUSE helpers, `system` for all others.
    ///
    /// # Errors
    /// Those of [`find`](Self::find).
    pub fn find_in(fstype: impl AsRef<OsStr>, fuse: &[PathBuf], system: &[PathBuf]) -> Result<Option<Self>> {
        let fstype = fstype.as_ref();
        let look = |dirs: &[PathBuf], name: &OsStr| dirs.iter().find_map(|dir| executable(dir.join(name)));
        let Some((names, subtype)) = fuse_names(fstype) else {
            let mut name = OsString::from("mount.");
            name.push(fstype);
            if fstype.is_empty() || fstype.as_bytes().contains(&b'/') {
                return Ok(None);
            }
            let found = look(system, &name);
            return Ok(found.map(|program| Self {
                program,
                fstype: fstype.into(),
                subtype: None,
                is_fuse: fstype == "fuse" || fstype == "fuse3",
            }));
        };
        match names.iter().find_map(|name| look(fuse, OsStr::new(name))) {
            Some(program) => Ok(Some(Self {
                program,
                fstype: fstype.into(),
                subtype: Some(subtype.into()),
                is_fuse: true,
            })),
            None => {
                let reason = format!("{} is not installed", names.join(" or "));
                Err(Error::new(ErrorKind::HelperMissing, "find mount helper", reason)
                    .arg(fstype)
                    .hinted("install fuse3 (Debian, Fedora, Arch: package fuse3)"))
            }
        }
    }

    /// The program.
    #[must_use]
    pub fn program(&self) -> &Path {
        &self.program
    }

    /// Mounts `source` on `target`; relative sources start at `dir`. The helper gets the target's real path; afterwards a
    /// new mount must be seen at the target, else it is taken away again. Gives the root of the mount.
    ///
    /// No SIGCHLD comes of it, and no `wait` of the caller's finds a child: see `sys::spawn`. The calling thread sleeps.
    ///
    /// # Errors
    /// [`ErrorKind::HelperFailed`], with its exit status and what it said; [`ErrorKind::TimedOut`]: it was killed, with all
    /// that it had started; [`ErrorKind::TargetMoved`]; [`ErrorKind::HelperMissing`].
    pub fn mount(
        &self,
        dir: impl AsFd,
        source: impl AsRef<OsStr>,
        target: &Target,
        options: &[OsString],
        limit: Duration,
    ) -> Result<OwnedFd> {
        let before = top(target)?;
        let path = real_path(target.as_fd())?;
        let arguments = self.arguments(source.as_ref(), &path, options)?;
        let (ended, output) = self.run(dir.as_fd(), &arguments, limit)?;
        let after = top(target).ok().filter(|top| is_new(top, &before));
        let error = match (ended, after) {
            (Ended::Exit(0), Some(root)) => return Ok(root),
            (Ended::Exit(0), None) => {
                take_away_from(&path, &before);
                return Err(if real_path(target.as_fd())? == path {
                    self.failed("it reports success, and nothing is mounted").with_output(output)
                } else {
                    moved(target.path())
                });
            }
            (Ended::Exit(status), _) => self.failed(&format!("exit status {status}")),
            (Ended::Signal(signal), _) => self.failed(&format!("killed by signal {signal}")),
            (Ended::TimedOut, _) => {
                let reason = format!("it did not end within {} seconds, and was killed", limit.as_secs_f32());
                self.failed(&reason).with_kind(ErrorKind::TimedOut)
            }
        };
        take_away_from(&path, &before);
        Err(error.with_output(output))
    }

    fn failed(&self, reason: &str) -> Error {
        Error::new(ErrorKind::HelperFailed, "run mount helper", reason).arg(&self.program)
    }

    /// `HELPER SOURCE TARGET [-o OPTION]... [-t TYPE]`, as containerd and mount(8) call helpers.
    fn arguments(&self, source: &OsStr, target: &Path, options: &[OsString]) -> Result<Vec<CString>> {
        let mut words: Vec<OsString> = vec![self.program.clone().into(), source.into(), target.into()];
        if self.is_fuse {
            words.extend(options.iter().flat_map(|option| [OsString::from("-o"), option.clone()]));
        } else if !options.is_empty() {
            words.push("-o".into());
            words.push(options.join(OsStr::new(",")));
        }
        if let Some(subtype) = &self.subtype {
            words.extend(["-t".into(), subtype.clone()]);
        }
        words.iter().map(|word| c_string("helper's argument", word)).collect()
    }

    fn run(&self, dir: BorrowedFd<'_>, argv: &[CString], limit: Duration) -> Result<(Ended, Vec<String>)> {
        run_program(dir, argv, limit).map_err(|(call, errno)| {
            let error = Error::sys("run mount helper", call, errno).arg(&self.program);
            if errno == Errno::NOENT { error.with_kind(ErrorKind::HelperMissing) } else { error }
        })
    }
}

/// Runs a program in the directory, for the limit at most: how it ended, and the last of what it said. No SIGCHLD comes of
/// it.
pub(crate) fn run_program(
    dir: BorrowedFd<'_>,
    argv: &[CString],
    limit: Duration,
) -> Result<(Ended, Vec<String>), (&'static str, Errno)> {
    let output = rustix::fs::memfd_create("output", MemfdFlags::CLOEXEC).map_err(|e| ("memfd_create", e))?;
    let open = |path, flags| rustix::fs::open(path, flags, Mode::empty()).map_err(|e| ("open", e));
    let input = open("/dev/null", OFlags::RDWR | OFlags::CLOEXEC)?;
    // Not 0 to 2, which the program's own are put on.
    let high = |fd: &OwnedFd| rustix::io::fcntl_dupfd_cloexec(fd, 3).map_err(|e| ("fcntl", e));
    let (input, mut output) = (high(&input)?, std::fs::File::from(high(&output)?));
    let variables = std::env::vars_os();
    let environment: Vec<CString> = variables
        .filter_map(|(name, value)| CString::new([name.as_bytes(), b"=", value.as_bytes()].concat()).ok())
        .collect();
    let is_cwd = dir.as_raw_fd() == CWD.as_raw_fd();
    let cwd =
        if is_cwd { Some(open(".", OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC)?) } else { None };
    let ended = run(&Program {
        argv,
        environment: &environment,
        dir: cwd.as_ref().map_or(dir, AsFd::as_fd),
        input: input.as_fd(),
        output: output.as_fd(),
        limit,
    })?;
    Ok((ended, last_lines(&mut output)))
}

/// A program in the directories of PATH.
pub(crate) fn in_path(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).find_map(|dir| executable(dir.join(name)))
}

fn executable(path: PathBuf) -> Option<PathBuf> {
    rustix::fs::access(&path, rustix::fs::Access::EXEC_OK).is_ok().then_some(path)
}

/// The helpers for `fuse.X` and `fuse3.X`, and X.
fn fuse_names(fstype: &OsStr) -> Option<(&'static [&'static str], &OsStr)> {
    let bytes = fstype.as_bytes();
    if let Some(subtype) = bytes.strip_prefix(b"fuse3.") {
        return Some((&["mount.fuse3"], OsStr::from_bytes(subtype)));
    }
    let subtype = bytes.strip_prefix(b"fuse.")?;
    Some((&["mount.fuse", "mount.fuse3"], OsStr::from_bytes(subtype)))
}

fn last_lines(output: &mut std::fs::File) -> Vec<String> {
    let mut bytes = Vec::new();
    // Without its words the failure is still told.
    let length = output.metadata().map_or(0, |meta| meta.len());
    let start = length.saturating_sub(OUTPUT_KEPT as u64);
    let _ = output.seek(std::io::SeekFrom::Start(start)).and_then(|_| output.read_to_end(&mut bytes));
    String::from_utf8_lossy(&bytes)
        .lines()
        .map(str::trim_end)
        .filter(|l| !l.is_empty())
        .map(str::to_owned)
        .collect()
}

fn real_path(fd: BorrowedFd<'_>) -> Result<PathBuf> {
    let name = format!("/proc/self/fd/{}", fd.as_raw_fd());
    std::fs::read_link(&name).map_err(|e| Error::from_io("look at the target", name, e))
}

/// What is seen where the target is now.
fn top(target: &Target) -> Result<OwnedFd> {
    Target::open(CWD, real_path(target.as_fd())?).map(Target::into_fd)
}

fn is_new(seen: &OwnedFd, before: &OwnedFd) -> bool {
    let ids = (MountId::of(seen.as_fd()), MountId::of(before.as_fd()));
    matches!(ids, (Ok(now), Ok(then)) if now != then) && is_mount_root(seen.as_fd()).is_ok_and(|yes| yes)
}

/// A mount that came to be although the helper failed, or at a place that was moved meanwhile.
fn take_away_from(path: &Path, before: &OwnedFd) {
    if let Some(root) = Target::open(CWD, path).ok().map(Target::into_fd).filter(|root| is_new(root, before))
    {
        // The helper's failure is the one to tell.
        let _ = crate::vfs::tree::take_back(root.as_fd());
    }
}
