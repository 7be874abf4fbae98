// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Option lists for output: merges the options of a mount and its file system, counts layers,
//! filters types.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

/// The largest number of lower layers that is printed in full.
const LAYERS_SHOWN: usize = 3;
/// The longest list of lower layers, in bytes, that is printed in full.
const LIST_SHOWN: usize = 64;

/// Merges option lists as findmnt does: `ro` if one has it, else `rw`, then the other options of
/// both.
pub(crate) fn merged(own: &OsStr, of_superblock: &OsStr) -> Vec<u8> {
    let lists = [own.as_bytes(), of_superblock.as_bytes()];
    let options = || lists.into_iter().flat_map(|list| list.split(|byte| *byte == b','));
    let mut out = if options().any(|option| option == b"ro") { b"ro".to_vec() } else { b"rw".to_vec() };
    for option in options().filter(|option| !matches!(*option, b"rw" | b"ro" | b"")) {
        out.push(b',');
        out.extend_from_slice(option);
    }
    out
}

/// Replaces the layers of an overlay by `37 layers`, if they are many or long.
pub(crate) fn short(list: &[u8]) -> Vec<u8> {
    let options: Vec<&[u8]> = list.split(|byte| *byte == b',').collect();
    let layers = |option: &&[u8]| {
        let names = [&b"lowerdir="[..], b"lowerdir+=", b"datadir+="];
        names.iter().find_map(|name| option.strip_prefix(*name)).map(|list| (count(list), list.len()))
    };
    let (number, length) =
        options.iter().filter_map(layers).fold((0, 0), |(n, l), (layers, length)| (n + layers, l + length));
    if number <= LAYERS_SHOWN && length <= LIST_SHOWN {
        return list.to_vec();
    }
    let mut is_shown = false;
    let mut out: Vec<Vec<u8>> = Vec::new();
    for option in options {
        if layers(&option).is_none() {
            out.push(option.to_vec());
        } else if !std::mem::replace(&mut is_shown, true) {
            let plural = if number == 1 { "" } else { "s" };
            out.push(format!("{number} layer{plural}").into_bytes());
        }
    }
    out.join(&b',')
}

/// Counts layers. Colons separate them, `\:` is a colon in a name, and `::` precedes data layers.
fn count(list: &[u8]) -> usize {
    let (mut layers, mut is_in_layer, mut is_escaped) = (0, false, false);
    for byte in list {
        let ends = *byte == b':' && !is_escaped;
        layers += usize::from(!ends && !is_in_layer);
        is_in_layer = !ends;
        is_escaped = *byte == b'\\' && !is_escaped;
    }
    layers
}

/// Returns whether a type matches a list like `ext4,xfs`, or with a leading `no` does not, as in
/// mount(8). `fuse` matches `fuse.sshfs`.
pub(crate) fn is_chosen(fstype: &OsStr, list: &OsStr) -> bool {
    let (list, wanted) = match list.as_bytes().strip_prefix(b"no") {
        Some(rest) => (rest, false),
        None => (list.as_bytes(), true),
    };
    let is_meant = |option: &[u8]| {
        let option = if wanted { option } else { option.strip_prefix(b"no").unwrap_or(option) };
        let rest = fstype.as_bytes().strip_prefix(option);
        !option.is_empty() && rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(b"."))
    };
    list.split(|byte| *byte == b',').any(is_meant) == wanted
}

/// Returns whether a file system has no data of its own. The list is that of findmnt(8).
pub(crate) fn is_pseudo(fstype: &OsStr) -> bool {
    const PSEUDO: &str = "\
        anon_inodefs apparmorfs autofs bdev binder binfmt_misc bpf cgroup cgroup2 configfs cpuset \
        debugfs devfs devpts devtmpfs dlmfs dmabuf drm efivarfs fuse.archivemount fuse.avfsd \
        fuse.dumpfs fuse.encfs fuse.gvfs-fuse-daemon fuse.gvfsd-fuse fuse.lxcfs fuse.portal \
        fuse.rofiles-fuse fuse.vmware-vmblock fuse.vmware fuse.vmblock fuse.xwmfs fusectl hugetlbfs \
        ipathfs mqueue nfsd none nsfs overlay pipefs proc pstore ramfs resctrl rootfs rpc_pipefs \
        securityfs selinuxfs smackfs sockfs spufs sysfs tmpfs tracefs vboxsf virtiofs";
    fstype.to_str().is_some_and(|fstype| PSEUDO.split(' ').any(|pseudo| pseudo == fstype))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shortened(options: &str) -> String {
        String::from_utf8(short(options.as_bytes())).unwrap()
    }

    #[test]
    fn layers_are_counted() {
        assert_eq!(shortened("rw,lowerdir=/a:/b,upperdir=/u"), "rw,lowerdir=/a:/b,upperdir=/u");
        assert_eq!(shortened("rw,lowerdir=/a:/b:/c:/d,upperdir=/u"), "rw,4 layers,upperdir=/u");
        assert_eq!(shortened("ro,lowerdir=/a:/b\\:x:/c::/d::/e"), "ro,5 layers");
        assert_eq!(shortened("ro,lowerdir+=/a,lowerdir+=/b,lowerdir+=/c,datadir+=/d,x=1"), "ro,4 layers,x=1");
        assert_eq!(shortened(&format!("ro,lowerdir=/{}", "a".repeat(80))), "ro,1 layer");
    }

    #[test]
    fn options_are_merged_as_findmnt_does() {
        let merge = |a: &str, b: &str| String::from_utf8(merged(a.as_ref(), b.as_ref())).unwrap();
        assert_eq!(merge("rw,nosuid,relatime", "rw,size=1m"), "rw,nosuid,relatime,size=1m");
        assert_eq!(merge("ro,relatime", "rw"), "ro,relatime");
        assert_eq!(merge("rw", "ro,x"), "ro,x");
    }

    #[test]
    fn types_are_chosen_as_mount_does() {
        let chosen = |fstype: &str, list: &str| is_chosen(fstype.as_ref(), list.as_ref());
        assert!(chosen("tmpfs", "ext4,tmpfs") && !chosen("tmpfs", "ext4") && !chosen("tmpfs", "tmp"));
        assert!(
            chosen("fuse.sshfs", "fuse") && chosen("fuse.sshfs", "fuse.sshfs") && !chosen("fuseblk", "fuse")
        );
        assert!(
            !chosen("tmpfs", "notmpfs,proc")
                && !chosen("proc", "notmpfs,proc")
                && chosen("xfs", "notmpfs,proc")
        );
    }
}
