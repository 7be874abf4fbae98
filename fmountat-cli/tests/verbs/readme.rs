// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Types the README's console blocks into one shell as an ordinary user. Each command must print
//! what the README shows.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use fmountat_testing::{binary, copy_from_package, mkdirs, scratch, write};
use std::path::PathBuf;
use std::process::Command;

/// One command of the README, with the output that the README shows.
#[derive(Debug)]
struct Example {
    command: String,
    output: String,
}

/// Returns the commands of all console blocks, in order. A command extends to the end of its
/// here-document. The prompt is `$`, and `#` after the line that makes a namespace.
fn examples(readme: &str) -> Vec<Example> {
    let mut examples: Vec<Example> = Vec::new();
    let (mut inside, mut document) = (false, false);
    for line in readme.lines() {
        match line {
            "```console" => inside = true,
            "```" => inside = false,
            _ if !inside => {}
            _ if document => {
                document = line != "JSON";
                let last = examples.last_mut().unwrap();
                last.command.push_str(&format!("\n{line}"));
            }
            _ => match line.strip_prefix("$ ").or(line.strip_prefix("# ")) {
                Some(command) => {
                    document = command.ends_with("<<'JSON'");
                    examples.push(Example { command: command.to_owned(), output: String::new() });
                }
                None => examples.last_mut().unwrap().output.push_str(&format!("{line}\n")),
            },
        }
    }
    examples
}

/// The line that creates a namespace starts a shell in it, and that shell reads the later commands.
const NAMESPACE: &str = "unshare --user --map-root-user --mount";

/// Separates the output of one command from the next one's.
const SEPARATOR: char = '\u{1e}';

/// Returns the script of these commands, and writes the part that the shell in the namespace reads.
fn script(examples: &[Example]) -> String {
    let mut script = String::from("exec 2>&1\n");
    for (at, example) in examples.iter().enumerate() {
        if example.command == NAMESPACE {
            let rest = scratch().join("in-the-namespace");
            write(&rest, script_of_rest(&examples[at + 1..]));
            return format!("{script}printf '\\036'\nexec {NAMESPACE} sh {}\n", rest.display());
        }
        script += &format!("{}\nprintf '\\036'\n", example.command);
    }
    script
}

fn script_of_rest(examples: &[Example]) -> String {
    assert!(examples.iter().all(|example| example.command != NAMESPACE), "one namespace is enough");
    script(examples)
}

/// Copies the examples to the scratch directory. Returns the directory of the command.
fn furnish() -> PathBuf {
    copy_from_package("../examples", scratch().join("repository/examples"));
    mkdirs(scratch(), &["home", "tmp"]);
    let program = binary(env!("CARGO_BIN_EXE_fmountat"));
    program.parent().unwrap().to_owned()
}

fn names(dir: &str) -> Vec<String> {
    let entries = std::fs::read_dir(scratch().join(dir)).unwrap();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

fmountat_testing::cases! {
    /// Every command prints the text below it; `...` stands for anything. Before Linux 6.15 `run`
    /// prints more and counts its helpers.
    fn every_console_block_is_true() needs [User, UserNamespaces, Kernel(6, 15)] {
        let programs = furnish();
        let path = format!("{}:{}", programs.display(), std::env::var("PATH").unwrap());
        let examples = examples(include_str!("../../../README.md"));
        assert!(examples.len() > 10, "{examples:?}");
        assert!(examples.iter().any(|example| example.command == NAMESPACE), "{examples:?}");
        let output = Command::new("sh").arg("-c").arg(script(&examples))
            .current_dir(scratch().join("repository")).env("PATH", &path)
            .env("HOME", scratch().join("home")).env("TMPDIR", scratch().join("tmp")).output().unwrap();
        let got = String::from_utf8_lossy(&output.stdout);
        let parts: Vec<&str> = got.split(SEPARATOR).collect();
        for (example, got) in examples.iter().zip(&parts) {
            if example.output != "...\n" {
                assert_eq!(*got, example.output, "$ {}", example.command);
            }
        }
        assert_eq!(parts.len(), examples.len() + 1, "{got}");
        assert_eq!(names("repository"), ["examples"], "a file that git would show");
        assert_eq!(names("home"), [""; 0], "a file in the user's home");
    }
}
