// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Seccomp filters that forbid the mount interface of Linux 5.2 to 5.12: sets are refused with a
//! reason, and mounts that only need mount(2) work.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use crate::common::{bind, file, ten, tmpfs, unmount_all};
use fmountat::call::PrivateCwd;
use fmountat::kernel::Features;
use fmountat::overlay::Overlay;
use fmountat::{Error, ErrorKind, Mount, MountAttr, Mounter, Plan, Target};
use fmountat_testing::{filter, in_own_namespace, is_real_root, mkdirs, mount_table, read, scratch, write};
use rustix::fs::CWD;
use std::fs::File;

/// The calls that every set needs, as an error names them.
const CALLS: [(&str, libc::c_long); 6] = [
    ("fsopen(2)", libc::SYS_fsopen),
    ("fsconfig(2)", libc::SYS_fsconfig),
    ("fsmount(2)", libc::SYS_fsmount),
    ("open_tree(2)", libc::SYS_open_tree),
    ("move_mount(2)", libc::SYS_move_mount),
    ("mount_setattr(2)", libc::SYS_mount_setattr),
];

/// The call that only sets with targets below `/` need.
const OPENAT2: (&str, libc::c_long) = ("openat2(2)", libc::SYS_openat2);

/// The errnos that filters return for a forbidden call and for an unknown call.
const ANSWERS: [i32; 2] = [libc::EPERM, libc::ENOSYS];

fn target(path: &str) -> Target {
    Target::open(CWD, file(path)).unwrap()
}

/// Runs `body` in a new mount namespace, on a thread for which these calls fail with `errno`.
fn under(calls: &[libc::c_long], errno: i32, body: impl FnOnce() + Send) {
    in_own_namespace(|| {
        filter::errno_on(calls, errno.unsigned_abs());
        body();
    });
}

/// Without the whole interface, as the profiles of old container engines have it.
fn without_interface(body: impl Fn() + Send + Sync) {
    for errno in ANSWERS {
        under(&CALLS.map(|(_, number)| number), errno, &body);
    }
}

fn mounter(cwd: Option<PrivateCwd>) -> Mounter {
    Mounter::with(Features::probe(), cwd)
}

/// Runs `body` with both strategies that call mount(2) from a directory.
fn each_mounter(body: impl Fn(&str, &Mounter)) {
    body("child", &mounter(Some(PrivateCwd::child())));
    body("worker", &mounter(Some(PrivateCwd::worker().unwrap())));
}

/// The error of a set that is refused: the same from every entry, and nothing has changed.
fn refused(mounts: &[Mount], call: &str, errno: i32) {
    let before = mount_table();
    let plan = Plan::new(mounts).unwrap();
    let mounter = mounter(None);
    let error = mounter.apply(CWD, &plan, &target("t")).map(drop).unwrap_err();
    assert_eq!(
        (error.kind(), error.step().as_str()),
        (ErrorKind::Unsupported, "build a detached tree"),
        "{error}"
    );
    assert!(error.reason().contains("a seccomp filter") && error.reason().contains(call), "{errno}: {error}");
    assert!(error.hint().is_some_and(|hint| hint.contains("allow these system calls")), "{errno}: {error}");
    let same = |what: &str, other: &Error| assert_eq!(other.to_string(), error.to_string(), "{what} {errno}");
    same("build", &mounter.build(CWD, &plan, &target("t")).map(drop).unwrap_err());
    same("explain", mounter.explain(CWD, &plan, &target("t")).error().unwrap());
    same("replace_diff", &mounter.explain_replace_diff(&plan, &target("t")).map(drop).unwrap_err());
    let root = Mounter::with(Features::probe(), None).in_own_namespace();
    let tmpfs = Mount::new("tmpfs", "tmpfs");
    let below = tmpfs.clone().at("/a").option("X-mount.mkdir");
    let thrown = root.ephemeral_uppers().map(drop);
    let thrown =
        thrown.and_then(|()| root.build(CWD, &Plan::new(&[tmpfs, below])?, None).map(drop)).unwrap_err();
    assert!(thrown.kind() == ErrorKind::Unsupported && thrown.reason().contains(call), "{errno}: {thrown}");
    assert_eq!(mount_table(), before);
    assert_eq!(std::fs::read_dir(file("t")).unwrap().count(), 0, "{call} {errno}");
}

/// One overlay with an upper, below the scratch directory; another name gives it layers of its own.
fn overlay(name: &str) -> Overlay {
    mkdirs(scratch(), &["t", "s"]);
    let [lower, upper, work] = ["lower", "upper", "work"].map(|layer| format!("{name}/{layer}"));
    mkdirs(scratch(), &[&upper, &work]);
    write(file(&lower).join("who"), "lower");
    Overlay::new().lower(lower).upper(upper, work)
}

fmountat_testing::cases! {
    /// Whichever call a filter forbids, the error precedes any change, names the call and has a
    /// hint. `explain` reports the same.
    fn a_set_is_refused_in_words() needs [] {
        mkdirs(scratch(), &["t", "source"]);
        for (call, number) in CALLS {
            for errno in ANSWERS {
                under(&[number], errno, || {
                    refused(&ten(), call, errno);
                    refused(&[tmpfs()], call, errno);
                    refused(&[bind("source", "bind,ro")], call, errno);
                });
            }
        }
        let (call, number) = OPENAT2;
        for errno in ANSWERS {
            under(&[number], errno, || {
                refused(&ten(), call, errno);
                refused(&[tmpfs().at("d").option("X-mount.mkdir")], call, errno);
            });
        }
    }

    /// A mount for `/` has no target that could lead out of a root.
    fn a_lone_mount_needs_no_openat2() needs [] {
        mkdirs(scratch(), &["t"]);
        for errno in ANSWERS {
            under(&[libc::SYS_openat2], errno, || {
                let plan = Plan::new(&[tmpfs().option("nosuid,mode=0711")]).unwrap();
                assert!(mounter(None).explain(CWD, &plan, &target("t")).error().is_none());
                mounter(None).apply(CWD, &plan, &target("t")).unwrap();
                assert!(fmountat_testing::mount_flags(file("t")).contains("nosuid"));
                unmount_all("t");
                let error = Target::in_root(File::open(scratch()).unwrap(), "t").unwrap_err();
                assert!(error.kind() == ErrorKind::Unsupported && error.reason().contains("openat2(2)"), "{error}");
            });
        }
    }

    /// `fmountat()`: a file system, a bind and an overlay, each relative to a directory.
    fn fmountat_needs_mount_alone() needs [Filesystem("overlay")] {
        overlay("layers");
        let words = if is_real_root() { "" } else { ",userxattr" };
        let data = format!("lowerdir=layers/lower,upperdir=layers/upper,workdir=layers/work{words}");
        without_interface(|| {
            let dir = File::open(scratch()).unwrap();
            fmountat::fmountat(&dir, "tmpfs", "s", "tmpfs", fmountat::MountFlags::empty(), "size=64k").unwrap();
            write(file("s/new"), "on the tmpfs");
            fmountat::fmountat(&dir, "s", "t", "", fmountat::MountFlags::BIND, "").unwrap();
            assert_eq!(read(file("t/new")), "on the tmpfs");
            unmount_all("t");
            fmountat::fmountat(&dir, "overlay", "t", "overlay", fmountat::MountFlags::empty(), &data).unwrap();
            assert_eq!(read(file("t/who")), "lower");
            unmount_all("t");
        });
    }

    /// `Mounter::overlay`: one mount(2) from the directory that all its layers lie in.
    fn one_overlay_needs_mount_alone() needs [Filesystem("overlay")] {
        without_interface(|| {
            let dir = File::open(scratch()).unwrap();
            each_mounter(|name, mounter| {
                let overlay = overlay(name);
                mounter.overlay(&dir, &overlay, "t").unwrap_or_else(|error| panic!("{name}: {error}"));
                write(file("t/new"), name);
                unmount_all("t");
                assert_eq!(read(file(name).join("upper/new")), name);
            });
        });
    }

    /// With many mounts on the file system a clone would be faster. Without the interface it is not
    /// available, and the overlay is mounted without it.
    fn one_overlay_among_many_mounts() needs [Filesystem("overlay")] {
        let overlay = overlay("layers");
        for n in 0..40 {
            mkdirs(scratch(), &[&format!("more/{n}")]);
            fmountat::fmountat(CWD, "x", file(&format!("more/{n}")), "tmpfs", fmountat::MountFlags::empty(), "").unwrap();
        }
        without_interface(|| {
            let dir = File::open(scratch()).unwrap();
            each_mounter(|name, mounter| {
                mounter.overlay(&dir, &overlay, "t").unwrap_or_else(|error| panic!("{name}: {error}"));
                assert_eq!(read(file("t/who")), "lower");
                unmount_all("t");
            });
        });
        (0..40).for_each(|n| unmount_all(&format!("more/{n}")));
    }

    /// Two overlays on one upper corrupt each other. This is detected even where only mount(2) can
    /// probe it.
    fn an_upper_in_use_is_found_out_by_mount() needs [Filesystem("overlay")] {
        without_interface(|| {
            let dir = File::open(scratch()).unwrap();
            each_mounter(|name, mounter| {
                let overlay = overlay(name);
                let before = mount_table();
                mounter.overlay(&dir, &overlay, "t").unwrap();
                write(file("t/new"), "");
                let error = mounter.overlay(&dir, &overlay, "s").unwrap_err();
                assert_eq!(error.kind(), ErrorKind::UpperInUse, "{name}: {error}");
                unmount_all("t");
                mounter.overlay(&dir, &overlay, "s").unwrap_or_else(|error| panic!("{name}: {error}"));
                unmount_all("s");
                assert_eq!(mount_table(), before, "{name}");
            });
        });
    }

    /// Names that mount(2) does not support are passed as the numbers of descriptors. A detached
    /// overlay needs the interface: the error names the call. The reason why mount(2) refuses an
    /// overlay is found without the interface.
    fn an_overlay_that_needs_more_is_refused() needs [Filesystem("overlay")] {
        let odd = overlay("a,b").lower("s");
        let missing = overlay("plain").lower("nowhere");
        without_interface(|| {
            let dir = File::open(scratch()).unwrap();
            let (mounter, before) = (mounter(Some(PrivateCwd::child())), mount_table());
            mounter.overlay(&dir, &odd, "t").unwrap();
            assert_eq!(read(file("t/who")), "lower");
            unmount_all("t");
            let error = mounter.overlay_tree(&dir, &odd, &MountAttr::default()).unwrap_err();
            assert!([ErrorKind::Unsupported, ErrorKind::Permission].contains(&error.kind()), "{error}");
            assert!(error.to_string().contains("fsopen") && error.hint().is_some(), "{error}");
            let error = mounter.overlay(&dir, &missing, "t").unwrap_err();
            assert_eq!((error.kind(), error.step().as_str()), (ErrorKind::LayerMissing, "open layer 2"), "{error}");
            assert_eq!(mount_table(), before);
        });
    }
}
