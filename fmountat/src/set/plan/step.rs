// SPDX-License-Identifier: Apache-2.0 OR MIT
//! One mount of a plan: what it mounts, where, with which options.

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
            let reason = "is not allowed in a set: a set contains new mounts only";
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

    /// Makes the mount point where it is missing, and a bind a slave of its source, as runc does.
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

    /// The type that the mount has in a mount list.
    pub(crate) fn fstype(&self) -> &OsStr {
        match &self.what {
            What::Overlay(_) => OsStr::new("overlay"),
            What::Bind { .. } => OsStr::new("bind"),
            What::Filesystem(name) => name,
        }
    }

    /// Whether a FUSE helper mounts it: it can't be built detached.
    pub(crate) fn is_fuse(&self) -> bool {
        let is = |name: &OsString| [&b"fuse."[..], b"fuse3."].iter().any(|p| name.as_bytes().starts_with(p));
        matches!(&self.what, What::Filesystem(name) if is(name))
    }

    /// Whether its target must be a directory with no symbolic link on the way to it, as runc has it: programs take what is at
    /// /proc and /sys for the kernel's word.
    pub(crate) fn needs_plain_target(&self) -> bool {
        matches!(&self.what, What::Filesystem(name) if name == "proc" || name == "sysfs")
    }

    /// Whether it brings what is mounted below its source.
    pub(crate) fn is_tree(&self) -> bool {
        matches!(self.what, What::Bind { recursive: true })
    }

    /// Whether a word makes it, or what is below it, unbindable.
    pub(crate) fn is_unbindable(&self) -> bool {
        let propagations = [self.options.attr.propagation, self.options.recursive_attr.propagation];
        propagations.contains(&Some(Propagation::Unbindable))
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
    // OCI's `bind` with mappings and without a word maps the top mount.
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

/// The words that would have no effect in this mount, each as an error; they are gone from the options then.
fn without_effect(what: &What, options: &mut Options) -> Vec<Error> {
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
    if is_bind {
        errors.extend(options.fs_options.drain(..).map(|option| {
            let reason = "is not a mount option, and a bind takes no file system options";
            option_error(ErrorKind::UnknownOption, &option.text(), reason)
        }));
    }
    errors
}
