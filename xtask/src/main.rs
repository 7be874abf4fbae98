// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Runs the long CI tasks: `cargo xtask kernels` and `cargo xtask filters`.

mod command;
mod error;
mod filters;
mod kernels;
mod output;
mod repository;
mod results;
#[cfg(test)]
mod scratch;

use error::{At, Error, Result};
use std::process::ExitCode;

const USAGE: &str = "cargo xtask kernels|filters [--help] [WORD...]";

/// Runs the subcommand from the top of the repository. Returns whether everything passed.
fn run() -> Result<bool> {
    let mut words = Vec::new();
    for word in std::env::args_os().skip(1) {
        words.push(
            word.into_string().map_err(|word| {
                Error::usage(format!("argument {}: not valid UTF-8", word.to_string_lossy()))
            })?,
        );
    }
    let top = repository::top()?;
    std::env::set_current_dir(top).at("change to directory", top)?;
    match words.split_first() {
        Some((name, rest)) if name == "kernels" => kernels::run(rest),
        Some((name, rest)) if name == "filters" => filters::run(rest),
        _ => Err(Error::usage(USAGE)),
    }
}

fn main() -> ExitCode {
    match run() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            output::error_line(&error.text);
            ExitCode::from(error.status)
        }
    }
}
