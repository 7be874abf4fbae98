// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The two implementations of the contract, and the functions that its tests use.

use fmountat::Error;
use fmountat::call::PrivateCwd;
use fmountat_testing::{mkdirs, scratch};
use rustix::fd::AsFd;
use rustix::mount::{UnmountFlags, unmount};
use std::fs::File;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// How a handle is made.
type Make = fn() -> PrivateCwd;

/// Each implementation with its name.
const STRATEGIES: [(&str, Make); 2] =
    [("child", PrivateCwd::child), ("worker", || PrivateCwd::worker().unwrap())];

/// Runs a test for each implementation, in an empty directory of its own. The test makes the
/// handle.
pub(crate) fn each_strategy(test: impl Fn(Make, &Path)) {
    for (name, make) in STRATEGIES {
        // Shown when the test fails.
        eprintln!("by {name}:");
        mkdirs(scratch(), &[name]);
        test(make, &scratch().join(name));
    }
}

/// [`each_strategy`] for tests that don't care when the handle is made.
pub(crate) fn both(test: impl Fn(&PrivateCwd, &Path)) {
    each_strategy(|make, dir| test(&make(), dir));
}

/// Binds `source` to `target`, both relative to `dir` or absolute.
pub(crate) fn bind(cwd: &PrivateCwd, dir: impl AsFd, source: &str, target: &str) -> Result<(), Error> {
    cwd.mount(dir, source, target, "", fmountat::MountFlags::BIND, "")
}

/// Returns a descriptor of a file or directory.
pub(crate) fn open(path: impl AsRef<Path>) -> File {
    File::open(path).unwrap()
}

/// Unmounts without `MNT_DETACH`: `EBUSY` if anything is still in it.
pub(crate) fn unmount_now(path: impl AsRef<Path>) {
    let path = path.as_ref();
    unmount(path, UnmountFlags::empty()).unwrap_or_else(|e| panic!("unmount {}: {e}", path.display()));
}

/// The step and the errno of a failure, both exactly.
#[track_caller]
pub(crate) fn assert_failed(done: Result<(), Error>, step: &str, errno: i32) {
    let error = done.expect_err("an error");
    assert_eq!((error.step().as_str(), error.errno()), (step, errno), "{error}");
}

/// Returns the permission bits of a file.
pub(crate) fn mode_of(path: impl AsRef<Path>) -> u32 {
    path.as_ref().metadata().unwrap().permissions().mode() & 0o7777
}
