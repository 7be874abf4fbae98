// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The one error type: which step failed, on which argument, why, in whose words, and what to try.

use crate::error::holder;
pub(crate) use crate::error::holder::Holder;
pub(crate) use crate::error::kind::ErrorKind;
use crate::error::text::{errno_name, errno_text, escape_controls};
pub(crate) use crate::error::text::{escape, escape_whole};
use crate::sys::pid_namespace::WOULD_BE_FIRST;
use rustix::io::Errno;
use std::ffi::OsStr;
use std::fmt;
use std::os::unix::ffi::OsStrExt;

/// The result of everything in this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A failure, with everything needed to act on it.
///
/// `Display` gives the command's own form: `STEP ARGUMENT: REASON (ERRNO)`, then a line `  kernel: ...` for each line
/// of the kernel's log, `  helper: ...` for what a mount helper said, `  held by ...` for who keeps a busy mount in use,
/// and `  hint: ...` where there is advice. Control characters and bytes that are not UTF-8 are escaped, so it is safe on
/// a terminal.
///
/// ```
/// # fn main() {
/// let dir = std::fs::File::open("/").unwrap();
/// let error = fmountat::fmountat(&dir, "a\0b", "target", "tmpfs", 0, "").unwrap_err();
/// assert_eq!(error.kind(), fmountat::ErrorKind::NulByte);
/// assert_eq!(error.to_string(), r"read source a\0b: the string holds a NUL byte");
/// # }
/// ```
#[derive(Clone)]
pub struct Error(Box<Inner>);

#[derive(Clone)]
struct Inner {
    kind: ErrorKind,
    step: String,
    call: Option<&'static str>,
    argument: Option<Vec<u8>>,
    reason: Option<String>,
    errno: Option<Errno>,
    kernel: Vec<String>,
    output: Vec<String>,
    hint: Option<String>,
    holders: Vec<Holder>,
    /// It was looked into already.
    is_diagnosed: bool,
}

impl Error {
    /// A failure that was found without a system call: also for a program's own, so that it prints all errors alike.
    #[must_use]
    pub fn new(kind: ErrorKind, step: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::build(kind, step.into(), Some(reason.into()))
    }

    /// A system call's failure; the kind follows the errno.
    pub(crate) fn sys(step: impl Into<String>, call: &'static str, errno: Errno) -> Self {
        let mut error = Self::build(ErrorKind::of_errno(errno), step.into(), None);
        error.0.call = Some(call);
        error.0.errno = Some(errno);
        if call == "clone" { error.about_pid_namespace(errno) } else { error }
    }

    /// What becomes of children and threads after `unshare(CLONE_NEWPID)` or its like: clone(2), pid_namespaces(7).
    fn about_pid_namespace(mut self, errno: Errno) -> Self {
        let reason = match errno {
            WOULD_BE_FIRST => {
                self.0.errno = None;
                "a child would be the first process of the new pid namespace, and take that with it when it ends"
            }
            Errno::INVAL => "a process whose children are born in another pid namespace can make no threads",
            _ => return self,
        };
        let hint = "after unshare(CLONE_NEWPID) or its like mount in a child, or mount before that";
        self.with_kind(ErrorKind::Unsupported).because(reason).hinted(hint)
    }

    /// A failure of the caller's own input or output, in this type: for programs that print all errors alike.
    #[must_use]
    pub fn from_io(step: impl Into<String>, argument: impl AsRef<OsStr>, error: std::io::Error) -> Self {
        let made = match Errno::from_io_error(&error) {
            Some(errno) => Self::build(ErrorKind::of_errno(errno), step.into(), None).with_errno(errno),
            None => Self::new(ErrorKind::System, step, error.to_string()),
        };
        made.arg(argument)
    }

    fn with_errno(mut self, errno: Errno) -> Self {
        self.0.errno = Some(errno);
        self
    }

    fn build(kind: ErrorKind, step: String, reason: Option<String>) -> Self {
        Self(Box::new(Inner {
            kind,
            step,
            call: None,
            argument: None,
            reason,
            errno: None,
            kernel: Vec::new(),
            output: Vec::new(),
            hint: None,
            holders: Vec::new(),
            is_diagnosed: false,
        }))
    }

    /// The same with the path, word or other argument at fault; an empty one says nothing, and is none.
    #[must_use]
    pub fn arg(mut self, argument: impl AsRef<OsStr>) -> Self {
        let argument = argument.as_ref().as_bytes();
        if !argument.is_empty() {
            self.0.argument = Some(argument.to_vec());
        }
        self
    }

    /// The same with this argument, unless it has one.
    pub(crate) fn arg_if_none(self, argument: impl AsRef<OsStr>) -> Self {
        if self.0.argument.is_some() { self } else { self.arg(argument) }
    }

    pub(crate) fn with_kind(mut self, kind: ErrorKind) -> Self {
        self.0.kind = kind;
        self
    }

    pub(crate) fn with_step(mut self, step: impl Into<String>) -> Self {
        self.0.step = step.into();
        self
    }

    pub(crate) fn because(mut self, reason: impl Into<String>) -> Self {
        self.0.reason = Some(reason.into());
        self
    }

    pub(crate) fn with_kernel_log(mut self, lines: Vec<String>) -> Self {
        self.0.kernel = lines;
        self
    }

    pub(crate) fn with_output(mut self, lines: Vec<String>) -> Self {
        self.0.output = lines;
        self
    }

    pub(crate) fn held_by(mut self, mut holders: Vec<Holder>) -> Self {
        holders.sort();
        holders.dedup();
        self.0.holders = holders;
        self
    }

    /// The same with advice.
    #[must_use]
    pub fn hinted(mut self, hint: impl Into<String>) -> Self {
        self.0.hint = Some(hint.into());
        self
    }

    /// The kind of failure.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// The stable code of the kind: the same as `kind().code()`.
    #[must_use]
    pub fn code(&self) -> &'static str {
        self.0.kind.code()
    }

    /// The step that failed, in words: `open layer 3`, `create`, `mount`.
    #[must_use]
    pub fn step(&self) -> &str {
        &self.0.step
    }

    /// The system call that failed, if one did.
    #[must_use]
    pub fn call(&self) -> Option<&'static str> {
        self.0.call
    }

    /// The path, word or other argument at fault, byte for byte.
    #[must_use]
    pub fn argument(&self) -> Option<&OsStr> {
        self.0.argument.as_deref().map(OsStr::from_bytes)
    }

    /// The system call's errno, exactly.
    #[must_use]
    pub fn errno(&self) -> Option<i32> {
        self.0.errno.map(Errno::raw_os_error)
    }

    /// The reason in words: ours where we know better, else the errno's text.
    #[must_use]
    pub fn reason(&self) -> String {
        match (&self.0.reason, self.0.errno) {
            (Some(reason), _) => reason.clone(),
            (None, Some(errno)) => errno_text(errno),
            (None, None) => String::from("failed"),
        }
    }

    /// The kernel's own log lines about this failure, oldest first.
    #[must_use]
    pub fn kernel(&self) -> &[String] {
        &self.0.kernel
    }

    /// What a mount helper said, the last of it.
    #[must_use]
    pub fn output(&self) -> &[String] {
        &self.0.output
    }

    /// Who keeps a busy mount in use, sorted by process: all that could be found, where [`Display`](fmt::Display) names
    /// the first five processes.
    #[must_use]
    pub fn holders(&self) -> &[Holder] {
        &self.0.holders
    }

    /// What to try.
    #[must_use]
    pub fn hint(&self) -> Option<&str> {
        self.0.hint.as_deref()
    }

    /// Whether the reason is in words of ours already.
    pub(crate) fn has_reason(&self) -> bool {
        self.0.reason.is_some()
    }

    /// Says that it was looked into; false if it had been before.
    pub(crate) fn begin_diagnosis(&mut self) -> bool {
        !std::mem::replace(&mut self.0.is_diagnosed, true)
    }

    pub(crate) fn raw_errno(&self) -> Option<Errno> {
        self.0.errno
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.step)?;
        if let Some(argument) = &self.0.argument {
            write!(f, " {}", escape(argument))?;
        }
        write!(f, ": {}", escape_controls(&self.reason()))?;
        if let Some(errno) = self.0.errno {
            write!(f, " ({})", errno_name(errno))?;
        }
        for line in &self.0.kernel {
            write!(f, "\n  kernel: {}", escape_controls(line))?;
        }
        for line in &self.0.output {
            write!(f, "\n  helper: {}", escape_whole(line.as_bytes()))?;
        }
        for line in holder::lines(&self.0.holders) {
            write!(f, "\n  {line}")?;
        }
        if let Some(hint) = &self.0.hint {
            write!(f, "\n  hint: {}", escape_controls(hint))?;
        }
        Ok(())
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{}] {self}", self.code())
    }
}

impl std::error::Error for Error {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn display_has_step_argument_reason_errno_kernel_and_hint() {
        let error = Error::sys("open layer 3", "openat2", Errno::NOENT)
            .arg("a\nb\u{1b}")
            .with_kernel_log(vec!["overlay: no".into()])
            .hinted("make it");
        assert_eq!(
            error.to_string(),
            "open layer 3 a\\nb\\u{1b}: no such file or directory (ENOENT)\n  kernel: overlay: no\n  hint: make it"
        );
        let error = Error::sys("clone mount", "open_tree", Errno::SRCH).arg("");
        assert_eq!(error.to_string(), "clone mount: no such process (ESRCH)");
    }
}
