// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Gives each option of each file system a bad value, in a mount that works without the option. The
//! error must name the option. `explain` must predict the failure, except if the kernel reports it
//! only when it creates the file system.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use crate::fixture::with_fixture;
use fmountat_testing::{binary, command_output, mkdirs, mount_table, read, write};
use rustix::mount::{UnmountFlags, unmount};
use std::path::Path;
use std::process::{Command, Output, Stdio};

/// A file system: its source and the options with which the mount works.
struct WorkingMount {
    fstype: String,
    source: &'static str,
    options: &'static str,
    /// The kernel reads the image before it judges some options, so explain cannot predict those.
    is_image: bool,
}

/// Returns the file systems that can be mounted here, with the names of their options.
fn file_systems(dir: &Path) -> Vec<(WorkingMount, Vec<String>)> {
    let table = concat!(env!("CARGO_MANIFEST_DIR"), "/../fmountat/src/diagnose/parameters.rs");
    let text = read(table).replace("\\\n", " ");
    let list = text.split("const VALUES").next().unwrap();
    // Each entry is two strings: the name and its parameters.
    let strings: Vec<&str> = list.split('"').skip(1).step_by(2).collect();
    let entries =
        strings.chunks(2).map(|pair| (pair[0], pair[1].split_whitespace().map(str::to_owned).collect()));
    entries.filter_map(|(name, options)| Some((whole(name, dir)?, options))).collect()
}

fn whole(name: &str, dir: &Path) -> Option<WorkingMount> {
    let (source, options, is_image) = match name {
        "tmpfs" | "ramfs" | "devpts" | "proc" | "bpf" | "hugetlbfs" | "mqueue" => ("none", "", false),
        "overlay" => ("none", "lowerdir=l1:l2,upperdir=u,workdir=w", false),
        "ext4" => ("ext4.img", "", true),
        "xfs" => ("xfs.img", "", true),
        "btrfs" => ("btrfs.img", "", true),
        "squashfs" => ("squashfs.img", "", true),
        _ => return None,
    };
    let made = match name {
        "ext4" => image(dir, source, 16, "mkfs.ext4 -q"),
        "xfs" => image(dir, source, 320, "mkfs.xfs -q"),
        "btrfs" => image(dir, source, 120, "mkfs.btrfs -q"),
        "squashfs" => sh(dir, "mksquashfs s squashfs.img -quiet -no-progress"),
        _ => read("/proc/filesystems").lines().any(|line| line.ends_with(&format!("\t{name}"))),
    };
    made.then(|| WorkingMount { fstype: name.to_owned(), source, options, is_image })
}

fn image(dir: &Path, name: &str, megabytes: u64, mkfs: &str) -> bool {
    std::fs::File::create(dir.join(name)).unwrap().set_len(megabytes << 20).unwrap();
    sh(dir, &format!("{mkfs} {name}"))
}

/// Runs a line of shell; false if it fails, or if its program is missing.
fn sh(dir: &Path, line: &str) -> bool {
    let mut shell = Command::new("sh");
    shell.args(["-c", line]).current_dir(dir).stdout(Stdio::null()).stderr(Stdio::null());
    shell.status().unwrap().success()
}

/// Bad values of an option. The empty one gives the option without a value.
const BROKEN: [&str; 5] = ["=bad^", "=-7", "=99999999999", "=", ""];

fn spec(whole: &WorkingMount, option: &str) -> String {
    let options: Vec<&str> = [whole.options, option].into_iter().filter(|text| !text.is_empty()).collect();
    let options = options.join(",");
    format!(r#"[{{"type":"{}","source":"{}","options":["{options}"]}}]"#, whole.fstype, whole.source)
}

fn run(dir: &Path, verb: &str) -> Output {
    let mut command = Command::new(binary(env!("CARGO_BIN_EXE_fmountat")));
    command.args([verb, "set.json", "t"]).current_dir(dir).stdin(Stdio::null()).output().unwrap()
}

fn unmount_target(dir: &Path) {
    while mount_table().iter().any(|line| line.point == dir.join("t")) {
        unmount(dir.join("t"), UnmountFlags::DETACH).unwrap();
    }
    // A work directory keeps the mark of a volatile overlay.
    let _ = std::fs::remove_dir_all(dir.join("w"));
    let _ = std::fs::remove_dir_all(dir.join("u"));
    mkdirs(dir, &["u", "w"]);
}

#[derive(Default)]
struct Count {
    broken: usize,
    accepted: usize,
    not_predicted: usize,
}

/// Explains and applies a mount with one bad option. Returns a text if the outcomes contradict each
/// other, or if the error does not name the option.
fn try_option(
    dir: &Path,
    whole: &WorkingMount,
    key: &str,
    broken: &str,
    count: &mut Count,
) -> Option<String> {
    let option = format!("{key}{broken}");
    write(dir.join("set.json"), spec(whole, &option));
    let explained = run(dir, "explain");
    let applied = run(dir, "apply");
    unmount_target(dir);
    let text = String::from_utf8_lossy(&applied.stderr).into_owned();
    let case = format!("{} {option}: {text}", whole.fstype);
    let (before, after) = (explained.status.code(), applied.status.code());
    if before != after {
        // Only the kernel can tell, when it creates the file system.
        if before == Some(0) && (whole.is_image || text.contains("set up ")) {
            count.not_predicted += 1;
        } else {
            return Some(format!("explain {before:?}, apply {after:?}: {case}"));
        }
    }
    if applied.status.success() {
        count.accepted += 1;
        return None;
    }
    count.broken += 1;
    let names_it = text.lines().any(|line| {
        let words = line.split(|c: char| !c.is_alphanumeric() && !"_+-".contains(c));
        words.into_iter().any(|word| word == key || word == key.trim_end_matches('+'))
    });
    // An overlay names the layer or the work directory, and no option.
    let names_part = whole.fstype == "overlay" && (text.contains("layer") || text.contains("workdir"));
    (!names_it && !names_part).then(|| format!("names another thing: {case}"))
}

fmountat_testing::cases! {
    /// Every option of every file system here, broken in five ways.
    fn each_option_is_named_that_was_broken() needs [Root, Tool("mkfs.ext4"), Tool("mkfs.xfs"), Tool("mkfs.btrfs"), Tool("mksquashfs")] {
        with_fixture(|dir| {
            let mut count = Count::default();
            let mut all_wrong = Vec::new();
            for (whole, keys) in file_systems(dir) {
                write(dir.join("set.json"), spec(&whole, ""));
                let sound = run(dir, "apply");
                assert!(sound.status.success(), "{}: {sound:?}", whole.fstype);
                unmount_target(dir);
                for key in &keys {
                    all_wrong.extend(BROKEN.iter().filter_map(|broken| try_option(dir, &whole, key, broken, &mut count)));
                }
            }
            let Count { broken, accepted, not_predicted } = count;
            println!("breaks refused: {broken}, accepted by the kernel: {accepted}, not predicted: {not_predicted}");
            assert!(broken > 500, "{broken}");
            assert!(all_wrong.is_empty(), "{} try_option:\n{}", all_wrong.len(), all_wrong.join("\n"));
        });
        command_output(Command::new("losetup").arg("-a"));
    }
}
