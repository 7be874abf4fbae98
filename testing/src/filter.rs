// SPDX-License-Identifier: Apache-2.0 OR MIT
//! System calls that fail on demand: a seccomp filter that answers for the kernel.

use crate::raw::old_release;
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule,
    apply_filter,
};
use std::collections::BTreeMap;

/// open_tree_attr(2) \[Linux 6.15\], which has no name in libc.
pub(crate) const SYS_OPEN_TREE_ATTR: libc::c_long = 467;

/// statmount(2) and listmount(2) \[Linux 6.8\], which have no names in libc either.
pub(crate) const SYS_STATMOUNT: libc::c_long = 457;
pub(crate) const SYS_LISTMOUNT: libc::c_long = 458;

/// What reads the mount table by unique ids.
pub(crate) const STATMOUNT_INTERFACE: &[libc::c_long] = &[SYS_STATMOUNT, SYS_LISTMOUNT];

/// From here on nothing can be mounted into a detached tree, as before Linux 6.15: open_tree_attr(2) fails with `ENOSYS`, and
/// uname(2) tells the calling thread, and all that it starts, of a release that has none of what follows from the release.
pub fn without_detached_children() {
    old_release();
    errno_on(&[SYS_OPEN_TREE_ATTR], libc::ENOSYS as u32);
}

/// From here on nothing can be mounted into a detached tree where uname(2) tells of an old kernel too (`setarch --uname-2.6`),
/// and a mount namespace can't be made: sets have to go step by step.
pub fn without_one_step() {
    errno_on(&[SYS_OPEN_TREE_ATTR], libc::ENOSYS as u32);
    errno_on(&[libc::SYS_unshare], libc::EPERM as u32);
}

/// From here on these system calls of the calling thread, and of all that it starts, fail with `errno` (1 to 4095).
///
/// It can't be taken back: call it on a thread made for it, or at the end of a case.
pub fn errno_on(calls: &[libc::c_long], errno: u32) {
    install(calls.iter().map(|call| (wide(*call), Vec::new())).collect(), errno);
}

/// From here on whoever of them makes one of these system calls is killed (SIGSYS).
pub fn kill_on(calls: &[libc::c_long]) {
    install_with(calls.iter().map(|call| (wide(*call), Vec::new())).collect(), SeccompAction::KillProcess);
}

/// As [`errno_on`] for one system call, and only when its argument number `index` (from 0) is `value`.
pub fn errno_when(call: libc::c_long, index: u8, value: u64, errno: u32) {
    let condition = SeccompCondition::new(index, SeccompCmpArgLen::Qword, SeccompCmpOp::Eq, value).unwrap();
    let rule = SeccompRule::new(vec![condition]).unwrap();
    install(BTreeMap::from([(wide(call), vec![rule])]), errno);
}

/// Where processors have 32 bits, so has `c_long`.
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
