// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `uname(2)` with its error, which rustix omits: a seccomp filter may forbid the call.

use crate::sys::errno::result;
use rustix::io::Errno;
use std::ffi::{CStr, CString};

/// Returns the kernel's release: `6.18.44-cloud`.
pub(crate) fn release() -> Result<CString, Errno> {
    // SAFETY: the structure is plain data that the kernel fills with NUL-terminated strings. Zeroed
    // it holds empty ones.
    unsafe {
        let mut name: libc::utsname = std::mem::zeroed();
        result(libc::c_long::from(libc::uname(&raw mut name)))?;
        Ok(CStr::from_ptr(name.release.as_ptr()).to_owned())
    }
}
