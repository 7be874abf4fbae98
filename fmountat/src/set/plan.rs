// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `Plan`: what will be done, in order; plain data, made without touching anything.

use super::mount::Mount;
use super::options::{Options, option_error};
use crate::error::{Error, ErrorKind, Result, escape};
use crate::kinds::overlay::Overlay;
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

/// A mount list, understood: each step is checked against what its kind can take, and nothing was touched.
///
/// ```
/// use fmountat::{Mount, Plan};
/// let mounts = [Mount::new("tmpfs", "tmpfs"), Mount::new("bind", "/etc").at("etc").option("rbind,rro,X-mount.mkdir")];
/// let plan = Plan::new(&mounts)?;
/// assert_eq!(plan.to_string().lines().next(), Some("1. tmpfs on /: new tmpfs"));
/// # Ok::<(), fmountat::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Plan {
    pub(crate) steps: Vec<Step>,
}

/// One mount of a plan.
#[derive(Debug, Clone)]
pub(crate) struct Step {
    /// From 1, as in the list.
    pub(crate) number: usize,
    pub(crate) source: PathBuf,
    pub(crate) target: PathBuf,
    pub(crate) what: What,
    pub(crate) options: Options,
}

/// What a step mounts.
#[derive(Debug, Clone)]
pub(crate) enum What {
    Overlay(Overlay),
    Bind { recursive: bool },
    Filesystem(OsString),
}

impl Plan {
    /// Reads the list. No system call is made.
    ///
    /// # Errors
    /// Those of [`Options::parse`] and [`Overlay::from_words`]; [`ErrorKind::OptionConflict`] for a word that has no
    /// meaning for its kind of mount; [`ErrorKind::Spec`] for an empty list or a mount without a type;
    /// [`ErrorKind::Unsupported`] for FUSE helpers and id mappings. The step is `read mount N: ...`.
    pub fn new(mounts: &[Mount]) -> Result<Self> {
        if mounts.is_empty() {
            return Err(Error::new(ErrorKind::Spec, "read the mount list", "the list is empty"));
        }
        let step = |(at, mount): (usize, &Mount)| {
            let of_list = |e: Error| {
                let step = format!("mount {}: {}", at + 1, e.step());
                if mounts.len() > 1 { e.with_step(step) } else { e }
            };
            Step::new(at + 1, mount).map_err(of_list)
        };
        Ok(Self { steps: mounts.iter().enumerate().map(step).collect::<Result<_>>()? })
    }

    /// Whether the set brings its own root: otherwise its mounts go into a copy of what is at the target.
    #[must_use]
    pub fn has_root(&self) -> bool {
        self.steps.first().is_some_and(Step::is_root)
    }

    /// The number of mounts.
    #[must_use]
    pub fn len(&self) -> usize {
        self.steps.len()
    }

    /// Never true: an empty list is refused.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }
}

impl Step {
    fn new(number: usize, mount: &Mount) -> Result<Self> {
        for (what, text) in [("type", mount.fstype.as_os_str()), ("source", mount.source.as_os_str())] {
            crate::vfs::bytes::c_string(what, text)?;
        }
        crate::vfs::bytes::c_string("target", &mount.target)?;
        let mut options = Options::parse(&mount.options)?;
        if mount.has_id_mappings {
            return Err(unsupported(mount, "id-mapped mounts are not supported by this release"));
        }
        if options.remount {
            let reason = "`remount` changes what is mounted, and a set of mounts is built new";
            return Err(Error::new(ErrorKind::OptionConflict, "read option", reason).arg("remount"));
        }
        let what = what(mount, &mut options)?;
        Ok(Self { number, source: mount.source.clone(), target: mount.target.clone(), what, options })
    }

    pub(crate) fn is_root(&self) -> bool {
        let stays = |c| matches!(c, Component::RootDir | Component::CurDir | Component::ParentDir);
        self.target.components().all(stays)
    }
}

fn what(mount: &Mount, options: &mut Options) -> Result<What> {
    let fstype = mount.fstype.as_os_str();
    let by_type = match fstype.as_bytes() {
        b"bind" => Some(false),
        b"rbind" => Some(true),
        _ => None,
    };
    if let Some(recursive) = options.bind.or(by_type) {
        check_bind(options)?;
        if mount.source.as_os_str().is_empty() {
            return Err(Error::new(ErrorKind::Spec, "read mount", "a bind needs a source"));
        }
        return Ok(What::Bind { recursive });
    }
    match fstype.as_bytes() {
        b"overlay" => {
            let overlay = Overlay::from_words(&std::mem::take(&mut options.words))?;
            Ok(What::Overlay(overlay))
        }
        b"" | b"none" => Err(Error::new(ErrorKind::Spec, "read mount", "it has no type and is no bind")
            .arg(&mount.source)
            .hinted("give a file system's name, or the option `bind`")),
        name if name.starts_with(b"fuse.") || name.starts_with(b"fuse3.") => {
            Err(unsupported(mount, "FUSE helpers are not supported by this release"))
        }
        _ => Ok(What::Filesystem(fstype.to_owned())),
    }
}

/// A bind has no file system of its own to configure: a word for one would be dropped.
fn check_bind(options: &Options) -> Result<()> {
    if let Some(word) = options.words.first() {
        let reason = "a bind has no file-system options, and this is no mount option";
        return Err(option_error(ErrorKind::UnknownOption, &word.key, reason));
    }
    let of_superblock = options.superblock_at_birth().into_iter().find(|flag| *flag != "ro");
    match of_superblock {
        Some(flag) => {
            let reason = "it belongs to the whole file system: a bind can't have its own";
            Err(option_error(ErrorKind::OptionConflict, OsStr::new(flag), reason))
        }
        None => Ok(()),
    }
}

fn unsupported(mount: &Mount, reason: &str) -> Error {
    Error::new(ErrorKind::Unsupported, "read mount", reason).arg(&mount.fstype)
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.has_root() {
            writeln!(f, "0. copy of the target on /: recursive bind, private")?;
        }
        for step in &self.steps {
            let path = |path: &Path| escape(path.as_os_str().as_bytes());
            let target = path(&step.target);
            let target = target.trim_start_matches('/');
            let source = path(&step.source);
            write!(f, "{}. {source} on /{target}: ", step.number)?;
            match &step.what {
                What::Overlay(overlay) => {
                    let how = if overlay.is_writable() { "writable" } else { "read-only" };
                    writeln!(
                        f,
                        "overlay of {} layers, {how}",
                        overlay.lowers.len() + overlay.data_only.len()
                    )?;
                }
                What::Bind { recursive: true } => writeln!(f, "recursive bind")?,
                What::Bind { recursive: false } => writeln!(f, "bind")?,
                What::Filesystem(name) => writeln!(f, "new {}", escape(name.as_bytes()))?,
            }
        }
        Ok(())
    }
}
