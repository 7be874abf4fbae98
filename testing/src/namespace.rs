// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Mount namespaces for parts of a case: many fresh states beside each other, each gone when its part ends.

use crate::raw::unshare;
use rustix::fs::{CWD, FileType, Mode, chmod, makedev, mknodat};
use rustix::mount::{MountFlags, mount};
use rustix::thread::UnshareFlags;

/// From here on `path` is the root directory of the calling thread, which must have a cwd and root of its own, as in
/// [`in_own_namespace`].
///
/// # Panics
/// Where chroot(2) is not allowed.
pub fn own_root(path: &std::path::Path) {
    rustix::process::chroot(path).expect("change the root");
    rustix::process::chdir("/").expect("go to the root");
}

/// Runs `body` on a thread of its own, in a mount namespace of its own that starts as a copy of the caller's. What it
/// starts sees what it mounts, and nobody else does. When it returns, the namespace goes with all mounts in it.
///
/// # Panics
/// As `body` does.
pub fn in_own_namespace<T: Send>(body: impl FnOnce() -> T + Send) -> T {
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            unshare(UnshareFlags::NEWNS).expect("make a mount namespace");
            body()
        });
        thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

/// Mounts a tmpfs with new device nodes on /dev, for a case that the machine's own nodes must be kept from. It needs
/// [`Root`](crate::Need::Root).
///
/// # Panics
/// Where mknod(2) is not allowed.
pub fn own_devices() {
    mount("tmpfs", "/dev", "tmpfs", MountFlags::empty(), Some(c"mode=755")).expect("mount a tmpfs on /dev");
    for (name, major, minor) in
        [("null", 1, 3), ("zero", 1, 5), ("full", 1, 7), ("random", 1, 8), ("urandom", 1, 9), ("tty", 5, 0)]
    {
        let (path, mode) = (format!("/dev/{name}"), Mode::from_raw_mode(0o666));
        let device = makedev(major, minor);
        mknodat(CWD, &path, FileType::CharacterDevice, mode, device).expect("make a device node");
        // mknod(2) leaves out what the umask says.
        chmod(&path, mode).expect("set the mode of a device node");
    }
}
