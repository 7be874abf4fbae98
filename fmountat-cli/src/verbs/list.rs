// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `fmountat list`: prints the mount table as a tree.

use crate::args::ListArgs;
use crate::show::options::{is_chosen, is_pseudo};
use crate::show::{Show, Shown, strategy};
use fmountat::mountinfo::MountinfoId;
use fmountat::table::{Fields, TableEntry, TableReader};
use fmountat::{Error, ErrorKind, Operation};
use rustix::fs::CWD;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

pub(crate) fn run(args: &ListArgs, json: bool) -> Result<(), Error> {
    let show = Show::of(&args.show)?;
    let path = args.path.as_deref().map(|path| place(path, args.namespace.is_some())).transpose()?;
    let is_by_type = args.types.is_some() || args.real || args.pseudo;
    let fields = show.fields() | if is_by_type { Fields::FSTYPE } else { Fields::empty() };
    let table = reader(args.namespace.as_deref())?.fields(fields).strategy(strategy(args.strategy)).read()?;
    let is_wanted = |entry: &TableEntry<'_>| {
        path.as_ref().is_none_or(|path| entry.target().starts_with(path))
            && args.types.as_ref().is_none_or(|types| is_chosen(entry.fstype(), types))
            && !(args.real && is_pseudo(entry.fstype()))
            && (!args.pseudo || is_pseudo(entry.fstype()))
    };
    // The children of a mount that is filtered out move up to its parent.
    let mut shown: Vec<Shown> = Vec::new();
    let mut above: Vec<usize> = Vec::new();
    for (_, entry) in table.walk().filter(|(_, entry)| is_wanted(entry)) {
        while above.last().is_some_and(|n| !is_below(&entry, shown[*n].entry.id)) {
            above.pop();
        }
        shown.push(Shown { entry: entry.to_entry(), parent: above.last().copied() });
        above.push(shown.len() - 1);
    }
    if shown.is_empty() {
        let reason = "no mount matches";
        let error = Error::new(ErrorKind::NotMounted, Operation::ListMounts, reason);
        return Err(args.path.iter().fold(error, Error::with_argument));
    }
    show.print(&shown, !args.list, json)
}

fn is_below(entry: &TableEntry<'_>, id: MountinfoId) -> bool {
    std::iter::successors(entry.parent(), TableEntry::parent).any(|parent| parent.mountinfo_id() == id)
}

/// Returns the path as the mount table spells it. A path of another namespace cannot be resolved
/// from here, and is used literally.
pub(crate) fn place(path: &Path, is_elsewhere: bool) -> Result<PathBuf, Error> {
    if is_elsewhere {
        return Ok(Path::new("/").join(path));
    }
    std::fs::canonicalize(path).map_err(|e| Error::from_io(Operation::ListMounts, path, e))
}

/// Returns the reader for `--namespace`: a number is a process id, `id:` precedes a namespace id,
/// everything else is a file.
pub(crate) fn reader(namespace: Option<&OsStr>) -> Result<TableReader, Error> {
    let Some(namespace) = namespace else { return Ok(TableReader::here()) };
    let text = namespace.to_str().unwrap_or_default();
    if let Ok(pid) = text.parse() {
        return TableReader::of_process(pid);
    }
    match text.strip_prefix("id:").map(str::parse) {
        Some(Ok(id)) => TableReader::of_namespace_id(id),
        Some(Err(_)) => {
            let reason = "the id of a namespace is a number";
            let error = Error::new(ErrorKind::Usage, Operation::Program("read --namespace"), reason);
            Err(error.with_argument(namespace))
        }
        None => TableReader::of_namespace(CWD, namespace),
    }
}
