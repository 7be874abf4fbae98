// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Makes a read-only view of a mount list, as containerd does to inspect a snapshot.

use crate::set::spec::mount::Mount;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;

/// Returns a read-only view of the mounts. An overlay loses `upperdir`, `workdir` and its id
/// mappings; its upper becomes the first lower layer. Every other mount gets `ro` (a recursive bind
/// `rro`). The input is not changed.
///
/// ```
/// use fmountat::{Mount, read_only_view};
/// let overlay = Mount::new("overlay", "overlay").option("upperdir=/3,workdir=/w");
/// let mounts = [overlay.option("lowerdir=/2:/1")];
/// assert_eq!(read_only_view(&mounts)[0].options, ["lowerdir=/3:/2:/1"]);
/// ```
#[must_use]
pub fn read_only_view(mounts: &[Mount]) -> Vec<Mount> {
    mounts.iter().map(view_of).collect()
}

fn view_of(mount: &Mount) -> Mount {
    if mount.fstype == "overlay" { overlay_view(mount) } else { plain_view(mount) }
}

fn plain_view(mount: &Mount) -> Mount {
    let mut view = mount.clone();
    let options = options_of(mount);
    let has = |option: &str| options.iter().any(|other| other == option);
    let is_recursive = mount.fstype == "rbind" || has("rbind");
    let read_only = if is_recursive { "rro" } else { "ro" };
    // `rw=vfs` and the like count too.
    let is_written = options
        .iter()
        .any(|option| option == "rrw" || option == "rw" || option.as_bytes().starts_with(b"rw="));
    if is_written || !has(read_only) {
        view.options.push(OsString::from(read_only));
    }
    view
}

fn overlay_view(mount: &Mount) -> Mount {
    let given = options_of(mount);
    let upper = given.iter().find_map(|option| option.as_bytes().strip_prefix(b"upperdir="));
    let dropped: [&[u8]; 6] =
        [b"upperdir=", b"workdir=", b"uidmap=", b"gidmap=", b"X-mount.idmap=", b"x-mount.idmap="];
    let mut pending = upper;
    let mut options = Vec::new();
    for option in &given {
        let bytes = option.as_bytes();
        let is_map = bytes == b"idmap" || bytes == b"ridmap";
        if dropped.iter().any(|d| bytes.starts_with(d)) || is_map || is_volatile(option) {
            continue;
        }
        let lower = [&b"lowerdir="[..], b"lowerdir+="].into_iter().find(|key| bytes.starts_with(key));
        match (lower, pending) {
            (Some(b"lowerdir="), Some(upper)) => {
                let rest = &bytes[b"lowerdir=".len()..];
                options.push(joined(&[b"lowerdir=", upper, b":", rest]));
                pending = None;
            }
            (Some(_), Some(upper)) => {
                options.push(joined(&[b"lowerdir+=", upper]));
                options.push(option.clone());
                pending = None;
            }
            _ => options.push(option.clone()),
        }
    }
    Mount { options, uid_mappings: Vec::new(), gid_mappings: Vec::new(), ..mount.clone() }
}

/// Returns the mounts for temporary use. An overlay loses `volatile`, which would leave a mark in
/// the work directory that prevents its use by the next overlay. The input is not changed.
pub(crate) fn temporary_view(mounts: &[Mount]) -> Vec<Mount> {
    let without = |mount: &Mount| {
        let mut options = options_of(mount);
        options.retain(|option| !is_volatile(option));
        Mount { options, ..mount.clone() }
    };
    mounts.iter().map(|m| if m.fstype == "overlay" { without(m) } else { m.clone() }).collect()
}

fn is_volatile(option: &OsStr) -> bool {
    option == "volatile" || option == "fsync=volatile"
}

fn joined(parts: &[&[u8]]) -> OsString {
    OsStr::from_bytes(&parts.concat()).to_owned()
}

/// Returns the options of all elements, still escaped and quoted.
fn options_of(mount: &Mount) -> Vec<OsString> {
    mount.options.iter().flat_map(|element| crate::set::options::lexer::split_options(element)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn views_of_cases() {
        let cases: [(&str, &[&str], &[&str]); 8] = [
            ("bind", &["bind", "ro", "rw=vfs"], &["bind", "ro", "rw=vfs", "ro"]),
            ("overlay", &["lowerdir=/b:/a", "x-mount.idmap=0:1:2"], &["lowerdir=/b:/a"]),
            ("bind", &["bind", "ro", "rw"], &["bind", "ro", "rw", "ro"]),
            ("overlay", &["lowerdir=/b:/a"], &["lowerdir=/b:/a"]),
            (
                "overlay",
                &["volatile", "workdir=/w", "lowerdir+=/a", "upperdir=/u"],
                &["lowerdir+=/u", "lowerdir+=/a"],
            ),
            (
                "overlay",
                &[r"lowerdir=/a,upperdir=/u\,x,workdir=/w,index=off"],
                &[r"lowerdir=/u\,x:/a", "index=off"],
            ),
            ("bind", &["rbind", "ro"], &["rbind", "ro", "rro"]),
            ("tmpfs", &["size=1m,ro"], &["size=1m,ro"]),
        ];
        for (fstype, given, want) in cases {
            let mount = given.iter().fold(Mount::new(fstype, "x"), |m, o| m.option(*o));
            let before = mount.clone();
            assert_eq!(read_only_view(std::slice::from_ref(&mount))[0].options, *want);
            assert_eq!(mount, before);
        }
    }
}
