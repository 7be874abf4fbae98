// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The command `fmountat`: one file for each verb, no mounting logic of its own.
#![forbid(unsafe_code)]

mod args;
mod exit;
mod into;
mod output;
mod run;
mod verbs;

use args::{Cli, Verb};
use clap::Parser;
use std::process::ExitCode;

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are answers, everything else is wrong usage: 1, as mount(8).
            let _ = error.print();
            return ExitCode::from(if error.use_stderr() { exit::USAGE } else { exit::OK });
        }
    };
    let json = cli.json;
    let done = match cli.verb {
        Verb::Mount(args) => verbs::mount::run(&args, json),
        Verb::Apply(args) => verbs::apply::run(&args, json),
        Verb::Umount(args) => verbs::umount::run(&args, json),
        Verb::Run(args) => return ExitCode::from(run::supervisor::run(&args, json)),
        Verb::RunInit(args) => return ExitCode::from(run::init::run(&args, json)),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(errors) => {
            for error in &errors {
                output::error(error, json);
            }
            ExitCode::from(errors.iter().map(exit::code_of).max().unwrap_or(exit::INTERNAL))
        }
    }
}
