// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Measures listing mounts, finding the mount that holds a path, and testing whether a path is a
//! mount point.
//!
//! ```text
//! cargo bench --bench table -- [--quick]
//! ```
//! Requires root. Every table is made in a mount namespace of its own. `--quick` takes small tables
//! and few samples, to check that the bench runs.

mod fields;
mod measure;
mod raw;
mod report;
mod rows;
mod scene;
mod strategies;

use measure::{Effort, Results};
use scene::Kind;
use std::io::Write as _;
use std::process::ExitCode;
use std::time::Duration;
use strategies::Question;

/// A result with any error: a bench only prints it.
type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

const FULL: Effort = Effort { budget: Duration::from_millis(1500), least: 5, most: 1_000 };
const QUICK: Effort = Effort { budget: Duration::from_millis(20), least: 2, most: 50 };

const TABLES: [Kind; 6] = [
    Kind::Binds(10),
    Kind::Binds(1_000),
    Kind::Binds(10_000),
    Kind::Binds(50_000),
    Kind::Overlays(1_000, 20),
    Kind::Peers(1_000, 40),
];
const SMALL: [Kind; 4] = [Kind::Binds(10), Kind::Binds(1_000), Kind::Overlays(100, 20), Kind::Peers(100, 10)];

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "table bench: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Outcome<()> {
    let (mut bench, mut effort, mut kinds) = (false, FULL, TABLES.to_vec());
    for word in std::env::args_os().skip(1) {
        match word.to_str() {
            // `cargo bench` says so; `cargo test --all-targets` runs us without it.
            Some("--bench") => bench = true,
            Some("--quick") => (effort, kinds) = (QUICK, SMALL.to_vec()),
            _ => return Err(format!("unknown argument {word:?}; known: --quick").into()),
        }
    }
    if !bench {
        println!("table bench: not run: that is for `cargo bench --bench table`");
        return Ok(());
    }
    let mut results = Results::default();
    println!("microseconds of processor time: median, and the least, by which the goals are judged");
    for kind in &kinds {
        raw::in_own_namespace(|| {
            let scene = scene::furnish(*kind)?;
            let mut compared = 0;
            for question in Question::ALL {
                compared += results.add(*kind, question, &scene.last, effort)?;
            }
            report::block(&results, *kind, compared);
            fields::block(effort)
        })?;
    }
    if !report::goals(&results, &kinds) {
        println!("\nA ratio near its limit may be the machine's noise: run again when it is quiet.");
    }
    Ok(())
}
