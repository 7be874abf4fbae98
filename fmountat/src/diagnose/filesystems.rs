// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Lists the file systems that the kernel supports, and those that it could load.

use crate::diagnose::{parameters, spelling};
use crate::error::Error;
use crate::sys::uname::release;
use std::ffi::OsStr;
use std::path::PathBuf;

/// The file systems that the kernel lets a user namespace mount (`FS_USERNS_MOUNT`).
pub(crate) const IN_USER_NAMESPACES: [&str; 12] = [
    "binder", "bpf", "cgroup", "cgroup2", "devpts", "fuse", "mqueue", "overlay", "proc", "ramfs", "sysfs",
    "tmpfs",
];

/// File systems that show a namespace, which the user namespace must own: type, namespace,
/// requirement, hint.
pub(crate) const OF_NAMESPACES: [(&str, &str, &str, &str); 5] = [
    (
        "proc",
        "pid",
        "a new pid namespace, and a /proc with nothing mounted over parts of it",
        "create a pid namespace (`unshare --pid --fork`), or bind the existing /proc with `rbind`",
    ),
    (
        "sysfs",
        "net",
        "a new network namespace, and a /sys with nothing mounted over parts of it",
        "create a network namespace (`unshare --net`), or bind the existing /sys with `rbind`",
    ),
    ("mqueue", "ipc", "a new ipc namespace", "create an ipc namespace: `unshare --ipc`"),
    ("cgroup", "cgroup", "a new cgroup namespace", CGROUP_HINT),
    ("cgroup2", "cgroup", "a new cgroup namespace", CGROUP_HINT),
];

const CGROUP_HINT: &str = "create a cgroup namespace (`unshare --cgroup`), or bind the existing \
                           /sys/fs/cgroup with `rbind`";

/// Returns the namespace that the file system shows, by its name in /proc/PID/ns.
pub(crate) fn namespace_of(fstype: &str) -> Option<&'static str> {
    OF_NAMESPACES.iter().find(|(name, ..)| *name == fstype).map(|(_, namespace, ..)| *namespace)
}

/// Returns the file systems that the kernel supports now, without modules that are not loaded: the
/// names in /proc/filesystems, see filesystems(5). Returns `None` if that file cannot be read.
///
/// ```
/// let names = fmountat::kernel::kernel_filesystems().unwrap_or_default();
/// let is_built_in = names.iter().any(|name| name == "erofs");
/// println!("erofs can be mounted: {}", is_built_in || fmountat::kernel::has_module("erofs"));
/// ```
#[must_use]
pub fn kernel_filesystems() -> Option<Vec<String>> {
    let text = std::fs::read_to_string("/proc/filesystems").ok()?;
    Some(text.lines().filter_map(|line| line.split_whitespace().last()).map(str::to_owned).collect())
}

/// Reports whether the kernel lacks the file system now; loading a module may add it.
pub(crate) fn is_not_listed(fstype: &str) -> bool {
    kernel_filesystems().is_some_and(|listed| !listed.iter().any(|name| name == fstype))
}

/// Reports whether a module for the file system is installed for the running kernel: `alias
/// fs-NAME` in modules.alias, or a module of that name in modules.dep, below /lib/modules. The
/// kernel loads it at the first mount of the type, but not for a process in a user namespace.
#[must_use]
pub fn has_module(fstype: &str) -> bool {
    let Ok(release) = release() else { return false };
    let modules = PathBuf::from("/lib/modules").join(release.to_string_lossy().as_ref());
    let holds = |file: &str, wanted: &str| {
        std::fs::read_to_string(modules.join(file)).is_ok_and(|text| text.contains(wanted))
    };
    holds("modules.alias", &format!("alias fs-{fstype} ")) || holds("modules.dep", &format!("/{fstype}.ko"))
}

/// Explains a file system that the kernel lacks: suggests another name, or a module.
pub(crate) fn explain(error: Error) -> Error {
    let Some(name) = error.argument().and_then(OsStr::to_str).map(str::to_owned) else { return error };
    let listed = kernel_filesystems();
    if listed.as_ref().is_some_and(|listed| listed.contains(&name)) {
        return error;
    }
    let error = match &listed {
        Some(_) => error.with_reason("unknown file system type (not in /proc/filesystems)"),
        None => error,
    };
    if has_module(&name) {
        return error.with_hint(format!("load its module as root on the host: `modprobe {name}`"));
    }
    let known = parameters::filesystems().map(str::to_owned);
    let names: Vec<String> = listed.unwrap_or_default().into_iter().chain(known).collect();
    match spelling::nearest(&name, names.iter().map(String::as_str)) {
        Some(near) if near != name => error.with_hint(format!("did you mean {near}?")),
        _ => error.with_hint("/lib/modules has no module for it: use a kernel that supports it, or FUSE"),
    }
}
