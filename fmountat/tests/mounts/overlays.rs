// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Tests valid and invalid overlays with every strategy, from one table. A refused overlay changes
//! nothing, and the error names the option.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod predicted;
mod rows;

use crate::views;
use fmountat::call::PrivateCwd;
use fmountat::kernel::Features;
use fmountat::overlay::Overlay;
use fmountat::{ErrorKind, MountAttr, Mounter, Target};
use fmountat_testing::{is_real_root, mkdirs, mounts_below, read, scratch, write};
use rows::{Expect, Row, rows};
use rustix::fs::CWD;
use rustix::mount::{UnmountFlags, unmount};
use std::ffi::OsString;
use std::fmt::Write as _;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// Returns every strategy to mount an overlay, by name.
fn strategies() -> Vec<(&'static str, Mounter)> {
    let mut by_names = Features::get();
    by_names.overlay_layer_fds = false;
    vec![
        ("detached, layers as descriptors", Mounter::detached()),
        ("detached, layers as strings", Mounter::with(by_names, None)),
        ("mount(2) from a child", Mounter::with(Features::get(), Some(PrivateCwd::child()))),
        ("mount(2) from a worker", Mounter::new().unwrap()),
    ]
}

/// Names, types and modes of everything below a directory, except in `w/work`.
fn listing(dir: &Path) -> Vec<String> {
    let mut lines = Vec::new();
    let mut stack: Vec<PathBuf> = vec![dir.to_owned()];
    while let Some(at) = stack.pop() {
        let Ok(entries) = std::fs::read_dir(&at) else { continue };
        for entry in entries.map(Result::unwrap) {
            let meta = entry.metadata().unwrap();
            if !entry.path().ends_with("w/work") {
                lines.push(format!("{:?} {:?}", entry.path(), meta.file_type()));
            }
            if meta.is_dir() && entry.path().components().count() < 64 {
                stack.push(entry.path());
            }
        }
    }
    lines.sort();
    lines
}

fn shown(name: &std::ffi::OsStr) -> String {
    fmountat::text::escape(name.as_bytes())
}

fn run_row(row: &Row, strategy: &str, mounter: &Mounter) -> String {
    let dir = scratch().join("row");
    std::fs::create_dir(&dir).unwrap();
    mkdirs(&dir, &["t", "l1", "l2", "u", "w"]);
    write(dir.join("l1/who"), "l1");
    std::env::set_current_dir(&dir).unwrap();
    let overlay = (row.make)(&dir);
    let before = listing(&dir);
    let done = mounter.overlay(CWD, &overlay, "t");
    let text = match (&row.expect, done) {
        (Expect::Mounts(file), Ok(())) => {
            assert_eq!(read(dir.join("t").join(file)), "l1", "{} by {strategy}", row.name);
            unmount("t", UnmountFlags::empty()).unwrap();
            String::from("mounts")
        }
        (Expect::Refused(kind, argument), Err(error)) => {
            assert_eq!(error.kind(), *kind, "{} by {strategy}: {error}", row.name);
            let named = error.argument().map(shown).unwrap_or_default();
            assert!(named.contains(argument), "{} by {strategy}: {argument} is not in {error}", row.name);
            assert_eq!(listing(&dir), before, "{} by {strategy} changed something", row.name);
            error.to_string().replace('\n', " ")
        }
        (_, done) => panic!("{} by {strategy}: {done:?}", row.name),
    };
    assert_eq!(mounts_below(dir.join("t")), Vec::<String>::new(), "{} by {strategy}", row.name);
    std::env::set_current_dir("/").unwrap();
    (row.clean)(&dir);
    remove(&dir);
    text
}

fn print_table() {
    on_tmpfs();
    let mut table = String::new();
    for row in rows() {
        let answers: Vec<String> =
            strategies().iter().map(|(strategy, mounter)| run_row(&row, strategy, mounter)).collect();
        writeln!(table, "{:34} {}", row.name, answers[0]).unwrap();
    }
    println!("{table}");
}

/// Deep paths are longer than a path may be, so each level is removed from its parent.
fn remove(dir: &Path) {
    let output = std::process::Command::new("rm").arg("-rf").arg(dir).output().unwrap();
    assert!(output.status.success(), "{output:?}");
}

pub(crate) fn file(path: &str) -> PathBuf {
    scratch().join(path)
}

pub(crate) fn on_tmpfs() {
    // One file system for all of it, that any user can have.
    fmountat::fmountat(CWD, "tmpfs", scratch(), "tmpfs", fmountat::MountFlags::empty(), "mode=755").unwrap();
}

/// Overlays layers that are mount points or lie behind symbolic links below a common directory. A
/// decoy lies where a link would lead in a clone of that directory.
fn layers_are_what_the_host_shows() {
    mkdirs(scratch(), &["base/1/fs", "base/2/fs", "elsewhere/fs", "base/elsewhere/fs", "u", "w", "base/t"]);
    write(file("base/1/fs/under"), "hidden by the mount");
    fmountat::fmountat(CWD, "tmpfs", file("base/1"), "tmpfs", fmountat::MountFlags::empty(), "").unwrap();
    write(file("base/1/fs/over"), "on the mount");
    write(file("elsewhere/fs/behind"), "the link");
    std::os::unix::fs::symlink("../elsewhere", file("base/3")).unwrap();
    std::os::unix::fs::symlink(file("elsewhere"), file("base/4")).unwrap();
    let dir = std::fs::File::open(file("base")).unwrap();
    for (strategy, mounter) in strategies() {
        for link in ["3/fs", "4/fs"] {
            let overlay = Overlay::new().lower("1/fs").lower("2/fs").lower(link);
            mounter.overlay(&dir, &overlay, "t").unwrap_or_else(|e| panic!("{strategy}: {e}"));
            assert_eq!(read(file("base/t/over")), "on the mount", "{strategy}");
            assert_eq!(read(file("base/t/behind")), "the link", "{strategy}");
            assert!(!file("base/t/under").exists(), "{strategy}");
            unmount(file("base/t"), UnmountFlags::empty()).unwrap();
        }
    }
}

fn opaque_names() -> [OsString; 7] {
    [&b"a,b"[..], b"a:b", b"a\\b", b"a\nb", b"a\xffb", b"a b", b"a\"b"]
        .map(|name| std::ffi::OsStr::from_bytes(name).to_owned())
}

fmountat_testing::cases! {
    /// Every row by every strategy: the same answer. The table is printed.
    fn table_of_what_mounts_and_what_is_refused() needs [Kernel(6, 7)] { print_table(); }

    /// The table in a user namespace, where overlays need `userxattr` and cannot have `index=on`.
    fn table_in_a_user_namespace() needs [Kernel(6, 7), User] { print_table(); }

    /// Valid overlays, and each kind of refused one: `explain` predicts the outcome of `apply`.
    fn explain_says_what_apply_does() needs [Kernel(6, 5), Filesystem("overlay")] { predicted::compare(); }

    /// The cases in a user namespace, where overlays need `userxattr`.
    fn explain_says_what_apply_does_in_a_user_namespace() needs [Kernel(6, 5), User, Filesystem("overlay")] { predicted::compare(); }

    /// The time that `explain` takes does not grow with the square of the mounts or layers.
    fn explaining_many_mounts_takes_its_time_once() needs [Filesystem("overlay"), SteadyTime, Kernel(6, 7)] { predicted::linear(); }

    /// The error names an unknown option, also before Linux 6.5, where the kernel does not name it.
    fn an_unknown_word_is_named() needs [] {
        on_tmpfs();
        mkdirs(scratch(), &["l", "u", "w", "t"]);
        for (strategy, mounter) in strategies() {
            let overlay = Overlay::new().lower(file("l")).upper(file("u"), file("w")).option("indx", "on");
            let error = mounter.overlay(CWD, &overlay, file("t")).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::UnknownOption, "{strategy}: {error}");
            assert_eq!(error.argument().unwrap(), "indx=on", "{strategy}");
        }
    }

    /// Odd names as lower, upper, work and target, by value and by escaped options.
    fn any_bytes_a_path_may_hold() needs [] {
        on_tmpfs();
        for name in opaque_names() {
            for (strategy, mounter) in strategies() {
                let dir = scratch().join(&name);
                mkdirs(&dir, &["lower", "low2", "upper", "work", "target"]);
                write(dir.join("lower/who"), "me");
                let relative = |part: &str| Path::new(&name).join(part);
                let fd = std::fs::File::open(scratch()).unwrap();
                let overlay = Overlay::new()
                    .lower(relative("lower"))
                    .lower(relative("low2"))
                    .upper(relative("upper"), relative("work"));
                mounter.overlay(&fd, &overlay, relative("target")).unwrap_or_else(|e| panic!("{name:?} by {strategy}: {e}"));
                write(dir.join("target/new"), "written");
                assert_eq!(read(dir.join("target/who")), "me");
                unmount(dir.join("target"), UnmountFlags::empty()).unwrap();
                assert_eq!(read(dir.join("upper/new")), "written");
                std::fs::remove_dir_all(&dir).unwrap();
            }
        }
    }

    /// Layers by descriptor, from directories that have no common path, mixed with paths.
    fn layers_by_descriptor() needs [] {
        on_tmpfs();
        mkdirs(scratch(), &["a", "b", "u", "w", "t"]);
        write(file("a/who"), "a");
        write(file("b/who"), "b");
        let open = |name: &str| {
            fmountat::overlay::Layer::Fd(std::sync::Arc::new(std::fs::File::open(file(name)).unwrap().into()))
        };
        for (strategy, mounter) in strategies() {
            let overlay = Overlay::new().lower(open("b")).lower(file("a")).upper(open("u"), open("w"));
            mounter.overlay(CWD, &overlay, file("t")).unwrap_or_else(|e| panic!("{strategy}: {e}"));
            assert_eq!(read(file("t/who")), "b");
            unmount(file("t"), UnmountFlags::empty()).unwrap();
        }
    }

    /// A layer that is a mount point below the common directory, or lies behind a symbolic link, is
    /// the one that the host shows.
    fn mounts_and_links_in_the_path_of_a_layer() needs [] {
        on_tmpfs();
        layers_are_what_the_host_shows();
    }

    /// Repeats the checks with overlays that are created in the private namespace.
    fn mounts_and_links_among_many_mounts() needs [] {
        on_tmpfs();
        views::add_child_mounts();
        layers_are_what_the_host_shows();
    }

    /// A handle keeps no mount busy, neither between mounts nor by its clones.
    fn a_handle_keeps_nothing_busy() needs [] {
        mkdirs(scratch(), &["fs"]);
        fmountat::fmountat(CWD, "tmpfs", file("fs"), "tmpfs", fmountat::MountFlags::empty(), "").unwrap();
        mkdirs(file("fs"), &["1", "2", "u", "w", "t"]);
        for (strategy, mounter) in strategies() {
            let overlay = Overlay::new().lower(file("fs/1")).upper(file("fs/u"), file("fs/w"));
            mounter.overlay(CWD, &overlay, file("fs/t")).unwrap();
            unmount(file("fs/t"), UnmountFlags::empty()).unwrap();
            let tree = mounter.overlay_tree(CWD, &overlay, &MountAttr::default()).unwrap();
            drop(tree);
            unmount(file("fs"), UnmountFlags::empty()).unwrap_or_else(|e| panic!("{strategy}: {e}"));
            fmountat::fmountat(CWD, "tmpfs", file("fs"), "tmpfs", fmountat::MountFlags::empty(), "").unwrap();
            mkdirs(file("fs"), &["1", "2", "u", "w", "t"]);
        }
    }

    /// With an unusable work directory the kernel would mount the overlay read-only: it is an
    /// error, and nothing remains mounted.
    fn no_overlay_is_read_only_without_being_asked() needs [] {
        on_tmpfs();
        mkdirs(scratch(), &["l", "fs", "t"]);
        fmountat::fmountat(CWD, "tmpfs", file("fs"), "tmpfs", fmountat::MountFlags::empty(), "").unwrap();
        mkdirs(file("fs"), &["u", "w/work/#1/deep/er"]);
        for (strategy, mounter) in strategies() {
            let overlay = Overlay::new().lower(file("l")).upper(file("fs/u"), file("fs/w"));
            let error = mounter.overlay(CWD, &overlay, file("t")).expect_err(strategy);
            assert_eq!(error.kind(), ErrorKind::WorkUnusable, "{strategy}: {error}");
            assert_eq!(mounts_below(file("t")), Vec::<String>::new(), "{strategy}");
        }
    }

    /// `volatile` leaves a mark; the next mount says so, and says what to do.
    fn a_volatile_mark_is_named() needs [] {
        on_tmpfs();
        mkdirs(scratch(), &["l", "u", "w", "t"]);
        let overlay = Overlay::new().lower(file("l")).upper(file("u"), file("w"));
        let mounter = Mounter::detached();
        mounter.overlay(CWD, &overlay.clone().flag("volatile"), file("t")).unwrap();
        unmount(file("t"), UnmountFlags::empty()).unwrap();
        let error = mounter.overlay(CWD, &overlay, file("t")).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::WorkUnusable, "{error}");
        assert!(error.hint().is_some());
    }

    /// The words of the file system take effect.
    fn words_reach_the_kernel() needs [Kernel(6, 6)] {
        on_tmpfs();
        mkdirs(scratch(), &["l", "l2", "u", "w", "t", "data"]);
        let table = || std::fs::read_to_string("/proc/self/mountinfo").unwrap();
        let plain = || Overlay::new().lower(file("l")).upper(file("u"), file("w"));
        let mut cases = vec![
            (plain().option("uuid", "null"), "uuid=null"),
            (plain().flag("volatile"), "volatile"),
            (plain().flag("userxattr"), "userxattr"),
        ];
        if is_real_root() {
            cases.push((plain().option("index", "on").option("xino", "on"), "index=on"));
            cases.push((plain().option("index", "on").option("nfs_export", "on"), "nfs_export=on"));
            cases.push((plain().option("metacopy", "on").option("redirect_dir", "on"), "metacopy=on"));
            cases.push((plain().option("metacopy", "on").option("verity", "on").data_only(file("data")), "verity=on"));
        }
        for (overlay, want) in cases {
            for (strategy, mounter) in strategies() {
                mounter.overlay(CWD, &overlay, file("t")).unwrap_or_else(|e| panic!("{want} by {strategy}: {e}"));
                assert!(table().contains(want), "{want} by {strategy}: {}", table());
                unmount(file("t"), UnmountFlags::empty()).unwrap();
                std::fs::remove_dir_all(file("u")).unwrap();
                remove(&file("w"));
                mkdirs(scratch(), &["u", "w"]);
            }
        }
    }

    /// In a user namespace, a directory above a lower one can be removed and made again, because
    /// `userxattr` is always set. (tmpfs supports user attributes since 6.6.)
    fn userxattr_is_given_where_it_is_needed() needs [User, Kernel(6, 6)] {
        on_tmpfs();
        mkdirs(scratch(), &["l/dir/sub", "u", "w", "t"]);
        for (strategy, mounter) in strategies() {
            let overlay = Overlay::new().lower(file("l")).upper(file("u"), file("w"));
            mounter.overlay(CWD, &overlay, file("t")).unwrap();
            std::fs::remove_dir_all(file("t/dir")).unwrap();
            std::fs::create_dir(file("t/dir")).unwrap_or_else(|e| panic!("{strategy}: {e}"));
            unmount(file("t"), UnmountFlags::empty()).unwrap();
            std::fs::remove_dir_all(file("u")).unwrap();
            remove(&file("w"));
            mkdirs(scratch(), &["u", "w"]);
        }
    }

    /// An overlay mounted on a descriptor lands there, wherever its directory has been renamed to.
    fn the_target_is_a_descriptor() needs [] {
        on_tmpfs();
        mkdirs(scratch(), &["l", "l2", "a/t"]);
        write(file("l/who"), "l");
        let target = Target::open(CWD, file("a/t")).unwrap();
        std::fs::rename(file("a"), file("b")).unwrap();
        mkdirs(scratch(), &["a/t"]);
        let overlay = Overlay::new().lower(file("l")).lower(file("l2"));
        let tree = Mounter::detached().overlay_tree(CWD, &overlay, &MountAttr::default()).unwrap();
        tree.attach(&target).unwrap();
        assert_eq!(read(file("b/t/who")), "l");
        assert!(!file("a/t/who").exists());
    }
}
