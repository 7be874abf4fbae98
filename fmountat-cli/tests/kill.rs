// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Sends SIGKILL at any moment of apply, replace and umount: a set is mounted completely or not at
//! all, and nothing else is left.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "kill/moment.rs"]
mod moment;
#[path = "kill/set.rs"]
mod set;
#[path = "kill/stepwise.rs"]
mod stepwise;

use fmountat_testing::{command_output, times};
use moment::{Count, Moments};
use set::Set;

/// Returns the number of kills of each of the three kinds. A full run kills 10,000 times in all.
fn rounds() -> u32 {
    times(120, 3_334).try_into().unwrap()
}

/// After each kill of `apply`, the set is mounted completely or not at all.
fn apply(set: &Set) {
    let moments = Moments::of(rounds(), || {
        set.fresh();
        set.run(&["apply", "new.json", "t"]);
        set.drop();
    });
    let mut count = Count::default();
    for moment in moments {
        set.fresh();
        moment.kill(set.command(&["apply", "new.json", "t"]));
        count.add(set.is_there("new"));
        set.drop();
    }
    count.print("apply", "absent", "whole");
}

/// After each kill of `apply --replace`, the old set or the new one is mounted, and no mount of the
/// other set.
fn replace(set: &Set) {
    set.fresh();
    set.run(&["apply", "old.json", "t"]);
    let moments = Moments::of(rounds(), || drop(set.run(&["apply", "--replace", "new.json", "t"])));
    let mut count = Count::default();
    for moment in moments {
        set.renew();
        moment.kill(set.command(&["apply", "--replace", "new.json", "t"]));
        count.add(set.is_one_of_two());
    }
    set.drop();
    count.print("replace", "of the old set", "of the new set");
}

/// After each kill of `umount`, the set is mounted completely or not at all.
fn umount(set: &Set) {
    let moments = Moments::of(rounds(), || {
        set.published();
        set.run(&["umount", "--set", "published"]);
    });
    let mut count = Count::default();
    for moment in moments {
        set.published();
        moment.kill(set.command(&["umount", "--set", "published"]));
        count.add(!set.is_there("new"));
        set.drop();
    }
    count.print("umount", "whole", "gone");
}

/// Unmounts several sets together. After each kill every set is whole or unmounted, and the
/// directory that they are batched below is unmounted. Moving a mount takes a few microseconds, too
/// short for a kill; strace(1) slows it down to milliseconds.
fn umount_together(set: &Set) {
    let rounds = times(40, 1_000).try_into().unwrap();
    let moments = Moments::of(rounds, || {
        set.published_often();
        command_output(&mut set.slow_command(&["umount", "--set", "published"]));
    });
    let mut count = Count::default();
    for moment in moments {
        set.published_often();
        moment.kill_traced(set.slow_command(&["umount", "--set", "published"]));
        count.add(set.are_gone());
        set.drop_all();
    }
    count.print("umount of many", "whole", "gone");
}

fmountat_testing::tests! {
    /// With an overlay, a loop device, mapped owners, proc and masks.
    fn apply_as_root() needs [Root, Filesystem("overlay"), Filesystem("erofs"), Tool("mkfs.erofs")] { apply(&Set::of_root()); }
    fn replace_as_root() needs [Kernel(6, 5), Root, Filesystem("overlay"), Filesystem("erofs"), Tool("mkfs.erofs")] { replace(&Set::of_root()); }
    fn umount_as_root() needs [Statmount, Root, Filesystem("overlay"), Filesystem("erofs"), Tool("mkfs.erofs")] { umount(&Set::of_root()); }

    fn apply_as_user() needs [User] { apply(&Set::of_user()); }
    fn replace_as_user() needs [Kernel(6, 5), User] { replace(&Set::of_user()); }
    fn umount_as_user() needs [Statmount, User] { umount(&Set::of_user()); }
    fn umount_of_many() needs [Statmount, User, Tool("strace")] { umount_together(&Set::of_user()); }

    /// After a kill of `apply` step by step, `clean` removes the mounts and directories of the set,
    /// and nothing else.
    fn clean_after_step_by_step() needs [Tool("setarch")] { stepwise::without_one_step(); }
    /// `clean` after a kill during a mount helper that does not end.
    fn clean_after_a_helper() needs [] { stepwise::helper(); }
    /// `clean` as before; the peers of a bind mount's source keep their mounts.
    fn clean_beside_peers() needs [] { stepwise::helper_beside_peers(); }
    /// `clean` does not act on files that are not a journal, nor on journals that are in use or
    /// that belong to another boot, namespace, writer or user.
    fn clean_and_nothing_else() needs [Statmount] { stepwise::nothing_else(); }
    /// The namespace's id distinguishes it from one that has ended.
    fn clean_after_an_ended_namespace() needs [Kernel(6, 12), Statmount, Root] { stepwise::ended_namespace(); }
}
