// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Mount namespaces for parts of a case. Each one ends with its part.

use crate::raw::unshare;
use rustix::fs::{CWD, FileType, Mode, chmod, makedev, mknodat};
use rustix::mount::{MountFlags, mount};
use rustix::thread::UnshareFlags;

/// Makes `path` the root directory of the calling thread. The thread must not share its root and
/// cwd with others: call it in [`in_own_namespace`].
///
/// # Panics
/// If chroot(2) is not permitted.
pub fn own_root(path: &std::path::Path) {
    rustix::process::chroot(path).expect("change the root");
    rustix::process::chdir("/").expect("go to the root");
}

/// Runs `body` on a new thread in a new mount namespace, a copy of the caller's. Only `body` and
/// the processes it starts see its mounts. When it returns, the kernel frees the namespace with all
/// mounts in it.
///
/// # Panics
/// If `body` panics.
pub fn in_own_namespace<T: Send>(body: impl FnOnce() -> T + Send) -> T {
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            unshare(UnshareFlags::NEWNS).expect("make a mount namespace");
            body()
        });
        thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

/// Mounts a tmpfs with new device nodes on /dev, to protect the nodes of the host from the case.
/// Needs [`Root`](crate::Need::Root).
///
/// # Panics
/// If mknod(2) is not permitted.
pub fn own_devices() {
    mount("tmpfs", "/dev", "tmpfs", MountFlags::empty(), Some(c"mode=755")).expect("mount a tmpfs on /dev");
    for (name, major, minor) in
        [("null", 1, 3), ("zero", 1, 5), ("full", 1, 7), ("random", 1, 8), ("urandom", 1, 9), ("tty", 5, 0)]
    {
        let (path, mode) = (format!("/dev/{name}"), Mode::from_raw_mode(0o666));
        let device = makedev(major, minor);
        mknodat(CWD, &path, FileType::CharacterDevice, mode, device).expect("make a device node");
        // mknod(2) applies the umask.
        chmod(&path, mode).expect("set the mode of a device node");
    }
}
