// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Under a terminal: script(1) makes one and types for us.

use super::sandbox::{CHANGING, Untouched, command, kill_processes, processes, words};
use fmountat_testing::{is_real_root, scratch, slower, write};
use rustix::process::{Pid, Signal, kill_process};
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Stdio};
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(20);

/// A terminal with a shell that runs `outer`, in which `RUN` is `fmountat run --lower / --`.
struct Terminal {
    child: Child,
    keys: ChildStdin,
    screen: File,
    seen: String,
}

impl Terminal {
    fn start(outer: &str, inner: &str) -> Self {
        let word = |w: std::ffi::OsString| w.into_string().unwrap();
        let run = words(&[]).into_iter().map(word).collect::<Vec<_>>().join(" ");
        let (outer_file, inner_file) = (scripts().join("outer.sh"), scripts().join("inner.sh"));
        let inner_words = format!("{run} --lower / -- sh {}", inner_file.display());
        write(&inner_file, inner);
        write(
            &outer_file,
            outer.replace("INNER", &inner_words).replace("RUN", &format!("{run} --lower / --")),
        );
        let shell = format!("exec sh {}", outer_file.display());
        let mut command = command(&["script", "-qec", &shell, "/dev/null"].map(Into::into));
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.env("TERM", "dumb").spawn().unwrap();
        let keys = child.stdin.take().unwrap();
        let screen = File::from(OwnedFd::from(child.stdout.take().unwrap()));
        rustix::fs::fcntl_setfl(&screen, rustix::fs::OFlags::NONBLOCK).unwrap();
        Self { child, keys, screen, seen: String::new() }
    }

    fn read(&mut self) {
        let mut bytes = [0; 4096];
        while let Ok(n @ 1..) = self.screen.read(&mut bytes) {
            self.seen.push_str(&String::from_utf8_lossy(&bytes[..n]));
        }
    }

    fn wait_for(&mut self, text: &str) {
        self.wait_for_times(text, 1);
    }

    fn wait_for_times(&mut self, text: &str, times: usize) {
        let start = Instant::now();
        while count(&self.seen, text) < times {
            assert!(start.elapsed() < slower(PATIENCE), "no {text:?} on the screen:\n{}", self.seen);
            std::thread::sleep(Duration::from_millis(2));
            self.read();
        }
    }

    fn press(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).unwrap();
    }

    /// Waits for the shell's end; its status and all that was on the screen.
    fn end(&mut self) -> (Option<i32>, String) {
        let start = Instant::now();
        let status = loop {
            self.read();
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            assert!(start.elapsed() < slower(PATIENCE), "does not end:\n{}", self.seen);
            std::thread::sleep(Duration::from_millis(2));
        };
        self.read();
        (status.code(), self.seen.replace('\r', ""))
    }
}

/// Returns the directory for temporary files of the case.
fn scripts() -> PathBuf {
    scratch().join(CHANGING)
}

impl Drop for Terminal {
    /// A process in a session of its own is not in the case's process group, which the harness
    /// kills.
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            kill_processes();
        }
    }
}

fn count(text: &str, what: &str) -> usize {
    text.matches(what).count()
}

pub(crate) fn is_the_commands() {
    let before = Untouched::now();
    // stty(1) sets rows and columns separately, and the kernel sends a signal for each.
    let inner = "[ -t 0 ] && [ -t 1 ] && [ -t 2 ] && echo terminal; stty size; exec 3<>/dev/tty && echo x >&3
        sleep 100 & trap '[ \"$(stty size)\" != \"44 88\" ] || { kill $!; stty size; exit 4; }' WINCH; echo ready; while :; do wait $!; done";
    let outer = "stty rows 33 cols 77
        (while ! [ -e \"$FLAG\" ]; do sleep 0.02; done; stty rows 44 cols 88 </dev/tty) &
        INNER; echo status $?";
    let flag = scripts().join("flag");
    let outer = outer.replace("\"$FLAG\"", flag.to_str().unwrap());
    let mut terminal = Terminal::start(&outer, inner);
    terminal.wait_for("ready");
    write(&flag, "");
    let (_, screen) = terminal.end();
    for text in ["terminal\n", "33 77\n", "44 88\n", "status 4\n"] {
        assert!(screen.contains(text), "{text}\n{screen}");
    }
    before.assert("a terminal");
}

/// ^C is for the foreground job: the command receives SIGINT from the terminal and must not receive
/// it from us again.
pub(crate) fn interrupt() {
    let before = Untouched::now();
    let inner =
        "trap 'echo got-it' INT; trap 'exit 5' QUIT; sleep 100 & echo ready; while :; do wait $!; done";
    let mut terminal = Terminal::start("trap 'echo outer' INT; trap : QUIT; INNER; echo status $?", inner);
    terminal.wait_for("ready");
    for n in 1..=5 {
        terminal.press("\x03");
        let start = Instant::now();
        while count(&terminal.seen, "got-it") < n && start.elapsed() < slower(PATIENCE) {
            terminal.read();
        }
    }
    std::thread::sleep(Duration::from_millis(50));
    terminal.read();
    assert_eq!(count(&terminal.seen, "got-it"), 5, "{}", terminal.seen);
    terminal.press("\x1c");
    let (_, screen) = terminal.end();
    assert!(screen.contains("status 5\n"), "{screen}");

    let mut terminal = Terminal::start("trap : INT; INNER; echo status $?", "exec sleep 100");
    // dash loses a signal that arrives right before its exec.
    let start = Instant::now();
    while !processes().iter().any(|process| process.ends_with(": sleep 100 ")) {
        assert!(start.elapsed() < slower(PATIENCE), "{:#?}", processes());
        terminal.read();
    }
    terminal.press("\x03");
    let (_, screen) = terminal.end();
    assert!(screen.contains("status 130\n"), "{screen}");
    before.assert("a terminal");
}

/// ^Z stops the whole job for the outer shell; `fg` and `bg` continue it with and without the
/// terminal.
pub(crate) fn stopped_and_continued() {
    let before = Untouched::now();
    let outer = "set -m; RUN sh -c 'echo ready; exec cat'; echo first $?; fg; echo second $?; bg; sleep 0.3; echo in-bg; fg; echo third $?";
    let mut terminal = Terminal::start(outer, "");
    terminal.wait_for("ready\r\n");
    terminal.press("one\n");
    terminal.wait_for_times("one", 2);
    terminal.press("\x1a");
    terminal.wait_for("first 148");
    // Once from the terminal, which may appear in the middle of the shell's output, and once from
    // cat.
    terminal.press("two\n");
    terminal.wait_for_times("two", 2);
    terminal.press("\x1a");
    // In the background cat is stopped again when it reads.
    terminal.wait_for("in-bg");
    terminal.press("three\n");
    terminal.wait_for_times("three", 2);
    terminal.press("\x03");
    terminal.wait_for("third 130");
    let (_, screen) = terminal.end();
    assert!(screen.contains("second 148"), "{screen}");
    before.assert("a stopped job");
}

fn is_blocked(pid: &str, signal: Signal) -> bool {
    let status = fmountat_testing::read(format!("/proc/{pid}/status"));
    let mask = status.lines().find_map(|line| line.strip_prefix("SigBlk:")).unwrap();
    u64::from_str_radix(mask.trim(), 16).unwrap() & (1 << (signal.as_raw() - 1)) != 0
}

/// The command stops itself in the background, and the stop takes effect when it has the terminal
/// again.
pub(crate) fn a_late_stop() {
    let mut terminal = Terminal::start("set -m; RUN sh -c 'echo ready; exec cat'; echo status $?", "");
    terminal.wait_for("ready\r\n");
    terminal.press("one\n");
    terminal.wait_for_times("one", 2);
    let is_supervisor = |process: &&String| process.contains("fmountat run --lower");
    let started = processes();
    let supervisor = started.iter().find(is_supervisor).unwrap();
    let number = supervisor.strip_prefix("/proc/").unwrap().split(':').next().unwrap();
    // Before it looks at stops first, the kernel stops it: a while after the command runs.
    let start = Instant::now();
    while !is_blocked(number, Signal::TTIN) {
        assert!(start.elapsed() < slower(PATIENCE), "SIGTTIN is not blocked");
        std::thread::sleep(Duration::from_millis(1));
    }
    kill_process(Pid::from_raw(number.parse().unwrap()).unwrap(), Signal::TTIN).unwrap();
    terminal.press("two\n");
    terminal.wait_for_times("two", 2);
    assert!(!terminal.seen.contains("status"), "{}", terminal.seen);
    terminal.press("\x03");
    terminal.wait_for("status 130");
    terminal.end();
}

/// The command cannot type into the terminal, which the caller's shell reads afterwards; and it
/// finds the terminal by its name.
pub(crate) fn typing_and_name() {
    let before = Untouched::now();
    let inner = "perl -e 'my $c = q(x); print ioctl(STDIN, 0x5412, $c) ? qq(typed\\n) : qq(refused\\n)'; tty; echo done";
    let (_, screen) = Terminal::start("INNER; echo status $?", inner).end();
    assert!(screen.contains("refused\n") && !screen.contains("typed"), "{screen}");
    assert!(screen.contains("/dev/console\ndone\nstatus 0\n"), "{screen}");
    before.assert("a terminal");
}

/// A shell takes the terminal for itself and its jobs. Afterwards the terminal belongs to the
/// caller again.
pub(crate) fn job_control() {
    let before = Untouched::now();
    let outer = "RUN sh -i; echo status $?; read line </dev/tty && echo line $line";
    let mut terminal = Terminal::start(outer, "");
    terminal.wait_for(if is_real_root() { "# " } else { "$ " });
    terminal.press("sleep 100\n");
    terminal.wait_for("sleep 100");
    std::thread::sleep(Duration::from_millis(300));
    terminal.press("\x1a");
    terminal.wait_for("Stopped");
    terminal.press("jobs; echo in-jobs-$((1+1))\n");
    terminal.wait_for("in-jobs-2");
    terminal.press("fg\n");
    std::thread::sleep(Duration::from_millis(300));
    terminal.press("\x03");
    std::thread::sleep(Duration::from_millis(100));
    terminal.press("echo code-$?\n");
    terminal.wait_for("code-130");
    terminal.press("exit 6\n");
    // The echo of early input would appear in the middle of the line.
    terminal.wait_for("status 6\r\n");
    terminal.press("typed\n");
    terminal.wait_for("line typed");
    let (status, screen) = terminal.end();
    assert_eq!(status, Some(0), "{screen}");
    assert!(screen.contains("status 6\n"), "{screen}");
    assert!(!screen.contains("can't access tty") && !screen.contains("no job control"), "{screen}");
    before.assert("a terminal");
}
