// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Compares the structures and numbers that this library defines with those of the kernel's
//! headers, which a C program prints. Definitions that the headers lack are listed.
//! `FMOUNTAT_HEADERS` names directories with newer headers, which must have all of them
//! (`.ci/kernels newest`).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use fmountat_testing::{command_output, scratch};
use std::collections::HashMap;
use std::process::Command;

/// Macros with the values in the sources of `fmountat::sys` and `fmountat::vfs`; a C program prints
/// the header's value.
const NUMBERS: &[(&str, u64)] = &[
    ("LSMT_ROOT", u64::MAX),
    ("LISTMOUNT_REVERSE", 1),
    ("MNT_ID_REQ_SIZE_VER0", 24),
    ("MNT_ID_REQ_SIZE_VER1", 32),
    ("MOUNT_ATTR_RDONLY", 0x1),
    ("MOUNT_ATTR_NOSUID", 0x2),
    ("MOUNT_ATTR_NODEV", 0x4),
    ("MOUNT_ATTR_NOEXEC", 0x8),
    ("MOUNT_ATTR__ATIME", 0x70),
    ("MOUNT_ATTR_NOATIME", 0x10),
    ("MOUNT_ATTR_NODIRATIME", 0x80),
    ("MOUNT_ATTR_IDMAP", 0x0010_0000),
    ("MOUNT_ATTR_NOSYMFOLLOW", 0x0020_0000),
    ("MOVE_MOUNT_BENEATH", 0x200),
    ("STATX_MNT_ID_UNIQUE", 0x4000),
    ("STATMOUNT_SB_BASIC", 0x1),
    ("STATMOUNT_MNT_BASIC", 0x2),
    ("STATMOUNT_PROPAGATE_FROM", 0x4),
    ("STATMOUNT_MNT_ROOT", 0x8),
    ("STATMOUNT_MNT_POINT", 0x10),
    ("STATMOUNT_FS_TYPE", 0x20),
    ("STATMOUNT_MNT_NS_ID", 0x40),
    ("STATMOUNT_MNT_OPTS", 0x80),
    ("STATMOUNT_FS_SUBTYPE", 0x100),
    ("STATMOUNT_SB_SOURCE", 0x200),
    ("STATMOUNT_OPT_SEC_ARRAY", 0x800),
    ("STATMOUNT_SUPPORTED_MASK", 0x1000),
    ("STATMOUNT_MNT_UIDMAP", 0x2000),
    ("STATMOUNT_MNT_GIDMAP", 0x4000),
    ("__NR_statmount", 457),
    ("__NR_listmount", 458),
    ("__NR_open_tree_attr", 467),
    ("LOOP_SET_FD", 0x4C00),
    ("LOOP_CLR_FD", 0x4C01),
    ("LOOP_SET_STATUS64", 0x4C04),
    ("LOOP_GET_STATUS64", 0x4C05),
    ("LOOP_SET_DIRECT_IO", 0x4C08),
    ("LOOP_SET_BLOCK_SIZE", 0x4C09),
    ("LOOP_CONFIGURE", 0x4C0A),
    ("LOOP_CTL_GET_FREE", 0x4C82),
    ("LO_NAME_SIZE", 64),
    ("PIDFD_GET_USER_NAMESPACE", 0xFF09),
    ("NS_GET_USERNS", 0xB701),
    ("NS_GET_MNTNS_ID", 0x8008_B705),
    ("NS_GET_PID_FROM_PIDNS", 0x8004_B706),
    ("NS_MNT_GET_INFO", 0x8010_B70A),
    ("NS_MNT_GET_NEXT", 0x8010_B70B),
    ("NS_MNT_GET_PREV", 0x8010_B70C),
    ("FAN_CLOEXEC", 0x1),
    ("FAN_NONBLOCK", 0x2),
    ("FAN_REPORT_MNT", 0x4000),
    ("FAN_MARK_ADD", 0x1),
    ("FAN_MARK_MNTNS", 0x110),
    ("FAN_MNT_ATTACH", 0x0100_0000),
    ("FAN_MNT_DETACH", 0x0200_0000),
    ("FAN_Q_OVERFLOW", 0x4000),
    ("FAN_EVENT_INFO_TYPE_MNT", 7),
    ("FAN_EVENT_METADATA_LEN", 24),
];

/// The macro that was added together with a structure or field, the structure or field, and its
/// size or offset.
const PLACES: &[(&str, &str, u64)] = &[
    ("MOUNT_ATTR_RDONLY", "mount_attr", 32),
    ("MOUNT_ATTR_RDONLY", "mount_attr.attr_set", 0),
    ("MOUNT_ATTR_RDONLY", "mount_attr.attr_clr", 8),
    ("MOUNT_ATTR_RDONLY", "mount_attr.propagation", 16),
    ("MOUNT_ATTR_RDONLY", "mount_attr.userns_fd", 24),
    ("MNT_ID_REQ_SIZE_VER0", "mnt_id_req.size", 0),
    ("MNT_ID_REQ_SIZE_VER0", "mnt_id_req.mnt_id", 8),
    ("MNT_ID_REQ_SIZE_VER0", "mnt_id_req.param", 16),
    ("MNT_ID_REQ_SIZE_VER1", "mnt_id_req", 32),
    ("MNT_ID_REQ_SIZE_VER1", "mnt_id_req.mnt_ns_id", 24),
    ("STATMOUNT_SB_BASIC", "statmount", 512),
    ("STATMOUNT_SB_BASIC", "statmount.size", 0),
    ("STATMOUNT_MNT_OPTS", "statmount.mnt_opts", 4),
    ("STATMOUNT_SB_BASIC", "statmount.mask", 8),
    ("STATMOUNT_SB_BASIC", "statmount.sb_dev_major", 16),
    ("STATMOUNT_SB_BASIC", "statmount.sb_dev_minor", 20),
    ("STATMOUNT_SB_BASIC", "statmount.sb_magic", 24),
    ("STATMOUNT_SB_BASIC", "statmount.sb_flags", 32),
    ("STATMOUNT_SB_BASIC", "statmount.fs_type", 36),
    ("STATMOUNT_SB_BASIC", "statmount.mnt_id", 40),
    ("STATMOUNT_SB_BASIC", "statmount.mnt_parent_id", 48),
    ("STATMOUNT_SB_BASIC", "statmount.mnt_id_old", 56),
    ("STATMOUNT_SB_BASIC", "statmount.mnt_parent_id_old", 60),
    ("STATMOUNT_SB_BASIC", "statmount.mnt_attr", 64),
    ("STATMOUNT_SB_BASIC", "statmount.mnt_propagation", 72),
    ("STATMOUNT_SB_BASIC", "statmount.mnt_peer_group", 80),
    ("STATMOUNT_SB_BASIC", "statmount.mnt_master", 88),
    ("STATMOUNT_SB_BASIC", "statmount.propagate_from", 96),
    ("STATMOUNT_SB_BASIC", "statmount.mnt_root", 104),
    ("STATMOUNT_SB_BASIC", "statmount.mnt_point", 108),
    ("STATMOUNT_MNT_NS_ID", "statmount.mnt_ns_id", 112),
    ("STATMOUNT_FS_SUBTYPE", "statmount.fs_subtype", 120),
    ("STATMOUNT_SB_SOURCE", "statmount.sb_source", 124),
    ("STATMOUNT_OPT_ARRAY", "statmount.opt_num", 128),
    ("STATMOUNT_OPT_ARRAY", "statmount.opt_array", 132),
    ("STATMOUNT_OPT_SEC_ARRAY", "statmount.opt_sec_num", 136),
    ("STATMOUNT_OPT_SEC_ARRAY", "statmount.opt_sec_array", 140),
    ("STATMOUNT_SUPPORTED_MASK", "statmount.supported_mask", 144),
    ("STATMOUNT_MNT_UIDMAP", "statmount.mnt_uidmap_num", 152),
    ("STATMOUNT_MNT_UIDMAP", "statmount.mnt_uidmap", 156),
    ("STATMOUNT_MNT_GIDMAP", "statmount.mnt_gidmap_num", 160),
    ("STATMOUNT_MNT_GIDMAP", "statmount.mnt_gidmap", 164),
    ("STATMOUNT_SB_BASIC", "statmount.str", 512),
    ("LOOP_CONFIGURE", "loop_config", 304),
    ("LOOP_SET_STATUS64", "loop_info64", 232),
    ("NS_MNT_GET_INFO", "mnt_ns_info", 16),
    ("NS_MNT_GET_INFO", "mnt_ns_info.size", 0),
    ("NS_MNT_GET_INFO", "mnt_ns_info.nr_mounts", 4),
    ("NS_MNT_GET_INFO", "mnt_ns_info.mnt_ns_id", 8),
    ("FAN_EVENT_METADATA_LEN", "fanotify_event_metadata", 24),
    ("FAN_EVENT_METADATA_LEN", "fanotify_event_metadata.event_len", 0),
    ("FAN_EVENT_METADATA_LEN", "fanotify_event_metadata.vers", 4),
    ("FAN_EVENT_METADATA_LEN", "fanotify_event_metadata.metadata_len", 6),
    ("FAN_EVENT_METADATA_LEN", "fanotify_event_metadata.mask", 8),
    ("FAN_EVENT_METADATA_LEN", "fanotify_event_metadata.fd", 16),
    ("FAN_EVENT_METADATA_LEN", "fanotify_event_metadata.pid", 20),
    ("FAN_EVENT_METADATA_LEN", "fanotify_event_info_header", 4),
    ("FAN_EVENT_METADATA_LEN", "fanotify_event_info_header.info_type", 0),
    ("FAN_EVENT_METADATA_LEN", "fanotify_event_info_header.len", 2),
    ("FAN_EVENT_INFO_TYPE_MNT", "fanotify_event_info_mnt", 16),
    ("FAN_EVENT_INFO_TYPE_MNT", "fanotify_event_info_mnt.mnt_id", 8),
];

const HEADERS: [&str; 7] = [
    "linux/types.h",
    "linux/mount.h",
    "linux/loop.h",
    "linux/stat.h",
    "linux/nsfs.h",
    "linux/fanotify.h",
    "asm/unistd.h",
];

/// `NAME NUMBER` for each that the headers have.
fn of_the_headers() -> HashMap<String, u64> {
    let mut program = String::from("#include <stddef.h>\n#include <stdio.h>\n");
    program.extend(HEADERS.map(|header| format!("#include <{header}>\n")));
    program += "#if __has_include(<linux/pidfd.h>)\n#include <linux/pidfd.h>\n#endif\nint main(void) {\n";
    let places = PLACES.iter().map(|(guard, name, _)| match name.split_once('.') {
        Some((of, field)) => (*guard, *name, format!("offsetof(struct {of}, {field})")),
        None => (*guard, *name, format!("sizeof(struct {name})")),
    });
    let numbers = NUMBERS.iter().map(|(name, _)| (*name, *name, String::from(*name)));
    for (guard, name, expression) in numbers.chain(places) {
        // The guard skips macros that the headers lack.
        program += &format!(
            "#ifdef {guard}\nprintf(\"{name} %llu\\n\", (unsigned long long)({expression}));\n#endif\n"
        );
    }
    program += "return 0; }\n";
    let (source, binary) = (scratch().join("layout.c"), scratch().join("layout"));
    std::fs::write(&source, program).unwrap();
    let include = directories();
    let include = include.split(':').filter(|dir| !dir.is_empty()).flat_map(|dir| ["-I", dir]);
    command_output(Command::new("cc").args(include).arg("-o").arg(&binary).arg(&source));
    let text = command_output(&mut Command::new(binary));
    text.lines()
        .map(|line| line.split_once(' ').unwrap())
        .map(|(name, n)| (name.into(), n.parse().unwrap()))
        .collect()
}

fn directories() -> String {
    std::env::var("FMOUNTAT_HEADERS").unwrap_or_default()
}

fmountat_testing::tests! {
    fn what_is_written_down_is_what_the_headers_have() needs [Tool("cc")] {
        let headers = of_the_headers();
        let (mut checked, mut missing) = (0, Vec::new());
        let places = PLACES.iter().map(|(_, name, ours)| (name, ours));
        for (name, ours) in NUMBERS.iter().map(|(name, ours)| (name, ours)).chain(places) {
            match headers.get(*name) {
                Some(theirs) => {
                    assert_eq!(ours, theirs, "{name}");
                    checked += 1;
                }
                None => missing.push(*name),
            }
        }
        let all = NUMBERS.len() + PLACES.len();
        let too_new = if missing.is_empty() { String::from("none") } else { missing.join(", ") };
        println!("counted: {checked} of {all} as in the headers; too new for them: {too_new}");
        assert!(missing.is_empty() || directories().is_empty(), "{missing:?}");
        assert!(checked >= 40);
    }
}
