// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The command lines whose system calls fail, one row each. A new command needs one more row.

/// A command line, typed in the directory of a fixture.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Row {
    /// The arguments, separated by blanks. `{dir}` stands for the fixture's directory and `{id}`
    /// for the id of the mount at `m`.
    pub(crate) line: &'static str,
    /// The mount list in the file `set.json`.
    pub(crate) set: &'static str,
    /// Command lines to run first, without faults. The file `said` holds their output.
    pub(crate) before: &'static [&'static str],
}

const fn row(line: &'static str) -> Row {
    Row { line, set: "[]", before: &[] }
}

pub(crate) const MOUNTS: &[Row] = &[
    row("mount -o bind,ro,nosuid s t"),
    row("mount -o bind f g"),
    row("mount -o rbind,rro tree t"),
    row("mount -o bind,X-mount.subdir=sub s t"),
    row("mount -t tmpfs -o size=64k,mode=0700,nosuid,noatime,shared x t"),
    row("mount -t tmpfs -o X-mount.owner=1,X-mount.group=2,X-mount.mode=0711 x t"),
    row("mount -t tmpfs -o X-mount.mkdir=0700 x new/place"),
    row("mount -o bind,X-mount.mkdir f new/file"),
];

pub(crate) const OVERLAYS: &[Row] = &[
    row("mount -t overlay -o lowerdir=l2:l1,upperdir=u,workdir=w,index=off overlay t"),
    row("mount -t overlay -o lowerdir=l3:l2:l1 overlay t"),
    row("mount -t overlay -o lowerdir=l3:tree/sub:l1,nosuid overlay t"),
    Row {
        // The upper was in use before, so fmountat checks whether it is in use now.
        before: &["mount -t overlay -o lowerdir=l1,upperdir=u,workdir=w overlay t", "umount t"],
        ..row("mount -t overlay -o lowerdir=l2:l1,upperdir=u,workdir=w overlay t")
    },
];

pub(crate) const IDMAPS: &[Row] = &[
    row("mount -o bind,ro,uidmap=0:500:10,gidmap=0:600:10 s t"),
    row("mount -o rbind,X-mount.idmap=u:0:500:10 tree t"),
    row("mount -t overlay -o lowerdir=l2:l1,upperdir=u,workdir=w,uidmap=0:500:10 overlay t"),
];

/// On a tmpfs an erofs image needs a loop device: fmountat first tries without one.
pub(crate) const IMAGES: &[Row] = &[
    row("mount -t erofs image t"),
    row("mount -o loop,ro,offset=0 image t"),
    row("mount -t erofs -o loop,noatime image t"),
];

/// An ext4 image, which needs a loop device.
pub(crate) const EXT4: &[Row] = &[row("mount -o loop,ro image t")];

/// The root file system of a container.
const SET: &str = r#"[
    {"type": "overlay", "source": "overlay", "options": ["lowerdir=l2:l1", "upperdir=u", "workdir=w"]},
    {"type": "tmpfs", "source": "tmpfs", "target": "/tmp", "options": ["nosuid", "mode=1777", "X-mount.mkdir"]},
    {"type": "devpts", "source": "devpts", "target": "/dev/pts", "options": ["newinstance,ptmxmode=0666", "X-mount.mkdir"]},
    {"type": "mqueue", "source": "mqueue", "target": "/dev/mqueue", "options": ["noexec", "X-mount.mkdir"]},
    {"type": "bind", "source": "tree", "target": "/usr", "options": ["rbind", "rro", "X-mount.mkdir"]},
    {"type": "bind", "source": "f", "target": "/etc/file", "options": ["ro", "X-mount.mkdir"]},
    {"type": "bind", "source": "missing", "target": "/opt", "options": ["nofail", "X-mount.mkdir"]}]"#;

/// A set without a root, which is mounted in a copy of the target.
const INTO: &str = r#"[
    {"type": "tmpfs", "source": "tmpfs", "target": "/sub", "options": ["mode=0700"]},
    {"type": "bind", "source": "f", "target": "in"}]"#;

const VIEW: &str = r#"[
    {"type": "bind", "source": "s", "options": ["rbind"]},
    {"type": "overlay", "target": "sub", "options": ["lowerdir=l2:l1", "upperdir=u", "workdir=w"]}]"#;

const TWO: &str = r#"[
    {"type": "tmpfs", "source": "new", "options": ["nosuid"]},
    {"type": "tmpfs", "source": "inner", "target": "/in", "options": ["X-mount.mkdir"]}]"#;

/// Read-only and masked paths of OCI.
const COVERED: &str = r#"{"root": {"readonly": true}, "mounts": [
    {"type": "bind", "source": "s", "destination": "/", "options": ["bind"]},
    {"type": "tmpfs", "source": "tmpfs", "destination": "/sub", "options": ["nosuid"]}],
    "linux": {"maskedPaths": ["/in", "/sub/deep", "/sub"], "readonlyPaths": ["/sub"]}}"#;

pub(crate) const SETS: &[Row] = &[
    Row { set: SET, ..row("apply set.json t") },
    Row { set: INTO, ..row("apply set.json s") },
    Row { set: VIEW, ..row("apply --view set.json t") },
];

pub(crate) const SWAPS: &[Row] = &[
    Row { set: TWO, ..row("apply --replace set.json m") },
    Row { set: COVERED, before: &["apply set.json t"], ..row("apply --replace set.json t") },
    Row { set: COVERED, ..row("apply set.json t") },
    Row { set: TWO, ..row("apply --into /proc/self/ns/mnt set.json {dir}/t") },
];

pub(crate) const CHANGES: &[Row] = &[
    // Lazy: the search for holders would make a hundred calls for each process of the host.
    Row { set: TWO, before: &["--json apply set.json t"], ..row("umount -l --set said") },
    // Several sets, which a child process unmounts together.
    Row {
        set: TWO,
        before: &[
            "--json apply set.json t",
            "--json apply set.json s",
            "--json apply set.json l1",
            "--json apply set.json l2",
        ],
        ..row("umount -l --set said")
    },
    row("mount -o remount,ro,noexec,size=128k none m"),
    row("mount -o remount,strictatime,suid,size=128k none m"),
    row("mount -o remount,bind,noexec none m"),
    row("mount -o rshared none tree"),
    row("umount m"),
    row("umount -l b"),
    row("umount -R tree"),
    Row { before: &["mount -t tmpfs x t", "mount -t tmpfs y t"], ..row("umount -R t") },
    row("umount b m"),
    row("umount --id {id}"),
    Row { before: &["mount -t tmpfs x t", "mount -t tmpfs y t"], ..row("umount --all t") },
];

/// Adds `mount.helped` to the directory of system programs.
const WITH_HELPER: &[&str] = &["mount -t overlay -o lowerdir=sbin:/usr/sbin overlay /usr/sbin"];

const HELPED: &str = r#"[
    {"type": "tmpfs", "source": "tmpfs", "options": ["nosuid"]},
    {"type": "bind", "source": "f", "target": "file", "options": ["ro", "X-mount.mkdir"]},
    {"type": "helped", "source": "it", "target": "/in", "options": ["X-mount.mkdir"]}]"#;

pub(crate) const HELPERS: &[Row] = &[
    Row { before: WITH_HELPER, ..row("mount -t helped it t") },
    Row { before: WITH_HELPER, set: HELPED, ..row("apply set.json t") },
];
