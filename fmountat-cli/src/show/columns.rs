// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The columns of a list of mounts, with the names that findmnt has for them.

use crate::show::options::{merged, short};
use fmountat::Operation;
use fmountat::mountinfo::MountEntry;
use fmountat::{Error, ErrorKind, Fields, escape_whole};
use serde_json::{Value, json};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// A column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Column {
    Target,
    Source,
    Fstype,
    Options,
    Id,
    UniqueId,
    Parent,
    Device,
    Fsroot,
    VfsOptions,
    FsOptions,
    Propagation,
    OptFields,
}

use Column as C;

const NAMES: [(Column, &str); 13] = [
    (C::Target, "TARGET"),
    (C::Source, "SOURCE"),
    (C::Fstype, "FSTYPE"),
    (C::Options, "OPTIONS"),
    (C::Id, "ID"),
    (C::UniqueId, "UNIQ-ID"),
    (C::Parent, "PARENT"),
    (C::Device, "MAJ:MIN"),
    (C::Fsroot, "FSROOT"),
    (C::VfsOptions, "VFS-OPTIONS"),
    (C::FsOptions, "FS-OPTIONS"),
    (C::Propagation, "PROPAGATION"),
    (C::OptFields, "OPT-FIELDS"),
];

/// The columns of a list of names, in any letter case; those that findmnt has where none are given.
pub(crate) fn parse(names: &[String]) -> Result<Vec<Column>, Error> {
    if names.is_empty() {
        return Ok(vec![C::Target, C::Source, C::Fstype, C::Options]);
    }
    let column = |name: &String| {
        let found =
            NAMES.iter().find(|(_, known)| known.eq_ignore_ascii_case(name)).map(|(column, _)| *column);
        found.ok_or_else(|| {
            let known: Vec<&str> = NAMES.iter().map(|(_, known)| *known).collect();
            let error =
                Error::new(ErrorKind::Usage, Operation::Program("read --output"), "there is no such column")
                    .with_argument(name);
            error.with_hint(format!("there are {}", known.join(", ")))
        })
    };
    names.iter().map(column).collect()
}

impl Column {
    pub(crate) fn name(self) -> &'static str {
        NAMES.iter().find(|(column, _)| *column == self).map_or("", |(_, name)| name)
    }

    /// What must be known of a mount.
    pub(crate) fn fields(self, fsroot: bool) -> Fields {
        match self {
            C::Target => Fields::TARGET,
            C::Source if fsroot => Fields::SOURCE | Fields::ROOT,
            C::Source => Fields::SOURCE,
            C::Fstype => Fields::FSTYPE,
            C::Options | C::FsOptions => Fields::SUPER_OPTIONS,
            C::UniqueId => Fields::UNIQUE_ID,
            C::Device => Fields::DEVICE,
            C::Fsroot => Fields::ROOT,
            C::OptFields => Fields::PROPAGATE_FROM,
            C::Id | C::Parent | C::VfsOptions | C::Propagation => Fields::empty(),
        }
    }

    /// Columns with numbers stand to the right.
    pub(crate) fn is_number(self) -> bool {
        matches!(self, C::Id | C::UniqueId | C::Parent)
    }

    fn bytes(self, entry: &MountEntry, fsroot: bool) -> Vec<u8> {
        let of = |text: &OsStr| text.as_bytes().to_vec();
        match self {
            C::Target => of(entry.target.as_os_str()),
            C::Source => {
                let mut source = of(&entry.source);
                if fsroot && entry.root != Path::new("/") {
                    source.extend([b"[", entry.root.as_os_str().as_bytes(), b"]"].concat());
                }
                source
            }
            C::Fstype => of(&entry.fstype),
            C::Options => merged(&entry.options, &entry.super_options),
            C::Id => entry.id.to_string().into_bytes(),
            C::UniqueId => entry.unique_id.map(|id| id.get().to_string()).unwrap_or_default().into_bytes(),
            C::Parent => entry.parent.to_string().into_bytes(),
            C::Device => format!("{}:{}", entry.device.0, entry.device.1).into_bytes(),
            C::Fsroot => of(entry.root.as_os_str()),
            C::VfsOptions => of(&entry.options),
            C::FsOptions => of(&entry.super_options),
            C::Propagation => propagation(entry).into_bytes(),
            C::OptFields => optional_fields(entry).into_bytes(),
        }
    }

    /// As text for a terminal: control characters escaped.
    pub(crate) fn text(self, entry: &MountEntry, fsroot: bool, full: bool) -> String {
        let bytes = self.bytes(entry, fsroot);
        let is_overlay = entry.fstype == "overlay" && matches!(self, C::Options | C::FsOptions);
        let bytes = if is_overlay && !full { short(&bytes) } else { bytes };
        escape_whole(&bytes)
    }

    /// As JSON: all of it; bytes that are no UTF-8 become U+FFFD.
    pub(crate) fn json(self, entry: &MountEntry, fsroot: bool) -> Value {
        match self {
            C::Id => json!(entry.id),
            C::UniqueId => json!(entry.unique_id.map(|id| id.get())),
            C::Parent => json!(entry.parent),
            // As findmnt has it.
            C::OptFields => Some(optional_fields(entry)).filter(|fields| !fields.is_empty()).into(),
            _ => json!(String::from_utf8_lossy(&self.bytes(entry, fsroot))),
        }
    }
}

fn propagation(entry: &MountEntry) -> String {
    let first = if entry.shared.is_some() { "shared" } else { "private" };
    let slave = if entry.master.is_some() { ",slave" } else { "" };
    let unbindable = if entry.unbindable { ",unbindable" } else { "" };
    format!("{first}{slave}{unbindable}")
}

/// As mountinfo has them.
fn optional_fields(entry: &MountEntry) -> String {
    let group = |name: &str, group: Option<u64>| group.map(|group| format!("{name}:{group}"));
    let fields = [
        group("shared", entry.shared),
        group("master", entry.master),
        group("propagate_from", entry.propagate_from),
        entry.unbindable.then(|| String::from("unbindable")),
    ];
    fields.into_iter().flatten().collect::<Vec<_>>().join(" ")
}
