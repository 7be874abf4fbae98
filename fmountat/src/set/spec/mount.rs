// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `Mount`: the four fields that containerd, OCI and fstab share.

use crate::vfs::idmap::IdMapping;
use std::ffi::OsString;
use std::path::PathBuf;

/// One mount of a list. It is a value: this crate never changes one.
///
/// ```
/// use fmountat::Mount;
/// let list = br#"[{"type": "tmpfs", "source": "tmpfs", "options": ["size=1m"]}]"#;
/// let mounts = Mount::list_from_json(list)?;
/// assert_eq!(mounts[0].fstype, "tmpfs");
/// # Ok::<(), fmountat::Error>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Mount {
    /// The number of the mount in errors. `None`: its position in the list, from 1.
    pub number: Option<usize>,
    /// The type: a file system's name, `bind`, or `overlay`.
    pub fstype: OsString,
    /// The source: a path, a device, or any string for a file system without one.
    pub source: PathBuf,
    /// The mount point inside the target of the set. Empty or `/` is the target itself.
    pub target: PathBuf,
    /// The options as in fstab. One element may contain several, separated by commas.
    pub options: Vec<OsString>,
    /// OCI's `uidMappings`. Empty for none.
    pub uid_mappings: Vec<IdMapping>,
    /// OCI's `gidMappings`. Empty for none.
    pub gid_mappings: Vec<IdMapping>,
}

impl Mount {
    /// Returns a mount of `source` with type `fstype` on the target itself, without options.
    #[must_use]
    pub fn new(fstype: impl Into<OsString>, source: impl Into<PathBuf>) -> Self {
        Self { fstype: fstype.into(), source: source.into(), ..Self::default() }
    }

    /// Sets the mount point, inside the set's target.
    #[must_use]
    pub fn at(mut self, target: impl Into<PathBuf>) -> Self {
        self.target = target.into();
        self
    }

    /// Adds one element of options.
    #[must_use]
    pub fn option(mut self, option: impl Into<OsString>) -> Self {
        self.options.push(option.into());
        self
    }

    /// Sets OCI's `uidMappings` and `gidMappings`.
    #[must_use]
    pub fn mappings(mut self, users: Vec<IdMapping>, groups: Vec<IdMapping>) -> Self {
        (self.uid_mappings, self.gid_mappings) = (users, groups);
        self
    }

    /// Sets the number that errors use. If a program inserts mounts into a user's list, the user's
    /// own mounts therefore keep their numbers.
    #[must_use]
    pub fn number(mut self, number: usize) -> Self {
        self.number = Some(number);
        self
    }
}
