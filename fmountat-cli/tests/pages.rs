// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `docs/cli.md` and `man/`, generated from the definition of the command line and `src/help/`.
//!
//! `FMOUNTAT_REGENERATE=1 cargo test -p fmountat-cli --test pages` regenerates them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[allow(dead_code, unreachable_pub)]
#[path = "../src/args.rs"]
mod args;
#[allow(dead_code, unreachable_pub)]
#[path = "../src/mount_args.rs"]
mod mount_args;
#[allow(dead_code, unreachable_pub)]
#[path = "../src/set_args.rs"]
mod set_args;
#[allow(dead_code, unreachable_pub)]
#[path = "../src/run_args.rs"]
mod run_args;

use clap::{Arg, Command, CommandFactory, Parser};
use clap_mangen::Man;
use clap_mangen::roff::{Roff, bold, roman};
use std::fmt::Write as _;
use std::path::PathBuf;

/// The description in fmountat(8). `fmountat --help` has no room for it.
const DESCRIPTION: &str = "\
Builds container root file systems from overlays, bind mounts, images and other file systems. A set of mounts is built \
detached, where no other process sees it, and published in one step. If a step fails, nothing is mounted.

Results are printed on stdout, errors on stderr as `fmountat: OPERATION ARGUMENT: REASON (ERRNO)`, followed by lines \
with the messages of the kernel and a hint. With --json, both are objects, one per line, in which bytes that are not \
valid UTF-8 become U+FFFD.";

/// Returns the command without its hidden verb.
fn command() -> Command {
    let full = args::Cli::command().version("0");
    let shown: Vec<Command> = full.get_subcommands().filter(|verb| !verb.is_hide_set()).cloned().collect();
    let about = full.get_about().cloned().unwrap();
    let mut command = Command::new("fmountat")
        .version("0")
        .long_about(format!("{about}\n\n{DESCRIPTION}"))
        .about(about)
        .args(full.get_arguments().cloned())
        .subcommands(shown);
    command.build();
    command
}

fn verbs(command: &Command) -> Vec<Command> {
    command.get_subcommands().filter(|verb| verb.get_name() != "help").cloned().collect()
}

/// A section below the options: its title, and its items, each a term with a text.
struct Section {
    title: &'static str,
    items: Vec<(String, String)>,
}

/// Returns the sections of a text of `src/help/`. A line that ends with a colon is a title.
/// Indented by four columns, `TERM TEXT` or `TERM` begins an item; text indented more continues it.
fn sections(text: &'static str) -> Vec<Section> {
    let mut all: Vec<Section> = Vec::new();
    for line in text.lines().filter(|line| !line.is_empty()) {
        if let Some(title) = line.strip_suffix(':').filter(|line| !line.starts_with(' ')) {
            all.push(Section { title, items: Vec::new() });
            continue;
        }
        let items = &mut all.last_mut().unwrap().items;
        let body = line.trim_start();
        match items.last_mut().filter(|_| line.starts_with("     ")) {
            Some((_, text)) if text.is_empty() => body.clone_into(text),
            Some((_, text)) => *text += &format!(" {body}"),
            None => {
                let (term, text) = body.split_once("  ").unwrap_or((body, ""));
                items.push((term.to_owned(), text.trim_start().to_owned()));
            }
        }
    }
    all
}

/// Returns the text below the options of a verb, or of the whole command, whose `--help` has no
/// room for it.
fn sections_of(name: &str) -> Vec<Section> {
    sections(match name {
        "run" => include_str!("../src/help/run.txt"),
        "mount" => include_str!("../src/help/mount.txt"),
        "apply" => include_str!("../src/help/apply.txt"),
        "explain" => include_str!("../src/help/explain.txt"),
        "umount" => include_str!("../src/help/umount.txt"),
        "list" => include_str!("../src/help/list.txt"),
        "find" => include_str!("../src/help/find.txt"),
        "watch" => include_str!("../src/help/watch.txt"),
        "doctor" => include_str!("../src/help/doctor.txt"),
        "changes" => include_str!("../src/help/changes.txt"),
        "clean" => include_str!("../src/help/clean.txt"),
        "fmountat" => include_str!("../src/help/fmountat.txt"),
        _ => panic!("src/help/{name}.txt is missing"),
    })
}

fn is_text(section: &Section) -> bool {
    section.title == "See also"
}

fn names(argument: &Arg) -> String {
    let value = argument
        .get_value_names()
        .map(|names| names.iter().map(|name| name.to_string()).collect::<Vec<_>>().join(" "));
    let takes = argument.get_action().takes_values();
    let value = value.unwrap_or_else(|| argument.get_id().as_str().to_uppercase());
    let flags =
        [argument.get_short().map(|c| format!("-{c}")), argument.get_long().map(|l| format!("--{l}"))];
    let flags: Vec<String> = flags.into_iter().flatten().collect();
    match (flags.is_empty(), takes) {
        (true, _) => value,
        (false, true) => format!("{} {value}", flags.join(", ")),
        (false, false) => flags.join(", "),
    }
}

/// Returns the paragraphs of a help as one, with angle brackets escaped for Markdown.
fn sentences(help: &str) -> String {
    help.replace("\n\n", ". ").replace('\n', " ").replace('<', "&lt;")
}

/// Wraps a paragraph at 120 columns. Every line but the first begins with `indent`.
fn wrapped(text: &str, indent: &str) -> String {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= 120 => {
                line.push(' ');
                line.push_str(word);
            }
            Some(_) => lines.push(format!("{indent}{word}")),
            None => lines.push(word.to_owned()),
        }
    }
    lines.join("\n")
}

fn usage(verb: &Command) -> String {
    let usage = verb.clone().render_usage().to_string();
    let line = usage.trim_start_matches("Usage: ").trim().to_owned();
    if line.starts_with("fmountat") { line } else { format!("fmountat {line}") }
}

fn markdown() -> String {
    let command = command();
    let mut page = String::from(HEAD);
    for verb in verbs(&command) {
        let about = verb.get_long_about().or(verb.get_about()).unwrap().to_string();
        // clap removes the period at the end of the first line.
        let about = about.trim_end_matches('.').replacen("\n\n", ".\n\n", 1) + ".";
        let about: Vec<String> = about.split("\n\n").map(|paragraph| wrapped(paragraph, "")).collect();
        let (name, usage) = (verb.get_name(), usage(&verb));
        let _ = writeln!(page, "\n## fmountat {name}\n\n```\n{usage}\n```\n\n{}\n", about.join("\n\n"));
        let shown: Vec<&Arg> = verb
            .get_arguments()
            .filter(|a| !["help", "version", "json", "verbose"].contains(&a.get_id().as_str()))
            .collect();
        for argument in shown {
            let help = argument.get_long_help().or(argument.get_help()).unwrap().to_string();
            let default = argument
                .get_default_values()
                .first()
                .filter(|_| argument.get_action().takes_values())
                .map(|v| format!(" (default {})", v.to_string_lossy()));
            // A list, since a table has no room for the longest of them.
            let item =
                format!("- `{}`: {}{}", names(argument), sentences(&help), default.unwrap_or_default());
            let _ = writeln!(page, "{}", wrapped(&item, "  "));
        }
        for section in sections_of(verb.get_name()) {
            page += &markdown_of(&section);
        }
    }
    let whole = sections_of("fmountat");
    let status = whole.iter().find(|section| section.title == "Exit status").unwrap();
    page += "\n## Exit status\n\n| | |\n|---|---|\n";
    for (number, meaning) in &status.items {
        let _ = writeln!(page, "| {number} | {meaning} |");
    }
    page
}

fn markdown_of(section: &Section) -> String {
    let mut page = format!("\n{}:\n\n", section.title);
    let items = section.items.iter();
    match section.title {
        // Pages of the manual.
        "See also" => return String::new(),
        "Examples" => {
            page += "```\n";
            for (command, text) in items {
                let comment = if text.is_empty() { String::new() } else { format!("    # {text}\n") };
                let _ = write!(page, "{command}\n{comment}");
            }
            page += "```\n";
        }
        _ => {
            for (term, text) in items {
                let item = format!("- `{term}`: {}", text.replace('<', "&lt;"));
                let _ = writeln!(page, "{}", wrapped(&item, "  "));
            }
        }
    }
    page
}

const HEAD: &str = "\
# The command line

The options of `-o` are in [options.md](options.md), the errors in [errors.md](errors.md), the [exit status](#exit-status)
below.

Two options work before and after every verb. `--json` prints results on stdout and errors on stderr as JSON, one object
per line. Bytes that are not valid UTF-8 become U+FFFD. `--verbose` prints each step on stderr: the events that the
documentation of the library lists, one per line, with the strategy that is used and why another one could not be.

Generated from the definition of the command line by the test `pages`:
`FMOUNTAT_REGENERATE=1 cargo test -p fmountat-cli --test pages` writes it and `man/`, and
`--test verbs -- completions::` writes `completions/`.
";

fn others(all: &[Command]) -> String {
    all.iter().map(|verb| format!("fmountat-{}(8)", verb.get_name())).collect::<Vec<_>>().join(", ")
}

/// One page of the manual, section 8.
fn man(verb: &Command, name: &str, all: &[Command]) -> String {
    let man = Man::new(verb.clone().display_name(name))
        .title(name.to_uppercase())
        .section("8")
        .source("fmountat")
        .manual("fmountat")
        .date("");
    let mut text = Vec::new();
    man.render_title(&mut text).unwrap();
    man.render_name_section(&mut text).unwrap();
    let mut synopsis = Roff::new();
    synopsis.control("SH", ["SYNOPSIS"]);
    synopsis.text([bold(usage(verb))]);
    synopsis.to_writer(&mut text).unwrap();
    man.render_description_section(&mut text).unwrap();
    man.render_options_section(&mut text).unwrap();
    let mut rest = Roff::new();
    if !all.is_empty() {
        rest.control("SH", ["COMMANDS"]);
        for verb in all {
            rest.control("TP", []);
            rest.text([bold(format!("fmountat-{}(8)", verb.get_name()))]);
            rest.text([roman(verb.get_about().unwrap().to_string())]);
        }
    }
    for section in sections_of(name.trim_start_matches("fmountat-")) {
        rest.control("SH", [section.title.to_uppercase().as_str()]);
        for (term, text) in &section.items {
            if is_text(&section) {
                rest.text([roman(term.replace("@COMMANDS@", &others(all)))]);
                continue;
            }
            rest.control("TP", []);
            rest.text([bold(term.as_str())]);
            rest.text([roman(text.as_str())]);
        }
    }
    rest.to_writer(&mut text).unwrap();
    let text = String::from_utf8(text).unwrap();
    let lines: Vec<&str> = text.lines().map(str::trim_end).collect();
    format!(
        ".\\\" SPDX-License-Identifier: Apache-2.0 OR MIT\n.\\\" Made by `cargo test -p fmountat-cli --test pages`; do not edit.\n{}\n",
        lines.join("\n")
    )
}

fn compare(path: &str, page: &str) {
    let path = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/..")).join(path);
    if std::env::var_os("FMOUNTAT_REGENERATE").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, page).unwrap();
    }
    let there = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        there == page,
        "{} is out of date: FMOUNTAT_REGENERATE=1 cargo test -p fmountat-cli --test pages",
        path.display()
    );
}

#[test]
fn the_page_of_the_command_is_true() {
    compare("docs/cli.md", &markdown());
}

#[test]
fn the_manual_is_true() {
    let command = command();
    let all = verbs(&command);
    compare("man/fmountat.8", &man(&command, "fmountat", &all));
    for verb in &all {
        let name = format!("fmountat-{}", verb.get_name());
        compare(&format!("man/{name}.8"), &man(verb, &name, &[]));
    }
    let kept = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../man")).unwrap().count();
    assert_eq!(kept, all.len() + 1, "a page of a verb that no longer exists");
}

/// Every verb and argument has a help text that begins with a capital letter and has no period at
/// its end. The lines of `--help` fit 80 columns, and those of the whole command 24 lines.
#[test]
fn every_help_reads_well() {
    let whole = args::Cli::try_parse_from(["fmountat", "--help"]).unwrap_err().to_string();
    assert!(whole.lines().count() <= 24 && whole.lines().all(|line| line.chars().count() <= 80), "{whole}");
    for verb in verbs(&command()) {
        let about = verb.get_about().unwrap().to_string();
        assert!(about.len() <= 68, "not one line of `fmountat --help`: {about}");
        let helps = verb.get_arguments().map(|argument| (argument.get_id().to_string(), argument.get_help()));
        for (name, help) in helps.filter(|(name, _)| !["help", "version"].contains(&name.as_str())) {
            let help = help.unwrap_or_else(|| panic!("{} {name}", verb.get_name())).to_string();
            let first = help.chars().next().unwrap();
            assert!(
                first.is_uppercase() && (!help.ends_with('.') || help.ends_with("...")),
                "{} {name}: {help}",
                verb.get_name()
            );
        }
        assert!(!about.ends_with('.'), "{about}");
        let long = verb.clone().term_width(80).render_long_help().to_string();
        assert!(long.lines().all(|line| line.chars().count() <= 80), "{long}");
    }
}
