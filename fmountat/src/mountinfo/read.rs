// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Reads a mountinfo file to its end, again if it changed meanwhile.

use crate::error::{Error, Operation, Result, Syscall};
use crate::mountinfo::parse::parse_records;
use crate::mountinfo::record::{Record, Text, orphans};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::OwnedFd;
use rustix::fs::{SeekFrom, seek};
use rustix::io::Errno;
use rustix::time::{ClockId, clock_gettime};
use std::time::{Duration, Instant};

/// How often to read an inconsistent table again.
const ROUNDS: usize = 8;

/// A mountinfo file that is being read.
pub(crate) struct Reading<'a> {
    file: &'a OwnedFd,
    text: Vec<u8>,
    is_suspect: bool,
}

/// How far the file was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Read {
    Whole,
    /// Not at its end yet.
    Part,
    /// Not at its end yet, and the kernel takes long for each line.
    Slowly,
}

impl<'a> Reading<'a> {
    pub(crate) fn of(file: &'a OwnedFd) -> Self {
        Self { file, text: Vec::new(), is_suspect: false }
    }

    /// Reads up to `wanted` bytes, or until a line takes longer than `slow`. Reads in small
    /// buffers, since the kernel fills a buffer however long its lines take.
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

    /// Reads the rest, or until a line takes longer than `slow`.
    pub(crate) fn rest(&mut self, slow: Option<Duration>) -> Result<Read> {
        // The kernel returns about 4 KiB at once.
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

    /// Reads once and measures the time. The wall clock is cheap but includes other threads' time.
    /// Once it exceeds the limit, the thread's CPU time is measured and decides for the following
    /// reads.
    fn part(&mut self, size: usize, slow: Option<Duration>) -> Result<Read> {
        let before = self.text.len();
        let begin = slow.map(|slow| (slow, Instant::now(), self.is_suspect.then(thread_cpu_time)));
        self.text.resize(before + size, 0);
        let read = rustix::io::retry_on_intr(|| rustix::io::read(self.file, &mut self.text[before..]));
        self.text.truncate(before + *read.as_ref().unwrap_or(&0));
        if read.map_err(|e| failed(Syscall::Read, e))? == 0 {
            return Ok(Read::Whole);
        }
        let Some((slow, begin, own)) = begin else { return Ok(Read::Part) };
        let lines = self.text[before..].iter().filter(|byte| **byte == b'\n').count().max(1);
        let limit = slow.saturating_mul(lines.try_into().unwrap_or(u32::MAX));
        let is_slow = own.is_some_and(|own| thread_cpu_time().saturating_sub(own) > limit);
        self.is_suspect = begin.elapsed() > limit;
        Ok(if is_slow { Read::Slowly } else { Read::Part })
    }

    /// Parses the mounts. Reads the file again if the table changed between two reads.
    pub(crate) fn records(mut self) -> Result<(Vec<Record>, Text)> {
        let mut round = 1;
        loop {
            let (records, text) = parse_records(std::mem::take(&mut self.text))?;
            // A parent is missing: it was added in a part of the table that had been read already.
            let is_inconsistent = orphans(&records).len() > 1;
            if round == ROUNDS || !is_inconsistent || !has_changed(self.file) {
                return Ok((records, text));
            }
            round += 1;
            seek(self.file, SeekFrom::Start(0)).map_err(|e| failed(Syscall::Lseek, e))?;
            self.rest(None)?;
        }
    }
}

/// Returns the CPU time of the calling thread, which excludes time on the run queue.
fn thread_cpu_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::try_from(time).unwrap_or_default()
}

/// Reports whether the table changed since the last poll, or since the file was opened.
pub(crate) fn has_changed(file: &OwnedFd) -> bool {
    let mut changed = [PollFd::new(file, PollFlags::PRI)];
    poll(&mut changed, Some(&Timespec { tv_sec: 0, tv_nsec: 0 })).is_ok_and(|count| count > 0)
}

fn failed(call: Syscall, errno: Errno) -> Error {
    Error::sys(Operation::ReadMountTable, call, errno)
}
