// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The entry points of the fuzzers: parsers of untrusted bytes, with the invariants of their
//! results. Not part of the interface. They exist with `--cfg fuzzing`, which `.ci/fuzz` sets, and
//! in this crate's own tests, which run the stored corpora.

use crate::error::escape;
use crate::kinds::filesystem::FsOption;
use crate::mountinfo;
use crate::mountinfo::MountinfoId;
use crate::mountinfo::record::unescape_in_place;
use crate::set::fuzz;
use crate::set::options::Options;
use crate::set::plan::Plan;
use crate::set::spec::{Compat, Mount, Spec};
use crate::sys::fanotify::{FAN_MNT_ATTACH, FAN_MNT_DETACH, FAN_Q_OVERFLOW, MountEvent, events};
use crate::table::diff::Change;
use crate::table::published::PublishedSet;
use crate::table::snapshot::Table;
use crate::table::{by_mountinfo, by_statmount, fdinfo};
use crate::vfs::context::log_line;
use std::collections::HashSet;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::sync::OnceLock;

/// A fuzz target, called with arbitrary bytes.
pub type Target = fn(&[u8]);

/// All targets by name.
pub const TARGETS: [(&str, Target); 13] = [
    ("options", options),
    ("mount_list", mount_list),
    ("mountinfo", mount_table),
    ("statmount", statmount),
    ("context_log", context_log),
    ("idmap", idmap),
    ("fstab", fstab),
    ("quoting", quoting),
    ("mount_events", mount_events),
    ("journal", journal),
    ("published", published),
    ("fdinfo", mount_number),
    ("cgroup", cgroup),
];

/// Parses an option list, one option per line, for each kind of mount.
pub fn options(data: &[u8]) {
    let elements: Vec<&OsStr> = data.split(|byte| *byte == b'\n').map(OsStr::from_bytes).collect();
    let parsed = Options::parse(&elements);
    if let Ok(parsed) = &parsed {
        assert_eq!(Options::parse(&elements).ok().as_ref(), Some(parsed));
        assert!(!parsed.attr.set.intersects(parsed.attr.clear - crate::vfs::attr::Attr::ATIME_FIELD));
    }
    for fstype in ["overlay", "bind", "tmpfs"] {
        let mount = elements.iter().fold(Mount::new(fstype, "s"), |mount, option| mount.option(*option));
        plan(&[mount]);
    }
}

/// Parses a mount list or an OCI configuration. Serializing and parsing it again must give the same
/// list.
pub fn mount_list(data: &[u8]) {
    let Ok(spec) = Spec::from_json(data) else { return };
    for compat in [Compat::Strict, Compat::Containerd, Compat::Oci] {
        if let Ok(plan) = Plan::new(spec.clone().compat(compat)) {
            let _ = plan.to_string();
        }
    }
    if let Ok(text) = serde_json::to_vec(&spec.mounts) {
        let again = Mount::list_from_json(&text);
        assert_eq!(again.ok().as_ref(), Some(&spec.mounts), "{}", String::from_utf8_lossy(&text));
    }
}

fn plan(mounts: &[Mount]) {
    for compat in [Compat::Strict, Compat::Containerd, Compat::Oci] {
        if let Ok(plan) = Plan::new(Spec::new(mounts).compat(compat)) {
            let _ = plan.to_string();
        }
    }
}

/// Parses two mount tables, separated by a zero byte. Their mounts may be on each other in a cycle.
pub fn mount_table(data: &[u8]) {
    let (before, after) = match data.iter().position(|byte| *byte == 0) {
        Some(at) => (&data[..at], &data[at + 1..]),
        None => (data, &data[..0]),
    };
    let Ok(entries) = mountinfo::parse(before) else { return };
    for entry in entries.iter().take(4) {
        assert!(mountinfo::deepest_first(&entries, entry.id).len() <= entries.len());
    }
    let (Ok(before), Ok(after)) = (by_mountinfo::parse(before.to_vec()), by_mountinfo::parse(after.to_vec()))
    else {
        return;
    };
    is_a_forest(&before);
    let unique =
        |table: &Table| table.iter().map(|e| e.mountinfo_id()).collect::<HashSet<_>>().len() == table.len();
    if unique(&before) && unique(&after) {
        assert!(before.diff(&before).is_empty());
        let changes = before.diff(&after);
        let count = |is: fn(&Change<'_>) -> bool| changes.iter().filter(|change| is(change)).count();
        let removed = count(|change| matches!(change, Change::Removed(_)));
        let added = count(|change| matches!(change, Change::Added(_)));
        assert_eq!(before.len() - removed, after.len() - added);
    }
}

/// Checks that a walk visits every mount once, after its parent.
fn is_a_forest(table: &Table) {
    let mut path = Vec::new();
    for (depth, entry) in table.walk() {
        path.truncate(depth);
        assert_eq!(path.last().copied(), entry.parent().map(|parent| parent.index));
        path.push(entry.index);
    }
    let visited: HashSet<usize> = table.walk().map(|(_, entry)| entry.index).collect();
    assert_eq!((visited.len(), table.walk().count()), (table.len(), table.len()));
    for entry in table.iter().take(4) {
        let stack = table.stack(entry.target());
        assert!(stack.iter().all(|other| other.target() == entry.target()) && !stack.is_empty());
    }
}

/// Parses a result of statmount(2) of any length.
pub fn statmount(data: &[u8]) {
    let _ = crate::sys::statmount::parse(data, |stat| {
        let (record, [options, all, users, groups]) = by_statmount::made_of(stat);
        assert_eq!(record.key(), if record.unique == 0 { record.id } else { stat.raw.mnt_id });
        for options in [options, all] {
            assert!(options.starts_with(b"ro") || options.starts_with(b"rw"));
        }
        assert!(!users.contains(&0) && !groups.contains(&0));
    });
}

/// Parses a buffer of fanotify(7): first arbitrary bytes, then the same bytes as masks and ids of
/// events in the kernel's layout.
pub fn mount_events(data: &[u8]) {
    const HEAD: usize = 24;
    assert!(events(data).len() <= data.len().div_ceil(HEAD));
    let (mut bytes, mut want) = (Vec::new(), Vec::new());
    for chunk in data.chunks_exact(9) {
        let (kind, id) = (chunk[0], chunk[1..].try_into().map_or(0, u64::from_ne_bytes));
        let mask = [FAN_MNT_ATTACH, FAN_MNT_DETACH, FAN_MNT_ATTACH | FAN_MNT_DETACH, FAN_Q_OVERFLOW];
        let mask = mask[usize::from(kind % 4)];
        // A record of another type may precede that of the mount.
        let other = if kind & 0x80 == 0 { 0 } else { 4 + kind % 8 * 4 };
        let (length, records) = match mask {
            FAN_Q_OVERFLOW => (HEAD, Vec::new()),
            _ => (HEAD + usize::from(other) + 16, {
                let mut records = vec![0; other.into()];
                if other > 0 {
                    records[0] = 1;
                    records[2..4].copy_from_slice(&u16::from(other).to_ne_bytes());
                }
                records.extend([7, 0].iter().chain(&16u16.to_ne_bytes()).chain(&[0; 4]));
                records.extend(id.to_ne_bytes());
                records
            }),
        };
        bytes.extend(u32::try_from(length).unwrap_or_default().to_ne_bytes());
        bytes.extend([3, 0].iter().chain(&24u16.to_ne_bytes()).chain(&mask.to_ne_bytes()).chain(&[0xff; 8]));
        bytes.extend(records);
        want.push(MountEvent { mask, id: if mask == FAN_Q_OVERFLOW { 0 } else { id } });
    }
    assert_eq!(events(&bytes), want);
}

/// Parses a journal entry: the bytes as they are, and as the rest of an entry that was begun here.
/// Writing and parsing it again must give the same lines. If the last line is truncated, the result
/// must be the entry without it.
pub fn journal(data: &[u8]) {
    static BEGIN: OnceLock<Option<Vec<u8>>> = OnceLock::new();
    let _ = fuzz::written(data);
    let Some(begin) = BEGIN.get_or_init(fuzz::begun_here) else { return };
    let text = [&begin[..], b"\n", data].concat();
    let Ok(Some(lines)) = fuzz::written(&text) else { return };
    assert_eq!(lines.first(), Some(begin));
    let mut again: Vec<u8> = lines.iter().flat_map(|line| [&line[..], b"\n"].concat()).collect();
    assert_eq!(fuzz::written(&again).ok().flatten().as_ref(), Some(&lines));
    again.pop();
    let shorter = fuzz::written(&again).ok().map(Option::unwrap_or_default);
    assert_eq!(shorter.as_deref(), lines.get(..lines.len() - 1));
}

/// Parses a stored published set. It must hold unique ids only, and serializing and parsing it
/// again must give the same set.
pub fn published(data: &[u8]) {
    let Ok(set) = serde_json::from_slice::<PublishedSet>(data) else { return };
    assert!(set.mounts().next() == Some(set.root()));
    let again = serde_json::to_vec(&set).ok().and_then(|text| serde_json::from_slice(&text).ok());
    assert_eq!(again, Some(set));
}

/// Parses the text of a descriptor's fdinfo. The first `mnt_id` is used.
pub fn mount_number(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let found = fdinfo::number_in(&text);
    assert!(found.is_none_or(|id| text.contains(&id.to_string())));
    assert_eq!(
        fdinfo::number_in(&format!("pos:\t0\nflags:\t012\nmnt_id:\t77\n{text}")),
        Some(MountinfoId::from_number(77))
    );
}

/// Parses the text of /proc/PID/cgroup. Writing and parsing it again must give the same groups.
pub fn cgroup(data: &[u8]) {
    let groups = fuzz::groups(data);
    let mut text = Vec::new();
    for (names, path) in &groups {
        let names: Vec<&[u8]> = names.iter().map(|name| name.as_encoded_bytes()).collect();
        text.extend([b"1:", &names.join(&b","[..])[..], b":", path.as_os_str().as_bytes(), b"\n"].concat());
    }
    assert_eq!(fuzz::groups(&text), groups);
}

/// Formats a line of a file-system context's log, as errors do.
pub fn context_log(data: &[u8]) {
    let line = log_line(data);
    fit_for_a_terminal(&escape(line.as_bytes()));
}

/// Parses id mappings in each of their spellings. Accepted ones must not map an id twice.
pub fn idmap(data: &[u8]) {
    for key in ["X-mount.idmap=", "uidmap=", "gidmap="] {
        let mut option = OsString::from(key);
        option.push(OsStr::from_bytes(data));
        let Ok(options) = Options::parse([&option]) else { continue };
        let Some(crate::vfs::idmap::Idmap::Ranges { users, groups }) = &options.idmap else { continue };
        for ranges in [users, groups] {
            if options.idmap.as_ref().is_some_and(|idmap| idmap.check().is_err()) {
                continue;
            }
            for (at, one) in ranges.iter().enumerate() {
                let end = |first: u32| u64::from(first) + u64::from(one.count);
                assert!(
                    one.count > 0
                        && end(one.inner) <= u64::from(u32::MAX)
                        && end(one.outer) <= u64::from(u32::MAX)
                );
                let disjoint = |a: u32, a_count: u32, b: u32, b_count: u32| {
                    u64::from(a) + u64::from(a_count) <= u64::from(b)
                        || u64::from(b) + u64::from(b_count) <= u64::from(a)
                };
                assert!(ranges[..at].iter().all(|two| {
                    disjoint(one.inner, one.count, two.inner, two.count)
                        && disjoint(one.outer, one.count, two.outer, two.count)
                }));
            }
        }
    }
}

/// Parses options as in fstab and formats them for mount(2). Each must be a single option there.
pub fn fstab(data: &[u8]) {
    let text = OsStr::from_bytes(data);
    // Where SELinux is off its options are refused: treat them as if it were on.
    let context = FsOption { key: "context".into(), value: Some(fuzz::unquote(text)) };
    let options = Options::parse([text]);
    let parsed = options.iter().flat_map(|options| &options.fs_options);
    for option in parsed.chain([&context]) {
        if let Ok(legacy) = option.legacy_text() {
            assert_eq!(fuzz::split(legacy.as_bytes()).len(), 1, "{legacy:?}");
        }
    }
    if options.is_err() {
        return;
    }
    plan(&[Mount::new("ext4", "/dev/x").option(text), Mount::new("none", "none").at("/a").option(text)]);
}

/// Checks that splitting, quoting and escaping lose nothing.
pub fn quoting(data: &[u8]) {
    assert_eq!(fuzz::split(data).join(&b","[..]), data);
    let _ = (fuzz::unquote(OsStr::from_bytes(data)), fuzz::size(OsStr::from_bytes(data)));
    fit_for_a_terminal(&escape(data));
    let escaped = data.iter().flat_map(|byte| match byte {
        b' ' | b'\t' | b'\n' | b'\\' => format!("\\{byte:03o}").into_bytes(),
        byte => vec![*byte],
    });
    let mut escaped: Vec<u8> = escaped.collect();
    let length = unescape_in_place(&mut escaped);
    assert_eq!(escaped.get(..length), Some(data));
}

fn fit_for_a_terminal(text: &str) {
    assert!(!text.chars().any(char::is_control), "{text:?}");
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs every file of every corpus, which includes the inputs that made a parser fail before.
    #[test]
    fn the_kept_corpora_pass() {
        let fuzz = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz");
        for (name, target) in TARGETS {
            let files = std::fs::read_dir(fuzz.join("corpus").join(name)).unwrap();
            let files: Vec<_> = files.map(|entry| entry.unwrap().path()).collect();
            assert!(files.len() >= 3, "{name} has {} files", files.len());
            assert!(fuzz.join("fuzz_targets").join(name).with_extension("rs").exists(), "{name}");
            for file in files {
                let bytes = std::fs::read(&file).unwrap();
                let done = std::panic::catch_unwind(|| target(&bytes));
                assert!(done.is_ok(), "{}", file.display());
            }
        }
    }
}
