// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The directory in which the mounts are made: layers on one file system, and as many other mounts
//! on it as requested.

use crate::Outcome;
use fmountat::overlay::Overlay;
use rustix::fd::OwnedFd;
use rustix::fs::{CWD, Mode, OFlags};
use rustix::mount::{MountFlags, UnmountFlags, mount, mount_bind, unmount};
use std::ffi::CString;
use std::fmt::Write as _;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// A mount point that holds the layers and everything mounted on their file system.
#[derive(Debug)]
pub(crate) struct Scene {
    root: PathBuf,
    remove: bool,
    mounts: usize,
}

impl Scene {
    /// Mounts a tmpfs over the temporary directory in this process's namespace only: even SIGKILL
    /// leaves nothing behind.
    pub(crate) fn on_tmpfs() -> Outcome<Self> {
        let root = std::env::temp_dir();
        mount("tmpfs", &root, "tmpfs", MountFlags::empty(), None)?;
        Self { root, remove: false, mounts: 0 }.furnish()
    }

    /// Creates a directory in `dir` and binds it onto itself. Removes it on drop.
    pub(crate) fn on(dir: &Path) -> Outcome<Self> {
        let root = dir.canonicalize()?.join(format!("fmountat-bench-{}", std::process::id()));
        std::fs::create_dir(&root)?;
        let scene = Self { root, remove: true, mounts: 0 };
        mount_bind(&scene.root, &scene.root)?;
        scene.furnish()
    }

    fn furnish(self) -> Outcome<Self> {
        for name in ["upper", "work", "merged", "others", "bound"] {
            std::fs::create_dir(self.root.join(name))?;
        }
        // The source of the bind lies on another mount: a bind from this one would walk all its
        // mounts each time.
        mount("tmpfs", self.root.join("bound"), "tmpfs", MountFlags::empty(), None)?;
        Ok(self)
    }

    /// Binds onto directories next to the layers until there are `count`.
    pub(crate) fn fill(&mut self, count: usize) -> Outcome<()> {
        let bound = self.root.join("bound");
        while self.mounts < count {
            let place = self.root.join("others").join(self.mounts.to_string());
            std::fs::create_dir(&place)?;
            mount_bind(&bound, &place)?;
            self.mounts += 1;
        }
        Ok(())
    }

    /// Returns an overlay of `layers` lower directories and one to write to.
    pub(crate) fn case(&self, layers: usize) -> Outcome<Case> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let dir = rustix::fs::openat(CWD, &self.root, flags, Mode::empty())?;
        let lowers: Vec<String> = (0..layers).rev().map(|i| format!("{i}/fs")).collect();
        for lower in &lowers {
            std::fs::create_dir_all(self.root.join(lower))?;
        }
        let root = self.root.to_str().ok_or("the scratch directory is not UTF-8")?;
        let overlay_in = |dir: &Path| {
            let overlay = lowers.iter().fold(Overlay::new(), |overlay, lower| overlay.lower(dir.join(lower)));
            overlay.upper(dir.join("upper"), dir.join("work"))
        };
        Ok(Case {
            root: self.root.clone(),
            layers,
            dir,
            absolute: data(&format!("{root}/"), &lowers)?,
            relative: data("", &lowers)?,
            absolute_target: CString::new(self.root.join("merged").as_os_str().as_bytes())?,
            overlay: overlay_in(&self.root),
            relative_overlay: overlay_in(Path::new("")),
            lowers,
        })
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        let gone = unmount(&self.root, UnmountFlags::DETACH);
        if self.remove && gone.is_ok() {
            let _ = std::fs::remove_dir_all(&self.root);
        }
    }
}

fn data(prefix: &str, lowers: &[String]) -> Outcome<CString> {
    let mut text = String::from("lowerdir=");
    for (i, lower) in lowers.iter().enumerate() {
        let colon = if i == 0 { "" } else { ":" };
        write!(text, "{colon}{prefix}{lower}")?;
    }
    write!(text, ",upperdir={prefix}upper,workdir={prefix}work")?;
    Ok(CString::new(text)?)
}

/// One overlay, in every form that a strategy may need.
#[derive(Debug)]
pub(crate) struct Case {
    root: PathBuf,
    pub(crate) layers: usize,
    /// Where relative paths start.
    pub(crate) dir: OwnedFd,
    pub(crate) lowers: Vec<String>,
    pub(crate) absolute: CString,
    pub(crate) relative: CString,
    pub(crate) absolute_target: CString,
    /// With absolute paths, as containerd's lists have them.
    pub(crate) overlay: Overlay,
    pub(crate) relative_overlay: Overlay,
}

impl Case {
    /// The target, from `dir`.
    pub(crate) const TARGET: &'static str = "merged";

    /// Replaces the upper and work directory by empty ones.
    pub(crate) fn renew_upper(&self) -> Outcome<()> {
        for name in ["upper", "work"] {
            let path = self.root.join(name);
            std::fs::remove_dir_all(&path)?;
            std::fs::create_dir(&path)?;
        }
        Ok(())
    }

    /// Takes the mount away; not part of what is measured.
    pub(crate) fn unmount(&self) -> Outcome<()> {
        Ok(unmount(&*self.absolute_target, UnmountFlags::empty())?)
    }
}
