// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The mount table shows the layers of an overlay by whole host paths, however the overlay is
//! created.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use crate::common::{tmpfs, unmount_all};
use fmountat::kernel::Features;
use fmountat::overlay::{Layer, Overlay};
use fmountat::{Mount, MountAttr, Mounter, Plan, Target};
use fmountat_testing::events_of;
use fmountat_testing::{mkdirs, mount_table, read, scratch, write};
use rustix::fs::CWD;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// More mounts than the private namespace needs to be worth it.
const CROWD: usize = 1100;

/// More overlays of three layers than are created before the namespace is.
const ROUNDS: usize = 90;

fn file(path: &str) -> PathBuf {
    scratch().join(path)
}

fn target(path: &str) -> Target {
    Target::open(CWD, file(path)).unwrap()
}

/// Two file systems with layers, a link to one, and so many mounts on the first.
fn layers(child_mounts: usize) {
    mkdirs(scratch(), &["one", "two", "t"]);
    for at in ["one", "two"] {
        Mounter::detached().apply(CWD, &Plan::new(&[tmpfs()]).unwrap(), &target(at)).unwrap();
    }
    mkdirs(
        scratch(),
        &[
            "one/a/lower",
            "one/b/lower",
            "one/a/upper",
            "one/a/work",
            "one/m",
            "two/lower",
            "two/upper",
            "two/work",
        ],
    );
    for layer in ["one/a/lower", "one/b/lower", "two/lower"] {
        write(file(layer).join("who"), layer);
    }
    symlink("one/a", file("link")).unwrap();
    for n in 0..child_mounts {
        let at = format!("one/m/{n}");
        std::fs::create_dir(file(&at)).unwrap();
        Mounter::detached().apply(CWD, &Plan::new(&[tmpfs()]).unwrap(), &target(&at)).unwrap();
    }
}

fn unmount_layers() {
    unmount_all("one");
    unmount_all("two");
}

/// Returns the layers of the overlay on `t` in the mount table, uppermost first, then upper and
/// work.
fn shown() -> Vec<PathBuf> {
    let line = mount_table().into_iter().find(|line| line.point == file("t")).unwrap();
    let mut shown = Vec::new();
    for option in line.superblock.split(',') {
        let Some((key, value)) = option.split_once('=') else { continue };
        match key {
            "lowerdir" => shown.extend(value.split(':').map(PathBuf::from)),
            "lowerdir+" | "upperdir" | "workdir" => shown.push(PathBuf::from(value)),
            _ => {}
        }
    }
    shown
}

fn inode(path: &Path) -> (u64, u64) {
    let meta = std::fs::metadata(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    (meta.dev(), meta.ino())
}

/// Fails unless the table shows these layers of the scratch directory by absolute paths.
fn check(want: &[&str], strategy: &str) {
    let shown = shown();
    assert_eq!(shown.len(), want.len(), "{strategy}: {shown:?}");
    for (shown, want) in shown.iter().zip(want) {
        assert!(shown.is_absolute(), "{strategy}: {shown:?}");
        assert_eq!(inode(shown), inode(&file(want)), "{strategy}: {shown:?} is not {want}");
    }
    assert_eq!(read(file("t/who")), want[0].replace("link", "one/a"), "{strategy}");
}

fn descriptor(path: &str) -> Layer {
    Layer::Fd(Arc::new(std::fs::File::open(file(path)).unwrap().into()))
}

type Row = (&'static str, fn() -> Overlay, &'static [&'static str]);

const ROWS: [Row; 6] = [
    (
        "absolute",
        || Overlay::new().lower(file("one/a/lower")).lower(file("one/b/lower")),
        &["one/a/lower", "one/b/lower"],
    ),
    (
        "relative",
        || Overlay::new().lower("one/a/lower").lower("one/b/lower"),
        &["one/a/lower", "one/b/lower"],
    ),
    (
        "written to",
        || Overlay::new().lower("one/a/lower").upper("one/a/upper", "one/a/work"),
        &["one/a/lower", "one/a/upper", "one/a/work"],
    ),
    (
        "several file systems",
        || Overlay::new().lower("one/a/lower").lower("two/lower").upper("two/upper", "two/work"),
        &["one/a/lower", "two/lower", "two/upper", "two/work"],
    ),
    (
        "a link on the way",
        || Overlay::new().lower("link/lower").lower("one/b/lower"),
        &["link/lower", "one/b/lower"],
    ),
    (
        "descriptors",
        || Overlay::new().lower(descriptor("one/a/lower")).lower(descriptor("two/lower")),
        &["one/a/lower", "two/lower"],
    ),
];

fn without_descriptors() -> Mounter {
    let mut features = Features::get();
    features.overlay_layer_fds = false;
    Mounter::with(features, None)
}

fmountat_testing::cases! {
    fn whole_host_paths() needs [Kernel(6, 7)] {
        layers(0);
        let dir = std::fs::File::open(scratch()).unwrap();
        for (strategy, mounter) in [("descriptors", Mounter::detached()), ("paths", without_descriptors()), ("worker", Mounter::new().unwrap())] {
            for (row, overlay, want) in ROWS {
                mounter.overlay(&dir, &overlay(), file("t")).unwrap();
                check(want, &format!("{row} by {strategy}"));
                unmount_all("t");
            }
        }
        unmount_layers();
    }

    /// On a crowded host the overlay is created in the private mount namespace, and the table shows
    /// the same.
    fn whole_host_paths_on_a_crowded_host() needs [Kernel(6, 8)] {
        layers(CROWD);
        let dir = std::fs::File::open(scratch()).unwrap();
        for (strategy, mounter) in [("descriptors", Mounter::detached()), ("paths", without_descriptors()), ("worker", Mounter::new().unwrap())] {
            let ((), events) = events_of(&["strategy operation=\"create an overlay\"", "fallback"], || {
                for round in 0..ROUNDS {
                    let (row, overlay, want) = ROWS[round % ROWS.len()];
                    mounter.overlay(&dir, &overlay(), file("t")).unwrap();
                    check(want, &format!("{row} by {strategy}, round {round}"));
                    unmount_all("t");
                }
            });
            let is_in_namespace = |event: &&String| event.contains("in the private mount namespace");
            // The others came before the namespace was worth its cost.
            assert!(events.iter().filter(is_in_namespace).count() > 10, "{strategy}: {events:?}");
            assert!(!events.iter().any(|event| event.starts_with("fallback")), "{strategy}: {events:?}");
        }
        unmount_layers();
    }

    /// The layers of an overlay with mapped owners.
    fn whole_host_paths_of_mapped_layers() needs [Kernel(6, 7), Root] {
        layers(0);
        let options = "uidmap=0:100000:1000,gidmap=0:100000:1000,lowerdir=one/a/lower:two/lower,upperdir=two/upper,workdir=two/work";
        let plan = Plan::new(&[Mount::new("overlay", "overlay").option(options)]).unwrap();
        let dir = std::fs::File::open(scratch()).unwrap();
        for (strategy, mounter) in [("descriptors", Mounter::detached()), ("paths", without_descriptors())] {
            let before = mount_table().len();
            mounter.apply(&dir, &plan, &target("t")).unwrap();
            check(&["one/a/lower", "two/lower", "two/upper", "two/work"], strategy);
            assert_eq!((std::fs::metadata(file("t/who")).unwrap().uid(), mount_table().len()), (100_000, before + 1));
            unmount_all("t");
        }
        unmount_layers();
    }

    /// The namespace keeps no mount of the host busy, and no file system after the handle is
    /// dropped.
    fn the_namespace_keeps_no_mount_busy() needs [Kernel(6, 8)] {
        layers(CROWD);
        let dir = std::fs::File::open(scratch()).unwrap();
        let mounter = Mounter::detached();
        for _ in 0..ROUNDS {
            let overlay = Overlay::new().lower("one/a/lower").lower("two/lower").lower("one/b/lower");
            drop(mounter.overlay_tree(&dir, &overlay, &MountAttr::default()).unwrap());
        }
        unmount_layers();
        drop(mounter);
    }
}
