// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The command `fmountat`: one file for each verb. All mounting is in the library.
#![forbid(unsafe_code)]

#[cfg(not(target_os = "linux"))]
compile_error!("fmountat uses Linux's mount system calls and compiles for Linux only (5.14 or newer)");

mod mount_args;
mod set_args;
mod run_args;
mod kept;
mod args;
mod sources;
mod json_text;
mod report;
mod output;
mod patience;
mod verbose;
mod show;
mod doctor;
mod exit;
mod verbs;
mod run;
mod usage;

use args::{Cli, Verb};
use clap::Parser;
use fmountat::Errors;
use std::process::ExitCode;

fn main() -> ExitCode {
    let cli = match Cli::try_parse_from(run::words::with_separator(std::env::args_os().collect())) {
        Ok(cli) => cli,
        Err(error) => return usage::report(&error),
    };
    let json = cli.json;
    if cli.verbose {
        verbose::start(json);
    }
    carry_out(cli.verb, json).unwrap_or_else(|errors| {
        let errors: Vec<_> = errors.into_iter().map(fmountat::diagnose).collect();
        for error in &errors {
            output::error(error, json);
        }
        ExitCode::from(errors.iter().map(exit::code_of).max().unwrap_or(exit::INTERNAL))
    })
}

fn carry_out(verb: Verb, json: bool) -> Result<ExitCode, Errors> {
    match verb {
        Verb::Mount(args) => verbs::mount::run(&args, json)?,
        Verb::Apply(args) => verbs::apply::run(&args, json)?,
        Verb::Doctor => verbs::doctor::run(json)?,
        Verb::Explain(args) => verbs::explain::run(&args, json)?,
        Verb::Umount(args) => return verbs::umount::run(&args, json),
        Verb::List(args) => verbs::list::run(&args, json)?,
        Verb::Find(args) => verbs::find::run(&args, json)?,
        Verb::Watch(args) => verbs::watch::run(&args, json)?,
        Verb::Changes(args) => verbs::changes::run(&args, json)?,
        Verb::Clean => verbs::clean::run(json)?,
        Verb::Run(args) => return Ok(ExitCode::from(run::supervisor::run(&args, json))),
        Verb::RunVisit { path } => run::answering::visit(&path),
        Verb::RunInit(args) => return Ok(ExitCode::from(run::init::run(&args, json))),
    }
    Ok(ExitCode::SUCCESS)
}
