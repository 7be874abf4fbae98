// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Who the command is: the user namespaces of `run`, and the ids in them.
//!
//! The init mounts as root of a first user namespace. The command is in a second one, in which it
//! has the caller's ids, or root's with `--root`. There the kernel locks the flags of all mounts.

use crate::output;
use crate::run::bundle::User;
use crate::run::subordinate::Subordinate;
use crate::run_args::{NetArg, RunArgs};
use fmountat::idmap::IdMapping;
use fmountat::kernel::Features;
use fmountat::namespace::{
    Namespaces, UserNamespace, set_loopback_up, unshare_namespaces, unshare_with_user,
};
use fmountat::{Error, Operation, procfs};

/// A user and a group id.
#[derive(Debug, Clone, Copy)]
struct Identity {
    user: u32,
    group: u32,
}

/// Moves this process into new namespaces. Returns the second user namespace, or `None` for root,
/// who needs none. The next child is the first process of the pid namespace.
pub(crate) fn enter_namespaces(
    args: &RunArgs,
    of_bundle: Option<&User>,
    json: bool,
) -> Result<Option<UserNamespace>, Error> {
    let user = rustix::process::geteuid().as_raw();
    let group = rustix::process::getegid().as_raw();
    let new = new_namespaces(args);
    let second = if unshare_namespaces(new)? {
        let is_root = Features::get().initial_user_namespace;
        if is_root { None } else { Some(UserNamespace::with_maps(&[], &[])?) }
    } else {
        enter_first(args, json, Identity { user, group }, new)?;
        let inside = of_bundle.map_or((user, group), |user| (user.uid, user.gid));
        Some(if args.root { UserNamespace::with_maps(&[], &[])? } else { with_ids_of(inside.0, inside.1)? })
    };
    if new.contains(Namespaces::NETWORK) {
        set_loopback_up()?;
    }
    unshare_namespaces(Namespaces::PID)?;
    Ok(second)
}

/// Returns the namespaces that are not shared with the host, except that of the process ids.
fn new_namespaces(args: &RunArgs) -> Namespaces {
    let mut new = Namespaces::MOUNT;
    new.set(Namespaces::IPC, !args.share_ipc);
    new.set(Namespaces::UTS, !args.share_uts);
    new.set(Namespaces::CGROUP, !args.share_cgroup);
    new.set(Namespaces::NETWORK, args.net == Some(NetArg::None));
    new
}

/// Enters the first user namespace, in which the caller is root.
fn enter_first(args: &RunArgs, json: bool, caller: Identity, new: Namespaces) -> Result<(), Error> {
    if args.map_auto {
        let mapped = Subordinate::of(caller.user).and_then(|ranges| {
            let map = |process| ranges.map(process, caller.user, caller.group);
            UserNamespace::mapped_by(map).map_err(|error| error.reason())
        });
        match mapped {
            Ok(namespace) => return namespace.enter(new),
            Err(_) if args.quiet => {}
            Err(why) => output::info(&format!("run: --map-auto: only one id is mapped: {why}"), json),
        }
    }
    unshare_with_user(new)
}

/// Creates the second user namespace, in which id 0 of the first one is the caller's.
fn with_ids_of(user: u32, group: u32) -> Result<UserNamespace, Error> {
    let users = swapped(user, number_of_ids("thread-self/uid_map")?);
    let groups = swapped(group, number_of_ids("thread-self/gid_map")?);
    UserNamespace::with_maps(&users, &groups)
}

/// Returns how many ids a map of the first user namespace has, in which the ids start at 0.
fn number_of_ids(map: &str) -> Result<u32, Error> {
    let text = procfs::text(map).map_err(|e| procfs::failed(Operation::Program("read id map"), map, e))?;
    let counts = text.lines().filter_map(|line| line.split_whitespace().nth(2)?.parse::<u32>().ok());
    Ok(counts.fold(0, u32::saturating_add))
}

/// Returns a map that shows id 0 as `id`, and the other ids below `count` as the remaining numbers,
/// in order.
fn swapped(id: u32, count: u32) -> Vec<IdMapping> {
    let others = count.saturating_sub(1);
    let below = id.min(others);
    let all = [
        IdMapping::new(0, 1, below),
        IdMapping::new(id, 0, 1),
        IdMapping::new(id.saturating_add(1), below + 1, others - below),
    ];
    all.into_iter().filter(|range| range.count > 0).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_id_is_the_callers_and_no_other_is_lost() {
        let numbers = |id, count| {
            let ranges = swapped(id, count);
            ranges.iter().map(|r| (r.inner, r.outer, r.count)).collect::<Vec<_>>()
        };
        assert_eq!(numbers(1000, 1), [(1000, 0, 1)]);
        assert_eq!(numbers(0, 1), [(0, 0, 1)]);
        assert_eq!(numbers(1000, 65_537), [(0, 1, 1000), (1000, 0, 1), (1001, 1001, 64_536)]);
        assert_eq!(numbers(1000, 101), [(0, 1, 100), (1000, 0, 1)]);
        assert_eq!(numbers(0, 3), [(0, 0, 1), (1, 1, 2)]);
    }
}
