// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Tests set-user-ID programs in overlay layers: `nosuid` of the overlay decides, and an id mapping
//! of the layers decides whose id the program gets.

use crate::common::file;
use crate::common::strategies::as_on_6_12;
use fmountat::{Mount, Mounter, Plan, Target, Unmount};
use fmountat_testing::{mkdirs, scratch};
use rustix::fs::CWD;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::process::Command;

const USER: u32 = 65534;

/// The effective user id of the layer's set-user-ID `id` that an ordinary user starts.
fn effective_user() -> u32 {
    let output = Command::new(file("t/id")).arg("-u").uid(USER).gid(USER).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap().trim().parse().unwrap()
}

fn effective_users(mounter: &Mounter) {
    mkdirs(scratch(), &["t", "l1", "l2", "u", "w"]);
    std::fs::copy("/usr/bin/id", file("l1/id")).unwrap();
    let mode = |mode: u32| PermissionsExt::from_mode(mode);
    std::fs::set_permissions(file("l1/id"), mode(0o4755)).unwrap();
    let path = |path: &str| file(path).display().to_string();
    let views = format!("lowerdir={}:{}", path("l1"), path("l2"));
    let writable = format!("{views},upperdir={},workdir={}", path("u"), path("w"));
    for (options, want) in [
        (views.clone(), 0),
        (format!("{views},nosuid"), USER),
        (writable.clone(), 0),
        (format!("{writable},nosuid"), USER),
        (format!("{writable},uidmap=0:5000:10,gidmap=0:5000:10"), 5000),
        (format!("{views},uidmap=0:5000:10,gidmap=0:5000:10,nosuid"), USER),
    ] {
        let plan = Plan::new(&[Mount::new("overlay", "overlay").option(&options)]).unwrap();
        mounter.apply(CWD, &plan, &Target::open(CWD, file("t")).unwrap()).unwrap();
        assert_eq!(effective_user(), want, "{options}");
        assert_eq!(
            std::fs::metadata(file("t/id")).unwrap().permissions().mode() & 0o7777,
            0o4755,
            "{options}"
        );
        Unmount::new().run(file("t")).unwrap();
    }
    [file("u"), file("w")].iter().for_each(|dir| std::fs::remove_dir_all(dir).unwrap());
}

fmountat_testing::cases! {
    fn set_user_id_programs_in_layers() needs [Root, Filesystem("overlay"), Kernel(6, 7)] {
        // An ordinary user must be able to reach the programs.
        std::fs::set_permissions(scratch(), PermissionsExt::from_mode(0o755)).unwrap();
        effective_users(&Mounter::detached());
        effective_users(&as_on_6_12());
    }
}
