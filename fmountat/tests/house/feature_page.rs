// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Checks `docs/kernel-features.md` against the code: `FMOUNTAT_REGENERATE=1 cargo test --test
//! house feature_page::` writes it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use fmountat::kernel::{Features, KernelFeature, kernel_features};
use fmountat::strategy::{Strategy, SwapStrategy};
use fmountat::{Mount, Mounter, Plan};
use std::path::{Path, PathBuf};

const HEAD: &str = "# Kernel features, and what replaces them

Linux 5.14 is the oldest supported release. This page has each kernel feature that fmountat uses, the first release with
it, and what fmountat does without it. A call that a seccomp filter forbids, with EPERM or ENOSYS, counts as missing.
[Test results on real kernels](measured/kernels.md). A test makes this page from the code (`FMOUNTAT_REGENERATE=1 cargo
test -p fmountat --test house feature_page::`).

| feature | since | used for |
|---|---|---|
";

const WITHOUT: &str = "
## Without each feature

In brackets, the test that uses the replacement.

";

const TRIED: &str = "
## Features that are not probed

fmountat tries the best strategy, and uses the other one if it fails. No field of `Features` describes these. The names
are those of the events (cargo feature `tracing`).

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

const BY_KERNEL: &str = "
## Strategy by kernel

The results of `Mounter::strategy` and `Mounter::swap_strategy` with the features of each release, where unshare(2) is
allowed.

- *detached*: built detached, published in one step.
- *private*: built in a private mount namespace, published in one step.
- *steps*: mounted step by step, undone on failure. Other processes can see a part. `--strict` refuses it.
- *beneath*: the new set is mounted beneath the old one; there is no gap.
- *gap*: the old set is unmounted first; for a moment readers see neither. `--strict` refuses it.

`apply --json` prints the strategy that was used (`strategy`, `swap`).

| kernel | one mount | ten mounts | one is `unbindable` | two are for `/` | `--replace` |
|---|---|---|---|---|---|
";

/// The releases at which something changes, and those that many machines run.
const KERNELS: [(u32, u32); 5] = [(5, 14), (6, 1), (6, 6), (6, 12), (6, 15)];

fn top() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn tmpfs(target: &str, options: &str) -> Mount {
    Mount::new("tmpfs", "tmpfs").at(target).option(options)
}

/// Returns all features, independent of the running kernel.
fn newest() -> Features {
    let mut features = Features::get();
    features.private_namespace = true;
    features.with_all()
}

fn strategies(release: (u32, u32)) -> String {
    let mounter = Mounter::with(newest().at_most(release.0, release.1), None);
    let ten = |words: &str| {
        let inner = (1..10).map(|n| tmpfs(&format!("d{n}"), words));
        std::iter::once(tmpfs("/", "rw")).chain(inner).collect::<Vec<_>>()
    };
    let strategy = |mounts: &[Mount]| match mounter.strategy(&Plan::new(mounts).unwrap()) {
        Strategy::Detached => "detached",
        Strategy::PrivateNamespace => "private",
        Strategy::StepByStep => "steps",
        other => panic!("an unknown strategy: {other}"),
    };
    let swap = match mounter.swap_strategy() {
        SwapStrategy::Beneath => "beneath",
        SwapStrategy::Gap => "gap",
        other => panic!("an unknown strategy: {other}"),
    };
    format!(
        "| {}.{} | {} | {} | {} | {} | {} |\n",
        release.0,
        release.1,
        strategy(&[tmpfs("/", "rw")]),
        strategy(&ten("rw")),
        strategy(&ten("unbindable")),
        strategy(&[tmpfs("/", "rw"), tmpfs("/", "rw")]),
        swap,
    )
}

fn row(feature: &KernelFeature) -> String {
    let KernelFeature { what, used_for, .. } = feature;
    format!("| {what} | {} | {used_for} |\n", feature.since())
}

fn without(feature: &KernelFeature) -> String {
    let KernelFeature { what, otherwise, shown_by, .. } = feature;
    format!("- **{what}**: {otherwise}. [{shown_by}]\n")
}

#[test]
fn the_page_of_features_is_true() {
    let mut page = String::from(HEAD);
    page.extend(kernel_features().iter().map(row));
    page += WITHOUT;
    page.extend(kernel_features().iter().map(without));
    page += TRIED;
    page.extend(TRIED_ROWS.map(|row| format!("| {} |\n", row.join(" | "))));
    page += BY_KERNEL;
    page.extend(KERNELS.into_iter().map(strategies));
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

/// Returns the files below a folder, for test binaries of one file and of several files.
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
            for file in file.trim_end_matches(" by each strategy").split(", ") {
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
