// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A detached tmpfs that upper and work directories are made in: nobody sees it, and it goes with the last overlay.

use crate::error::{Error, Result};
use crate::kinds::filesystem::{Word, filesystem};
use crate::kinds::overlay::{Layer, Overlay};
use crate::vfs::attr::MountAttr;
use crate::vfs::tree::Tree;
use rustix::fd::OwnedFd;
use rustix::fs::{Mode, OFlags};
use std::cell::Cell;
use std::ffi::OsStr;
use std::sync::Arc;

/// Where the writes of throw-away overlays, and of questions to the kernel, go.
#[derive(Debug)]
pub(crate) struct Store {
    tree: Tree,
    given: Cell<usize>,
}

impl Store {
    pub(crate) fn new() -> Result<Self> {
        let mode = Word { key: "mode".into(), value: Some("0755".into()) };
        let name = OsStr::new("tmpfs");
        let tree = filesystem(name, name, &[], &[mode], &MountAttr::default())?;
        Ok(Self { tree, given: Cell::new(0) })
    }

    /// The overlay, with a new upper and work directory of this store.
    pub(crate) fn give_upper(&self, overlay: Overlay) -> Result<Overlay> {
        let number = self.given.replace(self.given.get() + 1);
        let upper = self.directory(&format!("upper{number}"))?;
        let work = self.directory(&format!("work{number}"))?;
        Ok(overlay.upper(Layer::Fd(Arc::new(upper)), Layer::Fd(Arc::new(work))))
    }

    fn directory(&self, name: &str) -> Result<OwnedFd> {
        rustix::fs::mkdirat(self.tree.root(), name, Mode::from_raw_mode(0o755))
            .map_err(|e| Error::sys("make upper directory", "mkdirat", e).arg(name))?;
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        rustix::fs::openat(self.tree.root(), name, flags, Mode::empty())
            .map_err(|e| Error::sys("open upper directory", "openat", e).arg(name))
    }
}
