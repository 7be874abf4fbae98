// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What a container needs: layers, files to bind, a directory for each container, and the set
//! mounted there.

use fmountat::{Mount, Spec};
use std::path::{Path, PathBuf};

/// Lower layers of each overlay.
pub(crate) const LAYERS: usize = 20;
/// The paths that a runtime masks and protects by default (config-linux.md of OCI), if this host
/// has them.
pub(crate) const MASKED: [&str; 6] =
    ["/proc/kcore", "/proc/keys", "/proc/timer_list", "/proc/acpi", "/proc/scsi", "/sys/firmware"];
pub(crate) const READ_ONLY: [&str; 4] = ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys"];
const FILES: [&str; 3] = ["etc/hosts", "etc/hostname", "etc/resolv.conf"];
const DIRECTORIES: [&str; 2] = ["srv/data", "srv/config"];

/// A directory with the layers and one sub-directory for each container.
#[derive(Debug)]
pub(crate) struct Scene {
    pub(crate) dir: PathBuf,
}

impl Scene {
    /// Creates the layers. The lowest has all mount points.
    pub(crate) fn new(dir: PathBuf, containers: usize) -> std::io::Result<Self> {
        let make = |path: &str| std::fs::create_dir_all(dir.join(path));
        for layer in 0..LAYERS {
            make(&format!("layers/{layer}/fs"))?;
        }
        let root = format!("layers/{}/fs", LAYERS - 1);
        for point in ["proc", "sys", "dev", "run", "tmp", "etc"].iter().chain(&DIRECTORIES) {
            make(&format!("{root}/{point}"))?;
            make(&format!("shared/{point}"))?;
        }
        for file in FILES {
            std::fs::write(dir.join(&root).join(file), "")?;
            std::fs::write(dir.join("shared").join(file), "shared")?;
        }
        for number in 0..containers {
            make(&format!("containers/{number}/rootfs"))?;
        }
        Ok(Self { dir })
    }

    pub(crate) fn root(&self, number: usize) -> PathBuf {
        self.dir.join(format!("containers/{number}/rootfs"))
    }

    /// Creates an upper directory.
    pub(crate) fn new_upper(&self, number: usize, round: usize) -> std::io::Result<(PathBuf, PathBuf)> {
        let base = self.dir.join(format!("containers/{number}/{round}"));
        let (upper, work) = (base.join("upper"), base.join("work"));
        std::fs::create_dir_all(&upper)?;
        std::fs::create_dir_all(&work)?;
        Ok((upper, work))
    }

    /// Returns the overlay's options for mount(2).
    pub(crate) fn overlay_options(&self, upper: &Path, work: &Path) -> String {
        let lowers: Vec<String> =
            (0..LAYERS).map(|n| self.dir.join(format!("layers/{n}/fs")).display().to_string()).collect();
        format!("lowerdir={},upperdir={},workdir={}", lowers.join(":"), upper.display(), work.display())
    }

    /// Returns the bind mounts: each source, and its path in the root.
    pub(crate) fn binds(&self) -> Vec<(PathBuf, &'static str)> {
        FILES.iter().chain(&DIRECTORIES).map(|path| (self.dir.join("shared").join(path), *path)).collect()
    }

    /// Returns the set as a `Spec`.
    pub(crate) fn spec(&self, upper: &Path, work: &Path) -> Spec {
        let mut mounts = vec![Mount::new("overlay", "overlay").option(self.overlay_options(upper, work))];
        for (fstype, target, options) in FILESYSTEMS {
            mounts.push(Mount::new(fstype, fstype).at(target).option(options).option("X-mount.mkdir"));
        }
        let bind = |(source, target)| Mount::new("bind", source).at(target).option("bind,ro,nosuid,nodev");
        mounts.extend(self.binds().into_iter().map(bind));
        Spec::new(mounts).mask(MASKED).read_only(READ_ONLY)
    }
}

/// Type, target, options.
pub(crate) const FILESYSTEMS: [(&str, &str, &str); 7] = [
    ("proc", "/proc", "nosuid,noexec,nodev"),
    ("sysfs", "/sys", "nosuid,noexec,nodev,ro"),
    ("tmpfs", "/dev", "nosuid,mode=755,size=64k"),
    ("devpts", "/dev/pts", "nosuid,noexec,newinstance,ptmxmode=0666,mode=0620"),
    ("mqueue", "/dev/mqueue", "nosuid,noexec,nodev"),
    ("tmpfs", "/dev/shm", "nosuid,noexec,nodev,mode=1777,size=64m"),
    ("tmpfs", "/run", "nosuid,nodev,mode=755"),
];
