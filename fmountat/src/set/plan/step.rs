// SPDX-License-Identifier: Apache-2.0 OR MIT
//! One mount of a plan: what it mounts, where, and with which options.

use crate::error::{Error, ErrorKind, Operation, Result};
use crate::kinds::overlay::Overlay;
use crate::set::options::suggest::option_error;
use crate::set::options::{Mkdir, Options, Places};
use crate::set::spec::{Compat, Mount};
use crate::vfs::attr::Propagation;
use crate::vfs::idmap::Idmap;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, PathBuf};

/// One mount of a plan.
#[derive(Debug, Clone)]
pub(crate) struct Step {
    /// The number of the mount in the list, from 1.
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

impl Step {
    pub(crate) fn new(number: usize, mount: &Mount, compat: Compat) -> Result<(Self, Vec<OsString>)> {
        let (fstype, source) = (mount.fstype.as_os_str(), mount.source.as_os_str());
        for (operation, text) in [(Operation::ReadType, fstype), (Operation::ReadSource, source)] {
            crate::vfs::bytes::c_string(operation, text)?;
        }
        crate::vfs::bytes::c_string(Operation::ReadTarget, &mount.target)?;
        let mut options = Options::parse(&mount.options)?;
        take_oci_mappings(mount, &mut options)?;
        if options.remount {
            let reason = "`remount` changes what is mounted, and a set of mounts is built new";
            return Err(
                Error::new(ErrorKind::OptionConflict, Operation::ReadOption, reason).with_argument("remount")
            );
        }
        let what = what(mount, &mut options)?;
        let mut ignored = Vec::new();
        for error in without_effect(&what, &mut options) {
            match error.argument() {
                Some(option) if !compat.is_strict() => ignored.push(option.to_owned()),
                _ => return Err(error),
            }
        }
        let (source, target) = (mount.source.clone(), mount.target.clone());
        let mut step = Self { number, source, target, what, options };
        if compat == Compat::Oci {
            step.take_defaults_of_oci();
        }
        Ok((step, ignored))
    }

    /// Applies runc's defaults: a missing mount point is created, and a bind is a slave of its
    /// source.
    fn take_defaults_of_oci(&mut self) {
        let Options { attr, recursive_attr, mkdir, .. } = &mut self.options;
        mkdir.get_or_insert(Mkdir { mode: 0o755, owner: None });
        if let What::Bind { recursive } = self.what {
            if attr.propagation.or(recursive_attr.propagation).is_none() {
                let whole = if recursive { recursive_attr } else { attr };
                whole.propagation = Some(Propagation::Slave);
            }
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
                let reason = "there is nothing to map by: the mount has no uidMappings and no gidMappings";
                Err(option_error(ErrorKind::OptionConflict, OsStr::new(option), reason))
            }
            _ => Ok(()),
        };
    }
    if options.idmap.is_some() {
        let reason = "the mount has uidMappings or gidMappings too: give one of them";
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
            return Err(Error::new(ErrorKind::Spec, Operation::ReadMount, "a bind needs a source"));
        }
        return Ok(What::Bind { recursive });
    }
    match fstype.as_bytes() {
        b"overlay" => {
            let overlay = Overlay::from_options(&std::mem::take(&mut options.fs_options))?;
            Ok(What::Overlay(overlay))
        }
        b"" | b"none" => {
            Err(Error::new(ErrorKind::Spec, Operation::ReadMount, "it has no type and is no bind")
                .with_argument(&mount.source)
                .with_hint("give a file system's name, or the option `bind`"))
        }
        _ => Ok(What::Filesystem(fstype.to_owned())),
    }
}

/// Removes the options that have no effect on this mount. Returns an error for each of them.
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
        errors.extend(options.fs_options.drain(..).map(|option| {
            let reason = "a bind has no file-system options, and this is no mount option";
            option_error(ErrorKind::UnknownOption, &option.text(), reason)
        }));
    }
    errors
}
