// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Inspects one step: its source, its target, and the error that it would cause.

use crate::diagnose::credentials::{Credentials, Owner, owner_of_mine};
use crate::diagnose::filesystems;
use crate::diagnose::step::{predict as predict_step, writable_device};
use crate::error::{Error, Operation, Result, Syscall, escape};
use crate::kinds::filesystem::configured;
use crate::kinds::image::{Inspected, is_read_only};
use crate::kinds::overlay::Overlay;
use crate::kinds::overlay::params::{Make, Prediction};
use crate::set::build::Mounter;
use crate::set::build::failure::{about, why};
use crate::set::build::restrict::{masks_root, open_null};
use crate::set::build::source_in_set::SourceFinder;
use crate::set::build::step_mount::{StepMounter, check_mapping, check_root_owner};
use crate::set::explain::describe::describe;
use crate::set::explain::id_map::{check_idmap, check_owner_mapped};
use crate::set::explain::images::Images;
use crate::set::explain::report::ExplainedStep;
use crate::set::explain::virtual_tree::{Content, NodeId, ROOT, VirtualTree};
use crate::set::plan::helpers::{Helpers, check_helped};
use crate::set::plan::restriction::PathRestriction;
use crate::set::plan::step::{Step, What};
use crate::vfs::attr::Attr;
use crate::vfs::make_target::make_error;
use crate::vfs::target::{Target, link_in_path, open_error, open_in_root};
use crate::vfs::tree::wrong_type;
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{FileType, Mode, OFlags, StatVfsMountFlags};
use rustix::io::Errno;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path};

/// The mount that a step would create.
#[derive(Debug)]
pub(crate) struct PredictedMount {
    content: Content,
    pub(crate) is_dir: Option<bool>,
    is_read_only: bool,
    crosses: bool,
}

impl PredictedMount {
    fn new(content: Content, is_dir: Option<bool>) -> Self {
        Self { content, is_dir, is_read_only: false, crosses: false }
    }

    pub(crate) fn unknown() -> Self {
        Self::new(Content::Unknown, None)
    }
}

/// Inspects the steps of a plan in order.
#[derive(Debug)]
pub(crate) struct Inspector<'a> {
    pub(crate) mounter: &'a Mounter,
    pub(crate) dir: BorrowedFd<'a>,
    credentials: &'a Credentials,
    pub(crate) helpers: &'a Helpers,
    tree: VirtualTree,
    /// Finds mounts of the set itself.
    sources: SourceFinder,
    /// Whether each mount is attached before the next is created.
    is_stepwise: bool,
    images: Images,
}

impl<'a> Inspector<'a> {
    pub(crate) fn new(
        mounter: &'a Mounter,
        dir: BorrowedFd<'a>,
        credentials: &'a Credentials,
        helpers: &'a Helpers,
        target: &Target,
        is_stepwise: bool,
    ) -> Self {
        let (tree, sources) = (VirtualTree::default(), SourceFinder::new(Some(target)));
        let images = Images::default();
        Self { mounter, dir, credentials, helpers, tree, sources, is_stepwise, images }
    }

    /// Starts with a copy of the tree at the target as the root.
    pub(crate) fn start_in(&mut self, target: &Target) -> Result<()> {
        let content = match target.is_dir() {
            true => Content::Layers(vec![open_directory(target.as_fd(), Path::new("."))?]),
            false => Content::File,
        };
        self.tree.mount(ROOT, content, false, true);
        Ok(())
    }

    /// Returns the description of the step, and the mount that it would create.
    pub(crate) fn step(&mut self, step: &Step) -> (ExplainedStep, Result<PredictedMount>) {
        let mut explained = describe(step);
        let mount =
            self.predict_mount(step, &mut explained.details).map_err(|error| why(error, self.dir, step));
        (explained, mount)
    }

    fn predict_mount(&mut self, step: &Step, details: &mut Vec<String>) -> Result<PredictedMount> {
        let inside = match self.sources.next(self.dir, step) {
            // The mounts before it are attached then.
            Err(_) if self.is_stepwise => {
                details.push(String::from("the source is in the set, and can't be checked before"));
                return Ok(PredictedMount::unknown());
            }
            inside => inside?,
        };
        if self.helpers.of(step).is_some() {
            check_helped(step)?;
            details.push(String::from("by its mount helper (not run by explain), after all other mounts"));
            return Ok(PredictedMount::new(Content::Unknown, Some(true)));
        }
        let mut mount = match &step.what {
            What::Overlay(overlay) => self.overlay(overlay, step)?,
            What::Bind { recursive } => match inside {
                Some(inside) => self.bind_from_set(step, &inside, details)?,
                None => self.bind(step, *recursive)?,
            },
            What::Filesystem(fstype) => self.filesystem(fstype, step, details)?,
        };
        mount.is_read_only |= step.options.single_attr().set.contains(Attr::RDONLY);
        check_root_owner(step, mount.is_read_only)?;
        check_owner_mapped(step)?;
        check_idmap(step)?;
        match &step.options.subdir {
            Some(subdir) => sub_directory(mount, subdir),
            None => Ok(mount),
        }
    }

    /// Fails if this kernel, or a seccomp filter, cannot map the owners.
    pub(crate) fn check_mapping(&self, step: &Step) -> Result<()> {
        match step.options.idmap.is_some() && self.helpers.of(step).is_none() {
            true => check_mapping(&self.mounter.features, step),
            false => Ok(()),
        }
    }

    fn overlay(&self, overlay: &Overlay, step: &Step) -> Result<PredictedMount> {
        let (attr, flags) = (step.options.single_attr(), step.options.superblock_at_birth());
        let source = Some(step.source.as_os_str()).filter(|source| !source.is_empty());
        let is_loaded = !filesystems::is_not_listed("overlay");
        if !is_loaded && !filesystems::has_module("overlay") {
            return Err(
                Error::sys(Operation::OpenFilesystem, Syscall::Fsopen, Errno::NODEV).with_argument("overlay")
            );
        }
        let prediction = Prediction { may_mount: self.credentials.may_mount(), is_loaded };
        let make = Make { source, flags: &flags, ..self.mounter.make(self.dir, &attr) };
        overlay.predict(&make, prediction)?;
        if let Some(error) = predict_step(&about(self.dir, step)) {
            return Err(error);
        }
        let content = Content::Layers(overlay.visible_layers(self.dir));
        let is_read_only = !overlay.is_writable() || flags.contains(&"ro");
        Ok(PredictedMount { is_read_only, ..PredictedMount::new(content, Some(true)) })
    }

    /// Predicts a bind mount of the set itself.
    fn bind_from_set(
        &mut self,
        step: &Step,
        inside: &Path,
        details: &mut Vec<String>,
    ) -> Result<PredictedMount> {
        self.need_admin(Operation::CloneMount, Syscall::OpenTree)
            .map_err(|e| e.with_argument(step.source.as_os_str()))?;
        let source = self
            .tree
            .find(inside)
            .map_err(|e| open_error(Operation::CloneMount, Syscall::OpenTree, &step.source, e))?;
        details.push(String::from("the source is in the set, as mounted so far"));
        Ok(PredictedMount::new(Content::Unknown, self.tree.is_dir(source)))
    }

    fn bind(&self, step: &Step, recursive: bool) -> Result<PredictedMount> {
        // The kernel checks the privilege before the path.
        self.need_admin(Operation::CloneMount, Syscall::OpenTree)
            .map_err(|e| e.with_argument(step.source.as_os_str()))?;
        let flags = OFlags::PATH | OFlags::CLOEXEC;
        let source = rustix::fs::openat(self.dir, &step.source, flags, Mode::empty())
            .map_err(|e| open_error(Operation::CloneMount, Syscall::OpenTree, &step.source, e))?;
        if let Some(error) = predict_step(&about(self.dir, step)) {
            return Err(error);
        }
        self.try_bind(step, recursive)?;
        let is_dir = crate::vfs::identity::is_dir(source.as_fd())?;
        let keeps_read_only = !step.options.single_attr().clear.contains(Attr::RDONLY);
        let is_read_only = keeps_read_only
            && rustix::fs::fstatvfs(&source).is_ok_and(|s| s.f_flag.contains(StatVfsMountFlags::RDONLY));
        let content = if is_dir { Content::Layers(vec![source]) } else { Content::File };
        Ok(PredictedMount { crosses: recursive, is_read_only, ..PredictedMount::new(content, Some(is_dir)) })
    }

    /// Makes a detached bind mount and drops it, if no other check shows whether the kernel allows
    /// the bind: an attribute may be locked in this user namespace, or a file system of the tree
    /// may refuse the id mapping.
    fn try_bind(&self, step: &Step, recursive: bool) -> Result<()> {
        let options = &step.options;
        let clears = !options.attr.clear.is_empty() || !options.recursive_attr.clear.is_empty();
        let is_locked = clears && !self.credentials.initial_user_namespace;
        if !is_locked && options.idmap.is_none() {
            return Ok(());
        }
        let idmap = options.idmap.as_ref();
        let userns = idmap.map(|idmap| self.mounter.namespaces.get(self.dir, idmap)).transpose()?;
        let step_mounter = StepMounter { mounter: self.mounter, dir: self.dir };
        step_mounter.bind(step, recursive, userns.as_ref().map(AsFd::as_fd)).map(drop)
    }

    fn filesystem(
        &mut self,
        fstype: &OsStr,
        step: &Step,
        details: &mut Vec<String>,
    ) -> Result<PredictedMount> {
        let step_mounter = StepMounter { mounter: self.mounter, dir: self.dir };
        let source = step_mounter.source(step);
        let Inspected { name, device } = source.inspect(fstype)?;
        let read_only = source.is_read_only() || device.is_some() && is_read_only(name);
        if let Some(device) = &device {
            details.push(format!("{} {}", escape(name.as_bytes()), source.predict(name, device)?));
            self.images.add(&source, &device.source, name)?;
            self.may_open(name)?;
            if let Some(error) = device.wrong(name) {
                return Err(error);
            }
            if device.kind == FileType::BlockDevice && !read_only {
                writable_device(self.dir, &step.source)?;
            }
        }
        self.configure(name, step, device.is_none(), details)?;
        self.may_create(name)?;
        let content = match name.to_str() {
            Some("tmpfs" | "ramfs" | "mqueue") => Content::Empty,
            // Another proc of this pid namespace shows the same files.
            Some("proc") => open_directory(rustix::fs::CWD, Path::new("/proc"))
                .map_or(Content::Unknown, |proc| Content::Layers(vec![proc])),
            _ => Content::Unknown,
        };
        Ok(PredictedMount { is_read_only: read_only, ..PredictedMount::new(content, Some(true)) })
    }

    /// Passes the options to the file system without creating it.
    fn configure(&self, name: &OsStr, step: &Step, is_alone: bool, details: &mut Vec<String>) -> Result<()> {
        self.may_open(name)?;
        let text = name.to_string_lossy();
        let is_missing = filesystems::is_not_listed(&text);
        if is_missing && filesystems::has_module(&text) {
            details
                .push(String::from("its module would be loaded; its options can't be checked before that"));
            return Ok(());
        }
        if is_missing {
            return Err(
                Error::sys(Operation::OpenFilesystem, Syscall::Fsopen, Errno::NODEV).with_argument(name)
            );
        }
        // The device may be another one at the time of the mount.
        let source = if is_alone { step.source.as_os_str() } else { OsStr::new("") };
        // The kernel opens further devices only when it creates the file system.
        let fs_options = step.options.fs_options.iter().filter(|option| option.key != *"device");
        configured(name, source, &step.options.superblock_at_birth(), fs_options).map(drop)
    }

    /// Fails if the kernel would refuse to create the file system in this user namespace.
    fn may_create(&self, name: &OsStr) -> Result<()> {
        let text = name.to_str().unwrap_or_default();
        let may_create = self.credentials.initial_user_namespace
            || match filesystems::namespace_of(text) {
                Some(namespace) => owner_of_mine(namespace) == Owner::Own,
                None => filesystems::IN_USER_NAMESPACES.contains(&text),
            };
        if may_create {
            return Ok(());
        }
        Err(Error::sys(Operation::Create, Syscall::Fsconfig, Errno::PERM).with_argument(name))
    }

    fn may_open(&self, name: &OsStr) -> Result<()> {
        self.need_admin(Operation::OpenFilesystem, Syscall::Fsopen).map_err(|e| e.with_argument(name))
    }

    fn need_admin(&self, operation: Operation, call: Syscall) -> Result<()> {
        if self.credentials.may_mount() { Ok(()) } else { Err(Error::sys(operation, call, Errno::PERM)) }
    }

    /// Attaches the mount in the virtual tree. Returns whether its mount point could be looked up.
    pub(crate) fn place(&mut self, step: &Step, mount: PredictedMount) -> Result<bool> {
        let PredictedMount { content, is_dir, is_read_only, crosses } = mount;
        let (place, is_known) = match step.is_root() {
            true => (ROOT, true),
            false => self.mount_point(step, is_dir)?,
        };
        self.tree.mount(place, content, is_read_only, crosses);
        Ok(is_known)
    }

    /// Predicts the error of a path restriction.
    pub(crate) fn restrict(&mut self, restriction: PathRestriction, path: &Path) -> Result<()> {
        match (self.tree.find(path), restriction) {
            (Ok(ROOT), PathRestriction::Mask) => Err(masks_root(path)),
            (Ok(place), PathRestriction::Mask) if self.tree.is_dir(place) == Some(false) => {
                open_null().map(drop)
            }
            (Ok(_) | Err(Errno::NOENT), _) => Ok(()),
            (Err(errno), _) => Err(open_error(Operation::ResolveTarget, Syscall::Openat2, path, errno)
                .with_operation(restriction.operation())),
        }
    }

    fn mount_point(&mut self, step: &Step, is_dir: Option<bool>) -> Result<(NodeId, bool)> {
        let path = step.target.as_path();
        let not_found = |errno| {
            let error = open_error(Operation::ResolveTarget, Syscall::Openat2, path, errno);
            match errno {
                Errno::NOENT => error.with_hint("create the mount point, or add the option X-mount.mkdir"),
                _ => error,
            }
        };
        if step.needs_plain_target() && self.tree.find_without_links(path) == Err(Errno::LOOP) {
            return Err(link_in_path(path));
        }
        match (self.tree.find(path), step.options.mkdir) {
            (Ok(place), _) => match (self.tree.is_dir(place), is_dir) {
                (Some(kind), Some(is_dir)) if kind != is_dir => Err(wrong_type_at(path, is_dir)),
                (kind, _) => Ok((place, kind.is_some())),
            },
            (Err(Errno::NOENT), Some(_)) => self
                .tree
                .make(path, is_dir.unwrap_or(true))
                .map(|place| (place, true))
                .map_err(|errno| make_error(Syscall::Mkdirat, errno, path)),
            (Err(errno), _) => Err(not_found(errno)),
        }
    }
}

/// Returns the error for mounting a file on a directory, or the reverse.
pub(crate) fn wrong_type_at(path: &Path, is_dir: bool) -> Error {
    wrong_type(Error::sys(Operation::Attach, Syscall::MoveMount, Errno::INVAL).with_argument(path), is_dir)
}

fn open_directory(dir: BorrowedFd<'_>, path: &Path) -> Result<OwnedFd> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    rustix::fs::openat(dir, path, flags, Mode::empty())
        .map_err(|e| open_error(Operation::OpenTarget, Syscall::Openat, path, e))
}

/// Looks up `X-mount.subdir=` if the content of the mount can be inspected.
fn sub_directory(mount: PredictedMount, subdir: &Path) -> Result<PredictedMount> {
    let missing = |errno| open_error(Operation::OpenSubdir, Syscall::Openat2, subdir, errno);
    match &mount.content {
        // The path leads to the root itself.
        _ if !subdir.components().any(|part| matches!(part, Component::Normal(_))) => Ok(mount),
        Content::Empty => Err(missing(Errno::NOENT)),
        Content::Layers(layers) => match layers.as_slice() {
            [one] => {
                let inside =
                    open_in_root(one.as_fd(), subdir).map_err(|e| e.with_operation(Operation::OpenSubdir))?;
                let is_dir = crate::vfs::identity::is_dir(inside.as_fd())?;
                let content = if is_dir { Content::Layers(vec![inside]) } else { Content::File };
                Ok(PredictedMount { content, is_dir: Some(is_dir), ..mount })
            }
            _ => Ok(PredictedMount { content: Content::Unknown, is_dir: None, ..mount }),
        },
        Content::Unknown | Content::File => Ok(PredictedMount { is_dir: None, ..mount }),
    }
}
