// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Tests functions that other programs need around a set: guards, targets opened again,
//! restrictions that are added later.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use crate::common::{bind, file, tmpfs, unmount_all};
use fmountat::{CWD, ErrorKind, MountFlags, MountGuard, Mounter, Plan, Spec, Target, Tree, fmountat};
use fmountat_testing::{mkdirs, mount_flags, mounts_below, read, scratch, write};
use rustix::fd::{AsFd, AsRawFd};

fn target() -> Target {
    Target::open(CWD, file("t")).unwrap()
}

fn restrictions(masked: &[&str], readonly: &[&str]) -> Spec {
    Spec::default().mask(masked).read_only(readonly)
}

fmountat_testing::cases! {
    /// A set with a root is built without a target; the error for one without a root has a hint.
    fn a_set_is_built_without_a_target() needs [] {
        mkdirs(scratch(), &["t"]);
        let mounter = Mounter::detached();
        let set = mounter.build(CWD, &Plan::new(&[tmpfs(), tmpfs().at("in").option("X-mount.mkdir")]).unwrap(), None).unwrap();
        set.attach(&target()).unwrap();
        assert_eq!(mounts_below(file("t")).len(), 2);
        unmount_all("t");
        let error = mounter.build(CWD, &Plan::new(&[tmpfs().at("in")]).unwrap(), None).unwrap_err();
        assert_eq!((error.kind(), error.hint().is_some()), (ErrorKind::Spec, true), "{error}");
    }

    /// A dropped guard unmounts its mount, except if the mount is covered by another or was kept.
    fn a_guard_unmounts() needs [] {
        mkdirs(scratch(), &["t", "s"]);
        let attach = || MountGuard::new(Tree::clone_of(CWD, file("s"), false).unwrap().attach(&target()).unwrap());
        drop(attach());
        assert_eq!(mounts_below(file("t")).len(), 0);
        let covered = attach();
        fmountat(CWD, "x", file("t"), "tmpfs", MountFlags::NOEXEC, "").unwrap();
        assert_eq!(covered.unmount().unwrap_err().kind(), ErrorKind::Busy);
        assert_eq!(mounts_below(file("t")).len(), 2);
        unmount_all("t");
        assert!(attach().keep().is_some());
        assert_eq!(mounts_below(file("t")).len(), 1);
        unmount_all("t");
    }

    /// A target is looked up again by the same path, inside the same root.
    fn a_target_is_opened_again() needs [] {
        mkdirs(scratch(), &["r/t"]);
        std::os::unix::fs::symlink("/t", file("r/link")).unwrap();
        let inside = Target::in_root(std::fs::File::open(file("r")).unwrap(), "link").unwrap();
        fmountat(CWD, "x", file("r/t"), "tmpfs", MountFlags::empty(), "").unwrap();
        write(file("r/t/new"), "in");
        let name = |target: &Target| format!("/proc/self/fd/{}/new", target.as_fd().as_raw_fd());
        assert!(std::fs::read(name(&inside)).is_err());
        assert_eq!(read(name(&inside.reopen().unwrap())), "in");
        unmount_all("r/t");
    }

    /// Unmounts paths relative to a directory that is not the cwd: one mount, a stack, a tree.
    fn unmounts_from_a_directory() needs [] {
        mkdirs(scratch(), &["d/t"]);
        let dir = std::fs::File::open(file("d")).unwrap();
        let mount = |path: &str| fmountat(&dir, "x", path, "tmpfs", MountFlags::empty(), "").unwrap();
        let error = fmountat::Unmount::new().run_at(&dir, "t").unwrap_err();
        assert_eq!(error[0].kind(), ErrorKind::NotMounted, "{error}");
        mount("t");
        fmountat::Unmount::new().run_at(&dir, "t").unwrap();
        mount("t");
        mount("t");
        fmountat::Unmount::new().all(true).run_at(&dir, "t").unwrap();
        for lazy in [false, true] {
            mount("t");
            mkdirs(file("d/t"), &["in"]);
            mount("t/in");
            mount("t");
            fmountat::Unmount::new().recursive(true).lazy(lazy).run_at(&dir, "t").unwrap();
            assert!(mounts_below(file("d")).is_empty(), "{lazy}");
        }
    }

    /// Path restrictions of a root that is there: as in a set; a failure leaves nothing.
    fn a_root_is_restricted_later() needs [] {
        mkdirs(scratch(), &["t", "s/secret", "s/etc"]);
        for name in ["s/secret/key", "s/etc/conf", "s/plain"] {
            write(file(name), "x");
        }
        let mounter = Mounter::detached();
        mounter.build(CWD, &Plan::new(&[bind("s", "bind")]).unwrap(), None).unwrap().attach(&target()).unwrap();
        mounter.restrict(target(), &restrictions(&["/secret", "/plain", "/none"], &["/etc"])).unwrap();
        assert!(std::fs::read(file("t/secret/key")).is_err());
        assert_eq!((read(file("t/plain")), read(file("t/etc/conf"))), (String::new(), "x".into()));
        assert!(std::fs::write(file("t/etc/conf"), "y").is_err() && std::fs::write(file("t/new"), "y").is_ok());
        unmount_all("t");
        mounter.build(CWD, &Plan::new(&[bind("s", "bind")]).unwrap(), None).unwrap().attach(&target()).unwrap();
        let error = mounter.restrict(target(), &restrictions(&["/secret", "/"], &[])).unwrap_err();
        assert_eq!((error.kind(), mounts_below(file("t")).len()), (ErrorKind::OptionConflict, 1), "{error}");
        let mut spec = restrictions(&[], &[]);
        spec.readonly_root = true;
        mounter.restrict(target(), &spec).unwrap();
        assert!(mount_flags(file("t")).split(',').any(|flag| flag == "ro"));
        unmount_all("t");
    }

    /// Without threads of its own a set is there all the same.
    fn a_program_without_threads() needs [] {
        mkdirs(scratch(), &["t"]);
        let plan = Plan::new(&[tmpfs(), tmpfs().at("in").option("X-mount.mkdir")]).unwrap();
        Mounter::with(fmountat::kernel::Features::get().at_most(6, 12), None).without_threads().apply(CWD, &plan, &target()).unwrap();
        assert_eq!(mounts_below(file("t")).len(), 2);
        unmount_all("t");
    }
}
