// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Runs each row twice: in a detached tree, and in a private mount namespace as on a kernel before
//! 6.15.
// Each test binary uses a part of it.
#![allow(dead_code)]

use fmountat::kernel::Features;
use fmountat::{Applied, Error, Mount, Mounter, Plan, Target, Unmount};
use fmountat_testing::{mounts_below, scratch};
use rustix::fs::CWD;
use std::path::{Path, PathBuf};

/// A mounter with one of the two strategies, and a directory of its own.
#[derive(Debug)]
pub(crate) struct Stage {
    pub(crate) mounter: Mounter,
    pub(crate) dir: PathBuf,
}

impl Stage {
    /// Makes the directory `name` of the scratch directory.
    pub(crate) fn new(name: &str, mounter: Mounter) -> Self {
        let dir = scratch().join(name);
        std::fs::create_dir(&dir).unwrap();
        Self { mounter, dir }
    }

    pub(crate) fn file(&self, path: &str) -> PathBuf {
        self.dir.join(path)
    }

    pub(crate) fn text(&self, path: &str) -> String {
        self.file(path).display().to_string()
    }

    pub(crate) fn apply(&self, mounts: &[Mount], target: impl AsRef<Path>) -> Result<Applied, Error> {
        let target = Target::open(CWD, self.dir.join(target))?;
        let plan = Plan::new(mounts)?;
        self.mounter.need_one_step(&plan).unwrap();
        self.mounter.apply(CWD, &plan, &target)
    }

    pub(crate) fn bind(&self, source: &str, options: &str) -> Mount {
        Mount::new("bind", self.file(source)).option(options)
    }

    pub(crate) fn unmount(&self, target: &str) {
        Unmount::new().recursive(true).run(self.file(target)).unwrap();
        assert_eq!(mounts_below(self.file(target)), Vec::<String>::new());
    }

    /// Returns the mount points below the stage.
    pub(crate) fn mounts(&self) -> Vec<String> {
        mounts_below(&self.dir)
    }
}

/// Runs the row with both strategies.
pub(crate) fn both(row: impl Fn(&Stage)) {
    row(&Stage::new("detached", Mounter::detached()));
    row(&Stage::new("private-namespace", as_on_6_12()));
}

/// Returns a mounter as on a kernel before 6.15, which uses a private mount namespace.
pub(crate) fn as_on_6_12() -> Mounter {
    Mounter::with(Features::get().at_most(6, 12), None)
}

pub(crate) fn tmpfs() -> Mount {
    Mount::new("tmpfs", "tmpfs")
}
