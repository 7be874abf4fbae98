// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Takes snapshots at a thousand mounts and unmounts per second: no permanent mount is ever
//! missing, with either strategy.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use fmountat::Tree;
use fmountat::mountinfo::MountinfoId;
use fmountat::table::{Fields, Table, TableReader, TableStrategy, find};
use fmountat_testing::{mkdirs, scratch, times};
use rustix::fs::CWD;
use rustix::mount::{MountFlags, UnmountFlags, mount, mount_bind, mount_move, unmount};
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// Mounts that stay: enough for the kernel to give the table in many parts.
const STABLE: usize = 250;

fn file(path: impl AsRef<std::path::Path>) -> PathBuf {
    scratch().join(path)
}

fn tmpfs(at: &str) {
    mkdirs(scratch(), &[at]);
    mount("churn", file(at), "tmpfs", MountFlags::empty(), None).unwrap();
}

/// Every second one will go: so that readers stop at mounts that are gone when they come back.
fn furnish() {
    for n in 0..STABLE {
        tmpfs(&format!("kept/{n}"));
        tmpfs(&format!("removed/{n}"));
        if n % 10 == 0 {
            tmpfs(&format!("kept/{n}/deeper"));
        }
    }
    mkdirs(scratch(), &["tree/a", "tree/b"]);
}

/// Mounts and unmounts until `stop` is set, and counts both.
fn churn(name: &str, stop: &AtomicBool, changes: &AtomicUsize) {
    let one = |n: usize| {
        let at = format!("{name}/added/{}", n % 32);
        tmpfs(&at);
        // Sometimes another mount is on it, which a lazy unmount removes too.
        let flags = if n % 4 == 0 {
            tmpfs(&format!("{at}/on"));
            UnmountFlags::DETACH
        } else {
            UnmountFlags::empty()
        };
        unmount(file(&at), flags).unwrap();
        changes.fetch_add(2 + 2 * usize::from(n % 4 == 0), Ordering::Relaxed);
    };
    let own = |at: &str| format!("{name}/{at}");
    mkdirs(scratch(), &[&own("published")]);
    // Which of the two takes one away does not matter.
    let mut n = 0;
    while !stop.load(Ordering::Relaxed) {
        if n < STABLE {
            let _ = unmount(file(format!("removed/{n}")), UnmountFlags::empty());
        }
        one(n);
        // A tree whose mounts are older than some made later, and a mount that moves onto a newer
        // one.
        let tree = Tree::clone_of(CWD, file("tree"), true).unwrap();
        one(n + 1);
        drop(tree.attach(&fmountat::Target::open(CWD, file(own("published"))).unwrap()).unwrap());
        unmount(file(own("published")), UnmountFlags::DETACH).unwrap();
        tmpfs(&own("here"));
        tmpfs(&own("there"));
        mkdirs(file(own("there")), &["on"]);
        mount_move(file(own("here")), file(own("there/on"))).unwrap();
        unmount(file(own("there")), UnmountFlags::DETACH).unwrap();
        changes.fetch_add(10, Ordering::Relaxed);
        n += 2;
    }
}

/// Returns the permanent mounts: parents and targets by the id of mountinfo, which both strategies
/// have.
fn stable(table: &Table) -> HashMap<MountinfoId, (MountinfoId, PathBuf)> {
    let kept = table.iter().filter(|entry| entry.target().starts_with(file("kept")));
    kept.map(|entry| (entry.mountinfo_id(), (entry.parent_mountinfo_id(), entry.target().to_owned())))
        .collect()
}

fn snapshots(strategy: TableStrategy, fields: Fields, rounds: usize) {
    furnish();
    mount_bind(file("tree/a"), file("tree/a")).unwrap();
    mount_bind(file("tree/b"), file("tree/b")).unwrap();
    let mut reader = TableReader::here().fields(fields).strategy(strategy);
    let want = stable(&reader.read().unwrap());
    assert_eq!(want.len(), STABLE + STABLE / 10);
    let (stop, changes) = (AtomicBool::new(false), AtomicUsize::new(0));
    let start = Instant::now();
    std::thread::scope(|scope| {
        for name in ["x", "y"] {
            let (stop, changes) = (&stop, &changes);
            scope.spawn(move || churn(name, stop, changes));
        }
        let checked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            for round in 0..rounds {
                let table = reader.read().unwrap();
                let mut got = stable(&table);
                got.retain(|id, _| want.contains_key(id));
                assert_eq!(got, want, "snapshot {round}");
                assert_eq!(
                    table.roots().count(),
                    1,
                    "a mount without its parent: {:?}",
                    table.roots().last()
                );
                assert_eq!(table.walk().count(), table.len());
            }
        }));
        stop.store(true, Ordering::Relaxed);
        checked.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
    });
    let seconds = start.elapsed().as_secs_f64();
    let rate = changes.load(Ordering::Relaxed) as f64 / seconds;
    println!(
        "counted: {rounds} snapshots by {strategy}, {rate:.0} mounts and unmounts a second: none of {} missing",
        want.len()
    );
    // What is promised is shown by the full proof; a busy machine does less.
    assert!(rate > times(100, 1_000) as f64, "the churn was too slow to show anything: {rate}");
}

fmountat_testing::cases! {
    /// listmount and statmount.
    fn no_stable_mount_is_missing_by_statmount() needs [Kernel(6, 15), Statmount] {
        snapshots(TableStrategy::Statmount, Fields::MOUNTINFO, times(300, 10_000));
    }

    /// mountinfo, in parts.
    fn no_stable_mount_is_missing_by_mountinfo() needs [] {
        snapshots(TableStrategy::Mountinfo, Fields::MOUNTINFO, times(300, 10_000));
    }

    /// The strategy that is chosen, with the fields that a list shows.
    fn no_stable_mount_is_missing_by_choice() needs [] {
        snapshots(TableStrategy::Auto, Fields::LIST, times(300, 10_000));
    }

    /// Paths are found on their mounts all the while.
    fn find_finds() needs [] {
        furnish();
        let (stop, changes) = (AtomicBool::new(false), AtomicUsize::new(0));
        let end = Instant::now() + Duration::from_secs(times(1, 10) as u64);
        std::thread::scope(|scope| {
            for name in ["x", "y"] {
            let (stop, changes) = (&stop, &changes);
            scope.spawn(move || churn(name, stop, changes));
        }
            let checked = std::panic::catch_unwind(|| {
                for n in (0..STABLE).cycle().take_while(|_| Instant::now() < end) {
                    let target = file(format!("kept/{n}"));
                    assert_eq!(find(CWD, &target).unwrap().target, target);
                }
            });
            stop.store(true, Ordering::Relaxed);
            checked.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        });
    }
}
