// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A snapshot by `/proc/PID/mountinfo`.
//!
//! The kernel gives some 4 KiB for each read(2), and mounts come and go between two. It remembers at which mount it stopped.

use super::record::{Record, Text, orphans};
use super::snapshot::Table;
use super::{fields::Fields, fields::TableWay};
use crate::error::{Error, ErrorKind, Result};
use crate::ways::{ReadTable, Ways};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::OwnedFd;
use rustix::fs::{SeekFrom, seek};
use rustix::io::Errno;
use rustix::time::{ClockId, clock_gettime};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::time::{Duration, Instant};

/// How often a table is read again that changed meanwhile, and shows it.
const ROUNDS: usize = 8;

/// The table of an open mountinfo file, from its start.
pub(crate) fn read(file: &OwnedFd) -> Result<Table> {
    let mut reading = Reading::of(file);
    reading.rest(None)?;
    table(reading)
}

/// The table that was read.
pub(crate) fn table(reading: Reading<'_>) -> Result<Table> {
    ReadTable::Mountinfo.taken();
    let (records, text) = reading.records()?;
    Ok(Table::new(records, text, Fields::MOUNTINFO, TableWay::Mountinfo))
}

/// The table that a text of that form stands for.
#[cfg(any(test, fuzzing))]
pub(crate) fn parse(bytes: Vec<u8>) -> Result<Table> {
    let (records, text) = parse_records(bytes)?;
    Ok(Table::new(records, text, Fields::MOUNTINFO, TableWay::Mountinfo))
}

/// A mountinfo file that is being read.
pub(crate) struct Reading<'a> {
    file: &'a OwnedFd,
    text: Vec<u8>,
    is_suspect: bool,
}

/// How far it was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Read {
    Whole,
    /// There is more.
    Part,
    /// There is more, and the kernel takes long for each line.
    Slowly,
}

impl<'a> Reading<'a> {
    pub(crate) fn of(file: &'a OwnedFd) -> Self {
        Self { file, text: Vec::new(), is_suspect: false }
    }

    /// Up to so many bytes, or to where a line takes longer than `slow`. In small parts: the kernel makes as many lines as
    /// fit one, however long that takes.
    pub(crate) fn up_to(&mut self, wanted: usize, slow: Duration) -> Result<Read> {
        const PART: usize = 1 << 10;
        self.text.reserve(wanted);
        while self.text.len() < wanted {
            match self.part(PART.max(self.text.len() / 2), Some(slow))? {
                Read::Part => {}
                done => return Ok(done),
            }
        }
        Ok(Read::Part)
    }

    /// All that is left, or up to where a line takes longer than `slow`.
    pub(crate) fn rest(&mut self, slow: Option<Duration>) -> Result<Read> {
        // The kernel gives some 4 KiB at once.
        const ROOM: usize = 1 << 14;
        loop {
            if self.text.capacity() - self.text.len() < ROOM {
                self.text.reserve(self.text.len().max(2 * ROOM));
            }
            match self.part(ROOM, slow)? {
                Read::Part => {}
                done => return Ok(done),
            }
        }
    }

    /// The clock is cheap and counts other threads' turns; the thread's own time is asked for when the clock says slow, and
    /// decides from the next part on.
    fn part(&mut self, size: usize, slow: Option<Duration>) -> Result<Read> {
        let before = self.text.len();
        let begin = slow.map(|slow| (slow, Instant::now(), self.is_suspect.then(time_of_thread)));
        self.text.resize(before + size, 0);
        let read = rustix::io::retry_on_intr(|| rustix::io::read(self.file, &mut self.text[before..]));
        self.text.truncate(before + *read.as_ref().unwrap_or(&0));
        if read.map_err(|e| failed("read", e))? == 0 {
            return Ok(Read::Whole);
        }
        let Some((slow, begin, own)) = begin else { return Ok(Read::Part) };
        let lines = self.text[before..].iter().filter(|byte| **byte == b'\n').count().max(1);
        let limit = slow.saturating_mul(lines.try_into().unwrap_or(u32::MAX));
        let is_slow = own.is_some_and(|own| time_of_thread().saturating_sub(own) > limit);
        self.is_suspect = begin.elapsed() > limit;
        Ok(if is_slow { Read::Slowly } else { Read::Part })
    }

    /// The mounts, read again where a part of the table changed while another was read.
    pub(crate) fn records(mut self) -> Result<(Vec<Record>, Text)> {
        let mut round = 1;
        loop {
            let (records, text) = parse_records(std::mem::take(&mut self.text))?;
            // A mount is on another that has no line: it came in a part of the table that had been read.
            let is_torn = orphans(&records).len() > 1;
            if round == ROUNDS || !is_torn || !has_changed(self.file) {
                return Ok((records, text));
            }
            round += 1;
            seek(self.file, SeekFrom::Start(0)).map_err(|e| failed("lseek", e))?;
            self.rest(None)?;
        }
    }
}

/// What the calling thread has used up: it doesn't matter when others had the processor.
fn time_of_thread() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::try_from(time).unwrap_or_default()
}

/// Whether mounts came or went since it was last asked, or the file opened.
pub(crate) fn has_changed(file: &OwnedFd) -> bool {
    let mut changed = [PollFd::new(file, PollFlags::PRI)];
    poll(&mut changed, Some(&Timespec { tv_sec: 0, tv_nsec: 0 })).is_ok_and(|count| count > 0)
}

fn failed(call: &'static str, errno: Errno) -> Error {
    Error::sys("read the mount table", call, errno)
}

/// The mounts of a text of that form, and their strings.
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

/// The parts of a line, each up to the next space.
struct Parts<'a> {
    line: &'a [u8],
    at: usize,
}

impl<'a> Parts<'a> {
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
        self.next().map(|(start, part)| (start, start + part.len()))
    }
}

fn line(text: &mut Text, start: usize, end: usize) -> Result<Record> {
    let bytes = &text.bytes()[start..end];
    let Some((mut record, ranges)) = numbers_and_ranges(bytes) else {
        let error = Error::new(ErrorKind::System, "read the mount table", "a line of an unknown form");
        return Err(error.arg(OsStr::from_bytes(bytes)));
    };
    let spans = ranges.map(|(from, to)| text.unescaped(start + from, start + to));
    [record.root, record.target, record.options, record.fstype, record.source, record.super_options] = spans;
    Ok(record)
}

fn numbers_and_ranges(line: &[u8]) -> Option<(Record, [(usize, usize); 6])> {
    let mut parts = Parts { line, at: 0 };
    let mut record = Record { id: parts.number()?, parent: parts.number()?, ..Record::default() };
    let (_, device) = parts.next()?;
    let colon = device.iter().position(|byte| *byte == b':')?;
    let half = |bytes| u32::try_from(number(bytes)?).ok();
    record.device = (half(&device[..colon])?, half(&device[colon + 1..])?);
    let (root, target, options) = (parts.range()?, parts.range()?, parts.range()?);
    // Optional fields up to a lone dash; unknown ones are to be ignored.
    loop {
        let (_, part) = parts.next()?;
        let tagged = |tag: &[u8]| part.strip_prefix(tag).map(|digits| number(digits).ok_or(()));
        if part == b"-" {
            break;
        } else if let Some(group) = tagged(b"shared:") {
            record.shared = group.ok()?;
        } else if let Some(group) = tagged(b"master:") {
            record.master = group.ok()?;
        } else if let Some(group) = tagged(b"propagate_from:") {
            record.from = group.ok()?;
        } else if part == b"unbindable" {
            record.unbindable = true;
        }
    }
    let (fstype, source) = (parts.range()?, parts.range()?);
    let super_options = parts.range().unwrap_or((line.len(), line.len()));
    Some((record, [root, target, options, fstype, source, super_options]))
}

fn number(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0u64, |sum, digit| {
        let value = digit.checked_sub(b'0').filter(|value| *value < 10)?;
        sum.checked_mul(10)?.checked_add(value.into())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &[u8] = b"36 35 98:0 /mnt1 /mnt\\0402\\134x\\012 rw,noatime master:1 shared:2 propagate_from:7 - ext3 /dev/root rw,errors=continue\n";

    #[test]
    fn a_line_gives_its_bytes() {
        let table = parse(LINE.to_vec()).unwrap();
        let entry = table.iter().next().unwrap();
        assert_eq!((entry.number(), entry.parent_number(), entry.device()), (36, 35, Some((98, 0))));
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
        // No source, and optional fields of a kernel to come.
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
