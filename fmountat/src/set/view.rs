// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A read-only view of a mount list, as containerd makes one to look into a snapshot.

use super::mount::Mount;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;

/// The same mounts, to be read only: an overlay loses `upperdir`, `workdir` and its id mappings, and its upper becomes
/// the first lower layer; everything else gets `ro` (a recursive bind `rro`). The input is not changed.
///
/// ```
/// use fmountat::{Mount, read_only_view};
/// let mounts = [Mount::new("overlay", "overlay").option("upperdir=/3,workdir=/w").option("lowerdir=/2:/1")];
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
    let words = || mount.options.iter().flat_map(|o| words_of(o));
    let is_recursive = mount.fstype == "rbind" || words().any(|w| w == "rbind");
    let read_only = if is_recursive { "rro" } else { "ro" };
    let takes_back = words().any(|w| w == "rw" || w == "rrw");
    if takes_back || !words().any(|w| w == read_only) {
        view.options.push(OsString::from(read_only));
    }
    view
}

fn overlay_view(mount: &Mount) -> Mount {
    let words: Vec<&OsStr> = mount.options.iter().flat_map(|o| words_of(o)).collect();
    let upper = words.iter().find_map(|w| w.as_bytes().strip_prefix(b"upperdir="));
    let dropped: [&[u8]; 4] = [b"upperdir=", b"workdir=", b"uidmap=", b"gidmap="];
    let volatile: [&[u8]; 2] = [b"volatile", b"fsync=volatile"];
    let mut pending = upper;
    let mut options = Vec::new();
    for word in &words {
        let bytes = word.as_bytes();
        if dropped.iter().any(|d| bytes.starts_with(d)) || volatile.contains(&bytes) {
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
                options.push((*word).to_owned());
                pending = None;
            }
            _ => options.push((*word).to_owned()),
        }
    }
    Mount { options, ..mount.clone() }
}

fn joined(parts: &[&[u8]]) -> OsString {
    OsStr::from_bytes(&parts.concat()).to_owned()
}

/// The words of one element, still escaped and quoted.
fn words_of(element: &OsStr) -> Vec<&OsStr> {
    super::options::split(element.as_bytes()).into_iter().map(OsStr::from_bytes).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn views_of_cases() {
        let cases: [(&str, &[&str], &[&str]); 6] = [
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
