// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Finds how one process uses a mount.

use crate::error::{Holder, HolderKind};
use crate::table::holders::numbers::numbers;
use crate::table::holders::sought::{Held, Sought};
use rustix::io::Errno;
use std::ffi::OsStr;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

/// Returns everything that the process holds. A process that has ended or may not be inspected
/// holds nothing.
pub(crate) fn holders(pid: u32, sought: &Sought) -> Vec<Holder> {
    let process = PathBuf::from(format!("/proc/{pid}"));
    let mut held: Vec<(HolderKind, Held)> = Vec::new();
    for thread in numbers(process.join("task")).unwrap_or_default() {
        let thread = process.join("task").join(thread.to_string());
        let links = [("cwd", HolderKind::Cwd), ("root", HolderKind::Root)];
        held.extend(
            links.into_iter().filter_map(|(link, kind)| Some((kind, at(sought, &thread.join(link))?))),
        );
    }
    for number in numbers(process.join("fd")).unwrap_or_default() {
        let link = process.join("fd").join(number.to_string());
        let kind = i32::try_from(number).ok().map(HolderKind::Descriptor);
        held.extend(kind.and_then(|kind| Some((kind, at(sought, &link)?))));
    }
    let program = at(sought, &process.join("exe"));
    held.extend(program.map(|how| (HolderKind::Executable, how)));
    if program.is_none() {
        held.extend(mapping(&process, sought).map(|how| (HolderKind::Mapping, how)));
    }
    if held.is_empty() {
        return Vec::new();
    }
    let command = std::fs::read(process.join("comm")).unwrap_or_default();
    let command = command.strip_suffix(b"\n").unwrap_or(&command);
    let holder = |(kind, how)| Holder {
        pid: Some(pid),
        command: OsStr::from_bytes(command).to_owned(),
        kind,
        in_copy: how == Held::Copy,
    };
    held.into_iter().map(holder).collect()
}

fn at(sought: &Sought, link: &Path) -> Option<Held> {
    sought.has(link).ok().flatten()
}

/// Reports whether a file of the mount is mapped. Selects the lines of `maps` by device and looks
/// them up in `map_files`, which distinguishes mounts.
fn mapping(process: &Path, sought: &Sought) -> Option<Held> {
    let maps = std::fs::read(process.join("maps")).ok()?;
    maps.split(|byte| *byte == b'\n').find_map(|line| {
        let (range, name) = mapped(line, &sought.devices)?;
        match sought.has(&process.join("map_files").join(range)) {
            // Without CAP_CHECKPOINT_RESTORE `map_files` is unreadable: compare by path.
            Err(Errno::PERM | Errno::ACCESS) => {
                let is_in = sought.points.iter().any(|point| name.starts_with(point));
                is_in.then_some(Held::Mount)
            }
            held => held.ok().flatten(),
        }
    })
}

/// Returns the address range as `map_files` spells it and the path of a line of `maps`: `START-END
/// PERMISSIONS OFFSET DEVICE INODE PATH`.
fn mapped(line: &[u8], devices: &[(u32, u32)]) -> Option<(String, PathBuf)> {
    let mut fields = line.splitn(6, |byte| *byte == b' ');
    let range = std::str::from_utf8(fields.next()?).ok()?;
    let (major, minor) = std::str::from_utf8(fields.nth(2)?).ok()?.split_once(':')?;
    let number = |text| u32::from_str_radix(text, 16).ok();
    if !devices.contains(&(number(major)?, number(minor)?)) {
        return None;
    }
    let name = fields.nth(1)?.trim_ascii_start().to_vec();
    let (start, end) = range.split_once('-')?;
    let plain = |address: &str| Some(format!("{:x}", u64::from_str_radix(address, 16).ok()?));
    Some((format!("{}-{}", plain(start)?, plain(end)?), std::ffi::OsString::from_vec(name).into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_maps_gives_the_name_in_map_files() {
        let line = b"00400000-004ab000 r-xp 00001000 fe:1f 1234567    /usr/bin/a b";
        let (range, name) = mapped(line, &[(0, 1), (0xfe, 0x1f)]).unwrap();
        assert_eq!((range.as_str(), name), ("400000-4ab000", PathBuf::from("/usr/bin/a b")));
        assert_eq!(mapped(line, &[(0xfe, 0x20)]), None);
        assert_eq!(mapped(b"7fff-8000 rw-p 00000000 00:00 0", &[(0, 1)]), None);
    }
}
