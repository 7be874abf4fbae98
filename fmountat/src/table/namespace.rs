// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Whose mount table: this thread's, a process's, or that of a namespace by its file or its id.

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

/// A mount namespace to be looked at.
#[derive(Debug)]
pub(crate) enum Place {
    /// The calling thread's, below its root directory.
    Here,
    /// A process's, below its root directory.
    Process { pid: i32, namespace: MountNamespace },
    /// That of a namespace's file, below the namespace's root.
    Namespace(MountNamespace),
    /// That with this id, whose file we may not reach.
    Id(u64),
}

/// How listmount(2) and statmount(2) see a place.
#[derive(Debug, Clone, Copy)]
pub(crate) struct View {
    /// The id of the namespace, 0 for the caller's own.
    pub(crate) namespace: u64,
    /// The mount that the root directory is on. In other namespaces the kernel shows what is below it too: the initial
    /// rootfs, where a kernel has another one below that (7.2 has), and what a mount over the root has covered.
    pub(crate) root: Option<u64>,
}

impl Place {
    /// The namespace with this id, of those that we have privilege over: by its file, where `NS_MNT_GET_NEXT` \[Linux 6.12\] is
    /// allowed, which takes `CAP_SYS_ADMIN` on the machine, else as far as listmount(2) and statmount(2) take the id.
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

    /// What listmount(2) and statmount(2) are asked for; `None` where they can't show what is wanted: a process with a root
    /// directory of its own sees other paths than its namespace has.
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
        let told = buffer.ask(mount, MNT_POINT, namespace).ok()?;
        (told.text(MNT_POINT) == Some(b"/")).then_some(View { namespace, root: Some(mount) })
    }

    /// Its mountinfo, opened anew.
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

    /// The file of the namespace.
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

/// The mount that whoever enters the namespace has as root: the last of those that are on `/`.
fn topmost(namespace: u64) -> Option<u64> {
    let (mut ids, mut buffer) = (Vec::new(), StatBuffer::new());
    all_mounts(namespace, None, &mut ids).ok()?;
    let mut on_root = Vec::new();
    for id in ids {
        if let Ok(told) = buffer.ask(id, MNT_BASIC | MNT_POINT, namespace) {
            if told.text(MNT_POINT) == Some(b"/") {
                on_root.push((told.raw.mnt_id, told.raw.mnt_parent_id));
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
