// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The exit status, with the numbers of mount(8).

use fmountat::{Error, ErrorKind, Operation};
use rustix::io::Errno;

/// Success.
pub(crate) const OK: u8 = 0;
/// Wrong usage, or permission denied.
pub(crate) const USAGE: u8 = 1;
/// System error: out of memory, descriptors or processes, or the output cannot be written.
pub(crate) const SYSTEM: u8 = 2;
/// Internal error, a bug.
pub(crate) const INTERNAL: u8 = 4;
/// The mount failed.
pub(crate) const MOUNT: u8 = 32;

const EXHAUSTED: [Errno; 3] = [Errno::NOMEM, Errno::NFILE, Errno::MFILE];

/// Returns the exit status for an error.
pub(crate) fn code_of(error: &Error) -> u8 {
    match (error.operation(), error.kind()) {
        (Operation::WriteResult, _) => SYSTEM,
        // These operations open what the command line names; nothing is mounted yet.
        (Operation::OpenDirectory | Operation::ReadMountList | Operation::ReadSets, _) => USAGE,
        (_, ErrorKind::Permission) => USAGE,
        // Unmounting is unsupported if /proc is missing. The command line is correct.
        (Operation::Unmount, ErrorKind::Unsupported) => MOUNT,
        // Detected before any system call: the command line or the mount list is wrong.
        (_, kind) if error.call().is_none() && is_usage(kind) => USAGE,
        _ if EXHAUSTED.contains(&Errno::from_raw_os_error(error.errno())) => SYSTEM,
        _ => MOUNT,
    }
}

fn is_usage(kind: ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::NulByte
            | ErrorKind::Usage
            | ErrorKind::Spec
            | ErrorKind::UnknownOption
            | ErrorKind::OptionValue
            | ErrorKind::OptionConflict
            | ErrorKind::TooManyLayers
            | ErrorKind::Unsupported
    )
}
