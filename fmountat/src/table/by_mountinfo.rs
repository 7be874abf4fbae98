// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Takes a snapshot by `/proc/PID/mountinfo`.
//!
//! Each read(2) returns about 4 KiB. The kernel remembers the mount where it stopped, but the table
//! may change between two reads.

use crate::error::Result;
use crate::mountinfo::read::Reading;
use crate::table::fields::{BY_MOUNTINFO, Fields, READ_TABLE, TableStrategy};
use crate::table::snapshot::Table;
use crate::trace;
use rustix::fd::OwnedFd;

/// Reads an open mountinfo file from its start.
pub(crate) fn read(file: &OwnedFd) -> Result<Table> {
    let mut reading = Reading::of(file);
    reading.rest(None)?;
    table(reading)
}

/// Parses the text that was read into a table.
pub(crate) fn table(reading: Reading<'_>) -> Result<Table> {
    trace::strategy(READ_TABLE, BY_MOUNTINFO);
    let (records, text) = reading.records()?;
    Ok(Table::new(records, text, Fields::MOUNTINFO, TableStrategy::Mountinfo))
}

/// Parses text in the format of mountinfo.
#[cfg(any(test, fuzzing))]
pub(crate) fn parse(bytes: Vec<u8>) -> Result<Table> {
    let (records, text) = crate::mountinfo::parse::parse_records(bytes)?;
    Ok(Table::new(records, text, Fields::MOUNTINFO, TableStrategy::Mountinfo))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mountinfo::MountinfoId;
    use std::os::unix::ffi::OsStrExt;

    const LINE: &[u8] = b"36 35 98:0 /mnt1 /mnt\\0402\\134x\\012 rw,noatime master:1 shared:2 propagate_from:7 - ext3 /dev/root rw,errors=continue\n";

    #[test]
    fn a_line_gives_its_bytes() {
        let table = parse(LINE.to_vec()).unwrap();
        let entry = table.iter().next().unwrap();
        assert_eq!(
            (entry.mountinfo_id(), entry.parent_mountinfo_id(), entry.device()),
            (MountinfoId::from_number(36), MountinfoId::from_number(35), Some((98, 0)))
        );
        assert_eq!((entry.shared(), entry.master(), entry.propagate_from()), (Some(2), Some(1), Some(7)));
        assert_eq!(entry.target(), std::path::Path::new("/mnt 2\\x\n"));
        assert_eq!((entry.root().to_str(), entry.options().to_str()), (Some("/mnt1"), Some("rw,noatime")));
        assert_eq!(entry.fstype(), "ext3");
        assert_eq!(
            (entry.source().to_str(), entry.super_options().to_str()),
            (Some("/dev/root"), Some("rw,errors=continue"))
        );
    }

    #[test]
    fn odd_lines() {
        // No source, and unknown optional fields as a future kernel may add.
        let table = parse(b"1 0 0:1 / / rw later:x unbindable - tmpfs  rw\n".to_vec()).unwrap();
        let entry = table.iter().next().unwrap();
        assert!(entry.is_unbindable() && entry.source().is_empty());
        assert_eq!(entry.super_options(), "rw");
        for bad in ["1", "x 0 0:1 / / rw - t s rw", "1 0 0 / / rw - t s rw", "1 0 0:1 / / rw t s rw"] {
            assert!(parse(bad.as_bytes().to_vec()).is_err(), "{bad}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_parse_or_fail_without_panic(bytes: Vec<u8>) {
            let _ = parse(bytes);
        }

        #[test]
        fn what_the_kernel_escapes_comes_back(name in proptest::collection::vec(1u8..=255, 1..40)) {
            let escaped: Vec<u8> = name.iter().flat_map(|b| match b {
                b' ' | b'\t' | b'\n' | b'\\' => format!("\\{b:03o}").into_bytes(),
                b => vec![*b],
            }).collect();
            let line = [b"7 1 0:1 / ", &escaped[..], b" rw - tmpfs ", &escaped, b" rw"].concat();
            let table = parse(line).unwrap();
            let entry = table.iter().next().unwrap();
            proptest::prop_assert_eq!(entry.source().as_bytes(), &name[..]);
        }
    }
}
