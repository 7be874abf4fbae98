// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The JSON of each verb beside docs/json.md: each printed field is documented, each is printed.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use fmountat_testing::{binary, mkdirs, scratch, write};
use serde_json::Value;
use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::process::{Command, Output, Stdio};

const PAGE: &str = include_str!("../../../docs/json.md");

fn run(arguments: &[&OsStr]) -> Output {
    let mut command = Command::new(binary(env!("CARGO_BIN_EXE_fmountat")));
    command.arg("--json").args(arguments).current_dir(scratch()).stdin(Stdio::null()).output().unwrap()
}

fn printed(line: &str) -> Vec<Value> {
    let output = run(&line.split(' ').map(OsStr::new).collect::<Vec<_>>());
    let lines = |bytes: &[u8]| {
        String::from_utf8(bytes.to_vec()).unwrap().lines().map(str::to_owned).collect::<Vec<_>>()
    };
    let all = [lines(&output.stdout), lines(&output.stderr)].concat();
    assert!(!all.is_empty(), "{line}: {output:?}");
    all.iter().map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{line}: {e}"))).collect()
}

/// Returns the fields of a section, as `error.holders[].pid`, and those that are optional.
fn documented(section: &str) -> (BTreeSet<String>, BTreeSet<String>) {
    let (_, rest) =
        PAGE.split_once(&format!("\n## {section}\n")).unwrap_or_else(|| panic!("no section {section}"));
    let rows = rest.split("\n## ").next().unwrap().lines().filter(|line| line.starts_with("| `"));
    let row = |line: &str| {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        (cells[1].trim_matches('`').to_owned(), cells[2].contains("optional"))
    };
    let rows: Vec<_> = rows.map(row).collect();
    let optional = rows.iter().filter(|(_, optional)| *optional).map(|(name, _)| name.clone()).collect();
    (rows.into_iter().map(|(name, _)| name).collect(), optional)
}

/// Adds the paths of the fields of a value.
fn fields(value: &Value, path: &str, into: &mut BTreeSet<String>) {
    match value {
        Value::Object(object) => {
            for (name, field) in object {
                let name = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                fields(field, &name, into);
                into.insert(name);
            }
        }
        Value::Array(values) => values.iter().for_each(|value| fields(value, &format!("{path}[]"), into)),
        _ => {}
    }
}

/// Holds what the command lines print together against the sections.
#[track_caller]
fn same(sections: &[&str], lines: &[&str]) {
    let mut got = BTreeSet::new();
    for value in lines.iter().flat_map(|line| printed(line)) {
        fields(&value, "", &mut got);
    }
    let elsewhere = |name: &String| name.starts_with("mounts[].refused.") || name.starts_with("refused[].");
    got.retain(|name| !elsewhere(name));
    let (mut known, mut optional) = (BTreeSet::new(), BTreeSet::new());
    for section in sections {
        let (more, some) = documented(section);
        known.extend(more);
        optional.extend(some);
    }
    let unknown: Vec<_> = got.difference(&known).collect();
    assert!(unknown.is_empty(), "docs/json.md lacks {unknown:?}");
    // An empty list has no fields.
    let is_in_empty_list = |name: &String| {
        let list = name.rsplit_once("[].").map(|(list, _)| format!("{list}[]"));
        list.is_some_and(|list| !got.iter().any(|other| other.starts_with(&format!("{list}."))))
    };
    let never = known.difference(&got).filter(|name| !optional.contains(*name) && !is_in_empty_list(name));
    let never: Vec<_> = never.collect();
    assert!(never.is_empty(), "{sections:?}: never printed: {never:?}");
}

fmountat_testing::cases! {
    fn every_field_is_documented() needs [Kernel(6, 8), Statmount, Root] {
        mkdirs(scratch(), &["l1", "l2", "t", "m"]);
        write(scratch().join("set.json"), r#"{"mounts": [
            {"type": "tmpfs", "source": "x"}, {"type": "bind", "source": "l1", "target": "/b", "options": ["bind", "X-mount.mkdir", "sync"]},
            {"type": "bind", "source": "none", "target": "/c", "options": ["bind", "nofail"]}],
            "linux": {"maskedPaths": ["/b"]}}"#);
        let new = "mount --compat containerd -o bind,sync l1 m";
        same(&["mount"], &[new, "mount -o remount,bind,ro m", "mount -o bind,nofail none m"]);
        same(&["umount"], &["umount m"]);
        same(&["Errors"], &["umount m"]);
        // A mount beneath the set, and one in it that the next set has no counterpart for.
        let set = "--compat containerd set.json t";
        for line in ["mount -t tmpfs under t", &format!("apply {set}"), "mount -o bind l2 t/b"] {
            printed(line);
        }
        same(&["explain"], &[&format!("explain --replace {set}")]);
        same(&["apply"], &[&format!("apply --replace {set}")]);
        run(&["run", "-q", "--keep", "kept", "--lower", "/", "touch", "/new", "/etc/passwd"].map(OsStr::new));
        same(&["changes"], &["changes kept"]);
        same(&["clean"], &["clean"]);
        same(&["doctor"], &["doctor"]);
        let mount = std::thread::spawn(|| {
            std::thread::sleep(std::time::Duration::from_millis(500));
            printed("mount -t tmpfs x m");
        });
        same(&["watch"], &["watch --count 1 --timeout 20 m"]);
        mount.join().unwrap();
        let listed = printed("list -o TARGET,FSTYPE t").remove(0);
        let names: Vec<&String> = listed["filesystems"][0].as_object().unwrap().keys().collect();
        assert_eq!(names, ["children", "fstype", "target"]);
    }

    /// A path with a byte that is not UTF-8 is not lost.
    fn bytes_that_are_not_utf8() needs [] {
        let odd = OsStr::from_bytes(b"t \xff%");
        std::fs::create_dir(scratch().join(odd)).unwrap();
        let output = run(&["mount", "-t", "tmpfs", "x"].map(OsStr::new).iter().chain([&odd]).copied().collect::<Vec<_>>());
        let report: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!((&report["target"], &report["target_percent"]), (&"t \u{fffd}%".into(), &"t%20%FF%25".into()), "{output:?}");
        let listed = run(&["find", "-o", "TARGET"].map(OsStr::new).iter().chain([&odd]).copied().collect::<Vec<_>>());
        let listed: Value = serde_json::from_slice(&listed.stdout).unwrap();
        assert!(listed["filesystems"][0]["target_percent"].as_str().unwrap().ends_with("/t%20%FF%25"), "{listed}");
        let missing = OsStr::from_bytes(b"no\xfe");
        let error = run(&["umount".as_ref(), missing]);
        let error: Value = serde_json::from_slice(&error.stderr).unwrap();
        assert_eq!(error["error"]["argument_percent"], "no%FE");
    }
}
