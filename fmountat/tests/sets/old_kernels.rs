// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Simulates kernels from 5.14 on by switching features off or by a filter: the same mounts, built
//! elsewhere.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use crate::common::{bind, file, ten, tmpfs, unmount_all};
use fmountat::kernel::Features;
use fmountat::overlay::Overlay;
use fmountat::strategy::Strategy;
use fmountat::table::{Fields, TableReader};
use fmountat::{Attr, ErrorKind, Mount, MountAttr, MountId, Mounter, Plan, Target};
use fmountat_testing::{filter, in_own_namespace, mkdirs, mount_table, mounts_below, read, scratch, write};
use rustix::fs::CWD;
use std::os::unix::fs::MetadataExt;

/// Returns a handle with those features of this kernel that Linux `major.minor` had.
fn as_on(major: u32, minor: u32) -> Mounter {
    Mounter::with(Features::get().at_most(major, minor), None)
}

fn target(path: &str) -> Target {
    Target::open(CWD, file(path)).unwrap()
}

/// The system calls added after Linux 5.14: `statmount`, `listmount`, `open_tree_attr`.
const SINCE_5_14: [libc::c_long; 3] = [457, 458, 467];

/// The oldest kernel that is supported, and one with mapped layers.
const OLD: [(u32, u32); 2] = [(5, 14), (6, 0)];

/// Runs `body` in a new mount namespace, on a thread for which these calls fail with `errno`.
fn under<T: Send>(calls: &'static [libc::c_long], errno: i32, body: impl FnOnce() -> T + Send) -> T {
    in_own_namespace(|| {
        filter::errno_on(calls, errno.unsigned_abs());
        body()
    })
}

/// Lines of the mount table below a place, without what differs from one mount to the next.
fn shape(at: &str) -> Vec<(String, String, String, usize)> {
    let below = mount_table().into_iter().filter(|line| line.point.starts_with(file(at)));
    let mut lines: Vec<_> = below
        .map(|line| {
            let place = line.point.strip_prefix(file(at)).unwrap().display().to_string();
            (place, line.fstype, line.flags, line.propagation.len())
        })
        .collect();
    lines.sort();
    lines
}

/// Makes layers `layers/0` to `layers/COUNT-1`, topmost first. Each has its own file, and one that
/// hides those of the lower layers.
fn layered(count: usize) -> Overlay {
    mkdirs(scratch(), &["up", "work", "t", "u"]);
    (0..count).fold(Overlay::new(), |overlay, n| {
        write(file(&format!("layers/{n}/own{n}")), n.to_string());
        write(file(&format!("layers/{n}/top")), n.to_string());
        overlay.lower(format!("layers/{n}"))
    })
}

/// Replaces a set by another one. A set that cannot be attached there, or cannot be copied, leaves
/// the old one in place.
fn swaps_with_a_gap(mounter: &Mounter) {
    assert_eq!(mounter.need_swap_without_gap().unwrap_err().kind(), ErrorKind::Unsupported);
    let build = |source: &str| {
        let mounts = [bind(source, "bind"), tmpfs().at("/in").option("X-mount.mkdir")];
        mounter.build(CWD, &Plan::new(&mounts).unwrap(), &target("t")).unwrap()
    };
    build("a").attach(&target("t")).unwrap();
    for source in ["b", "a", "b"] {
        mounter.swap(build(source), &target("t")).unwrap();
        assert_eq!((read(file("t/who")), mounts_below(file("t")).len()), (source.into(), 2));
    }
    // A file can't be mounted there: the directory is attached again.
    let lone = mounter.build(CWD, &Plan::new(&[bind("f", "bind")]).unwrap(), &target("f")).unwrap();
    let error = mounter.swap(lone, &target("t")).unwrap_err();
    assert!(error.to_string().contains("again"), "{error}");
    assert_eq!((read(file("t/who")), mounts_below(file("t")).len()), ("b".into(), 2));
    // An unbindable mount could not be restored: it has no copy.
    rustix::mount::mount_change(file("t/in"), rustix::mount::MountPropagationFlags::UNBINDABLE).unwrap();
    write(file("t/in/kept"), "");
    let error = mounter.swap(build("a"), &target("t")).unwrap_err();
    assert!(error.kind() == ErrorKind::Unsupported && error.to_string().contains("unbindable"), "{error}");
    assert!(file("t/in/kept").exists());
    unmount_all("t");
    assert_eq!(mounter.swap(build("a"), &target("t")).unwrap_err().kind(), ErrorKind::NotMounted);
}

fmountat_testing::cases! {
    /// 500 layers, the kernel's maximum, on kernels that do not accept layers one by one.
    fn five_hundred_layers_without_lowerdir_plus() needs [] {
        let overlay = layered(500).upper("up", "work");
        let dir = std::fs::File::open(scratch()).unwrap();
        for (major, minor) in OLD {
            let attr = MountAttr { set: Attr::NOSUID, ..MountAttr::default() };
            let before = mount_table().len();
            let tree = as_on(major, minor).overlay_tree(&dir, &overlay, &attr).unwrap();
            assert_eq!(mount_table().len(), before, "nothing is seen before it is attached");
            tree.attach(&target("t")).unwrap();
            assert_eq!((read(file("t/top")), read(file("t/own0")), read(file("t/own499"))), ("0".into(), "0".into(), "499".into()));
            assert!(shape("t")[0].2.contains("nosuid"), "{:?}", shape("t"));
            write(file("t/new"), "new");
            assert_eq!(read(file("up/new")), "new");
            unmount_all("t");
            std::fs::remove_file(file("up/new")).unwrap();
        }
        let refused = |overlay: &Overlay| as_on(6, 0).overlay_tree(&dir, overlay, &MountAttr::default()).unwrap_err();
        assert_eq!(refused(&layered(501)).kind(), ErrorKind::TooManyLayers);
        let long = (0..250).fold(layered(300), |overlay, _| overlay.option("redirect_dir", "nofollow"));
        let error = refused(&long);
        assert_eq!(error.kind(), ErrorKind::TooLong);
        assert!(error.reason().contains("300 layers are") && error.reason().contains("bytes"), "{error}");
    }

    /// Layers by descriptor, absolute and relative, and a directory that another mount covers after
    /// it was opened.
    fn layers_are_what_they_were_when_they_were_opened() needs [] {
        layered(3);
        let open = |path: &str| std::sync::Arc::new(std::fs::File::open(file(path)).unwrap().into());
        let dir = std::fs::File::open(scratch()).unwrap();
        let overlay = Overlay::new().lower(fmountat::overlay::Layer::Fd(open("layers/0"))).lower(file("layers/1")).lower("layers/2");
        for (major, minor) in OLD {
            as_on(major, minor).overlay_tree(&dir, &overlay, &MountAttr::default()).unwrap().attach(&target("t")).unwrap();
            assert_eq!((read(file("t/top")), read(file("t/own1")), read(file("t/own2"))), ("0".into(), "1".into(), "2".into()));
            unmount_all("t");
        }
        let missing = Overlay::new().lower("layers/0").lower("layers/9");
        let error = as_on(6, 1).overlay_tree(&dir, &missing, &MountAttr::default()).unwrap_err();
        assert_eq!((error.kind(), error.step().as_str()), (ErrorKind::LayerMissing, "open layer 2"), "{error}");
    }

    /// Resolves paths that lead above `/` while a directory is hidden in the namespace of the
    /// look-up.
    fn layers_over_the_top() needs [] {
        layered(2);
        let over = |number: usize| format!("../../../../../../../../../..{}", file(&format!("layers/{number}")).display());
        let dir = std::fs::File::open(scratch()).unwrap();
        let overlay = Overlay::new().lower(over(0)).lower(over(1));
        as_on(6, 1).overlay_tree(&dir, &overlay, &MountAttr::default()).unwrap().attach(&target("t")).unwrap();
        assert_eq!((read(file("t/top")), read(file("t/own1"))), ("0".into(), "1".into()));
    }

    /// Maps the owners of layers without a layer in a detached tree; nothing is attached on the
    /// host.
    fn mapped_layers_in_a_private_namespace() needs [Kernel(5, 19), Root] {
        layered(3);
        let options = "lowerdir=layers/0:layers/1:layers/2,upperdir=up,workdir=work,uidmap=0:100000:1000,gidmap=0:200000:1000";
        let plan = Plan::new(&[Mount::new("overlay", "overlay").option(options)]).unwrap();
        let dir = std::fs::File::open(scratch()).unwrap();
        for (mounter, at) in [(as_on(5, 19), "t"), (as_on(6, 0), "u"), (as_on(6, 12), "t")] {
            let before = mount_table().len();
            mounter.apply(&dir, &plan, &target(at)).unwrap();
            assert_eq!(mount_table().len(), before + 1);
            let meta = std::fs::metadata(file(at).join("own2")).unwrap();
            assert_eq!((meta.uid(), meta.gid()), (100_000, 200_000));
            unmount_all(at);
        }
    }

    /// Builds a set of ten with the calls of 5.14 and of 6.0: published in one step, and `--strict`
    /// allows it.
    fn a_set_comes_in_one_step() needs [] {
        mkdirs(scratch(), &["t"]);
        let plan = Plan::new(ten()).unwrap();
        let expected = in_own_namespace(|| { Mounter::detached().apply(CWD, &plan, &target("t")).unwrap(); shape("t") });
        for (major, minor) in OLD {
            let on_it = |features: Features| {
                let mounter = Mounter::with(features.at_most(major, minor), None);
                mounter.need_one_step(&plan).unwrap();
                (mounter.apply(CWD, &plan, &target("t")).unwrap().strategy, shape("t"))
            };
            assert_eq!(in_own_namespace(|| on_it(Features::get())), (Strategy::PrivateNamespace, expected.clone()));
            let without_calls = under(&SINCE_5_14, libc::ENOSYS, || on_it(Features::probe()));
            assert_eq!(without_calls, (Strategy::PrivateNamespace, expected.clone()));
        }
        assert_eq!(mounts_below(file("t")).len(), 0);
    }

    /// A set without a fallback is refused, and the error names the required release.
    fn what_is_refused_is_said() needs [] {
        layered(2);
        let dir = std::fs::File::open(scratch()).unwrap();
        let mapped = "lowerdir=layers/0:layers/1,uidmap=0:0:1,gidmap=0:0:1";
        let plan = Plan::new(&[Mount::new("overlay", "overlay").option(mapped)]).unwrap();
        for (major, minor) in [(5, 14), (5, 18)] {
            let error = as_on(major, minor).build(&dir, &plan, &target("t")).unwrap_err();
            assert_eq!((error.kind(), error.hint()), (ErrorKind::Unsupported, Some("use Linux 5.19 or newer")), "{error}");
            let explained = as_on(major, minor).explain(&dir, &plan, &target("t"));
            assert_eq!(explained.error().unwrap().to_string(), error.to_string());
        }
    }

    /// Before 6.5 a set replaces another with a gap; afterwards the old or the new one is mounted.
    fn a_swap_with_a_gap() needs [] {
        mkdirs(scratch(), &["t", "a", "b"]);
        write(file("a/who"), "a");
        write(file("b/who"), "b");
        write(file("f"), "");
        for (major, minor) in OLD {
            swaps_with_a_gap(&as_on(major, minor));
        }
    }

    /// A directory of a mount in its place, where nothing can be copied out of a detached tree.
    fn a_sub_directory_without_detached_children() needs [] {
        write(file("src/sub/file"), "inside");
        mkdirs(scratch(), &["t"]);
        let set = [bind("src", "bind,ro,X-mount.subdir=sub")];
        for mounter in [as_on(6, 12), Mounter::detached()] {
            mounter.apply(CWD, &Plan::new(&set).unwrap(), &target("t")).unwrap();
            assert_eq!((read(file("t/file")), shape("t").len()), ("inside".into(), 1));
            assert!(shape("t")[0].2.starts_with("ro"), "{:?}", shape("t"));
            unmount_all("t");
        }
    }

    /// A filter kills the caller of a system call that it does not know: calls newer than the
    /// filter count as missing.
    fn a_filter_that_kills_is_survived() needs [] {
        mkdirs(scratch(), &["t"]);
        filter::kill_on(&[457, 458, 467]);
        let features = Features::probe();
        assert_eq!((features.open_tree_attr, features.mount_setattr), (false, true));
        Mounter::with(features, None).apply(CWD, &Plan::new(ten()).unwrap(), &target("t")).unwrap();
        assert_eq!(mounts_below(file("t")).len(), 10);
        fmountat::Unmount::new().recursive(true).run(file("t")).unwrap();
    }

    /// With a filter that kills on the new mount interface, sets are refused and no process is
    /// killed.
    fn a_filter_that_kills_for_the_new_interface() needs [] {
        mkdirs(scratch(), &["t"]);
        filter::kill_on(&[
            libc::SYS_fsopen, libc::SYS_open_tree, libc::SYS_move_mount, libc::SYS_mount_setattr, 457, 458, 467,
        ]);
        let error = Mounter::with(Features::probe(), None).apply(CWD, &Plan::new(ten()).unwrap(), &target("t")).map(drop).unwrap_err();
        assert_eq!((error.kind(), mounts_below(file("t")).len()), (ErrorKind::Unsupported, 0), "{error}");
    }

    /// Detects each call of the mount interface that a filter forbids, and unshare(2) with the
    /// required flag.
    fn each_forbidden_call_is_found() needs [] {
        for call in [libc::SYS_open_tree, libc::SYS_move_mount, libc::SYS_fsopen, libc::SYS_fsconfig, libc::SYS_fsmount] {
            for errno in [libc::ENOSYS, libc::EPERM] {
                let calls: &'static [libc::c_long] = vec![call].leak();
                assert!(!under(calls, errno, Features::probe).new_mount_api, "{call} {errno}");
            }
        }
        for errno in [libc::ENOSYS, libc::EPERM] {
            let without_attr = under(&[libc::SYS_mount_setattr], errno, Features::probe);
            let without_openat2 = under(&[libc::SYS_openat2], errno, Features::probe);
            assert!(without_attr.new_mount_api && !without_attr.mount_setattr, "{errno}");
            assert!(without_openat2.new_mount_api && !without_openat2.openat2, "{errno}");
        }
        assert!(!under(&[libc::SYS_unshare], libc::EPERM, Features::probe).private_namespace);
        assert!(under(&[467], libc::ENOSYS, Features::probe).private_namespace);
    }

    /// In mountinfo there are no unique ids to be looked for.
    fn unique_ids_without_statmount() needs [] {
        let look = |number| {
            let fields = Fields::MOUNTINFO | Fields::UNIQUE_ID;
            TableReader::here().fields(fields).read_with_id(MountId::from_number(number))
        };
        let error = under(&[457, 458], libc::ENOSYS, || look(1 << 40)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
        assert!(under(&[457, 458], libc::ENOSYS, || look(1)).unwrap().is_none());
    }

    /// A filter makes a child probe the kernel. A process without free descriptors keeps the
    /// results of earlier probes for its life.
    fn nothing_is_found_missing_for_want_of_descriptors() needs [] {
        use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
        let limit = getrlimit(Resource::Nofile);
        let (with, without) = under(&[467], libc::ENOSYS, || {
            let with = Features::probe();
            setrlimit(Resource::Nofile, Rlimit { current: Some(0), maximum: limit.maximum }).unwrap();
            let without = Features::probe();
            setrlimit(Resource::Nofile, limit).unwrap();
            (with, without)
        });
        assert_eq!(with, without);
    }

    /// Two overlays never get one upper, however old the kernel.
    fn an_upper_in_use_is_found_out() needs [] {
        let overlay = layered(2).upper("up", "work");
        let dir = std::fs::File::open(scratch()).unwrap();
        for (major, minor) in [(5, 14), (6, 0), (6, 12)] {
            let mounter = as_on(major, minor);
            mounter.overlay_tree(&dir, &overlay, &MountAttr::default()).unwrap().attach(&target("t")).unwrap();
            let error = mounter.overlay_tree(&dir, &overlay, &MountAttr::default()).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::UpperInUse, "{error}");
            unmount_all("t");
            mounter.overlay_tree(&dir, &overlay, &MountAttr::default()).unwrap();
        }
    }

    /// Before 6.7 overlays are mounted with mount(2), which cannot be probed; fsconfig(2), which
    /// can, has no `lowerdir+` there and limits the list of layers to a page.
    fn explain_does_not_ask_about_many_layers() needs [Filesystem("overlay")] {
        layered(200);
        let dir = std::fs::File::open(scratch()).unwrap();
        let layers: Vec<String> = (0..200).map(|n| format!("layers/{n}")).collect();
        let overlay = Mount::new("overlay", "overlay").option(format!("lowerdir={}", layers.join(":")));
        let plan = Plan::new(&[overlay]).unwrap();
        for (major, minor) in [(5, 14), (6, 0), (6, 6), (6, 12)] {
            let explained = as_on(major, minor).explain(&dir, &plan, &target("t"));
            assert!(explained.error().is_none(), "{major}.{minor}: {}", explained.error().unwrap());
            as_on(major, minor).apply(&dir, &plan, &target("t")).unwrap();
            assert_eq!(read(file("t/top")), "0");
            unmount_all("t");
        }
    }
}
