// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `docs/cli.md` and `man/`, made from the command line's own definition.
//!
//! `FMOUNTAT_REGENERATE=1 cargo test -p fmountat-cli --test pages` writes them anew.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[allow(dead_code, unreachable_pub)]
#[path = "../src/args.rs"]
mod args;

use clap::{Arg, Command, CommandFactory};
use clap_mangen::Man;
use clap_mangen::roff::{Roff, bold, roman};
use std::fmt::Write as _;
use std::path::PathBuf;

/// The command without the verbs that are nobody's to type.
fn command() -> Command {
    let full = args::Cli::command().version("0");
    let shown: Vec<Command> = full.get_subcommands().filter(|verb| !verb.is_hide_set()).cloned().collect();
    let about = full.get_about().cloned().unwrap();
    let mut command = Command::new("fmountat")
        .version("0")
        .about(about)
        .args(full.get_arguments().cloned())
        .subcommands(shown);
    command.build();
    command
}

fn verbs(command: &Command) -> Vec<Command> {
    command.get_subcommands().filter(|verb| verb.get_name() != "help").cloned().collect()
}

/// Status, number by number; `run` has its own.
const STATUS: [(&str, &str); 6] = [
    ("0", "success"),
    ("1", "incorrect invocation or permissions"),
    ("2", "system error: out of memory or file descriptors"),
    ("4", "internal bug"),
    ("32", "mount failure: nothing of it is left"),
    (
        "125, 126, 127",
        "`run`: fmountat failed, the command cannot be run, it is not found; otherwise the command's own status",
    ),
];

/// What a man page says besides the options.
const NOTES: &[(&str, &str, &[&str])] = &[
    (
        "mount",
        "EXAMPLES",
        &[
            "fmountat mount -t overlay -o lowerdir=2/fs:1/fs,upperdir=3/fs,workdir=3/work overlay rootfs",
            "fmountat mount -o loop,ro,offset=1MiB disk.img /mnt",
            "fmountat mount -o bind,ro,nosuid /srv/data /mnt",
            "fmountat mount -o remount,bind,noexec none /mnt",
        ],
    ),
    (
        "apply",
        "EXAMPLES",
        &["fmountat apply mounts.json /srv/rootfs", "fmountat apply --replace - /srv/rootfs < config.json"],
    ),
    (
        "explain",
        "EXAMPLES",
        &[
            "fmountat explain mounts.json /srv/rootfs",
            "fmountat --json explain mounts.json /srv/rootfs | jq .refused",
        ],
    ),
    (
        "doctor",
        "EXAMPLES",
        &["fmountat doctor", "fmountat --json doctor | jq '.findings[] | select(.state != \"fine\")'"],
    ),
    ("run", "EXAMPLES", &["fmountat run --lower / -- ./install.sh", "fmountat run rootfs.json -- /bin/sh"]),
    (
        "umount",
        "EXAMPLES",
        &[
            "fmountat umount -R /srv/rootfs",
            "fmountat --json apply set.json /srv/rootfs > set.id; fmountat umount --set set.id",
        ],
    ),
];

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

/// Returns the paragraphs of a help as one, for Markdown: an angle bracket must not begin a tag.
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
        // clap takes the point off the first line.
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
        for (_, _, lines) in NOTES.iter().filter(|(name, ..)| *name == verb.get_name()) {
            let _ = writeln!(page, "\n```\n{}\n```", lines.join("\n"));
        }
    }
    page += "\n## Exit status\n\n| | |\n|---|---|\n";
    for (number, meaning) in STATUS {
        let _ = writeln!(page, "| {number} | {meaning} |");
    }
    page
}

const HEAD: &str = "\
# The command line

The options of `-o` are in [options.md](options.md), the errors in [errors.md](errors.md), the [exit status](#exit-status)
below.

Two options work before and after every verb. `--json` prints results on stdout and errors on stderr, one JSON object
each. `--verbose` prints each step on stderr, one line for each event that the library's documentation lists.

The test `pages` makes this page and `man/` from the definition of the command line
(`FMOUNTAT_REGENERATE=1 cargo test -p fmountat-cli --test pages`).
";

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
        rest.control("SH", ["VERBS"]);
        for verb in all {
            rest.control("TP", []);
            rest.text([bold(format!("fmountat-{}(8)", verb.get_name()))]);
            rest.text([roman(verb.get_about().unwrap().to_string())]);
        }
    }
    rest.control("SH", ["EXIT STATUS"]);
    for (number, meaning) in STATUS {
        rest.control("TP", []);
        rest.text([bold(number)]);
        rest.text([roman(meaning)]);
    }
    for (_, title, lines) in NOTES.iter().filter(|(verb, ..)| name == format!("fmountat-{verb}")) {
        rest.control("SH", [*title]);
        rest.control("nf", []);
        for line in *lines {
            rest.text([roman(*line)]);
        }
        rest.control("fi", []);
    }
    rest.control("SH", ["SEE ALSO"]);
    let others = all.iter().map(|verb| format!("fmountat-{}(8), ", verb.get_name())).collect::<String>();
    let others = if all.is_empty() { String::from("fmountat(8), ") } else { others };
    rest.text([roman(format!("{others}mount(8), umount(8), mount_namespaces(7), mount_setattr(2)"))]);
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
    assert_eq!(kept, all.len() + 1, "a page of a verb that is gone");
}

/// Every verb and argument says what it is for, in a line that begins with a capital and has no point at its end.
#[test]
fn every_help_reads_well() {
    for verb in verbs(&command()) {
        let about = verb.get_about().unwrap().to_string();
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
        assert!(!about.ends_with('.') && about.len() < 100, "{about}");
        let long = verb.clone().term_width(80).render_long_help().to_string();
        assert!(long.lines().all(|line| line.chars().count() <= 80), "{long}");
    }
}
