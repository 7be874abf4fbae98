// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Makes system calls fail by seccomp filters.

use crate::raw::old_release;
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule,
    apply_filter,
};
use std::collections::BTreeMap;

/// open_tree_attr(2) \[Linux 6.15\], which libc does not name.
pub(crate) const SYS_OPEN_TREE_ATTR: libc::c_long = 467;

/// statmount(2) and listmount(2) \[Linux 6.8\], which libc does not name either.
pub(crate) const SYS_STATMOUNT: libc::c_long = 457;
pub(crate) const SYS_LISTMOUNT: libc::c_long = 458;

/// The system calls that read the mount table by unique ids.
pub(crate) const STATMOUNT_INTERFACE: &[libc::c_long] = &[SYS_STATMOUNT, SYS_LISTMOUNT];

/// Disables mounting into detached trees, as before Linux 6.15: open_tree_attr(2) fails with
/// `ENOSYS`, and uname(2) reports an old release to the calling thread and everything it starts.
/// Features that are derived from the release are then missing too.
pub fn without_detached_children() {
    old_release();
    errno_on(&[SYS_OPEN_TREE_ATTR], libc::ENOSYS as u32);
}

/// Disables mounting into detached trees, where uname(2) reports an old kernel too (`setarch
/// --uname-2.6`), and mount namespaces: sets are then mounted step by step.
pub fn without_one_step() {
    errno_on(&[SYS_OPEN_TREE_ATTR], libc::ENOSYS as u32);
    errno_on(&[libc::SYS_unshare], libc::EPERM as u32);
}

/// Makes these system calls fail with `errno` (1 to 4095), for the calling thread and everything it
/// starts.
///
/// A filter cannot be removed: call this on a thread of its own, or at the end of a case.
pub fn errno_on(calls: &[libc::c_long], errno: u32) {
    install(calls.iter().map(|call| (wide(*call), Vec::new())).collect(), errno);
}

/// Kills the process by SIGSYS if the calling thread, or anything it starts, makes one of these
/// system calls.
pub fn kill_on(calls: &[libc::c_long]) {
    install_with(calls.iter().map(|call| (wide(*call), Vec::new())).collect(), SeccompAction::KillProcess);
}

/// Makes one system call fail like [`errno_on`], but only if its argument number `index` (from 0)
/// is `value`.
pub fn errno_when(call: libc::c_long, index: u8, value: u64, errno: u32) {
    let condition = SeccompCondition::new(index, SeccompCmpArgLen::Qword, SeccompCmpOp::Eq, value).unwrap();
    let rule = SeccompRule::new(vec![condition]).unwrap();
    install(BTreeMap::from([(wide(call), vec![rule])]), errno);
}

/// Widens a system call number: `c_long` has 32 bits on 32-bit processors.
#[allow(clippy::useless_conversion)]
fn wide(call: libc::c_long) -> i64 {
    i64::from(call)
}

fn install(rules: BTreeMap<i64, Vec<SeccompRule>>, errno: u32) {
    assert!((1..=4095).contains(&errno), "the kernel has no errno {errno}");
    install_with(rules, SeccompAction::Errno(errno));
}

fn install_with(rules: BTreeMap<i64, Vec<SeccompRule>>, action: SeccompAction) {
    let arch = std::env::consts::ARCH.try_into().expect("seccompiler knows this processor");
    let filter = SeccompFilter::new(rules, SeccompAction::Allow, action, arch).unwrap();
    let program: BpfProgram = filter.try_into().unwrap();
    apply_filter(&program).expect("a seccomp filter can be installed");
}
