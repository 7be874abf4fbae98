// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Runs mount helpers with a time limit; errors carry their output.

use crate::error::{Error, ErrorKind, Operation, Result};
use crate::kinds::helper::option::{for_libfuse, for_list};
use crate::kinds::helper::run::{find, path_directories, run_program};
use crate::kinds::helper::target::HelperTarget;
use crate::sys::spawn::spawn::Ended;
use crate::vfs::identity::mounted_type;
use crate::vfs::target::Target;
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The time limit of a helper, unless the caller sets another.
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
    /// The argument of `-t`.
    type_argument: Option<OsString>,
    /// Whether options are passed as `-o a -o b`; helpers of mount(8) take `-o a,b`.
    is_fuse: bool,
}

impl Helper {
    /// Finds the helper that containerd or mount(8) would use for the type. Returns `None` if there
    /// is none.
    ///
    /// - `fuse.X`: `mount.fuse`, else `mount.fuse3`, in PATH and the system directories
    /// - `fuse3.X`: `mount.fuse3`, in the same directories
    /// - other types: `mount.TYPE`, for `A.B` also `mount.A`, in /sbin, /sbin/fs.d, /sbin/fs and
    ///   /usr/sbin
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

    /// Like [`find`](Self::find), but searches `fuse` for FUSE helpers and `system` for all others.
    /// Skips directories that are not absolute.
    ///
    /// # Errors
    /// Those of [`find`](Self::find).
    pub fn find_in(fstype: impl AsRef<OsStr>, fuse: &[PathBuf], system: &[PathBuf]) -> Result<Option<Self>> {
        let fstype = fstype.as_ref();
        let bytes = fstype.as_bytes();
        let of_fuse = [(&b"fuse3."[..], &["mount.fuse3"][..]), (b"fuse.", &["mount.fuse", "mount.fuse3"])];
        let of_fuse =
            of_fuse.into_iter().find_map(|(prefix, names)| Some((names, bytes.strip_prefix(prefix)?)));
        if let Some((names, subtype)) = of_fuse {
            let Some(program) = names.iter().find_map(|name| find(fuse, OsStr::new(name))) else {
                let reason = format!("{} is not installed", names.join(" or "));
                return Err(Error::new(ErrorKind::HelperMissing, Operation::FindMountHelper, reason)
                    .with_argument(fstype)
                    .with_hint("install fuse3 (Debian, Fedora, Arch: package fuse3)"));
            };
            let type_argument = Some(OsStr::from_bytes(subtype).to_owned());
            return Ok(Some(Self { program, type_argument, is_fuse: true }));
        }
        // mount(8) runs no helper for `none` or a list of types.
        if bytes.is_empty() || bytes == b"none" || bytes.iter().any(|byte| b"/,".contains(byte)) {
            return Ok(None);
        }
        let stem = bytes.iter().rposition(|byte| *byte == b'.').map(|at| &bytes[..at]);
        let names = [Some(bytes), stem].into_iter().flatten().map(|name| [b"mount.", name].concat());
        let found = names.into_iter().find_map(|name| find(system, OsStr::from_bytes(&name)));
        Ok(found.map(|program| Self {
            program,
            type_argument: stem.is_some().then(|| fstype.to_owned()),
            is_fuse: fstype == "fuse" || fstype == "fuse3",
        }))
    }

    /// Returns the program's path.
    #[must_use]
    pub fn program(&self) -> &Path {
        &self.program
    }

    /// Mounts `source` on `target` and returns the root of the mount. A relative source is
    /// resolved from `dir`. Each element of `options` is one option of the helper, also if its
    /// value has commas: a FUSE helper receives `key=a\,b`, others `key="a,b"` as from mount(8).
    ///
    /// The helper receives the target's real path. Afterwards a new mount must be on the target
    /// itself, of FUSE for a FUSE helper; otherwise it is unmounted again. If others rename
    /// directories on the target's path meanwhile, the helper may mount on another directory; that
    /// mount is not found.
    ///
    /// It causes no SIGCHLD, and `wait` of the caller finds no child. The calling thread sleeps
    /// with its signals blocked, except those that terminate the process. The helper has its own
    /// session, the caller's environment, /dev/null as standard input, and none of the caller's
    /// descriptors. When the caller dies, the helper and all its descendants are killed.
    ///
    /// # Errors
    /// [`ErrorKind::HelperFailed`] with exit status and output; [`ErrorKind::TimedOut`] after the
    /// helper and its descendants were killed; [`ErrorKind::TargetMoved`], also if no path refers
    /// to the target; [`ErrorKind::HelperMissing`]; [`ErrorKind::Unsupported`] on the root
    /// directory, and if the caller's next child would be process 1 of a pid namespace.
    pub fn mount(
        &self,
        dir: impl AsFd,
        source: impl AsRef<OsStr>,
        target: &Target,
        options: &[OsString],
        limit: Duration,
    ) -> Result<OwnedFd> {
        let target = HelperTarget::of(target)?;
        let arguments = self.arguments(source.as_ref(), target.path(), options);
        let done = self.run_on(&target, dir.as_fd(), &arguments, limit);
        if done.is_err() {
            target.take_back();
        }
        done
    }

    fn run_on(
        &self,
        target: &HelperTarget<'_>,
        dir: BorrowedFd<'_>,
        arguments: &[OsString],
        limit: Duration,
    ) -> Result<OwnedFd> {
        let (ended, output) =
            run_program(dir, arguments, limit).map_err(|e| e.with_argument_if_none(&self.program))?;
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
                let error = failed(format!("timed out after {seconds} s and was killed"));
                return Err(error.with_kind(ErrorKind::TimedOut));
            }
        }
        let Some(root) = target.mounted()? else {
            return Err(failed(String::from("exited with status 0, but nothing is mounted on the target")));
        };
        let fstype = mounted_type(root.as_fd())?;
        if self.is_fuse && !fstype.as_bytes().starts_with(b"fuse") {
            let reason = format!(
                "exited with status 0, but mounted {} instead of a FUSE file system",
                fstype.to_string_lossy()
            );
            return Err(failed(reason));
        }
        Ok(root)
    }

    /// Returns the arguments `HELPER SOURCE TARGET [-o OPTION]... [-t TYPE]`.
    fn arguments(&self, source: &OsStr, target: &Path, options: &[OsString]) -> Vec<OsString> {
        let mut arguments: Vec<OsString> = vec![self.program.clone().into(), source.into(), target.into()];
        if self.is_fuse {
            arguments.extend(options.iter().flat_map(|option| [OsString::from("-o"), for_libfuse(option)]));
        } else if !options.is_empty() {
            let options: Vec<OsString> = options.iter().map(|option| for_list(option)).collect();
            arguments.extend(["-o".into(), options.join(OsStr::new(","))]);
        }
        if let Some(fstype) = &self.type_argument {
            arguments.extend(["-t".into(), fstype.clone()]);
        }
        arguments
    }
}
