// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `statmount(2)` \[Linux 6.8\]: one mount's properties, without reading the mount table.

use crate::sys::errno::result;
use crate::sys::seccomp_probe;
use rustix::io::Errno;
use std::mem::offset_of;
use std::sync::OnceLock;

/// Device number and superblock flags.
pub(crate) const SB_BASIC: u64 = 0x1;

/// Ids, parent, attributes, propagation.
pub(crate) const MNT_BASIC: u64 = 0x2;

/// The closest dominant peer group in this namespace from which a slave receives events.
pub(crate) const PROPAGATE_FROM: u64 = 0x4;

/// The root of the mount in its file system.
pub(crate) const MNT_ROOT: u64 = 0x8;

/// The mount point, seen from the caller's root.
pub(crate) const MNT_POINT: u64 = 0x10;

/// The type of the file system.
pub(crate) const FS_TYPE: u64 = 0x20;

/// The mount namespace \[Linux 6.11\].
pub(crate) const MNT_NS_ID: u64 = 0x40;

/// The options of the file system, escaped as in mountinfo \[Linux 6.11\].
pub(crate) const MNT_OPTS: u64 = 0x80;

/// The subtype: the part after the dot in `fuse.sshfs` \[Linux 6.13\].
pub(crate) const FS_SUBTYPE: u64 = 0x100;

/// The source \[Linux 6.13\].
pub(crate) const SB_SOURCE: u64 = 0x200;

/// The options of security modules \[Linux 6.13\].
pub(crate) const OPT_SEC_ARRAY: u64 = 0x800;

/// The bits that this kernel supports \[Linux 6.15\].
pub(crate) const SUPPORTED_MASK: u64 = 0x1000;

/// The uid mapping of an id-mapped mount \[Linux 6.15\].
pub(crate) const MNT_UIDMAP: u64 = 0x2000;

/// The gid mapping of an id-mapped mount \[Linux 6.15\].
pub(crate) const MNT_GIDMAP: u64 = 0x4000;

/// `struct mnt_id_req` of `<linux/mount.h>`, version 1. With `mnt_ns_id` 0 it is passed as version
/// 0, which Linux 6.8 accepts.
#[repr(C)]
pub(crate) struct MntIdReq {
    size: u32,
    spare: u32,
    mnt_id: u64,
    param: u64,
    mnt_ns_id: u64,
}

const _: () = assert!(size_of::<MntIdReq>() == 32 && offset_of!(MntIdReq, mnt_ns_id) == 24);

impl MntIdReq {
    pub(crate) fn new(mnt_id: u64, param: u64, namespace: u64) -> Self {
        let size = if namespace == 0 { offset_of!(Self, mnt_ns_id) } else { size_of::<Self>() };
        Self { size: size as u32, spare: 0, mnt_id, param, mnt_ns_id: namespace }
    }
}

/// `struct statmount` of `<linux/mount.h>`. The strings follow it, and its string fields are
/// offsets into them.
#[repr(C)]
#[derive(Clone, Copy)]
pub(crate) struct Raw {
    size: u32,
    mnt_opts: u32,
    pub(crate) mask: u64,
    pub(crate) sb_dev_major: u32,
    pub(crate) sb_dev_minor: u32,
    pub(crate) sb_magic: u64,
    pub(crate) sb_flags: u32,
    fs_type: u32,
    pub(crate) mnt_id: u64,
    pub(crate) mnt_parent_id: u64,
    pub(crate) mnt_id_old: u32,
    pub(crate) mnt_parent_id_old: u32,
    pub(crate) mnt_attr: u64,
    pub(crate) mnt_propagation: u64,
    pub(crate) mnt_peer_group: u64,
    pub(crate) mnt_master: u64,
    pub(crate) propagate_from: u64,
    mnt_root: u32,
    mnt_point: u32,
    mnt_ns_id: u64,
    fs_subtype: u32,
    sb_source: u32,
    opt_num: u32,
    opt_array: u32,
    opt_sec_num: u32,
    opt_sec_array: u32,
    supported_mask: u64,
    mnt_uidmap_num: u32,
    mnt_uidmap: u32,
    mnt_gidmap_num: u32,
    mnt_gidmap: u32,
    spare: [u64; 43],
}

const _: () = assert!(size_of::<Raw>() == 512 && align_of::<Raw>() == align_of::<u64>());

const _: () = assert!(offset_of!(Raw, fs_type) == 36 && offset_of!(Raw, mnt_id) == 40);

const _: () = assert!(offset_of!(Raw, mnt_id_old) == 56 && offset_of!(Raw, mnt_peer_group) == 80);

const _: () = assert!(offset_of!(Raw, mnt_root) == 104 && offset_of!(Raw, mnt_ns_id) == 112);

const _: () = assert!(offset_of!(Raw, fs_subtype) == 120 && offset_of!(Raw, opt_num) == 128);

const _: () = assert!(offset_of!(Raw, supported_mask) == 144 && offset_of!(Raw, mnt_gidmap) == 164);

/// A buffer for results that is reused. It grows to the longest of them.
#[derive(Debug)]
pub(crate) struct StatBuffer {
    words: Vec<u64>,
}

/// The result for one mount, borrowed from the buffer.
#[derive(Clone, Copy)]
pub(crate) struct Told<'a> {
    pub(crate) raw: &'a Raw,
    strings: &'a [u8],
}

impl StatBuffer {
    pub(crate) fn new() -> Self {
        Self { words: vec![0; 4096 / size_of::<u64>()] }
    }

    /// Calls `statmount(id, mask)` for the mount with this unique id. `namespace` is the id of the
    /// mount namespace, or 0 for the caller's. The buffer grows on `EOVERFLOW`.
    pub(crate) fn ask(&mut self, id: u64, mask: u64, namespace: u64) -> Result<Told<'_>, Errno> {
        const SYS_STATMOUNT: libc::c_long = 457;
        const MOST: usize = 1 << 20;
        if !may_be_asked() {
            return Err(Errno::NOSYS);
        }
        let request = MntIdReq::new(id, mask, namespace);
        loop {
            let length = size_of_val(self.words.as_slice());
            // SAFETY: the request is a live structure of at least its stated size, and the kernel
            // writes at most `length` bytes to memory that only we use.
            let done = unsafe {
                libc::syscall(SYS_STATMOUNT, &raw const request, self.words.as_mut_ptr(), length, 0)
            };
            match result(done) {
                Ok(_) => return Ok(self.stat()),
                Err(Errno::INTR) => {}
                Err(Errno::OVERFLOW) if self.words.len() < MOST => self.words.resize(self.words.len() * 4, 0),
                Err(errno) => return Err(errno),
            }
        }
    }

    fn stat(&self) -> Told<'_> {
        let start = self.words.as_ptr();
        let length = size_of_val(self.words.as_slice());
        // SAFETY: the buffer is longer than `Raw` and has its alignment; `Raw` consists of
        // integers, and every byte of the buffer was initialised to zero. The rest of the buffer is
        // bytes. Both borrows last as long as that of `self`.
        unsafe {
            let strings = start.cast::<u8>().add(size_of::<Raw>());
            Told {
                raw: &*start.cast::<Raw>(),
                strings: std::slice::from_raw_parts(strings, length - size_of::<Raw>()),
            }
        }
    }
}

impl<'a> Told<'a> {
    pub(crate) fn has(&self, bit: u64) -> bool {
        self.raw.mask & bit != 0
    }

    /// Returns the string of `bit` without its NUL byte.
    pub(crate) fn text(&self, bit: u64) -> Option<&'a [u8]> {
        let raw = self.raw;
        let at = match bit {
            MNT_ROOT => raw.mnt_root,
            MNT_POINT => raw.mnt_point,
            FS_TYPE => raw.fs_type,
            FS_SUBTYPE => raw.fs_subtype,
            MNT_OPTS => raw.mnt_opts,
            SB_SOURCE => raw.sb_source,
            _ => return None,
        };
        self.has(bit).then(|| self.strings_at(at)?.next()).flatten()
    }

    /// Returns the strings of a `bit` that has several.
    pub(crate) fn texts(&self, bit: u64) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        let raw = self.raw;
        let (count, at) = match bit {
            OPT_SEC_ARRAY => (raw.opt_sec_num, raw.opt_sec_array),
            MNT_UIDMAP => (raw.mnt_uidmap_num, raw.mnt_uidmap),
            MNT_GIDMAP => (raw.mnt_gidmap_num, raw.mnt_gidmap),
            _ => (0, 0),
        };
        let strings = self.has(bit).then(|| self.strings_at(at)).flatten();
        strings.into_iter().flatten().take(count as usize)
    }

    /// Returns the bits that this kernel supports, if it reports them.
    pub(crate) fn supported(&self) -> Option<u64> {
        self.has(SUPPORTED_MASK).then_some(self.raw.supported_mask)
    }

    /// Returns the id of the mount namespace.
    pub(crate) fn namespace(&self) -> Option<u64> {
        self.has(MNT_NS_ID).then_some(self.raw.mnt_ns_id)
    }

    fn strings_at(&self, at: u32) -> Option<impl Iterator<Item = &'a [u8]> + use<'a>> {
        Some(self.strings.get(at as usize..)?.split(|byte| *byte == 0))
    }
}

/// The result of [`statmount`]. A field that was not requested, or that this kernel does not
/// support, is `None`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StatMount {
    /// Major and minor number of the file system's device.
    pub(crate) device: Option<(u32, u32)>,
    pub(crate) basic: Option<Basic>,
    pub(crate) fs_type: Option<Vec<u8>>,
    pub(crate) mnt_root: Option<Vec<u8>>,
    pub(crate) mnt_point: Option<Vec<u8>>,
    pub(crate) mnt_ns_id: Option<u64>,
}

/// The fields of [`MNT_BASIC`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Basic {
    /// The unique id, which is never reused.
    pub(crate) id: u64,
    pub(crate) parent: u64,
    /// The ids in mountinfo.
    pub(crate) old_id: u64,
    pub(crate) old_parent: u64,
    /// `MOUNT_ATTR_*`.
    pub(crate) attr: u64,
    /// `MS_SHARED`, `MS_SLAVE` and so on.
    pub(crate) propagation: u64,
    pub(crate) peer_group: u64,
    pub(crate) master: u64,
}

/// Calls `statmount(id, mask)` for one mount of the caller's namespace by its unique id.
pub(crate) fn statmount(id: u64, mask: u64) -> Result<StatMount, Errno> {
    Ok(StatMount::of(StatBuffer::new().ask(id, mask, 0)?))
}

/// Reports whether this call and listmount(2) exist \[Linux 6.8\], and no filter forbids them or
/// kills their caller.
pub(crate) fn may_be_asked() -> bool {
    static ANSWER: OnceLock<bool> = OnceLock::new();
    *ANSWER.get_or_init(|| seccomp_probe::ask([|| call_exists(457), || call_exists(458)]) == [true, true])
}

/// Reports whether the system call exists. Without a request both fail with EFAULT.
fn call_exists(number: libc::c_long) -> bool {
    let nothing = std::ptr::null::<u8>();
    // SAFETY: the kernel gets no memory to read or write.
    let done = result(unsafe { libc::syscall(number, nothing, nothing, 0usize, 0) });
    !matches!(done, Err(Errno::NOSYS | Errno::PERM))
}

/// Parses a result of any length and content, for the fuzzers. Calls `look` with it, as the readers
/// of the mount table do.
#[cfg(any(test, fuzzing))]
pub(crate) fn parse(answer: &[u8], look: impl FnOnce(&Told<'_>)) -> StatMount {
    let mut buffer = StatBuffer::new();
    buffer.words.resize(buffer.words.len().max(answer.len().div_ceil(8)), 0);
    for (word, bytes) in buffer.words.iter_mut().zip(answer.chunks(8)) {
        let mut whole = [0; 8];
        whole[..bytes.len()].copy_from_slice(bytes);
        *word = u64::from_ne_bytes(whole);
    }
    let stat = buffer.stat();
    look(&stat);
    StatMount::of(stat)
}

impl StatMount {
    fn of(stat: Told<'_>) -> Self {
        let raw = stat.raw;
        let owned = |bit| stat.text(bit).map(<[u8]>::to_vec);
        Self {
            device: stat.has(SB_BASIC).then_some((raw.sb_dev_major, raw.sb_dev_minor)),
            basic: stat.has(MNT_BASIC).then_some(Basic {
                id: raw.mnt_id,
                parent: raw.mnt_parent_id,
                old_id: raw.mnt_id_old.into(),
                old_parent: raw.mnt_parent_id_old.into(),
                attr: raw.mnt_attr,
                propagation: raw.mnt_propagation,
                peer_group: raw.mnt_peer_group,
                master: raw.mnt_master,
            }),
            fs_type: owned(FS_TYPE),
            mnt_root: owned(MNT_ROOT),
            mnt_point: owned(MNT_POINT),
            mnt_ns_id: stat.namespace(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::in_tests::unsupported;
    use crate::mountinfo::id::{MountId, MountinfoId};
    use rustix::fd::AsFd;

    #[test]
    fn the_root_mount_is_as_in_mountinfo() {
        if !may_be_asked() {
            return unsupported("needs Linux 6.8");
        }
        let root = std::fs::File::open("/").unwrap();
        let id = MountId::of(root.as_fd()).unwrap().get();
        let all = SB_BASIC | MNT_BASIC | MNT_ROOT | MNT_POINT | FS_TYPE | MNT_NS_ID;
        let stat = statmount(id, all).unwrap();
        let basic = stat.basic.unwrap();
        assert_eq!((basic.id, basic.old_id), (id, MountinfoId::of(root.as_fd()).unwrap().get()));
        let table = crate::mountinfo::read().unwrap();
        let line = table.iter().find(|entry| entry.id.get() == basic.old_id).unwrap();
        assert_eq!(line.parent.get(), basic.old_parent);
        assert_eq!(stat.mnt_point.as_deref(), Some(line.target.as_os_str().as_encoded_bytes()));
        assert_eq!(stat.mnt_root.as_deref(), Some(line.root.as_os_str().as_encoded_bytes()));
        assert_eq!(stat.fs_type.as_deref(), Some(line.fstype.as_encoded_bytes()));
        assert!(stat.device.is_some() && stat.mnt_ns_id.is_some());
        assert_eq!(statmount(id, MNT_BASIC).unwrap().mnt_point, None);
        assert_eq!(statmount(u64::MAX - 1, MNT_BASIC), Err(Errno::NOENT));
    }

    #[test]
    fn the_buffer_grows_and_is_used_again() {
        let root = std::fs::File::open("/").unwrap();
        let id = MountId::of(root.as_fd()).unwrap().get();
        // As long as the structure: the strings do not fit.
        let mut buffer = StatBuffer { words: vec![0; size_of::<Raw>() / size_of::<u64>()] };
        let stat = match buffer.ask(id, MNT_POINT | FS_TYPE, 0) {
            Err(Errno::NOSYS) => return unsupported("needs Linux 6.8"),
            Err(errno) => panic!("{errno}"),
            Ok(stat) => stat,
        };
        assert_eq!(stat.text(MNT_POINT), Some(&b"/"[..]));
        assert_eq!((stat.text(MNT_ROOT), stat.texts(MNT_UIDMAP).count()), (None, 0));
        // A string of the previous result is not returned for this one.
        assert_eq!(buffer.ask(id, MNT_BASIC, 0).unwrap().text(MNT_POINT), None);
    }
}
