// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `docs/errors.md` and `docs/measured/errors-beside-mount8.md`, as the situations make them.

use super::row::{Ours, Row};
use super::run::{Said, docs};
use fmountat::ErrorKind;

/// A situation with what was said in it.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) row: Row,
    pub(crate) ours: Said,
    pub(crate) theirs: Option<Said>,
}

/// One section for each kind.
fn errors(entries: &[Entry]) -> String {
    let mut page = String::from(HEAD);
    for kind in ErrorKind::all() {
        page += &format!("- [`{}`](#{})\n", kind.code(), kind.code());
    }
    for kind in ErrorKind::all() {
        page += &format!("\n## {}\n\n{}\n\n**Cure.** {}\n", kind.code(), kind.cause(), kind.cure());
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

/// What `apply -` reads.
fn list(row: &Row) -> String {
    row.before.strip_prefix("INPUT=").map(|list| format!("echo '{list}' | ")).unwrap_or_default()
}

fn beside(entries: &[Entry], version: &str) -> String {
    let mut page =
        format!("{BESIDE}{COMPARED}{version}.\n\n| situation | mount(8) | fmountat |\n|---|---|---|\n");
    for Entry { row, ours, theirs } in entries {
        let theirs = match theirs {
            None => String::from("*can't be asked*"),
            Some(said) if said.status == 0 => String::from("*succeeds*"),
            Some(said) => cell(&said.text),
        };
        page += &format!("| {}{} | {theirs} | {} |\n", row.who.words(), row.name, cell(&ours.text));
    }
    page
}

fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('<', "&lt;").replace('\n', "<br>")
}

/// The pages as they are kept; those of mount(8) hold for the version that they were made with alone.
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
# Errors beside mount(8)'s

The same situation, typed for `fmountat` and for mount(8) or umount(8): what each says. Made by the test `errors`, which provokes
each of them. What the tools write to the kernel's log alone is not here.

";

const HEAD: &str = "\
# Errors

Every error has a stable code (`code` with `--json`, `ErrorKind` in the library), the step, the system call, the argument at fault,
the errno, the kernel's own lines and a hint:

```text
fmountat: STEP ARGUMENT: REASON (ERRNO)
  kernel: what the file system said
  hint: what to try
```

What the kernel does not say is looked for after a failure, never before: a mount that works costs no look. Made by the test `errors`
(`FMOUNTAT_REGENERATE=1 cargo test -p fmountat-cli --test outcomes errors::` writes it), which provokes every situation here; causes and cures are
those of `ErrorKind::cause` and `ErrorKind::cure`. `/DIR` stands for the directory where this was typed.

";
