// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What the machine is: `uname(2)`, for which rustix has no failure: a seccomp filter may well forbid it.

use super::result;
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

/// The size of a page. The auxiliary vector has it too, which rustix takes from /proc before Linux 6.4, and panics without.
pub(crate) fn page_size() -> usize {
    // SAFETY: it takes a number and changes nothing.
    let size = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    usize::try_from(size).unwrap_or(4096)
}
