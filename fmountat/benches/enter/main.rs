// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Measures the start of a process in a root of its own, from the list of mounts to the end of the
//! process, by the number of mounts on the host.
//!
//! ```text
//! cargo bench --bench enter -- [--quick]
//! ```
//! Requires root. Everything happens in a new mount namespace and leaves nothing behind. The root
//! is the host's own, read-only, with a tmpfs on /tmp and on /run and the host's /proc; the process
//! is /bin/true. Peers that are not installed are left out. The programs take turns.

mod peers;

use fmountat::{Mount, Mounter, Plan};
use rustix::fs::CWD;
use rustix::mount::{MountFlags, MountPropagationFlags, mount, mount_change};
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

type Outcome<T> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// The program that is started.
const PROGRAM: &str = "/bin/true";

/// Mounts on the host, in addition to those that it has.
const MOUNTS: [usize; 3] = [0, 1_000, 10_000];

/// A program, or calls, that start the process.
struct Contender {
    name: &'static str,
    start: Box<dyn Fn() -> Outcome<()>>,
}

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "enter bench: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Outcome<()> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    if let Some(word) = words.iter().find(|word| !["--bench", "--quick"].contains(&word.as_str())) {
        return Err(format!("unknown argument {word}; known: --quick").into());
    }
    if !words.iter().any(|word| word == "--bench") {
        println!("enter bench: not run: that is for `cargo bench --bench enter`");
        return Ok(());
    }
    let rounds = if words.iter().any(|word| word == "--quick") { 5 } else { 60 };
    // The main thread, before there is another: the children inherit its namespace.
    peers::own_namespace()?;
    mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC)?;
    mount("enter", "/mnt", "tmpfs", MountFlags::empty(), None)?;
    let contenders = contenders()?;
    println!("list to process to its end, microseconds: median (10th to 90th percentile)\n");
    let names = contenders.iter().map(|contender| contender.name).collect::<Vec<_>>();
    println!("{:>14}  {}", "more mounts", names.iter().map(|name| format!("{name:>26}")).collect::<String>());
    let mut made = 0;
    for mounts in MOUNTS {
        for number in made..mounts {
            let place = Path::new("/mnt").join(number.to_string());
            std::fs::create_dir(&place)?;
            mount("enter", &place, "tmpfs", MountFlags::empty(), Some(c"size=4k"))?;
        }
        made = mounts;
        let cells = measure(&contenders, rounds)?;
        println!("{mounts:>14}  {}", cells.iter().map(|cell| format!("{cell:>26}")).collect::<String>());
    }
    Ok(())
}

fn measure(contenders: &[Contender], rounds: usize) -> Outcome<Vec<String>> {
    let mut samples = vec![Vec::with_capacity(rounds); contenders.len()];
    for round in 0..=rounds {
        for (contender, samples) in contenders.iter().zip(&mut samples) {
            let before = Instant::now();
            (contender.start)().map_err(|error| format!("{}: {error}", contender.name))?;
            // The first round fills caches.
            if round > 0 {
                samples.push(before.elapsed());
            }
        }
    }
    Ok(samples.into_iter().map(summary).collect())
}

fn summary(mut samples: Vec<Duration>) -> String {
    samples.sort();
    let at = |part: usize| samples[(samples.len() - 1) * part / 10].as_micros();
    format!("{} ({} to {})", at(5), at(1), at(9))
}

fn contenders() -> Outcome<Vec<Contender>> {
    let mut contenders = vec![
        Contender { name: "fmountat", start: ours()? },
        Contender { name: "unshare(2), mount(2)", start: Box::new(peers::by_calls) },
    ];
    contenders.extend(peers::programs()?.into_iter().map(|(name, start)| Contender { name, start }));
    Ok(contenders)
}

/// One handle for all, as in a container runtime.
fn ours() -> Outcome<Box<dyn Fn() -> Outcome<()>>> {
    let tmpfs = |at| Mount::new("tmpfs", "tmpfs").at(at);
    let root = Mount::new("bind", "/").option("bind,ro");
    let plan = Plan::new([
        root,
        tmpfs("/tmp"),
        tmpfs("/run"),
        Mount::new("bind", "/proc").at("/proc").option("bind"),
    ])?;
    let mounter = Mounter::detached();
    Ok(Box::new(move || {
        let namespace = mounter.build(CWD, &plan, None)?.into_namespace()?;
        ended(&mut namespace.command(PROGRAM)?)
    }))
}

/// Runs the program to its end.
fn ended(command: &mut Command) -> Outcome<()> {
    let status = command.status()?;
    if status.success() { Ok(()) } else { Err(format!("{status}").into()) }
}
