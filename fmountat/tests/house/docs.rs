// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Checks the hand-written pages: every relative link leads to a file and to a heading in it; the
//! figure matches its script.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::path::{Path, PathBuf};
use std::process::Command;

fn top() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Returns README.md and its siblings, and every page below docs/.
fn pages() -> Vec<PathBuf> {
    let list = |dir: &Path| std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    let mut pages: Vec<PathBuf> = list(&top()).filter(|path| is_page(path)).collect();
    let mut folders = vec![top().join("docs")];
    while let Some(folder) = folders.pop() {
        let (inner, files): (Vec<_>, Vec<_>) = list(&folder).partition(|path| path.is_dir());
        folders.extend(inner);
        pages.extend(files.into_iter().filter(|path| is_page(path)));
    }
    pages
}

fn is_page(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "md")
}

/// Returns the lines that are not in a fenced block.
fn prose(page: &str) -> impl Iterator<Item = &str> {
    let mut is_code = false;
    page.lines().filter(move |line| {
        let is_fence = line.starts_with("```");
        is_code ^= is_fence;
        !is_code && !is_fence
    })
}

/// Returns what stands in the brackets of `[text](target)`, without code spans and whole addresses.
fn links(page: &str) -> Vec<String> {
    let mut found = Vec::new();
    let text = prose(page).collect::<Vec<_>>().join("\n");
    for paragraph in text.split("\n\n") {
        // Every second part is a code span; its link, if it has one, ends after it.
        let paragraph: String = paragraph.split('`').step_by(2).collect();
        for rest in paragraph.split("](").skip(1) {
            let target = rest.split(')').next().unwrap();
            if !target.contains("://") && !target.starts_with("mailto:") {
                found.push(target.to_owned());
            }
        }
    }
    found
}

/// Returns the anchors of a page's headings, as GitHub makes them.
fn anchors(page: &str) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for line in prose(page).filter(|line| line.starts_with('#')) {
        let heading = line.trim_start_matches('#').trim().to_lowercase();
        let kept = heading.chars().filter(|c| c.is_alphanumeric() || [' ', '-', '_'].contains(c));
        let anchor: String = kept.map(|c| if c == ' ' { '-' } else { c }).collect();
        let before = found.iter().filter(|other| **other == anchor).count();
        found.push(if before == 0 { anchor } else { format!("{anchor}-{before}") });
    }
    found
}

/// Returns the links of the page at `path` that lead nowhere.
fn broken(path: &Path, page: &str) -> Vec<String> {
    let is_broken = |link: &String| {
        let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
        let target = if file.is_empty() { path.to_owned() } else { path.parent().unwrap().join(file) };
        if !file.is_empty() && !target.exists() {
            return true;
        }
        let text = if file.is_empty() { page.to_owned() } else { read_page(&target) };
        !anchor.is_empty() && !anchors(&text).iter().any(|other| other == anchor)
    };
    links(page).into_iter().filter(is_broken).collect()
}

fn read_page(path: &Path) -> String {
    if is_page(path) { std::fs::read_to_string(path).unwrap() } else { String::new() }
}

#[test]
fn every_relative_link_leads_somewhere() {
    let pages = pages();
    assert!(pages.len() > 10, "{pages:?}");
    let of_page = |path: &PathBuf| {
        let links = broken(path, &read_page(path));
        links.into_iter().map(|link| format!("{}: {link}", path.display())).collect::<Vec<_>>()
    };
    let found: Vec<String> = pages.iter().flat_map(of_page).collect();
    assert!(found.is_empty(), "no such file or heading:\n{}", found.join("\n"));
}

#[test]
fn a_broken_link_is_found() {
    let page = "# A `run(8)` page\n[a](house.rs) [b](#a-run8-page) [c](none.rs)\n```\n[d](none.rs)\n# E\n```\n`[f](none.rs)` \
                [`g`](#e) [h](https://none.example/x)\n";
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/house/page.md");
    assert_eq!(broken(&path, page), ["none.rs", "#e"]);
    assert_eq!(anchors("# Twice\n## Twice\n"), ["twice", "twice-1"]);
}

#[test]
fn the_figure_is_made_by_its_script() {
    let made = Path::new(env!("CARGO_TARGET_TMPDIR")).join("built-out-of-sight.svg");
    let status = Command::new("sh").arg(top().join("docs/figures/make.sh")).arg(&made).status().unwrap();
    assert!(status.success(), "{status}");
    let kept = std::fs::read_to_string(top().join("docs/built-out-of-sight.svg")).unwrap();
    assert!(
        kept == std::fs::read_to_string(made).unwrap(),
        "docs/built-out-of-sight.svg: run docs/figures/make.sh"
    );
}
