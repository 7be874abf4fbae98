// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The command line and the environment of `kernels`.

use crate::error::{Error, Result};
use crate::repository;

const USAGE: &str = "Runs the test suite on real kernels: Debian's, in qemu, and the machine's own.

  .ci/kernels [--quick] [--table] [KERNEL...]      KERNEL: 6.1 6.12 newest own; all of them without one

--quick runs the few test files named in .ci/kernels.d/quick; --table writes docs/measured/kernels.md and
.ci/baseline/kernels.tsv from the results in target/kernels. TESTS='contract set' runs only these binaries and puts their results in the place of those that an
earlier run had, KERNELS_JOBS=2 runs two kernels at a time, KERNELS_SECONDS ends a virtual machine after so many seconds.
The exit status is 1 if
- a case failed, or is unsupported although it passed according to .ci/baseline/kernels.tsv,
- a binary failed without a failed case,
- no case passed,
- a virtual machine did not finish.";

/// A kernel that the tests run on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kernel {
    Bookworm,
    Trixie,
    Newest,
    /// The kernel of this machine, without a virtual machine.
    Own,
}

impl Kernel {
    pub(crate) const ALL: [Self; 4] = [Self::Bookworm, Self::Trixie, Self::Newest, Self::Own];

    /// Returns the name on the command line, in tables and below target/kernels.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Bookworm => "6.1",
            Self::Trixie => "6.12",
            Self::Newest => "newest",
            Self::Own => "own",
        }
    }

    /// Returns Debian's suite that has this kernel.
    pub(crate) fn suite(self) -> Option<&'static str> {
        match self {
            Self::Bookworm => Some("bookworm"),
            Self::Trixie => Some("trixie"),
            Self::Newest => Some("sid"),
            Self::Own => None,
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Options {
    pub(crate) quick: bool,
    pub(crate) table: bool,
    pub(crate) kernels: Vec<Kernel>,
    /// `TESTS`: only these binaries; all if it is empty.
    pub(crate) tests: Vec<String>,
    /// `KERNELS_JOBS`: how many virtual machines run at a time.
    pub(crate) jobs: usize,
    /// `KERNELS_SECONDS`: the time limit of a virtual machine.
    pub(crate) seconds: u64,
}

impl Options {
    pub(crate) fn new(words: &[String]) -> Result<Self> {
        let mut options = Self {
            quick: false,
            table: false,
            kernels: Vec::new(),
            tests: repository::words_of("TESTS"),
            jobs: usize::try_from(number("KERNELS_JOBS", 1)?).unwrap_or(usize::MAX),
            seconds: number("KERNELS_SECONDS", 5400)?,
        };
        for word in words {
            let kernel = Kernel::ALL.into_iter().find(|kernel| kernel.name() == word);
            match (word.as_str(), kernel) {
                ("--quick", _) => options.quick = true,
                ("--table", _) => options.table = true,
                (_, Some(kernel)) => options.kernels.push(kernel),
                _ => return Err(Error::usage(USAGE)),
            }
        }
        if options.kernels.is_empty() {
            options.kernels.extend(Kernel::ALL);
        }
        Ok(options)
    }

    /// Returns the kernels that need a virtual machine.
    pub(crate) fn guests(&self) -> Vec<Kernel> {
        self.kernels.iter().copied().filter(|kernel| *kernel != Kernel::Own).collect()
    }
}

/// Returns the number in an environment variable; `default` if it is not set or empty.
fn number(variable: &str, default: u64) -> Result<u64> {
    match std::env::var(variable).unwrap_or_default().as_str() {
        "" => Ok(default),
        text => text.parse().map_err(|_| Error::usage(format!("{variable}={text}: not a number"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(words: &[&str]) -> Result<Options> {
        Options::new(&words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn without_a_kernel_all_are_meant() {
        let all = options(&["--table"]).unwrap();
        assert!(all.table && !all.quick);
        assert_eq!(all.kernels, Kernel::ALL);
        assert_eq!(all.guests(), [Kernel::Bookworm, Kernel::Trixie, Kernel::Newest]);
    }

    #[test]
    fn words_may_come_in_any_order() {
        let some = options(&["own", "--quick", "6.12"]).unwrap();
        assert!(some.quick && !some.table);
        assert_eq!(some.kernels, [Kernel::Own, Kernel::Trixie]);
        assert_eq!(some.guests(), [Kernel::Trixie]);
    }

    #[test]
    fn an_unknown_word_is_a_usage_error() {
        let error = options(&["6.2"]).unwrap_err();
        assert_eq!(error.status, 2);
        assert!(error.text.contains(".ci/kernels [--quick] [--table] [KERNEL...]"));
    }
}
