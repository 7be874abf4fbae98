// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `run --keep` and `changes`: the list is the difference of two flat copies.

use super::roots::bind_the_system;
use super::sandbox::{Finished, Untouched, finish, fmountat, lines};
use fmountat_testing::{command_output, mkdirs, scratch, write};
use serde_json::Value;
use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Changes of a tree whose directory is the current one, each by a command of its own.
const STEPS: &[&str] = &[
    "echo new >added; mkdir -p deep/er; echo x >deep/er/file; ln -s nowhere link; mkfifo pipe",
    "echo longer >>changed; printf other >same-size; chmod 600 mode; touch -d @9 time; rm gone",
    "rm -r directory; rm -r emptied/*; rm -r anew && mkdir anew && echo y >anew/other",
    "rm file-to-directory && mkdir file-to-directory && echo z >file-to-directory/in",
    "rm -r directory-to-file && echo z >directory-to-file; rm to-link && ln -s changed to-link",
    "ln changed hard; mv moved moved-to; chmod 711 directory-mode; cat untouched >/dev/null",
    "echo gone-again >short-lived && rm short-lived; rm added && echo twice >added",
    "echo x >>unchanged-at-last; rm -r anew; mkdir anew; : >emptied/again; rm link; ln -s elsewhere link",
];

fn furnish(tree: &Path) {
    for name in ["changed", "mode", "time", "gone", "file-to-directory", "to-link", "moved", "untouched"] {
        write(tree.join(name), name);
    }
    write(tree.join("same-size"), "12345");
    write(tree.join("unchanged-at-last"), "u");
    for name in ["directory", "emptied", "anew", "directory-to-file", "directory-mode"] {
        write(tree.join(name).join("one/two"), "deep");
        write(tree.join(name).join("three"), "three");
    }
}

/// The paths of a list of `changes`, each with the change and the type.
type Changes = BTreeMap<PathBuf, String>;

fn changes(kept: &Path) -> Changes {
    let text = lines(changes_command(kept));
    let report: Value = serde_json::from_str(&text[0]).unwrap();
    let entry = |entry: &Value| {
        let field = |name: &str| entry[name].as_str().unwrap().to_owned();
        (PathBuf::from(field("path")), format!("{} {}", field("change"), field("type")))
    };
    report["changes"].as_array().unwrap().iter().map(entry).collect()
}

fn changes_command(kept: &Path) -> Command {
    let mut words = super::sandbox::words(&[]);
    // The last one is the verb `run`.
    words.pop();
    words.extend(["--json".into(), "changes".into(), kept.into()]);
    super::sandbox::command(&words)
}

/// The same list from two flat copies.
fn difference(old: &Path, new: &Path) -> Changes {
    let (old, new) = (flat(old), flat(new));
    let mut all = Changes::new();
    for path in old.keys().chain(new.keys()) {
        let change = match (old.get(path), new.get(path)) {
            (Some(old), None) => format!("removed {}", old.0),
            (None, Some(new)) => format!("added {}", new.0),
            (Some(old), Some(new)) if old.0 != new.0 => format!("replaced {}", new.0),
            (Some(old), Some(new)) if old.1 != new.1 => format!("changed {}", new.0),
            _ => continue,
        };
        all.insert(Path::new("/").join(path), change);
    }
    all
}

/// The type of each file of a tree, and what is compared.
fn flat(tree: &Path) -> BTreeMap<PathBuf, (&'static str, String)> {
    let mut found = BTreeMap::new();
    let mut stack = vec![tree.to_owned()];
    while let Some(directory) = stack.pop() {
        for entry in std::fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            let meta = path.symlink_metadata().unwrap();
            let (kind, content) = match () {
                () if meta.is_dir() => ("directory", String::new()),
                () if meta.is_file() => ("file", String::from_utf8(std::fs::read(&path).unwrap()).unwrap()),
                () if meta.is_symlink() => ("link", format!("{:?}", std::fs::read_link(&path).unwrap())),
                () => ("pipe", String::new()),
            };
            let time = if meta.is_dir() { 0 } else { meta.mtime() };
            let compared = format!("{:o} {}:{} {time} {content}", meta.mode(), meta.uid(), meta.gid());
            if meta.is_dir() {
                stack.push(path.clone());
            }
            found.insert(path.strip_prefix(tree).unwrap().to_owned(), (kind, compared));
        }
    }
    found
}

fn kept(tree: &Path, kept: &Path, script: &str) -> Finished {
    let mut command = fmountat(&["-q", "--keep", kept.to_str().unwrap(), "--lower", tree.to_str().unwrap()]);
    bind_the_system(&mut command);
    command.args(["--ro-bind", "/dev/null", "--", "/bin/sh", "-c", script]);
    finish(command)
}

pub(crate) fn the_list_is_the_difference() {
    let here = scratch().join("here");
    let (tree, flat, keep) = (here.join("tree"), here.join("flat"), here.join("keep"));
    furnish(&tree);
    // Times before the test: `touch` in both copies is then a change.
    command_output(Command::new("find").arg(&tree).args(["-exec", "touch", "-h", "-d", "@1000", "{}", "+"]));
    command_output(Command::new("cp").arg("-a").arg(&tree).arg(&flat));
    for (number, step) in STEPS.iter().enumerate() {
        command_output(Command::new("sh").args(["-c", step]).current_dir(&flat));
        let done = kept(&tree, &keep, step);
        assert_eq!(done.status, 0, "step {number}: {done:#?}");
        let mut listed = changes(&keep);
        // The mount points of the mounts beside the layer.
        let is_ours =
            |path: &Path| ["/usr", "/bin", "/lib", "/lib64", "/dev"].iter().any(|p| path.starts_with(p));
        listed.retain(|path, _| !is_ours(path) && !["/proc", "/sys"].iter().any(|p| path.starts_with(p)));
        let expected = difference(&tree, &flat);
        assert!(!expected.is_empty());
        assert_eq!(listed, expected, "after step {number}");
    }
    assert!(tree.join("gone").exists() && !tree.join("added").exists());
}

/// In the copy of this system too, and without a trace elsewhere.
pub(crate) fn a_copy_of_the_system_is_kept() {
    mkdirs(scratch(), &["work"]);
    write(scratch().join("work/file"), "old");
    let before = Untouched::now();
    let keep = scratch().join("changing/keep");
    let run = |script: &str| {
        let mut command =
            fmountat(&["-q", "--keep", keep.to_str().unwrap(), "--lower", "/", "sh", "-c", script]);
        command.current_dir(scratch().join("work"));
        lines(command)
    };
    let nothing: [&str; 0] = [];
    assert_eq!(run("echo new >file; echo x >other"), nothing);
    assert_eq!(run("cat file other; rm other"), ["new", "x"]);
    // The kept directory itself is not shown inside.
    assert_eq!(run(&format!("ls -A {}", keep.display())), nothing);
    let listed = changes(&keep);
    assert_eq!(listed.get(&scratch().join("work/file")), Some(&String::from("changed file")), "{listed:#?}");
    assert_eq!(listed.get(&scratch().join("work/other")), None);
    before.assert("keep");
}

pub(crate) fn misuse_is_refused() {
    let here = scratch().join("here");
    mkdirs(&here, &["one", "two", "empty"]);
    let (one, keep) = (here.join("one"), here.join("keep"));
    assert_eq!(kept(&one, &keep, "exit 0").status, 0);
    let other = kept(&here.join("two"), &keep, "exit 0");
    assert!(other.status == 125 && other.err.contains("other layers"), "{other:#?}");
    let lock = std::fs::File::options().write(true).open(keep.join("lock")).unwrap();
    rustix::fs::flock(&lock, rustix::fs::FlockOperation::NonBlockingLockExclusive).unwrap();
    let locked = kept(&one, &keep, "exit 0");
    assert!(locked.status == 125 && locked.err.contains("another `run --keep`"), "{locked:#?}");
    drop(lock);
    let none = finish(changes_command(&here.join("empty")));
    assert!(none.status == 1 && none.err.contains("holds no changes"), "{none:#?}");
}
