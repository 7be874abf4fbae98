// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Tests unmounting sets by their identity: in one call, several together, and never with mounts of
//! others in them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use crate::common::{self, bind, file, ten, tmpfs, unmount_all};
use fmountat::error::HolderKind;
use fmountat::options::Options;
use fmountat::{ErrorKind, Mount, Mounter, Plan, PublishedSet, Target, Unmount, remount};
use fmountat_testing::{mkdirs, mount_table, mounts_below, scratch, write};
use rustix::fs::CWD;
use std::time::Duration;

fn publish(mounts: &[Mount], at: &str) -> PublishedSet {
    let target = Target::open(CWD, file(at)).unwrap();
    let applied = Mounter::detached().apply(CWD, &Plan::new(mounts).unwrap(), &target).unwrap();
    applied.set.unwrap()
}

fn soon() -> Unmount {
    Unmount::new().timeout(Duration::from_millis(60))
}

fmountat_testing::cases! {
    /// The set includes every mount, also those of recursive binds, and one call unmounts it.
    fn a_set_goes_as_one() needs [Statmount] {
        mkdirs(scratch(), &["t", "s"]);
        common::apply(&ten(), "s").unwrap();
        let mut mounts = ten();
        mounts.push(bind("s", "rbind").at("d9/s").option("X-mount.mkdir"));
        let set = publish(&mounts, "t");
        assert_eq!((set.mounts().count(), mounts_below(file("t")).len()), (20, 20));
        soon().run_set(&set).unwrap();
        assert_eq!(mounts_below(file("t")).len(), 0);
        assert_eq!(soon().run_set(&set).unwrap_err().kind(), ErrorKind::NotMounted);
        // The unmount of the recursive bind did not propagate to its source.
        assert_eq!(mounts_below(file("s")).len(), 10);
        unmount_all("s");
    }

    /// Mounts of the set that are stacked on its root belong to it and are unmounted from the top.
    /// Mounts of others above them are reported.
    fn a_set_with_stacked_roots_goes() needs [Kernel(6, 15), Statmount] {
        mkdirs(scratch(), &["s/1", "s/2", "s/3", "s/4"]);
        let stacked = [tmpfs(), tmpfs(), tmpfs().at("q").option("X-mount.mkdir")];
        let set = publish(&stacked, "s/1");
        common::apply(&[tmpfs()], "s/1").unwrap();
        assert_eq!(soon().run_set(&set).unwrap_err().kind(), ErrorKind::Busy);
        Unmount::new().run(file("s/1")).unwrap();
        soon().run_set(&set).unwrap();
        let mut sets: Vec<_> = ["s/1", "s/2", "s/3"].iter().map(|at| publish(&ten(), at)).collect();
        sets.push(publish(&stacked, "s/4"));
        soon().run_sets(&sets).unwrap();
        assert_eq!(mounts_below(file("s")), Vec::<String>::new());
    }

    /// Several sets together where nothing may be unmounted: each remains mounted.
    fn a_batch_that_could_not_end_does_not_begin() needs [Statmount, Root] {
        let places: Vec<String> = (0..4).map(|n| format!("s/{n}")).collect();
        let places: Vec<&str> = places.iter().map(String::as_str).collect();
        mkdirs(scratch(), &places);
        let sets: Vec<_> = places.iter().map(|at| publish(&ten(), at)).collect();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                fmountat_testing::filter::errno_on(&[libc::SYS_umount2], libc::EPERM.unsigned_abs());
                assert_eq!(soon().lazy(true).run_sets(&sets).unwrap_err().len(), 4);
            });
        });
        assert_eq!(places.iter().map(|at| mounts_below(file(at)).len()).collect::<Vec<_>>(), [10; 4]);
        soon().run_sets(&sets).unwrap();
        assert_eq!(mounts_below(file("s")), Vec::<String>::new());
    }

    /// If others mounted in the set, on it, or moved a mount to it, the error names their mounts
    /// and nothing changes.
    fn mounts_of_others_are_reported_first() needs [Statmount] {
        mkdirs(scratch(), &["t"]);
        let set = publish(&ten(), "t");
        for at in ["t/d3/in", "t"] {
            mkdirs(scratch(), &[at]);
            common::apply(&[tmpfs()], at).unwrap();
            let error = soon().lazy(true).run_set(&set).unwrap_err();
            assert_eq!((error.kind(), error.holders().len()), (ErrorKind::Busy, 1));
            assert_eq!(error.holders()[0].kind, HolderKind::MountBelow(file(at)));
            assert_eq!(mounts_below(file("t")).len(), 11);
            Unmount::new().run(file(at)).unwrap();
        }
        // A mount of the set that somebody has taken away already is no reason to keep the others.
        Unmount::new().run(file("t/d4")).unwrap();
        soon().run_set(&set).unwrap();
        assert_eq!(mounts_below(file("t")).len(), 0);
    }

    /// A busy set remains mounted unless it is unmounted lazily. A set hidden by another mount is
    /// not found, and the other mount is not unmounted.
    fn in_use_and_hidden() needs [Statmount] {
        mkdirs(scratch(), &["up/t"]);
        let set = publish(&ten(), "up/t");
        let held = std::fs::File::create(file("up/t/d5/held")).unwrap();
        let error = soon().run_set(&set).unwrap_err();
        assert_eq!((error.kind(), error.holders()[0].pid), (ErrorKind::Busy, Some(std::process::id())));
        common::apply(&[tmpfs()], "up").unwrap();
        assert_eq!(soon().lazy(true).run_set(&set).unwrap_err().kind(), ErrorKind::Busy);
        assert_eq!(mounts_below(file("up")).len(), 11);
        Unmount::new().run(file("up")).unwrap();
        soon().lazy(true).run_set(&set).unwrap();
        assert_eq!(mounts_below(file("up")).len(), 0);
        drop(held);
    }

    /// Several sets together: one with mounts of others, one already unmounted, files, and shared
    /// parents.
    fn many_sets_go_together() needs [Statmount] {
        let names: Vec<String> = (0..40).map(|n| format!("t{n}")).collect();
        mkdirs(scratch(), &names.iter().map(String::as_str).collect::<Vec<_>>());
        mkdirs(scratch(), &["shared", "kept"]);
        write(file("f"), "");
        write(file("data"), "x");
        common::apply(&[tmpfs().option("shared")], "shared").unwrap();
        mkdirs(scratch(), &["shared/a", "shared/b", "shared/c"]);
        let mut sets: Vec<PublishedSet> = names.iter().map(|name| publish(&ten(), name)).collect();
        sets.push(publish(&[bind("data", "bind")], "f"));
        sets.extend(["a", "b", "c"].map(|name| publish(&ten(), &format!("shared/{name}"))));
        let gone = sets.remove(7);
        Unmount::new().run_set(&gone).unwrap();
        sets.push(gone);
        let kept = publish(&ten(), "kept");
        common::apply(&[tmpfs()], "kept/d1").unwrap();
        sets.push(kept);
        let errors = soon().run_sets(&sets).unwrap_err();
        let kinds: Vec<ErrorKind> = errors.iter().map(|e| e.kind()).collect();
        assert_eq!(kinds, [ErrorKind::NotMounted, ErrorKind::Busy], "{errors:?}");
        let left: Vec<_> = mount_table().into_iter().filter(|line| line.point.starts_with(scratch())).collect();
        assert_eq!(left.len(), 1 + 11, "{left:?}");
        assert!(left.iter().all(|line| line.point.starts_with(file("kept")) || line.point == file("shared")));
        unmount_all("kept");
        unmount_all("shared");
        assert!(soon().run_sets(&[]).is_ok());
    }

    /// Mounts that propagated to peers of the target are unmounted there too.
    fn a_set_below_a_shared_mount_goes_everywhere() needs [Statmount] {
        mkdirs(scratch(), &["s", "peer"]);
        common::apply(&[tmpfs().option("shared")], "s").unwrap();
        mkdirs(scratch(), &["s/t"]);
        common::apply(&[bind("s", "bind,shared")], "peer").unwrap();
        let set = publish(&ten(), "s/t");
        assert_eq!((mounts_below(file("s")).len(), mounts_below(file("peer")).len()), (11, 11));
        soon().run_set(&set).unwrap();
        assert_eq!((mounts_below(file("s")).len(), mounts_below(file("peer")).len()), (1, 1));
        remount(&Target::open(CWD, file("s")).unwrap(), &Options::parse(["private"]).unwrap()).unwrap();
        unmount_all("s");
        unmount_all("peer");
    }

    /// A set that is mounted in another one is unmounted before it, in whatever order and however
    /// often they are named.
    fn sets_in_each_other_go() needs [Statmount] {
        mkdirs(scratch(), &["t", "s", "o"]);
        for turned in [false, true] {
            let outer = publish(&[tmpfs(), tmpfs().at("in").option("X-mount.mkdir")], "t");
            let inner = publish(&[tmpfs(), tmpfs().at("deep").option("X-mount.mkdir")], "t/in");
            let innermost = publish(&[tmpfs()], "t/in/deep");
            let others = [publish(&[tmpfs()], "s"), publish(&[tmpfs()], "o")];
            // With one that is in use nobody is taken for a user who is none.
            let held = std::fs::File::open(file("s")).unwrap();
            let mut sets = vec![outer, inner.clone(), innermost, inner];
            sets.extend(others.clone());
            if turned {
                sets.reverse();
            }
            let errors = soon().run_sets(&sets).unwrap_err();
            assert_eq!(errors.iter().map(fmountat::Error::kind).collect::<Vec<_>>(), [ErrorKind::Busy], "{errors:?}");
            assert_eq!((mounts_below(file("t")).len(), mounts_below(file("s")).len()), (0, 1), "{turned}");
            drop(held);
            soon().run_set(&others[0]).unwrap();
        }
    }
}
