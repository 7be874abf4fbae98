// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Strings on their way to the kernel: any bytes but NUL; the names of descriptors.

use crate::error::{Error, ErrorKind, Operation, Result};
use rustix::fd::{AsRawFd, BorrowedFd};
use std::ffi::{CString, OsStr};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

/// `/proc/self/fd/N`: the file that the descriptor is on, whatever is mounted over it.
pub(crate) fn descriptor_name(fd: BorrowedFd<'_>) -> PathBuf {
    format!("/proc/self/fd/{}", fd.as_raw_fd()).into()
}

/// A C string of `text`, or [`ErrorKind::NulByte`] with the operation that reads it.
pub(crate) fn c_string(operation: Operation, text: impl AsRef<OsStr>) -> Result<CString> {
    let text = text.as_ref();
    CString::new(text.as_bytes()).map_err(|_| {
        Error::new(ErrorKind::NulByte, operation, "the string holds a NUL byte").with_argument(text)
    })
}
