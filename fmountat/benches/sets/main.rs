// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Measures setting up and tearing down a container's whole set of mounts, by this crate and by one
//! mount(2) and umount2(2) per mount.
//!
//! ```text
//! cargo bench --bench sets -- [--quick] [--ours] [--containers N]
//! ```
//! Requires root. Everything happens in a new mount namespace on a tmpfs and leaves nothing behind.
//! The two programs take turns; `--ours` omits the peer, for a profiler. A set is an overlay of 20
//! layers, proc, sysfs, 3 tmpfs, devpts, mqueue, 5 binds, and OCI's masked and read-only paths.
//! "One at a time" unmounts each container before it mounts the next; "all at once" mounts all,
//! then unmounts all.

mod peer;
mod scene;

use fmountat::{Mounter, Plan, PublishedSet, Target, Unmount};
use rustix::fs::CWD;
use rustix::mount::MountPropagationFlags;
use scene::Scene;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// How many times as fast as the peer, over the whole cycle.
const GOAL: f64 = 2.0;

type Outcome<T> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "sets bench: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Set-up and tear-down of all containers of a round.
#[derive(Clone, Copy, Default)]
struct Cost {
    up: Duration,
    down: Duration,
}

impl Cost {
    fn whole(self) -> Duration {
        self.up + self.down
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Who {
    Ours,
    Peer,
}

fn run() -> Outcome<()> {
    let (mut bench, mut peers, mut containers, mut rounds) = (false, true, 1_000, 5);
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        match word.as_str() {
            "--bench" => bench = true,
            "--quick" => (containers, rounds) = (40, 2),
            "--ours" => peers = false,
            "--containers" => containers = words.next().ok_or("--containers needs a number")?.parse()?,
            _ => {
                return Err(format!("unknown argument {word}; known: --quick, --ours, --containers N").into());
            }
        }
    }
    if !bench {
        println!("sets bench: not run: that is for `cargo bench --bench sets`");
        return Ok(());
    }
    fmountat_testing::in_own_namespace(|| {
        let private = MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
        rustix::mount::mount_change("/", private)?;
        on_tmpfs(containers, rounds, peers)
    })
}

fn on_tmpfs(containers: usize, rounds: usize, peers: bool) -> Outcome<()> {
    let dir = std::env::temp_dir().join(format!("fmountat-bench-{}", std::process::id()));
    std::fs::create_dir(&dir)?;
    let target = Target::open(CWD, &dir)?;
    Mounter::detached().apply(CWD, &Plan::new(&[fmountat::Mount::new("tmpfs", "tmpfs")])?, &target)?;
    drop(target);
    let done = measure(&dir, containers, rounds, peers);
    Unmount::new().lazy(true).run(&dir).map_err(|errors| format!("{errors:?}"))?;
    std::fs::remove_dir(&dir)?;
    done
}

fn measure(dir: &std::path::Path, containers: usize, rounds: usize, peers: bool) -> Outcome<()> {
    let scene = Scene::new(dir.join("scene"), containers)?;
    println!(
        "a container's set of mounts, {containers} containers, microseconds for one: set-up + tear-down; goal: {GOAL} times"
    );
    let mut number = 0;
    for (name, at_once) in [("one at a time", false), ("all at once", true)] {
        for threads in [1, 2] {
            let mut best = [Vec::new(), Vec::new()];
            for _ in 0..rounds {
                for (slot, who) in [Who::Ours, Who::Peer].into_iter().enumerate() {
                    if who == Who::Peer && !peers {
                        best[slot].push(Cost::default());
                        continue;
                    }
                    number += 1;
                    best[slot].push(round(&scene, who, containers, threads, number, at_once)?);
                }
            }
            let [ours, peer] = best.map(|costs| median(costs, containers));
            let text = |cost: Cost| {
                format!(
                    "{:>6.0} + {:>6.0} = {:>6.0}",
                    micros(cost.up),
                    micros(cost.down),
                    micros(cost.whole())
                )
            };
            let ratio = micros(peer.whole()) / micros(ours.whole());
            let goal = if ratio >= GOAL { "pass" } else { "MISSED" };
            println!(
                "{name:<14} {threads} thread(s)  fmountat {}   mount(2), umount2(2) {}   {ratio:.2} times: {goal}",
                text(ours),
                text(peer)
            );
        }
    }
    Ok(())
}

fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}

/// Returns the median round by its whole cost, for one container.
fn median(mut costs: Vec<Cost>, containers: usize) -> Cost {
    costs.sort_by_key(|cost| cost.whole());
    let middle = costs[costs.len() / 2];
    let each = u32::try_from(containers).unwrap_or(u32::MAX);
    Cost { up: middle.up / each, down: middle.down / each }
}

/// One round: wall-clock time of all threads together.
fn round(
    scene: &Scene,
    who: Who,
    containers: usize,
    threads: usize,
    round: usize,
    at_once: bool,
) -> Outcome<Cost> {
    // Made beforehand: not what is measured.
    let uppers: Vec<_> = (0..containers).map(|n| scene.new_upper(n, round)).collect::<Result<_, _>>()?;
    let mine = |thread: usize| (thread..containers).step_by(threads);
    let costs: Outcome<Vec<Cost>> = std::thread::scope(|scope| {
        let work = |thread: usize| {
            let uppers = &uppers;
            scope.spawn(move || match who {
                Who::Ours => ours(scene, uppers, mine(thread), at_once),
                Who::Peer => theirs(scene, uppers, mine(thread), at_once),
            })
        };
        let running: Vec<_> = (0..threads).map(work).collect();
        running.into_iter().map(|thread| thread.join().map_err(|_| "a thread panicked")?).collect()
    });
    let costs = costs?;
    // All threads run from the start to the end: the slowest one is the wall-clock time.
    let longest = costs.into_iter().max_by_key(|cost| cost.whole()).unwrap_or_default();
    for number in 0..containers {
        std::fs::remove_dir_all(scene.dir.join(format!("containers/{number}/{round}")))?;
    }
    Ok(longest)
}

type Uppers = [(PathBuf, PathBuf)];

fn ours(
    scene: &Scene,
    uppers: &Uppers,
    numbers: impl Iterator<Item = usize>,
    at_once: bool,
) -> Outcome<Cost> {
    let mounter = Mounter::detached();
    let unmount = Unmount::new().lazy(true);
    let (mut cost, mut sets): (Cost, Vec<PublishedSet>) = (Cost::default(), Vec::new());
    for number in numbers {
        let (upper, work) = &uppers[number];
        let spec = scene.spec(upper, work);
        let start = Instant::now();
        let plan = Plan::new(&spec)?;
        let applied = mounter.apply(CWD, &plan, &Target::open(CWD, scene.root(number))?)?;
        cost.up += start.elapsed();
        let set = applied.set.ok_or("the kernel has no unique ids")?;
        if at_once {
            sets.push(set);
        } else {
            let start = Instant::now();
            unmount.run_set(&set)?;
            cost.down += start.elapsed();
        }
    }
    let start = Instant::now();
    unmount.run_sets(&sets).map_err(|errors| format!("{errors:?}"))?;
    cost.down += start.elapsed();
    Ok(cost)
}

fn theirs(
    scene: &Scene,
    uppers: &Uppers,
    numbers: impl Iterator<Item = usize>,
    at_once: bool,
) -> Outcome<Cost> {
    let (mut cost, mut sets) = (Cost::default(), Vec::new());
    for number in numbers {
        let (upper, work) = &uppers[number];
        let start = Instant::now();
        let points = peer::set_up(scene, &scene.root(number), upper, work)?;
        cost.up += start.elapsed();
        if at_once {
            sets.push(points);
        } else {
            let start = Instant::now();
            peer::tear_down(&points)?;
            cost.down += start.elapsed();
        }
    }
    let start = Instant::now();
    for points in &sets {
        peer::tear_down(points)?;
    }
    cost.down += start.elapsed();
    Ok(cost)
}
