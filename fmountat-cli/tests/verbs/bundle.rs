// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Tests `apply --bundle` and `explain --bundle`: the root file system of an OCI bundle.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use fmountat_testing::{binary, mkdirs, mount_flags, mounts_below, read, scratch, write};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn file(path: &str) -> PathBuf {
    scratch().join(path)
}

/// Runs the words of a line, in the root directory: no relative path starts there.
fn run(line: &str) -> Output {
    let dir = scratch().display().to_string();
    let mut command = Command::new(binary(env!("CARGO_BIN_EXE_fmountat")));
    command.args(line.split(' ').map(|word| word.replace("$D", &dir))).current_dir("/").output().unwrap()
}

#[track_caller]
fn ends(line: &str, status: i32) -> String {
    let output = run(line);
    assert_eq!(output.status.code(), Some(status), "{line}: {output:?}");
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn bundle(config: &str) {
    mkdirs(scratch(), &["b/rootfs/etc", "b/data", "b/layer", "t"]);
    write(file("b/rootfs/name"), "root");
    write(file("b/data/name"), "data");
    write(file("b/layer/name"), "layer");
    write(file("b/config.json"), config);
}

const DEV: &str = r#"{"destination": "/dev", "type": "tmpfs", "source": "tmpfs"}"#;

fmountat_testing::cases! {
    /// The root, and sources relative to the bundle.
    fn the_root_of_a_bundle() needs [Root, Filesystem("overlay")] {
        bundle(&format!(r#"{{"ociVersion": "1.2.0", "root": {{"path": "rootfs", "readonly": true}}, "mounts": [{DEV},
            {{"destination": "/data", "type": "bind", "source": "data", "options": ["rbind"]}},
            {{"destination": "/over", "type": "overlay", "source": "overlay", "options": ["lowerdir=layer:data"]}}]}}"#));
        for line in ["apply --bundle $D/b $D/t", "apply -C $D --bundle b t", "apply --strict --bundle $D/b $D/t"] {
            let explain = line.replacen("apply", "explain", 1);
            assert_eq!(ends(&explain, 0), "");
            let explained = String::from_utf8(run(&explain).stdout).unwrap();
            assert_eq!(explained.matches("the mount point is made if it is missing").count(), 3, "{explained}");
            assert_eq!(ends(line, 0), "", "{line}");
            assert_eq!(["name", "data/name", "over/name"].map(|name| read(file("t").join(name))), ["root", "data", "layer"]);
            assert!(mount_flags(file("t")).starts_with("ro") && file("t/dev/null").exists());
            ends("umount -R $D/t", 0);
        }
        // The bundle's own root directory is the target in runc.
        ends("apply --bundle $D/b $D/b/rootfs", 0);
        assert_eq!(read(file("b/rootfs/data/name")), "data");
        ends("umount -R $D/b/rootfs", 0);
        assert_eq!(mounts_below(scratch()), Vec::<String>::new());
    }

    fn a_bundle_at_fault() needs [Root] {
        bundle(r#"{"ociVersion": "1.2.0", "mounts": []}"#);
        for (line, text) in [
            ("--bundle $D/b $D/t", "`root.path` is missing"),
            ("--bundle $D/none $D/t", "none"),
            ("--bundle $D/t $D/t", "config.json"),
            ("--bundle $D/b $D/b/config.json $D/t", "cannot be used with"),
            ("$D/t", "SPEC"),
        ] {
            for verb in ["apply", "explain"] {
                let error = ends(&format!("{verb} {line}"), 1);
                assert!(error.contains(text), "{verb} {line}: {error}");
            }
        }
        bundle(r#"{"ociVersion": "1.2.0", "root": {"path": "none"}, "mounts": []}"#);
        let error = ends("apply --bundle $D/b $D/t", 32);
        assert!(error.contains("none") && error.contains("ENOENT"), "{error}");
    }

    /// `apply` lists the parts that it does not carry out on stderr or in the result. `--strict`
    /// refuses them.
    fn what_is_not_done_is_listed() needs [Root] {
        bundle(&format!(r#"{{"ociVersion": "1.2.0", "root": {{"path": "rootfs"}}, "mounts": [{DEV}], "process": {{"terminal": true}},
            "hooks": {{"createContainer": [{{"path": "/hook"}}]}},
            "linux": {{"mountLabel": "l", "namespaces": [{{"type": "network", "path": "/run/netns/a"}}]}}}}"#));
        let all = ["linux.namespaces[0].path", "linux.mountLabel", "process.terminal", "hooks.createContainer"];
        for verb in ["apply", "explain"] {
            let listed = ends(&format!("{verb} --bundle $D/b $D/t"), 0);
            let lines: Vec<&str> = listed.lines().map(|line| line.split(": ").nth(2).unwrap()).collect();
            assert_eq!(lines, all, "{listed}");
            if verb == "apply" {
                ends("umount -R $D/t", 0);
            }
            let output = run(&format!("--json {verb} --bundle $D/b $D/t"));
            let report: Value = serde_json::from_slice(&output.stdout).unwrap();
            let paths: Vec<_> = report["not_done"].as_array().unwrap().iter().map(|part| part["path"].clone()).collect();
            assert_eq!((paths, output.stderr.len()), (all.map(Value::from).to_vec(), 0));
            assert_eq!(mounts_below(file("t")).is_empty(), verb == "explain");
            if verb == "apply" {
                ends("umount -R $D/t", 0);
            }
            let error = ends(&format!("{verb} --strict --bundle $D/b $D/t"), 1);
            assert!(error.contains("linux.namespaces[0].path") && error.contains("3 more"), "{error}");
        }
        assert_eq!(mounts_below(scratch()), Vec::<String>::new());
    }

    /// Without `--bundle`, `root.path` is done only if it is the target.
    fn the_root_without_the_option() needs [Root] {
        bundle(&format!(r#"{{"ociVersion": "1.2.0", "root": {{"path": "rootfs"}}, "mounts": [{DEV}]}}"#));
        for (target, listed) in [("$D/b/rootfs", false), ("$D/t", true)] {
            std::fs::create_dir_all(Path::new(&target.replace("$D", &scratch().display().to_string())).join("dev")).unwrap();
            let text = ends(&format!("apply $D/b/config.json {target}"), 0);
            assert_eq!(text.contains("not done: root.path"), listed, "{text}");
            ends(&format!("umount -R {target}"), 0);
            ends(&format!("apply --strict $D/b/config.json {target}"), i32::from(listed));
            if !listed {
                ends(&format!("umount -R {target}"), 0);
            }
        }
    }
}
