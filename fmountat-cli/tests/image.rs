// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Mounts a real root file system of 3 to 500 layers from containerd's mount list. The view must
//! equal a flat copy, its programs must run, and nothing may be left of it afterwards.
//!
//! The image is made by mmdebstrap, from the Debian package of that name.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "image/debian.rs"]
mod debian;
#[path = "image/layers.rs"]
mod layers;
#[path = "image/odd.rs"]
mod odd;
#[path = "image/snapshots.rs"]
mod snapshots;
#[path = "image/tree.rs"]
mod tree;

use fmountat_testing::{binary, command_output, mkdirs, mount_flags, mounts_below, read, scratch, write};
use layers::Layers;
use rustix::io::Errno;
use snapshots::Snapshots;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use tree::{Tree, differences, other_content, read_tree, try_read_tree};

fmountat_testing::tests! {
    /// Three image layers below a container's own; and each of them is missed when it is not there.
    fn three_layers() needs [Root, Tool("mmdebstrap")] {
        let image = Image::new(3);
        image.check_view();
        image.check_that_each_layer_is_missed();
        image.check_writable();
    }

    /// 128 layers, the maximum of engines whose mount options must fit in a page.
    fn a_hundred_and_28_layers() needs [Root, Tool("mmdebstrap")] {
        let image = Image::new(128);
        image.check_view();
        image.check_writable();
    }

    /// A view of 500 lower layers, the kernel's maximum.
    fn a_view_of_500_layers() needs [Root, Tool("mmdebstrap")] {
        Image::new(499).check_view();
    }

    /// A container of 500 lower layers. In a view, its upper directory would be the 501st.
    fn five_hundred_layers() needs [Root, Tool("mmdebstrap")] {
        let image = Image::new(500);
        image.check_that_a_view_is_refused();
        image.check_writable();
    }
}

/// A root file system twice: flat, and as `snapshots`.
struct Image {
    flat: PathBuf,
    tree: Tree,
    snapshots: Snapshots,
    /// All that the snapshots held at first.
    layers: Tree,
    /// A file of the lowest layer, and of no other.
    lowest: PathBuf,
    target: PathBuf,
}

impl Image {
    fn new(lowers: usize) -> Self {
        mkdirs(scratch(), &["target", "tmp"]);
        let flat = scratch().join("flat");
        debian::unpack(&flat);
        odd::add(&flat);
        let tree = read_tree(&flat);
        let snapshots = Snapshots::make(&scratch().join("io.containerd.snapshotter.v1.overlayfs"), lowers);
        let layers = Layers::plan(&tree, lowers + 1);
        layers.assert_all_matter();
        layers.build(&flat, &snapshots.directories());
        let bytes: u64 = tree.values().map(tree::Entry::bytes).sum();
        println!("{} entries, {bytes} bytes, {lowers} layers and an upper one", tree.len());
        println!("{:?}", layers.histories());
        let lowest = layers.file_of_the_lowest().to_owned();
        Self { flat, lowest, layers: snapshots.read(), snapshots, target: scratch().join("target"), tree }
    }

    /// A view shows it all, can't be written, and changes nothing in the layers.
    fn check_view(&self) {
        self.apply(&["--view"]);
        self.assert_same_as_flat();
        self.assert_programs_run();
        let kept = self.target.join(&self.lowest);
        let refused = [
            std::fs::write(self.target.join("new"), "new"),
            std::fs::write(&kept, "changed"),
            std::fs::remove_file(&kept),
            std::os::unix::fs::chown(&kept, Some(1), Some(1)),
        ];
        for result in refused {
            assert_eq!(result.unwrap_err().raw_os_error(), Some(Errno::ROFS.raw_os_error()));
        }
        self.umount();
        assert_equal(&self.layers, &self.snapshots.read());
    }

    /// Checks that a container's mount shows the whole tree, and that writes change the upper layer
    /// and no other.
    fn check_writable(mut self) {
        self.apply(&[]);
        assert!(mount_flags(&self.target).starts_with("rw,"));
        self.assert_same_as_flat();
        self.assert_programs_run();
        write(self.target.join("written"), "by a container");
        std::fs::remove_file(self.target.join(&self.lowest)).unwrap();
        self.umount();
        let own = self.snapshots.of_the_container();
        let is_shared = |path: &PathBuf| !path.starts_with(&own);
        let mut after = self.snapshots.read();
        assert!(after[&own.join("fs").join(&self.lowest)].is_whiteout());
        assert_eq!(read(self.snapshots.upper().join("written")), "by a container");
        after.retain(|path, _| is_shared(path));
        self.layers.retain(|path, _| is_shared(path));
        assert_equal(&self.layers, &after);
    }

    fn check_that_a_view_is_refused(&self) {
        let mut apply = self.fmountat(&["apply", "--view"]);
        apply.arg(self.spec(&self.snapshots.list())).arg(&self.target);
        let Output { status, stderr, .. } = apply.output().unwrap();
        let text = String::from_utf8_lossy(&stderr);
        assert_eq!(status.code(), Some(1), "{text}");
        assert!(
            text.contains("the overlay has 501 lower layers, and the kernel allows at most 500"),
            "{text}"
        );
        self.assert_nothing_left();
        assert_equal(&self.layers, &self.snapshots.read());
    }

    /// The test of the test: a mount without one of the layers is not the image.
    fn check_that_each_layer_is_missed(&self) {
        for left_out in 0..self.snapshots.lowers() {
            self.apply_list(&self.snapshots.list_without(left_out), &["--view"]);
            let seen = try_read_tree(&self.target).ok();
            assert_ne!(seen.as_ref(), Some(&self.tree), "without layer {left_out}");
            self.umount();
        }
    }

    fn apply(&self, words: &[&str]) {
        self.apply_list(&self.snapshots.list(), words);
    }

    fn apply_list(&self, list: &serde_json::Value, words: &[&str]) {
        let mut apply = self.fmountat(&["apply"]);
        command_output(apply.args(words).arg(self.spec(list)).arg(&self.target));
        assert_eq!(mounts_below(scratch()), [self.target.to_str().unwrap()]);
    }

    fn umount(&self) {
        command_output(self.fmountat(&["umount"]).arg(&self.target));
        self.assert_nothing_left();
    }

    fn fmountat(&self, words: &[&str]) -> Command {
        let mut command = Command::new(binary(env!("CARGO_BIN_EXE_fmountat")));
        command.args(words).env("TMPDIR", scratch().join("tmp")).current_dir("/");
        command
    }

    fn spec(&self, list: &serde_json::Value) -> PathBuf {
        let path = scratch().join("mounts.json");
        write(&path, list.to_string());
        path
    }

    fn assert_same_as_flat(&self) {
        assert_equal(&self.tree, &read_tree(&self.target));
        assert_eq!(other_content(&self.tree, &self.flat, &self.target), [] as [&Path; 0]);
    }

    /// A second opinion: in the image, its own package manager finds all files as they were packed.
    fn assert_programs_run(&self) {
        let dpkg = |word: &str| command_output(Command::new("chroot").arg(&self.target).args(["dpkg", word]));
        assert!(dpkg("--version").contains("package management program"));
        assert_eq!(dpkg("--verify"), "");
    }

    /// The harness looks for loop devices.
    fn assert_nothing_left(&self) {
        assert_eq!(mounts_below(scratch()), [] as [&str; 0]);
        for dir in [&self.target, &scratch().join("tmp")] {
            assert_eq!(std::fs::read_dir(dir).unwrap().count(), 0, "{} is not empty", dir.display());
        }
    }
}

#[track_caller]
fn assert_equal(want: &Tree, got: &Tree) {
    let different = differences(want, got);
    let some: Vec<&String> = different.iter().take(10).collect();
    assert!(different.is_empty(), "{} paths differ: {some:#?}", different.len());
}
