// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Finds the system calls in a trace of `explain` that could change something.

use super::run_behind;
use super::specs::Spec;
use crate::fixture::with_fixture;
use fmountat_testing::{read, write};

/// Returns the trace of explaining the set, from the first call of the program itself.
pub(crate) fn of(spec: &Spec) -> String {
    of_verb("explain", spec)
}

pub(crate) fn of_verb(verb: &str, spec: &Spec) -> String {
    with_fixture(|dir| {
        write(dir.join("set.json"), &spec.json);
        let output = run_behind(&["strace", "-f", "-o", "log"], dir, verb, spec);
        assert!(dir.join("log").exists(), "{output:?}");
        read(dir.join("log"))
    })
}

/// Calls that change something when they succeed, whatever their arguments.
const ALWAYS: &[&str] = &[
    "mount",
    "umount2",
    "move_mount",
    "fsmount",
    "mount_setattr",
    "pivot_root",
    "chroot",
    "setns",
    "mkdir",
    "mkdirat",
    "mknod",
    "mknodat",
    "rmdir",
    "unlink",
    "unlinkat",
    "rename",
    "renameat",
    "renameat2",
    "link",
    "linkat",
    "symlink",
    "symlinkat",
    "chmod",
    "fchmod",
    "fchmodat",
    "fchmodat2",
    "chown",
    "fchown",
    "lchown",
    "fchownat",
    "setxattr",
    "lsetxattr",
    "fsetxattr",
    "removexattr",
    "truncate",
    "ftruncate",
    "fallocate",
    "utimensat",
    "ioctl",
    "clone",
    "clone3",
    "fork",
    "vfork",
    "sendmsg",
    "sendto",
    "syscall_0x1d3",
    "open_tree_attr",
    "chdir",
    "fchdir",
];

/// Calls that change something with these arguments.
const SIGNS: &[(&str, &str)] = &[
    ("open_tree", "OPEN_TREE_CLONE"),
    ("fsconfig", "FSCONFIG_CMD"),
    ("openat", "O_CREAT"),
    ("openat", "O_TRUNC"),
    ("openat2", "O_CREAT"),
    ("open", "O_CREAT"),
    ("unshare", "CLONE_"),
];

/// Returns the calls that changed something.
pub(crate) fn changes(log: &str) -> Vec<String> {
    let own = log.lines().skip_while(|line| !line.contains("execve(")).skip(1);
    let lines = own.filter_map(|line| line.split_once(' ').map(|(_, text)| text.trim_start()));
    let changing = lines.filter(|text| {
        let (Some((call, _)), Some((_, result))) = (text.split_once('('), text.rsplit_once(" = ")) else {
            return false;
        };
        // A call that was refused has changed nothing: the probes of features are such.
        let worked = !result.starts_with("-1") && !result.starts_with('?') && !is_killed(text);
        // Probes: a mount_setattr(2) that changes nothing, the owner of a namespace, and the child
        // that probes where a filter may kill the caller; the trace shows the child's calls too.
        let is_question = text.contains("attr_set=0, attr_clr=0, propagation=0")
            || text.contains("NS_GET_USERNS")
            || text.starts_with("clone(child_stack=NULL, flags=0)");
        let is_sign = SIGNS.iter().any(|(name, sign)| *name == call && text.contains(sign));
        let to_file =
            matches!(call, "write" | "writev" | "pwrite64") && !text.contains("(1,") && !text.contains("(2,");
        worked && !is_question && (ALWAYS.contains(&call) || is_sign || to_file)
    });
    changing.map(str::to_owned).collect()
}

/// A call that a filter kills for has its own number for a result.
fn is_killed(text: &str) -> bool {
    let number = text.strip_prefix("syscall_").and_then(|text| text.split('(').next());
    number.is_some_and(|number| text.ends_with(&format!(" = {number}")))
}
