// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Another open file under the number of one that is open already.

use super::result;
use rustix::fd::{AsRawFd, BorrowedFd, OwnedFd};
use rustix::io::Errno;

/// `dup3(2)`: from here on the number of `old` stands for what `new` is open on; what it was is closed.
pub(crate) fn replace(old: BorrowedFd<'_>, new: OwnedFd) -> Result<(), Errno> {
    // SAFETY: both numbers are open. `old` stays open and owned by who owns it: only what it refers to changes, which
    // who holds a descriptor of a file must reckon with anyway.
    result(libc::c_long::from(unsafe { libc::dup3(new.as_raw_fd(), old.as_raw_fd(), libc::O_CLOEXEC) }))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::fd::AsFd;

    #[test]
    fn the_number_stays_and_the_file_changes() {
        let old = std::fs::File::open("/dev/null").unwrap();
        let number = old.as_raw_fd();
        let new = std::fs::File::open("/proc/self/status").unwrap();
        replace(old.as_fd(), new.into()).unwrap();
        assert_eq!(old.as_raw_fd(), number);
        let name = std::fs::read_link(format!("/proc/self/fd/{number}")).unwrap();
        assert!(name.ends_with("status"), "{name:?}");
        assert!(rustix::io::fcntl_getfd(&old).unwrap().contains(rustix::io::FdFlags::CLOEXEC));
    }
}
