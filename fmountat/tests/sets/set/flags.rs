// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Tests flag options and the flags that the kernel shows for them, on a bind, a new file system
//! and an overlay.

use fmountat::{Mount, Mounter, Plan, Target, Unmount};
use fmountat_testing::{mkdirs, mount_flags, scratch};
use rustix::fs::CWD;

/// Words, and the whole of what mountinfo shows.
const TABLE: [(&str, &str); 27] = [
    ("user,exec", "rw,nosuid,nodev,relatime"),
    ("", "rw,relatime"),
    ("defaults", "rw,relatime"),
    ("ro", "ro,relatime"),
    ("rro", "ro,relatime"),
    ("ro,rw", "rw,relatime"),
    ("nosuid", "rw,nosuid,relatime"),
    ("nosuid,suid", "rw,relatime"),
    ("nodev", "rw,nodev,relatime"),
    ("nodev,dev", "rw,relatime"),
    ("noexec", "rw,noexec,relatime"),
    ("noexec,exec", "rw,relatime"),
    ("nosuid,nodev,noexec", "rw,nosuid,nodev,noexec,relatime"),
    ("noatime", "rw,noatime"),
    ("noatime,atime", "rw,relatime"),
    ("noatime,relatime", "rw,relatime"),
    ("strictatime", "rw"),
    ("strictatime,nostrictatime", "rw,relatime"),
    ("norelatime", "rw,relatime"),
    ("nodiratime", "rw,nodiratime,relatime"),
    ("nodiratime,diratime", "rw,relatime"),
    ("noatime,nodiratime,noexec", "rw,noexec,noatime,nodiratime"),
    ("nosymfollow", "rw,relatime,nosymfollow"),
    ("nosymfollow,symfollow", "rw,relatime"),
    ("silent,loud,_netdev,noauto,x-note=1,nofail", "rw,relatime"),
    ("rnosuid,rnodev", "rw,nosuid,nodev,relatime"),
    ("rnoatime", "rw,noatime"),
];

pub(crate) fn check_all() {
    mkdirs(scratch(), &["base"]);
    let base = scratch().join("base");
    fmountat::fmountat(CWD, "tmpfs", &base, "tmpfs", fmountat::MountFlags::empty(), "").unwrap();
    mkdirs(&base, &["s", "l", "u", "w", "t"]);
    let overlay = format!("lowerdir={0}/l,upperdir={0}/u,workdir={0}/w", base.display());
    let kinds = [
        Mount::new("tmpfs", "tmpfs"),
        Mount::new("bind", base.join("s")),
        Mount::new("", base.join("s")).option("rbind"),
        Mount::new("overlay", "overlay").option(overlay),
    ];
    let mut checked = 0;
    for kind in kinds {
        for (options, want) in TABLE {
            let plan = Plan::new(&[kind.clone().option(options)]).unwrap();
            let target = Target::open(CWD, base.join("t")).unwrap();
            drop(Mounter::detached().apply(CWD, &plan, &target).unwrap_or_else(|e| panic!("{options}: {e}")));
            assert_eq!(mount_flags(base.join("t")), want, "{options} on {:?}", kind.fstype);
            Unmount::new().run(base.join("t")).unwrap_or_else(|e| panic!("{e:?}"));
            checked += 1;
        }
    }
    println!("{checked} mounts had the flags of their options and no others");
}
