// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Rules for the sources that no compiler checks: one folder for unsafe code, a first line that
//! says what a file is for.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::path::{Path, PathBuf};
use std::process::Command;

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
    // Below the repository: where that itself lies says nothing.
    let top = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let lifted = all_sources().into_iter().filter(|(path, text)| {
        let path = path.strip_prefix(&top).unwrap();
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

/// A thread can have its own descriptor table, and /proc can be anything: only `sys/procfs.rs`
/// makes names in /proc/thread-self.
#[test]
fn the_threads_own_names_in_proc_have_one_home() {
    let mut found = Vec::new();
    for (path, text) in all_sources() {
        let is_product = ["fmountat/src", "fmountat-cli/src"].iter().any(|part| {
            path.components().collect::<PathBuf>().to_string_lossy().contains(&format!("../{part}/"))
        });
        if is_product && !path.ends_with("sys/procfs.rs") {
            let code = text.split("\nmod tests {").next().unwrap().lines().map(without_comment);
            let lines = code.enumerate().filter(|(_, line)| {
                ["/proc/self", "/proc/thread-self"].iter().any(|name| line.contains(name))
            });
            found.extend(lines.map(|(at, line)| format!("{}:{}: {line}", path.display(), at + 1)));
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
    assert_eq!(without_comment(r#"open("/proc/self") // the first thread's"#), r#"open("/proc/self") "#);
    assert_eq!(without_comment("    /// That of /proc/self."), "    ");
}

fn without_comment(line: &str) -> &str {
    line.split("//").next().unwrap_or("")
}

#[test]
fn files_are_short() {
    for (path, text) in all_sources() {
        assert!(text.lines().count() <= 400, "{} has {} lines", path.display(), text.lines().count());
    }
}

/// Who does not ask for a feature gets no crate for it.
#[test]
fn without_features_no_optional_crate_is_linked() {
    let tree = |more: &[&str]| {
        let mut cargo = Command::new(env!("CARGO"));
        cargo.args(["tree", "--offline", "-p", "fmountat", "-e", "normal", "--prefix", "none"]).args(more);
        let output = cargo.current_dir(env!("CARGO_MANIFEST_DIR")).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    let is_there =
        |tree: &str| ["tracing ", "oci-spec "].map(|name| tree.lines().any(|line| line.starts_with(name)));
    assert_eq!(is_there(&tree(&[])), [false, false]);
    assert_eq!(is_there(&tree(&["--features", "tracing"])), [true, false]);
}

/// Checks `docs/options.md` against the table: `FMOUNTAT_REGENERATE=1 cargo test --test house
/// house::` writes it.
#[test]
fn the_page_of_options_is_true() {
    let field = fmountat::Attr::ATIME_FIELD;
    let attr = |bits: fmountat::Attr| {
        // The policy field as a whole, for what lies in it.
        let single = if bits.contains(field) { bits - field } else { bits };
        let mut names: Vec<_> = single.iter_names().map(|(name, _)| name).collect();
        names.extend(bits.contains(field).then_some("_ATIME"));
        names.join(" ")
    };
    let mut page = String::from(PAGE_HEAD);
    for word in fmountat::options::userspace_options() {
        let value = match word.value {
            fmountat::options::Value::None => String::new(),
            fmountat::options::Value::Optional(what) => format!("[={what}]"),
            fmountat::options::Value::Required(what) => format!("={what}"),
        };
        let places: Vec<_> = word.places.iter_names().map(|(name, _)| name.to_lowercase()).collect();
        let (set, clear) = word.attr();
        let (ms_set, ms_clear) = word.ms();
        page += &format!(
            "| `{}{}` | {} | {} | {} | {} | {} | {} | {} | {} |\n",
            word.name,
            value.replace('|', "\\|"),
            word.recursive_form().map(|form| format!("`{form}`")).unwrap_or_default(),
            word.layer(),
            if word.layer() == "refused" { "nowhere".to_owned() } else { places.join(", ") },
            attr(set),
            attr(clear),
            ms_names(ms_set),
            ms_names(ms_clear),
            word.help,
        );
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/options.md");
    if std::env::var_os("FMOUNTAT_REGENERATE").is_some() {
        std::fs::write(&path, &page).unwrap();
    }
    assert!(std::fs::read_to_string(&path).unwrap_or_default() == page, "docs/options.md is out of date");
}

/// `MS_*` of `<linux/mount.h>` without the prefix.
fn ms_names(bits: u64) -> String {
    let all = [
        (libc::MS_RDONLY, "RDONLY"),
        (libc::MS_NOSUID, "NOSUID"),
        (libc::MS_NODEV, "NODEV"),
        (libc::MS_NOEXEC, "NOEXEC"),
        (libc::MS_SYNCHRONOUS, "SYNCHRONOUS"),
        (libc::MS_REMOUNT, "REMOUNT"),
        (libc::MS_MANDLOCK, "MANDLOCK"),
        (libc::MS_DIRSYNC, "DIRSYNC"),
        (libc::MS_NOSYMFOLLOW, "NOSYMFOLLOW"),
        (libc::MS_NOATIME, "NOATIME"),
        (libc::MS_NODIRATIME, "NODIRATIME"),
        (libc::MS_BIND, "BIND"),
        (libc::MS_REC, "REC"),
        (libc::MS_UNBINDABLE, "UNBINDABLE"),
        (libc::MS_PRIVATE, "PRIVATE"),
        (libc::MS_SLAVE, "SLAVE"),
        (libc::MS_SHARED, "SHARED"),
        (libc::MS_STRICTATIME, "STRICTATIME"),
        (libc::MS_LAZYTIME, "LAZYTIME"),
    ];
    let known = all.iter().filter(|(bit, _)| bits & bit != 0);
    assert_eq!(known.clone().fold(0, |all, (bit, _)| all | bit), bits, "a bit of {bits:#x} has no name here");
    known.map(|(_, name)| *name).collect::<Vec<_>>().join(" ")
}

const PAGE_HEAD: &str = "# Mount options

The options of `-o`, and of `\"options\"` in a mount list. A test makes this page from the option table
(`FMOUNTAT_REGENERATE=1 cargo test -p fmountat --test house house::`). Another test sets each option and each pair of
options, and reads the result back from the kernel (`cargo test -p fmountat --test mounts options::`).

- An option that is not in the table is passed to the file system.
- Of two options that exclude each other, the later one wins: `rw,rro` makes the whole tree read-only, `rro,rw` all but
  the top.
- `OPTION=recursive` is the recursive form. `ro=vfs` makes the mount read-only, `ro=fs` the file system; `ro` does both.
- A bind without a propagation option is private, with all mounts below it. With a `linux` section of OCI it is a slave.
- The access-time policy is one field (`_ATIME`). Each option of the policy replaces the field. The default is relatime.
- A comma inside double quotes or after a backslash does not separate options. The quotes are removed.
- An option that would have no effect is an error. With `--compat containerd` it is ignored and listed.
- `x-...`, `X-...` and `comment=` are comments for other programs.

In the column *layer*, *attribute* is a flag of the mount, *filesystem* one of the file system, *engine* an option that
fmountat itself carries out, *note* one for other programs.

| option | for a tree | layer | where | sets MOUNT_ATTR_ | clears | sets MS_ | clears | what it does |
|---|---|---|---|---|---|---|---|---|
";
