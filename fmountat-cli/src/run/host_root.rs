// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Copies the root of the host: an overlay over each file system or directory, where the kernel
//! allows one.

use crate::run::answering::unanswering;
use crate::run::layout::{NotOverlaid, failed, make_directory};
use crate::run::uppers::Uppers;
use fmountat::call::FsContext;
use fmountat::kernel::Features;
use fmountat::mountinfo;
use fmountat::mountinfo::MountEntry;
use fmountat::table::is_mount_point;
use fmountat::text::escape;
use fmountat::{Attr, Create, DetachedSet, Error, MountAttr, Mounter, Propagation, Target, Tree};
use rustix::fd::BorrowedFd;
use rustix::fs::{Access, AtFlags, CWD, FileType};
use rustix::io::Errno;
use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// The directories that the standard mounts, or those of SPEC, replace.
const REPLACED: [&str; 3] = ["/proc", "/sys", "/dev"];

/// The file systems without files to copy.
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

/// The largest number of entries of a directory that is rebuilt entry by entry, because it has
/// mounts below it.
const ENTRIES_MAX: usize = 512;

/// Builds the copy, and collects the paths that are not overlaid.
pub(crate) struct HostRoot<'a> {
    mounter: &'a Mounter,
    uppers: &'a Uppers,
    table: Vec<MountEntry>,
    /// Mount points whose file systems do not answer.
    unanswering: Vec<PathBuf>,
    pub(crate) not_overlaid: Vec<NotOverlaid>,
}

impl<'a> HostRoot<'a> {
    pub(crate) fn new(mounter: &'a Mounter, uppers: &'a Uppers) -> Result<Self, Error> {
        let mut table = mountinfo::read()?;
        table.retain(|entry| !REPLACED.iter().any(|p| entry.target.starts_with(p)));
        let unanswering = unanswering(&table);
        Ok(Self { mounter, uppers, table, unanswering, not_overlaid: Vec::new() })
    }

    pub(crate) fn build(&mut self) -> Result<DetachedSet, Error> {
        if Features::get().initial_user_namespace { self.by_file_system() } else { self.by_directory() }
    }

    /// Builds the copy with privilege: an overlay of `/`, then one for each real file system below
    /// it.
    fn by_file_system(&mut self) -> Result<DetachedSet, Error> {
        let root = self.overlay(Path::new("/"))?;
        let built = self.mounter.begin(root)?;
        let below: Vec<MountEntry> =
            self.table.iter().filter(|e| e.target != Path::new("/")).cloned().collect();
        for entry in below {
            let path = entry.target.as_path();
            if self.is_unanswering(path) {
                continue;
            }
            if entry.fstype.to_str().is_some_and(|t| PSEUDO.contains(&t)) {
                self.leave_out(path, format!("{} has no files to copy", escape(entry.fstype.as_bytes())));
                continue;
            }
            let (done, create) = match Target::open(CWD, path) {
                Ok(place) if place.is_dir() => (self.overlay(path), Create::directory(0o755)),
                Ok(_) => (self.read_only_file(path), Create::file(0o755)),
                Err(error) => (Err(error), Create::file(0o755)),
            };
            // Mount points in an automount point do not exist in the copy.
            let place = |root| Target::create_in_root(root, path, create).inspect(Target::keep);
            let done = done.and_then(|tree| Ok(tree.attach(&place(built.root())?)?));
            self.record(path, done.map(drop));
        }
        Ok(built)
    }

    /// Builds the copy in a user namespace: a tmpfs, with an overlay for each directory of `/` that
    /// has no mounts below it.
    fn by_directory(&mut self) -> Result<DetachedSet, Error> {
        let mut tmpfs = FsContext::open("tmpfs")?;
        tmpfs.set_string("mode", "0755")?;
        let built = self.mounter.begin(tmpfs.create()?.mount(&MountAttr::default())?)?;
        self.rebuild(&built, Path::new("/"))?;
        self.places_to_write(&built);
        Ok(built)
    }

    /// Mounts overlays of their own on directories that the user may write to, below directories of
    /// other users. To change a file, overlayfs copies its directories with their owners, and fails
    /// with EOVERFLOW if these have no id here. The topmost directory of an overlay is not copied.
    fn places_to_write(&mut self, built: &DetachedSet) {
        let variables = ["HOME", "TMPDIR"].into_iter().filter_map(std::env::var_os).map(PathBuf::from);
        let mut places: Vec<PathBuf> =
            std::env::current_dir().into_iter().chain(variables).chain([PathBuf::from("/var/tmp")]).collect();
        let kept = self.uppers.unused();
        places.extend(kept.iter().cloned());
        places.sort();
        places.dedup();
        places.retain(|place| place.is_absolute() && !self.has_mount_below(place));
        for place in &places {
            // A place that cannot be looked up is not in the copy.
            let Ok(target) = Target::in_root(built.root(), place) else { continue };
            let is_wanted = kept.contains(place) || is_writable_below_others(place);
            if target.is_dir() && is_wanted && matches!(is_mount_point(&target, "."), Ok(false)) {
                let done = self.overlay(place).and_then(|overlay| Ok(overlay.attach(&target)?));
                if let Err(error) = done {
                    let reason = format!("its files cannot be changed (EOVERFLOW): {}", error.reason());
                    self.leave_out(place, reason);
                }
            }
        }
    }

    fn has_mount_below(&self, path: &Path) -> bool {
        self.table.iter().any(|entry| entry.target != path && entry.target.starts_with(path))
    }

    /// Reports whether the path is or lies below a mount that does not answer. The mount itself is
    /// listed.
    fn is_unanswering(&mut self, path: &Path) -> bool {
        let found = self.unanswering.iter().any(|mount| path.starts_with(mount));
        if self.unanswering.iter().any(|mount| path == mount) {
            // The first are shown, the others counted.
            self.not_overlaid.insert(0, (path.to_owned(), String::from("the file system does not answer")));
        }
        found
    }

    /// Fills `path`, an empty directory of the copy, entry by entry.
    fn rebuild(&mut self, built: &DetachedSet, path: &Path) -> Result<(), Error> {
        let names = names(path)?;
        if names.len() > ENTRIES_MAX {
            let reason = format!("mounts below it, and {} entries, more than {ENTRIES_MAX}", names.len());
            self.leave_out(path, reason);
            return Ok(());
        }
        for name in names {
            let entry = path.join(name);
            let done = self.entry(built, &entry);
            self.record(&entry, done);
        }
        Ok(())
    }

    fn entry(&mut self, built: &DetachedSet, path: &Path) -> Result<(), Error> {
        if self.is_unanswering(path) {
            return Ok(());
        }
        let root = built.root();
        let stat = rustix::fs::statat(CWD, path, AtFlags::SYMLINK_NOFOLLOW)
            .map_err(|errno| failed("stat", path, errno))?;
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
                self.leave_out(path, String::from("not a file, directory or symbolic link"));
                Ok(())
            }
        }
    }

    fn directory(&mut self, built: &DetachedSet, path: &Path, mode: u32) -> Result<(), Error> {
        let place = make_directory(built.root(), path, mode)?;
        if REPLACED.iter().any(|p| path == Path::new(p)) {
            return Ok(());
        }
        if self.is_automount(path) {
            return self.copy_below_automount(built, path);
        }
        if self.has_mount_below(path) {
            return self.rebuild(built, path);
        }
        self.overlay(path)?.attach(&place)?;
        Ok(())
    }

    /// Reports whether the path is an automount point with nothing mounted on it. A look-up in it
    /// waits for its daemon, which may never answer.
    fn is_automount(&self, path: &Path) -> bool {
        let top = self.table.iter().rev().find(|entry| entry.target == path);
        top.is_some_and(|entry| entry.fstype == "autofs")
    }

    /// Copies only what is mounted below an automount point already.
    fn copy_below_automount(&mut self, built: &DetachedSet, path: &Path) -> Result<(), Error> {
        self.leave_out(path, String::from("an automount point: only what is mounted there now is copied"));
        let mut below: Vec<PathBuf> = self.table.iter().map(|entry| entry.target.clone()).collect();
        below.retain(|target| target != path && target.starts_with(path) && !self.is_automount(target));
        below.sort();
        below.dedup_by(|next, first| next.starts_with(first));
        for target in below {
            let done = self.directory(built, &target, 0o755);
            self.record(&target, done);
        }
        Ok(())
    }

    fn overlay(&self, path: &Path) -> Result<Tree, Error> {
        self.uppers.overlay(self.mounter, CWD, path, &[path.to_owned()])
    }

    fn read_only_file(&mut self, path: &Path) -> Result<Tree, Error> {
        let file = Tree::clone_of(CWD, path, false)?;
        let propagation = Some(Propagation::Private);
        file.set_attr(&MountAttr { set: Attr::RDONLY, clear: Attr::empty(), propagation }, false)?;
        self.leave_out(path, String::from("a single file cannot be an overlay: mounted read-only"));
        Ok(file)
    }

    fn record(&mut self, path: &Path, done: Result<(), Error>) {
        if let Err(error) = done {
            self.leave_out(path, error.reason());
        }
    }

    fn leave_out(&mut self, path: &Path, reason: String) {
        self.not_overlaid.push((path.to_owned(), reason));
    }
}

/// Reports whether the user may write to a directory of the copy, but a change there copies a
/// directory of another user.
fn is_writable_below_others(path: &Path) -> bool {
    let is_own = |path: &Path| {
        let own = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
        rustix::fs::stat(path).is_ok_and(|stat| (stat.st_uid, stat.st_gid) == own)
    };
    // The last two are the topmost directory and `/`.
    let depth = path.ancestors().count();
    let copies_others = path.ancestors().take(depth.saturating_sub(2)).any(|one| !is_own(one));
    copies_others && rustix::fs::access(path, Access::WRITE_OK).is_ok()
}

fn names(path: &Path) -> Result<Vec<OsString>, Error> {
    let entries = std::fs::read_dir(path).and_then(|dir| dir.map(|entry| Ok(entry?.file_name())).collect());
    entries.map_err(|e| failed("read directory", path, Errno::from_io_error(&e).unwrap_or(Errno::IO)))
}

fn copy_link(root: BorrowedFd<'_>, path: &Path) -> Result<(), Error> {
    let to =
        rustix::fs::readlinkat(CWD, path, Vec::new()).map_err(|errno| failed("read link", path, errno))?;
    let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
        return Ok(());
    };
    let parent = Target::in_root(root, parent)?;
    rustix::fs::symlinkat(to, &parent, name).map_err(|errno| failed("create link", path, errno))
}
