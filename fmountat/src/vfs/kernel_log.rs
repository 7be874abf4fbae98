// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Reads from the kernel's log what a file system reports about one device.

use rustix::fd::OwnedFd;
use rustix::fs::{CWD, Mode, OFlags, SeekFrom};
use rustix::io::Errno;

/// The largest number of records that are read.
const RECORDS_MAX: usize = 256;

/// The largest number of lines that are returned.
const LINES_MAX: usize = 4;

/// The end of the kernel's log at some time: /dev/kmsg, which reads one record at a time.
#[derive(Debug)]
pub(crate) struct KernelLog(OwnedFd);

impl KernelLog {
    /// Opens the log at its end. Returns `None` where it cannot be read: without /dev/kmsg, or
    /// without CAP_SYSLOG where `kernel.dmesg_restrict` is set.
    pub(crate) fn from_now() -> Option<Self> {
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOCTTY;
        let log = rustix::fs::openat(CWD, c"/dev/kmsg", flags, Mode::empty()).ok()?;
        rustix::fs::seek(&log, SeekFrom::End(0)).ok()?;
        Some(Self(log))
    }

    /// Returns the new messages that name the device, without its directory: `loop0`.
    pub(crate) fn about(&self, device: &str) -> Vec<String> {
        let mut lines = Vec::new();
        let mut buffer = [0u8; 8192];
        for _ in 0..RECORDS_MAX {
            match rustix::io::read(&self.0, &mut buffer) {
                Ok(0) => break,
                Ok(length) => lines.extend(message(&buffer[..length]).filter(|line| is_about(line, device))),
                // The kernel has overwritten the oldest records; the next read continues.
                Err(Errno::PIPE | Errno::INTR) => {}
                Err(_) => break,
            }
        }
        lines.truncate(LINES_MAX);
        lines
    }
}

/// Returns the text of a record `LEVEL,SEQUENCE,TIME,FLAGS;TEXT\n KEY=VALUE\n`.
fn message(record: &[u8]) -> Option<String> {
    let record = String::from_utf8_lossy(record);
    let (_, text) = record.lines().next()?.split_once(';')?;
    Some(text.trim_end().to_owned())
}

/// Reports whether the line is about the device, and not about a scan for btrfs, which succeeds.
fn is_about(line: &str, device: &str) -> bool {
    names(line, device) && !line.contains(" scanned by ")
}

/// Reports whether the line names the device as a word: `loop1` is not in `loop10`.
fn names(line: &str, device: &str) -> bool {
    line.split(|c: char| !c.is_ascii_alphanumeric() && c != '-' && c != '_').any(|word| word == device)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_parsed_and_filtered() {
        let text =
            message(b"3,92736,23106942200,-;EXT4-fs (loop1): dax option not supported\n SUBSYSTEM=x\n");
        assert_eq!(text.as_deref(), Some("EXT4-fs (loop1): dax option not supported"));
        assert_eq!(message(b"no record"), None);
        assert!(
            names("EXT4-fs (loop1): x", "loop1") && names("BTRFS error (device dm-3 state E): x", "dm-3")
        );
        assert!(!names("EXT4-fs (loop10): x", "loop1"));
    }
}
