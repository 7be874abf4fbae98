// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Seccomp filters by name, for a whole test run: `FMOUNTAT_FILTER`.

use crate::filter::{
    STATMOUNT_INTERFACE, SYS_LISTMOUNT, SYS_OPEN_TREE_ATTR, SYS_STATMOUNT, errno_on, kill_on,
};
use crate::raw::old_release;

/// The result of a filtered system call.
#[derive(Debug, Clone, Copy)]
enum Answer {
    Errno(i32),
    Kill,
}

/// The system calls that a filter forbids to a case and everything it starts.
#[derive(Debug)]
pub(crate) struct Profile {
    name: &'static str,
    calls: &'static [libc::c_long],
    answer: Answer,
    /// Whether uname(2) reports release 2.6. Then fmountat does not find features that it derives
    /// from the release.
    is_old: bool,
}

const SINCE_5_14: &[libc::c_long] = &[SYS_STATMOUNT, SYS_LISTMOUNT, SYS_OPEN_TREE_ATTR];

/// No profile forbids the mount interface itself, because fmountat would refuse every set. The test
/// `filtered` checks that with its own filters.
const PROFILES: &[Profile] = &[
    profile("open-tree-attr-eperm", &[SYS_OPEN_TREE_ATTR], Answer::Errno(libc::EPERM)),
    profile("statmount-enosys", STATMOUNT_INTERFACE, Answer::Errno(libc::ENOSYS)),
    profile("statmount-eperm", STATMOUNT_INTERFACE, Answer::Errno(libc::EPERM)),
    profile("statmount-killed", STATMOUNT_INTERFACE, Answer::Kill),
    profile("fanotify-eperm", &[libc::SYS_fanotify_init], Answer::Errno(libc::EPERM)),
    profile("pidfd-enosys", &[libc::SYS_pidfd_open], Answer::Errno(libc::ENOSYS)),
    Profile { is_old: true, ..profile("old-release", &[SYS_OPEN_TREE_ATTR], Answer::Errno(libc::ENOSYS)) },
    Profile { is_old: true, ..profile("old-release-and-calls", SINCE_5_14, Answer::Errno(libc::ENOSYS)) },
];

const fn profile(name: &'static str, calls: &'static [libc::c_long], answer: Answer) -> Profile {
    Profile { name, calls, answer, is_old: false }
}

impl Profile {
    /// Returns the filter that `FMOUNTAT_FILTER` names.
    pub(crate) fn from_environment() -> Option<&'static Self> {
        let name = std::env::var("FMOUNTAT_FILTER").ok().filter(|name| !name.is_empty())?;
        let found = Self::by_name(&name);
        Some(found.unwrap_or_else(|| {
            panic!("FMOUNTAT_FILTER: unknown filter {name:?}; the filters are {}", names())
        }))
    }

    pub(crate) fn by_name(name: &str) -> Option<&'static Self> {
        PROFILES.iter().find(|profile| profile.name == name)
    }

    /// Installs the filter for this process and everything it starts.
    pub(crate) fn apply(&self) {
        if self.is_old {
            old_release();
        }
        match self.answer {
            Answer::Errno(errno) => errno_on(self.calls, errno.unsigned_abs()),
            Answer::Kill => kill_on(self.calls),
        }
    }

    /// Returns the name of the filter if it hides the kernel's release.
    pub(crate) fn old_release(&self) -> Option<&'static str> {
        self.is_old.then_some(self.name)
    }

    /// Returns the name of the filter if it forbids one of these calls.
    pub(crate) fn forbids(&self, calls: &[libc::c_long]) -> Option<&'static str> {
        calls.iter().any(|call| self.calls.contains(call)).then_some(self.name)
    }
}

fn names() -> String {
    PROFILES.iter().map(|profile| profile.name).collect::<Vec<_>>().join(" ")
}
