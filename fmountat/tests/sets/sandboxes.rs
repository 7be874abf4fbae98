// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Tests restricted environments: what works in each situation, and the exact error where it does
//! not. `docs/measured/sandboxes.md` has a row and a section for each, which its case compares with
//! its results; where they differ it prints both.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod lists;

use crate::common::{bind, file, ten, tmpfs};
use fmountat::kernel::Features;
use fmountat::strategy::Strategy;
use fmountat::{Error, ErrorKind, Mount, Mounter, Plan, Target, Unmount};
use fmountat_testing::{Snapshot, in_own_namespace, mkdirs, mounts_below, scratch, write};
use rustix::fs::CWD;
use rustix::mount::{
    MountFlags, MountPropagationFlags, UnmountFlags, mount, mount_change, mount_remount, unmount,
};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

const PAGE: &str = include_str!("../../../docs/measured/sandboxes.md");
/// Errors that a cell may have on kernels before 6.15 only.
const OLDER_REFUSALS: &[&str] = &[
    "[unsupported] set layer 1 /l1: this kernel takes layers by their names in /proc, which is not mounted here (ENOENT)",
    "[unsupported] make a place to mount on /proc/thread-self/net: what mount(2) makes is made in a directory of /proc, which is \
     not there",
];
const DOCKER: &str = include_str!("sandboxes/docker.list");
const PODMAN: &str = include_str!("sandboxes/podman.list");

fn furnish() {
    mkdirs(scratch(), &["t", "l1", "l2", "up", "work"]);
    write(file("l1/file"), "x");
}

fn words(error: &Error) -> String {
    let text = format!("{error:?}").replace(&scratch().display().to_string(), "").replace('|', "\\|");
    // The number of a process that was parked for its user namespace.
    let is_number = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    let parts = text.split('/').map(|part| match part.split_once(':') {
        _ if is_number(part) => String::from("PID"),
        Some((number, rest)) if is_number(number) => format!("N:{rest}"),
        _ => part.to_owned(),
    });
    let text = parts.collect::<Vec<_>>().join("/");
    let lines: Vec<&str> = text.lines().filter(|line| !line.starts_with("  hint")).map(str::trim).collect();
    lines.join("; ")
}

/// Applies and unmounts; what came of both.
fn tried(mounts: &[Mount]) -> String {
    let apply = || {
        let target = Target::open(CWD, file("t"))?;
        Mounter::with(Features::probe(), None).apply(CWD, &Plan::new(mounts)?, &target)
    };
    let before = mounts_below_if_readable();
    match apply() {
        Err(error) => {
            assert_eq!(mounts_below_if_readable(), before, "something is left: {error}");
            words(&error)
        }
        Ok(applied) => match Unmount::new().recursive(true).run(file("t")) {
            Ok(()) => String::from(strategy(applied.strategy)),
            Err(errors) => format!("{}, and then: {}", strategy(applied.strategy), words(&errors[0])),
        },
    }
}

fn strategy(used: Strategy) -> &'static str {
    match used {
        Strategy::Detached | Strategy::PrivateNamespace => "in one step",
        Strategy::StepByStep => "step by step",
        other => panic!("an unknown strategy: {other}"),
    }
}

fn mounts_below_if_readable() -> usize {
    if std::path::Path::new("/proc/self/mountinfo").exists() { mounts_below(file("t")).len() } else { 0 }
}

/// The mounts that are tried in each situation.
const TRIED: [&str; 5] =
    ["a tmpfs", "ten mounts in one set", "a read-only bind", "a writable overlay", "an id-mapped bind"];

/// The results in one situation, one for each of [`TRIED`].
struct Results {
    situation: &'static str,
    cells: [String; 5],
}

impl Results {
    fn try_all(situation: &'static str) -> Self {
        let layers = format!("lowerdir={0}/l1:{0}/l2,upperdir={0}/up,workdir={0}/work", scratch().display());
        let cells = [
            tried(&[tmpfs()]),
            tried(&ten()),
            tried(&[bind("l1", "bind,ro")]),
            tried(&[Mount::new("overlay", "overlay").option(layers)]),
            tried(&[bind("l1", "bind,uidmap=0:1000:1,gidmap=0:1000:1")]),
        ];
        Self { situation, cells }
    }

    /// Returns the row of the table, with the codes of errors.
    fn row(&self) -> String {
        format!("| {} | {} |\n", self.situation, self.cells.each_ref().map(|cell| code(cell)).join(" | "))
    }

    /// Returns the section with the errors in full; nothing if there is none.
    fn section(&self) -> String {
        let heading = format!("### {}\n\n", self.situation);
        if self.cells[0].contains('[') && self.cells.iter().all(|cell| *cell == self.cells[0]) {
            return format!("{heading}- all of them: {}\n\n", self.cells[0]);
        }
        let failed = self.cells.iter().zip(TRIED).filter(|(cell, _)| cell.contains('['));
        let lines: String = failed.map(|(cell, what)| format!("- {what}: {cell}\n")).collect();
        if lines.is_empty() { lines } else { format!("{heading}{lines}\n") }
    }
}

/// Returns the strategy, and the codes of errors.
fn code(cell: &str) -> String {
    let code = |error: &str| error.trim_start_matches('[').split(']').next().unwrap().to_owned();
    match cell.split_once(", and then: ") {
        Some((strategy, error)) => format!("{strategy}; umount: {}", code(error)),
        None if cell.starts_with('[') => code(cell),
        None => cell.to_owned(),
    }
}

fn hold_against_the_page(found: &Results) {
    let (row, section) = (found.row(), found.section());
    println!("counted: {row}{section}");
    if fmountat_testing::kernel_release() >= (6, 15) {
        assert!(PAGE.contains(&row), "docs/measured/sandboxes.md has another row than:\n{row}");
        assert!(PAGE.contains(&section), "docs/measured/sandboxes.md has another section than:\n{section}");
        return;
    }
    // Older kernels do the same, possibly step by step, or refuse it for the same reason or for one
    // of their own.
    let situation = found.situation;
    let row = PAGE.lines().find(|line| line.starts_with(&format!("| {situation} |"))).unwrap();
    let newest = row.trim_matches(['|', ' ']).split(" | ").skip(1);
    for (here, newest) in found.cells.iter().zip(newest) {
        let is_like = code(here).replace("step by step", "in one step") == newest;
        let is_older = OLDER_REFUSALS.contains(&here.as_str());
        assert!(is_like || is_older, "{situation}: {here}\n  and on the newest: {newest}");
    }
}

fn check(situation: &'static str) {
    hold_against_the_page(&Results::try_all(situation));
}

fn under_profile(list: &'static str, is_admin: bool, situation: &'static str) {
    furnish();
    let found = in_own_namespace(|| {
        lists::enter(list, is_admin);
        Results::try_all(situation)
    });
    hold_against_the_page(&found);
}

fmountat_testing::cases! {
    fn root() needs [Root] {
        furnish();
        check("root");
    }

    fn a_user_namespace() needs [User, UserNamespaces] {
        furnish();
        check("an ordinary user in a user and mount namespace");
    }

    fn docker_with_admin() needs [Root] {
        under_profile(DOCKER, true, "Docker's default profile, `--cap-add SYS_ADMIN`");
    }

    fn docker_without_admin() needs [Root] {
        under_profile(DOCKER, false, "Docker's default profile");
    }

    fn podman_rootless() needs [User, UserNamespaces] {
        under_profile(PODMAN, false, "podman's default profile, an ordinary user's namespaces");
    }

    fn podman_root() needs [Root] {
        under_profile(PODMAN, true, "podman's default profile, `--cap-add SYS_ADMIN`");
    }

    fn a_read_only_root() needs [Root] {
        furnish();
        mount_remount("/", MountFlags::BIND | MountFlags::RDONLY, c"").unwrap();
        let mounts = [bind("l1", "bind"), tmpfs().at("new").option("X-mount.mkdir")];
        let error = Mounter::detached().build(CWD, &Plan::new(&mounts).unwrap(), &Target::open(CWD, file("t")).unwrap()).unwrap_err();
        assert_eq!(error.step(), "mount 2: create mount point", "{error}");
        check("a read-only root file system");
    }

    fn no_proc() needs [Root] {
        furnish();
        let found = in_own_namespace(|| {
            unmount("/proc", UnmountFlags::DETACH).unwrap();
            assert!(!std::path::Path::new("/proc/self").exists());
            Results::try_all("without /proc")
        });
        hold_against_the_page(&found);
    }

    fn proc_with_hidepid() needs [Root] {
        furnish();
        let found = in_own_namespace(|| {
            mount("proc", "/proc", "proc", MountFlags::empty(), c"hidepid=2").unwrap();
            let found = Results::try_all("/proc with `hidepid=2`");
            unmount("/proc", UnmountFlags::DETACH).unwrap();
            found
        });
        hold_against_the_page(&found);
    }

    fn a_chroot() needs [Root] {
        mkdirs(scratch(), &["jail/proc", "jail/tmp"]);
        let jail = file("jail");
        let inside = jail.join(scratch().strip_prefix("/").unwrap());
        for name in ["t", "l1", "l2", "up", "work"] {
            std::fs::create_dir_all(inside.join(name)).unwrap();
        }
        let found = in_own_namespace(move || {
            mount("proc", jail.join("proc"), "proc", MountFlags::empty(), None).unwrap();
            fmountat_testing::own_root(&jail);
            Results::try_all("a chroot")
        });
        hold_against_the_page(&found);
    }

    fn an_ordinary_user_without_namespaces() needs [Root] {
        furnish();
        let found = in_own_namespace(|| {
            rustix::thread::set_thread_uid(rustix::process::Uid::from_raw(1000)).unwrap();
            Results::try_all("an ordinary user without namespaces")
        });
        hold_against_the_page(&found);
    }

    /// The limit is set in a user namespace of one's own, where it is for all below it.
    fn no_more_user_namespaces() needs [User, UserNamespaces] {
        furnish();
        std::fs::write("/proc/sys/user/max_user_namespaces", "0").unwrap();
        check("max_user_namespaces 0, in a user namespace");
    }

    /// With fewer and fewer descriptors: each open fails in turn, and leaves nothing.
    fn nearly_out_of_descriptors() needs [] {
        furnish();
        let before = Snapshot::take();
        let limit = getrlimit(Resource::Nofile);
        let target = Target::open(CWD, file("t")).unwrap();
        let layers = format!("lowerdir={0}/l1:{0}/l2,upperdir={0}/up,workdir={0}/work", scratch().display());
        let mounts = [vec![Mount::new("overlay", "overlay").option(layers)], ten()[1..].to_vec()].concat();
        let plan = Plan::new(&mounts).unwrap();
        let (mut failed, mut room) = (0, 3);
        loop {
            setrlimit(Resource::Nofile, Rlimit { current: Some(room), maximum: limit.maximum }).unwrap();
            let applied = Mounter::with(Features::get(), None).apply(CWD, &plan, &target).map(drop);
            setrlimit(Resource::Nofile, limit).unwrap();
            let Err(error) = applied else { break };
            let is_emfile = error.errno() == libc::EMFILE;
            assert!(is_emfile || error.kind() == ErrorKind::WorkUnusable, "room for {room}: {error:?}");
            assert_eq!(mounts_below(file("t")).len(), 0, "room for {room}");
            (failed, room) = (failed + usize::from(is_emfile), room + 1);
            assert!(room < 200, "{error}");
        }
        println!("counted: EMFILE {failed} times, then it is mounted, with room for {room} descriptors");
        assert!(failed > 3);
        Unmount::new().recursive(true).run(file("t")).unwrap();
        drop((target, plan));
        before.assert_unchanged();
    }

    /// The mount namespace is full (fs.mount-max): nothing of a set is left, and the error has the
    /// kernel's errno.
    fn at_mount_max() needs [Root, SteadyTime] {
        furnish();
        let max: usize = std::fs::read_to_string("/proc/sys/fs/mount-max").unwrap().trim().parse().unwrap();
        mkdirs(scratch(), &["full"]);
        mount("tmpfs", file("full"), "tmpfs", MountFlags::empty(), None).unwrap();
        mount_change(file("full"), MountPropagationFlags::PRIVATE).unwrap();
        // Each bind copies all mounts below it, which doubles their number, until only smaller
        // trees fit.
        let mut depth = 0;
        for number in 0.. {
            let dir = file("full").join(number.to_string());
            std::fs::create_dir(&dir).unwrap();
            if 1 << (number + 1) >= max || rustix::mount::mount_bind_recursive(file("full"), &dir).is_err() {
                depth = number;
                break;
            }
        }
        let mut number = depth;
        let mut extra = 0;
        while number > 0 {
            // The tree at `number - 1` holds 2^(number - 1) mounts.
            let dir = file("full").join(format!("x{extra}"));
            std::fs::create_dir(&dir).unwrap();
            extra += 1;
            if rustix::mount::mount_bind_recursive(file("full").join((number - 1).to_string()), &dir).is_err() {
                number -= 1;
            }
        }
        check("the namespace has fs.mount-max mounts");
    }
}
