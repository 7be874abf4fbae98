// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Applies the `config.json` of containers of podman, Docker and containerd beside `runc create`.
//! `.ci/oci-configs` writes them.
//!
//! fmountat gets each file unchanged. runc gets it without limits of processes, capabilities,
//! hooks and cgroups: none of them changes a mount, and few machines permit all of them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use crate::like_runc::{only, rows};
use fmountat_testing::{binary, read, scratch, write};
use serde_json::{Value, json};
use std::path::Path;
use std::process::Command;

/// Runs both in the bundle $D. $NEW has the sources, one a line, that the engine would have.
/// The tables are `runc.table` and `ours.table`, the files in /dev `runc.dev` and `ours.dev`.
const BOTH: &str = r#"
set -e; mount -t tmpfs run /run; mount -t tmpfs mnt /mnt; mount --make-shared /mnt; cd "$D"
echo "$NEW" | while read -r kind path; do
    if [ "$kind" = f ]; then mkdir -p "${path%/*}"; touch "$path"; else mkdir -p "$path"; fi
done
mkdir -p "$ROOT/bin"; touch "$ROOT/bin/sleep"; chmod +x "$ROOT/bin/sleep"
nodes() { (cd "$1/dev"; find . -xdev -exec stat -c '%n %F %a %u:%g %t:%T %N' {} + | sort); }
cp runc.json config.json
runc --root /run/r create "$ID" </dev/null >runc.log 2>&1 || { cat runc.log >&2; exit 1; }
pid=$(runc --root /run/r state "$ID" | sed -n 's/.*"pid": \([0-9]*\).*/\1/p')
cat /proc/$pid/mountinfo >runc.table; nodes /proc/$pid/root >runc.dev; runc --root /run/r delete -f "$ID"
cp engine.json config.json
mkdir t; "$F" explain --bundle . t >explain.log 2>&1 || { cat explain.log >&2; exit 1; }
"$F" apply --bundle . t
cat /proc/self/mountinfo >ours.table; nodes t >ours.dev; umount -R t
"#;

/// Sources that are files.
const FILES: [&str; 5] = ["/resolv.conf", "/hostname", "/hosts", "/.containerenv", "/mnt/file"];

/// Returns the sources of binds, each with its kind: `f PATH` or `d PATH`.
fn sources(config: &Value) -> String {
    let mounts = config["mounts"].as_array().unwrap().iter();
    let source = mounts.filter(|mount| mount["type"] == "bind").filter_map(|mount| mount["source"].as_str());
    let line = |path: &str| {
        let is_file = FILES.iter().any(|name| path.ends_with(name));
        format!("{} {path}", if is_file { "f" } else { "d" })
    };
    // A submount of the sources.
    source.map(line).chain([String::from("d /mnt/data/inner")]).collect::<Vec<_>>().join("\n")
}

fn for_runc(mut config: Value) -> Value {
    for (object, names) in [
        ("process", &["capabilities", "rlimits", "oomScoreAdj", "apparmorProfile"][..]),
        ("linux", &["cgroupsPath", "seccomp"]),
    ] {
        names.iter().for_each(|name| drop(config[object].as_object_mut().unwrap().remove(*name)));
    }
    config.as_object_mut().unwrap().remove("hooks");
    config["linux"]["resources"].as_object_mut().unwrap().retain(|name, _| name == "devices");
    config
}

/// Returns the rows of a table, without what differs on purpose.
fn wanted(table: &str, root: &str, config: &Value) -> Vec<String> {
    let is_shared = config["linux"]["rootfsPropagation"] == json!("shared");
    let same = |row: String| match is_shared && row.starts_with("/ ") {
        // runc 1.1 leaves the root private, against the specification.
        true => row.replace("\"shared\"", ""),
        // Without a source, the kernel shows `none`; runc gives it an empty one.
        false => row.replace("tmpfs none ", "tmpfs  "),
    };
    rows(table, root, config).into_iter().map(same).collect()
}

fn differences(file: &Path) -> Result<Vec<String>, String> {
    let name = file.file_stem().unwrap().to_str().unwrap();
    let dir = scratch().join(name);
    std::fs::create_dir_all(dir.join("rootfs")).unwrap();
    let text = read(file);
    let config: Value = serde_json::from_str(&text).unwrap();
    write(dir.join("engine.json"), &text);
    write(dir.join("runc.json"), for_runc(config.clone()).to_string());
    let root = dir.join(config["root"]["path"].as_str().unwrap()).display().to_string();
    let mut both = Command::new("unshare");
    both.args(["-mpf", "--kill-child", "--mount-proc", "--propagation", "private", "sh", "-c", BOTH]);
    both.env("D", &dir).env("F", binary(env!("CARGO_BIN_EXE_fmountat"))).env("ROOT", &root);
    both.env("NEW", sources(&config)).env("ID", format!("fmountat-{}-{name}", std::process::id()));
    let output = both.output().unwrap();
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned());
    }
    let theirs = wanted(&read(dir.join("runc.table")), "", &config);
    let ours = wanted(&read(dir.join("ours.table")), &dir.join("t").display().to_string(), &config);
    let nodes = |file: &str| read(dir.join(file)).lines().map(str::to_owned).collect::<Vec<_>>();
    let (their_nodes, our_nodes) = (nodes("runc.dev"), nodes("ours.dev"));
    assert!(theirs.len() > 5 && their_nodes.len() > 10, "{name}: {theirs:?} {their_nodes:?}");
    let mut all = only(&theirs, &ours, "runc");
    all.extend(only(&ours, &theirs, "fmountat"));
    all.extend(only(&their_nodes, &our_nodes, "runc"));
    all.extend(only(&our_nodes, &their_nodes, "fmountat"));
    Ok(all)
}

fmountat_testing::cases! {
    /// `apply` makes the same mounts and the same files in /dev as runc.
    fn configurations_of_engines() needs [Root, Tool("runc"), Tool("unshare")] {
        let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/outcomes/oci");
        let mut files: Vec<_> = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect();
        files.sort();
        let mut wrong = Vec::new();
        for file in &files {
            match differences(file) {
                Ok(rows) if rows.is_empty() => {}
                Ok(rows) => wrong.push(format!("{}:\n{}", file.display(), rows.join("\n"))),
                Err(text) => wrong.push(format!("{}: {text}", file.display())),
            }
        }
        println!("counted: {} configs, {} with differences", files.len(), wrong.len());
        assert!(files.len() == 9 && wrong.is_empty(), "{}", wrong.join("\n"));
    }
}
