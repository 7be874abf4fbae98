// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `kernels`: runs the test suite on Debian's kernels in qemu and on the machine's own.

mod apt;
mod boot;
mod guest_kernel;
mod headers;
mod libraries;
mod merge;
mod options;
mod page;
mod root_files;
mod root_image;
mod selection;
mod summary;
mod table;

use crate::error::{At, Error, Result};
use crate::output::{self, Clock};
use crate::{repository, results};
use options::{Kernel, Options};
use std::path::Path;
use std::sync::Mutex;

/// Scripts and lists for the guest.
const LISTS: &str = ".ci/kernels.d";

/// The kept table of cases, which `--table` writes.
const TABLE: &str = ".ci/baseline/kernels.tsv";

const PAGE: &str = "docs/measured/kernels.md";

/// Runs the tests on each kernel. Returns whether all of them passed.
pub(crate) fn run(words: &[String]) -> Result<bool> {
    let options = Options::new(words)?;
    let clock = Clock::start();
    let work = repository::top()?.join("target/kernels");
    std::fs::create_dir_all(&work).at("create", &work)?;
    clock.step("test files");
    let tests = selection::select(&options, &work)?;
    let guests = options.guests();
    if !guests.is_empty() {
        clock.step("kernels");
        let archive = apt::Archive::set_up(&work.join("apt"), &guests)?;
        for kernel in &guests {
            guest_kernel::fetch(&archive, *kernel, &work.join(kernel.name()))?;
        }
        if guests.contains(&Kernel::Newest) {
            headers::check(&archive, &work)?;
        }
        clock.step("root file system");
        root_image::build(&work, &tests)?;
    }
    let machine = boot::Machine { work: &work, tests: tests.len(), options: &options, clock: &clock };
    let mut passed = boot_all(&machine, &guests)?;
    for kernel in &options.kernels {
        // The machine's own kernel runs alone: its tests measure time.
        if *kernel == Kernel::Own {
            boot::own(&machine)?;
        }
        passed &= judge(&options, *kernel, &work)?;
    }
    if options.table {
        clock.step("table");
        write_tables(&work, options.quick)?;
    }
    clock.step("done");
    Ok(passed)
}

/// Boots the guests, `KERNELS_JOBS` at a time. Returns whether qemu started for all of them.
fn boot_all(machine: &boot::Machine<'_>, guests: &[Kernel]) -> Result<bool> {
    let queue = Mutex::new(guests.iter().copied());
    let next = || queue.lock().ok().and_then(|mut queue| queue.next());
    let boot_some = || {
        let mut all = true;
        while let Some(kernel) = next() {
            if let Err(error) = boot::guest(machine, kernel) {
                output::error_line(&format!("{}: {}", kernel.name(), error.text));
                all = false;
            }
        }
        all
    };
    std::thread::scope(|scope| {
        let jobs = machine.options.jobs.clamp(1, guests.len().max(1));
        let workers: Vec<_> = (0..jobs).map(|_| scope.spawn(boot_some)).collect();
        let ended: Vec<_> = workers.into_iter().map(std::thread::ScopedJoinHandle::join).collect();
        ended.into_iter().try_fold(true, |all, one| match one {
            Ok(passed) => Ok(all && passed),
            Err(_) => Err(Error::new("a thread that ran qemu ended in a panic")),
        })
    })
}

/// Prints how the tests ended on one kernel. Returns whether they passed.
fn judge(options: &Options, kernel: Kernel, work: &Path) -> Result<bool> {
    let found = results::parse(&repository::read(work.join(kernel.name()).join("results"))?);
    // The kept table is from another machine, whose own kernel may have had more features.
    let kept = match kernel {
        Kernel::Own => None,
        _ if options.table => None,
        _ => repository::read_if_there(TABLE)?,
    };
    let had_passed = kept.map(|text| table::passed_on(&text, kernel.name())).unwrap_or_default();
    let summary = summary::Summary::new(kernel.name(), &found, &had_passed);
    for line in &summary.lines {
        output::line(line);
    }
    Ok(summary.passed)
}

/// Writes both tables from the newest results of each kernel that has run.
fn write_tables(work: &Path, quick: bool) -> Result {
    let mut runs = Vec::new();
    for kernel in Kernel::ALL {
        let text = repository::read_if_there(work.join(kernel.name()).join("results"))?.unwrap_or_default();
        if !text.is_empty() {
            runs.push(table::Run { kernel: kernel.name(), results: results::parse(&text) });
        }
    }
    repository::write(TABLE, table::kernels_tsv(&runs))?;
    let quick = if quick { Some(selection::quick()?) } else { None };
    repository::write(PAGE, page::page(&runs, quick.as_deref()))
}
