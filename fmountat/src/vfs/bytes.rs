// SPDX-License-Identifier: Apache-2.0 OR MIT
//! C strings for the kernel: any bytes but NUL.

use crate::error::{Error, ErrorKind, Operation, Result};
use std::ffi::{CString, OsStr};
use std::os::unix::ffi::OsStrExt;

/// Converts `text` to a C string. Fails with [`ErrorKind::NulByte`] and `operation` if it holds a
/// NUL byte.
pub(crate) fn c_string(operation: Operation, text: impl AsRef<OsStr>) -> Result<CString> {
    let text = text.as_ref();
    CString::new(text.as_bytes()).map_err(|_| {
        Error::new(ErrorKind::NulByte, operation, "the string holds a NUL byte").with_argument(text)
    })
}
