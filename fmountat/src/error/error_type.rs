// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The error type: operation, argument, reason, errno, kernel log and hint as data.

use crate::error::holder::Holder;
use crate::error::kind::ErrorKind;
use crate::error::operation::{LayerRef, Operation, PlanStep};
use crate::error::syscall::{Syscall, WOULD_BE_FIRST};
use crate::error::text::errno_text;
use rustix::io::Errno;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;

/// The result type of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A failure, as data: operation, system call, mount, layer, argument, errno, the kernel's log,
/// hint.
///
/// `Display` prints it as the command does: `OPERATION ARGUMENT: REASON (ERRNO)`, then a line `
/// kernel: ...` for each line of the kernel's log, `  helper: ...` for the output of a mount
/// helper, `  held by ...` for the holders of a busy mount, and `  hint: ...`. Control characters
/// and bytes that are not valid UTF-8 are escaped, so the text is safe on a terminal.
///
/// ```
/// use fmountat::{ErrorKind, Operation};
/// # fn main() {
/// let dir = std::fs::File::open("/").unwrap();
/// let flags = fmountat::MountFlags::empty();
/// let error = fmountat::fmountat(&dir, "a\0b", "target", "tmpfs", flags, "").unwrap_err();
/// assert_eq!((error.kind(), error.operation()), (ErrorKind::NulByte, Operation::ReadSource));
/// assert_eq!(error.to_string(), r"check source $'a\x00b': contains a NUL byte");
/// # }
/// ```
#[derive(Clone)]
pub struct Error(Box<Inner>);

#[derive(Clone)]
struct Inner {
    kind: ErrorKind,
    operation: Operation,
    step: Option<PlanStep>,
    layer: Option<LayerRef>,
    /// The type of the file system, where the argument is its source.
    fstype: Option<OsString>,
    call: Option<Syscall>,
    argument: Option<Vec<u8>>,
    reason: Option<String>,
    errno: Option<Errno>,
    kernel: Vec<String>,
    output: Vec<String>,
    hint: Option<String>,
    holders: Vec<Holder>,
    /// Whether `diagnose` examined it already.
    is_diagnosed: bool,
}

impl Error {
    /// Makes an error for a failure that was found without a system call. Programs use it with
    /// [`Operation::Program`] to print all errors alike.
    #[must_use]
    pub fn new(kind: ErrorKind, operation: Operation, reason: impl Into<String>) -> Self {
        Self::build(kind, operation).with_reason(reason)
    }

    /// Makes an error for a failed system call. Its kind follows from the errno.
    pub(crate) fn sys(operation: Operation, call: Syscall, errno: Errno) -> Self {
        let mut error = Self::build(ErrorKind::of_errno(errno), operation);
        error.0.call = Some(call);
        error.0.errno = Some(errno);
        if call == Syscall::Clone { error.about_pid_namespace(errno) } else { error }
    }

    /// Adds the reason why no child or thread can be made after `unshare(CLONE_NEWPID)` or a
    /// similar call: clone(2), pid_namespaces(7).
    fn about_pid_namespace(mut self, errno: Errno) -> Self {
        let reason = match errno {
            WOULD_BE_FIRST => {
                self.0.errno = None;
                "a child process would become PID 1 of the new pid namespace, and its exit would destroy \
                 that namespace"
            }
            Errno::INVAL => {
                "a process whose children are created in another pid namespace can't create threads"
            }
            _ => return self,
        };
        let hint = "mount before unshare(CLONE_NEWPID) or setns(2), or in a child process after it";
        self.with_kind(ErrorKind::Unsupported).with_reason(reason).with_hint(hint)
    }

    /// Makes an error for a failure of the program's own input or output, for programs that print
    /// all errors alike.
    #[must_use]
    pub fn from_io(operation: Operation, argument: impl AsRef<OsStr>, error: std::io::Error) -> Self {
        let made = match Errno::from_io_error(&error) {
            Some(errno) => {
                let mut made = Self::build(ErrorKind::of_errno(errno), operation);
                made.0.errno = Some(errno);
                made
            }
            None => Self::new(ErrorKind::System, operation, error.to_string()),
        };
        made.with_argument(argument)
    }

    fn build(kind: ErrorKind, operation: Operation) -> Self {
        Self(Box::new(Inner {
            kind,
            operation,
            step: None,
            layer: None,
            fstype: None,
            call: None,
            argument: None,
            reason: None,
            errno: None,
            kernel: Vec::new(),
            output: Vec::new(),
            hint: None,
            holders: Vec::new(),
            is_diagnosed: false,
        }))
    }

    /// Sets the path, option or other argument at fault. An empty one is ignored.
    #[must_use]
    pub fn with_argument(mut self, argument: impl AsRef<OsStr>) -> Self {
        let argument = argument.as_ref().as_bytes();
        if !argument.is_empty() {
            self.0.argument = Some(argument.to_vec());
        }
        self
    }

    /// Sets the argument, unless there is one already.
    pub(crate) fn with_argument_if_none(self, argument: impl AsRef<OsStr>) -> Self {
        if self.0.argument.is_some() { self } else { self.with_argument(argument) }
    }

    pub(crate) fn with_kind(mut self, kind: ErrorKind) -> Self {
        self.0.kind = kind;
        self
    }

    pub(crate) fn with_operation(mut self, operation: Operation) -> Self {
        self.0.operation = operation;
        self
    }

    pub(crate) fn with_plan_step(mut self, step: PlanStep) -> Self {
        self.0.step = Some(step);
        self
    }

    pub(crate) fn with_layer(mut self, layer: LayerRef) -> Self {
        self.0.layer = Some(layer);
        self
    }

    pub(crate) fn with_filesystem(mut self, fstype: impl Into<OsString>) -> Self {
        self.0.fstype = Some(fstype.into());
        self
    }

    pub(crate) fn with_reason(mut self, reason: impl Into<String>) -> Self {
        self.0.reason = Some(reason.into());
        self
    }

    pub(crate) fn with_kernel_log(mut self, mut lines: Vec<String>) -> Self {
        lines.dedup();
        self.0.kernel = lines;
        self
    }

    pub(crate) fn with_output(mut self, lines: Vec<String>) -> Self {
        self.0.output = lines;
        self
    }

    pub(crate) fn with_holders(mut self, mut holders: Vec<Holder>) -> Self {
        holders.sort();
        holders.dedup();
        self.0.holders = holders;
        self
    }

    /// Sets the hint.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.0.hint = Some(hint.into());
        self
    }

    /// Returns the kind of failure.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// Returns the stable code of the kind: that of `kind().code()`.
    #[must_use]
    pub fn code(&self) -> &'static str {
        self.0.kind.code()
    }

    /// Returns the operation that failed.
    #[must_use]
    pub fn operation(&self) -> Operation {
        self.0.operation
    }

    /// Returns the step of the plan that failed, in a set of several mounts.
    #[must_use]
    pub fn plan_step(&self) -> Option<&PlanStep> {
        self.0.step.as_ref()
    }

    /// Returns the number of the mount that failed in a set of several, counted from 1 as in the
    /// list.
    #[must_use]
    pub fn mount(&self) -> Option<usize> {
        match self.0.step {
            Some(PlanStep::Mount(number)) => Some(number),
            _ => None,
        }
    }

    /// Returns the overlay layer at fault.
    #[must_use]
    pub fn layer(&self) -> Option<LayerRef> {
        self.0.layer
    }

    /// Returns the system call that failed, or `None` where the failure was found without one.
    #[must_use]
    pub fn call(&self) -> Option<Syscall> {
        self.0.call
    }

    /// Returns the path, option or other argument at fault, byte for byte.
    #[must_use]
    pub fn argument(&self) -> Option<&OsStr> {
        self.0.argument.as_deref().map(OsStr::from_bytes)
    }

    /// Returns the errno: that of the system call, else the one that represents the
    /// [kind](Self::kind), see [`ErrorKind::errno`].
    #[must_use]
    pub fn errno(&self) -> i32 {
        self.0.errno.map_or_else(|| self.0.kind.errno(), Errno::raw_os_error)
    }

    /// Returns the reason as text, by default that of the errno.
    #[must_use]
    pub fn reason(&self) -> String {
        match (&self.0.reason, self.0.errno) {
            (Some(reason), _) => reason.clone(),
            (None, Some(errno)) => errno_text(errno),
            (None, None) => String::from("failed"),
        }
    }

    /// Returns the lines of the kernel's log about this failure, oldest first.
    #[must_use]
    pub fn kernel(&self) -> &[String] {
        &self.0.kernel
    }

    /// Returns the last lines that a mount helper printed.
    #[must_use]
    pub fn output(&self) -> &[String] {
        &self.0.output
    }

    /// Returns the holders of a busy mount that were found, sorted by process.
    /// [`Display`](std::fmt::Display) prints the first five processes.
    #[must_use]
    pub fn holders(&self) -> &[Holder] {
        &self.0.holders
    }

    /// Returns the hint.
    #[must_use]
    pub fn hint(&self) -> Option<&str> {
        self.0.hint.as_deref()
    }

    /// Returns the type of the file system, where the argument is its source.
    pub(crate) fn fstype(&self) -> Option<&OsStr> {
        self.0.fstype.as_deref()
    }

    /// Returns the type of the file system, if the operation was to create or mount it.
    pub(crate) fn filesystem(&self) -> Option<&OsStr> {
        match self.0.operation {
            Operation::OpenFilesystem | Operation::Create | Operation::Mount => {
                self.0.fstype.as_deref().or(self.argument())
            }
            _ => None,
        }
    }

    /// Reports whether a reason was set.
    pub(crate) fn has_reason(&self) -> bool {
        self.0.reason.is_some()
    }

    /// Marks the error as examined by `diagnose`. Returns false if it was marked before.
    pub(crate) fn begin_diagnosis(&mut self) -> bool {
        !std::mem::replace(&mut self.0.is_diagnosed, true)
    }

    pub(crate) fn raw_errno(&self) -> Option<Errno> {
        self.0.errno
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.errno.as_ref().map(|errno| errno as &(dyn std::error::Error + 'static))
    }
}

/// Converts the error: the kind of [`std::io::Error`] follows from the errno, and its inner error
/// is this one.
impl From<Error> for std::io::Error {
    fn from(error: Error) -> Self {
        let kind = Self::from_raw_os_error(error.errno()).kind();
        Self::new(kind, error)
    }
}
