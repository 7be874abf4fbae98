// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Mounts as numbers and ranges of one shared text, which avoids allocations per mount.

use crate::error::{Error, ErrorKind, Operation, Result};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

/// A range of the text.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Span {
    start: u32,
    length: u32,
}

/// One mount. Fields that were not requested are zero or empty.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Record {
    /// Zero if read from mountinfo, like the parent's.
    pub(crate) unique: u64,
    pub(crate) parent_unique: u64,
    pub(crate) id: u64,
    pub(crate) parent: u64,
    pub(crate) device: (u32, u32),
    /// Zero if there is none, like the next two.
    pub(crate) shared: u64,
    pub(crate) master: u64,
    pub(crate) from: u64,
    pub(crate) unbindable: bool,
    pub(crate) root: Span,
    pub(crate) target: Span,
    pub(crate) options: Span,
    pub(crate) fstype: Span,
    pub(crate) source: Span,
    pub(crate) super_options: Span,
    /// One mapping per line.
    pub(crate) uid_map: Span,
    pub(crate) gid_map: Span,
}

impl Record {
    /// Returns the id that identifies the mount in its table.
    pub(crate) fn key(&self) -> u64 {
        if self.unique == 0 { self.id } else { self.unique }
    }

    pub(crate) fn parent_key(&self) -> u64 {
        if self.unique == 0 { self.parent } else { self.parent_unique }
    }
}

/// Returns the indices of the mounts without a parent in the list, in order.
pub(crate) fn orphans(records: &[Record]) -> Vec<usize> {
    let mut keys: Vec<u64> = records.iter().map(Record::key).collect();
    keys.sort_unstable();
    let is_root = |record: &Record| {
        record.parent_key() == record.key() || keys.binary_search(&record.parent_key()).is_err()
    };
    (0..records.len()).filter(|n| is_root(&records[*n])).collect()
}

/// The strings of all records, concatenated.
#[derive(Debug, Clone, Default)]
pub(crate) struct Text(Vec<u8>);

impl Text {
    pub(crate) fn new(bytes: Vec<u8>) -> Result<Self> {
        match u32::try_from(bytes.len()) {
            Ok(_) => Ok(Self(bytes)),
            Err(_) => Err(too_long()),
        }
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.0
    }

    pub(crate) fn get(&self, span: Span) -> &OsStr {
        let end = span.start as usize + span.length as usize;
        OsStr::from_bytes(self.0.get(span.start as usize..end).unwrap_or_default())
    }

    /// Appends what `write` adds and returns its range.
    pub(crate) fn add(&mut self, write: impl FnOnce(&mut Vec<u8>)) -> Result<Span> {
        let start = self.0.len();
        write(&mut self.0);
        match (u32::try_from(start), u32::try_from(self.0.len())) {
            (Ok(start), Ok(end)) => Ok(Span { start, length: end - start }),
            _ => Err(too_long()),
        }
    }

    /// Returns the range from `start` to `end` after decoding octal escapes such as `\040` in
    /// place.
    pub(crate) fn unescaped(&mut self, start: usize, end: usize) -> Span {
        let length = self.0.get_mut(start..end).map_or(0, unescape_in_place);
        // `new` has checked the length of the whole text.
        Span { start: start as u32, length: length as u32 }
    }
}

fn too_long() -> Error {
    Error::new(ErrorKind::TooLong, Operation::ReadMountTable, "it is longer than 4 GiB")
}

/// Decodes octal escapes such as `\040` (`mangle`, fs/seq_file.c) in place. Returns the decoded
/// length.
pub(crate) fn unescape_in_place(bytes: &mut [u8]) -> usize {
    let Some(first) = bytes.iter().position(|byte| *byte == b'\\') else { return bytes.len() };
    let (mut from, mut to) = (first, first);
    while from < bytes.len() {
        match octal(&bytes[from..]) {
            Some(byte) => {
                bytes[to] = byte;
                from += 4;
            }
            None => {
                bytes[to] = bytes[from];
                from += 1;
            }
        }
        to += 1;
    }
    to
}

/// Decodes an escape at the start of `bytes`.
fn octal(bytes: &[u8]) -> Option<u8> {
    let [b'\\', digits @ ..] = bytes else { return None };
    let digit = |n: usize| digits.get(n).filter(|d| (b'0'..=b'7').contains(d)).map(|d| u32::from(d - b'0'));
    u8::try_from(digit(0)? * 64 + digit(1)? * 8 + digit(2)?).ok()
}
