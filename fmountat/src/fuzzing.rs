// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What the fuzzers call: every parser of bytes from outside, with what must hold of its answers. Not part of the interface:
//! it exists with `--cfg fuzzing`, which cargo-fuzz sets, and in this crate's own tests, which run the kept corpora.

use crate::error::escape;
use crate::set::fuzz;
use crate::table::mountinfo;
use crate::table::record::unescape_in_place;
use crate::vfs::context::log_line;
use crate::{Compat, Mount, Options, Plan, Spec};
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;

/// A target: what it does with any bytes.
pub type Target = fn(&[u8]);

/// All targets by name.
pub const TARGETS: [(&str, Target); 8] = [
    ("options", options),
    ("mount_list", mount_list),
    ("mountinfo", mount_table),
    ("statmount", statmount),
    ("context_log", context_log),
    ("idmap", idmap),
    ("fstab", fstab),
    ("quoting", quoting),
];

/// An option list, one element a line, for each kind of mount.
pub fn options(data: &[u8]) {
    let elements: Vec<&OsStr> = data.split(|byte| *byte == b'\n').map(OsStr::from_bytes).collect();
    let parsed = Options::parse(&elements);
    if let Ok(parsed) = &parsed {
        assert_eq!(Options::parse(&elements).ok().as_ref(), Some(parsed));
        assert!(!parsed.attr.set.intersects(parsed.attr.clear - crate::Attr::ATIME_FIELD));
    }
    for fstype in ["overlay", "bind", "tmpfs"] {
        let mount = elements.iter().fold(Mount::new(fstype, "s"), |mount, word| mount.option(*word));
        plan(&[mount]);
    }
}

/// A mount list or an OCI configuration. What is read is written, and read again, as the same list.
pub fn mount_list(data: &[u8]) {
    let Ok(spec) = Spec::from_json(data) else { return };
    for compat in [Compat::Strict, Compat::Containerd] {
        if let Ok(plan) = Plan::of(&spec, compat) {
            let _ = plan.to_string();
        }
    }
    if let Ok(text) = serde_json::to_vec(&spec.mounts) {
        let again = Mount::list_from_json(&text);
        assert_eq!(again.ok().as_ref(), Some(&spec.mounts), "{}", String::from_utf8_lossy(&text));
    }
}

fn plan(mounts: &[Mount]) {
    for compat in [Compat::Strict, Compat::Containerd] {
        if let Ok(plan) = Plan::with(mounts, compat) {
            let _ = plan.to_string();
        }
    }
}

/// A mount table; also one whose mounts are on each other.
pub fn mount_table(data: &[u8]) {
    let Ok(entries) = mountinfo::parse(data) else { return };
    for entry in entries.iter().take(4) {
        assert!(mountinfo::deepest_first(&entries, entry.id).len() <= entries.len());
        let _ = mountinfo::has_mounts_below(&entries, &entry.target);
    }
}

/// The kernel's answer to statmount(2), of any length.
pub fn statmount(data: &[u8]) {
    let _ = crate::sys::statmount::parse(data);
}

/// A line of a file-system context's log, as an error shows it.
pub fn context_log(data: &[u8]) {
    let line = log_line(data);
    fit_for_a_terminal(&escape(line.as_bytes()));
}

/// Id mappings in each of their spellings; what is accepted maps no id twice.
pub fn idmap(data: &[u8]) {
    for key in ["X-mount.idmap=", "uidmap=", "gidmap="] {
        let mut word = OsString::from(key);
        word.push(OsStr::from_bytes(data));
        let Ok(options) = Options::parse([&word]) else { continue };
        let Some(crate::Idmap::Ranges { users, groups }) = &options.idmap else { continue };
        for ranges in [users, groups] {
            if options.idmap.as_ref().is_some_and(|idmap| idmap.check().is_err()) {
                continue;
            }
            for (at, one) in ranges.iter().enumerate() {
                let end = |first: u32| u64::from(first) + u64::from(one.count);
                assert!(
                    one.count > 0
                        && end(one.disk) <= u64::from(u32::MAX)
                        && end(one.seen) <= u64::from(u32::MAX)
                );
                let apart = |a: u32, a_count: u32, b: u32, b_count: u32| {
                    u64::from(a) + u64::from(a_count) <= u64::from(b)
                        || u64::from(b) + u64::from(b_count) <= u64::from(a)
                };
                assert!(ranges[..at].iter().all(|two| {
                    apart(one.disk, one.count, two.disk, two.count)
                        && apart(one.seen, one.count, two.seen, two.count)
                }));
            }
        }
    }
}

/// Words as fstab has them, and as mount(2) would get them: each is still one word there.
pub fn fstab(data: &[u8]) {
    let text = OsStr::from_bytes(data);
    let Ok(options) = Options::parse([text]) else { return };
    for word in &options.words {
        if let Ok(classic) = word.classic_text() {
            assert_eq!(fuzz::split(classic.as_bytes()).len(), 1, "{classic:?}");
        }
    }
    plan(&[Mount::new("ext4", "/dev/x").option(text), Mount::new("none", "none").at("/a").option(text)]);
}

/// Splitting, quoting and escaping lose nothing.
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

    /// Every file of every corpus: what once made a parser fail stays in there.
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
