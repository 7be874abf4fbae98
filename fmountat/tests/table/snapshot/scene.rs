// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Makes a mount table with unusual names, stacks, propagation, sources and options.
// Each test file uses a part of it.
#![allow(dead_code)]

use fmountat::mountinfo::MountEntry;
use fmountat::table::{Fields, Table, TableReader, TableStrategy};
use fmountat_testing::{is_real_root, mkdirs, scratch, write};
use rustix::mount::{
    MountFlags, MountPropagationFlags, mount, mount_bind, mount_bind_recursive, mount_change,
};
use std::ffi::{CString, OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;

pub(crate) const STRATEGIES: [TableStrategy; 2] = [TableStrategy::Statmount, TableStrategy::Mountinfo];

pub(crate) fn file(path: impl AsRef<OsStr>) -> PathBuf {
    scratch().join(PathBuf::from(path.as_ref()))
}

/// Returns names that a mount table may escape or change.
pub(crate) fn odd_names() -> Vec<OsString> {
    let text = [
        "a b",
        "tab\there",
        "new\nline",
        "back\\slash",
        "\\040",
        "#hash",
        "- dash",
        "käse",
        "esc\u{1b}[31m",
        "c,o=m",
    ];
    let mut names: Vec<OsString> = text.iter().map(OsString::from).collect();
    names.push(OsString::from_vec(b"not\xff\xfeutf8".to_vec()));
    names
}

pub(crate) fn tmpfs(source: impl AsRef<OsStr>, at: &str, flags: MountFlags) {
    mkdirs(scratch(), &[at]);
    mount(source.as_ref(), file(at), "tmpfs", flags, Some(c"size=1m")).unwrap();
}

fn change(at: &str, to: MountPropagationFlags) {
    mount_change(file(at), to).unwrap();
}

/// Makes every kind of mount that an ordinary user can make in a new namespace.
pub(crate) fn furnish() {
    for (n, name) in odd_names().iter().enumerate() {
        let dir = file("odd").join(name);
        std::fs::create_dir_all(&dir).unwrap();
        mount(name, &dir, "tmpfs", MountFlags::NOSUID, None).unwrap();
        let inner = dir.join("root");
        std::fs::create_dir(&inner).unwrap();
        mkdirs(scratch(), &[&format!("bound{n}")]);
        mount_bind(&inner, file(format!("bound{n}"))).unwrap();
    }
    tmpfs("one", "stack", MountFlags::empty());
    tmpfs("two", "stack", MountFlags::RDONLY | MountFlags::NOATIME);
    tmpfs("three", "stack", MountFlags::NODEV | MountFlags::NOEXEC | MountFlags::NODIRATIME);
    tmpfs("", "nosource", MountFlags::STRICTATIME);
    tmpfs("shared", "shared", MountFlags::empty());
    change("shared", MountPropagationFlags::SHARED);
    mkdirs(scratch(), &["peer", "slave", "both", "unbindable"]);
    mount_bind(file("shared"), file("peer")).unwrap();
    mount_bind(file("shared"), file("slave")).unwrap();
    change("slave", MountPropagationFlags::DOWNSTREAM);
    mount_bind(file("slave"), file("both")).unwrap();
    change("both", MountPropagationFlags::SHARED);
    tmpfs("u", "unbindable", MountFlags::empty());
    change("unbindable", MountPropagationFlags::UNBINDABLE);
    // Seen through all its peers and slaves.
    tmpfs("spread", "shared/in", MountFlags::SYNCHRONOUS);
    write(file("src/file"), "x");
    write(file("onto"), "");
    mount_bind(file("src/file"), file("onto")).unwrap();
    mkdirs(scratch(), &["lo,w:er 1", "low2", "upper", "work", "merged", "rbound"]);
    let user = if is_real_root() { "" } else { ",userxattr" };
    let base = scratch();
    let data = format!(
        "lowerdir={0}/lo\\,w\\:er 1:{0}/low2,upperdir={0}/upper,workdir={0}/work{user}",
        base.display()
    );
    let data = CString::new(data).unwrap();
    mount("an overlay", file("merged"), "overlay", MountFlags::empty(), Some(data.as_c_str())).unwrap();
    mount_bind_recursive(file("shared"), file("rbound")).unwrap();
    // A mount point that is deleted later.
    mkdirs(scratch(), &["gone"]);
    tmpfs("deleted", "hidden", MountFlags::empty());
}

pub(crate) fn read(fields: Fields, strategy: TableStrategy) -> Table {
    TableReader::here().fields(fields).strategy(strategy).read().unwrap()
}

/// Returns the mounts of a table, without the fields that mountinfo lacks.
pub(crate) fn plain(table: &Table) -> Vec<MountEntry> {
    let without = |mut entry: MountEntry| {
        entry.unique_id = None;
        entry
    };
    table.iter().map(|entry| without(entry.to_entry())).collect()
}

pub(crate) fn bytes(path: &std::path::Path) -> &[u8] {
    path.as_os_str().as_bytes()
}
