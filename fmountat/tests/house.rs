// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The rules of the house that no compiler keeps: one home for unsafe code, a first line that says what a file is for.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::path::{Path, PathBuf};

fn sources(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(dir).unwrap().map(Result::unwrap) {
        let path = entry.path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|e| e == "rs") {
            found.push(path);
        }
    }
}

fn all_sources() -> Vec<(PathBuf, String)> {
    let top = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut paths = Vec::new();
    for part in [
        "fmountat/src",
        "fmountat-cli/src",
        "testing/src",
        "fmountat/tests",
        "fmountat-cli/tests",
        "fmountat/benches",
    ] {
        sources(&top.join(part), &mut paths);
    }
    assert!(paths.len() > 60, "{paths:?}");
    paths.into_iter().map(|path| (path.clone(), std::fs::read_to_string(path).unwrap())).collect()
}

#[test]
fn unsafe_code_has_one_home_in_the_library_and_none_in_the_command() {
    let lifted = all_sources().into_iter().filter(|(path, text)| {
        let is_product = path.components().any(|c| c.as_os_str() == "src")
            && !path.components().any(|c| c.as_os_str() == "testing");
        is_product && text.contains("allow(unsafe_code)")
    });
    let lifted: Vec<PathBuf> = lifted.map(|(path, _)| path).collect();
    assert_eq!(lifted.len(), 1, "{lifted:?}");
    assert!(lifted[0].ends_with("fmountat/src/sys/mod.rs"), "{lifted:?}");
}

#[test]
fn every_file_says_its_licence_and_what_it_is_for() {
    for (path, text) in all_sources() {
        let mut lines = text.lines();
        assert_eq!(lines.next(), Some("// SPDX-License-Identifier: Apache-2.0 OR MIT"), "{}", path.display());
        assert!(lines.next().is_some_and(|line| line.starts_with("//! ")), "{}", path.display());
    }
}

#[test]
fn files_are_short() {
    for (path, text) in all_sources() {
        assert!(text.lines().count() <= 420, "{} has {} lines", path.display(), text.lines().count());
    }
}
