// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Reads strace's log: which system calls a command makes after its start, and which of them strace
//! failed.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::process::Command;

/// The system calls to fail: all that the mount layer uses and this strace knows.
const CALLS: &[&str] = &[
    "open_tree",
    "open_tree_attr",
    "move_mount",
    "mount_setattr",
    "fsopen",
    "fsconfig",
    "fsmount",
    "fspick",
    "mount",
    "umount2",
    "statmount",
    "listmount",
    "open",
    "openat",
    "openat2",
    "statx",
    "stat",
    "lstat",
    "fstat",
    "newfstatat",
    "fstatfs",
    "statfs",
    "mkdirat",
    "mkdir",
    "unlinkat",
    "fchownat",
    "fchown",
    "fchmodat",
    "fchmod",
    "chown",
    "chmod",
    "readlink",
    "readlinkat",
    "getdents64",
    "fgetxattr",
    "fcntl",
    "read",
    "ioctl",
    "clone",
    "clone3",
    "unshare",
    "setns",
    "pidfd_open",
    "kcmp",
    "uname",
    "chdir",
    "fchdir",
    "pipe2",
    "memfd_create",
    "execve",
];

/// Returns the value of `-e trace=`. The last is the mark after which a Rust program's own code
/// begins.
pub(crate) fn filter() -> String {
    let calls: String = CALLS.iter().map(|call| format!("?{call},")).collect();
    format!("trace={calls}{MARK}")
}

/// Before `main`, Rust gives the main thread a stack for signals.
const MARK: &str = "sigaltstack";

/// A system call to make fail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CallSite {
    pub(crate) call: String,
    /// Counted from 1 from the start of the process, as in `inject=...:when=`; 0 for every call.
    pub(crate) nth: usize,
    /// The call in the log, for messages.
    pub(crate) text: String,
}

/// An errno's name and number.
pub(crate) type Errno = (&'static str, u32);

impl CallSite {
    /// Makes the call fail in the program that `strace` will start. If this strace does not know
    /// the call, a filter fails it for everything that the calling thread starts afterwards.
    pub(crate) fn fail(&self, (name, number): Errno, strace: &mut Command) {
        if let Some(call) = self.unknown() {
            return fmountat_testing::filter::errno_on(&[call], number);
        }
        let when = if self.nth == 0 { String::new() } else { format!(":when={}", self.nth) };
        strace.arg("-e").arg(format!("inject={}:error={name}{when}", self.call));
    }

    /// Returns the number of a call that strace has no name for.
    fn unknown(&self) -> Option<i64> {
        i64::from_str_radix(self.call.strip_prefix("syscall_0x")?, 16).ok()
    }

    /// Returns the errno that the command must name. rustix treats a statx(2) that always fails
    /// with EPERM as missing.
    ///
    /// Returns `None` for a call whose absence is detected before the mount: another call fails
    /// then.
    pub(crate) fn reported(&self, (name, _): Errno) -> Option<&'static str> {
        let is_asked_about = self.call == "mount_setattr" || self.unknown().is_some();
        match self.nth {
            0 if self.call == "statx" => Some("ENOSYS"),
            0 if is_asked_about => None,
            _ => Some(name),
        }
    }

    /// Reports whether the log shows that it failed.
    pub(crate) fn has_failed(&self, log: &str, (name, _): Errno) -> bool {
        let sign =
            if self.unknown().is_some() { format!("= -1 {name} ") } else { String::from("(INJECTED)") };
        // A call that another process came between has a second line.
        let names = [format!("{}(", self.call), format!("{} resumed>", self.call)];
        log.lines().any(|line| names.iter().any(|name| line.contains(name)) && line.contains(&sign))
    }
}

/// Returns the calls in a log after the mark, and one place for all uses of each call that only
/// occurs after the mark. Calls of other programs are left out.
pub(crate) fn places(log: &str) -> Vec<CallSite> {
    let mut counts: HashMap<(&str, &str), usize> = HashMap::new();
    let (mut started, mut early, mut others) = (false, HashSet::new(), HashSet::new());
    let mut places = Vec::new();
    let mut every: BTreeMap<&str, CallSite> = BTreeMap::new();
    for (tid, text) in log.lines().filter_map(|line| line.split_once(' ')) {
        let text = text.trim_start();
        let Some((call, _)) = text.split_once('(').filter(|(call, _)| !call.contains([' ', '<'])) else {
            continue;
        };
        if others.contains(tid) {
            continue;
        }
        if is_of_another(call, text) {
            others.insert(tid);
        }
        started |= call == MARK && text.contains("ss_sp=0x");
        if call == MARK {
            continue;
        }
        let nth = counts.entry((tid, call)).and_modify(|n| *n += 1).or_insert(1);
        if !started {
            early.insert(call);
        } else if !is_harmless(call, text) {
            let place = CallSite { call: call.to_owned(), nth: *nth, text: text.to_owned() };
            if place.unknown().is_none() && !places.contains(&place) {
                places.push(place.clone());
            }
            every.entry(call).or_insert(CallSite { nth: 0, ..place });
        }
    }
    assert!(started, "no start of main in {log}");
    places.extend(every.into_values().filter(|place| !early.contains(place.call.as_str())));
    places
}

/// Reports whether the call executes another program.
fn is_of_another(call: &str, text: &str) -> bool {
    call == "execve" && !text.split('"').nth(1).is_some_and(|program| program.ends_with("/fmountat"))
}

/// Only debug builds look at a descriptor's flags before they close it.
fn is_harmless(call: &str, text: &str) -> bool {
    call == "fcntl" && text.contains("F_GETFD") || call == "execve" && !is_of_another(call, text)
}
