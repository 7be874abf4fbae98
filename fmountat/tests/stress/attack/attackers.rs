// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Processes that change every component of `root/a/b/t`, each in its own way, as fast as they can.

use crate::common::file;
use fmountat_testing::{Forked, mkdirs, scratch, write};
use rustix::fd::{AsRawFd, OwnedFd};
use rustix::fs::{AtFlags, CWD, FlockOperation, Mode, OFlags, RenameFlags, ResolveFlags};
use rustix::fs::{flock, mkdirat, openat2, renameat, renameat_with, symlinkat, unlinkat};
use rustix::io::Errno;
use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};
use std::os::unix::fs::symlink;

/// Directories that links inside the root lead to, and that no name inside the root ever is.
pub(crate) const DECOYS: [&str; 4] = ["out", "out/t", "out/b/t", "out/b"];

/// Makes the root, a directory that resembles its first component, links that lead outside, and a
/// source to mount.
pub(crate) fn furnish() {
    mkdirs(scratch(), &["root/a/b/t", "spare/b/t", "out/t", "out/b/t", "source", "elsewhere"]);
    write(file("turn"), "");
    for (name, to) in LINKS {
        symlink(to.replace("OUT", file("out").to_str().unwrap()), file("root").join(name)).unwrap();
    }
}

/// Links in the root, and where they lead.
const LINKS: [(&str, &str); 3] = [("absolute", "OUT"), ("relative", "../out"), ("deep", "OUT/t")];

/// One way to attack.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Attack {
    /// A component gets another name, and its own again.
    Rename(&'static str, &'static str),
    /// A component and a link that leads out of the root change places.
    Exchange(&'static str, &'static str, &'static str),
    /// A component and a directory outside change places.
    MoveOut,
    /// The last component is removed and made again.
    Unlink,
    /// The last component becomes a link.
    Symlink,
    /// Something is mounted over a component, and taken away.
    MountOver(&'static str),
}

impl Attack {
    /// Starts a process for each attack.
    pub(crate) fn all() -> Vec<Forked> {
        use Attack::{Exchange, MountOver, MoveOut, Rename, Symlink, Unlink};
        let attacks = [
            Rename("", "a"),
            Rename("a", "b"),
            Rename("a/b", "t"),
            Exchange("", "a", "relative"),
            Exchange("a", "b", "absolute"),
            Exchange("a/b", "t", "deep"),
            MoveOut,
            Unlink,
            Symlink,
            MountOver("a"),
            MountOver("a/b"),
        ];
        attacks.into_iter().map(Self::start).collect()
    }

    /// Starts the attack. The process returns the number of its rounds.
    fn start(self) -> Forked {
        Forked::start(move |stop| {
            let turn =
                rustix::fs::open(file("turn"), OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()).unwrap();
            let mut done = 0;
            while !stop.is_asked() {
                // One at a time: each attacker finds the initial path, except for the component
                // under attack.
                flock(&turn, FlockOperation::LockExclusive).unwrap();
                done += u64::from(self.attempt().is_some());
                flock(&turn, FlockOperation::Unlock).unwrap();
                std::thread::yield_now();
            }
            [done]
        })
    }

    /// Once there and back.
    fn attempt(self) -> Option<()> {
        match self {
            Self::Rename(parent, name) => {
                let dir = inside(parent)?;
                renameat(&dir, name, &dir, "away").ok()?;
                back(|| renameat(&dir, "away", &dir, name))
            }
            Self::Exchange(parent, name, link) => {
                let (dir, links) = (inside(parent)?, inside("")?);
                let swap = || renameat_with(&dir, name, &links, link, RenameFlags::EXCHANGE);
                swap().ok()?;
                back(swap)
            }
            // The one is as good as the other.
            Self::MoveOut => {
                let swap = || renameat_with(CWD, file("root/a"), CWD, file("spare"), RenameFlags::EXCHANGE);
                swap().ok()
            }
            Self::Unlink => {
                let dir = inside("a/b")?;
                unlinkat(&dir, "t", AtFlags::REMOVEDIR).ok()?;
                mkdirat(&dir, "t", Mode::RWXU).ok()
            }
            Self::Symlink => {
                let dir = inside("a/b")?;
                unlinkat(&dir, "t", AtFlags::REMOVEDIR).ok()?;
                symlinkat(file("out/t"), &dir, "t").ok()?;
                unlinkat(&dir, "t", AtFlags::empty()).ok()?;
                mkdirat(&dir, "t", Mode::RWXU).ok()
            }
            Self::MountOver(path) => {
                mount("over", name(&inside(path)?), "tmpfs", MountFlags::empty(), None).ok()?;
                unmount(name(&inside(path)?), UnmountFlags::DETACH).ok()
            }
        }
    }
}

/// Repeats `change` while it fails with EBUSY: a mount point can't be renamed while apply mounts on
/// it.
fn back(mut change: impl FnMut() -> Result<(), Errno>) -> Option<()> {
    while let Err(errno) = change() {
        assert_eq!(errno, Errno::BUSY);
        std::thread::yield_now();
    }
    Some(())
}

/// Opens a directory in the root without following links.
fn inside(path: &str) -> Option<OwnedFd> {
    let root = rustix::fs::open(file("root"), OFlags::PATH | OFlags::CLOEXEC, Mode::empty()).ok()?;
    let resolve = ResolveFlags::NO_SYMLINKS | ResolveFlags::BENEATH;
    let path = if path.is_empty() { "." } else { path };
    openat2(root, path, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty(), resolve).ok()
}

fn name(fd: &OwnedFd) -> String {
    format!("/proc/self/fd/{}", fd.as_raw_fd())
}
