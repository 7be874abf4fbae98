// SPDX-License-Identifier: Apache-2.0 OR MIT
//! One step by mount(2), for kernels and sandboxes without the new mount interface. Source and place are descriptors, given by
//! their names in /proc; the place is on a stage.

use super::classic_attr::{change, each_below, mount_flags};
use super::flags::{ms_of_attr, ms_of_superblock};
use super::options::Options;
use super::piece::Pieces;
use super::plan::{Step, What};
use crate::error::{Error, ErrorKind, Result};
use crate::kinds::filesystem::Word;
use crate::kinds::overlay::{Make, Overlay};
use crate::vfs::attr::{Attr, Locked, MountAttr, Propagation};
use crate::vfs::attr_old::propagate;
use crate::vfs::bytes::{c_string, descriptor_name};
use crate::vfs::cwd::MOUNT_DATA_MAX;
use crate::vfs::privilege::needs_admin;
use crate::vfs::stage::{Stage, Staged};
use crate::vfs::target::Target;
use crate::ways::{MakeMount, Ways};
use rustix::fd::{AsFd, BorrowedFd};
use rustix::io::Errno;
use rustix::mount::MountFlags;
use std::ffi::{CString, OsStr};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// One step on its way.
#[derive(Debug, Clone, Copy)]
pub(super) struct Classic<'a> {
    pub(super) pieces: &'a Pieces<'a>,
    pub(super) step: &'a Step,
}

/// What mount(2) can't do is refused before anything is mounted.
pub(super) fn check(step: &Step) -> Result<()> {
    let refuse = |what: &str, needs: &str| {
        let reason = format!("it needs {needs}, which this kernel or sandbox does not have");
        Err(Error::new(ErrorKind::Unsupported, "read option", reason).arg(what))
    };
    if step.options.idmap.is_some() {
        return refuse("idmap", "open_tree(2) and mount_setattr(2) [5.12]");
    }
    if step.options.subdir.is_some() {
        return refuse("X-mount.subdir", "open_tree(2) [5.2]");
    }
    if let What::Filesystem(fstype) = &step.what {
        data(fstype, &step.options.words)?;
    }
    Ok(())
}

impl Classic<'_> {
    /// mount(2) on the stage, with the attributes and the propagation, which take calls of their own.
    pub(super) fn mount(&self, stage: &Stage) -> Result<Staged> {
        let staged = self.make(stage).map_err(|error| super::why::why(error, self.pieces.dir, self.step))?;
        self.finish(staged.root())?;
        Ok(staged)
    }

    fn make(&self, stage: &Stage) -> Result<Staged> {
        MakeMount::ByMount.taken();
        match &self.step.what {
            What::Bind { recursive } => {
                let source = self.open_source()?;
                stage.mount(source.is_dir(), |place| self.bind(&source, *recursive, place))
            }
            What::Overlay(overlay) => stage.mount(true, |place| self.overlay(overlay, place)),
            What::Filesystem(fstype) => stage.mount(true, |place| self.filesystem(fstype, place)),
        }
    }

    fn bind(&self, source: &Target, recursive: bool, place: &Path) -> Result<()> {
        let source = descriptor_name(source.as_fd());
        let bound = match recursive {
            true => rustix::mount::mount_bind_recursive(source, place),
            false => rustix::mount::mount_bind(source, place),
        };
        bound.map_err(|e| self.error("bind", e))
    }

    fn overlay(&self, overlay: &Overlay, place: &Path) -> Result<()> {
        let step = self.step;
        let attr = MountAttr::default();
        let source = Some(step.source.as_os_str()).filter(|s| !s.is_empty());
        let make = Make { source, ..self.pieces.mounter.make(self.pieces.dir, &attr) };
        let overlay = self.pieces.with_upper(overlay, step)?;
        overlay.mount_classic(&make, place, new_flags(&step.options))
    }

    fn filesystem(&self, fstype: &OsStr, place: &Path) -> Result<()> {
        let step = self.step;
        let flags = mount_flags(new_flags(&step.options));
        self.pieces.source(step).mount(fstype, &step.options.words, |told| {
            let data = data(told.fstype, told.words)?;
            let ro = if told.is_read_only { MountFlags::RDONLY } else { MountFlags::empty() };
            // As a detached one is shown: an empty field is none to who splits the table at blanks.
            let source = Some(told.path).filter(|path| !path.as_os_str().is_empty());
            let source = source.unwrap_or_else(|| "none".as_ref());
            rustix::mount::mount(source, place, told.fstype, flags | ro, data.as_deref())
                .map_err(|e| self.error("mount", e))
        })
    }

    /// Attributes and propagation of what is mounted now.
    fn finish(&self, root: BorrowedFd<'_>) -> Result<()> {
        let options = &self.step.options;
        if let What::Overlay(overlay) = &self.step.what {
            overlay.check_classic(root, new_flags(options))?;
        }
        let What::Bind { recursive } = self.step.what else {
            let attr = options.single_attr().after_ms_flags(&options.superblock);
            change(root, &attr, Locked::StaysAsItIs).map_err(|e| e.arg(&self.step.target))?;
            return self.propagate(root, movable);
        };
        let whole = options.recursive_attr;
        if recursive && !(whole.set.is_empty() && whole.clear.is_empty()) {
            each_below(root, &whole, Locked::StaysAsItIs)?;
        }
        let top = if recursive { options.attr } else { options.single_attr() };
        change(root, &top, Locked::StaysAsItIs).map_err(|e| e.arg(&self.step.target))?;
        self.propagate(root, movable)
    }

    /// What can be done in its place only: the kernel moves nothing unbindable onto a shared mount.
    pub(super) fn settle(&self, root: BorrowedFd<'_>) -> Result<()> {
        if !self.step.is_unbindable() {
            return Ok(());
        }
        self.propagate(root, |to| to)
    }

    /// The words for propagation in their order; a bind is private unless one says otherwise, as the detached way has it.
    fn propagate(&self, root: BorrowedFd<'_>, as_what: impl Fn(Propagation) -> Propagation) -> Result<()> {
        let options = &self.step.options;
        let words = match self.step.what {
            What::Bind { recursive } => {
                match (options.recursive_attr.propagation, options.attr.propagation) {
                    (None, None) => [(Some(Propagation::Private), recursive), (None, false)],
                    (whole, top) => [(whole, recursive), (top, false)],
                }
            }
            _ => [(options.single_attr().propagation, false), (None, false)],
        };
        for (to, recursive) in words {
            propagate(root, to.map(&as_what), recursive).map_err(|e| e.arg(&self.step.target))?;
        }
        Ok(())
    }

    fn open_source(&self) -> Result<Target> {
        let source = &self.step.source;
        Target::open(self.pieces.dir, source).map_err(|e| e.with_step("open source").arg(source))
    }

    fn error(&self, step: &str, errno: Errno) -> Error {
        let error = Error::sys(step, "mount", errno).arg(&self.step.target);
        match (errno, &self.step.what) {
            (Errno::NODEV, What::Filesystem(fstype)) => error.arg(fstype),
            (Errno::PERM, What::Filesystem(fstype)) => needs_admin(error.arg(fstype)),
            (Errno::PERM, _) => needs_admin(error),
            (Errno::INVAL, What::Filesystem(_)) => {
                error.hinted("mount(2) does not say which option it is; the kernel's log may (dmesg)")
            }
            _ => error,
        }
    }
}

/// For the way to its place.
fn movable(to: Propagation) -> Propagation {
    if to == Propagation::Unbindable { Propagation::Private } else { to }
}

/// The failure to mount a stage as one of the step: it is the same call that is missing or forbidden.
pub(super) fn without_stage(error: Error, step: &Step) -> Error {
    if error.call() != Some("mount") {
        return error;
    }
    match &step.what {
        What::Bind { .. } => error.with_step("bind").arg(&step.target),
        What::Overlay(_) => error.with_step("create").arg("overlay"),
        What::Filesystem(fstype) => error.with_step("mount").arg(fstype),
    }
}

/// A file on a directory, or the reverse, before anything is changed.
pub(super) fn check_kinds(source_is_dir: bool, place: &Target, step: &Step) -> Result<()> {
    if source_is_dir == place.is_dir() {
        return Ok(());
    }
    let (what, on) = if source_is_dir { ("directory", "file") } else { ("file", "directory") };
    let reason = format!("a {what} can't be mounted on a {on}");
    Err(Error::new(ErrorKind::WrongTargetType, "attach", reason).arg(&step.target))
}

/// `MS_*` for a new file system.
pub(super) fn new_flags(options: &Options) -> u64 {
    let mut attr = options.single_attr().set;
    // MS_RDONLY makes the file system read-only too: that only if it is asked for.
    attr.remove(Attr::RDONLY);
    options.superblock_at_birth().iter().fold(ms_of_attr(attr), |flags, name| flags | ms_of_superblock(name))
}

/// The option bytes for mount(2)'s page.
pub(super) fn data(fstype: &OsStr, words: &[Word]) -> Result<Option<CString>> {
    let mut bytes = Vec::new();
    for word in words {
        let text = word.classic_text()?;
        if !bytes.is_empty() {
            bytes.push(b',');
        }
        bytes.extend_from_slice(text.as_bytes());
    }
    if bytes.len() > MOUNT_DATA_MAX {
        let reason = format!("the options have {} bytes and mount(2) takes {MOUNT_DATA_MAX}", bytes.len());
        return Err(Error::new(ErrorKind::TooLong, "read options", reason).arg(fstype));
    }
    match bytes.is_empty() {
        true => Ok(None),
        false => c_string("options", OsStr::from_bytes(&bytes)).map(Some),
    }
}
