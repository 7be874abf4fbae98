// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Mount tables to be read: few and many mounts, overlays, mounts whose peers live elsewhere.

use crate::Outcome;
use crate::raw::copy_of_namespace;
use rustix::fd::OwnedFd;
use rustix::mount::{
    MountFlags, MountPropagationFlags, UnmountFlags, mount, mount_bind, mount_change, unmount,
};
use std::ffi::CString;
use std::path::PathBuf;

/// The kind and number of mounts in a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The number of mounts; most are bind mounts.
    Binds(usize),
    /// The number of overlays, and the layers of each.
    Overlays(usize, usize),
    /// The number of slaves of one peer group, and of other mount namespaces. The group has the
    /// same number of mounts in each of these namespaces.
    Peers(usize, usize),
}

impl Kind {
    pub(crate) fn name(self) -> String {
        match self {
            Self::Binds(mounts) => format!("{mounts} mounts"),
            Self::Overlays(mounts, layers) => format!("{mounts} overlays of {layers} layers"),
            Self::Peers(mounts, namespaces) => {
                format!("{mounts} mounts with peers in {namespaces} namespaces")
            }
        }
    }
}

/// A table that is there as long as this value and the calling thread's namespace.
#[derive(Debug)]
pub(crate) struct Scene {
    /// A mount point that was made last.
    pub(crate) last: PathBuf,
    _others: Vec<OwnedFd>,
}

/// Makes the scene in the calling thread's mount namespace, after unmounting everything that it
/// does not need.
pub(crate) fn furnish(kind: Kind) -> Outcome<Scene> {
    let root = std::env::temp_dir();
    strip()?;
    mount("scene", &root, "tmpfs", MountFlags::empty(), None)?;
    let dir = |name: &str| -> Outcome<PathBuf> {
        let path = root.join(name);
        std::fs::create_dir_all(&path)?;
        Ok(path)
    };
    let mut others = Vec::new();
    let last = match kind {
        Kind::Binds(count) => {
            let source = dir("source")?;
            mount("bound", &source, "tmpfs", MountFlags::NOSUID, None)?;
            let there = fmountat::table::Table::read(fmountat::table::Fields::empty())?.len();
            let mut last = source.clone();
            for n in there..count {
                // Hosts have mounts in directories; paths of some length.
                last = dir(&format!("var/lib/containers/storage/{:02}/{n}", n % 50))?;
                mount_bind(&source, &last)?;
            }
            last
        }
        Kind::Overlays(count, layers) => {
            let lowers: Vec<String> = (0..layers)
                .map(|n| Ok(dir(&format!("var/lib/snapshots/{n:03}/fs"))?.to_string_lossy().into_owned()))
                .collect::<Outcome<_>>()?;
            let data = CString::new(format!("lowerdir={}", lowers.join(":")))?;
            let mut last = root.clone();
            for n in 0..count {
                last = dir(&format!("run/containers/{n}/rootfs"))?;
                mount("overlay", &last, "overlay", MountFlags::empty(), Some(data.as_c_str()))?;
            }
            last
        }
        Kind::Peers(count, namespaces) => {
            let source = dir("source")?;
            mount("shared", &source, "tmpfs", MountFlags::empty(), None)?;
            mount_change(&source, MountPropagationFlags::SHARED)?;
            let mut last = source.clone();
            for n in 0..count {
                last = dir(&format!("peers/{n}"))?;
                mount_bind(&source, &last)?;
            }
            for _ in 0..namespaces {
                others.push(copy_of_namespace()?);
            }
            mount_change("/", MountPropagationFlags::DOWNSTREAM | MountPropagationFlags::REC)?;
            last
        }
    };
    Ok(Scene { last, _others: others })
}

/// Unmounts everything except `/`, /proc and /dev: other mounts belong to the host, not to the
/// measurement.
fn strip() -> Outcome<()> {
    let table = fmountat::mountinfo::read()?;
    for entry in table.iter().rev() {
        let is_needed = ["/", "/proc", "/dev"].iter().any(|kept| entry.target.as_os_str() == *kept);
        if !is_needed {
            // The unmount fails for a mount that was detached with its parent.
            let _ = unmount(&entry.target, UnmountFlags::DETACH);
        }
    }
    Ok(())
}
