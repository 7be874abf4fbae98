// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Tests swaps: readers see one step, the kept copy undoes it, and an impossible swap is refused
//! before any change.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use crate::common::{self, bind, file, tmpfs, unmount_all};
use fmountat::call::FsContext;
use fmountat::{DetachedSet, ErrorKind, Mount, MountAttr, MountId, Mounter, Plan, Result, Target, Tree};
use fmountat_testing::{filter, in_own_namespace, mkdirs, mounts_below, read, scratch, times, write};
use rustix::fd::{AsFd, AsRawFd};
use rustix::fs::CWD;
use rustix::mount::{UnmountFlags, unmount};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

fn target() -> Target {
    Target::open(CWD, file("t")).unwrap()
}

fn build(mounts: &[Mount]) -> DetachedSet {
    Mounter::detached().build(CWD, &Plan::new(mounts).unwrap(), &target()).unwrap()
}

/// Returns a set of two mounts. Both hold the number of the set.
fn numbered(number: usize) -> DetachedSet {
    let built = build(&[tmpfs(), tmpfs().at("inner").option("X-mount.mkdir")]);
    let root = format!("/proc/self/fd/{}", built.root().as_raw_fd());
    for name in ["who", "inner/who"] {
        std::fs::write(format!("{root}/{name}"), number.to_string()).unwrap();
    }
    built
}

/// The observations of one reader.
#[derive(Default)]
struct Seen {
    reads: usize,
    missing: usize,
    backwards: usize,
}

fn reader(stop: &AtomicBool, reads: &AtomicUsize) -> Seen {
    let (mut seen, mut last) = (Seen::default(), 0);
    let names = [file("t/who"), file("t/inner/who")];
    while !stop.load(Ordering::Relaxed) {
        for name in &names {
            seen.reads += 1;
            reads.fetch_add(1, Ordering::Relaxed);
            match std::fs::read_to_string(name).ok().and_then(|text| text.parse::<usize>().ok()) {
                None => seen.missing += 1,
                Some(number) if number < last => seen.backwards += 1,
                Some(number) => last = number,
            }
        }
    }
    seen
}

fmountat_testing::cases! {
    /// Readers watch two mounts of a set that is swapped repeatedly: none is ever missing, and no
    /// old content reappears.
    fn a_swap_is_one_step_for_readers() needs [Kernel(6, 5)] {
        mkdirs(scratch(), &["t"]);
        numbered(1).attach(&target()).unwrap();
        let wanted = times(20_000, 100_000);
        let (stop, reads) = (AtomicBool::new(false), AtomicUsize::new(0));
        let (swaps, seen) = std::thread::scope(|scope| {
            let readers: Vec<_> = (0..2).map(|_| scope.spawn(|| reader(&stop, &reads))).collect();
            let mut number = 1;
            while reads.load(Ordering::Relaxed) < wanted || number < 100 {
                number += 1;
                numbered(number).replace(&target()).unwrap();
            }
            stop.store(true, Ordering::Relaxed);
            (number - 1, readers.into_iter().map(|r| r.join().unwrap()).collect::<Vec<_>>())
        });
        let sum = |of: fn(&Seen) -> usize| seen.iter().map(of).sum::<usize>();
        let (missing, backwards) = (sum(|s| s.missing), sum(|s| s.backwards));
        println!("counted: {swaps} swaps under {} reads: {missing} missing, {backwards} in wrong order", sum(|s| s.reads));
        assert_eq!((missing, backwards), (0, 0));
        assert_eq!(mounts_below(file("t")).len(), 2);
        unmount_all("t");
    }

    /// Two concurrent swaps: one follows the other or changes nothing, and one set is left.
    fn two_swaps_at_once_leave_one_set() needs [Kernel(6, 5)] {
        mkdirs(scratch(), &["t"]);
        let refused = AtomicUsize::new(0);
        let rounds = times(100, 10_000);
        for _ in 0..rounds {
            numbered(0).attach(&target()).unwrap();
            let (sets, targets) = ([numbered(1), numbered(2)], [target(), target()]);
            let start = std::sync::Barrier::new(2);
            std::thread::scope(|scope| {
                for (set, target) in sets.into_iter().zip(targets) {
                    let (start, refused) = (&start, &refused);
                    scope.spawn(move || {
                        start.wait();
                        let Err(failed) = set.replace(&target) else { return };
                        let (error, set) = failed.into_parts();
                        assert_eq!((error.kind(), set.is_some()), (ErrorKind::Busy, true), "{error}");
                        refused.fetch_add(1, Ordering::Relaxed);
                    });
                }
            });
            assert_eq!(mounts_below(file("t")).len(), 2);
            assert_ne!(read(file("t/who")), "0");
            unmount_all("t");
        }
        println!("counted: {rounds} pairs of swaps at once, {} refused", refused.into_inner());
    }

    fn a_root_directory_is_not_replaced() needs [Kernel(6, 5)] {
        mkdirs(scratch(), &["t"]);
        let slash = Target::open(CWD, "/").unwrap();
        let error = numbered(1).replace(&slash).unwrap_err();
        assert_eq!((error.kind(), error.step().as_str()), (ErrorKind::Unsupported, "replace"), "{error}");
        assert_eq!(Mounter::detached().explain_replace(&slash).unwrap_err().to_string(), error.to_string());
    }

    /// The copy that an exchange returns is the old tree with its flags, content and child mounts.
    /// Attached again, it is visible again.
    fn an_exchange_can_be_taken_back() needs [Kernel(6, 5)] {
        mkdirs(scratch(), &["t", "a"]);
        write(file("a/who"), "old");
        let old = [bind("a", "bind,nosuid,noexec"), tmpfs().at("in").option("X-mount.mkdir,noatime,ro")];
        build(&old).attach(&target()).unwrap();
        let flags = |at: &str| fmountat_testing::mount_flags(file(at));
        let before = (flags("t"), flags("t/in"));
        let (attached, kept) = numbered(7).exchange(&target()).unwrap();
        assert_eq!((read(file("t/who")), mounts_below(file("t")).len()), ("7".into(), 2));
        drop(attached);
        kept.replace(&target()).unwrap();
        assert_eq!((read(file("t/who")), mounts_below(file("t")).len()), ("old".into(), 2));
        assert_eq!((flags("t"), flags("t/in")), before);
        let (_, kept) = numbered(8).exchange(&target()).unwrap();
        drop(kept);
        assert_eq!((read(file("t/who")), mounts_below(file("t")).len()), ("8".into(), 2));
        unmount_all("t");
    }

    /// A roll-back that is refused gives the tree back, to be tried again; so does a set.
    fn a_failed_roll_back_can_be_tried_again() needs [Kernel(6, 5)] {
        mkdirs(scratch(), &["t", "plain"]);
        write(file("file"), "");
        numbered(1).attach(&target()).unwrap();
        let (_, old) = numbered(2).exchange(&target()).unwrap();
        let elsewhere = Target::open(CWD, file("plain")).unwrap();
        let (error, old) = old.replace(&elsewhere).unwrap_err().into_parts();
        assert_eq!(error.kind(), ErrorKind::NotMounted, "{error}");
        let opened = target();
        numbered(3).attach(&target()).unwrap();
        let (error, old) = old.unwrap().replace(&opened).unwrap_err().into_parts();
        assert_eq!(error.kind(), ErrorKind::Busy, "{error}");
        unmount(file("t"), UnmountFlags::DETACH).unwrap();
        old.unwrap().replace(&target()).unwrap();
        assert_eq!((read(file("t/who")), read(file("t/inner/who")), mounts_below(file("t")).len()), ("1".into(), "1".into(), 2));
        unmount_all("t");
        let on_file = Target::open(CWD, file("file")).unwrap();
        let (error, set) = numbered(4).attach(&on_file).unwrap_err().into_parts();
        assert_eq!(error.kind(), ErrorKind::WrongTargetType, "{error}");
        set.unwrap().attach(&target()).unwrap();
        assert_eq!((read(file("t/inner/who")), mounts_below(file("t")).len()), ("4".into(), 2));
        unmount_all("t");
    }

    /// Unmounting the old tree does not affect the mounts of the kept copy, although both were in
    /// one peer group.
    fn a_kept_tree_is_no_peer_of_the_old_one() needs [Kernel(6, 5)] {
        mkdirs(scratch(), &["t"]);
        build(&[tmpfs(), tmpfs().at("in").option("X-mount.mkdir")]).attach(&target()).unwrap();
        fmountat::remount(&target(), &fmountat::options::Options::parse(["rshared"]).unwrap()).unwrap();
        let (_, kept) = numbered(1).exchange(&target()).unwrap();
        kept.replace(&target()).unwrap();
        assert_eq!(mounts_below(file("t")).len(), 2);
        unmount_all("t");
    }

    /// Where the old tree could not be taken away the new one is not put beneath it.
    fn a_swap_that_could_not_end_does_not_begin() needs [Kernel(6, 5)] {
        mkdirs(scratch(), &["t", "plain"]);
        numbered(1).attach(&target()).unwrap();
        let kinds = in_own_namespace(|| {
            let (two, three) = (numbered(2), numbered(3));
            let (one, other) = (target(), target());
            fmountat_testing::filter::errno_on(&[libc::SYS_umount2], 1);
            [two.replace(&one).unwrap_err().kind(), three.exchange(&other).unwrap_err().kind()]
        });
        assert_eq!(kinds, [ErrorKind::Permission; 2]);
        assert_eq!((read(file("t/who")), mounts_below(file("t")).len()), ("1".into(), 2));
        // Covered meanwhile by somebody else: the old one can't be taken away either.
        let opened = target();
        build(&[tmpfs()]).attach(&opened).unwrap();
        let error = numbered(4).replace(&opened).unwrap_err();
        assert_eq!((error.kind(), mounts_below(file("t")).len()), (ErrorKind::Busy, 3));
        let plain = Target::open(CWD, file("plain")).unwrap();
        assert_eq!(numbered(5).replace(&plain).unwrap_err().kind(), ErrorKind::NotMounted);
        drop(opened);
        unmount_all("t");
    }

    /// Reports mounts of others in the old set, over or beneath one of its mounts. Mounts with a
    /// counterpart are not reported.
    fn what_has_no_counterpart_is_reported() needs [Kernel(6, 15)] {
        mkdirs(scratch(), &["t", "more/below"]);
        common::apply(&[tmpfs()], "t").unwrap();
        let lower = fmountat_testing::mount_table().into_iter().find(|line| line.point == file("t")).unwrap();
        let list = [
            tmpfs(),
            tmpfs().at("a").option("X-mount.mkdir"),
            tmpfs().at("a").option("nosuid"),
            bind("more", "rbind").at("more").option("X-mount.mkdir"),
        ];
        common::apply(&[tmpfs()], "more/below").unwrap();
        let plan = Plan::new(&list).unwrap();
        let mounter = Mounter::detached();
        // Built in a private mount namespace and copied out of it.
        let old = Mounter::with(fmountat::kernel::Features::get().at_most(6, 12), None);
        let diff_now = || {
            let found = mounter.replace_diff(&plan, &build(&list), &target()).unwrap();
            let copied = old.build(CWD, &plan, &target()).unwrap();
            assert_eq!(old.replace_diff(&plan, &copied, &target()).unwrap(), found);
            assert_eq!(mounter.explain_replace_diff(&plan, &target()).unwrap(), found);
            let places = |mounts: &[(fmountat::MountId, std::path::PathBuf)]| -> Vec<_> {
                mounts.iter().map(|(_, place)| place.strip_prefix(scratch()).unwrap().to_str().unwrap().to_owned()).collect()
            };
            let refused = found.need_none(&target()).err().map(|error| (error.kind(), error.holders().len()));
            (places(&found.dropped), places(&found.beneath), refused)
        };
        build(&list).attach(&target()).unwrap();
        assert_eq!(diff_now(), (vec![], vec!["t".into()], Some((ErrorKind::Busy, 1))));
        mkdirs(scratch(), &["t/a/usb"]);
        for at in ["t/a/usb", "t/more"] {
            common::apply(&[tmpfs()], at).unwrap();
        }
        let dropped = vec!["t/a/usb".to_owned(), "t/more".to_owned()];
        assert_eq!(diff_now(), (dropped, vec!["t".into()], Some((ErrorKind::Busy, 2))));
        mounter.swap(build(&list), &target()).unwrap();
        assert_eq!(diff_now().0, Vec::<String>::new());
        assert!(fmountat_testing::mount_table().iter().any(|line| line.id == lower.id), "the lower mount is kept");
        unmount_all("t");
        build(&list).attach(&target()).unwrap();
        assert_eq!(diff_now(), (vec![], vec![], None));
        unmount_all("t");
        unmount_all("more/below");
        // A mount that the list has twice and the set once; a set with two roots, which the kernel
        // does not swap in.
        let once = [tmpfs(), tmpfs().at("a").option("X-mount.mkdir"), bind("nothing", "bind,nofail").at("a")];
        build(&once).attach(&target()).unwrap();
        common::apply(&[tmpfs()], "t/a").unwrap();
        let found = mounter.replace_diff(&Plan::new(&once).unwrap(), &build(&once), &target()).unwrap();
        assert_eq!(found.dropped.len(), 1);
        let two = [tmpfs(), tmpfs()];
        let error = build(&two).replace(&target()).unwrap_err();
        assert!(error.reason().contains("two mounts"), "{error}");
        assert_eq!(mounter.explain_replace_diff(&Plan::new(&two).unwrap(), &target()).unwrap_err().to_string(), error.to_string());
        unmount_all("t");
        // Without a mount on the target, the error is `NotMounted`.
        let bare = mounter.replace_diff(&plan, &build(&list), &target()).unwrap_err();
        assert_eq!(bare.kind(), ErrorKind::NotMounted);
    }

    /// A swap on a target inside a root needs openat2(2), to verify that the target is still
    /// inside.
    fn inside_a_root_it_needs_openat2() needs [] {
        mkdirs(scratch(), &["t"]);
        let new = || FsContext::open("tmpfs").unwrap().create().unwrap().mount(&MountAttr::default()).unwrap();
        let root = std::fs::File::open(scratch()).unwrap();
        let first = new().attach(&target()).unwrap().id();
        let inside = Target::in_root(&root, "t").unwrap();
        filter::errno_on(&[libc::SYS_openat2], libc::ENOSYS.unsigned_abs());
        let swaps: [fn(Tree, &Target) -> Result<()>; 3] =
            [|tree, at| Ok(tree.replace(at).map(drop)?), |tree, at| Ok(tree.exchange(at).map(drop)?), |tree, at| Ok(tree.replace_with_gap(at).map(drop)?)];
        for swap in swaps {
            let error = swap(new(), &inside).unwrap_err();
            assert!(error.kind() == ErrorKind::Unsupported && error.to_string().contains("openat2"), "{error}");
            assert_eq!((mounts_below(file("t")).len(), MountId::of(target().as_fd()).unwrap()), (1, first));
        }
        new().replace_with_gap(&target()).unwrap();
        unmount_all("t");
    }
}
