// SPDX-License-Identifier: Apache-2.0 OR MIT
//! One mount of a plan: what it mounts, where, and with which options.

use crate::error::{Error, ErrorKind, Operation, Result};
use crate::kinds::image::is_read_only;
use crate::kinds::overlay::Overlay;
use crate::set::options::suggest::option_error;
use crate::set::options::{Mkdir, Options, Places};
use crate::set::spec::{Compat, Mount};
use crate::vfs::attr::{Attr, Propagation};
use crate::vfs::idmap::Idmap;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, PathBuf};

/// What holds for all mounts of a list.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rules {
    pub(crate) compat: Compat,
    pub(crate) bind_propagation: Option<Propagation>,
}

/// One mount of a plan.
#[derive(Debug, Clone)]
pub(crate) struct Step {
    /// The number of the mount in the list, from 1.
    pub(crate) number: usize,
    pub(crate) source: PathBuf,
    pub(crate) target: PathBuf,
    pub(crate) what: What,
    pub(crate) options: Options,
    /// A new tmpfs gets the mode of the directory it covers.
    pub(crate) inherits_mode: bool,
    /// A bind that the options make shared is made a slave before, so that nothing in it propagates
    /// to the host: it becomes both.
    pub(crate) is_slave_first: bool,
    /// `tmpcopyup`: a new tmpfs gets a copy of the files in the directory that it covers.
    pub(crate) copies_up: bool,
    /// The mount becomes read-only when all mounts are in place: some need a mount point in it.
    pub(crate) read_only_last: bool,
}

/// What a step mounts.
#[derive(Debug, Clone)]
pub(crate) enum What {
    Overlay(Overlay),
    Bind { recursive: bool },
    Filesystem(OsString),
}

impl Step {
    pub(crate) fn new(number: usize, mount: &Mount, rules: &Rules) -> Result<(Self, Vec<OsString>)> {
        let (fstype, source) = (mount.fstype.as_os_str(), mount.source.as_os_str());
        for (operation, text) in [(Operation::ReadType, fstype), (Operation::ReadSource, source)] {
            crate::vfs::bytes::c_string(operation, text)?;
        }
        crate::vfs::bytes::c_string(Operation::ReadTarget, &mount.target)?;
        let is_strict = rules.compat.is_strict();
        let (mut options, mut ignored) = match is_strict {
            true => (Options::parse(&mount.options)?, Vec::new()),
            false => Options::parse_supported(&mount.options)?,
        };
        take_oci_mappings(mount, &mut options)?;
        if options.remount {
            let reason = "is not allowed in a set: a set contains new mounts only";
            return Err(
                Error::new(ErrorKind::OptionConflict, Operation::ReadOption, reason).with_argument("remount")
            );
        }
        let mut what = what(mount, &mut options)?;
        for error in without_effect(&mut what, &mut options, is_strict) {
            match error.argument() {
                Some(option) if !is_strict => ignored.push(option.to_owned()),
                _ => return Err(error),
            }
        }
        let (source, target) = (mount.source.clone(), mount.target.clone());
        let mut step = Self::of(number, source, target, what, options);
        step.take_defaults(rules);
        let is_tmpfs = matches!(&step.what, What::Filesystem(name) if name == "tmpfs");
        if rules.compat == Compat::Oci && is_tmpfs {
            let before = ignored.len();
            ignored.retain(|option| option != "tmpcopyup");
            step.copies_up = ignored.len() < before;
        }
        Ok((step, ignored))
    }

    pub(crate) fn of(number: usize, source: PathBuf, target: PathBuf, what: What, options: Options) -> Self {
        Self {
            number,
            source,
            target,
            what,
            options,
            inherits_mode: false,
            read_only_last: false,
            copies_up: false,
            is_slave_first: false,
        }
    }

    /// Fills in what the mount leaves open, by the rules of its list.
    fn take_defaults(&mut self, rules: &Rules) {
        let is_root = self.is_root();
        let Options { attr, recursive_attr, mkdir, fs_options, .. } = &mut self.options;
        let default = rules.bind_propagation;
        if let What::Bind { recursive } = self.what {
            match attr.propagation.or(recursive_attr.propagation) {
                None if recursive => recursive_attr.propagation = default,
                None => attr.propagation = default,
                Some(Propagation::Shared) => self.is_slave_first = default == Some(Propagation::Slave),
                Some(_) => {}
            }
        }
        if rules.compat == Compat::Oci {
            // The target of the set is never created.
            if !is_root {
                mkdir.get_or_insert(Mkdir { mode: 0o755, owner: None });
            }
            let is_tmpfs = matches!(&self.what, What::Filesystem(name) if name == "tmpfs");
            self.inherits_mode = is_tmpfs && fs_options.iter().all(|option| option.key != "mode");
        }
    }

    /// Makes the mount writable until all mounts are in place, if only `ro` makes it read-only. A
    /// device or image remains read-only: a writable mount would change it.
    pub(crate) fn put_off_read_only(&mut self) {
        let options = &mut self.options;
        let is_in_memory = |name: &OsString| name == "tmpfs" || name == "ramfs";
        let can_wait = match &self.what {
            What::Overlay(overlay) => overlay.is_writable(),
            What::Bind { .. } => true,
            What::Filesystem(name) => is_in_memory(name),
        };
        if can_wait && options.attr.set.contains(Attr::RDONLY) {
            options.attr.set -= Attr::RDONLY;
            options.superblock.retain(|flag| *flag != "ro");
            self.read_only_last = true;
        }
    }

    /// Returns the type that the mount has in a mount list.
    pub(crate) fn fstype(&self) -> &OsStr {
        match &self.what {
            What::Overlay(_) => OsStr::new("overlay"),
            What::Bind { .. } => OsStr::new("bind"),
            What::Filesystem(name) => name,
        }
    }

    /// Reports whether a FUSE helper mounts it. Such a mount cannot be built detached.
    pub(crate) fn is_fuse(&self) -> bool {
        let is = |name: &OsString| [&b"fuse."[..], b"fuse3."].iter().any(|p| name.as_bytes().starts_with(p));
        matches!(&self.what, What::Filesystem(name) if is(name))
    }

    /// Reports whether the target must be a directory without a symbolic link in its path, as runc
    /// requires for proc and sysfs: programs trust the files below /proc and /sys.
    pub(crate) fn needs_plain_target(&self) -> bool {
        matches!(&self.what, What::Filesystem(name) if name == "proc" || name == "sysfs")
    }

    /// Reports whether it includes the mounts below its source.
    pub(crate) fn is_tree(&self) -> bool {
        matches!(self.what, What::Bind { recursive: true })
    }

    /// Reports whether an option makes it, or a mount below it, unbindable.
    pub(crate) fn is_unbindable(&self) -> bool {
        let propagations = [self.options.attr.propagation, self.options.recursive_attr.propagation];
        propagations.contains(&Some(Propagation::Unbindable))
    }

    pub(crate) fn is_root(&self) -> bool {
        let has_no_name = |c| matches!(c, Component::RootDir | Component::CurDir | Component::ParentDir);
        self.target.components().all(has_no_name)
    }
}

/// Applies OCI's `uidMappings` and `gidMappings`, with or without the option `idmap`.
fn take_oci_mappings(mount: &Mount, options: &mut Options) -> Result<()> {
    let (users, groups) = (mount.uid_mappings.clone(), mount.gid_mappings.clone());
    if users.is_empty() && groups.is_empty() {
        return match (options.idmap_recursive, &options.idmap) {
            (Some(recursive), None) => {
                let option = if recursive { "ridmap" } else { "idmap" };
                let reason = "requires uidMappings or gidMappings, and the mount has neither";
                Err(option_error(ErrorKind::OptionConflict, OsStr::new(option), reason))
            }
            _ => Ok(()),
        };
    }
    if options.idmap.is_some() {
        let reason = "conflicts with uidMappings and gidMappings of the mount: use one of them";
        return Err(
            Error::new(ErrorKind::OptionConflict, Operation::ReadOption, reason).with_argument("idmap")
        );
    }
    // Mappings without `idmap` or `ridmap` apply to the top mount only.
    options.idmap_recursive.get_or_insert(false);
    let idmap = Idmap::Ranges { users, groups };
    idmap.check()?;
    options.idmap = Some(idmap);
    Ok(())
}

pub(crate) fn what(mount: &Mount, options: &mut Options) -> Result<What> {
    let fstype = mount.fstype.as_os_str();
    let by_type = match fstype.as_bytes() {
        b"bind" => Some(false),
        b"rbind" => Some(true),
        _ => None,
    };
    if let Some(recursive) = options.bind.or(by_type) {
        if mount.source.as_os_str().is_empty() {
            return Err(Error::new(ErrorKind::Spec, Operation::ReadMount, "a bind requires a source"));
        }
        return Ok(What::Bind { recursive });
    }
    match fstype.as_bytes() {
        b"overlay" => {
            let overlay = Overlay::from_options(&std::mem::take(&mut options.fs_options))?;
            Ok(What::Overlay(overlay))
        }
        b"" | b"none" => {
            Err(Error::new(ErrorKind::Spec, Operation::ReadMount, "has neither a type nor the option `bind`")
                .with_argument(&mount.source)
                .with_hint("give a file system type, or the option `bind`"))
        }
        _ => Ok(What::Filesystem(fstype.to_owned())),
    }
}

/// Removes the options that have no effect on this mount. Returns an error for each of them.
fn without_effect(what: &mut What, options: &mut Options, is_strict: bool) -> Vec<Error> {
    let is_bind = matches!(what, What::Bind { .. });
    let place = if is_bind { Places::BIND } else { Places::NEW };
    let misplaced = options.misplaced(place).map(|given| {
        let reason = match (given.is_of_filesystem, is_bind) {
            (true, true) => "applies to the whole file system, so it can't be set on a bind",
            (_, true) => "has no effect on a bind",
            (_, false) => "has no effect on a new file system",
        };
        option_error(ErrorKind::OptionConflict, &given.text, reason)
    });
    let mut errors: Vec<Error> = misplaced.collect();
    if let What::Filesystem(fstype) = what {
        let asks_to_write = options.superblock.contains(&"rw");
        if !is_strict {
            // Any other type is writable without it.
            options.superblock.retain(|flag| *flag != "rw");
        }
        if is_read_only(fstype) && asks_to_write {
            let reason = "has no effect: this file system is always read-only";
            errors.push(option_error(ErrorKind::OptionConflict, OsStr::new("rw"), reason));
        }
    }
    if let What::Overlay(overlay) = what {
        errors.extend(overlay.without_effect());
        overlay.forget_without_effect();
    }
    if is_bind {
        errors.extend(options.fs_options.drain(..).map(|option| {
            let reason = "is not a mount option, and a bind takes no file system options";
            option_error(ErrorKind::UnknownOption, &option.text(), reason)
        }));
    }
    errors
}
