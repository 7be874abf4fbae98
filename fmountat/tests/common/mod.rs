// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Functions of the tests of sets: paths, mounts, and calls that apply and unmount them.
// Each test binary uses a part of it.
#![allow(dead_code)]

pub(crate) mod strategies;

use fmountat::{Error, Mount, Mounter, Plan, Target, Unmount};
use fmountat_testing::{mounts_below, scratch};
use rustix::fs::CWD;
use std::path::PathBuf;

pub(crate) fn file(path: &str) -> PathBuf {
    scratch().join(path)
}

pub(crate) fn apply(mounts: &[Mount], target: &str) -> Result<(), Error> {
    let target = Target::open(CWD, file(target))?;
    Mounter::detached().apply(CWD, &Plan::new(mounts)?, &target).map(drop)
}

pub(crate) fn unmount_all(target: &str) {
    let done = Unmount::new().recursive(true).run(file(target));
    done.unwrap_or_else(|errors| panic!("{errors:?}"));
    assert_eq!(mounts_below(file(target)), Vec::<String>::new());
}

pub(crate) fn tmpfs() -> Mount {
    Mount::new("tmpfs", "tmpfs")
}

pub(crate) fn bind(source: &str, options: &str) -> Mount {
    Mount::new("bind", file(source)).option(options)
}

/// Returns a set of ten mounts: a tmpfs with nine more in it.
pub(crate) fn ten() -> Vec<Mount> {
    let mut mounts = vec![tmpfs()];
    mounts.extend((1..10).map(|n| tmpfs().at(format!("d{n}")).option("X-mount.mkdir,size=64k")));
    mounts
}

pub(crate) fn drop_in_one_step() {
    Unmount::new().lazy(true).run(file("t")).unwrap();
}
