// SPDX-License-Identifier: Apache-2.0 OR MIT
//! fanotify(7) for the mounts of a namespace: `FAN_REPORT_MNT`, `FAN_MARK_MNTNS` \[Linux 6.15\].

use crate::sys::errno::result;
use rustix::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use rustix::io::Errno;
use std::mem::offset_of;

/// A mount was attached.
pub(crate) const FAN_MNT_ATTACH: u64 = 0x0100_0000;

/// A mount was detached. Both bits: it was moved.
pub(crate) const FAN_MNT_DETACH: u64 = 0x0200_0000;

/// Events were lost.
pub(crate) const FAN_Q_OVERFLOW: u64 = 0x4000;

/// `struct fanotify_event_metadata`.
#[repr(C)]
#[derive(Clone, Copy)]
struct Metadata {
    event_len: u32,
    vers: u8,
    reserved: u8,
    metadata_len: u16,
    mask: u64,
    fd: i32,
    pid: i32,
}

const _: () = assert!(size_of::<Metadata>() == 24 && offset_of!(Metadata, mask) == 8);

/// One event: its mask and the unique id of the mount, 0 for an overflow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct MountEvent {
    pub(crate) mask: u64,
    pub(crate) id: u64,
}

/// Returns a group that reports mounts attached to and detached from the mount namespace of this
/// file. Reading it does not block.
pub(crate) fn watch_mounts(namespace: BorrowedFd<'_>) -> Result<OwnedFd, Errno> {
    const FAN_CLOEXEC: libc::c_uint = 0x1;
    const FAN_NONBLOCK: libc::c_uint = 0x2;
    const FAN_REPORT_MNT: libc::c_uint = 0x4000;
    const FAN_MARK_ADD: libc::c_uint = 0x1;
    const FAN_MARK_MNTNS: libc::c_uint = 0x110;
    // SAFETY: numbers only.
    let group = unsafe {
        libc::syscall(libc::SYS_fanotify_init, FAN_CLOEXEC | FAN_NONBLOCK | FAN_REPORT_MNT, libc::O_RDONLY)
    };
    let group = i32::try_from(result(group)?).map_err(|_| Errno::BADF)?;
    // SAFETY: the descriptor is new, and nothing else owns it.
    let group = unsafe { OwnedFd::from_raw_fd(group) };
    let none = std::ptr::null::<libc::c_char>();
    // SAFETY: the C wrapper passes the 64-bit mask as each architecture needs it. Without a path
    // the descriptor is what is marked.
    let done = unsafe {
        libc::fanotify_mark(
            group.as_raw_fd(),
            FAN_MARK_ADD | FAN_MARK_MNTNS,
            FAN_MNT_ATTACH | FAN_MNT_DETACH,
            namespace.as_raw_fd(),
            none,
        )
    };
    result(done.into())?;
    Ok(group)
}

/// Parses the bytes that read(2) returned into events, in order. Skips events without a mount id.
pub(crate) fn events(mut bytes: &[u8]) -> Vec<MountEvent> {
    let mut events = Vec::new();
    while let Some(head) = bytes.get(..size_of::<Metadata>()) {
        // SAFETY: the slice is as long as the structure, which consists of integers, and need not
        // be aligned.
        let head = unsafe { head.as_ptr().cast::<Metadata>().read_unaligned() };
        let length = (head.event_len as usize).max(size_of::<Metadata>());
        let event = bytes.get(..length).unwrap_or(bytes);
        if head.mask & FAN_Q_OVERFLOW != 0 {
            events.push(MountEvent { mask: head.mask, id: 0 });
        } else if let Some(id) = event.get(usize::from(head.metadata_len)..).and_then(mount_id) {
            events.push(MountEvent { mask: head.mask, id });
        }
        bytes = bytes.get(length..).unwrap_or_default();
    }
    events
}

/// Returns the id in the first mount record. It is at the end of `struct fanotify_event_info_mnt`,
/// which is 16 bytes long, or 12 where 64-bit integers are aligned to four bytes (i386).
fn mount_id(mut records: &[u8]) -> Option<u64> {
    const FAN_EVENT_INFO_TYPE_MNT: u8 = 7;
    loop {
        let [kind, _, low, high, ..] = *records else { return None };
        let length = usize::from(u16::from_ne_bytes([low, high])).max(4);
        if kind == FAN_EVENT_INFO_TYPE_MNT {
            return Some(u64::from_ne_bytes(*records.get(..length)?.get(4..)?.last_chunk()?));
        }
        records = records.get(length..)?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_read_and_any_bytes_end() {
        let event = |mask: u64, id: u64| {
            let mut bytes = vec![40, 0, 0, 0, 3, 0, 24, 0];
            bytes.extend(mask.to_ne_bytes());
            bytes.extend([0xff; 4]);
            bytes.extend([1, 0, 0, 0, 7, 0, 16, 0, 0, 0, 0, 0]);
            bytes.extend(id.to_ne_bytes());
            bytes
        };
        if cfg!(target_endian = "little") {
            let bytes = [event(FAN_MNT_ATTACH, 77), event(FAN_MNT_DETACH, 78)].concat();
            let want = [(FAN_MNT_ATTACH, 77), (FAN_MNT_DETACH, 78)].map(|(mask, id)| MountEvent { mask, id });
            assert_eq!(events(&bytes), want);
        }
        for length in 0..90 {
            for fill in [0, 1, 7, 255] {
                events(&vec![fill; length]);
            }
        }
    }
}
