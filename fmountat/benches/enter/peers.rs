// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The peers: the system calls in a child, and programs that do the same.
#![allow(unsafe_code)]

use crate::{Outcome, PROGRAM, ended};
use rustix::mount::{
    MountFlags, MountPropagationFlags, UnmountFlags, mount, mount_bind, mount_change, unmount,
};
use rustix::thread::UnshareFlags;
use std::io;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

pub(crate) type Start = Box<dyn Fn() -> Outcome<()>>;

/// Where the child assembles its root.
const ROOT: &str = "/mnt";

pub(crate) fn own_namespace() -> Outcome<()> {
    // SAFETY: CLONE_FILES is not among the flags.
    unsafe { rustix::thread::unshare_unsafe(UnshareFlags::NEWNS)? };
    Ok(())
}

/// unshare(2) and one mount(2) for each mount, in the child of a [`Command`].
pub(crate) fn by_calls() -> Outcome<()> {
    let mut command = Command::new(PROGRAM);
    // SAFETY: the closure makes only system calls of rustix, with paths that need no allocation.
    unsafe {
        command.pre_exec(|| assemble().map_err(|errno| io::Error::from_raw_os_error(errno.raw_os_error())))
    };
    ended(&mut command)
}

fn assemble() -> rustix::io::Result<()> {
    // SAFETY: CLONE_FILES is not among the flags.
    unsafe { rustix::thread::unshare_unsafe(UnshareFlags::NEWNS)? };
    mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC)?;
    mount_bind("/", ROOT)?;
    rustix::process::chdir(ROOT)?;
    mount("tmpfs", "tmp", "tmpfs", MountFlags::empty(), None)?;
    mount("tmpfs", "run", "tmpfs", MountFlags::empty(), None)?;
    mount_bind("/proc", "proc")?;
    rustix::mount::mount_remount(".", MountFlags::BIND | MountFlags::RDONLY, c"")?;
    rustix::process::pivot_root(".", ".")?;
    unmount(".", UnmountFlags::DETACH)
}

/// The programs that are installed here.
pub(crate) fn programs() -> Outcome<Vec<(&'static str, Start)>> {
    let mut programs: Vec<(&'static str, Start)> = Vec::new();
    if installed("unshare").is_some() {
        programs.push(("unshare -m (no root)", by_words("unshare", &["-m", PROGRAM])));
    }
    if installed("bwrap").is_some() {
        let words = [
            "--ro-bind",
            "/",
            "/",
            "--tmpfs",
            "/tmp",
            "--tmpfs",
            "/run",
            "--bind",
            "/proc",
            "/proc",
            PROGRAM,
        ];
        programs.push(("bubblewrap", by_words("bwrap", &words)));
    }
    Ok(programs)
}

fn by_words(program: &'static str, words: &[&str]) -> Start {
    let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
    Box::new(move || ended(Command::new(program).args(&words).stdout(Stdio::null())))
}

fn installed(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|dir| dir.join(program)).find(|path| Path::exists(path))
}
