// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Sets to explain and apply: every root with every further mount, and single mounts, valid and
//! invalid.

/// A set, in the state of the fixture.
#[derive(Debug, Clone)]
pub(crate) struct Spec {
    pub(crate) json: String,
    pub(crate) flags: Vec<&'static str>,
    pub(crate) target: &'static str,
}

/// Converts a line `TYPE SOURCE TARGET OPTIONS` to JSON. `-` stands for an empty field.
fn mount(line: &str) -> String {
    let words: Vec<&str> = line.split(' ').collect();
    let field = |at: usize| words.get(at).filter(|word| **word != "-").copied().unwrap_or_default();
    format!(
        r#"{{"type": "{}", "source": "{}", "target": "{}", "options": ["{}"]}}"#,
        field(0),
        field(1),
        field(2),
        field(3)
    )
}

fn set(lines: &[&str]) -> String {
    let mounts: Vec<String> = lines.iter().filter(|line| !line.is_empty()).map(|line| mount(line)).collect();
    format!("[{}]", mounts.join(", "))
}

/// The root mounts of the sets. The empty one stands for a copy of the mount at the target.
const ROOTS: &[&str] = &[
    "overlay overlay - lowerdir=l2:l1:s,upperdir=u,workdir=w",
    "overlay overlay - lowerdir=s:l1",
    "tmpfs tmpfs - mode=755",
    "bind s - bind",
    "bind s - bind,ro",
    "bind tree - rbind",
    "bind tree - bind",
    "ext4 image - loop,ro",
    "proc proc - ro",
    "",
];

const INNER_MOUNTS: &[&str] = &[
    "tmpfs x sub -",
    "tmpfs x /sub/deep nosuid",
    "tmpfs x sub/../sub size=1m",
    "tmpfs x nowhere -",
    "tmpfs x new/place X-mount.mkdir",
    "tmpfs x a/b X-mount.mkdir=0700",
    "tmpfs x in -",
    "bind f in -",
    "bind f sub -",
    "bind f new X-mount.mkdir",
    "bind s in -",
    "bind missing sub nofail",
    "bind missing sub -",
    "tmpfs x sub sise=1m",
];

/// Mounts for sets of one mount.
const ALONE: &[&str] = &[
    "tmpfs x - size=bad",
    "tmpfs x - size=1m,mode=0700",
    "tmpfs x - loop",
    "tmpfs x - X-mount.subdir=missing",
    "tmpfs x - X-mount.subdir=.",
    "tmpfs x - X-mount.owner=5",
    "tmpfs x - iversion",
    "tmpfs x - uidmap=0:1000:1",
    "tmpfs x - ro,X-mount.owner=0",
    "tmfs x - -",
    "nosuchfs x - -",
    "proc proc - hidepid=9",
    "proc proc - uidmap=0:1:1",
    "sysfs sysfs - ro",
    "devpts devpts - newinstance,ptmxmode=0666",
    "mqueue mqueue - -",
    "bind s - ro,nosuid",
    "bind s - sync",
    "bind s - ro,X-mount.mode=700",
    "bind s - unbindable",
    "bind s - nosiud",
    "bind s - X-mount.subdir=sub",
    "bind s - X-mount.subdir=gone",
    "bind s - uidmap=0:1000:1,gidmap=0:1000:1",
    "bind f - bind",
    "bind missing - bind",
    "bind loose - bind",
    "bind link - bind",
    "bind f/below - bind",
    "bind - - bind",
    "bind m - bind,suid,exec",
    "bind m - rbind,rrw,rsuid",
    "bind m - bind,strictatime",
    "bind b - bind,dev,ro",
    "bind tree - rbind,uidmap=0:1000:1,gidmap=0:1000:1",
    "tmpfs x - uid=7,gid=0",
    "devpts x - newinstance,gid=5",
    "- s - -",
    "ext4 image - loop",
    "ext4 image - ro",
    "ext4 image - nosuchword",
    "ext4 image - loop,offset=64M",
    "ext4 missing - loop",
    "ext4 s - -",
    "ext4 f - ro",
    "auto image - ro",
    "auto f - ro",
    "squashfs image - ro",
    "xfs image - ro",
    "overlay o - lowerdir=l1:l2",
    "overlay o - lowerdir=l1",
    "overlay o - lowerdir=l1:f",
    "overlay o - lowerdir=l1:nope",
    "overlay o - lowerdir=l1,upperdir=u,workdir=u",
    "overlay o - lowerdir=l1,upperdir=u,workdir=tree",
    "overlay o - lowerdir=l1,upperdir=u",
    "overlay o - lowerdir=u,upperdir=u,workdir=w",
    "overlay o - lowerdir=l1,upperdir=nope,workdir=w",
    "overlay o - lowerdir=l1:l2,indx=on",
    "overlay o - lowerdir=l1:l2,index=maybe",
    "overlay o - lowerdir=l1:l2,userxattr,metacopy=on",
    "overlay o - lowerdir=l1:l2,userxattr,redirect_dir=off",
    "overlay o - lowerdir=l1,upperdir=u,workdir=w,volatile",
    "overlay o - lowerdir=l1:l1,upperdir=u,workdir=w",
    "overlay o - lowerdir=s:s/sub",
    "overlay o - lowerdir=l1:/proc",
    "overlay o - lowerdir=l1,upperdir=u,workdir=w,metacopy=on",
    "overlay o - lowerdir=l1,upperdir=u,workdir=w,metacopy=on,redirect_dir=off",
    "overlay o - lowerdir=l1:l2,metacopy=on,redirect_dir=follow",
    "overlay o - lowerdir=l1,upperdir=u,workdir=w,redirect_dir=follow",
    "overlay o - lowerdir=l1,upperdir=u,workdir=w,nfs_export=on,index=off",
    "overlay o - lowerdir=l1,upperdir=u,workdir=w,nfs_export=on,metacopy=on",
    "overlay o - lowerdir=l1,upperdir=u,workdir=w,verity=require",
    "overlay o - lowerdir=l1,upperdir=u,workdir=w,xino=on",
    "overlay o - lowerdir=l1:l2,uidmap=0:1000:1",
    "overlay o - upperdir=u,workdir=w",
    "overlay o - lowerdir=m:b",
    "fuse.nosuch x - -",
];

/// Texts that are not valid lists, and lists with unusual paths.
const ODD: &[&str] = &[
    "",
    "[",
    "{}",
    "[]",
    "[3]",
    r#"[{"type": "tmpfs"}]"#,
    r#"{"mounts": [{"type": "bind", "source": "s", "destination": "/"}]}"#,
    r#"{"ociVersion": "1.2.0"}"#,
    r#"{"mounts": [{"type": "bind", "source": "s", "destination": "/"}], "linux": {"maskedPaths": ["/"]}}"#,
    r#"{"mounts": [{"type": "bind", "source": "s", "destination": "/"}], "linux": {"maskedPaths": ["/sub/.."]}}"#,
    r#"{"mounts": [{"type": "bind", "source": "s", "destination": "/"}], "linux": {"maskedPaths": ["/in", "/no"]}}"#,
    r#"{"mounts": [{"type": "bind", "source": "s", "destination": "/"}], "linux": {"readonlyPaths": ["/", "/sub"]}}"#,
];

pub(crate) fn specs() -> Vec<Spec> {
    let plain = |json: String| Spec { json, flags: Vec::new(), target: "t" };
    let mut specs = vec![plain(set(&[ROOTS[0], "tmpfs x tmp X-mount.mkdir"]))];
    // Names that are too long, of a mount point and of a source.
    let long = "x".repeat(300);
    specs.push(plain(set(&["tmpfs x - -", &format!("tmpfs x {long} X-mount.mkdir")])));
    specs.push(plain(set(&[&format!("tmpfs {long} - -")])));
    // A directory in the place of a lower layer's file.
    specs.push(plain(set(&[ROOTS[0], "tmpfs x swapped/b X-mount.mkdir"])));
    for root in ROOTS {
        for inside in INNER_MOUNTS {
            // A set without a root is mounted into the mount at `s`.
            let target = if root.is_empty() { "s" } else { "t" };
            specs.push(Spec { target, ..plain(set(&[root, inside])) });
        }
    }
    specs.extend(ALONE.iter().map(|line| plain(set(&[line]))));
    specs.extend(ODD.iter().map(|text| plain((*text).to_owned())));
    // Later mounts depend on earlier ones: on their directories, on links in them, on what they
    // hide.
    for lines in [
        &["tmpfs x - -", "tmpfs x a X-mount.mkdir", "tmpfs x a/b -"][..],
        &[
            "tmpfs x - -",
            "tmpfs x a/b X-mount.mkdir",
            "tmpfs x a/c X-mount.mkdir",
            "tmpfs x a -",
            "tmpfs x a/b -",
        ],
        &["bind s - -", "tmpfs x sub -", "tmpfs x sub/deep -"],
        &["bind s - -", "bind tree sub rbind", "tmpfs x sub/sub -"],
        &["tmpfs x - -", "bind s sub X-mount.mkdir", "bind f sub/in -"],
        &["bind missing - nofail", "tmpfs x sub -"],
        &["bind missing - nofail"],
        &["tmpfs x - -", "tmpfs y - -", "tmpfs z a X-mount.mkdir"],
        &["tmpfs x - ro", "tmpfs y a X-mount.mkdir"],
    ] {
        specs.push(plain(set(lines)));
    }
    for (flags, target) in [
        (vec!["--view"], "t"),
        (vec!["--strict"], "t"),
        (vec!["--replace"], "m"),
        (vec!["--replace"], "t"),
        (vec![], "nowhere"),
        (vec![], "g"),
        (vec![], "link"),
        (vec![], "loose"),
    ] {
        specs.push(Spec { flags, target, ..plain(set(&["tmpfs x - -", "tmpfs x a X-mount.mkdir"])) });
    }
    specs.push(Spec { target: "g", ..plain(set(&["bind f - -"])) });
    for lines in [&["tmpfs x - unbindable"][..], &["tmpfs x - -", "tmpfs x a X-mount.mkdir,unbindable"]] {
        specs.push(Spec { target: "sh", ..plain(set(lines)) });
    }
    specs.push(Spec { flags: vec!["--compat", "containerd"], ..plain(set(&["bind s - sync"])) });
    specs
}
