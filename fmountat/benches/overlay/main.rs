// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Measures one writable overlay mount by number of layers, size of the calling process and other
//! mounts on the host.
//!
//! ```text
//! cargo bench --bench overlay -- [--quick] [--on DIR]
//! ```
//! Requires root. Everything happens in a new mount namespace and leaves nothing behind. The layers
//! lie on a tmpfs, or with `--on DIR` in a new directory in DIR. `--quick` takes few samples and
//! omits 8 GB, to check that the bench runs.

mod measure;
mod raw;
mod report;
mod scene;
mod strategies;

use measure::{Effort, Results, Setting};
use raw::Resident;
use scene::{Case, Scene};
use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

/// A result with any error: a bench only prints it.
type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

/// The lower layers of an overlay.
const LAYERS: [usize; 3] = [2, 20, 100];
/// The smallest process measured.
const SMALL: usize = 10 << 20;
const RESIDENT: &[usize] = &[SMALL, 1 << 30, 8 << 30];
const MOUNTS: [usize; 2] = [1_000, 10_000];

const FULL: Effort = Effort { budget: Duration::from_millis(700), least: 9, most: 1_000, resident: RESIDENT };
// Without 8 GB: a virtual machine may take 20 seconds to get that much memory from its host.
const QUICK: Effort =
    Effort { budget: Duration::from_millis(50), least: 3, most: 100, resident: &[SMALL, 1 << 30] };

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "overlay bench: {error}");
            ExitCode::FAILURE
        }
    }
}

struct Arguments {
    /// `cargo bench` says so; `cargo test --all-targets` runs us without it.
    bench: bool,
    effort: Effort,
    on: Option<PathBuf>,
}

fn arguments() -> Outcome<Arguments> {
    let mut parsed = Arguments { bench: false, effort: FULL, on: None };
    let mut words = std::env::args_os().skip(1);
    while let Some(word) = words.next() {
        match word.to_str() {
            Some("--bench") => parsed.bench = true,
            Some("--quick") => parsed.effort = QUICK,
            Some("--on") => parsed.on = Some(words.next().ok_or("--on needs a directory")?.into()),
            _ => return Err(format!("unknown argument {word:?}; known: --quick, --on DIR").into()),
        }
    }
    Ok(parsed)
}

fn run() -> Outcome<()> {
    let Arguments { bench, effort, on } = arguments()?;
    if !bench {
        println!("overlay bench: not run: that is for `cargo bench --bench overlay`");
        return Ok(());
    }
    // Before any thread: each has its own namespace membership and would keep the old one.
    raw::private_mounts()
        .map_err(|e| format!("needs root, for a mount namespace of its own: unshare: {e}"))?;
    let mut scene = match &on {
        Some(dir) => Scene::on(dir)?,
        None => Scene::on_tmpfs()?,
    };
    let mut cases = Vec::with_capacity(LAYERS.len());
    for layers in LAYERS {
        cases.push(scene.case(layers)?);
    }
    measure_all(&mut scene, &cases, effort)
}

fn measure_all(scene: &mut Scene, cases: &[Case], effort: Effort) -> Outcome<()> {
    let strategies = strategies::all()?;
    let mut results = Results::default();
    println!("one writable overlay mount, microseconds: median (10th to 90th percentile)");
    for &resident in effort.resident {
        if !fits(resident) {
            println!("\nprocess of {} GB: not measured, there is not enough memory", resident >> 30);
            continue;
        }
        let memory = Resident::of(resident)?;
        let setting = Setting { resident, mounts: 0 };
        for case in cases {
            results.add(setting, case, &strategies, effort)?;
        }
        drop(memory);
        report::block(&results, setting, &strategies);
    }
    let _memory = Resident::of(SMALL)?;
    for mounts in MOUNTS {
        scene.fill(mounts)?;
        let setting = Setting { resident: SMALL, mounts };
        for case in cases {
            results.add(setting, case, &strategies, effort)?;
        }
        report::block(&results, setting, &strategies);
    }
    if !report::goals(&results) {
        println!("\nA ratio near its limit may be the machine's noise: run again when it is quiet.");
    }
    Ok(())
}

/// Reports whether `bytes` of memory are free, with a reserve for other processes.
fn fits(bytes: usize) -> bool {
    let text = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"));
    let kilobytes = line.and_then(|rest| rest.trim().trim_end_matches(" kB").parse::<usize>().ok());
    kilobytes.is_none_or(|free| free / 1024 > (bytes >> 20) + 512)
}
