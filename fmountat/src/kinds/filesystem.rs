// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A new instance of any file system by its name: tmpfs, proc, devpts, ext4 on a device...

use crate::error::Result;
use crate::vfs::attr::MountAttr;
use crate::vfs::context::FsContext;
use crate::vfs::tree::Tree;
use std::ffi::{OsStr, OsString};

/// A word for the file system itself: `key`, or `key=value`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Word {
    /// The part before `=`.
    pub key: OsString,
    /// The part after it.
    pub value: Option<OsString>,
}

impl Word {
    /// As it is written.
    #[must_use]
    pub fn text(&self) -> OsString {
        let mut text = self.key.clone();
        if let Some(value) = &self.value {
            text.push("=");
            text.push(value);
        }
        text
    }

    pub(crate) fn set(&self, context: &mut FsContext) -> Result<()> {
        match &self.value {
            Some(value) => context.set_string(&self.key, value),
            None => context.set_flag(&self.key),
        }
    }
}

/// Mounts a new `fstype` with its words and the superblock flags (`ro`, `sync`, ...), detached.
pub(crate) fn filesystem(
    fstype: &OsStr,
    source: &OsStr,
    flags: &[&'static str],
    words: &[Word],
    attr: &MountAttr,
) -> Result<Tree> {
    let mut context = FsContext::open(fstype)?;
    if !source.is_empty() {
        context.set_string("source", source)?;
    }
    for flag in flags {
        context.set_flag(flag)?;
    }
    for word in words {
        word.set(&mut context)?;
    }
    context.create()?.mount(attr)
}
