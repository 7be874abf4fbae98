// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `docs/kernel-features.md` as the code has it: `FMOUNTAT_REGENERATE=1 cargo test --test house feature_page::` writes it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use fmountat::kernel::{Features, KernelFeature, kernel_features};
use fmountat::{Mount, Mounter, Plan};
use std::path::{Path, PathBuf};

const HEAD: &str = "# What of the kernel is used, and what is done without

Made from the code by a test (`FMOUNTAT_REGENERATE=1 cargo test -p fmountat --test house feature_page::` writes it). The release is the first that has
it. Linux 5.14 or newer is supported; [the table of tests by kernel](measured/kernels.md) says what was seen on real ones. A seccomp filter may forbid a call
that the kernel has, with EPERM or ENOSYS: it counts as missing.

| feature | since | used for | without it | shown by |
|---|---|---|---|---|
";

const TRIED: &str = "
## What is only known when it is tried

No field of `Features` says it. The names are those of the events (cargo feature `tracing`).

| operation | best strategy | needs | without it |
|---|---|---|---|
";

/// Operation, best strategy, what that needs, and the strategy without it.
const TRIED_ROWS: [[&str; 4]; 9] = [
    ["open a user namespace", "pidfd", "PIDFD_GET_USER_NAMESPACE [6.11]", "/proc/PID/ns/user"],
    [
        "mount an image file",
        "the file itself",
        "a file system that mounts files: erofs [6.12]",
        "loop device",
    ],
    ["call mount(2)", "worker thread", "unshare(CLONE_FS)", "child process"],
    ["read the mount table", "listmount(2) and statmount(2)", "statmount, listmount [6.8]", "mountinfo"],
    ["find a mount", "statmount(2)", "statmount [6.8]", "/proc/PID/mountinfo"],
    ["watch mounts", "fanotify(7)", "FAN_MNT_ATTACH [6.15]", "poll(2) on mountinfo"],
    ["tell new mounts from old ones", "newest unique id", "listmount [6.11]", "/proc/PID/mountinfo"],
    ["find the mounts on top of a mount", "statmount(2)", "statmount [6.8]", "/proc/PID/mountinfo"],
    ["probe the kernel", "calls that fail", "no filter", "calls in a child"],
];

const WAYS: &str = "
## The way that is taken, by kernel

What `Mounter::strategy` and `Mounter::swap_strategy` say with the features of that release, where unshare(2) is allowed. *Step by step* and *with a moment
between* are the weaker promises: `apply` says in its output (`way`, `swap`) which was taken, and `--strict` refuses them.

| kernel | one mount | ten mounts, one root | an `unbindable` mount among them | two mounts for `/` | `--replace` |
|---|---|---|---|---|---|
";

/// The releases at which something changes, and those that many machines run.
const KERNELS: [(u32, u32); 5] = [(5, 14), (6, 1), (6, 6), (6, 12), (6, 15)];

fn top() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn tmpfs(target: &str, words: &str) -> Mount {
    Mount::new("tmpfs", "tmpfs").at(target).option(words)
}

/// Every feature that there is, on whatever kernel this runs.
fn newest() -> Features {
    let mut features = Features::get();
    features.private_namespace = true;
    features.with_all()
}

fn ways(release: (u32, u32)) -> String {
    let mounter = Mounter::with(newest().at_most(release.0, release.1), None);
    let ten = |words: &str| {
        let inner = (1..10).map(|n| tmpfs(&format!("d{n}"), words));
        std::iter::once(tmpfs("/", "rw")).chain(inner).collect::<Vec<_>>()
    };
    let way = |mounts: &[Mount]| mounter.strategy(&Plan::new(mounts).unwrap()).to_string();
    format!(
        "| {}.{} | {} | {} | {} | {} | {} |\n",
        release.0,
        release.1,
        way(&[tmpfs("/", "rw")]),
        way(&ten("rw")),
        way(&ten("unbindable")),
        way(&[tmpfs("/", "rw"), tmpfs("/", "rw")]),
        mounter.swap_strategy(),
    )
}

fn row(feature: &KernelFeature) -> String {
    let (major, minor) = feature.kernel;
    let KernelFeature { what, used_for, otherwise, shown_by, .. } = feature;
    format!("| {what} | {major}.{minor} | {used_for} | {otherwise} | {shown_by} |\n")
}

#[test]
fn the_page_of_features_is_true() {
    let mut page = String::from(HEAD);
    page.extend(kernel_features().iter().map(row));
    page += TRIED;
    page.extend(TRIED_ROWS.map(|row| format!("| {} |\n", row.join(" | "))));
    page += WAYS;
    page.extend(KERNELS.into_iter().map(ways));
    let path = top().join("docs/kernel-features.md");
    if std::env::var_os("FMOUNTAT_REGENERATE").is_some() {
        std::fs::write(&path, &page).unwrap();
    }
    assert!(
        std::fs::read_to_string(&path).unwrap_or_default() == page,
        "docs/kernel-features.md is out of date"
    );
}

/// Each of them is an event, with this very text.
#[test]
fn the_strategies_that_the_page_names_are_recorded() {
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("src")];
    let mut sources = String::new();
    while let Some(path) = folders.pop() {
        match path.is_dir() {
            true => folders.extend(std::fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path())),
            false => sources += &std::fs::read_to_string(path).unwrap(),
        }
    }
    for [operation, best, _, otherwise] in TRIED_ROWS {
        for name in [operation, best, otherwise] {
            assert!(sources.contains(&format!("\"{name}\"")), "{operation}: {name}");
        }
    }
}

/// The files of a folder and of the folders in it: those of the test binaries of one file and of several.
fn files_of_cases(folder: &Path) -> Vec<PathBuf> {
    let list =
        |dir: &Path| std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect::<Vec<_>>();
    let inner = |path: PathBuf| if path.is_dir() { list(&path) } else { vec![path] };
    list(folder)
        .into_iter()
        .flat_map(inner)
        .filter(|path| path.extension().is_some_and(|e| e == "rs"))
        .collect()
}

/// `FILE: `CASE`` names a case that exists.
#[test]
fn the_tests_that_the_page_names_are_there() {
    let library = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let folders = [library.clone(), library.join("../../fmountat-cli/tests")];
    let files: Vec<PathBuf> = folders.iter().flat_map(|folder| files_of_cases(folder)).collect();
    for feature in kernel_features() {
        for part in feature.shown_by.split(';') {
            let (file, case) = part.trim().split_once(": ").unwrap_or((part.trim(), ""));
            for file in file.trim_end_matches(" by each way").split(", ") {
                let path = files.iter().find(|path| path.file_stem().is_some_and(|stem| stem == file));
                let path = path.unwrap_or_else(|| panic!("{}: there is no {file}", feature.name));
                let text = std::fs::read_to_string(path).unwrap();
                let case = case.trim_matches('`');
                assert!(case == "all" || text.contains(case), "{}: no {case} in {file}", feature.name);
            }
        }
    }
}

/// Every field of `Features` that a kernel release decides is in the table.
#[test]
fn no_feature_is_left_out() {
    let text = format!("{:?}", newest().at_most(0, 0));
    let here: Vec<&str> =
        text.split([' ', '{', ',', '}']).filter_map(|word| word.strip_suffix(':')).collect();
    let of_the_sandbox = ["private_namespace", "initial_user_namespace"];
    for name in &here {
        assert!(of_the_sandbox.contains(name) || kernel_features().iter().any(|f| f.name == *name), "{name}");
    }
    assert_eq!(here.len(), kernel_features().len() + of_the_sandbox.len());
}
