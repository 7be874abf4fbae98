// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The columns of a list of mounts, with the names of findmnt(8).

use crate::report::Text;
use crate::show::options::{merged, short};
use fmountat::mountinfo::MountEntry;
use fmountat::table::Fields;
use fmountat::text::escape_whole;
use fmountat::{Error, ErrorKind, Operation};
use rustix::fs::{Mode, OFlags, StatVfs};
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
    Size,
    Used,
    Avail,
    UsePercent,
}

use Column as C;

/// Each column with its name and the fields it needs, in the order of the variants.
const COLUMNS: [(Column, &str, Fields); 17] = [
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
    (C::Size, "SIZE", Fields::empty()),
    (C::Used, "USED", Fields::empty()),
    (C::Avail, "AVAIL", Fields::empty()),
    (C::UsePercent, "USE%", Fields::empty()),
];

/// Parses column names, in any letter case. Returns findmnt's default columns for an empty list.
pub(crate) fn parse(names: &[String], is_df: bool) -> Result<Vec<Column>, Error> {
    let (added, names): (Vec<&str>, Vec<&str>) =
        names.iter().map(String::as_str).partition(|name| name.starts_with('+'));
    let column = |name: &str| {
        let found =
            COLUMNS.iter().find(|(_, known, _)| known.eq_ignore_ascii_case(name.trim_start_matches('+')));
        found.map(|(column, ..)| *column).ok_or_else(|| {
            let reason = "no such column";
            let error = Error::new(ErrorKind::Usage, Operation::Program("parse option --output"), reason);
            let hint = format!("the columns are {}", COLUMNS.map(|(_, known, _)| known).join(", "));
            error.with_argument(name).with_hint(hint)
        })
    };
    let mut columns = names.into_iter().map(column).collect::<Result<Vec<_>, _>>()?;
    if columns.is_empty() {
        columns = if is_df { DF.to_vec() } else { vec![C::Target, C::Source, C::Fstype, C::Options] };
    }
    columns.extend(added.into_iter().map(column).collect::<Result<Vec<_>, _>>()?);
    Ok(columns)
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
        matches!(self, C::Id | C::UniqueId | C::Parent | C::Size | C::Used | C::Avail | C::UsePercent)
    }

    /// Returns the value as the kernel has it.
    pub(crate) fn bytes(self, entry: &MountEntry, fsroot: bool) -> Vec<u8> {
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
            C::Size | C::Used | C::Avail | C::UsePercent => self.of_space(entry).into_bytes(),
        }
    }

    /// Returns a value of statvfs(3), as findmnt prints it.
    /// Empty where the mount point is hidden by
    /// another mount, and for file systems without blocks.
    fn of_space(self, entry: &MountEntry) -> String {
        let Some(space) = space(entry) else { return String::new() };
        let used = space.f_blocks.saturating_sub(space.f_bfree);
        match self {
            C::Size => size(space.f_blocks.saturating_mul(space.f_frsize)),
            C::Used => size(used.saturating_mul(space.f_frsize)),
            C::Avail => size(space.f_bavail.saturating_mul(space.f_frsize)),
            _ => format!("{}%", used.saturating_mul(100).div_ceil(space.f_blocks)),
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

/// The columns of df(1).
const DF: [Column; 7] = [C::Source, C::Fstype, C::Size, C::Used, C::Avail, C::UsePercent, C::Target];

/// Returns statvfs(3) of the mount, if its mount point leads to it. An automount point is not
/// looked up, since that may wait for its daemon.
fn space(entry: &MountEntry) -> Option<StatVfs> {
    if entry.fstype == "autofs" {
        return None;
    }
    let flags = OFlags::PATH | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    let place = rustix::fs::open(&entry.target, flags, Mode::empty()).ok()?;
    let device = rustix::fs::fstat(&place).ok()?.st_dev;
    let is_same = (rustix::fs::major(device), rustix::fs::minor(device)) == entry.device;
    // Directories of a btrfs subvolume have a device number of their own.
    let is_same = is_same || entry.fstype == "btrfs";
    rustix::fs::fstatvfs(&place).ok().filter(|space| is_same && space.f_blocks > 0)
}

/// Formats a number of bytes as findmnt does: `1.5G`.
#[allow(clippy::cast_precision_loss)]
fn size(bytes: u64) -> String {
    const UNITS: [&str; 7] = ["B", "K", "M", "G", "T", "P", "E"];
    let unit = (bytes.max(1).ilog2() / 10) as usize;
    let value = bytes as f64 / (1u64 << (10 * unit)) as f64;
    let text = format!("{value:.1}");
    format!("{}{}", text.strip_suffix(".0").unwrap_or(&text), UNITS[unit])
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
