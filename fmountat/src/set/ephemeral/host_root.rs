// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A throw-away copy of the machine's own system: overlays over what is there, wherever the kernel allows one.

use crate::error::{Error, Operation, Result, Syscall, escape};
use crate::kinds::bind::Bind;
use crate::kinds::filesystem::{Word, filesystem};
use crate::kinds::overlay::Overlay;
use crate::kinds::overlay::ephemeral_upper::Store;
use crate::mountinfo;
use crate::mountinfo::MountEntry;
use crate::set::build::{Built, Mounter};
use crate::set::ephemeral::layout::{NotCovered, make_directory, open_directory, throwaway_overlay};
use crate::vfs::attr::{Attr, MountAttr};
use crate::vfs::target::{Create, Target};
use crate::vfs::tree::Tree;
use rustix::fd::{AsFd, BorrowedFd};
use rustix::fs::{CWD, Dir, FileType};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// The set that comes later mounts these anew.
const REPLACED: [&str; 3] = ["/proc", "/sys", "/dev"];

/// File systems without files of their own.
const PSEUDO: [&str; 22] = [
    "autofs",
    "binfmt_misc",
    "bpf",
    "cgroup",
    "cgroup2",
    "configfs",
    "cpuset",
    "debugfs",
    "devpts",
    "devtmpfs",
    "efivarfs",
    "fusectl",
    "hugetlbfs",
    "mqueue",
    "nsfs",
    "proc",
    "pstore",
    "rpc_pipefs",
    "securityfs",
    "selinuxfs",
    "sysfs",
    "tracefs",
];

/// A directory with mounts below is rebuilt entry by entry; one with more entries than this is left out.
const ENTRIES_MAX: usize = 512;

pub(crate) struct Machine<'a> {
    mounter: &'a Mounter,
    store: &'a Store,
    table: Vec<MountEntry>,
    pub(crate) not_covered: Vec<NotCovered>,
}

impl<'a> Machine<'a> {
    pub(crate) fn new(mounter: &'a Mounter, store: &'a Store) -> Result<Self> {
        let mut table = mountinfo::read()?;
        table.retain(|entry| !REPLACED.iter().any(|p| entry.target.starts_with(p)));
        Ok(Self { mounter, store, table, not_covered: Vec::new() })
    }

    pub(crate) fn build(&mut self) -> Result<Built> {
        if self.mounter.features.initial_user_namespace { self.by_file_system() } else { self.by_directory() }
    }

    /// With privilege: an overlay of `/` itself, then one for each real file system below.
    fn by_file_system(&mut self) -> Result<Built> {
        let root = self.overlay(Path::new("/"))?;
        let built = self.mounter.throwaway_base(root, self.store)?;
        let below: Vec<MountEntry> =
            self.table.iter().filter(|e| e.target != Path::new("/")).cloned().collect();
        for entry in below {
            let path = entry.target.as_path();
            if entry.fstype.to_str().is_some_and(|t| PSEUDO.contains(&t)) {
                self.leave_out(path, format!("{} has no files to copy", escape(entry.fstype.as_bytes())));
                continue;
            }
            let done = match Target::open(CWD, path) {
                Ok(place) if place.is_dir() => self.overlay(path),
                Ok(_) => self.read_only_file(path),
                Err(error) => Err(error),
            };
            let hung = done.and_then(|tree| built.tree.mount(tree, path));
            self.note(path, hung);
        }
        Ok(built)
    }

    /// In a user namespace: a tmpfs, with an overlay for each directory of `/` that has no mounts below.
    fn by_directory(&mut self) -> Result<Built> {
        let mode = Word { key: "mode".into(), value: Some("0755".into()) };
        let name = OsStr::new("tmpfs");
        let root = filesystem(name, name, &[], &[mode], &MountAttr::default())?;
        let built = self.mounter.throwaway_base(root, self.store)?;
        self.rebuild(&built, Path::new("/"))?;
        Ok(built)
    }

    /// Makes `path`, which exists in the tree as an empty directory, entry by entry.
    fn rebuild(&mut self, built: &Built, path: &Path) -> Result<()> {
        let names = names(open_directory(path)?.as_fd()).map_err(|e| e.with_argument(path))?;
        if names.len() > ENTRIES_MAX {
            let reason = format!("it has mounts below and {} entries, more than {ENTRIES_MAX}", names.len());
            self.leave_out(path, reason);
            return Ok(());
        }
        for name in names {
            let entry = path.join(OsStr::from_bytes(&name));
            let done = self.entry(built, &entry);
            self.note(&entry, done);
        }
        Ok(())
    }

    fn entry(&mut self, built: &Built, path: &Path) -> Result<()> {
        let root = built.tree.root();
        let stat = rustix::fs::statat(CWD, path, rustix::fs::AtFlags::SYMLINK_NOFOLLOW)
            .map_err(|e| Error::sys(Operation::LookAt, Syscall::Fstatat, e).with_argument(path))?;
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::Symlink => copy_link(root, path),
            FileType::Directory => self.directory(built, path, stat.st_mode & 0o7777),
            FileType::RegularFile => {
                let file = self.read_only_file(path)?;
                let place = Target::create_in_root(root, path, Create::file(0o755))?;
                file.attach(&place)?;
                Ok(())
            }
            _ => {
                self.leave_out(path, String::from("it is neither a file, a directory nor a link"));
                Ok(())
            }
        }
    }

    fn directory(&mut self, built: &Built, path: &Path, mode: u32) -> Result<()> {
        let place = make_directory(built.tree.root(), path, mode)?;
        if REPLACED.iter().any(|p| path == Path::new(p)) {
            return Ok(());
        }
        if mountinfo::has_mounts_below(&self.table, path) {
            return self.rebuild(built, path);
        }
        self.overlay(path)?.attach(&place)?;
        Ok(())
    }

    fn overlay(&self, path: &Path) -> Result<Tree> {
        throwaway_overlay(self.mounter, self.store, CWD, Overlay::new().lower(path))
    }

    fn read_only_file(&mut self, path: &Path) -> Result<Tree> {
        let attr = MountAttr { set: Attr::RDONLY, ..MountAttr::default() };
        let recursive_attr = MountAttr::default();
        let bind = Bind { dir: CWD, source: path, recursive: false, attr, recursive_attr, idmap: None };
        let file = bind.mount(&self.mounter.clones)?;
        self.leave_out(path, String::from("a single file can't be an overlay: it is there to be read only"));
        Ok(file)
    }

    fn note(&mut self, path: &Path, done: Result<()>) {
        if let Err(error) = done {
            self.leave_out(path, error.reason());
        }
    }

    fn leave_out(&mut self, path: &Path, reason: String) {
        self.not_covered.push(NotCovered { path: path.to_owned(), reason });
    }
}

fn names(dir: BorrowedFd<'_>) -> Result<Vec<Vec<u8>>> {
    let fail = |e| Error::sys(Operation::ReadDirectory, Syscall::Getdents64, e);
    let mut names = Vec::new();
    for entry in Dir::read_from(dir).map_err(fail)? {
        let name = entry.map_err(fail)?.file_name().to_bytes().to_vec();
        if name != b"." && name != b".." {
            names.push(name);
        }
    }
    Ok(names)
}

fn copy_link(root: BorrowedFd<'_>, path: &Path) -> Result<()> {
    let to = rustix::fs::readlinkat(CWD, path, Vec::new())
        .map_err(|e| Error::sys(Operation::ReadLink, Syscall::Readlinkat, e).with_argument(path))?;
    let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
        return Ok(());
    };
    let parent = Target::in_root(root, parent)?;
    rustix::fs::symlinkat(to, &parent, name)
        .map_err(|e| Error::sys(Operation::MakeLink, Syscall::Symlinkat, e).with_argument(path))
}
