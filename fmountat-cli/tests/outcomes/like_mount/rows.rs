// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The command lines for both programs, with the intended differences.

/// A command line, run in the directory of a fixture. `DEVICE` stands for a loop device with a new
/// ext4 on it, `PROTECTED-DEVICE` for a write-protected one.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Row {
    /// The arguments, separated by blanks.
    pub(crate) line: &'static str,
    /// Why the two differ, in one sentence; `None` where they must not.
    pub(crate) differs: Option<&'static str>,
}

const fn same(line: &'static str) -> Row {
    Row { line, differs: None }
}

const fn differs(line: &'static str, why: &'static str) -> Row {
    Row { line, differs: Some(why) }
}

pub(crate) const SECTIONS: &[(&str, &[Row])] = &[
    ("Binds", BINDS),
    ("Changes to what is mounted", CHANGES),
    ("Propagation", PROPAGATION),
    ("File systems without a device", PSEUDO),
    ("ext4 on a device", DEVICES),
    ("Overlays", OVERLAYS),
    ("Options for mount(8) and for readers of fstab(5)", WORDS),
    ("Failures, and other forms of the command line", ERRORS),
];

const PRIVATE: &str = "a bind is private unless `shared` or `slave` is given";
const TAKES_BACK: &str = "mount(8) keeps a flag of the source, whatever the options";
const UNKNOWN: &str = "mount(8) ignores an option that has no effect on a bind";
const SUBDIR: &str = "mount(8) loses the mount where the target's parent is not shared";
const ONLY: &str = "mount(8) with a source clears the other flags";
const USAGE: &str = "found before any system call: incorrect invocation";

const BINDS: &[Row] = &[
    same("-o bind s t"),
    same("-o bind f g"),
    same("-t none -o bind s t"),
    same("-o rbind tree t"),
    same("-o bind tree t"),
    same("-o bind,ro s t"),
    same("-o bind,nosuid,nodev,noexec s t"),
    same("-o bind,noatime s t"),
    same("-o bind,nodiratime,relatime s t"),
    differs("-o bind,strictatime s t", "mount(8) ignores this option on a bind"),
    same("-o bind,nosymfollow s t"),
    same("-o bind,ro,rw s t"),
    same("-o bind -o ro -o nosuid s t"),
    same("-o rbind,ro tree t"),
    differs("-o rbind,ro=recursive tree t", "mount(8) has recursive options since 2.39"),
    differs("-o bind,dev b t", TAKES_BACK),
    same("-o bind b t"),
    differs("-o bind,ro b t", "mount(8) clears the flags that are not given"),
    same("-o bind m t"),
    differs("-o bind,rw,suid m t", TAKES_BACK),
    same("-o bind s link"),
    same("-o bind f flink"),
    same("-o bind link t"),
    same("-o bind s ./tree/../t"),
    differs("-o bind sh t", PRIVATE),
    differs("-o bind,size=1m s t", UNKNOWN),
    differs("-o bind,nosuchword s t", UNKNOWN),
    differs("-o bind,sync s t", UNKNOWN),
    same("-t tmpfs -o bind s t"),
    same("-o bind,defaults s t"),
    same("-o bind,X-mount.mkdir s new/place"),
    same("-o bind,X-mount.mkdir=0700 s new/place"),
    differs("-o bind,X-mount.mkdir f new/file", "a bind of a file creates a file as the mount point"),
    differs("-o bind,X-mount.subdir=sub s t", SUBDIR),
    same("-o bind,shared,X-mount.subdir=sub s sh/sub"),
    same("-o bind,X-mount.subdir=missing s t"),
];

const CHANGES: &[Row] = &[
    differs("-o remount,ro none m", ONLY),
    differs("-o remount,bind,ro none m", ONLY),
    differs("-o remount,bind,ro none b", ONLY),
    differs("-o remount,bind,noexec none b", ONLY),
    differs("-o remount,size=128k none m", ONLY),
    differs("-o remount,ro,size=128k none m", ONLY),
    differs("-o remount,rw none m", ONLY),
    differs("-o remount,noexec none m", ONLY),
    differs("-o remount,relatime none m", ONLY),
    differs("-o remount,strictatime none m", ONLY),
    same("-o remount,nosuchword none m"),
    same("-o remount,size=bad none m"),
    differs("-o remount,size=4k none m", ONLY),
    same("-o remount,ro none s"),
    same("-o remount,ro none missing"),
    differs("-o remount,bind,size=128k none m", "with `bind`, options of the file system have no effect"),
    same("-o remount,ro m"),
    differs("-o rshared tree", "mount(8) needs `--make-rshared` without a source"),
    same("-o remount,bind,ro m"),
];

const PROPAGATION: &[Row] = &[
    same("-o shared none tree"),
    same("-o rshared none tree"),
    same("-o private none sh"),
    same("-o slave none sh"),
    same("-o unbindable none tree"),
    same("-o bind,private s t"),
    same("-o bind,shared s t"),
    same("-o bind,slave sh t"),
    same("-o bind,rshared tree t"),
    same("-o rbind,rslave sh t"),
    same("-o bind,private sh t"),
    same("-o slave,shared none sh"),
    same("-o private none s"),
    same("-t none -o private none sh"),
    same("-t tmpfs -o shared x t"),
    same("-t tmpfs x sh/sub"),
    same("-o bind s sh/sub"),
];

const PSEUDO: &[Row] = &[
    same("-t tmpfs x t"),
    same("-t tmpfs none t"),
    differs(LONG_NAME, "fsconfig(2) takes 255 bytes for a source"),
    same("-t tmpfs -o ro x t"),
    same("-t tmpfs -o rw x t"),
    same("-t tmpfs -o size=64k,mode=0700,uid=1,gid=2 x t"),
    same("-t tmpfs -o nosuid,nodev,noexec,noatime x t"),
    same("-t tmpfs -o nr_inodes=100,huge=never x t"),
    same("-t tmpfs -o sync,dirsync x t"),
    same("-t tmpfs -o mand x t"),
    same("-t tmpfs -o lazytime x t"),
    same("-t tmpfs -o strictatime x t"),
    differs("-t tmpfs -o mode=\"0700\" x t", "quotes are removed from every value"),
    same("-t tmpfs -o mode=0700 -o size=64k x t"),
    same("-t tmpfs -o size=64k,size=128k x t"),
    same("-t tmpfs x tree"),
    same("-t tmpfs x link"),
    same("-t tmpfs -o X-mount.mkdir x new/place"),
    differs(
        "-t tmpfs -o X-mount.mode=0711,X-mount.owner=1,X-mount.group=2 x t",
        "mount(8) has these options since 2.39",
    ),
    differs("-t tmpfs -o iversion x t", "fsconfig(2) has no such flag, and tmpfs no such option"),
    same("-t ramfs -o mode=0700 x t"),
    same("-t proc proc t"),
    same("-t proc -o hidepid=2 proc t"),
    same("-t sysfs sysfs t"),
    same("-t sysfs -o ro,nosuid sysfs t"),
    same("-t devpts devpts t"),
    same("-t devpts -o newinstance,ptmxmode=0666,mode=0620,gid=5 devpts t"),
    same("-t mqueue mqueue t"),
    same("-t mqueue -o noexec mqueue t"),
    differs("-t bind s t", "containerd and OCI write the type `bind` for a bind"),
];

/// A source of 256 bytes, one more than fsconfig(2) takes.
const LONG_NAME: &str = "-t tmpfs xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx t";

const DEVICES: &[Row] = &[
    same("-t ext4 DEVICE t"),
    same("-t ext4 -o ro DEVICE t"),
    same("-t ext4 -o noatime,nosuid DEVICE t"),
    same("-t ext4 -o errors=remount-ro,commit=7 DEVICE t"),
    same("-t ext4 -o data=bad DEVICE t"),
    same("-t ext4 -o nosuchword DEVICE t"),
    same("-t ext4 -o sync DEVICE t"),
    differs("-t ext4 -o X-mount.subdir=lost+found DEVICE t", SUBDIR),
    same("-t ext3 DEVICE t"),
    same("-t xfs DEVICE t"),
    same("-t ext4 DEVICE g"),
    same("-t auto DEVICE t"),
    same("DEVICE t"),
    same("-t ext4 image t"),
    same("-o rw,shared DEVICE t"),
    same("-o rw,private DEVICE m"),
    same("-o loop,shared image t"),
    same("-o loop image t"),
    same("-o loop,ro image t"),
    same("-t ext4 -o loop,noatime image t"),
    same("-t ext4 -o offset=0,sizelimit=8M image t"),
    same("-o loop missing t"),
    same("PROTECTED-DEVICE t"),
    same("-t ext4 PROTECTED-DEVICE t"),
    same("-t ext4 -o ro PROTECTED-DEVICE t"),
    differs("-t ext4 -o rw PROTECTED-DEVICE t", "an explicit `rw` that cannot be honoured is an error"),
    same("-t ext4,xfs DEVICE t"),
    same("-t xfs,ext4 DEVICE t"),
    same("-t noext4 DEVICE t"),
    differs("-o loop=DEVICE image t", "the kernel chooses a free loop device, without a race"),
    differs("-t tmpfs -o loop x t", "an option without effect is an error"),
];

const OVERLAYS: &[Row] = &[
    same("-t overlay -o lowerdir=l2:l1,upperdir=u,workdir=w overlay t"),
    same("-t overlay -o lowerdir=l3:l2:l1 overlay t"),
    same("-t overlay -o ro,lowerdir=l2:l1,upperdir=u,workdir=w overlay t"),
    same("-t overlay -o nosuid,noexec,lowerdir=l2:l1 overlay t"),
    same("-t overlay -o lowerdir=l1,upperdir=u,workdir=w,index=on overlay t"),
    same("-t overlay -o lowerdir=l1,upperdir=u,workdir=w,volatile overlay t"),
    differs("-t overlay -o lowerdir=l1 overlay t", USAGE),
    same("-t overlay -o lowerdir=missing:l1 overlay t"),
    same("-t overlay -o lowerdir=f:l1 overlay t"),
    differs("-t overlay -o lowerdir=l1,upperdir=u overlay t", USAGE),
    same("-t overlay -o lowerdir=l1,upperdir=u,workdir=u overlay t"),
    same("-t overlay -o lowerdir=l1,upperdir=u,workdir=tree overlay t"),
    same("-t overlay -o lowerdir=l2:l1,nosuchword overlay t"),
    differs("-t overlay overlay t", USAGE),
];

const WORDS: &[Row] = &[
    same("-t tmpfs -o defaults x t"),
    same("-t tmpfs -o nofail x t"),
    same("-t tmpfs -o noauto,_netdev,x-foo=1,X-bar,comment=some x t"),
    same("-t tmpfs -o user x t"),
    same("-t tmpfs -o users,exec x t"),
    same("-t tmpfs -o user=somebody x t"),
    same("-t tmpfs -o user=recursive x t"),
    same("-t tmpfs -o nouser x t"),
    same("-t tmpfs -o owner x t"),
    same("-t tmpfs -o group x t"),
    same("-t tmpfs -o silent x t"),
    same("-t tmpfs -o x-systemd.automount,nofail x t"),
    differs("-t tmpfs -o X-mount.nosuch x t", "an option without effect is an error"),
    differs("-t tmpfs -o helper=x x t", "no helper is called; tmpfs has no such option"),
    same("-t tmpfs -o ,,ro,, x t"),
    same("-o bind,nofail missing t"),
    same("-t tmpfs -o nofail x missing"),
];

const ERRORS: &[Row] = &[
    same("-o bind missing t"),
    same("-o bind s missing"),
    same("-o bind s loose"),
    same("-o bind loose t"),
    same("-o bind f t"),
    same("-o bind s g"),
    same("-o bind s f/below"),
    same("-t tmpfs x g"),
    same("-t tmpfs x missing"),
    same("-t nosuchfs x t"),
    same("-t tmpfs -o size=bad x t"),
    same("-t tmpfs -o mode=999 x t"),
    same("-t tmpfs -o nosuchword x t"),
    same("-t tmpfs -o nosuchkey=value x t"),
    differs("-t tmpfs -o ro=1 x t", "a value for an option without values is an error"),
    same("-t tmpfs -o X-mount.mkdir=bad x new"),
    same("-t ext4 missing t"),
    same("-t ext4 f t"),
    same("s t"),
    same("-o nosuid s t"),
    same("-t tmpfs -o bind,remount,nosuid x t"),
    same("s"),
    same("-t tmpfs x t more"),
    same("t"),
    same("--bind s t"),
    same("-B s t"),
    same("--rbind tree t"),
    same("-r -t tmpfs x t"),
    same("-m -t tmpfs x new"),
    same("--make-rshared tree"),
    same("--make-private sh"),
    same("--make-rslave sh"),
    same("-M m t"),
    same("--move sh t"),
    same("-w -t tmpfs x t"),
    same("--bind --read-only s t"),
    same("-B -o nosuid s t"),
    same("-R tree t"),
    same("-ttmpfs x t"),
    same("--types tmpfs --options ro x t"),
    same("--nosuchflag x t"),
];
