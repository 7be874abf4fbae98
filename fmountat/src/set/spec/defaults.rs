// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The standard mounts of a root.

use crate::set::spec::mount::Mount;

/// Returns the mounts that OCI runtimes add to a root: proc, the devices that an ordinary user can
/// have, shared memory, and the host's /sys, read-only. The devices are read-only binds of the
/// host's nodes: programs can use them but cannot change their mode, owner or times.
#[must_use]
pub fn standard_mounts() -> Vec<Mount> {
    let new = |fstype: &str, target: &str, options: &str| {
        Mount::new(fstype, fstype).at(target).option(options).option("X-mount.mkdir")
    };
    let mut mounts = vec![
        new("proc", "/proc", "nosuid,nodev,noexec"),
        Mount::new("bind", "/sys").at("/sys").option("rbind,rro,nofail,X-mount.mkdir"),
        new("tmpfs", "/dev", "nosuid,noexec,mode=755,size=1m"),
        new("devpts", "/dev/pts", "nosuid,noexec,newinstance,ptmxmode=0666,mode=0620"),
        new("tmpfs", "/dev/shm", "nosuid,nodev,noexec,mode=1777"),
    ];
    for name in ["null", "zero", "full", "random", "urandom", "tty"] {
        let path = format!("/dev/{name}");
        mounts.push(Mount::new("bind", &path).at(&path).option("bind,ro,nofail,X-mount.mkdir"));
    }
    mounts
}
