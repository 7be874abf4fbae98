// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Writes `docs/errors.md` and `docs/measured/errors-beside-mount8.md` from the outcomes of all
//! situations.

use super::row::{Ours, Row};
use super::run::{ReportedError, docs};
use fmountat::ErrorKind;

/// A situation, with the output of both programs.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) row: Row,
    pub(crate) ours: ReportedError,
    pub(crate) theirs: Option<ReportedError>,
}

/// One section for each kind.
fn errors(entries: &[Entry]) -> String {
    let mut page = String::from(HEAD);
    for kind in ErrorKind::all() {
        page += &format!("- [`{}`](#{})\n", kind.code(), kind.code());
    }
    for kind in ErrorKind::all() {
        page += &format!("\n## {}\n\n{}\n\n**Solution.** {}\n", kind.code(), kind.cause(), kind.cure());
        for Entry { row, ours, .. } in entries.iter().filter(|entry| entry.row.kind == *kind) {
            let (who, name) = (row.who.words(), row.name);
            page += &format!("\n{who}{name}, `{}`:\n\n```text\n{}\n```\n", typed(row), ours.text);
        }
    }
    page
}

fn typed(row: &Row) -> String {
    match row.ours {
        Ours::Line(line) => format!("{}fmountat {line}", list(row)),
        Ours::Call(words, _) => words.to_owned(),
    }
}

/// Returns the shell command that writes the list for `apply -`.
fn list(row: &Row) -> String {
    row.before.strip_prefix("INPUT=").map(|list| format!("echo '{list}' | ")).unwrap_or_default()
}

/// One section for each situation.
fn beside(entries: &[Entry], version: &str) -> String {
    let mut page = format!("{BESIDE}{COMPARED}{version}.\n");
    for Entry { row, ours, theirs } in entries {
        let theirs = match theirs {
            None => String::from(" cannot express it"),
            Some(said) if said.status == 0 => String::from(" succeeds"),
            Some(said) => block(&said.text),
        };
        let (who, name) = (row.who.words(), row.name);
        page += &format!("\n## {who}{name}\n\nmount(8):{theirs}\n\nfmountat:{}\n", block(&ours.text));
    }
    page
}

fn block(text: &str) -> String {
    format!("\n\n```text\n{text}\n```")
}

/// Compares the results with the pages. Those of mount(8) are compared only for the version that
/// they were made with.
pub(crate) fn compare(entries: &[Entry], version: &str) {
    let pages =
        [("errors.md", errors(entries)), ("measured/errors-beside-mount8.md", beside(entries, version))];
    for (name, page) in pages {
        if std::env::var_os("FMOUNTAT_REGENERATE").is_some() {
            std::fs::write(docs(name), &page).unwrap();
        }
        let kept = std::fs::read_to_string(docs(name)).unwrap_or_default();
        if name == "measured/errors-beside-mount8.md" && !kept.contains(&format!("{COMPARED}{version}.\n")) {
            fmountat_testing::skip(&format!("docs/{name} was made with another mount(8) than {version}"));
        }
        let other = page.lines().find(|line| !kept.lines().any(|other| other == *line));
        assert!(
            kept == page,
            "docs/{name} is out of date: FMOUNTAT_REGENERATE=1 cargo test -p fmountat-cli --test outcomes errors:: writes it; it lacks \
             {other:?}"
        );
    }
}

const COMPARED: &str = "Compared with: ";

const BESIDE: &str = "\
# Messages of fmountat and mount(8)

The messages of `fmountat` and of mount(8) or umount(8) in the same situation. The test `errors` provokes each situation
and makes this page. Lines that appear in the kernel's log only are left out.

";

const HEAD: &str = "\
# Errors

Every error has a stable code (`code` with `--json`, `ErrorKind` in the library), an operation, the system call, the
argument, the errno, the kernel's messages and a hint:

```text
fmountat: OPERATION ARGUMENT: REASON (ERRNO)
  kernel: message of the file system
  hint: what to type or change
```

fmountat searches for the reason after a failure only, so a mount that works costs nothing extra. An argument with control
characters or invalid UTF-8 is printed as `$'...'`, which bash and zsh accept as it is. The test `errors` provokes every
situation below and makes this page (`FMOUNTAT_REGENERATE=1 cargo test -p fmountat-cli --test outcomes errors::`).
Causes and solutions are those of `ErrorKind::cause` and `ErrorKind::cure`. `/DIR` stands for the working directory.

";
