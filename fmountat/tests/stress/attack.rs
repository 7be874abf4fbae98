// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Attacks targets inside a root: nothing is ever mounted outside it, and refused targets are
//! errors.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod attackers;
mod mkdir_owner;

use crate::common::strategies::{Stage, both};
use crate::common::{bind, file, tmpfs};
use attackers::{Attack, DECOYS, furnish};
use fmountat::{Error, ErrorKind, MountId, Mounter, Plan, Target, Tree};
use fmountat_testing::{mkdirs, mounts_below, scratch, times, write};
use rustix::fd::{AsFd, AsRawFd};
use rustix::fs::CWD;
use rustix::mount::UnmountFlags;
use std::collections::BTreeMap;

fn mount_of(path: &std::path::Path) -> MountId {
    MountId::of(Target::open(CWD, path).unwrap().as_fd()).unwrap()
}

/// Counts the outcomes of `apply` under attack.
#[derive(Debug, Default)]
struct Tally(BTreeMap<String, usize>);

impl Tally {
    fn add(&mut self, done: &Result<(), Error>) {
        let name = match done {
            Ok(()) => String::from("mounted"),
            Err(error) => {
                // Each says where it was refused, and why.
                assert!(!error.step().is_empty() && error.argument().is_some(), "{error}");
                let known = matches!(
                    error.kind(),
                    ErrorKind::NotFound
                        | ErrorKind::NotADirectory
                        | ErrorKind::TargetMoved
                        | ErrorKind::Busy
                        | ErrorKind::NotMounted
                );
                assert!(known, "{error:?}");
                error.code().to_owned()
            }
        };
        *self.0.entry(name).or_default() += 1;
    }
}

/// One mount on a target that was looked up inside the root.
fn apply_one(mounter: &Mounter, plan: &Plan, root: &Target) -> Result<(), Error> {
    let target = Target::in_root(root, "a/b/t")?;
    let built = mounter.build(CWD, plan, &target)?;
    let attached = built.attach(&target)?;
    let name = format!("/proc/self/fd/{}", attached.root().as_raw_fd());
    rustix::mount::unmount(name, UnmountFlags::DETACH).unwrap();
    Ok(())
}

/// Applies a set of two mounts: the root is a bind of the attacked directory, the other is below
/// it.
fn apply_set(mounter: &Mounter, plan: &Plan) -> Result<(), Error> {
    let target = Target::open(CWD, file("elsewhere"))?;
    let attached = mounter.build(CWD, plan, &target)?.attach(&target)?;
    let name = format!("/proc/self/fd/{}", attached.root().as_raw_fd());
    rustix::mount::unmount(name, UnmountFlags::DETACH).unwrap();
    Ok(())
}

/// The place left the root after it was looked up: a mount there would be outside.
fn moved_out(stage: &Stage) {
    mkdirs(&stage.dir, &["root/a/t", "out"]);
    write(stage.file("file"), "");
    write(stage.file("root/a/f"), "");
    let root = Target::open(CWD, stage.file("root")).unwrap();
    for (name, mount) in [("t", tmpfs()), ("f", stage.bind("file", "bind"))] {
        let target = Target::in_root(&root, format!("a/{name}")).unwrap();
        std::fs::rename(stage.file("root/a"), stage.file("out/a")).unwrap();
        let plan = Plan::new(&[mount]).unwrap();
        let error = stage.mounter.apply(CWD, &plan, &target).unwrap_err();
        assert_eq!((error.kind(), stage.mounts().len()), (ErrorKind::TargetMoved, 0), "{error}");
        // Another directory of that name has come in its place.
        mkdirs(&stage.dir, &["root/a/t"]);
        write(stage.file("root/a/f"), "");
        match stage.mounter.apply(CWD, &plan, &target) {
            Err(error) => {
                assert_eq!((error.kind(), stage.mounts().len()), (ErrorKind::TargetMoved, 0), "{error}")
            }
            // By its path again it is inside.
            Ok(_) => stage.unmount(&format!("root/a/{name}")),
        }
        assert_eq!(stage.mounts().len(), 0);
        std::fs::remove_dir_all(stage.file("root/a")).unwrap();
        std::fs::rename(stage.file("out/a"), stage.file("root/a")).unwrap();
    }
}

fmountat_testing::cases! {
    /// A directory and a file, with each strategy.
    fn a_place_that_left_the_root_is_refused() needs [] { both(moved_out); }

    /// A tree by itself, and the mount that it would have been is nowhere.
    fn a_tree_is_not_attached_outside() needs [] {
        mkdirs(scratch(), &["root/a/t", "out"]);
        let target = Target::in_root(Target::open(CWD, file("root")).unwrap(), "a/t").unwrap();
        let tree = Tree::clone_of(CWD, scratch(), true).unwrap();
        std::fs::rename(file("root/a"), file("out/a")).unwrap();
        let error = tree.attach(&target).unwrap_err();
        assert_eq!((error.kind(), mounts_below(scratch()).len()), (ErrorKind::TargetMoved, 0), "{error}");
    }

    /// With an owner for new directories, and a parent whose owner exchanges one for another file:
    /// that file keeps its owner.
    fn only_what_is_new_is_given_away() needs [Root, Kernel(6, 15)] { mkdir_owner::only_what_is_new_is_given_away(); }

    /// Each component of the path is renamed, exchanged with a link that leads outside, moved out
    /// of the root, removed, made a link, and mounted over.
    fn nothing_lands_outside() needs [] {
        furnish();
        let root = Target::open(CWD, file("root")).unwrap();
        let bare = mount_of(&scratch());
        let attackers = Attack::all();
        let mounter = Mounter::detached();
        let one = Plan::new(&[bind("source", "bind")]).unwrap();
        let set = Plan::new(&[bind("root", "bind"), bind("source", "bind").at("a/b/t")]).unwrap();
        let (mut tally, mut outside) = (Tally::default(), 0);
        let (least, mut rounds) = (times(20_000, 1_000_000), 0);
        // If the attackers get little time, the target is mostly absent, and the case has nothing
        // to check.
        let is_enough = |tally: &Tally| tally.0.get("mounted").is_some_and(|count| *count > least / 100) && tally.0.len() > 2;
        while rounds < least || (rounds < 50 * least && !is_enough(&tally)) {
            let round = rounds;
            rounds += 1;
            let done = if round % 10 == 0 { apply_set(&mounter, &set) } else { apply_one(&mounter, &one, &root) };
            tally.add(&done);
            outside += DECOYS.iter().filter(|decoy| mount_of(&file(decoy)) != bare).count();
        }
        let attacks: u64 = attackers.into_iter().map(|attacker| attacker.end::<1>()[0]).sum();
        println!("counted: {rounds} applies under {attacks} attacks: {:?}; outside the root: {outside}", tally.0);
        assert_eq!((outside, mounts_below(scratch()).len()), (0, 0), "{:?}", mounts_below(scratch()));
        assert!(is_enough(&tally), "{tally:?}");
    }
}
