// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Tests the processes around a mount helper: they are not children of the caller, even of a
//! hostile one, and none is left.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use crate::helpers::{
    self, LONG, file, gone, gone_within, marked_sleep, mount, processes, script, signal, with_numbers,
};
use crate::process::{self, Reaper};
use fmountat::ErrorKind;
use fmountat_testing::{filter, mkdirs, read, scratch, write};
use rustix::process::{Pid, Signal};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use std::io::Read;
use std::os::fd::AsFd;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Child, Command};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

const SOON: Duration = Duration::from_millis(400);

/// Waits until `is_so` returns true, and fails with `what` after the time limit.
fn until(what: &str, is_so: impl Fn() -> bool) {
    let end = Instant::now() + LONG;
    while !is_so() {
        assert!(Instant::now() < end, "{what}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Runs 200 helpers on one thread, a reaper that waits for any child on another, and a handler,
/// while the caller's own children start and end one at a time: simultaneous signals are counted as
/// one.
fn storm(flags: libc::c_int) {
    mkdirs(scratch(), &["t"]);
    let helper = script("exit 7");
    process::handle(libc::SIGCHLD);
    let reaper = Reaper::start(flags);
    let done = AtomicBool::new(false);
    let mut own = 0;
    std::thread::scope(|scope| {
        let helpers = scope.spawn(|| {
            for _ in 0..200 {
                assert_eq!(mount(&helper, "t", LONG).unwrap_err().reason(), "exit status 7");
            }
            done.store(true, Ordering::SeqCst);
        });
        while !done.load(Ordering::SeqCst) && !helpers.is_finished() {
            // The reaper thread reaps this child.
            let number = Command::new("true").spawn().map(|child| child.id()).unwrap();
            own += 1;
            until("a SIGCHLD was lost", || process::received() >= own);
            until("a child was lost", || !Path::new(&format!("/proc/{number}")).exists());
        }
        helpers.join().unwrap();
    });
    let reaped = reaper.stop();
    assert!(own > 20, "too few children to say anything: {own}");
    assert_eq!(process::received(), own, "SIGCHLD was sent for a process of ours");
    if flags & libc::__WALL == 0 {
        assert_eq!(reaped, own, "waitpid(-1) saw a process of ours");
    }
}

/// Runs this binary again with the case `name`, which runs the script `bin/mount.script` of the
/// scratch directory.
fn start(name: &str, mark: &str) -> (Child, Pid) {
    let inside = [fmountat_testing::INSIDE, name];
    let child = Command::new("/proc/self/exe").args(inside).arg(scratch()).process_group(0).spawn().unwrap();
    until("the helper does not start", || !processes(mark).is_empty());
    let subreaper = subreaper(Pid::from_child(&child));
    (child, subreaper)
}

/// Returns the only child of the process `of`: the subreaper of its mount helper.
fn subreaper(of: Pid) -> Pid {
    let threads = std::fs::read_dir(format!("/proc/{of}/task")).unwrap().map(Result::unwrap);
    let children: String = threads.map(|thread| read(thread.path().join("children"))).collect();
    Pid::from_raw(children.trim().parse().unwrap()).unwrap()
}

/// After the subreaper has ended, only processes with a pending SIGKILL are left; on a busy machine
/// they may outlast its wait. (Earlier, a process inside execve(2) has no command line to identify
/// it.)
fn nothing_is_left(subreaper: Pid, marked_sleep: &str) {
    let state = || std::fs::read_to_string(format!("/proc/{subreaper}/stat")).unwrap_or_default();
    until("the subreaper does not end", || {
        state().rsplit_once(") ").is_none_or(|(_, state)| state.starts_with(['Z', 'X']))
    });
    let marks = [marked_sleep.to_owned(), file("bin/mount.script").display().to_string()];
    let left: Vec<_> =
        marks.iter().flat_map(|mark| with_numbers(mark)).filter(|(pid, _)| !is_being_killed(*pid)).collect();
    marks.iter().for_each(|mark| gone(mark));
    assert_eq!(left, []);
}

/// Reports whether SIGKILL is pending for the process or it has ended.
fn is_being_killed(pid: i32) -> bool {
    let Ok(status) = std::fs::read_to_string(format!("/proc/{pid}/status")) else { return true };
    let pending = |name: &str| {
        let set = status.lines().find_map(|line| line.strip_prefix(name)).unwrap_or("0");
        u64::from_str_radix(set.trim(), 16).unwrap() & 1 << (Signal::KILL.as_raw() - 1) != 0
    };
    pending("SigPnd:") || pending("ShdPnd:") || status.contains("\nState:\tZ")
}

fmountat_testing::cases! {
    fn a_handler_and_a_reaper_see_their_own_children_only() needs [] {
        storm(0);
    }

    /// With `__WALL`, the caller's reaper may reap the intermediary. The helper's status is not
    /// lost.
    fn a_reaper_of_all_kinds_takes_no_answer() needs [] {
        storm(libc::__WALL);
    }

    /// If SIGCHLD is ignored, the kernel reaps children itself. The helper's status must not be
    /// lost, and the helper must be able to wait for its own children.
    fn a_caller_that_ignores_sigchld() needs [] {
        mkdirs(scratch(), &["t"]);
        process::ignore(libc::SIGCHLD);
        process::ignore(libc::SIGUSR1);
        let error = mount(&script("exit 7"), "t", LONG).unwrap_err();
        assert_eq!((error.kind(), error.reason().as_str()), (ErrorKind::HelperFailed, "exit status 7"));
        let error = mount(&script("grep SigIgn /proc/self/status; exit 1"), "t", LONG).unwrap_err();
        let ignored = error.output()[0].trim_start_matches("SigIgn:").trim().to_owned();
        let ignored = u64::from_str_radix(&ignored, 16).unwrap();
        let is = |signal: libc::c_int| ignored & (1 << (signal - 1)) != 0;
        // A Rust program ignores SIGPIPE from its start, and no program expects that.
        assert_eq!([libc::SIGUSR1, libc::SIGCHLD, libc::SIGPIPE].map(is), [true, false, false]);
        process::ignore_no_more(libc::SIGCHLD);
    }

    /// A caller whose children are born in another pid namespace.
    fn in_a_pid_namespace() needs [Root, Tool("unshare")] {
        mkdirs(scratch(), &["t"]);
        let helper = script("exit 7");
        let mut there = Command::new("unshare").args(["-pf", "--kill-child", "sleep", "60"]).spawn().unwrap();
        until("no process 1", || Path::new(&format!("/proc/{}/ns/pid_for_children", there.id())).exists());
        let ns = std::fs::File::open(format!("/proc/{}/ns/pid_for_children", there.id())).unwrap();
        let work = || {
            std::thread::scope(|scope| {
                scope.spawn(|| {
                    move_into_link_name_space(ns.as_fd(), Some(LinkNameSpaceType::ProcessID)).unwrap();
                    (mount(&helper, "t", LONG).unwrap_err(), mount(&script("sleep 100"), "t", SOON).unwrap_err())
                }).join().unwrap()
            })
        };
        let (failed, hung) = work();
        assert_eq!(failed.reason(), "exit status 7");
        assert_eq!(hung.kind(), ErrorKind::TimedOut);
        there.kill().unwrap();
        there.wait().unwrap();
    }

    /// The end of PID 1 of a pid namespace kills all others: a FUSE server would not outlive its
    /// helper.
    fn not_as_the_first_of_a_pid_namespace() needs [Root] {
        mkdirs(scratch(), &["t"]);
        let helper = script("touch \"$2/ran\"; exit 7");
        process::in_new_pid_namespace();
        let error = mount(&helper, "t", LONG).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
        assert!(!file("t/ran").exists());
        // No process has become PID 1 of the new namespace yet.
        assert_eq!(process::in_fork(10, || std::process::id() == 1), 0);
    }

    /// At the time limit all processes that the helper started are killed, also those in other
    /// sessions, and the caller gets no zombie.
    fn a_hung_helper_goes_with_all_it_started() needs [Tool("setsid")] {
        mkdirs(scratch(), &["t"]);
        let marked_sleep = marked_sleep();
        let body = format!("trap '' TERM; (setsid sh -c '{marked_sleep}; true' &) ; setsid -f {marked_sleep}; {marked_sleep} & {marked_sleep}");
        let start = Instant::now();
        let error = mount(&script(&body), "t", SOON).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TimedOut, "{error}");
        assert!(start.elapsed() < Duration::from_secs(3));
        gone_within(&marked_sleep, Duration::ZERO);
    }

    /// A helper that ends within the time limit may leave a daemon running.
    fn a_daemon_stays() needs [Tool("setsid")] {
        mkdirs(scratch(), &["t"]);
        let marked_sleep = marked_sleep();
        mount(&script(&format!("setsid -f {marked_sleep}; exit 1")), "t", LONG).unwrap_err();
        until("the daemon does not stay", || processes(&marked_sleep).len() == 1);
        std::thread::sleep(Duration::from_millis(50));
        assert_eq!(processes(&marked_sleep).len(), 1);
        signal(&marked_sleep, Signal::KILL);
        gone(&marked_sleep);
    }

    /// A daemon that keeps writing to its helper's output does not fill memory.
    fn a_daemon_that_goes_on_talking_is_not_heard() needs [] {
        mkdirs(scratch(), &["t"]);
        mount(&script("(while echo talk; do sleep 0.01; done) & exit 1"), "t", LONG).unwrap_err();
        gone(&file("bin/mount.script").display().to_string());
    }

    /// Not a test by itself: waits for a helper.
    fn waits() needs [] {
        if file("bin/mount.script").exists() {
            mkdirs(scratch(), &["t2"]);
            let _ = mount(&helpers::found(), "t2", LONG);
        }
    }

    /// A caller that is killed with SIGKILL leaves neither a helper nor the helper's children.
    fn a_killed_caller_leaves_nothing() needs [Tool("setsid")] {
        let marked_sleep = marked_sleep();
        script(&format!("setsid -f {marked_sleep}; {marked_sleep} & {marked_sleep}"));
        let (mut child, subreaper) = start("helper_process::waits", &marked_sleep);
        let begun = Instant::now();
        child.kill().unwrap();
        child.wait().unwrap();
        nothing_is_left(subreaper, &marked_sleep);
        // The processes end at once, not at the time limit.
        assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    }

    /// A signal that kills the caller takes effect at once, also when sent to its process group
    /// (^C). No process of the helper is left.
    fn a_hung_helper_can_be_interrupted() needs [Tool("setsid")] {
        let marked_sleep = marked_sleep();
        script(&format!("setsid -f {marked_sleep}; {marked_sleep} & {marked_sleep}"));
        for signal in [Signal::TERM, Signal::INT, Signal::HUP, Signal::USR1] {
            // A shell starts background jobs with SIGINT ignored, and the caller would inherit
            // that.
            process::ignore_no_more(signal.as_raw());
            let (mut child, subreaper) = start("helper_process::waits", &marked_sleep);
            let start = Instant::now();
            rustix::process::kill_process_group(Pid::from_child(&child), signal).unwrap();
            assert_eq!(child.wait().unwrap().signal(), Some(signal.as_raw()));
            assert!(start.elapsed() < Duration::from_secs(5), "{signal:?}: {:?}", start.elapsed());
            nothing_is_left(subreaper, &marked_sleep);
        }
    }

    /// If the helper's parent is killed, the helper is killed too, and the caller does not wait for
    /// it.
    fn a_killed_subreaper_takes_the_helper_with_it() needs [] {
        mkdirs(scratch(), &["t"]);
        let marked_sleep = marked_sleep();
        let helper = script(&format!("exec {marked_sleep}"));
        std::thread::scope(|scope| {
            let hung = scope.spawn(|| mount(&helper, "t", LONG).unwrap_err());
            until("the helper does not start", || !processes(&marked_sleep).is_empty());
            rustix::process::kill_process(subreaper(rustix::process::getpid()), Signal::KILL).unwrap();
            let error = hung.join().unwrap();
            assert!(error.reason().contains("killed"), "{error}");
        });
        gone(&marked_sleep);
    }

    /// execve(2) of a set-user-ID program clears the death signal: the subreaper must kill it.
    fn a_killed_caller_leaves_no_set_user_id_helper() needs [Root] {
        // A number that no other process sleeps for.
        let seconds = format!("7{}", std::process::id());
        let program = file("sleep");
        std::fs::copy("/usr/bin/sleep", &program).unwrap();
        std::os::unix::fs::chown(&program, Some(1), Some(1)).unwrap();
        std::fs::set_permissions(&program, PermissionsExt::from_mode(0o4755)).unwrap();
        let mark = format!("{} {seconds}", program.display());
        script(&format!("exec {mark}"));
        let (mut child, subreaper) = start("helper_process::waits", &mark);
        child.kill().unwrap();
        child.wait().unwrap();
        nothing_is_left(subreaper, &mark);
    }

    /// If the caller closes a descriptor while the helper runs, no process keeps a copy of it open.
    fn what_the_caller_closes_is_closed() needs [] {
        mkdirs(scratch(), &["t"]);
        let (read_end, write_end) = rustix::pipe::pipe().unwrap();
        let marked_sleep = marked_sleep();
        let helper = script(&marked_sleep);
        std::thread::scope(|scope| {
            let hung = scope.spawn(|| mount(&helper, "t", Duration::from_secs(3)).unwrap_err());
            until("the helper does not start", || !processes(&marked_sleep).is_empty());
            let start = Instant::now();
            drop(write_end);
            assert_eq!(std::fs::File::from(read_end).read(&mut [0]).unwrap(), 0);
            assert!(start.elapsed() < Duration::from_secs(1), "the end of the pipe came after {:?}", start.elapsed());
            assert_eq!(hung.join().unwrap().kind(), ErrorKind::TimedOut);
        });
    }

    /// Without the descriptors 0 to 2, and with few left.
    fn a_caller_without_standard_descriptors() needs [] {
        mkdirs(scratch(), &["t"]);
        let helper = script("cat; echo said; readlink /proc/self/fd/0; exit 4");
        let status = process::in_fork(10, || {
            process::close_standard();
            let error = mount(&helper, "t", LONG).unwrap_err();
            error.reason() == "exit status 4" && error.output() == ["said", "/dev/null"]
        });
        assert_eq!(status, 0);
    }

    /// Where a filter forbids pidfds and close_range(2).
    fn behind_a_filter() needs [Tool("setsid")] {
        mkdirs(scratch(), &["t"]);
        filter::errno_on(&[libc::SYS_pidfd_open, libc::SYS_close_range], libc::ENOSYS.unsigned_abs());
        let leaky = std::fs::File::open("/etc/hostname").unwrap();
        rustix::io::fcntl_setfd(&leaky, rustix::io::FdFlags::empty()).unwrap();
        let error = mount(&script("sleep 0.1; ls /proc/self/fd; exit 7"), "t", LONG).unwrap_err();
        // 3 is the listing's own.
        assert_eq!((error.reason().as_str(), error.output().join(" ").as_str()), ("exit status 7", "0 1 2 3"));
        let marked_sleep = marked_sleep();
        let error = mount(&script(&format!("setsid -f {marked_sleep}; {marked_sleep}")), "t", SOON).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TimedOut);
        gone_within(&marked_sleep, Duration::ZERO);
    }

    /// The error has a line with a long path in full, its control characters escaped.
    fn long_lines_are_reported_in_full() needs [] {
        mkdirs(scratch(), &["t"]);
        let long = "x".repeat(700);
        write(file("words"), format!("\x1b[1mfuse: bad mount point {long}: gone"));
        let error = mount(&script(&format!("cat {}; exit 1", file("words").display())), "t", LONG).unwrap_err();
        assert!(error.to_string().ends_with(&format!("helper: \\u{{1b}}[1mfuse: bad mount point {long}: gone")), "{error}");
    }
}
