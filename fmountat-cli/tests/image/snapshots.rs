// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The directories of containerd's overlay snapshotter, and the mount list that it makes of them.

use crate::tree::{Tree, read_tree};
use fmountat_testing::mkdirs;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// The snapshots of one image, 1 the lowest, and the active one of a container on top.
pub(crate) struct Snapshots {
    base: PathBuf,
    lowers: usize,
}

impl Snapshots {
    /// Makes the directories, all empty.
    pub(crate) fn make(base: &Path, lowers: usize) -> Self {
        let this = Self { base: base.to_owned(), lowers };
        for directory in this.directories() {
            mkdirs(directory, &["", "../work"]);
        }
        this
    }

    pub(crate) fn lowers(&self) -> usize {
        self.lowers
    }

    /// Returns the directories of all layers, lowest first.
    pub(crate) fn directories(&self) -> Vec<PathBuf> {
        (1..=self.lowers + 1).map(|number| self.snapshot(number, "fs")).collect()
    }

    pub(crate) fn upper(&self) -> PathBuf {
        self.snapshot(self.lowers + 1, "fs")
    }

    fn snapshot(&self, number: usize, name: &str) -> PathBuf {
        self.base.join(format!("snapshots/{number}/{name}"))
    }

    /// Returns the mount list as Go's encoding/json writes containerd's `[]mount.Mount`, which has
    /// no field tags.
    pub(crate) fn list(&self) -> Value {
        self.list_of(self.directories())
    }

    /// Returns the mount list without one of the lower layers; 0 is the lowest.
    pub(crate) fn list_without(&self, lower: usize) -> Value {
        let mut directories = self.directories();
        directories.remove(lower);
        self.list_of(directories)
    }

    fn list_of(&self, mut directories: Vec<PathBuf>) -> Value {
        let upper = directories.pop().unwrap();
        let lowers: Vec<String> = directories.iter().rev().map(|path| path.display().to_string()).collect();
        json!([{
            "Type": "overlay",
            "Source": "overlay",
            "Target": "",
            "Options": [
                "index=off",
                format!("workdir={}", self.snapshot(self.lowers + 1, "work").display()),
                format!("upperdir={}", upper.display()),
                format!("lowerdir={}", lowers.join(":")),
            ],
        }])
    }

    /// Reads the whole tree of snapshots.
    pub(crate) fn read(&self) -> Tree {
        read_tree(&self.base)
    }

    /// Returns the container's own snapshot, by its path in that tree.
    pub(crate) fn of_the_container(&self) -> PathBuf {
        Path::new("snapshots").join((self.lowers + 1).to_string())
    }
}
