// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Tests a caller that made a pid namespace for its next child, as container runtimes do: the
//! library must not fork that child.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stderr)]

use crate::common::{bind, file, ten, tmpfs};
use crate::process::{in_fork, in_new_pid_namespace};
use fmountat::call::PrivateCwd;
use fmountat::kernel::Features;
use fmountat::strategy::Strategy;
use fmountat::{ErrorKind, MountNamespace, Mounter, Plan, Result, Target, Tree, Unmount, fmountat};
use fmountat_testing::{filter, mkdirs, mounts_below, scratch};
use rustix::fs::CWD;

fn target(path: &str) -> Target {
    Target::open(CWD, file(path)).unwrap()
}

/// Refused with the reason, in place of a namespace that is dead when the caller forks.
fn assert_refused<T: std::fmt::Debug, E: Into<fmountat::Error> + std::fmt::Debug>(
    done: Result<T, E>,
    what: &str,
) {
    let error: fmountat::Error = done.unwrap_err().into();
    assert_eq!(error.kind(), ErrorKind::Unsupported, "{what}: {error}");
    assert!(error.to_string().contains("unshare(CLONE_NEWPID)"), "{what}: {error}");
}

fn assert_place_of_process_1_is_free() {
    assert_eq!(in_fork(10, || std::process::id() == 1), 0);
}

fmountat_testing::cases! {
    /// Operations that need a child are refused. Others work, and so does an existing worker
    /// thread.
    fn no_child_takes_the_place_of_process_1() needs [] {
        mkdirs(scratch(), &["t", "u", "src"]);
        let dir = std::fs::File::open(scratch()).unwrap();
        let worker = PrivateCwd::worker().unwrap();
        let here = MountNamespace::from_pid(std::process::id().try_into().unwrap()).unwrap();
        in_new_pid_namespace();
        assert_refused(fmountat(&dir, "none", "t", "tmpfs", fmountat::MountFlags::empty(), ""), "mount by a child");
        worker.mount(&dir, "none", "u", "tmpfs", fmountat::MountFlags::empty(), "").unwrap();
        assert_refused(here.attach(Tree::clone_of(CWD, file("src"), false).unwrap(), &here.target(file("t")).unwrap()), "another namespace");
        assert!(mounts_below(file("t")).is_empty());
        assert_place_of_process_1_is_free();
    }

    /// The user namespace of an id mapping is a child's.
    fn an_id_mapping_needs_a_child() needs [Root] {
        mkdirs(scratch(), &["t", "src"]);
        in_new_pid_namespace();
        let mapped = Plan::new(&[bind("src", "bind,X-mount.idmap=0:100000:1000")]).unwrap();
        assert_refused(Mounter::detached().apply(CWD, &mapped, &target("t")), "a user namespace");
        assert!(mounts_below(file("t")).is_empty());
        assert_place_of_process_1_is_free();
    }

    /// A set that is built detached needs no child.
    fn a_detached_set_needs_no_child() needs [Kernel(6, 15)] {
        mkdirs(scratch(), &["t"]);
        in_new_pid_namespace();
        let applied = Mounter::detached().apply(CWD, &Plan::new(ten()).unwrap(), &target("t")).unwrap();
        assert_eq!((applied.strategy, mounts_below(file("t")).len()), (Strategy::Detached, 10));
        Unmount::new().recursive(true).run(file("t")).unwrap();
        assert_place_of_process_1_is_free();
    }

    /// No thread can be made there, which the kernel says with EINVAL.
    fn threads_are_refused_in_words() needs [] {
        mkdirs(scratch(), &["t"]);
        in_new_pid_namespace();
        assert_refused(PrivateCwd::worker(), "the thread for mount(2)");
        let two = Plan::new(&[tmpfs(), tmpfs().at("a").option("X-mount.mkdir")]).unwrap();
        let old = Mounter::with(Features::get().at_most(6, 1), None);
        assert_refused(old.apply(CWD, &two, &target("t")), "a private mount namespace");
        assert_place_of_process_1_is_free();
    }

    /// Under a filter a child would probe the kernel's features, but not in this state: features
    /// that cannot be probed count as missing, and a set is refused.
    fn a_filter_does_not_make_a_child() needs [] {
        mkdirs(scratch(), &["t"]);
        in_new_pid_namespace();
        filter::errno_on(&[libc::SYS_openat2], libc::ENOSYS.unsigned_abs());
        let error = Mounter::with(Features::probe(), None).apply(CWD, &Plan::new(ten()).unwrap(), &target("t")).map(drop).unwrap_err();
        assert_eq!((error.kind(), mounts_below(file("t")).len()), (ErrorKind::Unsupported, 0), "{error}");
        assert_place_of_process_1_is_free();
    }
}
