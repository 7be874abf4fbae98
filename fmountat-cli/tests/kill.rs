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

/// Kills of each kind; of all three kinds 10,000 in the full proof.
fn rounds() -> u32 {
    times(120, 3_334).try_into().unwrap()
}

/// The set is absent or whole after each kill.
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

/// The old set or the new one is there after each kill, and never a mount of the other.
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

/// The set is whole or gone after each kill.
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

    /// Where the kernel can't do it in one step, `clean` takes away what is left, and nothing else.
    fn clean_after_step_by_step() needs [Tool("setarch")] { stepwise::without_one_step(); }
    /// A mount helper that hangs when its caller is killed.
    fn clean_after_a_helper() needs [] { stepwise::helper(); }
    /// And peers of what is bound, which lose nothing.
    fn clean_beside_peers() needs [] { stepwise::helper_beside_peers(); }
    /// Files that are not a journal, and journals of another boot, namespace or writer, in use, or
    /// of another user.
    fn clean_and_nothing_else() needs [Statmount] { stepwise::nothing_else(); }
    /// The namespace's id distinguishes it from one that has ended.
    fn clean_after_an_ended_namespace() needs [Kernel(6, 12), Statmount, Root] { stepwise::ended_namespace(); }
}
