// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Runs the tests in a virtual machine or on the machine's own kernel.

use super::LISTS;
use super::merge::merge;
use super::options::{Kernel, Options};
use crate::command;
use crate::error::{At, Error, Result};
use crate::output::{self, Clock};
use crate::repository;
use std::fs;
use std::io::Read;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// The settings that all kernels share.
#[derive(Debug)]
pub(crate) struct Machine<'a> {
    pub(crate) work: &'a Path,
    /// The number of test files.
    pub(crate) tests: usize,
    pub(crate) options: &'a Options,
    pub(crate) clock: &'a Clock,
}

/// The interval at which new results are read.
const POLL: Duration = Duration::from_millis(500);

/// Boots a kernel of Debian's and waits until qemu ends.
///
/// The status of qemu is ignored: a complete run has a line `done` in its results.
pub(crate) fn guest(machine: &Machine<'_>, kernel: Kernel) -> Result {
    let name = kernel.name();
    let directory = machine.work.join(name);
    let results = directory.join("results");
    set_aside(&directory)?;
    let version = repository::read(directory.join("version"))?;
    machine.clock.step(&format!("{name}: Debian's {}", version.trim_end()));
    let log = directory.join("qemu.log");
    let file = fs::File::create(&log).at("create", &log)?;
    let both = file.try_clone().at("duplicate the descriptor of", &log)?;
    let mut qemu = qemu(machine, &directory);
    qemu.stdin(Stdio::null()).stdout(file).stderr(both);
    let mut child = qemu.spawn().map_err(|cause| Error::new(format!("start timeout(1): {cause}")))?;
    let followed = follow(&mut child, &results, name);
    // Waits even after an error: SIGKILL to timeout(1) would leave qemu behind.
    child.wait().map_err(|cause| Error::new(format!("wait for timeout(1): {cause}")))?;
    followed?;
    // The guest's tty may add a carriage return to each line.
    let text = repository::read(&results)?.replace("\r\n", "\n");
    repository::write(&results, text)?;
    merge_into(machine.options, &directory)
}

/// Prints the progress from `results` until the virtual machine ends.
fn follow(child: &mut Child, results: &Path, kernel: &'static str) -> Result {
    let mut progress = Progress::new(kernel);
    let mut reader = fs::File::open(results).at("open", results)?;
    loop {
        // The status is read first, so that the last read of the log is complete.
        let status = child.try_wait().map_err(|cause| Error::new(format!("wait for timeout(1): {cause}")))?;
        let mut new = Vec::new();
        reader.read_to_end(&mut new).at("read", results)?;
        progress.lines(&String::from_utf8_lossy(&new)).iter().for_each(|line| output::line(line));
        if status.is_some() {
            return Ok(());
        }
        std::thread::sleep(POLL);
    }
}

/// Returns the command for qemu.
///
/// timeout(1) enforces the limit even if this program is killed.
fn qemu(machine: &Machine<'_>, directory: &Path) -> Command {
    let mut command = command::new("timeout");
    command.args(["--foreground", "-k", "10", &machine.options.seconds.to_string(), "nice", "-n", "10"]);
    command.args(["qemu-system-x86_64", "-accel", "tcg", "-cpu", "max", "-smp", "2", "-m", "3072"]);
    command.args(["-nodefaults", "-display", "none", "-no-reboot"]);
    command.arg("-kernel").arg(directory.join("vmlinuz")).arg("-initrd").arg(directory.join("initrd"));
    let threads = machine.tests;
    command.args(["-append", &format!("console=ttyS0 quiet panic=-1 mitigations=off threads={threads}")]);
    let image = machine.work.join("root.img");
    command.args(["-drive", &format!("file={},if=virtio,format=raw,snapshot=on", image.display())]);
    for line in ["console", "results"] {
        command.args(["-serial", &format!("file:{}", directory.join(line).display())]);
    }
    // qemu writes the guest's changes of the disk to a file in TMPDIR.
    command.env("TMPDIR", machine.work);
    command
}

/// Runs the tests on the machine's own kernel.
pub(crate) fn own(machine: &Machine<'_>) -> Result {
    let name = Kernel::Own.name();
    let directory = machine.work.join(name);
    fs::create_dir_all(&directory).at("create", &directory)?;
    let release = command::read(command::new("uname").arg("-r"))?;
    repository::write(directory.join("version"), &release)?;
    set_aside(&directory)?;
    machine.clock.step(&format!("{name}: {}", release.trim_end()));
    let results = directory.join("results");
    let mut init = command::new(Path::new(LISTS).join("init"));
    init.env("ROOT_OF_TESTS", machine.work)
        .env("CONSOLE", directory.join("console"))
        .env("RESULTS", &results);
    command::run(init.stderr(std::io::stdout()))?;
    let text = repository::read(&results)?;
    Progress::new(name).lines(&text).iter().for_each(|line| output::line(line));
    merge_into(machine.options, &directory)
}

/// Renames earlier results to `results.before`, and creates an empty `results`.
fn set_aside(directory: &Path) -> Result {
    let results = directory.join("results");
    if results.metadata().is_ok_and(|found| found.len() > 0) {
        fs::rename(&results, directory.join("results.before")).at("rename", &results)?;
    }
    repository::write(&results, "")
}

/// Adds the earlier results of the binaries that `TESTS` left out.
fn merge_into(options: &Options, directory: &Path) -> Result {
    let before = repository::read_if_there(directory.join("results.before"))?.unwrap_or_default();
    if options.tests.is_empty() || before.is_empty() {
        return Ok(());
    }
    let results = directory.join("results");
    let again = repository::read(&results)?;
    repository::write(directory.join("results.again"), &again)?;
    repository::write(&results, merge(&before, &again))
}

/// Turns new results into lines for the user: ended binaries and failed cases.
#[derive(Debug)]
struct Progress {
    kernel: &'static str,
    /// An incomplete last line.
    rest: String,
}

impl Progress {
    fn new(kernel: &'static str) -> Self {
        Self { kernel, rest: String::new() }
    }

    fn lines(&mut self, new: &str) -> Vec<String> {
        self.rest += new;
        let whole = self.rest.rfind('\n').map_or(0, |end| end + 1);
        let lines =
            self.rest[..whole].lines().filter_map(progress).map(|line| format!("{}: {line}", self.kernel));
        let lines = lines.collect();
        self.rest.drain(..whole);
        lines
    }
}

fn progress(line: &str) -> Option<String> {
    match line.split(' ').collect::<Vec<_>>().as_slice() {
        ["end", name, _, seconds] => Some(format!("{name} done after {seconds} s")),
        ["case", name, "failed", ..] => Some(format!("FAILED {name}")),
        ["done", ..] => Some(line.to_owned()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scratch::Scratch;

    #[test]
    fn progress_comes_with_whole_lines() {
        let mut progress = Progress::new("6.1");
        assert_eq!(
            progress.lines("kernel 6.1\r\ncase a passed 0.01 \r\ncase b failed 0.02 x y\r\nend se"),
            ["6.1: FAILED b"]
        );
        assert_eq!(progress.lines("t 101 7\r\ndone 8\r"), ["6.1: set done after 7 s"]);
        assert_eq!(progress.lines("\n"), ["6.1: done 8"]);
        assert_eq!(progress.lines(""), [""; 0]);
    }

    #[test]
    fn earlier_results_are_merged_only_where_some_binaries_ran() {
        let scratch = Scratch::new("merge");
        let write = |name: &str, text: &str| repository::write(scratch.path().join(name), text).unwrap();
        let read = || repository::read(scratch.path().join("results")).unwrap();
        write("results", "binary a\nend a 0 1\ndone 1\n");
        set_aside(scratch.path()).unwrap();
        assert_eq!(read(), "");
        write("results", "binary b\nend b 0 1\ndone 1\n");
        let mut options = Options::new(&[]).unwrap();
        options.tests.clear();
        merge_into(&options, scratch.path()).unwrap();
        assert_eq!(read(), "binary b\nend b 0 1\ndone 1\n");
        options.tests.push("b".to_owned());
        merge_into(&options, scratch.path()).unwrap();
        assert_eq!(read(), "binary a\nend a 0 1\nbinary b\nend b 0 1\ndone 2\n");
    }

    #[test]
    fn empty_results_do_not_replace_those_of_an_earlier_run() {
        let scratch = Scratch::new("aside");
        repository::write(scratch.path().join("results"), "done 1\n").unwrap();
        set_aside(scratch.path()).unwrap();
        set_aside(scratch.path()).unwrap();
        assert_eq!(repository::read(scratch.path().join("results.before")).unwrap(), "done 1\n");
    }
}
