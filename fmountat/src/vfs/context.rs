// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The file-system context: fsopen(2), fsconfig(2) and fsmount(2), with the kernel's log in every
//! error.

use crate::error::{Error, ErrorKind, Operation, Result, Syscall};
use crate::sys::procfs;
use crate::vfs::attr::MountAttr;
use crate::vfs::bytes::c_string;
use crate::vfs::features::Features;
use crate::vfs::mapped_ids::{IdKind, is_mapped};
use crate::vfs::privilege::{is_admin, needs_admin};
use crate::vfs::tree::Tree;
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::io::Errno;
use rustix::mount::{FsMountFlags, FsOpenFlags, FsPickFlags};
use std::ffi::{OsStr, OsString};

/// The longest string value that fsconfig(2) takes, in bytes. A longer one fails with `EINVAL` and
/// no message in the log.
pub const FSCONFIG_STRING_MAX: usize = 255;

/// A file system that is being configured: the descriptor of fsopen(2) or fspick(2) \[Linux 5.2\].
///
/// ```no_run
/// use fmountat::call::FsContext;
/// use fmountat::MountAttr;
/// let mut context = FsContext::open("tmpfs")?;
/// context.set_string("mode", "0711")?;
/// let tree = context.create()?.mount(&MountAttr::default())?;
/// # Ok::<(), fmountat::Error>(())
/// ```
#[derive(Debug)]
pub struct FsContext {
    fd: OwnedFd,
    fstype: OsString,
}

/// A configured file system, ready to be mounted.
#[derive(Debug)]
pub struct CreatedFs(FsContext);

impl FsContext {
    /// Opens a context for a new instance of the file system `fstype`: fsopen(2).
    ///
    /// # Errors
    /// [`ErrorKind::UnknownFilesystem`] when the kernel has none with that name;
    /// [`ErrorKind::Permission`].
    pub fn open(fstype: impl AsRef<OsStr>) -> Result<Self> {
        let fstype = fstype.as_ref();
        let name = c_string(Operation::ReadFilesystemType, fstype)?;
        let fd = rustix::mount::fsopen(&*name, FsOpenFlags::FSOPEN_CLOEXEC).map_err(|errno| {
            let error = Error::sys(Operation::OpenFilesystem, Syscall::Fsopen, errno).with_argument(fstype);
            match errno {
                Errno::NODEV => error
                    .with_reason("unknown file system type")
                    .with_hint("load its module; /proc/filesystems lists the types that the kernel supports"),
                Errno::PERM => with_privilege_hint(error, fstype),
                _ => error,
            }
        })?;
        Ok(Self { fd, fstype: fstype.to_owned() })
    }

    /// Opens a context to reconfigure the file system that is mounted at `mounted`: fspick(2).
    ///
    /// # Errors
    /// [`ErrorKind::Permission`]; [`ErrorKind::System`] with `EINVAL` where nothing is mounted.
    pub fn pick(mounted: impl AsFd) -> Result<Self> {
        let flags = FsPickFlags::FSPICK_CLOEXEC | FsPickFlags::FSPICK_EMPTY_PATH;
        let fd = rustix::mount::fspick(mounted, c"", flags)
            .map_err(|e| Error::sys(Operation::PickFilesystem, Syscall::Fspick, e))?;
        Ok(Self { fd, fstype: OsString::from("filesystem") })
    }

    /// Sets an option without a value: `fsconfig(FSCONFIG_SET_FLAG)`.
    ///
    /// # Errors
    /// [`ErrorKind::UnknownOption`], [`ErrorKind::OptionValue`], with the kernel's log.
    pub fn set_flag(&mut self, key: impl AsRef<OsStr>) -> Result<()> {
        let key = key.as_ref();
        let c_key = c_string(Operation::ReadOption, key)?;
        let done = rustix::mount::fsconfig_set_flag(&self.fd, &*c_key);
        done.map_err(|e| self.option_error(key, None, e))
    }

    /// Sets an option with a string value: `fsconfig(FSCONFIG_SET_STRING)`.
    ///
    /// # Errors
    /// [`ErrorKind::TooLong`] over [`FSCONFIG_STRING_MAX`] bytes; those of
    /// [`set_flag`](Self::set_flag).
    pub fn set_string(&mut self, key: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Result<()> {
        let (key, value) = (key.as_ref(), value.as_ref());
        if value.len() > FSCONFIG_STRING_MAX {
            let reason = format!(
                "the value is {} bytes long; the kernel accepts at most {FSCONFIG_STRING_MAX} for one option",
                value.len()
            );
            return Err(Error::new(ErrorKind::TooLong, Operation::SetOption, reason).with_argument(key));
        }
        let (c_key, c_value) =
            (c_string(Operation::ReadOption, key)?, c_string(Operation::ReadOptionValue, value)?);
        let done = rustix::mount::fsconfig_set_string(&self.fd, &*c_key, &*c_value);
        done.map_err(|e| self.option_error(key, Some(value), e))
    }

    /// Sets an option whose value is an open file: `fsconfig(FSCONFIG_SET_FD)`.
    ///
    /// # Errors
    /// Those of [`set_flag`](Self::set_flag).
    pub fn set_fd(&mut self, key: impl AsRef<OsStr>, value: impl AsFd) -> Result<()> {
        let key = key.as_ref();
        let c_key = c_string(Operation::ReadOption, key)?;
        let done = rustix::mount::fsconfig_set_fd(&self.fd, &*c_key, value);
        done.map_err(|e| self.option_error(key, None, e))
    }

    /// Creates the file system: `fsconfig(FSCONFIG_CMD_CREATE)`.
    ///
    /// # Errors
    /// The kernel's errno with its log. Where the log is empty, the caller has to look for the
    /// reason.
    pub fn create(self) -> Result<CreatedFs> {
        match rustix::mount::fsconfig_create(&self.fd) {
            Ok(()) => Ok(CreatedFs(self)),
            Err(errno) => {
                let error =
                    Error::sys(Operation::Create, Syscall::Fsconfig, errno).with_argument(&self.fstype);
                let error = error.with_kernel_log(self.log());
                let is_refused = errno == Errno::PERM;
                Err(if is_refused { with_privilege_hint(error, &self.fstype) } else { error })
            }
        }
    }

    /// Applies the options to a picked file system: `fsconfig(FSCONFIG_CMD_RECONFIGURE)`.
    ///
    /// # Errors
    /// Those of [`create`](Self::create).
    pub fn reconfigure(self) -> Result<()> {
        rustix::mount::fsconfig_reconfigure(&self.fd).map_err(|errno| {
            Error::sys(Operation::Reconfigure, Syscall::Fsconfig, errno).with_kernel_log(self.log())
        })
    }

    fn option_error(&self, key: &OsStr, value: Option<&OsStr>, errno: Errno) -> Error {
        let mut option = key.to_owned();
        if let Some(value) = value {
            option.push("=");
            option.push(value);
        }
        let log = self.log();
        let error = Error::sys(Operation::SetOption, Syscall::Fsconfig, errno).with_argument(option);
        let error = match errno {
            Errno::INVAL | Errno::OPNOTSUPP | Errno::RANGE | Errno::OVERFLOW => {
                self.explain_refusal(error, key, value, &log)
            }
            _ => error,
        };
        error.with_kernel_log(log)
    }

    /// Finds out why the kernel refuses an option: from its log, else from the value. A file system
    /// that does not have the option reports that in the log.
    fn explain_refusal(&self, error: Error, key: &OsStr, value: Option<&OsStr>, log: &[String]) -> Error {
        let logged = |text: &str| log.iter().any(|line| line.contains(text));
        let unmapped = value.and_then(|value| unmapped_id(key, value));
        let (kind, reason) = match value {
            _ if logged("Unknown parameter") || value.is_none() && log.is_empty() => {
                let fstype = crate::error::escape(self.fstype.as_encoded_bytes());
                (ErrorKind::UnknownOption, format!("{fstype} has no such option"))
            }
            _ if logged("Kernel not built with") => {
                (ErrorKind::Unsupported, String::from("this kernel was built without it"))
            }
            _ if unmapped.is_some() => {
                let reason = format!("the {} is not mapped in this user namespace", unmapped.unwrap_or("id"));
                return error
                    .with_kind(ErrorKind::OptionValue)
                    .with_reason(reason)
                    .with_hint(procfs::SEE_ID_MAPS);
            }
            Some(_) if logged("Unexpected value") => (ErrorKind::OptionValue, "takes no value".into()),
            None => (ErrorKind::OptionValue, "needs a value".into()),
            Some(_) => (ErrorKind::OptionValue, "bad value".into()),
        };
        error.with_kind(kind).with_reason(reason)
    }

    /// Reads and consumes the kernel's messages about this context: `read(fd)` until `ENODATA`.
    fn log(&self) -> Vec<String> {
        let mut lines = Vec::new();
        let mut buffer = [0u8; 1024];
        // The kernel keeps 8 messages. The limit of 16 reads ends the loop even if it logs more.
        for _ in 0..16 {
            match rustix::io::read(&self.fd, &mut buffer) {
                Ok(0) => break,
                Ok(length) => lines.push(log_line(&buffer[..length])),
                Err(Errno::INTR) => {}
                Err(_) => break,
            }
        }
        lines
    }
}

/// Returns the kind of id that an option gives the file system, if that id is not mapped in this
/// user namespace. The kernel reports it as a bad value.
fn unmapped_id(key: &OsStr, value: &OsStr) -> Option<&'static str> {
    let (kind, name) = match key.to_str()? {
        "uid" | "user_id" => (IdKind::User, "user id"),
        "gid" | "group_id" => (IdKind::Group, "group id"),
        _ => return None,
    };
    let id = value.to_str()?.parse().ok()?;
    (!is_mapped(kind, id, 1)).then_some(name)
}

/// Strips the level (`e `, `w `, `i `) from a message.
pub(crate) fn log_line(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let text = text.trim_end();
    let unlevelled = ["e ", "w ", "i "].iter().find_map(|level| text.strip_prefix(level));
    unlevelled.unwrap_or(text).to_owned()
}

/// Adds the hint to an EPERM. A file system that shows a namespace can be mounted only with
/// privilege over that namespace. A caller with CAP_SYS_ADMIN in a new user and mount namespace
/// does not have that privilege.
fn with_privilege_hint(error: Error, fstype: &OsStr) -> Error {
    let is_inside = !Features::get().initial_user_namespace;
    let hint = match fstype.to_str().filter(|_| is_inside && is_admin()) {
        Some("proc") => {
            "run it as root, or create a pid namespace with the user namespace: unshare --pid --fork"
        }
        Some("mqueue") => "run it as root, or create an ipc namespace with the user namespace: unshare --ipc",
        Some("sysfs") => {
            "run it as root, or create a network namespace with the user namespace: unshare --net"
        }
        Some("cgroup" | "cgroup2") => {
            "run it as root, or create a cgroup namespace with the user namespace: unshare --cgroup"
        }
        _ => return needs_admin(error),
    };
    error.with_hint(hint)
}

impl CreatedFs {
    /// Creates a detached mount with these attributes: fsmount(2), then mount_setattr(2) for the
    /// propagation.
    ///
    /// # Errors
    /// The errno of fsmount(2).
    pub fn mount(self, attr: &MountAttr) -> Result<Tree> {
        let context = self.0;
        let made = rustix::mount::fsmount(&context.fd, FsMountFlags::FSMOUNT_CLOEXEC, attr.at_birth());
        let fd = made.map_err(|errno| {
            let error = Error::sys(Operation::Mount, Syscall::Fsmount, errno).with_argument(&context.fstype);
            let error = error.with_kernel_log(context.log());
            match errno {
                Errno::PERM => needs_admin(error),
                _ => error,
            }
        })?;
        let tree = Tree::from_fd(fd);
        let later = MountAttr { propagation: attr.propagation, ..MountAttr::default() };
        tree.set_attr(&later, false)?;
        Ok(tree)
    }
}

impl AsFd for FsContext {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn log_lines_lose_their_level_only() {
        assert_eq!(log_line(b"e overlay: bad\n"), "overlay: bad");
        assert_eq!(log_line(b"overlay: e x"), "overlay: e x");
    }
}
