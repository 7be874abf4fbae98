// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The process of a case: becomes the right user, creates a mount namespace, and runs the body.

use crate::early::Early;
use crate::files::settle;
use crate::need::is_admin;
use crate::profile::Profile;
use crate::raw::{heed_the_terminal, unblock_ends, unshare};
use crate::snapshot::{Snapshot, left_overs};
use crate::{Case, Need};
use rustix::fs::Mode;
use rustix::mount::MountPropagationFlags;
use rustix::process::{DumpableBehavior, Gid, Signal, Uid, getgid, getuid};
use rustix::thread::UnshareFlags;
use std::io;
use std::path::Path;

/// The user id that root switches to for [`Need::User`].
pub(crate) const ORDINARY: u32 = 1000;

/// Runs one case in this process, which does nothing else.
///
/// # Panics
/// If the case fails or leaves something behind.
pub(crate) fn run_case(case: &Case, scratch: &Path) {
    heed_the_terminal();
    unblock_ends();
    settle(scratch);
    std::env::set_current_dir("/").expect("go to the root");
    if case.needs.contains(&Need::User) {
        become_ordinary().expect("become an ordinary user");
    }
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL)).expect("end with the test run");
    own_mount_namespace().expect("make a mount namespace");
    rustix::process::umask(Mode::WGRP | Mode::WOTH);

    if let Some(profile) = Profile::from_environment() {
        profile.apply();
    }
    let before = Snapshot::take();
    let early = Early::catch(case.body);
    let left = left_overs(&before, scratch);
    assert!(left.is_empty(), "{} passed and left over: {}", case.name, left.join("; "));
    if let Some(early) = early {
        early.exit();
    }
}

/// Creates a user and mount namespace as an ordinary user, to check [`Need::UserNamespaces`].
pub(crate) fn try_user_namespaces() -> Result<(), String> {
    become_ordinary().map_err(|e| format!("become user {ORDINARY}: {e}"))?;
    own_mount_namespace().map_err(|e| e.to_string())
}

/// Drops root permanently. Does nothing without root.
fn become_ordinary() -> io::Result<()> {
    if !rustix::process::geteuid().is_root() {
        return Ok(());
    }
    rustix::thread::set_thread_groups(&[])?;
    rustix::thread::set_thread_gid(Gid::from_raw(ORDINARY))?;
    rustix::thread::set_thread_uid(Uid::from_raw(ORDINARY))?;
    // A process that has changed its user cannot write its own uid_map until it is dumpable again.
    Ok(rustix::process::set_dumpable_behavior(DumpableBehavior::Dumpable)?)
}

fn own_mount_namespace() -> io::Result<()> {
    if is_admin() {
        unshare(UnshareFlags::NEWNS)?;
    } else {
        let (uid, gid) = (getuid().as_raw(), getgid().as_raw());
        unshare(UnshareFlags::NEWUSER | UnshareFlags::NEWNS)?;
        std::fs::write("/proc/self/setgroups", "deny")?;
        std::fs::write("/proc/self/uid_map", format!("0 {uid} 1"))?;
        std::fs::write("/proc/self/gid_map", format!("0 {gid} 1"))?;
    }
    let private = MountPropagationFlags::REC | MountPropagationFlags::PRIVATE;
    Ok(rustix::mount::mount_change("/", private)?)
}
