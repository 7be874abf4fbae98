// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The requirements of a case, and whether this machine meets them.

use crate::filter::STATMOUNT_INTERFACE;
use crate::profile::Profile;
use crate::report::Outcome;
use rustix::thread::{CapabilitySet, capabilities};
use std::path::PathBuf;

/// A requirement of a case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// Real root: user 0 of the initial user namespace (or one that maps all ids to themselves),
    /// with `CAP_SYS_ADMIN`.
    Root,
    /// An ordinary user: if root runs the tests, the case switches to user 1000. It is user 0 of a
    /// user namespace that maps only this user, and `HOME` is the scratch directory.
    User,
    /// A user without privileges can create a user namespace and mount in it.
    UserNamespaces,
    /// A program in `PATH`.
    Tool(&'static str),
    /// A file system listed in `/proc/filesystems`.
    Filesystem(&'static str),
    /// A kernel of this release or newer, as uname(2) reports it, for a case about a feature that
    /// older kernels lack.
    Kernel(u32, u32),
    /// statmount(2) and listmount(2) \[Linux 6.8\], which `FMOUNTAT_FILTER` may forbid.
    Statmount,
    /// A processor that is not emulated (`FMOUNTAT_EMULATED`), for a case that measures time.
    SteadyTime,
}

/// The properties of the machine, probed once for each run.
#[derive(Debug, Clone)]
pub(crate) struct Machine {
    /// User 0 with `CAP_SYS_ADMIN` in the current user namespace.
    pub(crate) admin: bool,
    pub(crate) real_root: bool,
    pub(crate) user_namespaces: Result<(), String>,
    pub(crate) path: Vec<PathBuf>,
    pub(crate) filesystems: Vec<String>,
    pub(crate) kernel: (u32, u32),
    pub(crate) filter: Option<&'static Profile>,
}

impl Machine {
    /// Probes the machine. `user_namespaces` is the result of the process that tried to create one.
    pub(crate) fn probe(user_namespaces: Result<(), String>) -> Self {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let filesystems = std::fs::read_to_string("/proc/filesystems").unwrap_or_default();
        Self {
            admin: is_admin(),
            real_root: is_real_root(),
            user_namespaces,
            path: std::env::split_paths(&path).collect(),
            filesystems: filesystems
                .lines()
                .filter_map(|line| line.split_whitespace().last())
                .map(str::to_owned)
                .collect(),
            kernel: kernel_release(),
            filter: Profile::from_environment(),
        }
    }

    /// Returns why a case with these needs cannot run here, or `None` if it can.
    pub(crate) fn unmet(&self, needs: &[Need]) -> Option<Outcome> {
        if let Some(why) = needs.iter().find_map(|need| self.unsupported(*need)) {
            return Some(Outcome::Unsupported(why));
        }
        // Without privileges, the mount namespace of every case needs a user namespace.
        let implied = (!self.admin).then_some(&Need::UserNamespaces);
        needs.iter().chain(implied).find_map(|need| self.unmet_one(*need)).map(Outcome::Skipped)
    }

    fn unsupported(&self, need: Need) -> Option<String> {
        match need {
            Need::Kernel(major, minor) if self.kernel < (major, minor) => {
                Some(format!("needs Linux {major}.{minor}"))
            }
            Need::Kernel(major, minor) => {
                let filter = self.filter?.old_release()?;
                Some(format!(
                    "needs Linux {major}.{minor}, and the filter {filter} makes uname(2) name an older one"
                ))
            }
            Need::Statmount if self.kernel < (6, 8) => Some(String::from("needs statmount(2) of Linux 6.8")),
            Need::Statmount => {
                let filter = self.filter?.forbids(STATMOUNT_INTERFACE)?;
                Some(format!("needs statmount(2), which the filter {filter} forbids"))
            }
            _ => None,
        }
    }

    fn unmet_one(&self, need: Need) -> Option<String> {
        match need {
            Need::Root if !self.real_root => Some(String::from("needs real root")),
            Need::User | Need::UserNamespaces => {
                self.user_namespaces.as_ref().err().map(|why| format!("needs user namespaces: {why}"))
            }
            Need::Tool(name) if !self.path.iter().any(|dir| dir.join(name).is_file()) => {
                Some(format!("needs the program {name} in PATH"))
            }
            Need::Filesystem(name) if !self.filesystems.iter().any(|known| known == name) => {
                Some(format!("needs the file system {name} in /proc/filesystems"))
            }
            Need::SteadyTime if std::env::var_os("FMOUNTAT_EMULATED").is_some() => {
                Some(String::from("needs a processor that is not emulated: it measures time"))
            }
            Need::SteadyTime | Need::Root | Need::Tool(_) | Need::Filesystem(_) => None,
            Need::Kernel(..) | Need::Statmount => None,
        }
    }
}

/// Returns the first two numbers of the kernel's release.
#[must_use]
pub fn kernel_release() -> (u32, u32) {
    let uname = rustix::system::uname();
    let release = uname.release().to_string_lossy();
    let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map(|n| n.parse().unwrap_or(0));
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0))
}

/// Returns whether this process is user 0 with `CAP_SYS_ADMIN`, in any user namespace.
pub(crate) fn is_admin() -> bool {
    let able = capabilities(None).is_ok_and(|sets| sets.effective.contains(CapabilitySet::SYS_ADMIN));
    rustix::process::geteuid().is_root() && able
}

/// Returns whether this process meets [`Need::Root`].
///
/// A case for all users calls it for what differs in a user namespace: an overlay needs `userxattr`
/// there.
#[must_use]
pub fn is_real_root() -> bool {
    let map = std::fs::read_to_string("/proc/self/uid_map").unwrap_or_default();
    is_admin() && map.split_whitespace().eq(["0", "0", "4294967295"])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn capable_host() -> Machine {
        Machine {
            admin: true,
            real_root: true,
            user_namespaces: Ok(()),
            path: vec![PathBuf::from("/bin"), PathBuf::from("/usr/bin")],
            filesystems: vec![String::from("tmpfs"), String::from("ext4")],
            kernel: (6, 12),
            filter: None,
        }
    }

    fn skipped(why: &str) -> Option<Outcome> {
        Some(Outcome::Skipped(String::from(why)))
    }

    #[test]
    fn an_old_kernel_is_no_want_of_the_machine() {
        let needs = [Need::Kernel(6, 15), Need::Filesystem("ext")];
        assert_eq!(
            capable_host().unmet(&needs),
            Some(Outcome::Unsupported(String::from("needs Linux 6.15")))
        );
        assert_eq!(capable_host().unmet(&[Need::Kernel(6, 12), Need::Kernel(5, 19)]), None);
    }

    #[test]
    fn calls_are_missing_on_an_old_kernel_and_under_a_filter() {
        let unsupported = |why: &str| Some(Outcome::Unsupported(String::from(why)));
        let needs = [Need::Statmount];
        let under = |name| Machine { filter: Profile::by_name(name), ..capable_host() };
        assert_eq!(capable_host().unmet(&needs), None);
        assert_eq!(
            Machine { kernel: (6, 7), ..capable_host() }.unmet(&needs),
            unsupported("needs statmount(2) of Linux 6.8")
        );
        assert_eq!(
            under("statmount-eperm").unmet(&needs),
            unsupported("needs statmount(2), which the filter statmount-eperm forbids")
        );
        assert_eq!(under("pidfd-enosys").unmet(&needs), None);
        assert_eq!(under("old-release").unmet(&needs), None);
        assert_eq!(under("statmount-eperm").unmet(&[Need::Kernel(6, 8)]), None);
        assert_eq!(
            under("old-release").unmet(&[Need::Kernel(6, 8)]),
            unsupported("needs Linux 6.8, and the filter old-release makes uname(2) name an older one")
        );
    }

    #[test]
    fn a_machine_with_all_of_it_meets_all_needs() {
        let needs =
            [Need::Root, Need::User, Need::UserNamespaces, Need::Tool("sh"), Need::Filesystem("ext4")];
        assert_eq!(capable_host().unmet(&needs), None);
        assert_eq!(capable_host().unmet(&[]), None);
    }

    #[test]
    fn the_first_unmet_need_is_the_reason() {
        let needs = [Need::Filesystem("tmpfs"), Need::Tool("no-such-tool"), Need::Filesystem("ext")];
        assert_eq!(capable_host().unmet(&needs), skipped("needs the program no-such-tool in PATH"));
        assert_eq!(
            capable_host().unmet(&needs[2..]),
            skipped("needs the file system ext in /proc/filesystems")
        );
    }

    #[test]
    fn root_of_a_user_namespace_is_not_real_root() {
        let inner = Machine { real_root: false, ..capable_host() };
        assert_eq!(inner.unmet(&[Need::Root]), skipped("needs real root"));
        assert_eq!(inner.unmet(&[]), None);
    }

    #[test]
    fn without_user_namespaces_a_user_runs_nothing_and_root_runs_what_needs_none() {
        let root = Machine { user_namespaces: Err(String::from("forbidden")), ..capable_host() };
        let user = Machine { admin: false, real_root: false, ..root.clone() };
        let reason = skipped("needs user namespaces: forbidden");
        assert_eq!(root.unmet(&[Need::Root]), None);
        assert_eq!(root.unmet(&[Need::User]), reason);
        assert_eq!(user.unmet(&[]), reason);
    }
}
