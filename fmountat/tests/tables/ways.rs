// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Each row on both ways: the new mount interface, and mount(2) alone behind a filter that answers as an old kernel.
// Each test file uses a part of it.
#![allow(dead_code)]

use fmountat::{Applied, Error, Features, Mount, Mounter, Plan, Target, Unmount, Way};
use fmountat_testing::{mounts_below, scratch};
use rustix::fs::CWD;
use std::path::{Path, PathBuf};

/// One way, with a directory of its own.
#[derive(Debug)]
pub(crate) struct Stage {
    pub(crate) mounter: Mounter,
    pub(crate) way: Way,
    pub(crate) dir: PathBuf,
}

impl Stage {
    pub(crate) fn file(&self, path: &str) -> PathBuf {
        self.dir.join(path)
    }

    pub(crate) fn text(&self, path: &str) -> String {
        self.file(path).display().to_string()
    }

    pub(crate) fn is_new(&self) -> bool {
        self.way == Way::Detached
    }

    pub(crate) fn apply(&self, mounts: &[Mount], target: impl AsRef<Path>) -> Result<Applied, Error> {
        let target = Target::open(CWD, self.dir.join(target))?;
        let applied = self.mounter.apply(CWD, &Plan::new(mounts)?, &target)?;
        // On older kernels the detached way leads through a private namespace: in one step as well.
        assert_eq!(applied.way == Way::StepByStep, self.way == Way::StepByStep, "{}", applied.way);
        Ok(applied)
    }

    pub(crate) fn bind(&self, source: &str, options: &str) -> Mount {
        Mount::new("bind", self.file(source)).option(options)
    }

    pub(crate) fn unmount(&self, target: &str) {
        Unmount::new().recursive(true).run(self.file(target)).unwrap();
        assert_eq!(mounts_below(self.file(target)), Vec::<String>::new());
    }

    /// The mount points below the stage.
    pub(crate) fn mounts(&self) -> Vec<String> {
        mounts_below(&self.dir)
    }
}

/// Runs the row on each way. The filter can't be taken back, so the old way has a thread of its own.
pub(crate) fn both(row: impl Fn(&Stage) + Sync) {
    row(&stage("new", Way::Detached, Mounter::detached()));
    std::thread::scope(|scope| {
        let old = scope.spawn(|| {
            fmountat_testing::filter::without_new_mount_interface();
            let features = Features::probe();
            assert!(!features.new_mount_api && !features.mount_setattr, "{features:?}");
            row(&stage("old", Way::StepByStep, Mounter::with(features, None)));
        });
        old.join().unwrap_or_else(|_| panic!("by mount(2)"));
    });
}

/// As [`both`], and in a private mount namespace, as on kernels that can't mount into a detached tree.
pub(crate) fn all(row: impl Fn(&Stage) + Sync) {
    row(&stage("staged", Way::PrivateNamespace, staged()));
    both(row);
}

/// A mounter as on a kernel before 6.15.
pub(crate) fn staged() -> Mounter {
    let mut features = Features::get();
    features.detached_children = false;
    Mounter::with(features, None)
}

pub(crate) fn stage(name: &str, way: Way, mounter: Mounter) -> Stage {
    let dir = scratch().join(name);
    std::fs::create_dir(&dir).unwrap();
    Stage { mounter, way, dir }
}

pub(crate) fn tmpfs() -> Mount {
    Mount::new("tmpfs", "tmpfs")
}
