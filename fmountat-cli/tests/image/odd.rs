// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Adds what the packages lack and images may have: odd names, owners, modes, times, attributes,
//! devices and hard links.

use crate::tree::{set_mtime, set_xattr};
use fmountat_testing::{mkdirs, write};
use rustix::fs::{CWD, FileType, Mode, makedev};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, chown, lchown, symlink};
use std::path::Path;

/// Adds them all to the root file system at `root`.
pub(crate) fn add(root: &Path) {
    let odd = root.join("srv/odd");
    mkdirs(&odd, &["empty", "deep/er/still", "links/one", "links/two"]);
    add_names(&odd.join("names"));
    add_owners_and_modes(&odd);
    add_xattrs(&odd);
    add_special_files(&odd);
    add_links(&odd);
    add_times(&odd.join("times"));
}

fn add_names(dir: &Path) {
    let long = [b'n'; 240];
    let names: [&[u8]; 8] =
        [b"a,b", b"a:b", b"a b\n", b"\\", b"\"quoted\"", b"\xff\xfe", b".wh.no-whiteout", &long];
    for name in names {
        write(dir.join(OsStr::from_bytes(name)), name);
    }
}

fn add_owners_and_modes(odd: &Path) {
    let rows = [
        ("setuid", 0o4755, 0, 0),
        ("setgid", 0o2755, 0, 42),
        ("all-bits", 0o7777, 1000, 1000),
        ("no-bits", 0, 12345, 54321),
        ("last-user", 0o640, u32::MAX - 1, u32::MAX - 1),
    ];
    for (name, mode, uid, gid) in rows {
        let (file, dir) = (odd.join("modes").join(name), odd.join("modes-of-directories").join(name));
        write(&file, name);
        write(dir.join("file"), name);
        for path in [file, dir] {
            chown(&path, Some(uid), Some(gid)).unwrap();
            std::fs::set_permissions(&path, PermissionsExt::from_mode(mode)).unwrap();
        }
    }
}

fn add_xattrs(odd: &Path) {
    let dir = odd.join("attributes");
    for name in ["user", "trusted", "capability", "acl", "empty-value"] {
        write(dir.join(name), name);
    }
    set_xattr(&dir.join("user"), "user.some", b"a\0b");
    set_xattr(&dir.join("user"), "user.long", &[7; 1000]);
    set_xattr(&dir.join("trusted"), "trusted.some", b"value");
    set_xattr(&dir.join("empty-value"), "user.empty", b"");
    // struct vfs_cap_data, revision 2: CAP_NET_RAW is permitted and effective.
    let capability = [0x0200_0001_u32, 1 << 13, 0, 0, 0].map(u32::to_le_bytes).concat();
    set_xattr(&dir.join("capability"), "security.capability", &capability);
    set_xattr(&dir.join("acl"), "system.posix_acl_access", &acl());
    set_xattr(&dir, "trusted.of-a-directory", b"value");
    set_xattr(&dir, "system.posix_acl_default", &acl());
    symlink("user", dir.join("link")).unwrap();
    set_xattr(&dir.join("link"), "trusted.of-a-link", b"value");
}

/// `user::rw-,user:12345:r--,group::r--,mask::r--,other::---` as the kernel has it.
fn acl() -> Vec<u8> {
    let entries: [(u16, u16, u32); 5] =
        [(1, 6, u32::MAX), (2, 4, 12345), (4, 4, u32::MAX), (16, 4, u32::MAX), (32, 0, u32::MAX)];
    let mut bytes = 2_u32.to_le_bytes().to_vec();
    for (tag, permissions, id) in entries {
        bytes.extend(tag.to_le_bytes());
        bytes.extend(permissions.to_le_bytes());
        bytes.extend(id.to_le_bytes());
    }
    bytes
}

fn add_special_files(odd: &Path) {
    let rows = [
        ("fifo", FileType::Fifo, 0),
        ("socket", FileType::Socket, 0),
        ("block", FileType::BlockDevice, makedev(259, 70000)),
        ("character", FileType::CharacterDevice, makedev(1, 3)),
        ("nearly-a-whiteout", FileType::CharacterDevice, makedev(0, 1)),
    ];
    mkdirs(odd, &["special"]);
    for (name, kind, device) in rows {
        let path = odd.join("special").join(name);
        rustix::fs::mknodat(CWD, &path, kind, Mode::RUSR | Mode::WGRP, device).unwrap();
    }
}

fn add_links(odd: &Path) {
    let links = odd.join("links");
    for group in ["x", "y", "z"] {
        write(links.join(group), group.repeat(5000));
        std::fs::hard_link(links.join(group), links.join("one").join(group)).unwrap();
        std::fs::hard_link(links.join(group), links.join("two").join(group)).unwrap();
    }
    let long = "d/".repeat(2000);
    for (name, to) in
        [("dangling", "no/such"), ("self", "self"), ("root", "/"), ("up", "../.."), ("long", &*long)]
    {
        symlink(to, links.join(name)).unwrap();
        lchown(links.join(name), Some(77), Some(88)).unwrap();
    }
}

fn add_times(dir: &Path) {
    for (name, time) in
        [("before-1970", (-1000, 1)), ("after-2038", (1 << 32, 999_999_999)), ("zero", (0, 0))]
    {
        write(dir.join(name), name);
        set_mtime(&dir.join(name), time);
    }
}
