// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Attacks `X-mount.mkdir=MODE:UID:GID` below a directory whose owner exchanges the new directory
//! for an existing file.

use crate::common::{bind, file, tmpfs};
use fmountat::{Error, ErrorKind, Mount, Mounter, Plan, Target};
use fmountat_testing::{Forked, mkdirs, times, write};
use rustix::fd::{AsFd, AsRawFd, OwnedFd};
use rustix::fs::{CWD, Mode, OFlags, RenameFlags, renameat_with};
use rustix::mount::UnmountFlags;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

const OWNER: u32 = 2005;

/// Exchanges it for each new name that appears.
const VICTIM: &str = "victim";

fn open(path: &str) -> OwnedFd {
    rustix::fs::open(file(path), OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty()).unwrap()
}

fn names() -> Vec<std::ffi::OsString> {
    std::fs::read_dir(file("root/d")).unwrap().map(|entry| entry.unwrap().file_name()).collect()
}

/// Starts two processes: one knows the name of the mount point, the other searches for it. Each
/// returns the number of its exchanges.
fn attackers() -> [Forked; 2] {
    let exchange = |dir: &OwnedFd, name: &std::ffi::OsStr| {
        u64::from(renameat_with(dir, name, dir, VICTIM, RenameFlags::EXCHANGE).is_ok())
    };
    let known = Forked::start(move |stop| {
        let (dir, mut done) = (open("root/d"), 0);
        while !stop.is_asked() {
            done += exchange(&dir, "t".as_ref());
        }
        [done]
    });
    let any = Forked::start(move |stop| {
        let (dir, mut done) = (open("root/d"), 0);
        while !stop.is_asked() {
            let others = names().into_iter().filter(|name| name != VICTIM);
            done += others.map(|name| exchange(&dir, &name)).sum::<u64>();
        }
        [done]
    });
    [known, any]
}

/// Gives the victim its name and removes everything else from the directory. Each entry is moved
/// out of the attackers' reach before it is inspected.
fn tidy(victim: u64) {
    let inode = |path: &Path| path.symlink_metadata().map(|meta| meta.ino());
    let (named, away, found) = (file("root/d/victim"), file("away"), file("found"));
    loop {
        for name in names() {
            if inode(&named).is_ok_and(|inode| inode == victim) && name == VICTIM {
                continue;
            }
            if std::fs::rename(file("root/d").join(name), &away).is_err() {
                continue;
            }
            if inode(&away).unwrap() == victim {
                std::fs::rename(&away, &found).unwrap();
            } else if away.is_dir() {
                std::fs::remove_dir_all(&away).unwrap();
            } else {
                std::fs::remove_file(&away).unwrap();
            }
        }
        if found.exists() && renameat_with(CWD, &found, CWD, &named, RenameFlags::NOREPLACE).is_err() {
            continue;
        }
        if names() == [VICTIM] && inode(&named).is_ok_and(|inode| inode == victim) {
            return;
        }
    }
}

fn apply(mount: &Mount) -> Result<(), Error> {
    let plan = Plan::new(&[bind("root", "bind"), mount.clone()])?;
    let target = Target::open(CWD, file("elsewhere"))?;
    let attached = Mounter::detached().build(CWD, &plan, &target)?.attach(&target)?;
    let name = format!("/proc/self/fd/{}", attached.root().as_raw_fd());
    rustix::mount::unmount(name, UnmountFlags::DETACH).unwrap();
    Ok(())
}

fn attack(mount: &Mount) {
    let victim = open("root/d/victim");
    let before = rustix::fs::fstat(victim.as_fd()).unwrap();
    let attackers = attackers();
    let (rounds, mut mounted, mut refused) = (times(300, 20_000), 0, 0);
    for _ in 0..rounds {
        match apply(mount) {
            Ok(()) => mounted += 1,
            Err(error) => {
                let known = [ErrorKind::TargetMoved, ErrorKind::NotFound, ErrorKind::WrongTargetType];
                assert!(known.contains(&error.kind()), "{error:?}");
                refused += 1;
            }
        }
        let after = rustix::fs::fstat(victim.as_fd()).unwrap();
        assert_eq!((after.st_uid, after.st_mode), (before.st_uid, before.st_mode), "given away: {mount:?}");
        tidy(before.st_ino);
    }
    let attacks: u64 = attackers.into_iter().map(|attacker| attacker.end::<1>()[0]).sum();
    println!("counted: {mounted} of {rounds} mount points under {attacks} exchanges, {refused} refused");
    assert!(mounted > 0 && attacks > 0, "{mounted} mounted, {attacks} attacks");
}

/// A directory and a file.
pub(crate) fn only_what_is_new_is_given_away() {
    let options = format!("X-mount.mkdir=0755:{OWNER}:{OWNER}");
    mkdirs(file(""), &["root/d", "elsewhere"]);
    write(file("source"), "");
    mkdirs(file("root/d"), &[VICTIM]);
    write(file("root/d/victim/secret"), "secret");
    attack(&tmpfs().at("d/t").option(&*options));
    std::fs::remove_dir_all(file("root/d/victim")).unwrap();
    write(file("root/d/victim"), "secret");
    std::fs::set_permissions(file("root/d/victim"), PermissionsExt::from_mode(0o4755)).unwrap();
    attack(&bind("source", "bind").at("d/t").option(&*options));
}
