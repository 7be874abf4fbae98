// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Filters by name, which a whole run of the tests can be put under: `FMOUNTAT_FILTER`.

use crate::filter::{NEW_INTERFACE, SYS_OPEN_TREE_ATTR, errno_on, kill_on};
use crate::need::Need;
use crate::raw::old_release;
use crate::report::Outcome;

/// What a filter says to whoever makes one of its calls.
#[derive(Debug, Clone, Copy)]
enum Answer {
    Errno(i32),
    Kill,
}

/// System calls taken away from a case and all that it starts.
#[derive(Debug)]
pub(crate) struct Profile {
    name: &'static str,
    calls: &'static [libc::c_long],
    answer: Answer,
    /// uname(2) says 2.6: what follows from the release is missing too.
    is_old: bool,
    /// The newest release that has none of it, for cases that are about newer ones.
    release: (u32, u32),
}

const STATMOUNT: libc::c_long = 457;
const LISTMOUNT: libc::c_long = 458;
const SINCE_5_14: &[libc::c_long] = &[STATMOUNT, LISTMOUNT, SYS_OPEN_TREE_ATTR];
const TABLE: &[libc::c_long] = &[STATMOUNT, LISTMOUNT];

/// The first three are refused in words by whatever builds a set.
const PROFILES: &[Profile] = &[
    profile("openat2-eperm", &[libc::SYS_openat2], Answer::Errno(libc::EPERM), (5, 5)),
    profile("new-mount-api-eperm", NEW_INTERFACE, Answer::Errno(libc::EPERM), (5, 1)),
    profile(
        "mount-setattr-enosys",
        &[libc::SYS_mount_setattr, SYS_OPEN_TREE_ATTR],
        Answer::Errno(libc::ENOSYS),
        (5, 11),
    ),
    profile("open-tree-attr-eperm", &[SYS_OPEN_TREE_ATTR], Answer::Errno(libc::EPERM), (6, 14)),
    profile("statmount-enosys", TABLE, Answer::Errno(libc::ENOSYS), (6, 7)),
    profile("statmount-eperm", TABLE, Answer::Errno(libc::EPERM), (6, 7)),
    profile("statmount-killed", TABLE, Answer::Kill, (6, 7)),
    profile("fanotify-eperm", &[libc::SYS_fanotify_init], Answer::Errno(libc::EPERM), (6, 13)),
    profile("pidfd-enosys", &[libc::SYS_pidfd_open], Answer::Errno(libc::ENOSYS), (5, 2)),
    Profile {
        is_old: true,
        ..profile("old-release", &[SYS_OPEN_TREE_ATTR], Answer::Errno(libc::ENOSYS), (5, 14))
    },
    Profile {
        is_old: true,
        ..profile("old-release-and-calls", SINCE_5_14, Answer::Errno(libc::ENOSYS), (5, 14))
    },
];

const fn profile(
    name: &'static str,
    calls: &'static [libc::c_long],
    answer: Answer,
    release: (u32, u32),
) -> Profile {
    Profile { name, calls, answer, is_old: false, release }
}

impl Profile {
    /// The one that the environment asks for.
    pub(crate) fn wanted() -> Option<&'static Self> {
        let name = std::env::var("FMOUNTAT_FILTER").ok().filter(|name| !name.is_empty())?;
        let found = PROFILES.iter().find(|profile| profile.name == name);
        Some(found.unwrap_or_else(|| panic!("FMOUNTAT_FILTER: there is no {name:?}, but {}", names())))
    }

    /// From here on, for this process and all that it starts.
    pub(crate) fn apply(&self) {
        if self.is_old {
            old_release();
        }
        match self.answer {
            Answer::Errno(errno) => errno_on(self.calls, errno.unsigned_abs()),
            Answer::Kill => kill_on(self.calls),
        }
    }

    /// A case about what only newer kernels have fails for want of it.
    pub(crate) fn judge(&self, needs: &[Need], outcome: Outcome) -> Outcome {
        let newer = needs.iter().find_map(|need| match need {
            Need::Kernel(major, minor) if (*major, *minor) > self.release => Some((major, minor)),
            _ => None,
        });
        match (outcome, newer) {
            (Outcome::Failed(_), Some((major, minor))) => {
                Outcome::Unsupported(format!("needs Linux {major}.{minor}"))
            }
            (outcome, _) => outcome,
        }
    }
}

fn names() -> String {
    PROFILES.iter().map(|profile| profile.name).collect::<Vec<_>>().join(" ")
}
