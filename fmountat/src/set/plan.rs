// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `Plan`: what will be done, in order; plain data, made without touching anything.

use super::cover::Covers;
use super::mount::Mount;
use super::options::{Options, option_error};
use super::spec::Spec;
use super::words::Places;
use crate::error::{Error, ErrorKind, Result, escape};
use crate::kinds::overlay::Overlay;
use crate::vfs::attr::Propagation;
use crate::vfs::idmap::Idmap;
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
    /// Of the list that was read, of which these may be a part.
    total: usize,
    ignored: Vec<(usize, OsString)>,
    /// Done after all steps.
    pub(super) covers: Covers,
}

/// What becomes of a word that has no effect where it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Compat {
    /// It is an error: nothing that was asked for is dropped.
    #[default]
    Strict,
    /// As containerd and mount(8) do, it is ignored: [`Plan::ignored`] lists it.
    Containerd,
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
    /// [`ErrorKind::Unsupported`]. The step is `mount N: ...`.
    pub fn new(mounts: &[Mount]) -> Result<Self> {
        Self::with(mounts, Compat::Strict)
    }

    /// As [`new`](Self::new), with words that have no effect where they stand treated as `compat` says.
    ///
    /// # Errors
    /// Those of [`new`](Self::new).
    pub fn with(mounts: &[Mount], compat: Compat) -> Result<Self> {
        if mounts.is_empty() {
            return Err(Error::new(ErrorKind::Spec, "read the mount list", "the list is empty"));
        }
        let step = |(at, mount): (usize, &Mount)| {
            let of_list = |e: Error| {
                let e = super::why::of_word(e);
                let step = format!("mount {}: {}", at + 1, e.step());
                if mounts.len() > 1 { e.with_step(step) } else { e }
            };
            Step::new(at + 1, mount, compat).map_err(of_list)
        };
        let (mut steps, mut ignored) = (Vec::new(), Vec::new());
        for numbered in mounts.iter().enumerate() {
            let (step, words) = step(numbered)?;
            ignored.extend(words.into_iter().map(|word| (step.number, word)));
            steps.push(step);
        }
        Ok(Self { total: steps.len(), steps, ignored, covers: Covers::default() })
    }

    /// Reads a set: its mounts, and what is covered in them.
    ///
    /// # Errors
    /// Those of [`new`](Self::new); [`ErrorKind::Spec`] for a covered path that is not absolute.
    pub fn of(spec: &Spec, compat: Compat) -> Result<Self> {
        Ok(Self { covers: Covers::of(spec)?, ..Self::with(&spec.mounts, compat)? })
    }

    /// The steps that `keep` takes, with the numbers that they have here; without the covers.
    pub(super) fn part(&self, keep: impl Fn(&Step) -> bool) -> Self {
        let steps = self.steps.iter().filter(|step| keep(step)).cloned().collect();
        Self { steps, total: self.total, ignored: Vec::new(), covers: Covers::default() }
    }

    /// Whether open_tree(2) copies all of it: not what is unbindable, nor what is beneath a second root.
    pub(super) fn can_be_copied(&self) -> bool {
        let roots = self.steps.iter().filter(|step| step.is_root()).count();
        roots <= 1 && !self.steps.iter().any(Step::is_unbindable)
    }

    /// Whether a path inside the set is looked up: a target below `/`, or a path restriction.
    pub(super) fn resolves_targets(&self) -> bool {
        !self.steps.iter().all(Step::is_root) || !self.covers.paths.is_empty()
    }

    /// One mount that is the root, and nothing in it.
    pub(super) fn is_lone(&self) -> bool {
        self.steps.len() == 1 && self.has_root() && self.covers.is_empty()
    }

    /// The words that were ignored with [`Compat::Containerd`], each with the number of its mount.
    #[must_use]
    pub fn ignored(&self) -> &[(usize, OsString)] {
        &self.ignored
    }

    /// Whether the set brings its own root: otherwise its mounts go into a copy of what is at the target.
    #[must_use]
    pub fn has_root(&self) -> bool {
        self.steps.first().is_some_and(Step::is_root)
    }

    /// The error of one step, with its number if there are several.
    pub(super) fn in_step(&self, step: &Step, error: Error) -> Error {
        let error = crate::diagnose::diagnose(error);
        if self.total == 1 {
            return error;
        }
        let named = format!("mount {}: {}", step.number, error.step());
        error.with_step(named)
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
    fn new(number: usize, mount: &Mount, compat: Compat) -> Result<(Self, Vec<OsString>)> {
        for (what, text) in [("type", mount.fstype.as_os_str()), ("source", mount.source.as_os_str())] {
            crate::vfs::bytes::c_string(what, text)?;
        }
        crate::vfs::bytes::c_string("target", &mount.target)?;
        let mut options = Options::parse(&mount.options)?;
        take_oci_mappings(mount, &mut options)?;
        if options.remount {
            let reason = "`remount` changes what is mounted, and a set of mounts is built new";
            return Err(Error::new(ErrorKind::OptionConflict, "read option", reason).arg("remount"));
        }
        let what = what(mount, &mut options)?;
        let mut ignored = Vec::new();
        for error in without_effect(&what, &mut options) {
            match (compat, error.argument()) {
                (Compat::Containerd, Some(word)) => ignored.push(word.to_owned()),
                _ => return Err(error),
            }
        }
        let (source, target) = (mount.source.clone(), mount.target.clone());
        Ok((Self { number, source, target, what, options }, ignored))
    }

    /// Whether a FUSE helper mounts it: it can't be built detached.
    pub(crate) fn is_fuse(&self) -> bool {
        let is = |name: &OsString| [&b"fuse."[..], b"fuse3."].iter().any(|p| name.as_bytes().starts_with(p));
        matches!(&self.what, What::Filesystem(name) if is(name))
    }

    /// Whether it brings what is mounted below its source.
    pub(crate) fn is_tree(&self) -> bool {
        matches!(self.what, What::Bind { recursive: true })
    }

    /// Whether a word makes it, or what is below it, unbindable.
    pub(crate) fn is_unbindable(&self) -> bool {
        let words = [self.options.attr.propagation, self.options.recursive_attr.propagation];
        words.contains(&Some(Propagation::Unbindable))
    }

    pub(crate) fn is_root(&self) -> bool {
        let stays = |c| matches!(c, Component::RootDir | Component::CurDir | Component::ParentDir);
        self.target.components().all(stays)
    }
}

/// OCI's `uidMappings` map the mount, be `idmap` among its options or not.
fn take_oci_mappings(mount: &Mount, options: &mut Options) -> Result<()> {
    let (users, groups) = (mount.uid_mappings.clone(), mount.gid_mappings.clone());
    if users.is_empty() && groups.is_empty() {
        return match (options.idmap_recursive, &options.idmap) {
            (Some(recursive), None) => {
                let word = if recursive { "ridmap" } else { "idmap" };
                let reason = "there is nothing to map by: the mount has no uidMappings and no gidMappings";
                Err(option_error(ErrorKind::OptionConflict, OsStr::new(word), reason))
            }
            _ => Ok(()),
        };
    }
    if options.idmap.is_some() {
        let reason = "the mount has uidMappings or gidMappings too: give one of them";
        return Err(Error::new(ErrorKind::OptionConflict, "read option", reason).arg("idmap"));
    }
    // OCI's `bind` with mappings and without a word maps the top mount.
    options.idmap_recursive.get_or_insert(false);
    let idmap = Idmap::Ranges { users, groups };
    idmap.check()?;
    options.idmap = Some(idmap);
    Ok(())
}

fn what(mount: &Mount, options: &mut Options) -> Result<What> {
    let fstype = mount.fstype.as_os_str();
    let by_type = match fstype.as_bytes() {
        b"bind" => Some(false),
        b"rbind" => Some(true),
        _ => None,
    };
    if let Some(recursive) = options.bind.or(by_type) {
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
        _ => Ok(What::Filesystem(fstype.to_owned())),
    }
}

/// The words that would have no effect in this mount, each as an error; they are gone from the options then.
fn without_effect(what: &What, options: &mut Options) -> Vec<Error> {
    let is_bind = matches!(what, What::Bind { .. });
    let place = if is_bind { Places::BIND } else { Places::NEW };
    let misplaced = options.misplaced(place).map(|given| {
        let reason = match (given.is_of_filesystem, is_bind) {
            (true, true) => "it belongs to the whole file system: a bind can't have its own",
            (_, true) => "it has no effect on a bind",
            (_, false) => "it has no effect on a new file system",
        };
        option_error(ErrorKind::OptionConflict, &given.text, reason)
    });
    let mut errors: Vec<Error> = misplaced.collect();
    if is_bind {
        errors.extend(options.words.drain(..).map(|word| {
            let reason = "a bind has no file-system options, and this is no mount option";
            option_error(ErrorKind::UnknownOption, &word.text(), reason)
        }));
    }
    errors
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
                // `ro` and its like are for the top mount of a tree, `rro` and its like for all of it.
                What::Bind { recursive: true } if !step.options.attr.set.is_empty() => {
                    writeln!(f, "recursive bind, {} on the top mount only", step.options.attr.words())?;
                }
                What::Bind { recursive: true } => writeln!(f, "recursive bind")?,
                What::Bind { recursive: false } => writeln!(f, "bind")?,
                What::Filesystem(name) if step.is_fuse() => {
                    writeln!(f, "{}, by its mount helper, after all others", escape(name.as_bytes()))?;
                }
                What::Filesystem(name) => writeln!(f, "new {}", escape(name.as_bytes()))?,
            }
        }
        for (cover, path) in &self.covers.paths {
            writeln!(f, "then {} {}, if it exists", cover.step(), escape(path.as_os_str().as_bytes()))?;
        }
        if self.covers.readonly_root {
            writeln!(f, "then make the root read-only")?;
        }
        Ok(())
    }
}
