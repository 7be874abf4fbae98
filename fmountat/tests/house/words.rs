// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Retired terms and phrases, with the number of uses that are left, and the width of comments.
//!
//! `cargo test -p fmountat --test house words:: -- --nocapture` prints FILE:LINE of each use.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::path::{Path, PathBuf};

#[derive(Clone, Copy)]
enum Scope {
    /// Code, comments and pages: whole words, and parts of identifiers between underscores.
    Anywhere,
    /// Identifiers, and their parts between underscores.
    Code,
    /// The declaration of a type, function, module, constant or static.
    Declared,
    /// Words in a row, in code, comments and pages, across the end of a line.
    Phrase,
}
use Scope::{Anywhere, Code, Declared, Phrase};

/// A term, where it is retired, and how many uses are left. The numbers ONLY GO DOWN, to 0:
/// lower them when uses are removed. Four names of types stood for several things: one type may
/// keep each.
const RETIRED: &[(&str, Scope, usize)] = &[
    // One name for one thing: the name that the man pages, the kernel, OCI or containerd has.
    ("minder", Anywhere, 0),
    ("landed", Anywhere, 0),
    ("rehearse", Anywhere, 0),
    ("foresee", Anywhere, 0),
    ("throwaway", Anywhere, 0),
    ("unmatched", Anywhere, 0),
    ("classic", Anywhere, 0),
    ("attr_old", Anywhere, 0),
    ("PathCover", Anywhere, 0),
    ("PathCovers", Anywhere, 0),
    ("way", Code, 0),
    ("ways", Code, 0),
    ("note", Code, 0),
    ("notes", Code, 0),
    ("told", Code, 0),
    ("hang", Code, 0),
    ("hinted", Code, 0),
    ("held_by", Code, 0),
    ("take_away", Code, 0),
    ("staging", Code, 0),
    ("crowd", Code, 0),
    ("sketch", Code, 0),
    ("gather", Declared, 0),
    ("outlive", Declared, 0),
    ("survive", Declared, 0),
    ("first", Declared, 0),
    ("taken", Declared, 0),
    ("because", Declared, 0),
    ("arg", Declared, 0),
    ("apart", Declared, 0),
    ("other", Declared, 0),
    ("machine", Declared, 0),
    ("stage", Declared, 0),
    ("hidden", Declared, 0),
    ("elsewhere", Declared, 0),
    ("base", Declared, 0),
    ("store", Declared, 0),
    ("look", Declared, 0),
    ("owners", Declared, 0),
    ("Word", Declared, 0),
    ("Cover", Declared, 0),
    ("Covers", Declared, 0),
    ("Piece", Declared, 0),
    ("Pieces", Declared, 0),
    ("Built", Declared, 0),
    ("Done", Declared, 0),
    ("Made", Declared, 0),
    ("Cleaned", Declared, 0),
    ("Standing", Declared, 0),
    ("Finding", Declared, 0),
    ("Instead", Code, 0),
    ("Place", Declared, 1),
    ("Job", Declared, 1),
    ("Step", Declared, 1),
    ("Found", Declared, 0),
    // Plain technical English: say what the code does.
    ("is told", Phrase, 0),
    ("are told", Phrase, 0),
    ("not to be told", Phrase, 0),
    ("is said", Phrase, 0),
    ("are said", Phrase, 0),
    ("can't be covered is said", Phrase, 0),
    ("is known", Phrase, 0),
    ("is gone", Phrase, 0),
    ("goes", Phrase, 0),
    ("stays", Phrase, 0),
    ("comes", Phrase, 0),
    ("who has not got", Phrase, 0),
    ("for good", Phrase, 0),
    ("from now on", Phrase, 0),
    ("not so many events came", Phrase, 0),
    ("there to be read only", Phrase, 0),
    ("bytes that are no", Phrase, 0),
    ("engine word", Phrase, 0),
    ("engine words", Phrase, 0),
    ("option word", Phrase, 0),
    ("option words", Phrase, 0),
    ("by mount(2)", Phrase, 0),
];

const SOURCES: [&str; 10] = [
    "fmountat/src",
    "fmountat/tests",
    "fmountat/benches",
    "fmountat/examples",
    "fmountat-cli/src",
    "fmountat-cli/tests",
    "testing/src",
    "testing/tests",
    "xtask/src",
    "fuzz/fuzz_targets",
];

const PAGES: [&str; 6] = ["README.md", "CONTRIBUTING.md", "SECURITY.md", "docs", "man", "completions"];

/// Pages of what a run has shown: their words come from programs, kernels and the code.
const MEASURED: [&str; 5] =
    ["benchmarks.md", "kernels.md", "mount8.md", "errors.md", "errors-beside-mount8.md"];

fn files(path: &Path, found: &mut Vec<PathBuf>) {
    if path.is_dir() {
        let mut entries: Vec<_> =
            std::fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()).collect();
        entries.sort();
        entries.iter().for_each(|path| files(path, found));
    } else {
        found.push(path.to_owned());
    }
}

/// Path below the repository's root, and the text. This file is left out: it has every term.
fn texts(parts: &[&str]) -> Vec<(String, String)> {
    let top = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let mut paths = Vec::new();
    for part in parts {
        files(&top.join(part), &mut paths);
    }
    let is_read = |path: &PathBuf| {
        let name = path.file_name().unwrap().to_str().unwrap();
        let is_text = path.extension().is_some_and(|e| e == "rs" || e == "md" || e == "1")
            || path.starts_with(top.join("completions"));
        let is_measured = MEASURED.contains(&name) || path.starts_with(top.join("docs/measured"));
        is_text && !is_measured && !path.ends_with("house/words.rs")
    };
    paths.retain(is_read);
    let below_top = |path: &Path| path.strip_prefix(top).unwrap().display().to_string();
    paths.iter().map(|path| (below_top(path), std::fs::read_to_string(path).unwrap())).collect()
}

/// A word or one mark that ends a clause, and the number of its line.
struct Token<'t> {
    text: &'t str,
    line: usize,
    is_code: bool,
}

/// Returns the words of a text, without brackets, quotes, commas and the signs of comments.
fn tokens(text: &str, is_rust: bool) -> Vec<Token<'_>> {
    let is_part = |c: char| c.is_alphanumeric() || c == '_' || c == '\'';
    let mut found = Vec::new();
    let mut lexer = Lexer::Code;
    for (at, whole) in text.lines().enumerate() {
        let code = if is_rust { lexer.code_of(whole) } else { vec![false; whole.len()] };
        let mut rest = whole;
        while let Some(first) = rest.chars().next() {
            let start = whole.len() - rest.len();
            let length = match is_part(first) {
                true => rest.find(|c| !is_part(c)).unwrap_or(rest.len()),
                false => first.len_utf8(),
            };
            if is_part(first) || ".;:!?|=".contains(first) {
                let text = rest[..length].trim_matches('\'');
                found.push(Token { text, line: at + 1, is_code: code[start] });
            }
            rest = &rest[length..];
        }
        if whole.trim_start_matches(['/', '!', ' ', '#']).is_empty() {
            found.push(Token { text: ".", line: at + 1, is_code: false });
        }
    }
    assert!(matches!(lexer, Lexer::Code), "a string without an end: {text:.200}");
    found
}

/// The state of the lexer at the start of a line. It knows raw strings with one `#`.
enum Lexer {
    Code,
    /// A string that ends with this.
    Text(&'static str),
}

impl Lexer {
    /// Returns for each byte of the line whether it is neither in a comment nor in a string.
    fn code_of(&mut self, line: &str) -> Vec<bool> {
        let mut is_code = vec![false; line.len()];
        let mut at = 0;
        while at < line.len() {
            let rest = &line.as_bytes()[at..];
            let starts = |sign: &str| rest.starts_with(sign.as_bytes());
            let length = match self {
                Self::Code if starts("//") => break,
                Self::Code if starts("'\"'") || starts("b'\"'") => 3,
                Self::Code if starts("'\\\"'") => 4,
                Self::Code if starts("r#\"") => {
                    *self = Self::Text("\"#");
                    3
                }
                Self::Code if starts("\"") => {
                    *self = Self::Text("\"");
                    1
                }
                Self::Code => {
                    is_code[at] = true;
                    1
                }
                Self::Text("\"") if starts("\\") => 2,
                Self::Text(end) if starts(end) => {
                    let length = end.len();
                    *self = Self::Code;
                    length
                }
                Self::Text(_) => 1,
            };
            at += length;
        }
        is_code
    }
}

fn is_declared(tokens: &[Token<'_>], at: usize) -> bool {
    let keywords = ["struct", "enum", "union", "trait", "type", "fn", "mod", "const", "static"];
    at > 0 && tokens[at].is_code && keywords.contains(&tokens[at - 1].text)
}

/// Returns the numbers of the lines on which a term is used.
fn uses(tokens: &[Token<'_>], term: &str, scope: Scope) -> Vec<usize> {
    let words: Vec<&str> = term.split([' ', '(', ')']).filter(|word| !word.is_empty()).collect();
    let is_used = |at: usize| {
        let Token { text, is_code, .. } = tokens[at];
        let is_whole_or_part =
            || text.contains(term) && (text == term || text.split('_').any(|part| part == term));
        match scope {
            Anywhere => is_whole_or_part(),
            Code => is_code && is_whole_or_part(),
            Declared => text == term && is_declared(tokens, at),
            Phrase => words.iter().enumerate().all(|(after, word)| {
                tokens.get(at + after).is_some_and(|token| token.text.eq_ignore_ascii_case(word))
            }),
        }
    };
    (0..tokens.len()).filter(|at| is_used(*at)).map(|at| tokens[at].line).collect()
}

#[test]
fn retired_terms_get_fewer() {
    let texts = texts(&[SOURCES.as_slice(), PAGES.as_slice()].concat());
    assert!(texts.len() > 250, "{} files", texts.len());
    let read: Vec<_> = texts.iter().map(|(path, text)| (path, tokens(text, path.ends_with(".rs")))).collect();
    let mut too_many = Vec::new();
    for (term, scope, allowed) in RETIRED {
        let mut places = Vec::new();
        for (path, tokens) in &read {
            places.extend(uses(tokens, term, *scope).iter().map(|line| format!("  {path}:{line}")));
        }
        let report = format!("{term}: {} of {allowed} allowed\n{}\n", places.len(), places.join("\n"));
        match places.len() {
            0 if *allowed == 0 => {}
            count if count > *allowed => too_many.push(report),
            _ => println!("{report}"),
        }
    }
    assert!(too_many.is_empty(), "more uses than the table allows:\n{}", too_many.join("\n"));
}

/// Rows of tables and addresses can't be wrapped.
fn is_wide(line: &str) -> bool {
    let text = line.trim_start();
    let can_wrap = !text.trim_start_matches(['/', '!', ' ']).starts_with('|') && !text.contains("://");
    text.starts_with("//") && can_wrap && line.chars().count() > 100
}

#[test]
fn comments_are_100_columns_wide_at_most() {
    let mut wide = Vec::new();
    for (path, text) in texts(&SOURCES) {
        let lines = text.lines().enumerate().filter(|(_, line)| is_wide(line));
        wide.extend(lines.map(|(at, line)| format!("  {path}:{}: {} columns", at + 1, line.chars().count())));
    }
    assert!(wide.is_empty(), "comment lines wider than 100 columns:\n{}", wide.join("\n"));
}

#[test]
fn each_term_is_found_where_it_is_retired() {
    let text = r#"
/// The minder is
/// told. A way; is gone.
fn hang(way: &str) { by_minder('"', "a \" way"); } // a way
struct Built;
"#;
    let read = tokens(text, true);
    let found = |term, scope| uses(&read, term, scope);
    assert_eq!(found("minder", Anywhere), [2, 4]);
    assert_eq!(found("is told", Phrase), [2]);
    assert_eq!(found("is gone", Phrase), [3]);
    assert_eq!(found("told a", Phrase), [0; 0]);
    assert_eq!(found("way", Code), [4]);
    assert_eq!(found("hang", Declared), [4]);
    assert_eq!(found("Built", Declared), [5]);
    assert_eq!(uses(&tokens("Mounted\nBy mount(2), all.\n", false), "by mount(2)", Phrase), [2]);
    let wide = "a ".repeat(50);
    assert!(is_wide(&format!("    /// {wide}")));
    assert!(!is_wide(&format!("//! | {wide}")));
}
