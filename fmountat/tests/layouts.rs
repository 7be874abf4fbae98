// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The structures and numbers that this library writes down itself, beside those of the kernel's headers: a C program prints
//! the latter. Headers that are too old to have one are said to be; `FMOUNTAT_HEADERS` names directories with newer ones
//! (`.ci/kernels newest` does).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use fmountat_testing::{command_output, scratch};
use std::collections::HashMap;
use std::process::Command;

/// `NAME EXPRESSION`, each printed as a number, if the header has it.
const SIZES: &[(&str, &str, &str)] = &[
    ("mount_attr", "MOUNT_ATTR_RDONLY", "sizeof(struct mount_attr)"),
    ("mount_attr.userns_fd", "MOUNT_ATTR_RDONLY", "offsetof(struct mount_attr, userns_fd)"),
    ("statmount", "STATMOUNT_SB_BASIC", "sizeof(struct statmount)"),
    ("statmount.fs_type", "STATMOUNT_SB_BASIC", "offsetof(struct statmount, fs_type)"),
    ("statmount.mnt_id", "STATMOUNT_SB_BASIC", "offsetof(struct statmount, mnt_id)"),
    ("statmount.mnt_peer_group", "STATMOUNT_SB_BASIC", "offsetof(struct statmount, mnt_peer_group)"),
    ("statmount.mnt_root", "STATMOUNT_SB_BASIC", "offsetof(struct statmount, mnt_root)"),
    ("statmount.mnt_ns_id", "STATMOUNT_MNT_NS_ID", "offsetof(struct statmount, mnt_ns_id)"),
    ("mnt_id_req", "MNT_ID_REQ_SIZE_VER0", "MNT_ID_REQ_SIZE_VER0"),
    ("MOUNT_ATTR_IDMAP", "MOUNT_ATTR_IDMAP", "MOUNT_ATTR_IDMAP"),
    ("MOUNT_ATTR_NOSYMFOLLOW", "MOUNT_ATTR_NOSYMFOLLOW", "MOUNT_ATTR_NOSYMFOLLOW"),
    ("MOUNT_ATTR__ATIME", "MOUNT_ATTR__ATIME", "MOUNT_ATTR__ATIME"),
    ("STATX_MNT_ID_UNIQUE", "STATX_MNT_ID_UNIQUE", "STATX_MNT_ID_UNIQUE"),
    ("MOVE_MOUNT_BENEATH", "MOVE_MOUNT_BENEATH", "MOVE_MOUNT_BENEATH"),
    ("LISTMOUNT_REVERSE", "LISTMOUNT_REVERSE", "LISTMOUNT_REVERSE"),
    ("SYS_statmount", "__NR_statmount", "__NR_statmount"),
    ("SYS_listmount", "__NR_listmount", "__NR_listmount"),
    ("SYS_open_tree_attr", "__NR_open_tree_attr", "__NR_open_tree_attr"),
    ("LOOP_CONFIGURE", "LOOP_CONFIGURE", "LOOP_CONFIGURE"),
    ("loop_config", "LOOP_CONFIGURE", "sizeof(struct loop_config)"),
    ("PIDFD_GET_USER_NAMESPACE", "PIDFD_GET_USER_NAMESPACE", "PIDFD_GET_USER_NAMESPACE"),
];

/// What the sources of `fmountat::sys` and `fmountat::vfs` have.
const OURS: &[(&str, u64)] = &[
    ("mount_attr", 32),
    ("mount_attr.userns_fd", 24),
    ("statmount", 512),
    ("statmount.fs_type", 36),
    ("statmount.mnt_id", 40),
    ("statmount.mnt_peer_group", 80),
    ("statmount.mnt_root", 104),
    ("statmount.mnt_ns_id", 112),
    ("mnt_id_req", 24),
    ("MOUNT_ATTR_IDMAP", 0x0010_0000),
    ("MOUNT_ATTR_NOSYMFOLLOW", 0x0020_0000),
    ("MOUNT_ATTR__ATIME", 0x70),
    ("STATX_MNT_ID_UNIQUE", 0x4000),
    ("MOVE_MOUNT_BENEATH", 0x200),
    ("LISTMOUNT_REVERSE", 1),
    ("SYS_statmount", 457),
    ("SYS_listmount", 458),
    ("SYS_open_tree_attr", 467),
    ("LOOP_CONFIGURE", 0x4C0A),
    ("loop_config", 304),
    ("PIDFD_GET_USER_NAMESPACE", 0xFF09),
];

fn of_the_headers() -> HashMap<String, u64> {
    let mut program = String::from(
        "#include <stddef.h>\n#include <stdio.h>\n#include <linux/types.h>\n#include <linux/mount.h>\n#include <linux/loop.h>\n\
         #include <linux/stat.h>\n#include <asm/unistd.h>\n#if __has_include(<linux/pidfd.h>)\n#include <linux/pidfd.h>\n#endif\n\
         int main(void) {\n",
    );
    for (name, defined, expression) in SIZES {
        // `struct statmount` has come with STATMOUNT_SB_BASIC, and so on: what is no macro can't be asked for.
        program += &format!(
            "#ifdef {defined}\nprintf(\"{name} %llu\\n\", (unsigned long long)({expression}));\n#endif\n"
        );
    }
    program += "return 0; }\n";
    let (source, binary) = (scratch().join("layout.c"), scratch().join("layout"));
    std::fs::write(&source, program).unwrap();
    let include = std::env::var("FMOUNTAT_HEADERS").unwrap_or_default();
    let include = include.split(':').filter(|dir| !dir.is_empty()).flat_map(|dir| ["-I", dir]);
    command_output(Command::new("cc").args(include).arg("-o").arg(&binary).arg(&source));
    let text = command_output(&mut Command::new(binary));
    text.lines()
        .map(|line| line.split_once(' ').unwrap())
        .map(|(name, n)| (name.into(), n.parse().unwrap()))
        .collect()
}

fmountat_testing::tests! {
    fn what_is_written_down_is_what_the_headers_have() needs [Tool("cc")] {
        let headers = of_the_headers();
        let (mut checked, mut missing) = (0, Vec::new());
        for (name, ours) in OURS {
            match headers.get(*name) {
                Some(theirs) => {
                    assert_eq!(ours, theirs, "{name}");
                    checked += 1;
                }
                None => missing.push(*name),
            }
        }
        println!("counted: {checked} of {} as in the headers; too new for them: {}", OURS.len(), missing.join(", "));
        assert_eq!(SIZES.len(), OURS.len());
        assert!(checked >= 6);
    }
}
