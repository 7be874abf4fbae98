// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Creates device nodes and symbolic links in a root by descriptor: config-linux.md, "Devices".

use crate::error::{Error, ErrorKind, Operation, PlanStep, Result, Syscall};
use crate::set::build::late_mount::{LateMount, MountedRoot};
use crate::set::plan::nodes::Nodes;
use crate::set::spec::device::{Device, DeviceKind, Link};
use crate::sys::procfs;
use crate::vfs::create::Create;
use crate::vfs::target::Target;
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{AtFlags, CWD, FileType, Gid, Mode, OFlags, Stat, Uid};
use rustix::io::Errno;
use std::ffi::OsStr;
use std::path::Path;

/// Creates the devices, then the links. A node that exists already and is the same is left
/// unchanged. `number` is the number of their steps, the first after those of the mounts.
pub(crate) fn create_nodes(root: &mut impl MountedRoot, nodes: &Nodes, number: usize) -> Result<()> {
    for device in &nodes.devices {
        let created = create_device(root, device, number);
        created.map_err(|e| e.with_plan_step(PlanStep::Device(device.path.clone())))?;
    }
    for link in &nodes.links {
        let created = root.root(&link.path).and_then(|root| create_link(root, link));
        created.map_err(|e| e.with_plan_step(PlanStep::Link(link.path.clone())))?;
    }
    Ok(())
}

fn create_device(root: &mut impl MountedRoot, device: &Device, number: usize) -> Result<()> {
    let base = root.root(&device.path)?;
    let (parent, name) = parent(base, &device.path)?;
    let device_number = rustix::fs::makedev(device.major, device.minor);
    match rustix::fs::mknodat(
        &parent,
        name,
        file_type(device),
        Mode::from_raw_mode(device.mode),
        device_number,
    ) {
        Ok(()) => set_owner_and_mode(open_node(&parent, name, device)?, device),
        Err(Errno::EXIST) => open_node(&parent, name, device).map(drop),
        // In a user namespace mknodat(2) fails with EPERM. A bind of the host's node takes its
        // place.
        Err(Errno::PERM) if device.kind != DeviceKind::Fifo => {
            let host = open_node(CWD, device.path.as_os_str(), device).map_err(|e| {
                e.with_hint(
                    "in a user namespace, a device is a bind of the host's device at the same path: the \
                     host has no such device there",
                )
            })?;
            let place = Target::create_in_root(base, &device.path, Create::file(0o755))?;
            place.keep();
            root.attach(&LateMount::file(place, &device.path, host, number)?)
        }
        Err(errno) => Err(failed(Operation::CreateDevice, Syscall::Mknodat, errno, &device.path)),
    }
}

/// Opens the directory that contains the path. Creates it if it is missing.
fn parent<'p>(root: BorrowedFd<'_>, path: &'p Path) -> Result<(Target, &'p OsStr)> {
    let (parent, name) = (path.parent().unwrap_or(path), path.file_name().unwrap_or_default());
    let parent = Target::create_in_root(root, parent, Create::directory(0o755))?;
    parent.keep();
    Ok((parent, name))
}

/// Opens the file of that name. Fails with [`ErrorKind::NotADevice`] if it is not that device.
fn open_node(dir: impl AsFd, name: &OsStr, device: &Device) -> Result<OwnedFd> {
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let error = |call, errno| failed(Operation::CreateDevice, call, errno, &device.path);
    let node = rustix::fs::openat(dir, name, flags, Mode::empty()).map_err(|e| error(Syscall::Openat, e))?;
    let stat = rustix::fs::fstat(&node).map_err(|e| error(Syscall::Fstat, e))?;
    if is_the_device(&stat, device) {
        return Ok(node);
    }
    let reason = "another file with this name exists";
    Err(Error::new(ErrorKind::NotADevice, Operation::CreateDevice, reason).with_argument(&device.path))
}

fn is_the_device(stat: &Stat, device: &Device) -> bool {
    let number = (rustix::fs::major(stat.st_rdev), rustix::fs::minor(stat.st_rdev));
    let is_numbered = device.kind == DeviceKind::Fifo || number == (device.major, device.minor);
    FileType::from_raw_mode(stat.st_mode) == file_type(device) && is_numbered
}

fn file_type(device: &Device) -> FileType {
    match device.kind {
        DeviceKind::Char => FileType::CharacterDevice,
        DeviceKind::Block => FileType::BlockDevice,
        DeviceKind::Fifo => FileType::Fifo,
    }
}

/// Sets owner and mode of the node by descriptor, not by its name. Sets the mode last: chown(2)
/// clears mode bits.
fn set_owner_and_mode(node: OwnedFd, device: &Device) -> Result<()> {
    let error = |call, errno| failed(Operation::CreateDevice, call, errno, &device.path);
    let (uid, gid) = (Some(Uid::from_raw(device.uid)), Some(Gid::from_raw(device.gid)));
    rustix::fs::chownat(&node, "", uid, gid, AtFlags::EMPTY_PATH).map_err(|e| error(Syscall::Fchownat, e))?;
    let name = procfs::name_for(Operation::CreateDevice, node.as_fd())?;
    rustix::fs::chmod(name, Mode::from_raw_mode(device.mode)).map_err(|e| error(Syscall::Chmod, e))
}

fn create_link(root: BorrowedFd<'_>, link: &Link) -> Result<()> {
    let (parent, name) = parent(root, &link.path)?;
    match rustix::fs::symlinkat(&link.text, &parent, name) {
        Ok(()) => Ok(()),
        Err(Errno::EXIST) => {
            let text = rustix::fs::readlinkat(&parent, name, Vec::new());
            if text.is_ok_and(|text| text.as_bytes() == link.text.as_os_str().as_encoded_bytes()) {
                return Ok(());
            }
            let error = failed(Operation::CreateLink, Syscall::Symlinkat, Errno::EXIST, &link.path);
            Err(error.with_reason("another file with this name exists"))
        }
        Err(errno) => Err(failed(Operation::CreateLink, Syscall::Symlinkat, errno, &link.path)),
    }
}

fn failed(operation: Operation, call: Syscall, errno: Errno, path: &Path) -> Error {
    Error::sys(operation, call, errno).with_argument(path)
}
