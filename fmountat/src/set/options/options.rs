// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `Options`: a parsed option list.

use crate::kinds::filesystem::FsOption;
use crate::set::options::definition::Places;
use crate::vfs::attr::MountAttr;
use crate::vfs::create::Create;
use crate::vfs::idmap::Idmap;
use std::ffi::OsString;
use std::path::PathBuf;

/// The value of `X-mount.mkdir`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Mkdir {
    /// The mode of the directories. The umask applies.
    pub mode: u32,
    /// The user and group of all directories that are created.
    pub owner: Option<(u32, u32)>,
}

impl Mkdir {
    /// Returns it in the form of [`Target::create`](crate::vfs::target::Target::create), for a
    /// directory or a file.
    #[must_use]
    pub fn create(self, is_dir: bool) -> Create {
        let create = if is_dir { Create::directory(self.mode) } else { Create::file(self.mode) };
        self.owner.map_or(create, |(uid, gid)| create.owner(uid, gid))
    }
}

/// The values of `loop` and of the options that imply it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct LoopOverrides {
    /// The offset in the file at which the device starts, in bytes.
    pub offset: u64,
    /// The size limit of the device in bytes. 0 for none.
    pub size_limit: u64,
    /// The logical sector size in bytes.
    pub sector_size: Option<u32>,
    /// Whether the device bypasses the page cache of the file.
    pub direct_io: bool,
}

/// A parsed option list. Of contradictory options the last one wins.
///
/// ```
/// use fmountat::Attr;
/// use fmountat::options::Options;
/// let options = Options::parse(["ro,nosuid", "size=1m,suid"])?;
/// assert_eq!(options.attr.set, Attr::RDONLY);
/// assert_eq!(options.fs_options[0].key, "size");
/// # Ok::<(), fmountat::Error>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Options {
    /// The attributes of the top mount.
    pub attr: MountAttr,
    /// The attributes of all mounts of a bound tree (`rro`, `rnosuid`, `rprivate`, ...).
    pub recursive_attr: MountAttr,
    /// The superblock flags by their fsconfig(2) names: `ro`, `sync`, `lazytime`, ...
    pub superblock: Vec<&'static str>,
    /// `bind` (false) or `rbind` (true).
    pub bind: Option<bool>,
    /// `remount`.
    pub remount: bool,
    /// `nofail`: a missing source is no error.
    pub nofail: bool,
    /// `X-mount.mkdir[=MODE[:UID:GID]]`: create the mount point.
    pub mkdir: Option<Mkdir>,
    /// `X-mount.subdir=`: mount only this directory of it.
    pub subdir: Option<PathBuf>,
    /// `X-mount.owner=`, `X-mount.group=`: ids for the mount's root.
    pub owner: (Option<u32>, Option<u32>),
    /// `X-mount.mode=`: the mode of the mount's root.
    pub mode: Option<u32>,
    /// `X-mount.idmap=`, or `uidmap=` and `gidmap=`. With only one of the latter, the other ids are
    /// not mapped.
    pub idmap: Option<Idmap>,
    /// `idmap` (false) or `ridmap` (true): whether all mounts of a bound tree are mapped. Without
    /// either, all are.
    pub idmap_recursive: Option<bool>,
    /// `loop` and the options that imply it.
    pub loop_device: Option<LoopOverrides>,
    /// Options of the file system.
    pub fs_options: Vec<FsOption>,
    /// Whether the mapping is from `X-mount.idmap=`, to which no range can be added.
    pub(crate) idmap_is_whole: bool,
    /// Table options as they were given, to check the kinds of mount that accept them.
    pub(crate) given: Vec<Given>,
}

/// A table option as it was given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Given {
    pub(crate) name: &'static str,
    pub(crate) text: OsString,
    /// The kinds of mount on which it has an effect. Its value may exclude some.
    pub(crate) places: Places,
    /// Whether it changes the file system only, not the mount.
    pub(crate) is_of_filesystem: bool,
}

impl Options {
    /// Returns the options without effect on this kind of mount.
    pub(crate) fn misplaced(&self, place: Places) -> impl Iterator<Item = &Given> {
        self.given.iter().filter(move |given| !given.places.contains(place))
    }

    /// Returns the options of the file system only, both table options and its own.
    pub(crate) fn of_filesystem(&self) -> impl Iterator<Item = OsString> {
        let of_table =
            self.given.iter().filter(|given| given.is_of_filesystem).map(|given| given.text.clone());
        of_table.chain(self.fs_options.iter().map(FsOption::text))
    }

    /// Removes the options without effect in a [`remount`](crate::remount), and returns them.
    pub fn take_without_effect_in_remount(&mut self) -> Vec<OsString> {
        let is_alone = self.bind.is_some();
        let has_effect =
            |given: &Given| given.places.contains(Places::REMOUNT) && !(is_alone && given.is_of_filesystem);
        let (kept, removed): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.given).into_iter().partition(has_effect);
        self.given = kept;
        self.superblock.retain(|flag| !removed.iter().any(|given| given.name == *flag));
        let fs_options = if is_alone { std::mem::take(&mut self.fs_options) } else { Vec::new() };
        removed.into_iter().map(|given| given.text).chain(fs_options.iter().map(FsOption::text)).collect()
    }

    /// Returns the attributes of a single mount, to which the recursive ones apply too.
    pub(crate) fn single_attr(&self) -> MountAttr {
        self.attr.after(&self.recursive_attr)
    }

    /// Returns the superblock flags that a new file system must be given: those other than its
    /// defaults.
    pub(crate) fn superblock_at_birth(&self) -> Vec<&'static str> {
        let default = ["rw", "async", "nomand", "nolazytime"];
        self.superblock.iter().copied().filter(|flag| !default.contains(flag)).collect()
    }
}
