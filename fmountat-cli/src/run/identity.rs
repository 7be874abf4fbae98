// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Who the command is: the user namespaces of `run`, and the ids in them.
//!
//! The init mounts as root of a first user namespace. The command is in a second one, in which it
//! has the caller's ids, or root's with `--root`. There the kernel locks the flags of all mounts.

use crate::output;
use crate::run::subordinate::Subordinate;
use crate::run_args::RunArgs;
use fmountat::idmap::IdMapping;
use fmountat::namespace::{Namespaces, UserNamespace, unshare_namespaces, unshare_with_user};
use fmountat::{Error, Operation, procfs};

/// A user and a group id.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Identity {
    pub(crate) user: u32,
    pub(crate) group: u32,
}

/// Moves this process into new namespaces. Returns the ids that the command has in a second user
/// namespace, or `None` for root, who needs none.
pub(crate) fn enter_namespaces(args: &RunArgs, json: bool) -> Result<Option<Identity>, Error> {
    let user = rustix::process::geteuid().as_raw();
    let group = rustix::process::getegid().as_raw();
    let caller = Identity { user, group };
    let new = Namespaces::PID;
    if unshare_namespaces(new)? {
        let is_root = fmountat::kernel::Features::get().initial_user_namespace;
        return Ok((!is_root).then_some(caller));
    }
    if args.map_auto {
        match Subordinate::of(user) {
            Ok(ranges) => {
                UserNamespace::mapped_by(|process| ranges.map(process, user, group))?.enter(new)?;
                return Ok(Some(caller));
            }
            Err(why) => output::info(&format!("run: --map-auto: only one id is mapped: {why}"), json),
        }
    }
    unshare_with_user(new)?;
    Ok(Some(caller))
}

/// Creates the second user namespace. `is_root` maps all ids to themselves; otherwise our user and
/// group, which are 0 in the first one, get the ids of the caller.
pub(crate) fn second_namespace(caller: Identity, is_root: bool) -> Result<UserNamespace, Error> {
    let Identity { user, group } = caller;
    if is_root || rustix::process::geteuid().as_raw() != 0 {
        return UserNamespace::with_maps(&[], &[]);
    }
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
