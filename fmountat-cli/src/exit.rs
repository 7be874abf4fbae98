// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Exit status, as mount(8) has it.

use fmountat::{Error, ErrorKind, Operation};
use rustix::io::Errno;

/// Done.
pub(crate) const OK: u8 = 0;
/// Wrong usage, or not allowed to.
pub(crate) const USAGE: u8 = 1;
/// The system: out of memory, descriptors, processes.
pub(crate) const SYSTEM: u8 = 2;
/// A bug of ours.
pub(crate) const INTERNAL: u8 = 4;
/// The mount failed.
pub(crate) const MOUNT: u8 = 32;

const EXHAUSTED: [Errno; 3] = [Errno::NOMEM, Errno::NFILE, Errno::MFILE];

/// The status for an error.
pub(crate) fn code_of(error: &Error) -> u8 {
    match (error.operation(), error.kind()) {
        (Operation::WriteResult, _) => SYSTEM,
        // These take in what the command line names, before anything is mounted.
        (Operation::OpenDirectory | Operation::ReadMountList | Operation::ReadSets, _) => USAGE,
        (_, ErrorKind::Permission) => USAGE,
        // Without /proc: nothing that the user wrote.
        (Operation::Unmount, ErrorKind::Unsupported) => MOUNT,
        // Found by us before any system call: the user wrote something that can't be.
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
