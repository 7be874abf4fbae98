// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `uname(2)`, for which rustix has no failure: a seccomp filter may well forbid it.

use crate::sys::errno::result;
use rustix::io::Errno;
use std::ffi::{CStr, CString};

/// The kernel's release: `6.18.44-cloud`.
pub(crate) fn release() -> Result<CString, Errno> {
    // SAFETY: the structure is plain data that the kernel fills with NUL-terminated strings; zeroed it holds empty ones.
    unsafe {
        let mut name: libc::utsname = std::mem::zeroed();
        result(libc::c_long::from(libc::uname(&raw mut name)))?;
        Ok(CStr::from_ptr(name.release.as_ptr()).to_owned())
    }
}
