// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The mount table to read: of this thread, of a process, or of a namespace by its file or id.

use crate::error::{Error, ErrorKind, Operation, Result, Syscall};
use crate::mountinfo::id::MountId;
use crate::sys::listmount::{all_mounts, next_mount};
use crate::sys::nsfs::{mount_namespace_id, mount_namespace_info, neighbour};
use crate::sys::procfs;
use crate::sys::statmount::{MNT_BASIC, MNT_POINT, StatBuffer};
use crate::vfs::identity::is_mount_root;
use crate::vfs::mount_namespace::MountNamespace;
use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::OFlags;
use rustix::io::Errno;

/// The mount namespace to read.
#[derive(Debug)]
pub(crate) enum NamespaceRef {
    /// The namespace of the calling thread, below the thread's root directory.
    Here,
    /// The namespace of a process, below the process's root directory.
    Process { pid: i32, namespace: MountNamespace },
    /// The namespace of a file, below the namespace's root.
    Namespace(MountNamespace),
    /// The namespace with this id. Its file cannot be opened without privilege.
    Id(u64),
}

/// The arguments that select a mount table for listmount(2) and statmount(2).
#[derive(Debug, Clone, Copy)]
pub(crate) struct View {
    /// The id of the namespace, 0 for the caller's own.
    pub(crate) namespace: u64,
    /// The mount that the root directory is on. For other namespaces the kernel also lists the
    /// mounts beneath it: the initial rootfs, if there is another beneath that (Linux 7.2), and
    /// mounts that the root mount hides.
    pub(crate) root: Option<u64>,
}

impl NamespaceRef {
    /// Finds the namespace with this id among those that the caller has privilege over.
    ///
    /// Opens its file by `NS_MNT_GET_NEXT` \[Linux 6.12\], which needs `CAP_SYS_ADMIN` in the
    /// initial user namespace. Otherwise keeps the id, if listmount(2) accepts it.
    pub(crate) fn of_id(id: u64) -> Result<Self> {
        let error = match Self::of_file_with_id(id) {
            Err(error) if error.kind() != ErrorKind::NotFound => error,
            found => return found,
        };
        match next_mount(id, 0, false) {
            Ok(_) => Ok(Self::Id(id)),
            Err(Errno::NOENT) => Err(no_such(id)),
            Err(_) => Err(error),
        }
    }

    fn of_file_with_id(id: u64) -> Result<Self> {
        let failed = |call, errno| {
            Error::sys(Operation::FindMountNamespace, call, errno).with_argument(id.to_string())
        };
        let mut file = own_file()?;
        let mut at = mount_namespace_id(file.as_fd()).map_err(|e| failed(Syscall::IoctlNsGetMntnsId, e))?;
        let is_forward = at < id;
        while at != id {
            if (at < id) != is_forward {
                return Err(no_such(id));
            }
            file = match neighbour(file.as_fd(), is_forward) {
                Ok(next) => next,
                Err(Errno::NOENT) => return Err(no_such(id)),
                Err(errno) => return Err(failed(Syscall::IoctlNsMntGetNext, errno)),
            };
            at = mount_namespace_info(file.as_fd()).map_err(|e| failed(Syscall::IoctlNsMntGetInfo, e))?.0;
        }
        Ok(Self::Namespace(MountNamespace::of_file(file)?))
    }

    /// Returns the arguments for listmount(2) and statmount(2). Returns `None` if they cannot show
    /// this table: a process with its own root directory sees other paths than its namespace.
    pub(crate) fn view(&self) -> Option<View> {
        let namespace = match self {
            Self::Here => return Some(View { namespace: 0, root: None }),
            Self::Id(namespace) => return Some(View { namespace: *namespace, root: topmost(*namespace) }),
            Self::Process { namespace, .. } | Self::Namespace(namespace) => namespace,
        };
        let root = namespace.root();
        let mount = MountId::of(root).ok().filter(|_| is_mount_root(root).unwrap_or(false))?.get();
        let namespace = mount_namespace_id(namespace.file()).ok()?;
        let mut buffer = StatBuffer::new();
        let stat = buffer.ask(mount, MNT_POINT, namespace).ok()?;
        (stat.text(MNT_POINT) == Some(b"/")).then_some(View { namespace, root: Some(mount) })
    }

    /// Opens its mountinfo file.
    pub(crate) fn mountinfo(&self) -> Result<OwnedFd> {
        match self {
            Self::Here => open("thread-self/mountinfo"),
            Self::Process { pid, namespace } => {
                let file = open(&format!("{pid}/mountinfo"))?;
                if namespace.has_process(*pid) {
                    return Ok(file);
                }
                let reason = "the process has exited or changed its mount namespace";
                Err(Error::new(ErrorKind::NotFound, Operation::ReadMountTable, reason)
                    .with_argument(pid.to_string()))
            }
            Self::Namespace(namespace) => namespace.open_mountinfo(),
            Self::Id(id) => Err(out_of_reach(*id)),
        }
    }

    /// Returns the namespace file.
    pub(crate) fn file(&self) -> Result<OwnedFd> {
        match self {
            Self::Here => own_file(),
            Self::Id(id) => Err(out_of_reach(*id)),
            Self::Process { namespace, .. } | Self::Namespace(namespace) => namespace
                .file()
                .try_clone_to_owned()
                .map_err(|e| Error::from_io(Operation::ReadMountTable, "dup", e)),
        }
    }
}

/// Returns the mount that is the root after setns(2): the topmost of the mounts on `/`.
fn topmost(namespace: u64) -> Option<u64> {
    let (mut ids, mut buffer) = (Vec::new(), StatBuffer::new());
    all_mounts(namespace, None, &mut ids).ok()?;
    let mut on_root = Vec::new();
    for id in ids {
        if let Ok(stat) = buffer.ask(id, MNT_BASIC | MNT_POINT, namespace) {
            if stat.text(MNT_POINT) == Some(b"/") {
                on_root.push((stat.raw.mnt_id, stat.raw.mnt_parent_id));
            }
        }
    }
    on_root.iter().map(|(id, _)| *id).find(|id| on_root.iter().all(|(_, parent)| parent != id))
}

fn no_such(id: u64) -> Error {
    let reason = "no mount namespace that this user may access has this id";
    Error::new(ErrorKind::NotFound, Operation::FindMountNamespace, reason).with_argument(id.to_string())
}

fn out_of_reach(id: u64) -> Error {
    let reason = "opening a mount namespace by its id requires CAP_SYS_ADMIN in the initial user namespace";
    let error =
        Error::new(ErrorKind::Permission, Operation::ReadMountTable, reason).with_argument(id.to_string());
    error.with_hint("give a process id or a file such as /proc/PID/ns/mnt")
}

fn open(name: &str) -> Result<OwnedFd> {
    procfs::open(name, OFlags::RDONLY).map_err(|e| procfs::failed(Operation::ReadMountTable, name, e))
}

fn own_file() -> Result<OwnedFd> {
    procfs::namespace("mnt").map_err(|e| procfs::failed(Operation::ReadMountTable, "thread-self/ns/mnt", e))
}
