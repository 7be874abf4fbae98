// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Options in force that a file system would forget: some types start from their defaults whenever
//! they are configured.

use crate::kinds::filesystem::FsOption;
use crate::mountinfo;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

/// The types that forget options, with the options to pass again. The other types keep options that
/// a remount does not name, and some of them refuse options that are passed again (overlay, FUSE).
const TYPES: &[(&str, &[&str])] = &[
    ("devpts", &["uid", "gid", "mode", "ptmxmode", "max"]),
    (
        "cgroup2",
        &[
            "nsdelegate",
            "favordynmods",
            "memory_localevents",
            "memory_recursiveprot",
            "memory_hugetlb_accounting",
            "pids_localevents",
        ],
    ),
    ("erofs", &["user_xattr", "nouser_xattr", "acl", "noacl", "cache_strategy", "dax"]),
    ("squashfs", &["errors", "threads"]),
];

/// Returns the options of `super_options`, as the mount table shows them, that the type would
/// forget and that are not among `given`.
pub(crate) fn kept_options(fstype: &OsStr, super_options: &OsStr, given: &[FsOption]) -> Vec<FsOption> {
    let Some((_, keys)) = TYPES.iter().find(|(name, _)| fstype == *name) else { return Vec::new() };
    let shown = super_options.as_bytes().split(|byte| *byte == b',').map(|text| {
        let mut parts = text.splitn(2, |byte| *byte == b'=').map(|part| OsStr::from_bytes(part).to_owned());
        FsOption { key: parts.next().unwrap_or_default(), value: parts.next() }
    });
    let is_forgotten = |option: &FsOption| keys.iter().any(|key| option.key == *key);
    // `noacl` takes the place of `acl`.
    let plain = |option: &FsOption| {
        option.key.as_bytes().strip_prefix(b"no").unwrap_or(option.key.as_bytes()).to_vec()
    };
    let is_new = |option: &FsOption| given.iter().all(|other| plain(other) != plain(option));
    shown.filter(is_forgotten).filter(is_new).collect()
}

/// Returns the present options of cgroup2. A new mount without them would reset them for the
/// whole machine (`cgroup_get_tree`, kernel/cgroup/cgroup.c). Returns none if no mount is visible.
pub(crate) fn machine_wide_options(fstype: &OsStr, given: &[FsOption]) -> Vec<FsOption> {
    if fstype != "cgroup2" {
        return Vec::new();
    }
    let table = mountinfo::read().unwrap_or_default();
    let mounted = table.into_iter().find(|entry| entry.fstype == fstype);
    mounted.map_or_else(Vec::new, |entry| kept_options(fstype, &entry.super_options, given))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_named_is_not_handed_back() {
        let option =
            |key: &str, value: Option<&str>| FsOption { key: key.into(), value: value.map(Into::into) };
        let kept = |fstype: &str, shown: &str, given: &[FsOption]| -> Vec<String> {
            let kept = kept_options(OsStr::new(fstype), OsStr::new(shown), given);
            kept.iter().map(|option| option.text().to_string_lossy().into_owned()).collect()
        };
        let mode = [option("mode", Some("600"))];
        assert_eq!(kept("devpts", "rw,gid=5,mode=620,ptmxmode=666", &mode), ["gid=5", "ptmxmode=666"]);
        assert_eq!(kept("erofs", "ro,user_xattr,acl", &[option("noacl", None)]), ["user_xattr"]);
        assert!(kept("overlay", "rw,lowerdir=/a", &[]).is_empty());
    }
}
