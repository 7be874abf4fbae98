// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Gives each command the same initial state: files and mounts on a tmpfs in a new mount namespace.

use fmountat_testing::{MountLine, in_own_namespace, mount_table, scratch, write};
use rustix::fs::{Gid, Mode, Uid};
use rustix::mount::{MountFlags, MountPropagationFlags, UnmountFlags};
use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};

/// Runs `body` with the directory of a new fixture. Only the thread that runs it sees the fixture's
/// mounts.
///
/// `/run` is empty there: mount(8) writes down in `/run/mount` what it did.
pub(crate) fn with_fixture<T: Send>(body: impl FnOnce(&Path) -> T + Send) -> T {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let dir = scratch().join(format!("stage{}", COUNT.fetch_add(1, Ordering::Relaxed)));
    std::fs::create_dir(&dir).unwrap();
    let result = in_own_namespace(|| {
        tmpfs(Path::new("/run"), MountFlags::empty(), None);
        hide_kernel_log();
        tmpfs(&dir, MountFlags::empty(), None);
        furnish(&dir);
        let result = body(&dir);
        unmount_below(&dir);
        result
    });
    std::fs::remove_dir(&dir).unwrap();
    result
}

/// Hides the kernel's log, which may be unreadable and to which other tests write.
fn hide_kernel_log() {
    if Path::new("/dev/kmsg").exists() {
        rustix::mount::mount_bind("/dev/null", "/dev/kmsg").unwrap();
    }
}

/// Unmounts the mounts in the fixture one at a time. An image that is stored on the fixture and
/// mounted in it through a loop device would otherwise keep the fixture busy.
fn unmount_below(dir: &Path) {
    for line in mount_table().iter().rev().filter(|line| line.point.starts_with(dir) && line.point != dir) {
        let _ = rustix::mount::unmount(&line.point, UnmountFlags::DETACH | UnmountFlags::NOFOLLOW);
    }
}

fn tmpfs(path: &Path, flags: MountFlags, data: Option<&std::ffi::CStr>) {
    rustix::mount::mount("stage", path, "tmpfs", flags, data).unwrap();
}

/// | name | what it is |
/// |---|---|
/// | `s`, `f`, `t`, `g` | a directory and a file to be mounted, and those to mount them on |
/// | `link`, `flink`, `loose` | symbolic links to `t`, to `g`, to nothing |
/// | `l1`, `l2`, `l3`, `u`, `w` | an overlay's lowers, upper and work |
/// | `m` | a tmpfs with nosuid,noatime,size=64k |
/// | `b` | a bind of `s` with nodev |
/// | `tree`, `tree/sub` | a tmpfs in a tmpfs |
/// | `sh` | a tmpfs with shared propagation, and a directory `sub` in it |
fn furnish(dir: &Path) {
    for name in ["s/sub/deep", "t", "l1", "l2/swapped", "l3", "u", "w", "m", "b", "tree", "sh", "tmp"] {
        std::fs::create_dir_all(dir.join(name)).unwrap();
    }
    for name in ["s/in", "f", "g", "l1/a", "l1/swapped", "l2/b", "l3/c"] {
        write(dir.join(name), name);
    }
    // Where a case has made them.
    for (name, place) in [("image", "image"), ("mount.helped", "sbin/mount.helped")] {
        let made = scratch().join(name);
        if made.exists() {
            std::fs::create_dir_all(dir.join(place).parent().unwrap()).unwrap();
            std::fs::copy(made, dir.join(place)).unwrap();
        }
    }
    for (to, name) in [("t", "link"), ("g", "flink"), ("nowhere", "loose")] {
        symlink(to, dir.join(name)).unwrap();
    }
    tmpfs(&dir.join("m"), MountFlags::NOSUID | MountFlags::NOATIME, Some(c"size=64k"));
    tmpfs(&dir.join("tree"), MountFlags::empty(), None);
    std::fs::create_dir(dir.join("tree/sub")).unwrap();
    tmpfs(&dir.join("tree/sub"), MountFlags::empty(), None);
    tmpfs(&dir.join("sh"), MountFlags::empty(), None);
    rustix::mount::mount_change(dir.join("sh"), MountPropagationFlags::SHARED).unwrap();
    std::fs::create_dir(dir.join("sh/sub")).unwrap();
    rustix::mount::mount_bind(dir.join("s"), dir.join("b")).unwrap();
    let nodev = MountFlags::BIND | MountFlags::NODEV;
    rustix::mount::mount_remount(dir.join("b"), nodev, c"").unwrap();
    // Root makes files with the umask of the case: all that a listing shows is set here.
    rustix::fs::chown(dir, Some(Uid::ROOT), Some(Gid::ROOT)).unwrap();
    rustix::fs::chmod(dir, Mode::from_raw_mode(0o755)).unwrap();
}

/// Returns the mounts of the fixture, one line each, without ids and without the path above the
/// fixture.
pub(crate) fn mounts(dir: &Path) -> Vec<String> {
    let below = |line: &MountLine| line.point.starts_with(dir) && line.point != dir;
    mount_table().iter().filter(|line| below(line)).map(|line| describe(line, dir)).collect()
}

fn describe(line: &MountLine, dir: &Path) -> String {
    let point = line.point.strip_prefix(dir).unwrap().display();
    let propagation: String = line.propagation.iter().map(|p| format!(" {}", numberless(p))).collect();
    let root = if line.root == "/" { String::new() } else { format!("[{}]", line.root) };
    let source = if line.source.starts_with("/dev/loop") { "DEVICE" } else { &line.source };
    let (flags, fstype, superblock) = (&line.flags, &line.fstype, superblock(&line.superblock, dir));
    format!("{point}: {fstype} {source}{root} {flags}{propagation}, superblock {superblock}")
}

fn numberless(propagation: &str) -> &str {
    propagation.split(':').next().unwrap_or_default()
}

/// Writes layers by their paths from the fixture, in one option `lowerdir`: mount(8) shows layers
/// as they were typed, fmountat by whole paths, and with many layers in options `lowerdir+`. Leaves
/// out `inode64`, which depends on how the kernel was built.
fn superblock(options: &str, dir: &Path) -> String {
    let mut written: Vec<String> = Vec::new();
    for option in options.split(',').filter(|option| *option != "inode64") {
        let layers =
            |paths: &str| paths.split(':').map(|path| from_fixture(path, dir)).collect::<Vec<_>>().join(":");
        match option.split_once('=') {
            Some(("lowerdir+", layer)) => {
                match written.last_mut().filter(|last| last.starts_with("lowerdir=")) {
                    Some(last) => *last += &format!(":{}", layers(layer)),
                    None => written.push(format!("lowerdir={}", layers(layer))),
                }
            }
            Some((key @ ("lowerdir" | "upperdir" | "workdir"), paths)) => {
                written.push(format!("{key}={}", layers(paths)));
            }
            _ => written.push(option.to_owned()),
        }
    }
    written.join(",")
}

fn from_fixture(path: &str, dir: &Path) -> String {
    Path::new(path).strip_prefix(dir).unwrap_or(Path::new(path)).display().to_string()
}
