// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Checks the order of the source files: each imports only from files before it. The order is that
//! of the `mod` lines, lowest first; a folder's files precede the file that declares them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::BTreeMap;
use std::path::Path;

/// Source texts by path, `lib.rs` or `main.rs` among them.
type Sources = BTreeMap<String, String>;

/// A path in the code: `crate::vfs::tree::Tree` is `["vfs", "tree", "Tree"]`.
type Segments = Vec<String>;

/// The files of a crate in order, and the file of each module.
#[derive(Default)]
struct CrateFiles {
    order: Vec<String>,
    modules: BTreeMap<Segments, String>,
    /// Re-exports: a name in a module, and the path that it stands for.
    reexports: BTreeMap<Segments, Segments>,
}

impl CrateFiles {
    fn of(sources: &Sources, root: &str) -> Self {
        let mut house = Self::default();
        house.add(sources, root, &Vec::new());
        house
    }

    fn add(&mut self, sources: &Sources, file: &str, module: &Segments) {
        for name in declared_modules(&sources[file]) {
            let inner = [module.clone(), vec![name]].concat();
            let path = inner.join("/");
            let candidates = [format!("{path}.rs"), format!("{path}/mod.rs")];
            let found = candidates.into_iter().find(|path| sources.contains_key(path));
            self.add(sources, &found.unwrap_or_else(|| panic!("{file}: no file for {path}")), &inner);
        }
        self.order.push(file.to_owned());
        self.modules.insert(module.clone(), file.to_owned());
        for (_, path, is_public) in imports(&sources[file]) {
            if let (true, Some(path)) = (is_public, self.absolute(&path, module)) {
                let name = path.last().cloned().unwrap_or_default();
                self.reexports.insert([module.clone(), vec![name]].concat(), path);
            }
        }
    }

    /// Returns the path from the crate's root, or `None` if it leads to another crate.
    fn absolute(&self, path: &str, module: &Segments) -> Option<Segments> {
        let mut segments: Vec<String> = path.split("::").map(str::to_owned).collect();
        let mut from = module.clone();
        match segments.first()?.as_str() {
            "crate" => return Some(segments.split_off(1)),
            "self" => drop(segments.remove(0)),
            "super" => {
                while segments.first().is_some_and(|first| first == "super") {
                    segments.remove(0);
                    from.pop();
                }
            }
            name => {
                let inner = [module.clone(), vec![name.to_owned()]].concat();
                let is_module = self.modules.contains_key(&inner);
                return is_module.then(|| [module.clone(), segments].concat());
            }
        }
        Some([from, segments].concat())
    }

    /// Returns the file that defines the item at this path. `depth` counts the re-exports on the
    /// way.
    fn file(&self, path: &Segments, depth: usize) -> Option<&str> {
        for length in (0..=path.len()).rev() {
            let (front, rest) = path.split_at(length);
            if let Some(file) = self.modules.get(front) {
                let renamed = rest
                    .first()
                    .and_then(|name| self.reexports.get(&[front, std::slice::from_ref(name)].concat()));
                return match renamed.filter(|_| depth < 8) {
                    Some(path) => self.file(&[path.as_slice(), &rest[1..]].concat(), depth + 1),
                    None => Some(file),
                };
            }
        }
        None
    }
}

/// Returns the code before the unit tests, without comments.
fn code(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let lines = text.lines().enumerate().map(|(at, line)| (at + 1, line.split("//").next().unwrap_or("")));
    lines.take_while(|(_, line)| !line.starts_with("mod tests {"))
}

/// Returns the modules of a file's `mod` lines, in order, except modules for tests.
fn declared_modules(text: &str) -> Vec<String> {
    let mut names = Vec::new();
    let mut is_for_tests = false;
    for (_, line) in code(text) {
        let name = line.split("mod ").nth(1).and_then(|rest| rest.strip_suffix(';'));
        if let Some(name) = name.filter(|_| !line.starts_with(' ') && !is_for_tests) {
            names.push(name.to_owned());
        }
        is_for_tests = line.starts_with("#[cfg(test)]")
            || line.starts_with("#[cfg(any(test")
            || is_for_tests && line.starts_with("#[");
    }
    names
}

/// Returns all paths that a file names: the line, the path, whether it is re-exported.
fn imports(text: &str) -> Vec<(usize, String, bool)> {
    let mut found = Vec::new();
    let mut open: Option<(usize, String)> = None;
    for (number, line) in code(text) {
        let trimmed = line.trim();
        let is_use = trimmed.starts_with("use ") || trimmed.starts_with("pub") && trimmed.contains(" use ");
        match &mut open {
            Some((_, statement)) => statement.push_str(trimmed),
            None if is_use => open = Some((number, trimmed.to_owned())),
            None => found.extend(inline_paths(line).into_iter().map(|path| (number, path, false))),
        }
        if let Some((number, statement)) = open.take_if(|(_, statement)| statement.ends_with(';')) {
            let is_public = statement.starts_with("pub");
            let tree = statement.split_once("use ").map_or("", |(_, tree)| tree).trim_end_matches(';');
            found.extend(use_tree_paths(tree).into_iter().map(|path| (number, path, is_public)));
        }
    }
    found
}

/// `crate::...` and `super::...` in the middle of a line.
fn inline_paths(line: &str) -> Vec<String> {
    let is_part = |c: char| c.is_alphanumeric() || c == '_' || c == ':';
    let words = line.split(|c| !is_part(c));
    words
        .filter(|word| word.starts_with("crate::") || word.starts_with("super::"))
        .map(str::to_owned)
        .collect()
}

/// `a::{b, c::{d, e}}` as `a::b`, `a::c::d`, `a::c::e`.
fn use_tree_paths(tree: &str) -> Vec<String> {
    let tree = tree.trim();
    let Some((front, rest)) = tree.split_once('{') else {
        let path = tree.split(" as ").next().unwrap_or(tree);
        return vec![path.trim_end_matches("::self").trim_end_matches("::*").to_owned()];
    };
    let inner = &rest[..rest.rfind('}').unwrap_or(rest.len())];
    let (mut parts, mut depth) = (vec![String::new()], 0);
    for c in inner.chars() {
        depth += i32::from(c == '{') - i32::from(c == '}');
        match c {
            ',' if depth == 0 => parts.push(String::new()),
            c => parts.last_mut().unwrap().push(c),
        }
    }
    let parts = parts.iter().filter(|part| !part.trim().is_empty());
    parts.flat_map(|part| use_tree_paths(&format!("{front}{}", part.trim()))).collect()
}

/// Lists the imports of files that come after the importing file.
fn violations(sources: &Sources, root: &str) -> Vec<String> {
    let house = CrateFiles::of(sources, root);
    let place = |file: &str| house.order.iter().position(|one| one == file).unwrap();
    let mut found = Vec::new();
    for (module, file) in &house.modules {
        for (line, path, _) in imports(&sources[file]) {
            let target = house.absolute(&path, module).and_then(|path| house.file(&path, 0));
            if let Some(target) = target.filter(|target| *target != file && place(target) > place(file)) {
                found.push(format!("{file}:{line}: imports {path} of {target}, which follows it"));
            }
        }
    }
    found.sort();
    found
}

fn read(dir: &Path, within: &Path, sources: &mut Sources) {
    for entry in std::fs::read_dir(dir).unwrap().map(Result::unwrap) {
        let path = entry.path();
        if path.is_dir() {
            read(&path, within, sources);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            let name = path.strip_prefix(within).unwrap().to_str().unwrap().to_owned();
            sources.insert(name, std::fs::read_to_string(&path).unwrap());
        }
    }
}

fn sources_of(dir: &str) -> Sources {
    let top = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(dir);
    let mut sources = Sources::new();
    read(&top, &top, &mut sources);
    assert!(sources.len() > 20, "{dir}: {sources:?}");
    sources
}

#[test]
fn no_file_imports_upwards() {
    for (dir, root) in [("fmountat/src", "lib.rs"), ("fmountat-cli/src", "main.rs")] {
        let found = violations(&sources_of(dir), root);
        assert!(found.is_empty(), "{dir}:\n{}", found.join("\n"));
    }
}

#[test]
fn the_folder_of_sets_has_ten_entries_at_most() {
    let names = declared_modules(&sources_of("fmountat/src")["set/mod.rs"]);
    assert!(names.len() <= 10, "{names:?}");
}

/// Checks that `violations` finds an import of a higher file, and a cycle, also through re-exports.
#[test]
fn an_arrow_up_and_a_cycle_are_found() {
    let house = |low: &str, high: &str| {
        let files = [
            ("lib.rs", "mod low;\nmod upper;\npub use upper::high::High;\n"),
            ("low.rs", low),
            ("upper/mod.rs", "mod middle;\nmod high;\n\npub use high::High;\n"),
            ("upper/middle.rs", "pub struct Middle;\n"),
            ("upper/high.rs", high),
        ];
        files.map(|(path, text)| (path.to_owned(), text.to_owned())).into_iter().collect::<Sources>()
    };
    let above = "use super::middle::Middle;\nuse crate::low::Low;\n";
    assert_eq!(violations(&house("pub struct Low;\n", above), "lib.rs"), Vec::<String>::new());
    let up = "\nuse crate::upper::{High, middle::Middle};\n";
    assert_eq!(
        violations(&house(up, "pub struct High;\n"), "lib.rs"),
        [
            "low.rs:2: imports crate::upper::High of upper/high.rs, which follows it",
            "low.rs:2: imports crate::upper::middle::Middle of upper/middle.rs, which follows it",
        ]
    );
    let cycle = violations(&house("fn low() {\n    crate::High::new();\n}\n", above), "lib.rs");
    assert_eq!(cycle, ["low.rs:2: imports crate::High::new of upper/high.rs, which follows it"]);
    let commented = "// use crate::upper::High;\n#[cfg(test)]\nmod tests {\n    use crate::upper::High;\n}\n";
    assert_eq!(violations(&house(commented, above), "lib.rs"), Vec::<String>::new());
}
