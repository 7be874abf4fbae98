// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Checks /proc, loop devices and FUSE, which images and mount helpers need.

use crate::doctor::check::Check;
use fmountat::procfs;
use rustix::fs::{Access, AtFlags, CWD};
use rustix::io::Errno;
use std::path::{Path, PathBuf};

const TOPIC: &str = "devices";

pub(crate) fn checks() -> Vec<Check> {
    vec![
        proc(),
        loops(),
        fuse(),
        helper("fusermount3", "an ordinary user's FUSE mounts"),
        helper("mount.fuse3", "FUSE types"),
    ]
}

fn may_use(path: &str) -> Option<bool> {
    let exists = Path::new(path).exists();
    let access = Access::READ_OK | Access::WRITE_OK;
    exists.then(|| rustix::fs::accessat(CWD, path, access, AtFlags::EACCESS).is_ok())
}

fn proc() -> Check {
    let name = "/proc";
    match procfs::check() {
        Ok(_) => Check::fine(TOPIC, name, "mounted"),
        Err(Errno::XDEV) => {
            Check::missing(TOPIC, name, "not the root of procfs, or something is mounted over a part of it")
                .change("umount /proc")
        }
        Err(_) => Check::missing(TOPIC, name, "not mounted: umount, mount helpers and older kernels need it")
            .change("mount -t proc proc /proc"),
    }
}

fn loops() -> Check {
    let name = "loop devices";
    let devices = std::fs::read_dir("/sys/block").into_iter().flatten().flatten();
    let loops: Vec<_> =
        devices.filter(|device| device.file_name().to_string_lossy().starts_with("loop")).collect();
    let used = loops.iter().filter(|device| device.path().join("loop/backing_file").exists()).count();
    match may_use("/dev/loop-control") {
        Some(true) => {
            Check::fine(TOPIC, name, format!("{}, {used} in use; more are created on demand", loops.len()))
        }
        Some(false) => Check::missing(TOPIC, name, "accessible to root only")
            .instead("FUSE (fuse2fs, squashfuse, erofsfuse)"),
        None => Check::missing(TOPIC, name, "/dev/loop-control is missing")
            .instead("erofs directly from the file [6.12]; FUSE")
            .change("modprobe loop; give a container /dev/loop-control and /dev/loop*"),
    }
}

fn fuse() -> Check {
    let name = "/dev/fuse";
    match may_use(name) {
        Some(true) => Check::fine(TOPIC, name, "can be used"),
        Some(false) => {
            Check::missing(TOPIC, name, "may not be opened").change("chmod 666 /dev/fuse, as udev sets it")
        }
        None => Check::missing(TOPIC, name, "missing")
            .change("modprobe fuse; give a container the device (--device /dev/fuse)"),
    }
}

fn helper(name: &'static str, wanted_for: &str) -> Check {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let is_program = |dir: PathBuf| rustix::fs::access(dir.join(name), Access::EXEC_OK).is_ok();
    match std::env::split_paths(&path).any(is_program) {
        true => Check::fine(TOPIC, name, "installed"),
        false => Check::missing(TOPIC, name, format!("not installed: {wanted_for} need it"))
            .change("install fuse3"),
    }
}
