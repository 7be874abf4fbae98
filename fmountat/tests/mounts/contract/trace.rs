// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A judge of `strace -f` logs: was there a fork, and did anybody change a cwd that others share?

use fmountat_testing::{INSIDE, binary, command_output, mkdirs, read, scratch};
use std::collections::{HashMap, HashSet};
use std::process::Command;

/// The result of checking a log.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Verdict {
    /// Calls that break the contract, as they stand in the log.
    pub(crate) faults: Vec<String>,
    /// Changes of a cwd that are nobody else's.
    pub(crate) private_chdirs: usize,
    /// Successful calls of mount(2) from such a cwd.
    pub(crate) mounts: Vec<String>,
}

/// One system call with its result. A call that the log splits is joined at the line where it
/// began.
#[derive(Debug)]
struct Call {
    tid: String,
    text: String,
}

/// The system calls that [`judge`] has to see.
const CALLS: &str = "trace=?clone,?clone3,?fork,?vfork,?chdir,fchdir,unshare,mount";

/// Returns the system calls of one case of `contract.rs`, run by itself under strace.
pub(crate) fn of_case(case: &str) -> Verdict {
    let (log, inner) = (scratch().join(format!("{case}.log")), scratch().join(case));
    mkdirs(scratch(), &[case]);
    let mut strace = Command::new("strace");
    strace.args(["-f", "-e", CALLS, "-o"]).arg(&log);
    strace
        .arg(binary(std::env::current_exe().unwrap()))
        .args([INSIDE, &format!("contract::{case}")])
        .arg(&inner);
    command_output(&mut strace);
    let log = read(log);
    eprintln!("{log}");
    // The harness makes its namespace private last; the calls before that are its own.
    let (_, body) = log.split_once("MS_REC|MS_PRIVATE, NULL) = 0").expect("the start of the case");
    judge(body)
}

/// Reads the log of a process that `strace -f -o` has followed from its start.
pub(crate) fn judge(log: &str) -> Verdict {
    let calls = calls(log);
    let mut verdict = Verdict::default();
    // A CLONE_VFORK child works before the line of its clone is complete, so births come first.
    let mut private: HashSet<&str> = HashSet::new();
    for call in &calls {
        let name = call.name();
        let birth = name.starts_with("clone");
        if matches!(name, "fork" | "vfork") || (birth && !call.flags().contains(&"CLONE_VM")) {
            verdict.faults.push(call.text.clone());
        }
        if birth && !call.flags().contains(&"CLONE_FS") {
            private.insert(call.result());
        }
    }
    for call in &calls {
        let name = call.name();
        let own = private.contains(&*call.tid);
        if name == "unshare" && call.text.contains("CLONE_FS") && call.result() == "0" {
            private.insert(&call.tid);
        } else if name.ends_with("chdir") && own {
            verdict.private_chdirs += 1;
        } else if name.ends_with("chdir") {
            verdict.faults.push(call.text.clone());
        } else if name == "mount" && own && call.result() == "0" {
            verdict.mounts.push(call.text.clone());
        }
    }
    verdict
}

impl Call {
    fn name(&self) -> &str {
        self.text.split('(').next().unwrap_or_default()
    }

    fn result(&self) -> &str {
        let after = self.text.rsplit(" = ").next().unwrap_or_default();
        after.split_whitespace().next().unwrap_or_default()
    }

    fn flags(&self) -> Vec<&str> {
        let flags = self.text.split("flags=").nth(1).unwrap_or_default();
        flags.split([',', ' ', ')', '}']).next().unwrap_or_default().split('|').collect()
    }
}

fn calls(log: &str) -> Vec<Call> {
    let mut calls: Vec<Call> = Vec::new();
    let mut unfinished: HashMap<&str, usize> = HashMap::new();
    for line in log.lines() {
        let Some((tid, text)) = line.split_once(' ') else { continue };
        let text = text.trim_start();
        if let Some(start) = text.strip_suffix("<unfinished ...>") {
            unfinished.insert(tid, calls.len());
            calls.push(Call { tid: tid.to_owned(), text: start.trim_end().to_owned() });
        } else if let Some((_, end)) = text.split_once(" resumed>") {
            let index = unfinished.remove(tid).expect("a call that began");
            calls[index].text.push_str(end);
        } else if !text.starts_with(['+', '-']) {
            calls.push(Call { tid: tid.to_owned(), text: text.to_owned() });
        }
    }
    calls
}
