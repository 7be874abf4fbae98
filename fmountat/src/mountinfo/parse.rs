// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Parses lines of mountinfo into records: proc_pid_mountinfo(5).

use crate::error::{Error, ErrorKind, Operation, Result};
use crate::mountinfo::record::{Record, Text};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

/// Parses the text of a mountinfo file. Returns the mounts and their strings.
pub(crate) fn parse_records(bytes: Vec<u8>) -> Result<(Vec<Record>, Text)> {
    let mut text = Text::new(bytes)?;
    let mut records = Vec::with_capacity(text.bytes().len() / 96);
    let mut start = 0;
    while start < text.bytes().len() {
        let rest = &text.bytes()[start..];
        let length = rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len());
        if length > 0 {
            records.push(line(&mut text, start, start + length)?);
        }
        start += length + 1;
    }
    Ok((records, text))
}

/// The space-separated fields of a line.
struct LineFields<'a> {
    line: &'a [u8],
    at: usize,
}

impl<'a> LineFields<'a> {
    fn next(&mut self) -> Option<(usize, &'a [u8])> {
        let start = self.at;
        let rest = self.line.get(start..)?;
        let length = rest.iter().position(|byte| *byte == b' ').unwrap_or(rest.len());
        self.at = start + length + 1;
        Some((start, &rest[..length]))
    }

    fn number(&mut self) -> Option<u64> {
        number(self.next()?.1)
    }

    fn range(&mut self) -> Option<(usize, usize)> {
        self.next().map(|(start, field)| (start, start + field.len()))
    }
}

pub(crate) fn line(text: &mut Text, start: usize, end: usize) -> Result<Record> {
    let bytes = &text.bytes()[start..end];
    let Some((mut record, ranges)) = numbers_and_ranges(bytes) else {
        let error = Error::new(ErrorKind::System, Operation::ReadMountTable, "a line of an unknown form");
        return Err(error.with_argument(OsStr::from_bytes(bytes)));
    };
    let spans = ranges.map(|(from, to)| text.unescaped(start + from, start + to));
    [record.root, record.target, record.options, record.fstype, record.source, record.super_options] = spans;
    Ok(record)
}

fn numbers_and_ranges(line: &[u8]) -> Option<(Record, [(usize, usize); 6])> {
    let mut fields = LineFields { line, at: 0 };
    let mut record = Record { id: fields.number()?, parent: fields.number()?, ..Record::default() };
    let (_, device) = fields.next()?;
    let colon = device.iter().position(|byte| *byte == b':')?;
    let half = |bytes| u32::try_from(number(bytes)?).ok();
    record.device = (half(&device[..colon])?, half(&device[colon + 1..])?);
    let (root, target, options) = (fields.range()?, fields.range()?, fields.range()?);
    // Optional fields end with a single dash; unknown ones are ignored.
    loop {
        let (_, field) = fields.next()?;
        let tagged = |tag: &[u8]| field.strip_prefix(tag).map(|digits| number(digits).ok_or(()));
        if field == b"-" {
            break;
        } else if let Some(group) = tagged(b"shared:") {
            record.shared = group.ok()?;
        } else if let Some(group) = tagged(b"master:") {
            record.master = group.ok()?;
        } else if let Some(group) = tagged(b"propagate_from:") {
            record.from = group.ok()?;
        } else if field == b"unbindable" {
            record.unbindable = true;
        }
    }
    let (fstype, source) = (fields.range()?, fields.range()?);
    let super_options = fields.range().unwrap_or((line.len(), line.len()));
    Some((record, [root, target, options, fstype, source, super_options]))
}

pub(crate) fn number(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0u64, |sum, digit| {
        let value = digit.checked_sub(b'0').filter(|value| *value < 10)?;
        sum.checked_mul(10)?.checked_add(value.into())
    })
}
