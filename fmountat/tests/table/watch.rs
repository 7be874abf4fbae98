// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Tests [`Watch`] with both strategies: the events of mounts and unmounts, and the recovery after
//! an overflow.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use fmountat::mountinfo::MountEntry;
use fmountat::table::{Fields, MountAction, MountEvent, TableReader, TableStrategy, Watch};
use fmountat::{MountId, Target, Tree};
use fmountat_testing::filter::errno_on;
use fmountat_testing::{mkdirs, scratch};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::CWD;
use rustix::mount::{MountFlags, UnmountFlags, mount, mount_move, mount_remount, unmount};
use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::time::Duration;

const STRATEGIES: [TableStrategy; 2] = [TableStrategy::Statmount, TableStrategy::Mountinfo];

fn file(path: impl AsRef<Path>) -> PathBuf {
    scratch().join(path)
}

fn tmpfs(source: &str, at: &str) {
    mkdirs(scratch(), &[at]);
    mount(source, file(at), "tmpfs", MountFlags::empty(), None).unwrap();
}

fn watch(strategy: TableStrategy) -> Watch {
    let watch = Watch::of(TableReader::here().strategy(strategy)).unwrap();
    assert_eq!(watch.strategy(), strategy);
    watch
}

fn pending_events(watch: &mut Watch) -> Vec<MountEvent> {
    std::iter::from_fn(|| watch.next().unwrap()).collect()
}

/// Formats each event as `ACTION SOURCE TARGET`. The target is relative to the scratch directory.
fn event_texts(events: &[MountEvent]) -> Vec<String> {
    let word = |event: &MountEvent| {
        let of = |entry: &Option<MountEntry>| {
            entry.as_ref().map_or(String::from("?"), |entry| {
                let target = entry.target.strip_prefix(scratch()).unwrap_or(&entry.target);
                format!("{} {}", entry.source.to_string_lossy(), target.display())
            })
        };
        match &event.before {
            Some(_) => format!("{} {} from {}", event.action, of(&event.entry), of(&event.before)),
            None if event.id.is_none() => event.action.to_string(),
            None => format!("{} {}", event.action, of(&event.entry)),
        }
    };
    events.iter().map(word).collect()
}

type MountsById = BTreeMap<MountId, (PathBuf, std::ffi::OsString)>;

fn by_id<'a>(mounts: impl Iterator<Item = &'a MountEntry>) -> MountsById {
    mounts.map(|entry| (entry.mount_id(), (entry.target.clone(), entry.source.clone()))).collect()
}

fn table_now(strategy: TableStrategy) -> MountsById {
    let table = TableReader::here()
        .fields(Fields::MOUNTINFO - Fields::PROPAGATE_FROM)
        .strategy(strategy)
        .read()
        .unwrap();
    let entries: Vec<_> = table.iter().map(|entry| entry.to_entry()).collect();
    by_id(entries.iter())
}

fn is_readable(watch: &Watch) -> bool {
    let now = Timespec { tv_sec: 0, tv_nsec: 0 };
    poll(&mut [PollFd::new(watch, PollFlags::IN)], Some(&now)).unwrap() > 0
}

fmountat_testing::cases! {
    /// Checks what each event is, in order, with fanotify and with mountinfo. The descriptor is
    /// readable when there is an event.
    fn each_event_says_what_it_is() needs [Kernel(6, 15), Statmount] {
        mkdirs(scratch(), &["moved"]);
        tmpfs("before", "before");
        for strategy in STRATEGIES {
            let mut watch = watch(strategy);
            assert!(watch.next().unwrap().is_none() && !is_readable(&watch));
            assert!(!watch.wait(Some(Duration::from_millis(1))).unwrap());
            let mut seen = Vec::new();
            let mut check_events = |watch: &mut Watch| {
                // mountinfo reports a change once: either to our poll(2) or to `wait`, so they take
                // turns.
                let is_ready = if strategy == TableStrategy::Statmount || seen.len() % 2 == 0 { is_readable(watch) } else { watch.wait(None).unwrap() };
                assert!(is_ready, "{strategy}");
                seen.extend(event_texts(&pending_events(watch)));
                assert!(!watch.wait(Some(Duration::from_millis(1))).unwrap());
                assert_eq!(by_id(watch.mounts()), table_now(strategy));
            };
            tmpfs("one", "t");
            check_events(&mut watch);
            tmpfs("two", "t");
            tmpfs("in", "t/in");
            check_events(&mut watch);
            mount_move(file("t"), file("moved")).unwrap();
            check_events(&mut watch);
            unmount(file("moved"), UnmountFlags::DETACH).unwrap();
            unmount(file("t"), UnmountFlags::empty()).unwrap();
            check_events(&mut watch);
            let moved_inside = if strategy == TableStrategy::Mountinfo { vec!["move in moved/in from in t/in"] } else { vec![] };
            let mut want = vec!["mount one t", "mount two t", "mount in t/in", "move two moved from two t"];
            want.extend(moved_inside);
            let (tail, rest): (Vec<_>, Vec<_>) = seen.split_at(want.len()).1.iter().cloned().partition(|w| w.starts_with("umount"));
            assert_eq!((&seen[..want.len()], rest.len()), (&want.iter().map(|w| (*w).to_owned()).collect::<Vec<_>>()[..], 0));
            let mut tail: Vec<_> = tail;
            tail.sort();
            assert_eq!(tail, ["umount in moved/in", "umount one t", "umount two moved"]);
        }
    }

    /// The publication of a set is reported as one event per mount. A detached tree causes no
    /// event. Only mountinfo reports a changed option.
    fn sets_and_remounts() needs [Kernel(6, 15), Statmount] {
        tmpfs("set", "set");
        tmpfs("in", "set/in");
        mkdirs(scratch(), &["t"]);
        for strategy in STRATEGIES {
            let mut watch = watch(strategy);
            let tree = Tree::clone_of(CWD, file("set"), true).unwrap();
            assert!(pending_events(&mut watch).is_empty());
            drop(tree.attach(&Target::open(CWD, file("t")).unwrap()).unwrap());
            assert_eq!(event_texts(&pending_events(&mut watch)), ["mount set t", "mount in t/in"]);
            mount_remount(file("t"), MountFlags::BIND | MountFlags::NOSUID, "").unwrap();
            let want: &[&str] = if strategy == TableStrategy::Mountinfo { &["remount set t from set t"] } else { &[] };
            assert_eq!(event_texts(&pending_events(&mut watch)), want);
            unmount(file("t"), UnmountFlags::DETACH).unwrap();
            let mut gone = event_texts(&pending_events(&mut watch));
            gone.sort();
            assert_eq!(gone, ["umount in t/in", "umount set t"]);
        }
    }

    /// Watch reports a mount without details if the mount was removed before watch could query it.
    /// For a mount that existed at the start, watch kept the details.
    fn gone_already() needs [Kernel(6, 15), Statmount] {
        tmpfs("old", "old");
        let mut watch = watch(TableStrategy::Statmount);
        unmount(file("old"), UnmountFlags::empty()).unwrap();
        tmpfs("short", "short");
        unmount(file("short"), UnmountFlags::empty()).unwrap();
        let events = pending_events(&mut watch);
        assert_eq!(event_texts(&events), ["umount old old", "mount ?", "umount ?"]);
        assert!(events.iter().all(|event| event.id.is_some()));
        assert_eq!(by_id(watch.mounts()), table_now(TableStrategy::Statmount));
    }

    /// Watch reports each of 10,000 mounts and unmounts, made in bursts, as one event. A mount's
    /// two events have the same id and the right order.
    fn every_event_of_bursts() needs [Kernel(6, 15), Statmount] {
        let mut watch = watch(TableStrategy::Statmount);
        let mut balance: HashMap<MountId, i32> = HashMap::new();
        let (mut mounts, mut umounts) = (0, 0);
        for burst in 0..50 {
            for n in 0..200 {
                tmpfs("burst", &format!("b/{n}"));
            }
            // In every second burst, watch reads no event before the mounts are removed.
            let events = if burst % 2 == 0 { pending_events(&mut watch) } else { Vec::new() };
            for n in 0..200 {
                unmount(file(format!("b/{n}")), UnmountFlags::DETACH).unwrap();
            }
            for event in events.into_iter().chain(pending_events(&mut watch)) {
                let step = match event.action {
                    MountAction::Mount => 1,
                    MountAction::Umount => -1,
                    other => panic!("{other}"),
                };
                mounts += i32::from(step == 1);
                umounts += i32::from(step == -1);
                let now = balance.entry(event.id.unwrap()).or_default();
                *now += step;
                assert!((0..=1).contains(now), "out of order");
                assert!(burst % 2 == 1 || event.entry.unwrap().source == "burst");
            }
        }
        assert_eq!((mounts, umounts), (10_000, 10_000));
        assert!(balance.values().all(|left| *left == 0));
        assert_eq!(by_id(watch.mounts()), table_now(TableStrategy::Statmount));
        println!("counted: {mounts} mounts and {umounts} unmounts in bursts, every one an event");
    }

    /// After more events than the kernel queues, watch reports the overflow and then the
    /// differences to its list of mounts. After that, the list is correct.
    fn an_overflow_is_reported_and_made_good() needs [Kernel(6, 15), Statmount] {
        tmpfs("old", "old");
        let mut watch = watch(TableStrategy::Statmount);
        for n in 0..10_000 {
            let at = format!("b/{}", n % 100);
            tmpfs("burst", &at);
            unmount(file(at), UnmountFlags::DETACH).unwrap();
        }
        tmpfs("new", "new");
        unmount(file("old"), UnmountFlags::empty()).unwrap();
        let events = pending_events(&mut watch);
        let place = |action| events.iter().position(|event| event.action == action).unwrap();
        let reported = event_texts(&events[place(MountAction::Overflow)..=place(MountAction::Resync)]);
        for want in ["overflow", "mount new new", "umount old old", "resync"] {
            assert!(reported.contains(&want.to_owned()), "{want}");
        }
        assert_eq!(by_id(watch.mounts()), table_now(TableStrategy::Statmount));
        // Later events follow as before.
        tmpfs("later", "later");
        assert_eq!(event_texts(&pending_events(&mut watch)), ["mount later later"]);
        let before = place(MountAction::Overflow);
        println!("counted: {before} events, then an overflow and {} to make it good", reported.len());
    }

    /// With mountinfo, the list of mounts is correct after each burst.
    fn bursts_by_mountinfo() needs [] {
        let mut watch = watch(TableStrategy::Mountinfo);
        for burst in 0..20 {
            for n in 0..100 {
                tmpfs("burst", &format!("b/{n}"));
            }
            assert_eq!(pending_events(&mut watch).iter().filter(|event| event.action == MountAction::Mount).count(), 100);
            for n in (0..100).filter(|n| n % 20 != burst) {
                unmount(file(format!("b/{n}")), UnmountFlags::DETACH).unwrap();
            }
            assert!(watch.wait(Some(Duration::from_secs(5))).unwrap());
            assert_eq!(pending_events(&mut watch).len(), 95);
            assert_eq!(by_id(watch.mounts()), table_now(TableStrategy::Mountinfo));
        }
    }

    /// A caller that may not call statmount(2), as under podman's profile, watches mountinfo:
    /// fanotify reports only the id of a mount.
    fn without_statmount() needs [] {
        errno_on(&[457, 458], libc::ENOSYS as u32);
        let mut watch = Watch::of(TableReader::here()).unwrap();
        assert_eq!(watch.strategy(), TableStrategy::Mountinfo);
        tmpfs("one", "t");
        assert_eq!(event_texts(&pending_events(&mut watch)), ["mount one t"]);
        assert!(Watch::of(TableReader::here().strategy(TableStrategy::Statmount)).is_err());
        unmount(file("t"), UnmountFlags::empty()).unwrap();
    }

    /// Watch uses mountinfo if fanotify cannot report mounts, or is forbidden.
    fn without_fanotify() needs [] {
        for errno in [libc::ENOSYS, libc::EPERM, libc::EINVAL] {
            std::thread::scope(|scope| {
                scope.spawn(|| {
                    errno_on(&[libc::SYS_fanotify_init], errno.try_into().unwrap());
                    let mut watch = Watch::of(TableReader::here()).unwrap();
                    assert_eq!(watch.strategy(), TableStrategy::Mountinfo);
                    tmpfs("one", "t");
                    assert_eq!(event_texts(&pending_events(&mut watch)), ["mount one t"]);
                    unmount(file("t"), UnmountFlags::empty()).unwrap();
                    assert!(Watch::of(TableReader::here().strategy(TableStrategy::Statmount)).is_err());
                });
            });
        }
    }
}
