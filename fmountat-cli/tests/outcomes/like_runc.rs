// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Compares the mount table of `fmountat apply --bundle` with that of `runc create`, entry by
//! entry, for the config that `runc spec` writes and for changes of it. `docs/guide.md` lists the
//! differences that are wanted.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use fmountat_testing::{binary, mkdirs, read, scratch, write};
use serde_json::{Value, json};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

/// Runs both in the bundle $D: the tables are in `runc.table` and `ours.table`. `runc create` stops
/// when the container's mounts are done, before its program starts.
const BOTH: &str = r#"
set -e; mount -t tmpfs run /run; cd "$D"
mount -t tmpfs data data; mkdir data/inner; mount --make-shared data
runc --root /run/r create "$ID" </dev/null >runc.log 2>&1 || { cat runc.log >&2; exit 1; }
pid=$(runc --root /run/r state "$ID" | sed -n 's/.*"pid": \([0-9]*\).*/\1/p')
cat /proc/$pid/mountinfo >runc.table; runc --root /run/r delete -f "$ID"
"$F" apply --bundle . rootfs; cat /proc/self/mountinfo >ours.table; umount -R rootfs
"#;

/// A change of the config that `runc spec` writes.
type Change = fn(&mut Value, &Path);

fn mount(config: &mut Value, destination: &str, kind: &str, source: &str, options: &[&str]) {
    let mount = json!({"destination": destination, "type": kind, "source": source, "options": options});
    config["mounts"].as_array_mut().unwrap().push(mount);
}

fn binds(config: &mut Value, dir: &Path) {
    let source = dir.join("data").display().to_string();
    for (at, options) in [
        &["rbind", "ro"][..],
        &["bind", "nosuid", "nodev", "noexec"],
        &["rbind", "rprivate"],
        &["rbind", "rslave", "rw"],
        &["rbind", "rshared"],
        &["bind", "noatime", "ro", "private"],
        &["bind", "relatime"],
        &["bind", "strictatime", "nodiratime"],
        &["rbind", "slave"],
    ]
    .iter()
    .enumerate()
    {
        mount(config, &format!("/data/{at}"), "bind", &source, options);
    }
}

const CHANGES: &[(&str, Change)] = &[
    ("as it is", |_, _| {}),
    ("a writable root", |config, _| config["root"]["readonly"] = json!(false)),
    ("binds", binds),
    ("a file", |config, dir| {
        let source = dir.join("file").display().to_string();
        mount(config, "/etc/deep/hosts", "bind", &source, &["bind", "ro"]);
        mount(config, "/etc/plain", "none", &source, &["rbind"]);
    }),
    ("a relative destination", |config, dir| {
        mount(config, "data/inner", "bind", &dir.join("data").display().to_string(), &["rbind"]);
    }),
    ("tmpfs", |config, _| {
        mount(config, "/run", "tmpfs", "tmpfs", &["nosuid", "strictatime", "mode=755", "size=65536k"]);
        mount(config, "/odd", "tmpfs", "name", &["ro", "noexec"]);
        mount(config, "/plain", "tmpfs", "tmpfs", &[]);
    }),
    ("restricted paths", |config, _| {
        config["linux"]["maskedPaths"] = json!(["/proc/keys", "/proc/keys", "/proc/acpi", "/nowhere"]);
        config["linux"]["readonlyPaths"] = json!(["/proc/sys", "/dev/shm", "/nowhere"]);
    }),
    ("options without effect", |config, dir| {
        let source = dir.join("data").display().to_string();
        mount(config, "/data", "bind", &source, &["rbind", "noiversion", "sync"]);
    }),
    ("propagation of the root: slave", |config, _| config["linux"]["rootfsPropagation"] = json!("slave")),
    ("propagation of the root: private", |config, _| config["linux"]["rootfsPropagation"] = json!("private")),
    ("sources in the bundle", |config, _| {
        mount(config, "/data", "bind", "data", &["rbind"]);
        mount(config, "/etc/name", "bind", "./file", &["bind", "ro"]);
    }),
    ("a mount over a mount", |config, dir| {
        let source = dir.join("data").display().to_string();
        mount(config, "/dev/shm", "bind", &source, &["bind"]);
        mount(config, "/sys/fs/cgroup", "tmpfs", "over", &["nosuid"]);
    }),
];

/// Returns the paths of an array of the config.
fn paths<'c>(config: &'c Value, key: &str) -> Vec<&'c str> {
    config["linux"][key].as_array().map_or(Vec::new(), |all| all.iter().filter_map(Value::as_str).collect())
}

/// Returns the rows of a mount table at and below `root`, without what differs on purpose.
pub(crate) fn rows(table: &str, root: &str, config: &Value) -> Vec<String> {
    let masked = paths(config, "maskedPaths");
    let row = |line: &str| {
        let fields: Vec<&str> = line.split(' ').collect();
        let dash = fields.iter().position(|field| *field == "-")?;
        let target = match fields[4].strip_prefix(root)? {
            "" => "/",
            target if root.is_empty() || target.starts_with('/') => target,
            _ => return None,
        };
        let (fstype, source, superblock) = (fields[dash + 1], fields[dash + 2], fields[dash + 3]);
        if masked.contains(&target) {
            // Ours are a smaller tmpfs and the host's null device, both read-only.
            let what = if fields[3].ends_with("/null") { "a null device" } else { fstype };
            return Some(format!("{target} masked by {what}"));
        }
        let propagation: Vec<&str> =
            fields[6..dash].iter().map(|field| field.split(':').next().unwrap()).collect();
        // runc makes a network namespace, and so a sysfs with a superblock of its own.
        let superblock = if fstype == "sysfs" { "" } else { superblock };
        // runc makes a cgroup for the container.
        let inside = if fstype.starts_with("cgroup") { "" } else { fields[3] };
        // `ro` makes a new tmpfs read-only too, as with mount(8).
        let superblock =
            if fstype == "tmpfs" { superblock.replacen("ro", "rw", 1) } else { superblock.to_owned() };
        // runc leaves the tmpfs of version 1 hierarchies writable, also with `ro`.
        let is_cgroup_tmpfs = fstype == "tmpfs" && source == "tmpfs" && target == "/sys/fs/cgroup";
        let attributes = if is_cgroup_tmpfs { fields[5].replace("ro,", "rw,") } else { fields[5].to_owned() };
        Some(format!("{target} {fstype} {source} {inside} {attributes} {propagation:?} {superblock}"))
    };
    let mut rows: Vec<String> = table.lines().filter_map(row).collect();
    rows.sort();
    // runc stacks a mask on a mask if a path is in the list twice.
    rows.dedup_by(|next, first| next == first && next.contains(" masked by "));
    rows
}

fn furnish(dir: &Path) {
    mkdirs(dir, &["rootfs/bin", "rootfs/etc", "rootfs/odd", "data/inner"]);
    write(dir.join("file"), "file");
    write(dir.join("rootfs/bin/sh"), "");
    let may_run = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(dir.join("rootfs/bin/sh"), may_run).unwrap();
    std::fs::set_permissions(dir.join("rootfs/odd"), std::fs::Permissions::from_mode(0o710)).unwrap();
}

/// Describes the rows that only one of both has.
pub(crate) fn only(rows: &[String], others: &[String], name: &str) -> Vec<String> {
    rows.iter().filter(|row| !others.contains(row)).map(|row| format!("  only {name}: {row}")).collect()
}

/// Returns the rows that differ.
fn differences(at: usize, change: Change) -> Result<Vec<String>, String> {
    let dir = scratch().join(format!("bundle{at}"));
    std::fs::create_dir(&dir).unwrap();
    furnish(&dir);
    let made = Command::new("runc").arg("spec").current_dir(&dir).status().unwrap();
    assert!(made.success());
    let mut config: Value = serde_json::from_str(&read(dir.join("config.json"))).unwrap();
    config["process"]["terminal"] = json!(false);
    change(&mut config, &dir);
    write(dir.join("config.json"), config.to_string());
    let mut both = Command::new("unshare");
    both.args(["-mpf", "--kill-child", "--mount-proc", "--propagation", "private", "sh", "-c", BOTH]);
    both.env("D", &dir).env("F", binary(env!("CARGO_BIN_EXE_fmountat")));
    both.env("ID", format!("fmountat-{}-{at}", std::process::id()));
    let output = both.output().unwrap();
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned());
    }
    let root = dir.join("rootfs").display().to_string();
    let theirs = rows(&read(dir.join("runc.table")), "", &config);
    let ours = rows(&read(dir.join("ours.table")), &root, &config);
    let mut all = only(&theirs, &ours, "runc");
    all.extend(only(&ours, &theirs, "fmountat"));
    if theirs.len() != ours.len() {
        all.push(format!("  runc has {} mounts, fmountat {}", theirs.len(), ours.len()));
    }
    Ok(all)
}

fmountat_testing::cases! {
    /// `runc spec` and changes of it, unedited: the same mounts.
    fn the_same_mounts_as_runc() needs [Root, Tool("runc"), Tool("unshare")] {
        let mut wrong = Vec::new();
        for (at, (name, change)) in CHANGES.iter().enumerate() {
            match differences(at, *change) {
                Ok(rows) if rows.is_empty() => {}
                Ok(rows) => wrong.push(format!("{name}:\n{}", rows.join("\n"))),
                Err(text) => wrong.push(format!("{name}: {text}")),
            }
        }
        println!("counted: {} configs, {} with differences", CHANGES.len(), wrong.len());
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }
}
