// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The columns of a list of mounts, with the names of findmnt(8).

use crate::report::Text;
use crate::show::options::{merged, short};
use fmountat::mountinfo::MountEntry;
use fmountat::table::Fields;
use fmountat::text::escape_whole;
use fmountat::{Error, ErrorKind, Operation};
use serde_json::Value;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;

/// Names a column.
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

/// Each column with its name and the fields it needs, in the order of the variants.
const COLUMNS: [(Column, &str, Fields); 13] = [
    (C::Target, "TARGET", Fields::TARGET),
    (C::Source, "SOURCE", Fields::SOURCE),
    (C::Fstype, "FSTYPE", Fields::FSTYPE),
    (C::Options, "OPTIONS", Fields::SUPER_OPTIONS),
    (C::Id, "ID", Fields::empty()),
    (C::UniqueId, "UNIQ-ID", Fields::UNIQUE_ID),
    (C::Parent, "PARENT", Fields::empty()),
    (C::Device, "MAJ:MIN", Fields::DEVICE),
    (C::Fsroot, "FSROOT", Fields::ROOT),
    (C::VfsOptions, "VFS-OPTIONS", Fields::empty()),
    (C::FsOptions, "FS-OPTIONS", Fields::SUPER_OPTIONS),
    (C::Propagation, "PROPAGATION", Fields::empty()),
    (C::OptFields, "OPT-FIELDS", Fields::PROPAGATE_FROM),
];

/// Parses column names, in any letter case. Returns findmnt's default columns for an empty list.
pub(crate) fn parse(names: &[String]) -> Result<Vec<Column>, Error> {
    if names.is_empty() {
        return Ok(vec![C::Target, C::Source, C::Fstype, C::Options]);
    }
    let column = |name: &String| {
        let found = COLUMNS.iter().find(|(_, known, _)| known.eq_ignore_ascii_case(name));
        found.map(|(column, ..)| *column).ok_or_else(|| {
            let reason = "no such column";
            let error = Error::new(ErrorKind::Usage, Operation::Program("parse option --output"), reason);
            let hint = format!("the columns are {}", COLUMNS.map(|(_, known, _)| known).join(", "));
            error.with_argument(name).with_hint(hint)
        })
    };
    names.iter().map(column).collect()
}

impl Column {
    pub(crate) fn name(self) -> &'static str {
        COLUMNS[self as usize].1
    }

    /// Returns the fields of a mount that the column needs.
    pub(crate) fn fields(self, fsroot: bool) -> Fields {
        let with_root = if fsroot && self == C::Source { Fields::ROOT } else { Fields::empty() };
        COLUMNS[self as usize].2 | with_root
    }

    /// Returns whether the column holds numbers, which are aligned to the right.
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

    /// Returns the value as text for a terminal, with control characters escaped.
    pub(crate) fn text(self, entry: &MountEntry, fsroot: bool, full: bool) -> String {
        let bytes = self.bytes(entry, fsroot);
        let is_overlay = entry.fstype == "overlay" && matches!(self, C::Options | C::FsOptions);
        let bytes = if is_overlay && !full { short(&bytes) } else { bytes };
        escape_whole(&bytes)
    }

    /// Returns the whole value, for JSON.
    pub(crate) fn whole(self, entry: &MountEntry, fsroot: bool) -> Text<'static> {
        OsString::from_vec(self.bytes(entry, fsroot)).into()
    }

    /// Returns the value as findmnt prints it in JSON.
    pub(crate) fn json(self, entry: &MountEntry, fsroot: bool) -> Value {
        match self {
            C::Id => entry.id.get().into(),
            C::UniqueId => entry.unique_id.map(|id| id.get()).into(),
            C::Parent => entry.parent.get().into(),
            C::OptFields => Some(optional_fields(entry)).filter(|fields| !fields.is_empty()).into(),
            _ => serde_json::to_value(self.whole(entry, fsroot)).unwrap_or_default(),
        }
    }
}

fn propagation(entry: &MountEntry) -> String {
    let first = if entry.shared.is_some() { "shared" } else { "private" };
    let slave = if entry.master.is_some() { ",slave" } else { "" };
    let unbindable = if entry.unbindable { ",unbindable" } else { "" };
    format!("{first}{slave}{unbindable}")
}

/// Returns the optional fields in the format of mountinfo.
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
