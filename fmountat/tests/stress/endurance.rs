// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Repeats each operation, and runs many at once while calls fail: memory, descriptors, threads,
//! mounts and loop devices do not grow.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use crate::common::{bind, file, tmpfs};
use fmountat::{Mount, Mounter, Plan, Target, Unmount};
use fmountat_testing::{
    Snapshot, filter, in_own_namespace, loop_devices, mkdirs, mount_table, scratch, times, write,
};
use rustix::fs::CWD;
use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// Kilobytes that are resident.
fn resident() -> usize {
    let status = fmountat_testing::read("/proc/self/status");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

/// Returns a set of an overlay, a tmpfs, a bind and a directory that is made.
fn set() -> Vec<Mount> {
    let layers = format!("lowerdir={0}/l1:{0}/l2,upperdir={0}/up,workdir={0}/work", scratch().display());
    vec![
        Mount::new("overlay", "overlay").option(layers),
        tmpfs().at("tmp").option("X-mount.mkdir,nosuid"),
        bind("l1", "bind,ro").at("bound").option("X-mount.mkdir"),
    ]
}

/// Uses memory only: unmounting an overlay writes back everything dirty on its upper's file system.
fn furnish() {
    fmountat::fmountat(CWD, "tmpfs", scratch(), "tmpfs", fmountat::MountFlags::empty(), "").unwrap();
    mkdirs(scratch(), &["t", "up", "work", "l2"]);
    write(file("l1/file"), "x");
}

fn state() -> (Snapshot, usize, usize) {
    (Snapshot::take(), mount_table().len(), loop_devices(&scratch()).len())
}

/// The permitted growth while the allocator and the kernel's tables warm up.
const SLACK: usize = 4096;

/// The calls that the filters make fail, one call per filter.
const CALLS: [libc::c_long; 12] = [
    libc::SYS_openat,
    libc::SYS_openat2,
    libc::SYS_statx,
    libc::SYS_fsopen,
    libc::SYS_fsconfig,
    libc::SYS_fsmount,
    libc::SYS_open_tree,
    libc::SYS_move_mount,
    libc::SYS_mount_setattr,
    libc::SYS_mkdirat,
    libc::SYS_umount2,
    libc::SYS_fstatfs,
];
const ERRNOS: [i32; 4] = [libc::ENOMEM, libc::EIO, libc::EMFILE, libc::ENOSYS];

fmountat_testing::cases! {
    /// Apply and unmount; the second half of the cycles needs no more memory than the first had.
    fn cycles_are_flat() needs [] {
        furnish();
        let (plan, mounter) = (Plan::new(set()).unwrap(), Mounter::detached());
        let cycle = || {
            let target = Target::open(CWD, file("t")).unwrap();
            mounter.apply(CWD, &plan, &target).unwrap();
            drop(target);
            Unmount::new().recursive(true).run(file("t")).unwrap();
        };
        let rounds = times(400, 100_000);
        (0..rounds / 4).for_each(|_| cycle());
        let (before, memory, start) = (state(), resident(), Instant::now());
        (0..rounds - rounds / 4).for_each(|_| cycle());
        let after = resident();
        println!("counted: {rounds} cycles in {:?}, {memory} kB resident, then {after} kB", start.elapsed());
        assert!(after < memory + SLACK, "{memory} kB have become {after} kB");
        assert_eq!((mount_table().len(), loop_devices(&scratch()).len()), (before.1, before.2));
        before.0.assert_unchanged();
    }

    /// Threads mount at the same time in namespaces of their own, each with another failing call.
    fn many_threads_under_faults_are_flat() needs [] {
        furnish();
        for number in 0..64 {
            mkdirs(scratch(), &[&format!("of{number}/up"), &format!("of{number}/work"), &format!("of{number}/t")]);
        }
        let (failed, done) = (Mutex::new(BTreeMap::new()), AtomicUsize::new(0));
        let one = |thread: usize, round: usize| {
            let home = file(&format!("of{thread}"));
            let layers = format!(
                "lowerdir={0}/l1:{0}/l2,upperdir={1}/up,workdir={1}/work",
                scratch().display(),
                home.display()
            );
            let mut mounts = set();
            mounts[0] = Mount::new("overlay", "overlay").option(layers);
            in_own_namespace(|| {
                let (mounter, before) = (Mounter::detached(), mount_table().len());
                let at = thread + round;
                filter::errno_on(&[CALLS[at % CALLS.len()]], ERRNOS[at / CALLS.len() % ERRNOS.len()].unsigned_abs());
                let applied = Target::open(CWD, home.join("t"))
                    .and_then(|target| mounter.apply(CWD, &Plan::new(&mounts)?, &target));
                match applied {
                    Ok(_) => {
                        done.fetch_add(1, Ordering::Relaxed);
                        let _ = Unmount::new().recursive(true).timeout(Duration::ZERO).run(home.join("t"));
                    }
                    Err(error) => {
                        *failed.lock().unwrap().entry(format!("{}: {error}", error.step())).or_insert(0) += 1;
                        // The harness reads the table by openat(2) too.
                        if CALLS[at % CALLS.len()] != libc::SYS_openat && CALLS[at % CALLS.len()] != libc::SYS_umount2 {
                            assert_eq!(mount_table().len(), before, "{at}: something is left");
                        }
                    }
                }
            });
        };
        let round = |round: usize| {
            std::thread::scope(|scope| {
                for thread in 0..64 {
                    let one = &one;
                    scope.spawn(move || one(thread, round));
                }
            });
        };
        // The library and rustix (statx) probe the kernel once per process: not on a thread with a
        // filter.
        Target::open(CWD, file("t")).unwrap();
        let before = state();
        round(0);
        let (memory, start) = (resident(), Instant::now());
        let limit = Duration::from_secs(u64::try_from(times(2, 600)).unwrap());
        let mut rounds = 1;
        while start.elapsed() < limit {
            round(rounds);
            rounds += 1;
        }
        let (after, failed, done) = (resident(), failed.into_inner().unwrap(), done.into_inner());
        let faults: usize = failed.values().sum();
        println!("counted: 64 threads, {rounds} rounds in {:?}: {done} sets mounted, {faults} failed; {memory} kB, then {after} kB", start.elapsed());
        assert!(faults > 0 && done > 0, "{failed:#?}");
        assert!(after < memory + 4 * SLACK, "{memory} kB have become {after} kB");
        assert_eq!((mount_table().len(), loop_devices(&scratch()).len()), (before.1, before.2));
        before.0.assert_unchanged();
    }
}
