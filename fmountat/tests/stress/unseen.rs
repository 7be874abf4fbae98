// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Other processes see none of a set or all of it while it is mounted and unmounted, with each
//! strategy that promises it. The same observers do see partial sets that are mounted step by step.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use crate::common::{file, ten};
use fmountat::kernel::Features;
use fmountat::strategy::Strategy;
use fmountat::{MountId, Mounter, Plan, Target, Unmount};
use fmountat_testing::{Forked, Stop, mkdirs, scratch, times};
use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::CWD;
use rustix::pipe::{PipeFlags, pipe_with};
use std::path::Path;

/// Returns the id of the topmost mount at a path.
fn id_at(path: &Path) -> Option<MountId> {
    MountId::of(Target::open(CWD, path).ok()?.as_fd()).ok()
}

/// Watches a set of ten in a loop. Returns how often it saw none, all, and some of it. A sample
/// counts only if the root was the same before and after it. The observer reports the first whole
/// set by a byte in the pipe.
fn look_out(stop: &Stop, bare: MountId, tell: &OwnedFd) -> [u64; 3] {
    let places: Vec<_> = (1..10).map(|n| file(&format!("t/d{n}"))).collect();
    let top = file("t");
    let mut seen = [0; 3];
    while !stop.is_asked() {
        let root = id_at(&top);
        let there = places
            .iter()
            .filter(|place| id_at(place).is_some_and(|id| Some(id) != root && id != bare))
            .count();
        if root.is_none() || root != id_at(&top) {
            continue;
        }
        let what = match (root == Some(bare), there) {
            // A set that came and went between two looks at the root.
            (true, _) => 0,
            (false, 9) => 1,
            (false, _) => 2,
        };
        if what == 1 && seen[1] == 0 {
            rustix::io::write(tell, b"x").unwrap();
        }
        seen[what] += 1;
    }
    seen
}

/// How many times the requested rounds may run until an observer has seen a whole set: a set lasts
/// for microseconds, and on a busy machine the observers are often not running then.
const PATIENCE: usize = 50;

/// Publishes and drops the set at least `least` times in view of two processes. Returns how often,
/// and what both processes saw.
fn shown(mounter: &Mounter, strategy: Strategy, least: usize) -> (usize, [u64; 3]) {
    let bare = id_at(&file("t")).unwrap();
    let (is_seen, tell) = pipe_with(PipeFlags::NONBLOCK | PipeFlags::CLOEXEC).unwrap();
    let others: Vec<Forked> = (0..2).map(|_| Forked::start(|stop| look_out(stop, bare, &tell))).collect();
    let plan = Plan::new(ten()).unwrap();
    let mut rounds = 0;
    while rounds < least || (rounds < PATIENCE * least && rustix::io::read(&is_seen, &mut [0]).is_err()) {
        rounds += 1;
        let applied = mounter.apply(CWD, &plan, &Target::open(CWD, file("t")).unwrap()).unwrap();
        assert_eq!(applied.strategy, strategy);
        match applied.set {
            Some(set) => Unmount::new().lazy(true).run_set(&set).unwrap(),
            // Before 6.8 a set is unmounted by its path, also in one call.
            None => Unmount::new().lazy(true).recursive(true).run(file("t")).unwrap(),
        }
    }
    let each = others.into_iter().map(Forked::end::<3>);
    (rounds, each.fold([0; 3], |sum, seen| [0, 1, 2].map(|at| sum[at] + seen[at])))
}

fn print(strategy: Strategy, rounds: usize, [none, all, some]: [u64; 3]) {
    println!(
        "counted: {rounds} sets of 10, {strategy}: 2 processes saw none {none} times, all {all}, half {some}"
    );
}

fn mounter(change: impl Fn(&mut Features)) -> Mounter {
    let mut features = Features::get();
    change(&mut features);
    Mounter::with(features, None)
}

fmountat_testing::cases! {
    fn published_sets_are_never_half_seen() needs [] {
        mkdirs(scratch(), &["t"]);
        let private = mounter(|features| features.detached_children = false);
        let mut strategies = vec![(Strategy::PrivateNamespace, private, times(100, 1_000))];
        if Features::get().detached_children {
            strategies.push((Strategy::Detached, Mounter::detached(), times(600, 10_000)));
        }
        for (strategy, mounter, rounds) in strategies {
            let (rounds, seen) = shown(&mounter, strategy, rounds);
            print(strategy, rounds, seen);
            assert_eq!(seen[2], 0);
            assert!(seen[0] > 0 && seen[1] > 0, "the look-outs are too slow to see anything: {seen:?}");
        }
    }

    fn the_same_look_out_sees_steps() needs [] {
        mkdirs(scratch(), &["t"]);
        let stepwise = mounter(|features| (features.detached_children, features.private_namespace) = (false, false));
        let (rounds, seen) = shown(&stepwise, Strategy::StepByStep, times(600, 10_000));
        print(Strategy::StepByStep, rounds, seen);
        assert!(seen[2] > 0, "the look-outs are too slow to see anything: {seen:?}");
    }
}
