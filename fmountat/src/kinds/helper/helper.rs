// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Mount helpers: `mount.fuse3` and `mount.TYPE`, which mount by themselves; run in bounded time, their words in the error.

use crate::error::{Error, ErrorKind, Operation, Result};
use crate::kinds::helper::place::Place;
pub(crate) use crate::kinds::helper::run::run_program;
use crate::kinds::helper::run::{look, path_directories};
use crate::sys::spawn::spawn::Ended;
use crate::vfs::bytes::c_string;
use crate::vfs::identity::mounted_type;
use crate::vfs::target::Target;
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use std::ffi::{CString, OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long a helper may take, unless the caller says otherwise.
pub const HELPER_LIMIT: Duration = Duration::from_secs(30);

/// A program that mounts a file system of one type.
///
/// ```no_run
/// use fmountat::helper::{HELPER_LIMIT, Helper};
/// use fmountat::Target;
/// if let Some(helper) = Helper::find("fuse3.sshfs")? {
///     let target = Target::open(fmountat::CWD, "/mnt")?;
///     helper.mount(fmountat::CWD, "host:/", &target, &["ro".into()], HELPER_LIMIT)?;
/// }
/// # Ok::<(), fmountat::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Helper {
    program: PathBuf,
    /// What follows `-t`.
    told_type: Option<OsString>,
    /// `-o a -o b` where a list with commas would do for mount(8)'s own helpers.
    is_fuse: bool,
}

impl Helper {
    /// The helper that containerd or mount(8) would use for the type, if there is one. For `fuse.X` `mount.fuse`, or
    /// `mount.fuse3` where that is missing, for `fuse3.X` `mount.fuse3`, looked for in PATH and where system programs
    /// are. For every other type `mount.TYPE`, and for `A.B` also `mount.A`, in /sbin and its like.
    ///
    /// # Errors
    /// [`ErrorKind::HelperMissing`] for a FUSE type without its helper.
    pub fn find(fstype: impl AsRef<OsStr>) -> Result<Option<Self>> {
        let of_system = ["/sbin", "/sbin/fs.d", "/sbin/fs", "/usr/sbin"].map(PathBuf::from);
        let mut all = path_directories();
        all.extend(of_system.clone());
        all.push("/usr/local/sbin".into());
        Self::find_in(fstype, &all, &of_system)
    }

    /// As [`find`](Self::find), in these directories: `fuse` for FUSE helpers, `system` for all others. Those that are not
    /// absolute are left out.
    ///
    /// # Errors
    /// Those of [`find`](Self::find).
    pub fn find_in(fstype: impl AsRef<OsStr>, fuse: &[PathBuf], system: &[PathBuf]) -> Result<Option<Self>> {
        let fstype = fstype.as_ref();
        let bytes = fstype.as_bytes();
        let Some((names, subtype)) = fuse_names(bytes) else {
            // mount(8) takes neither `none` nor a list for the type of a helper.
            if bytes.is_empty() || bytes == b"none" || bytes.iter().any(|byte| b"/,".contains(byte)) {
                return Ok(None);
            }
            let stem = bytes.iter().rposition(|byte| *byte == b'.').map(|at| &bytes[..at]);
            let names = [Some(bytes), stem].into_iter().flatten();
            let found = names.map(|name| [b"mount.", name].concat());
            let found = found.into_iter().find_map(|name| look(system, OsStr::from_bytes(&name)));
            return Ok(found.map(|program| Self {
                program,
                told_type: stem.is_some().then(|| fstype.to_owned()),
                is_fuse: fstype == "fuse" || fstype == "fuse3",
            }));
        };
        match names.iter().find_map(|name| look(fuse, OsStr::new(name))) {
            Some(program) => Ok(Some(Self {
                program,
                told_type: Some(OsStr::from_bytes(subtype).to_owned()),
                is_fuse: true,
            })),
            None => {
                let reason = format!("{} is not installed", names.join(" or "));
                Err(Error::new(ErrorKind::HelperMissing, Operation::FindMountHelper, reason)
                    .with_argument(fstype)
                    .with_hint("install fuse3 (Debian, Fedora, Arch: package fuse3)"))
            }
        }
    }

    /// The program.
    #[must_use]
    pub fn program(&self) -> &Path {
        &self.program
    }

    /// Mounts `source` on `target`; relative sources start at `dir`. The helper gets the target's real path; afterwards a
    /// new mount, of FUSE where a FUSE helper made it, must be on that very target, else it is taken away again. Gives the
    /// root of the mount.
    ///
    /// No SIGCHLD comes of it, and no `wait` of the caller's finds a child. The calling thread sleeps, with its signals
    /// blocked save those that end the process. The helper has a session of its own, the caller's environment, the null device as input, and none of
    /// the caller's descriptors; when the caller dies it is killed, with all that it has started. Directories on the
    /// target's path that others rename while it runs can send it elsewhere: what it mounts there is not found.
    ///
    /// # Errors
    /// [`ErrorKind::HelperFailed`], with its exit status and what it said; [`ErrorKind::TimedOut`]: it was killed, with all
    /// that it had started; [`ErrorKind::TargetMoved`], also where no path leads to the target;
    /// [`ErrorKind::HelperMissing`]; [`ErrorKind::Unsupported`] on the root directory, and for a caller whose next child
    /// would be the first process of a pid namespace.
    pub fn mount(
        &self,
        dir: impl AsFd,
        source: impl AsRef<OsStr>,
        target: &Target,
        options: &[OsString],
        limit: Duration,
    ) -> Result<OwnedFd> {
        let place = Place::of(target)?;
        let arguments = self.arguments(source.as_ref(), place.path(), options)?;
        let done = self.run_on(&place, dir.as_fd(), &arguments, limit);
        if done.is_err() {
            place.take_back();
        }
        done
    }

    fn run_on(
        &self,
        place: &Place<'_>,
        dir: BorrowedFd<'_>,
        argv: &[CString],
        limit: Duration,
    ) -> Result<OwnedFd> {
        let (ended, output) =
            run_program(dir, argv, limit).map_err(|e| e.with_argument_if_none(&self.program))?;
        let failed = |reason: String| {
            let error = Error::new(ErrorKind::HelperFailed, Operation::RunMountHelper, reason);
            error.with_argument(&self.program).with_output(output)
        };
        match ended {
            Ended::Exit(0) => {}
            Ended::Exit(status) => return Err(failed(format!("exit status {status}"))),
            Ended::Signal(signal) => return Err(failed(format!("killed by signal {signal}"))),
            Ended::TimedOut => {
                let seconds = limit.as_secs_f32();
                let error = failed(format!("it did not end within {seconds} seconds, and was killed"));
                return Err(error.with_kind(ErrorKind::TimedOut));
            }
        }
        let Some(root) = place.mounted()? else {
            return Err(failed(String::from("it reports success, and nothing is mounted")));
        };
        let fstype = mounted_type(root.as_fd())?;
        if self.is_fuse && !fstype.as_bytes().starts_with(b"fuse") {
            let reason =
                format!("it reports success, and has mounted {}, not FUSE", fstype.to_string_lossy());
            return Err(failed(reason));
        }
        Ok(root)
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
        if let Some(fstype) = &self.told_type {
            words.extend(["-t".into(), fstype.clone()]);
        }
        words.iter().map(|word| c_string(Operation::ReadHelperArgument, word)).collect()
    }
}

/// The helpers for `fuse.X` and `fuse3.X`, and X.
fn fuse_names(fstype: &[u8]) -> Option<(&'static [&'static str], &[u8])> {
    if let Some(subtype) = fstype.strip_prefix(b"fuse3.") {
        return Some((&["mount.fuse3"], subtype));
    }
    Some((&["mount.fuse", "mount.fuse3"], fstype.strip_prefix(b"fuse.")?))
}
