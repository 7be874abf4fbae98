// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `Mount`: the four fields that containerd, OCI and fstab share.

use crate::vfs::idmap::IdMapping;
use std::ffi::OsString;
use std::path::PathBuf;

/// One mount, as asked for. It is a value: nothing in this crate ever changes one.
///
/// ```
/// use fmountat::Mount;
/// let mounts = Mount::list_from_json(br#"[{"type": "tmpfs", "source": "tmpfs", "options": ["size=1m"]}]"#)?;
/// assert_eq!(mounts[0].fstype, "tmpfs");
/// # Ok::<(), fmountat::Error>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Mount {
    /// The number that errors call it by. `None` for its place in the list, from 1.
    pub number: Option<usize>,
    /// The kind: a file system's name, `bind`, or `overlay`.
    pub fstype: OsString,
    /// What is mounted: a path, a device, or any word for file systems without one.
    pub source: PathBuf,
    /// Where, inside the target of the set; empty or `/` is the target itself.
    pub target: PathBuf,
    /// Option words as in fstab; one element may hold several, separated by commas.
    pub options: Vec<OsString>,
    /// OCI's `uidMappings`; empty for none.
    pub uid_mappings: Vec<IdMapping>,
    /// OCI's `gidMappings`; empty for none.
    pub gid_mappings: Vec<IdMapping>,
}

impl Mount {
    /// A mount of `source` as `fstype` on the target itself, without options.
    #[must_use]
    pub fn new(fstype: impl Into<OsString>, source: impl Into<PathBuf>) -> Self {
        Self { fstype: fstype.into(), source: source.into(), ..Self::default() }
    }

    /// The same at `target`, inside the set's target.
    #[must_use]
    pub fn at(mut self, target: impl Into<PathBuf>) -> Self {
        self.target = target.into();
        self
    }

    /// The same with one more element of options.
    #[must_use]
    pub fn option(mut self, option: impl Into<OsString>) -> Self {
        self.options.push(option.into());
        self
    }

    /// The same with OCI's `uidMappings` and `gidMappings`.
    #[must_use]
    pub fn mappings(mut self, users: Vec<IdMapping>, groups: Vec<IdMapping>) -> Self {
        (self.uid_mappings, self.gid_mappings) = (users, groups);
        self
    }

    /// The same with the number that errors call it by: of a list that a program has added mounts to, the user knows the
    /// numbers of his own.
    #[must_use]
    pub fn number(mut self, number: usize) -> Self {
        self.number = Some(number);
        self
    }
}
