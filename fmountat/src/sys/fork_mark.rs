// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Detects that the process is a forked copy, by a page that `fork` wipes. A process id does not
//! show it: a child in a new pid namespace may have that of its parent.

use crate::sys::errno::{last_errno, result};
use rustix::io::Errno;

/// A byte in a page that the kernel wipes in every child that does not share our memory.
#[derive(Debug)]
pub(crate) struct ForkMark(*mut libc::c_void);

// SAFETY: the page is written once, before it is shared, and only read afterwards.
unsafe impl Send for ForkMark {}

// SAFETY: as for `Send`: all threads only read the page.
unsafe impl Sync for ForkMark {}

const PAGE: usize = 4096;

impl ForkMark {
    pub(crate) fn new() -> Result<Self, Errno> {
        // SAFETY: a new private mapping of our own.
        unsafe {
            let page = libc::mmap(
                std::ptr::null_mut(),
                PAGE,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
                -1,
                0,
            );
            if page == libc::MAP_FAILED {
                return Err(last_errno());
            }
            let mark = Self(page);
            result(libc::c_long::from(libc::madvise(page, PAGE, libc::MADV_WIPEONFORK)))?;
            page.cast::<u8>().write_volatile(1);
            Ok(mark)
        }
    }

    pub(crate) fn is_ours(&self) -> bool {
        // SAFETY: the mapping lives as long as `self`.
        unsafe { self.0.cast::<u8>().read_volatile() == 1 }
    }
}

impl Drop for ForkMark {
    fn drop(&mut self) {
        // SAFETY: the mapping is ours, and no reference into it is left.
        unsafe { libc::munmap(self.0, PAGE) };
    }
}
