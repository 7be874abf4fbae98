// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The README's console blocks, run word by word as an ordinary user: each command prints what the README says.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use fmountat_testing::{binary, copy_from_package, read, scratch, write};
use std::path::PathBuf;
use std::process::Command;

/// One command of the README and what it says that it prints.
#[derive(Debug)]
struct Example {
    command: String,
    output: String,
}

/// The commands of all console blocks, in order. A command goes on to the end of its here-document.
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
            _ => match line.strip_prefix("$ ") {
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

/// The example root and the command, where the user of the case has them.
fn furnish() -> PathBuf {
    copy_from_package("../examples", scratch().join("examples"));
    write(scratch().join("precious"), "still here\n");
    let program = binary(env!("CARGO_BIN_EXE_fmountat"));
    program.parent().unwrap().to_owned()
}

fmountat_testing::cases! {
    /// Every command prints what stands below it; `...` stands for anything. Before 6.15 `run` says more, and counts its helpers.
    fn every_console_block_is_true() needs [User, UserNamespaces, Kernel(6, 15)] {
        let programs = furnish();
        let path = format!("{}:{}", programs.display(), std::env::var("PATH").unwrap());
        let examples = examples(include_str!("../../../README.md"));
        assert!(examples.len() > 10, "{examples:?}");
        for example in examples {
            let output = Command::new("sh").arg("-c").arg(format!("exec 2>&1\n{}", example.command))
                .current_dir(scratch()).env("PATH", &path).env("HOME", scratch()).output().unwrap();
            let got = String::from_utf8_lossy(&output.stdout);
            if example.output != "...\n" {
                assert_eq!(got, example.output, "$ {}", example.command);
            }
        }
        assert_eq!(read(scratch().join("precious")), "still here\n");
    }
}
