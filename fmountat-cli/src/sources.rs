// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Finds mounts by their source: a device, an image on a loop device, a tag, or a name.

use fmountat::Error;
use fmountat::mountinfo::MountEntry;
use rustix::fs::{FileType, Stat};
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Names of a device: the tag, and the directory that udev makes for it.
const TAGS: [(&[u8], &str); 4] = [
    (b"LABEL=", "/dev/disk/by-label"),
    (b"UUID=", "/dev/disk/by-uuid"),
    (b"PARTLABEL=", "/dev/disk/by-partlabel"),
    (b"PARTUUID=", "/dev/disk/by-partuuid"),
];

/// Returns the path of a device that is given by a tag, and every other source unchanged.
pub(crate) fn of_tag(source: PathBuf) -> PathBuf {
    let text = source.as_os_str().as_bytes();
    let tag = TAGS.iter().find_map(|(tag, directory)| Some((text.strip_prefix(*tag)?, directory)));
    let Some((value, directory)) = tag else { return source };
    // mount(8) takes the value in quotes, too.
    let value = value.strip_prefix(b"\"").and_then(|value| value.strip_suffix(b"\"")).unwrap_or(value);
    Path::new(directory).join(OsString::from_vec(escaped(value)))
}

/// Escapes a label as udev does in the names of links: all but some characters as `\x20`.
fn escaped(value: &[u8]) -> Vec<u8> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"#+-.:=@_".contains(&byte) || byte >= 0x80;
    let escape = |byte: &u8| match is_plain(*byte) {
        true => vec![*byte],
        false => format!("\\x{byte:02x}").into_bytes(),
    };
    value.iter().flat_map(escape).collect()
}

/// Returns the mounts of a source in this mount namespace, in the order of the table.
pub(crate) fn mounts_of(source: &OsStr) -> Result<Vec<MountEntry>, Error> {
    let path = of_tag(PathBuf::from(source));
    let real = std::fs::canonicalize(&path).ok();
    let devices = real.as_deref().map(devices_of).unwrap_or_default();
    let is_of_source = |entry: &MountEntry| {
        entry.source == source
            || real.as_ref().is_some_and(|real| entry.source == real.as_os_str())
            || devices.contains(&entry.device)
    };
    Ok(fmountat::mountinfo::read()?.into_iter().filter(is_of_source).collect())
}

/// Returns the device numbers of a block device, or of the loop devices of an image.
fn devices_of(path: &Path) -> Vec<(u32, u32)> {
    let Ok(stat) = rustix::fs::stat(path) else { return Vec::new() };
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::BlockDevice => vec![(rustix::fs::major(stat.st_rdev), rustix::fs::minor(stat.st_rdev))],
        FileType::RegularFile => loop_devices(&stat),
        _ => Vec::new(),
    }
}

fn loop_devices(image: &Stat) -> Vec<(u32, u32)> {
    let entries = std::fs::read_dir("/sys/block").into_iter().flatten().flatten();
    let is_image = |directory: &PathBuf| {
        let backing = std::fs::read(directory.join("loop/backing_file")).ok();
        let backing = backing.map(|path| PathBuf::from(OsStr::from_bytes(path.trim_ascii_end())));
        let found = backing.and_then(|path| std::fs::metadata(path).ok());
        found.is_some_and(|found| (found.dev(), found.ino()) == (image.st_dev, image.st_ino))
    };
    let number = |directory: PathBuf| {
        let text = std::fs::read_to_string(directory.join("dev")).ok()?;
        let (major, minor) = text.trim().split_once(':')?;
        Some((major.parse().ok()?, minor.parse().ok()?))
    };
    entries.map(|entry| entry.path()).filter(is_image).filter_map(number).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_paths_that_udev_makes() {
        for (source, path) in [
            ("LABEL=data", "/dev/disk/by-label/data"),
            ("UUID=\"1-2\"", "/dev/disk/by-uuid/1-2"),
            ("PARTLABEL=a/b c", "/dev/disk/by-partlabel/a\\x2fb\\x20c"),
            ("LABEL", "LABEL"),
            ("label=x", "label=x"),
        ] {
            assert_eq!(of_tag(source.into()), Path::new(path));
        }
    }
}
