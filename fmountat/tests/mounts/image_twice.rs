// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Tests one image in two mounts of one list: `explain` predicts whether they can share it.

use crate::common::{file, tmpfs};
use fmountat::{ErrorKind, Mount, Mounter, Plan, Target, Unmount};
use fmountat_testing::{command_output, mkdirs, mounts_below, scratch};
use rustix::fs::CWD;
use std::fs::File;
use std::process::Command;

/// The kind of the error of a list, the same from `explain` and `apply`.
fn outcome(first: (&str, &str), second: (&str, &str)) -> Option<ErrorKind> {
    let mount = |(fstype, options): (&str, &str), target: &str| {
        let mount = Mount::new(fstype, file("image")).at(target).option("X-mount.mkdir");
        if options.is_empty() { mount } else { mount.option(options) }
    };
    let plan = Plan::new(&[tmpfs(), mount(first, "/a"), mount(second, "/b")]).unwrap();
    let target = Target::open(CWD, file("t")).unwrap();
    let mounter = Mounter::detached();
    let explained = mounter.explain(CWD, &plan, &target).error().map(|error| (error.kind(), error.mount()));
    let applied = mounter.apply(CWD, &plan, &target);
    let applied = applied.err().map(|error| (error.kind(), error.mount()));
    if applied.is_none() {
        Unmount::new().recursive(true).run(file("t")).unwrap();
    }
    assert_eq!(mounts_below(file("t")), Vec::<String>::new());
    assert_eq!(explained, applied, "{first:?} {second:?}");
    applied.map(|(kind, _)| kind)
}

fmountat_testing::cases! {
    fn one_image_in_two_mounts() needs [Root, Tool("mkfs.ext4")] {
        mkdirs(scratch(), &["t"]);
        File::create(file("image")).unwrap().set_len(8 << 20).unwrap();
        command_output(Command::new("mkfs.ext4").args(["-q", "-b", "1024"]).arg(file("image")).arg("4m"));
        let in_use = Some(ErrorKind::DeviceInUse);
        for (first, second, want) in [
            (("ext4", ""), ("ext4", ""), None),
            (("ext4", "ro"), ("ext4", "ro"), None),
            (("auto", "rw"), ("ext4", "noatime"), None),
            (("ext4", ""), ("ext4", "ro"), in_use),
            (("ext4", "ro"), ("ext4", ""), in_use),
            (("ext4", "sizelimit=4m"), ("ext4", "sizelimit=4m"), None),
            (("ext4", "sizelimit=4m"), ("ext4", ""), in_use),
            (("ext4", ""), ("ext4", "ro,sizelimit=4m"), in_use),
            (("ext4", "ro"), ("ext4", "ro,sizelimit=4m"), None),
        ] {
            assert_eq!(outcome(first, second), want, "{first:?} {second:?}");
        }
    }
}
