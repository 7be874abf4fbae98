// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Mounts the same set as container tools do today: mount(2) by path, a second call for the flags
//! of a bind, umount2(2) for each mount.

use crate::Outcome;
use crate::scene::{FILESYSTEMS, MASKED, READ_ONLY, Scene};
use rustix::mount::{
    MountFlags, UnmountFlags, mount, mount_bind, mount_bind_recursive, mount_remount, unmount,
};
use std::ffi::CString;
use std::path::{Path, PathBuf};

/// Mounts the set; gives the mount points in the order in which they were mounted.
pub(crate) fn set_up(scene: &Scene, root: &Path, upper: &Path, work: &Path) -> Outcome<Vec<PathBuf>> {
    let mut points = vec![root.to_owned()];
    let data = CString::new(scene.overlay_options(upper, work))?;
    mount("overlay", root, "overlay", MountFlags::empty(), &*data)?;
    for (fstype, target, options) in FILESYSTEMS {
        let place = inside(root, target);
        std::fs::create_dir_all(&place)?;
        let (flags, data) = split(options);
        mount(fstype, &place, fstype, flags, &*CString::new(data)?)?;
        points.push(place);
    }
    let flags = MountFlags::BIND | MountFlags::RDONLY | MountFlags::NOSUID | MountFlags::NODEV;
    for (source, target) in scene.binds() {
        let place = inside(root, target);
        mount_bind(source, &place)?;
        mount_remount(&place, flags, "")?;
        points.push(place);
    }
    for path in READ_ONLY {
        let place = inside(root, path);
        if place.exists() {
            mount_bind_recursive(&place, &place)?;
            let kept = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
            mount_remount(&place, MountFlags::BIND | MountFlags::RDONLY | kept, "")?;
            points.push(place);
        }
    }
    for path in MASKED {
        let place = inside(root, path);
        match std::fs::metadata(&place) {
            Err(_) => continue,
            Ok(meta) if meta.is_dir() => mount("tmpfs", &place, "tmpfs", MountFlags::RDONLY, None)?,
            Ok(_) => mount_bind("/dev/null", &place)?,
        }
        points.push(place);
    }
    Ok(points)
}

/// Unmounts each, the last one first.
pub(crate) fn tear_down(points: &[PathBuf]) -> Outcome<()> {
    for point in points.iter().rev() {
        unmount(point, UnmountFlags::NOFOLLOW)?;
    }
    Ok(())
}

fn inside(root: &Path, target: &str) -> PathBuf {
    root.join(target.trim_start_matches('/'))
}

/// Flags for mount(2), and the rest for its data.
fn split(options: &str) -> (MountFlags, String) {
    let mut flags = MountFlags::empty();
    let mut data = Vec::new();
    for word in options.split(',') {
        match word {
            "nosuid" => flags |= MountFlags::NOSUID,
            "nodev" => flags |= MountFlags::NODEV,
            "noexec" => flags |= MountFlags::NOEXEC,
            "ro" => flags |= MountFlags::RDONLY,
            other => data.push(other),
        }
    }
    (flags, data.join(","))
}
