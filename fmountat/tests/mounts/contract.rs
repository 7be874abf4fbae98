// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The contract of `fmountat`, line by line, checked with both implementations.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stderr)]

mod trace;
mod strategies;

use crate::process::{self, HUNG, Reaper, closed_fd, in_fork, in_fork_as_pid_1};
use fmountat::ErrorKind;
use fmountat::call::{MOUNT_DATA_MAX, PrivateCwd};
use fmountat_testing::{Snapshot, filter, is_real_root, mkdirs, mounts_below, read, scratch, write};
use rustix::fd::AsRawFd;
use rustix::fs::{CWD, Mode, OFlags};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::process::{Command, Stdio};
use std::time::Duration;
use strategies::{assert_failed, bind, both, each_strategy, mode_of, open, unmount_now};

/// 64 threads bind in 64 directories at once while the process reaps with `waitpid(-1, flags)`.
fn storm(flags: libc::c_int) {
    const THREADS: usize = 64;
    const ROUNDS: usize = 20;
    process::handle(libc::SIGCHLD);
    both(|cwd, dir| {
        let reaper = Reaper::start(flags);
        std::thread::scope(|scope| {
            for number in 0..THREADS {
                scope.spawn(move || {
                    let dir = dir.join(number.to_string());
                    write(dir.join("source/who"), number.to_string());
                    mkdirs(&dir, &["target"]);
                    let fd = open(&dir);
                    for _ in 0..ROUNDS {
                        bind(cwd, &fd, "source", "target").unwrap();
                        assert_eq!(read(dir.join("target/who")), number.to_string());
                        unmount_now(dir.join("target"));
                        assert_failed(bind(cwd, &fd, "no such source", "target"), "mount", libc::ENOENT);
                    }
                });
            }
        });
        let reaped = reaper.stop();
        if flags & libc::__WALL == 0 {
            assert_eq!(reaped, 0, "a waitpid(-1) saw children of ours");
        }
        assert_eq!(process::received(), 0, "SIGCHLD was sent");
    });
    // Were the handler never called at all, the zeros above would say nothing.
    assert_eq!(in_fork(10, || true), 0);
    assert_eq!(process::received(), 1);
}

fn one_mount(cwd: &PrivateCwd) {
    mkdirs(scratch(), &["target"]);
    cwd.mount(open(scratch()), "none", "target", "tmpfs", fmountat::MountFlags::empty(), "").unwrap();
    assert_failed(bind(cwd, open(scratch()), "missing", "target"), "mount", libc::ENOENT);
}

fmountat_testing::cases! {
    /// In any of the strings; a closed `dir` shows that no system call came before.
    fn a_nul_byte_is_found_before_any_system_call() needs [] {
        both(|cwd, _| {
            for at in 0..4 {
                let mut strings = ["source", "target", "tmpfs", "mode=0700"];
                strings[at] = "a\0b";
                let [source, target, fstype, data] = strings;
                let error = cwd.mount(closed_fd(), source, target, fstype, fmountat::MountFlags::empty(), data).unwrap_err();
                assert_eq!((error.kind(), error.errno()), (ErrorKind::NulByte, libc::EINVAL), "string {at}: {error}");
            }
        });
    }

    /// A filter that answers 300 to a `data` of NULL and to no other.
    fn empty_data_passes_null() needs [] {
        each_strategy(|make, dir| {
            mkdirs(dir, &["target"]);
            let mount = move |data: &str| {
                filter::errno_when(libc::SYS_mount, 4, 0, 300);
                make().mount(open(dir), "none", "target", "tmpfs", fmountat::MountFlags::empty(), data)
            };
            std::thread::scope(|scope| {
                assert_failed(scope.spawn(|| mount("")).join().unwrap(), "mount", 300);
                scope.spawn(|| mount("mode=0711")).join().unwrap().unwrap();
            });
        });
    }

    fn a_file_in_place_of_the_directory_is_enotdir() needs [] {
        both(|cwd, dir| {
            write(dir.join("file"), "");
            mkdirs(dir, &["target"]);
            assert_failed(bind(cwd, open(dir.join("file")), "/", "target"), "fchdir", libc::ENOTDIR);
        });
    }

    fn a_missing_source_is_enoent() needs [] {
        both(|cwd, dir| {
            mkdirs(dir, &["target"]);
            assert_failed(bind(cwd, open(dir), "source", "target"), "mount", libc::ENOENT);
        });
    }

    fn a_closed_descriptor_is_ebadf() needs [] {
        both(|cwd, dir| {
            mkdirs(dir, &["source", "target"]);
            let [source, target] = ["source", "target"].map(|name| dir.join(name).display().to_string());
            assert_failed(bind(cwd, closed_fd(), &source, &target), "fchdir", libc::EBADF);
            assert_eq!(mounts_below(dir), [""; 0]);
        });
    }

    fn relative_source_and_target_start_at_the_directory() needs [] {
        both(|cwd, dir| {
            write(dir.join("in/source/file"), "content");
            mkdirs(dir, &["in/target"]);
            bind(cwd, open(dir.join("in")), "source", "target").unwrap();
            assert_eq!(read(dir.join("in/target/file")), "content");
            unmount_now(dir.join("in/target"));

            let path_only = rustix::fs::open(dir.join("in"), OFlags::PATH, Mode::empty()).unwrap();
            bind(cwd, path_only, "../in/source", "./target").unwrap();
            assert_eq!(read(dir.join("in/target/file")), "content");
        });
    }

    /// The caller's own, even where the handle was made somewhere else.
    fn relative_paths_start_at_the_cwd_if_that_is_given() needs [] {
        both(|cwd, dir| {
            write(dir.join("source/file"), "content");
            mkdirs(dir, &["target"]);
            std::env::set_current_dir(dir).unwrap();
            bind(cwd, CWD, "source", "target").unwrap();
            std::env::set_current_dir("/").unwrap();
            assert_eq!(read(dir.join("target/file")), "content");
        });
    }

    fn relative_overlay_layers_start_at_the_directory() needs [Filesystem("overlay")] {
        both(|cwd, dir| {
            // Where the scratch directory is on an overlay itself, it can't hold an upper layer.
            cwd.mount(open(dir), "none", ".", "tmpfs", fmountat::MountFlags::empty(), "").unwrap();
            write(dir.join("1/file"), "lower 1");
            write(dir.join("2/file"), "lower 2");
            write(dir.join("2/other"), "other");
            mkdirs(dir, &["upper", "work", "merged"]);
            let mut data = String::from("lowerdir=1:2,upperdir=upper,workdir=work");
            if !is_real_root() {
                data.push_str(",userxattr");
            }
            cwd.mount(open(dir), "overlay", "merged", "overlay", fmountat::MountFlags::empty(), data).unwrap();
            assert_eq!(read(dir.join("merged/file")), "lower 1");
            assert_eq!(read(dir.join("merged/other")), "other");
            write(dir.join("merged/new"), "written");
            assert_eq!(read(dir.join("upper/new")), "written");
        });
    }

    fn a_file_is_bound_from_another_directory() needs [] {
        both(|cwd, dir| {
            write(dir.join("dir1/foo"), "content");
            write(dir.join("dir2/bar"), "");
            let before = Snapshot::take();
            bind(cwd, open(dir.join("dir2")), dir.join("dir1/foo").to_str().unwrap(), "bar").unwrap();
            assert_eq!(read(dir.join("dir2/bar")), "content");
            before.assert_unchanged();
        });
    }

    /// A thread of the library must not run a handler of the process for a signal that all other
    /// threads block.
    fn cwd_umask_signals_and_children_stay_as_they_are() needs [] {
        process::handle(libc::SIGUSR1);
        process::mask(libc::SIG_BLOCK, libc::SIGTERM);
        let umask = rustix::process::umask(Mode::from_raw_mode(0o137));
        each_strategy(|make, dir| {
            write(dir.join("file"), "");
            std::fs::create_dir(dir.join("target")).unwrap();
            std::env::set_current_dir("/proc").unwrap();
            let signals = process::signals();
            // Before the signal is blocked here, which a thread would inherit.
            let cwd = &make();
            assert_eq!(process::signals(), signals);
            process::mask(libc::SIG_BLOCK, libc::SIGUSR1);
            let mut child = Command::new("cat").stdin(Stdio::piped()).spawn().unwrap();
            let (before, signals, received) = (Snapshot::take(), process::signals(), process::received());

            cwd.mount(open(dir), "none", "target", "tmpfs", fmountat::MountFlags::empty(), "").unwrap();
            assert_failed(bind(cwd, open(dir), "missing", "target"), "mount", libc::ENOENT);
            assert_failed(bind(cwd, open(dir.join("file")), "/", "target"), "fchdir", libc::ENOTDIR);
            process::raise(libc::SIGUSR1);
            std::thread::sleep(Duration::from_millis(20));

            assert_eq!(before.changes(), [""; 0]);
            assert_eq!(process::signals(), signals);
            assert_eq!(process::received(), received, "a handler ran on a thread of ours");
            process::mask(libc::SIG_UNBLOCK, libc::SIGUSR1);
            assert_eq!(process::received(), received + 1);
            assert_eq!(child.try_wait().unwrap(), None);
            drop(child.stdin.take());
            assert!(child.wait().unwrap().success());
            std::env::set_current_dir("/").unwrap();
        });
        rustix::process::umask(umask);
    }

    /// A filter answers instead of the kernel. musl and glibc have no names for the numbers above
    /// 133.
    fn the_errno_is_exact_with_its_step() needs [] {
        for errno in [1, 255, 256, 300, 4095] {
            for (step, call) in [("mount", libc::SYS_mount), ("fchdir", libc::SYS_fchdir)] {
                each_strategy(|make, dir| {
                    mkdirs(dir, &["target"]);
                    let mount = move || {
                        filter::errno_on(&[call], errno);
                        make().mount(open(dir), "none", "target", "tmpfs", fmountat::MountFlags::empty(), "")
                    };
                    let done = std::thread::scope(|scope| scope.spawn(mount).join().unwrap());
                    assert_failed(done, step, i32::try_from(errno).unwrap());
                    assert_eq!(mounts_below(dir), [""; 0]);
                });
            }
        }
    }

    /// Whatever fails behind it, such as the worker's way back to `/`.
    fn a_mount_that_worked_is_no_error() needs [] {
        each_strategy(|make, dir| {
            mkdirs(dir, &["target"]);
            let mount = move || {
                filter::errno_on(&[libc::SYS_chdir], 300);
                make().mount(open(dir), "none", "target", "tmpfs", fmountat::MountFlags::empty(), "")
            };
            std::thread::scope(|scope| scope.spawn(mount).join().unwrap()).unwrap();
            assert_eq!(mounts_below(dir).len(), 1);
        });
    }

    fn nothing_is_left_over() needs [] {
        both(|cwd, dir| {
            write(dir.join("file"), "");
            mkdirs(dir, &["target"]);
            let (fd, file) = (open(dir), open(dir.join("file")));
            let before = Snapshot::take();
            for _ in 0..50 {
                cwd.mount(&fd, "none", "target", "tmpfs", fmountat::MountFlags::empty(), "").unwrap();
                before.assert_unchanged();
                unmount_now(dir.join("target"));
                assert_failed(bind(cwd, &fd, "missing", "target"), "mount", libc::ENOENT);
                assert_failed(bind(cwd, &file, "/", "target"), "fchdir", libc::ENOTDIR);
                assert_failed(bind(cwd, closed_fd(), "/", "target"), "fchdir", libc::EBADF);
                cwd.mount(&fd, "a\0b", "target", "tmpfs", fmountat::MountFlags::empty(), "").unwrap_err();
                before.assert_unchanged();
            }
        });
    }

    /// A process without a free descriptor can still mount: neither implementation needs one.
    fn no_descriptor_is_needed() needs [] {
        both(|cwd, dir| {
            mkdirs(dir, &["target"]);
            let fd = open(dir);
            let old = getrlimit(Resource::Nofile);
            // A new descriptor has the lowest free number: all below this one are taken.
            let current = Some(u64::try_from(fd.as_raw_fd()).unwrap() + 1);
            setrlimit(Resource::Nofile, Rlimit { current, maximum: old.maximum }).unwrap();
            let done = cwd.mount(&fd, "none", "target", "tmpfs", fmountat::MountFlags::empty(), "");
            setrlimit(Resource::Nofile, old).unwrap();
            done.unwrap();
        });
    }

    /// The kernel overwrites the last byte of its page, so 4095 is what can be passed whole.
    fn data_is_passed_whole_or_not_at_all() needs [] {
        both(|cwd, dir| {
            mkdirs(dir, &["target"]);
            let data = |length: usize| format!("{:,>length$}", "mode=0711");
            let done = cwd.mount(open(dir), "none", "target", "tmpfs", fmountat::MountFlags::empty(), data(MOUNT_DATA_MAX + 1));
            assert_eq!(done.unwrap_err().kind(), ErrorKind::TooLong);
            assert_eq!(mounts_below(dir), [""; 0]);

            assert_eq!(data(MOUNT_DATA_MAX).len(), 4095);
            cwd.mount(open(dir), "none", "target", "tmpfs", fmountat::MountFlags::empty(), data(MOUNT_DATA_MAX)).unwrap();
            assert_eq!(mode_of(dir.join("target")), 0o711);
        });
    }

    fn many_threads_with_a_reaper() needs [] {
        storm(0);
    }

    /// `__WALL` also sees children that send no signal; one that takes ours away does no harm.
    fn many_threads_with_a_reaper_of_everything() needs [] {
        storm(libc::__WALL);
    }

    fn clones_of_a_worker_share_one_thread_and_the_last_ends_it() needs [] {
        let before = Snapshot::take();
        let one = PrivateCwd::worker().unwrap();
        let two = one.clone();
        mkdirs(scratch(), &["target"]);
        for cwd in [&one, &two] {
            cwd.mount(open(scratch()), "none", "target", "tmpfs", fmountat::MountFlags::empty(), "").unwrap();
            assert_eq!(Snapshot::take().threads(), before.threads() + 1);
        }
        drop(one);
        two.mount(open(scratch()), "none", "target", "tmpfs", fmountat::MountFlags::empty(), "").unwrap();
        drop(two);
        before.assert_unchanged();
    }

    fn no_file_system_stays_busy() needs [] {
        both(|cwd, dir| {
            mkdirs(dir, &["target"]);
            for _ in 0..100 {
                cwd.mount(open(dir), "none", "target", "tmpfs", fmountat::MountFlags::empty(), "").unwrap();
                mkdirs(dir, &["target/inner"]);
                cwd.mount(open(dir.join("target")), "none", "inner", "tmpfs", fmountat::MountFlags::empty(), "").unwrap();
                unmount_now(dir.join("target/inner"));
                assert_failed(bind(cwd, open(dir.join("target")), "missing", "inner"), "mount", libc::ENOENT);
                unmount_now(dir.join("target"));
            }
        });
    }

    fn a_handle_works_after_fork() needs [] {
        both(|cwd, dir| {
            mkdirs(dir, &["child", "parent"]);
            let fd = open(dir);
            let status = in_fork(10, || {
                let done = cwd.mount(&fd, "none", "child", "tmpfs", fmountat::MountFlags::empty(), "").is_ok();
                drop(cwd.clone());
                done
            });
            assert_eq!(status, 0);
            assert_eq!(mounts_below(dir.join("child")).len(), 1);
            cwd.mount(&fd, "none", "parent", "tmpfs", fmountat::MountFlags::empty(), "").unwrap();
            assert_eq!(mounts_below(dir).len(), 2);
        });
    }

    /// Container inits are process 1, and so are the containers that they start.
    fn a_handle_works_after_fork_to_a_process_of_the_same_number() needs [] {
        let status = in_fork_as_pid_1(20, || {
            mkdirs(scratch(), &["child", "worker"]);
            let fd = open(scratch());
            let handles = [("child", PrivateCwd::child()), ("worker", PrivateCwd::worker().unwrap())];
            let mount = |(target, cwd): &(&str, PrivateCwd)| cwd.mount(&fd, "none", target, "tmpfs", fmountat::MountFlags::empty(), "").is_ok();
            let status = in_fork_as_pid_1(5, || handles.iter().all(mount));
            assert_ne!(status, HUNG, "the handle waits for a thread that is not there");
            assert_eq!(status, 0);
            mounts_below(scratch()).len() == handles.len()
        });
        assert_eq!(status, 0);
    }

    /// Traces the two cases below: no call forks, and only a thread with its own cwd changes it.
    fn nothing_forks_and_no_shared_cwd_moves() needs [Tool("strace")] {
        for case in ["one_mount_by_child", "one_mount_by_worker"] {
            let verdict = trace::of_case(case);
            assert_eq!(verdict.faults, [""; 0], "{case}");
            assert!(verdict.private_chdirs > 0, "{case}: no call was seen");
            assert_eq!(verdict.mounts.len(), 1, "{case}");
            assert!(verdict.mounts[0].contains(r#""tmpfs", 0, NULL)"#), "{case}: {:?}", verdict.mounts);
        }
    }

    fn one_mount_by_child() needs [] { one_mount(&PrivateCwd::child()); }

    fn one_mount_by_worker() needs [] { one_mount(&PrivateCwd::worker().unwrap()); }

    /// The judge of traces itself: each kind of fault, and the two shapes that are none.
    fn a_trace_with_faults_is_seen() needs [] {
        let faults = |log: &str| trace::judge(log).faults;
        assert_eq!(faults("7 vfork() = 8"), ["vfork() = 8"]);
        assert_eq!(faults("7 fchdir(3) = 0"), ["fchdir(3) = 0"]);
        assert_eq!(faults("7 clone(child_stack=NULL, flags=SIGCHLD) = 8").len(), 1);
        assert_eq!(faults("7 clone(child_stack=NULL, flags=CLONE_VM|CLONE_FS) = 8\n8 chdir(\"/\") = 0").len(), 1);
        assert_eq!(faults("7 chdir(\"/\") = 0\n7 unshare(CLONE_FS) = 0"), ["chdir(\"/\") = 0"]);
        assert_eq!(faults("7 unshare(CLONE_FS) = -1 EPERM (no)\n7 chdir(\"/\") = 0").len(), 1);
        let thread = "7 clone3({flags=CLONE_VM|CLONE_FS, stack=0x1} => {parent_tid=[8]}, 88) = 8\n\
                      8 unshare(CLONE_FS) = 0\n8 fchdir(3) = 0\n8 mount(\"a\", \"b\", 0, 0, NULL) = 0";
        let child = "7 clone(child_stack=0x1, flags=CLONE_VM|CLONE_VFORK <unfinished ...>\n8 fchdir(3) = 0\n\
                     8 mount(\"a\", \"b\", 0, 0, NULL) = 0\n8 +++ exited with 0 +++\n7 <... clone resumed>) = 8";
        for log in [thread, child] {
            let verdict = trace::judge(log);
            assert_eq!((verdict.faults, verdict.private_chdirs, verdict.mounts.len()), (vec![], 1, 1));
        }
    }
}
