// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The text of an error: operation, argument, reason, errno, kernel log, helper output, holders and
//! hint.

use crate::error::error_type::Error;
use crate::error::holder;
use crate::error::operation::{Operation, PlanStep};
use crate::error::text::{errno_name, escape, escape_controls, escape_whole};
use std::fmt;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

impl Error {
    /// Returns the operation as text, with the number of the mount and the layer: `mount 2: open
    /// layer 3`.
    #[must_use]
    pub fn step(&self) -> String {
        let layer = self.layer().map_or_else(|| String::from("layer"), |layer| layer.to_string());
        let text = self.operation().text();
        let operation = match self.layer() {
            Some(layer) if !text.contains("{layer}") => format!("{text} of {layer}"),
            _ => text.replace("{layer}", &layer),
        };
        let operation = match self.fstype() {
            Some(fstype) => format!("{operation} {} on", escape(fstype.as_bytes())),
            None => operation,
        };
        let named = |operation: Operation, path: &Path| {
            format!("{} {}: ", operation.text(), escape(path.as_os_str().as_bytes()))
        };
        let step = match self.plan_step() {
            None => String::new(),
            Some(PlanStep::Mount(0)) => String::from("root: "),
            Some(PlanStep::Mount(number)) => format!("mount {number}: "),
            // The text of the operation already names the device or link.
            Some(PlanStep::Device(_)) if self.operation() == Operation::CreateDevice => String::new(),
            Some(PlanStep::Link(_)) if self.operation() == Operation::CreateLink => String::new(),
            Some(PlanStep::Device(path)) => named(Operation::CreateDevice, path),
            Some(PlanStep::Link(path)) => named(Operation::CreateLink, path),
            Some(PlanStep::ReadonlyPath(path)) => named(Operation::MakePathReadOnly, path),
            Some(PlanStep::MaskedPath(path)) => named(Operation::MaskPath, path),
        };
        step + &operation
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.step())?;
        if let Some(argument) = self.argument() {
            write!(f, " {}", escape(argument.as_bytes()))?;
        }
        write!(f, ": {}", escape_controls(&self.reason()))?;
        if let Some(errno) = self.raw_errno() {
            write!(f, " ({})", errno_name(errno))?;
        }
        for line in self.kernel() {
            write!(f, "\n  kernel: {}", escape_controls(line))?;
        }
        for line in self.output() {
            write!(f, "\n  helper: {}", escape_whole(line.as_bytes()))?;
        }
        for line in holder::lines(self.holders()) {
            write!(f, "\n  {line}")?;
        }
        if let Some(hint) = self.hint() {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::operation::LayerRef;
    use crate::error::syscall::Syscall;
    use rustix::io::Errno;

    #[test]
    fn display_has_step_argument_reason_errno_kernel_and_hint() {
        let error = Error::sys(Operation::OpenLayer, Syscall::Openat2, Errno::NOENT)
            .with_layer(LayerRef::Lower(3))
            .with_argument("a\nb\u{1b}")
            .with_kernel_log(vec!["overlay: no".into()])
            .with_hint("make it");
        assert_eq!(
            error.to_string(),
            "open layer 3 $'a\\nb\\x1b': no such file or directory (ENOENT)\n  kernel: overlay: no\n  hint: make it"
        );
        let error = Error::sys(Operation::CloneMount, Syscall::OpenTree, Errno::SRCH).with_argument("");
        assert_eq!(error.to_string(), "clone mount: no such process (ESRCH)");
    }
}
