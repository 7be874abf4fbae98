// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Creates the detached, finished mount of one step.

use crate::error::{Error, ErrorKind, Operation, Result, Syscall};
use crate::kinds::bind::Bind;
use crate::kinds::image::Source;
use crate::kinds::loop_options::LoopOptions;
use crate::kinds::overlay::in_copied_namespace::check_mapped_layers;
use crate::kinds::overlay::params::Make;
use crate::set::build::mounter::Mounter;
use crate::set::plan::step::{Step, What};
use crate::strategy::{Strategies, Subdir};
use crate::sys::procfs;
use crate::trace;
use crate::vfs::copied_namespace::while_attached;
use crate::vfs::features::Features;
use crate::vfs::target::open_in_root;
use crate::vfs::tree::Tree;
use rustix::fd::{AsFd, BorrowedFd};
use rustix::fs::{AtFlags, Gid, Mode, OFlags, Uid};
use rustix::io::Errno;
use std::path::Path;

/// Creates the mounts of steps.
#[derive(Debug, Clone, Copy)]
pub(crate) struct StepMounter<'a> {
    pub(crate) mounter: &'a Mounter,
    /// The directory at which relative sources and layers start.
    pub(crate) dir: BorrowedFd<'a>,
}

impl StepMounter<'_> {
    /// Creates the step's mount: detached, and with all its attributes set.
    pub(crate) fn detached(&self, step: &Step) -> Result<Tree> {
        let _span = trace::step(step.number, &step.target, step.fstype());
        self.make(step).map_err(|error| crate::set::build::failure::why(error, self.dir, step))
    }

    fn make(&self, step: &Step) -> Result<Tree> {
        let options = &step.options;
        let attr = options.single_attr();
        let flags = options.superblock_at_birth();
        let source = step.source.as_os_str();
        let idmap = step.options.idmap.as_ref();
        if idmap.is_some() {
            check_mapping(&self.mounter.features, step)?;
        }
        let userns = idmap.map(|idmap| self.mounter.namespaces.get(self.dir, idmap)).transpose()?;
        let tree = match &step.what {
            What::Overlay(overlay) => {
                let (mounter, source) = (self.mounter, Some(source).filter(|s| !s.is_empty()));
                let userns = userns.as_ref().map(AsFd::as_fd);
                let make = Make { source, flags: &flags, userns, ..mounter.make(self.dir, &attr) };
                overlay.mount_detached(&make)?
            }
            What::Bind { recursive } => self.bind(step, *recursive, userns.as_ref().map(AsFd::as_fd))?,
            What::Filesystem(fstype) if step.is_fuse() => {
                let reason = "its mount helper mounts only on a visible target: not in a detached tree, and \
                              not in another mount namespace";
                return Err(
                    Error::new(ErrorKind::Unsupported, Operation::Build, reason).with_argument(fstype)
                );
            }
            What::Filesystem(fstype) => {
                let tree = self.source(step).mount(fstype)?;
                if let Some(userns) = &userns {
                    tree.set_idmap(userns, false).map_err(|error| match error.kind() {
                        ErrorKind::Unsupported => {
                            error.with_argument(fstype).with_reason("can't be id-mapped")
                        }
                        _ => error.with_argument(fstype),
                    })?;
                }
                tree
            }
        };
        match &options.subdir {
            Some(subdir) => match self.mounter.features.best().unwrap_or(Subdir::Attached).record() {
                Subdir::Detached => sub_directory(tree.root(), subdir, step),
                Subdir::Attached => while_attached(tree, |root| sub_directory(root, subdir, step)),
            },
            None => Ok(tree),
        }
    }

    /// Creates the detached bind mount of the step, id-mapped by `userns`.
    pub(crate) fn bind(&self, step: &Step, recursive: bool, userns: Option<BorrowedFd<'_>>) -> Result<Tree> {
        let options = &step.options;
        let whole = options.idmap_recursive.unwrap_or(true) && recursive;
        let bind = Bind {
            dir: self.dir,
            source: &step.source,
            recursive,
            may_be_of_view: !step.is_root() && options.subdir.is_none(),
            attr: options.attr,
            recursive_attr: options.recursive_attr,
            is_slave_first: step.is_slave_first,
            idmap: userns.map(|fd| (fd, whole)),
        };
        bind.mount(&self.mounter.features, &self.mounter.private)
    }

    /// Returns the source from which a new file system is mounted.
    pub(crate) fn source<'s>(&'s self, step: &'s Step) -> Source<'s> {
        let options = &step.options;
        let loop_device = options.loop_device.map(|overrides| LoopOptions {
            offset: overrides.offset,
            size_limit: overrides.size_limit,
            sector_size: overrides.sector_size,
            direct_io: overrides.direct_io,
            ..LoopOptions::default()
        });
        let (flags, attr) = (options.superblock_at_birth(), options.single_attr());
        let (asks_to_write, path) = (options.superblock.contains(&"rw"), step.source.as_path());
        let fs_options = &options.fs_options;
        Source { dir: self.dir, path, loop_device, flags, asks_to_write, options: fs_options, attr }
    }
}

/// Fails if this kernel cannot map the owners in the step's mount.
pub(crate) fn check_mapping(features: &Features, step: &Step) -> Result<()> {
    if matches!(step.what, What::Overlay(_)) { check_mapped_layers(features) } else { Ok(()) }
}

/// Replaces the mount by a bind of the directory in `X-mount.subdir=`. The kernel dissolves the
/// whole mount with its last user.
fn sub_directory(root: BorrowedFd<'_>, subdir: &Path, step: &Step) -> Result<Tree> {
    let inside = open_in_root(root, subdir).map_err(|e| e.with_operation(Operation::OpenSubdir))?;
    // The mounts below have their attributes already. A copy keeps them.
    let recursive = step.is_tree();
    Tree::clone_of(&inside, "", recursive).map_err(|e| e.with_argument(subdir))
}

pub(crate) fn set_root_owner(root: BorrowedFd<'_>, step: &Step) -> Result<()> {
    let (uid, gid) = step.options.owner;
    if uid.is_some() || gid.is_some() {
        let (uid, gid) = (uid.map(Uid::from_raw), gid.map(Gid::from_raw));
        rustix::fs::chownat(root, "", uid, gid, AtFlags::EMPTY_PATH)
            .map_err(|e| root_error(step, Operation::SetRootOwner, Syscall::Fchownat, e))?;
    }
    if let Some(mode) = step.options.mode {
        set_root_mode(root, mode, step)?;
    }
    Ok(())
}

fn root_error(step: &Step, operation: Operation, call: Syscall, errno: Errno) -> Error {
    let error = Error::sys(operation, call, errno).with_argument(&step.source);
    match errno {
        Errno::ROFS => error.with_hint(
            "remove `ro`, or set owner and mode on the source: they can't be changed on a read-only mount",
        ),
        Errno::INVAL => error
            .with_reason("the user or group is not mapped in this user namespace")
            .with_hint(procfs::SEE_ID_MAPS),
        _ => error,
    }
}

/// Returns the error for an owner that is not mapped in this user namespace.
pub(crate) fn unmapped_owner(step: &Step) -> Error {
    root_error(step, Operation::SetRootOwner, Syscall::Fchownat, Errno::INVAL)
}

/// Fails if the step changes the owner or mode of the root of a read-only mount.
pub(crate) fn check_root_owner(step: &Step, is_read_only: bool) -> Result<()> {
    match (step.options.owner, step.options.mode) {
        _ if !is_read_only => Ok(()),
        ((None, None), None) => Ok(()),
        ((None, None), Some(_)) => Err(root_error(step, Operation::SetRootMode, Syscall::Chmod, Errno::ROFS)),
        _ => Err(root_error(step, Operation::SetRootOwner, Syscall::Fchownat, Errno::ROFS)),
    }
}

/// Sets the mode by the descriptor's name in /proc, since fchmod(2) takes no `O_PATH` descriptor
/// and not every file can be opened. Without a verified /proc, it opens the root, which must then
/// be a directory.
pub(crate) fn set_root_mode(root: BorrowedFd<'_>, mode: u32, step: &Step) -> Result<()> {
    let (operation, mode) = (Operation::SetRootMode, Mode::from_raw_mode(mode));
    let without_proc = match procfs::name_for(operation, root) {
        Ok(name) => {
            return rustix::fs::chmod(name, mode).map_err(|e| root_error(step, operation, Syscall::Chmod, e));
        }
        Err(error) => error.with_argument(&step.source),
    };
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK;
    let root = rustix::fs::openat(root, ".", flags, Mode::empty()).map_err(|_| without_proc)?;
    rustix::fs::fchmod(root, mode).map_err(|e| root_error(step, operation, Syscall::Fchmod, e))
}
