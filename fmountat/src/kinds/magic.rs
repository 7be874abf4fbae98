// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Detects the file system on an image or a device by its magic number.

use rustix::fd::AsFd;
use rustix::io::pread;

/// The file system's name in the kernel, the offset of its magic number, and the number.
const MAGIC: [(&str, u64, &[u8]); 12] = [
    ("xfs", 0, b"XFSB"),
    ("squashfs", 0, b"hsqs"),
    ("cramfs", 0, &[0x45, 0x3D, 0xCD, 0x28]),
    ("erofs", 1024, &[0xE2, 0xE1, 0xF5, 0xE0]),
    ("f2fs", 1024, &[0x10, 0x20, 0xF5, 0xF2]),
    ("ext4", 1080, &[0x53, 0xEF]),
    ("btrfs", 0x1_0040, b"_BHRfS_M"),
    ("iso9660", 32_769, b"CD001"),
    ("exfat", 3, b"EXFAT   "),
    ("ntfs3", 3, b"NTFS    "),
    ("vfat", 82, b"FAT32   "),
    ("vfat", 54, b"FAT"),
];

/// Returns the file system at byte `offset` of the file or device; `ext4` also for ext2 and ext3.
pub(crate) fn probe(file: impl AsFd, offset: u64) -> Option<&'static str> {
    let holds = |(_, at, magic): &&(&str, u64, &[u8])| {
        let mut bytes = [0u8; 8];
        let wanted = &mut bytes[..magic.len()];
        let read = offset.checked_add(*at).map(|at| pread(&file, &mut *wanted, at));
        read.is_some_and(|read| read == Ok(magic.len())) && *wanted == **magic
    };
    MAGIC.iter().find(holds).map(|(name, ..)| *name)
}

/// Reports whether [`probe`] detects file systems of this type.
pub(crate) fn is_known(name: &str) -> bool {
    MAGIC.iter().any(|(known, ..)| is_same(known, name))
}

/// Reports whether one driver mounts both file systems.
pub(crate) fn is_same(a: &str, b: &str) -> bool {
    driver(a) == driver(b)
}

fn driver(name: &str) -> &str {
    match name {
        "ext2" | "ext3" => "ext4",
        "msdos" => "vfat",
        "ntfs" => "ntfs3",
        name => name,
    }
}
