// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Option lists, parsed: per-mount attributes, superblock flags, the engine's words, the file system's words.

use crate::kinds::filesystem::FsOption;
use crate::set::options::definition::Places;
use crate::vfs::attr::MountAttr;
use crate::vfs::create::Create;
use crate::vfs::idmap::Idmap;
use std::ffi::OsString;
use std::path::PathBuf;

/// What `X-mount.mkdir` asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Mkdir {
    /// Of the directories, less the umask.
    pub mode: u32,
    /// User and group of all that is made.
    pub owner: Option<(u32, u32)>,
}

impl Mkdir {
    /// As [`Target::create`](crate::vfs::target::Target::create) takes it, for a directory or a file.
    #[must_use]
    pub fn create(self, is_dir: bool) -> Create {
        let create = if is_dir { Create::directory(self.mode) } else { Create::file(self.mode) };
        self.owner.map_or(create, |(uid, gid)| create.owner(uid, gid))
    }
}

/// What `loop` and the words that imply it ask for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct LoopOverrides {
    /// Where in the file the device starts, in bytes.
    pub offset: u64,
    /// How many bytes of the file it shows; 0 for all.
    pub size_limit: u64,
    /// Logical sector size in bytes.
    pub sector_size: Option<u32>,
    /// Around the page cache of the file.
    pub direct_io: bool,
}

/// What an option list asks for. Later words win over earlier ones of the same pair.
///
/// ```
/// use fmountat::Attr;
/// use fmountat::options::Options;
/// let options = Options::parse(["ro,nosuid", "size=1m,suid"])?;
/// assert_eq!(options.attr.set, Attr::RDONLY);
/// assert_eq!(options.words[0].key, "size");
/// # Ok::<(), fmountat::Error>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Options {
    /// For the top mount.
    pub attr: MountAttr,
    /// For all mounts of a bound tree (`rro`, `rnosuid`, `rprivate`, ...).
    pub recursive_attr: MountAttr,
    /// Superblock flags by fsconfig's names: `ro`, `sync`, `lazytime`, ...
    pub superblock: Vec<&'static str>,
    /// `bind` (false) or `rbind` (true).
    pub bind: Option<bool>,
    /// `remount`.
    pub remount: bool,
    /// `nofail`: a missing source is no error.
    pub nofail: bool,
    /// `X-mount.mkdir[=MODE[:UID:GID]]`: make the mount point.
    pub mkdir: Option<Mkdir>,
    /// `X-mount.subdir=`: show this directory of it.
    pub subdir: Option<PathBuf>,
    /// `X-mount.owner=`, `X-mount.group=`: numeric ids for the root of the mount.
    pub owner: (Option<u32>, Option<u32>),
    /// `X-mount.mode=`: for the root of the mount.
    pub mode: Option<u32>,
    /// `X-mount.idmap=`, or `uidmap=` and `gidmap=`; of the latter one alone leaves the other ids as they are.
    pub idmap: Option<Idmap>,
    /// `idmap` (false) or `ridmap` (true): whether a bound tree is mapped as a whole; without a word it is.
    pub idmap_recursive: Option<bool>,
    /// `loop` and the words that imply it.
    pub loop_device: Option<LoopOverrides>,
    /// Words for the file system.
    pub fs_options: Vec<FsOption>,
    /// Whether the mapping is that of `X-mount.idmap=`, to which nothing can be added.
    pub(crate) idmap_is_whole: bool,
    /// Words of the table as they were given, for the check of where they stand.
    pub(crate) given: Vec<Given>,
}

/// A word of the table as it was given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Given {
    pub(crate) name: &'static str,
    pub(crate) text: OsString,
    /// Where it has an effect: its value may leave less than the word alone.
    pub(crate) places: Places,
    /// Whether it is for the file system, and for nothing of the mount.
    pub(crate) is_of_filesystem: bool,
}

impl Options {
    /// The words that would have no effect in a mount of this kind.
    pub(crate) fn misplaced(&self, place: Places) -> impl Iterator<Item = &Given> {
        self.given.iter().filter(move |given| !given.places.contains(place))
    }

    /// The words for the file system alone, of the table and its own.
    pub(crate) fn of_filesystem(&self) -> impl Iterator<Item = OsString> {
        let known = self.given.iter().filter(|given| given.is_of_filesystem).map(|given| given.text.clone());
        known.chain(self.fs_options.iter().map(FsOption::text))
    }

    /// Takes out the options that would have no effect in a [`remount`](crate::remount), and returns them.
    pub fn take_without_effect_in_remount(&mut self) -> Vec<OsString> {
        let is_alone = self.bind.is_some();
        let has_effect =
            |given: &Given| given.places.contains(Places::REMOUNT) && !(is_alone && given.is_of_filesystem);
        let (kept, gone): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.given).into_iter().partition(has_effect);
        self.given = kept;
        self.superblock.retain(|flag| !gone.iter().any(|given| given.name == *flag));
        let fs_options = if is_alone { std::mem::take(&mut self.fs_options) } else { Vec::new() };
        gone.into_iter().map(|given| given.text).chain(fs_options.iter().map(FsOption::text)).collect()
    }

    /// Attributes for a mount that is one mount: the recursive ones count too.
    pub(crate) fn single_attr(&self) -> MountAttr {
        self.attr.after(&self.recursive_attr)
    }

    /// The superblock flags that a new file system has to be told: those that are not its state at birth.
    pub(crate) fn superblock_at_birth(&self) -> Vec<&'static str> {
        let default = ["rw", "async", "nomand", "nolazytime"];
        self.superblock.iter().copied().filter(|flag| !default.contains(flag)).collect()
    }
}
