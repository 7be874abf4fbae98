// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Injects a failure into each system call of the mount layer in turn. The command must report the
//! failure and leave nothing behind, or do its work.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "faults/judge.rs"]
mod judge;
#[path = "faults/rows.rs"]
mod rows;
#[path = "common/fixture.rs"]
mod fixture;
#[path = "faults/trace.rs"]
mod trace;

use judge::{Run, Verdict, judge, run};
use rows::Row;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use trace::{CallSite, Errno, places};

/// The errnos that are injected into one call.
const ERRNOS: [Errno; 5] = [("EPERM", 1), ("ENOMEM", 12), ("EINTR", 4), ("EBUSY", 16), ("ENOSYS", 38)];
/// The errnos that are injected into every call, as from a seccomp filter and from an old kernel.
const ALWAYS: [Errno; 2] = [("EPERM", 1), ("ENOSYS", 38)];

struct InjectedRun<'a> {
    row: &'a Row,
    well: &'a Run,
    place: CallSite,
    errno: Errno,
}

impl InjectedRun<'_> {
    /// Runs the command and returns the verdict, or a text that says what is wrong.
    fn run(&self) -> Result<Verdict, String> {
        let run = run(self.row, Some((&self.place, self.errno)));
        let wrong = match self.place.has_failed(&run.log, self.errno) {
            true => judge(self.row, &run, self.well, self.place.reported(self.errno)),
            false => Err(format!("never reached: {}", run.log)),
        };
        let (line, CallSite { nth, text, .. }) = (self.row.line, &self.place);
        let which = if *nth == 0 { String::from("every time") } else { format!("time {nth}") };
        wrong.map_err(|why| format!("{line}\n  {} {which}: {text}\n  {why}", self.errno.0))
    }
}

/// Runs the row without a fault until the shortest list of calls was seen twice. A device that
/// another process took, or a module that must be loaded, causes calls that other runs do not make.
fn settled(row: &Row) -> Run {
    let mut runs: Vec<Run> = Vec::new();
    for _ in 0..20 {
        let next = run(row, None);
        if next.status != Some(0) {
            return next;
        }
        runs.push(next);
        let shortest = runs.iter().map(|run| names(run).len()).min();
        let is_short = |run: &Run| Some(names(run).len()) == shortest;
        let short: Vec<_> = runs.iter().filter(|run| is_short(run)).map(names).take(2).collect();
        if runs.len() >= 4 && short.len() == 2 && short[0] == short[1] {
            let at = runs.iter().position(is_short);
            return runs.swap_remove(at.unwrap_or_default());
        }
    }
    panic!("{row:?} makes other calls each time: {}", runs.last().unwrap().log);
}

fn names(run: &Run) -> Vec<(String, usize)> {
    places(&run.log).into_iter().map(|place| (place.call, place.nth)).collect()
}

fn each_call_failing(rows: &[Row]) {
    let wells: Vec<Run> = rows.iter().map(settled).collect();
    let mut jobs = Vec::new();
    for (row, well) in rows.iter().zip(&wells) {
        assert_eq!(well.status, Some(0), "{row:?}: {}", well.stderr);
        for place in places(&well.log) {
            let errnos = if place.nth == 0 { &ALWAYS[..] } else { &ERRNOS };
            jobs.extend(errnos.iter().map(|errno| InjectedRun {
                row,
                well,
                place: place.clone(),
                errno: *errno,
            }));
        }
    }
    let (next, results) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some(job) = jobs.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let result = job.run();
                    results.lock().unwrap().push(result);
                }
            });
        }
    });
    let results = results.into_inner().unwrap();
    let count = |verdict| results.iter().filter(|result| **result == Ok(verdict)).count();
    let wrong: Vec<&String> = results.iter().filter_map(|result| result.as_ref().err()).collect();
    println!(
        "counted: {} commands, {} faults: {} failed cleanly, {} succeeded anyway, {} wrong",
        rows.len(),
        jobs.len(),
        count(Verdict::FailedCleanly),
        count(Verdict::SucceededAnyway),
        wrong.len()
    );
    for wrong in &wrong {
        println!("{wrong}");
    }
    // Each text may contain a whole trace.
    let short: Vec<&str> = wrong.iter().map(|wrong| wrong.get(..400).unwrap_or(wrong)).collect();
    assert!(short.is_empty(), "{}", short.join("\n"));
}

fmountat_testing::tests! {
    fn mounts() needs [Root, Tool("strace")] {
        each_call_failing(rows::MOUNTS);
    }

    fn overlays() needs [Root, Tool("strace"), Filesystem("overlay")] {
        each_call_failing(rows::OVERLAYS);
    }

    fn idmaps() needs [Root, Tool("strace"), Filesystem("overlay")] {
        each_call_failing(rows::IDMAPS);
    }

    fn images() needs [Root, Tool("strace"), Tool("mkfs.erofs"), Filesystem("erofs")] {
        fmountat_testing::write(fmountat_testing::scratch().join("image.tree/who"), "it");
        let image = fmountat_testing::scratch().join("image");
        let mut mkfs = std::process::Command::new("mkfs.erofs");
        fmountat_testing::command_output(mkfs.arg(image).arg(fmountat_testing::scratch().join("image.tree")));
        each_call_failing(rows::IMAGES);
    }

    fn ext4_images() needs [Root, Tool("strace"), Tool("mkfs.ext4"), Filesystem("ext4")] {
        let image = fmountat_testing::scratch().join("image");
        std::fs::File::create(&image).unwrap().set_len(2 << 20).unwrap();
        fmountat_testing::command_output(std::process::Command::new("mkfs.ext4").arg("-q").arg(image));
        each_call_failing(rows::EXT4);
    }

    fn sets() needs [Root, Tool("strace"), Filesystem("overlay"), Filesystem("mqueue")] {
        each_call_failing(rows::SETS);
    }

    /// The old tree is still in place when a swap fails.
    fn swaps() needs [Root, Tool("strace")] {
        each_call_failing(rows::SWAPS);
    }

    /// Tests the calls before the start of the helper and after its end. Failures inside the helper
    /// are not tested.
    fn helpers() needs [Root, Tool("strace"), Filesystem("overlay")] {
        let helper = fmountat_testing::scratch().join("mount.helped");
        fmountat_testing::write(&helper, "#!/bin/sh\nexec mount -i -n -t tmpfs helped \"$2\"\n");
        std::fs::set_permissions(&helper, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        each_call_failing(rows::HELPERS);
    }

    fn changes() needs [Root, Tool("strace")] {
        each_call_failing(rows::CHANGES);
    }
}
