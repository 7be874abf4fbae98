// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The command line of `fmountat run`.

use clap::{Args, ValueEnum};
use std::ffi::OsString;
use std::path::PathBuf;

#[derive(Debug, Args, Clone)]
pub(crate) struct RunArgs {
    /// Resolve the relative paths of this command line from DIR; see --chdir
    #[arg(short = 'C', value_name = "DIR", allow_hyphen_values = true)]
    pub(crate) directory: Option<PathBuf>,
    /// Layer of the root, topmost first; / alone is a copy of this system
    #[arg(long = "lower", value_name = "DIR")]
    pub(crate) lowers: Vec<PathBuf>,
    /// Root, mounts, command, environment and user of the OCI bundle DIR
    #[arg(long, value_name = "DIR", conflicts_with_all = ["lowers", "spec"])]
    pub(crate) bundle: Option<PathBuf>,
    /// Refuse a bundle with a part that run does not do
    #[arg(long, requires = "bundle")]
    pub(crate) strict: bool,
    /// Bind SRC at DST, by default at the same absolute path; writes to it reach the host
    #[arg(long = "bind", value_name = "SRC[:DST[:OPTIONS]]")]
    pub(crate) binds: Vec<OsString>,
    /// The same, read-only
    #[arg(long = "ro-bind", value_name = "SRC[:DST[:OPTIONS]]")]
    pub(crate) ro_binds: Vec<OsString>,
    /// Mount an empty tmpfs on DIR
    #[arg(long, value_name = "DIR")]
    pub(crate) tmpfs: Vec<PathBuf>,
    /// Limit the changes that are kept in memory, as in 512m or 20%
    #[arg(long, value_name = "BYTES")]
    pub(crate) size: Option<OsString>,
    /// Keep the changes in DIR, and continue those that are there; see `fmountat changes`
    #[arg(long, value_name = "DIR", conflicts_with_all = ["size", "spec"])]
    pub(crate) keep: Option<PathBuf>,
    /// Start COMMAND in DIR, a path in the root
    #[arg(long, value_name = "DIR")]
    pub(crate) chdir: Option<PathBuf>,
    /// Set a variable of the environment
    #[arg(long, value_names = ["NAME", "VALUE"], num_args = 2, allow_hyphen_values = true)]
    pub(crate) setenv: Vec<OsString>,
    /// Remove a variable from the environment
    #[arg(long, value_name = "NAME")]
    pub(crate) unsetenv: Vec<OsString>,
    /// Remove all variables, except those of --setenv
    #[arg(long)]
    pub(crate) clearenv: bool,
    /// Be user and group 0 of the namespace, in place of your own
    #[arg(long)]
    pub(crate) root: bool,
    /// Map your ranges of /etc/subuid and /etc/subgid, by newuidmap(1) and newgidmap(1)
    #[arg(long)]
    pub(crate) map_auto: bool,
    /// Network: the host's (default), or none but a loopback interface
    #[arg(long, value_name = "WHICH", value_enum)]
    pub(crate) net: Option<NetArg>,
    /// Set the host name inside
    #[arg(long, value_name = "NAME", conflicts_with = "share_uts")]
    pub(crate) hostname: Option<OsString>,
    /// Let the command have capability CAP, as in SYS_PTRACE; ALL for all
    #[arg(long, value_name = "CAP", value_delimiter = ',')]
    pub(crate) cap_add: Vec<String>,
    /// Share System V IPC and message queues with the host
    #[arg(long)]
    pub(crate) share_ipc: bool,
    /// Share the host name
    #[arg(long)]
    pub(crate) share_uts: bool,
    /// Share the cgroup namespace
    #[arg(long)]
    pub(crate) share_cgroup: bool,
    /// As root: leave /proc/sys, /sys and other settings of the kernel writable
    #[arg(long)]
    pub(crate) share_sys: bool,
    /// Allow typing into the terminal, by ioctl(TIOCSTI)
    #[arg(long)]
    pub(crate) share_terminal: bool,
    /// Let the command inherit descriptor FD; without this option, only 0, 1 and 2
    #[arg(long = "keep-fd", value_name = "FD", value_delimiter = ',')]
    pub(crate) keep_fds: Vec<i32>,
    /// Print errors only
    #[arg(short, long)]
    pub(crate) quiet: bool,
    /// File with the mount list in JSON, of containerd or OCI; - for stdin
    pub(crate) spec: Option<PathBuf>,
    /// Command and its arguments; all words after `--`
    #[arg(last = true, required_unless_present = "bundle", value_name = "COMMAND")]
    pub(crate) command: Vec<OsString>,
}

/// Selects the network of the command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum NetArg {
    Host,
    None,
}

#[derive(Debug, Args)]
pub(crate) struct InitArgs {
    /// Process id of the supervisor
    #[arg(long)]
    pub(crate) supervisor: i32,
    /// Give the terminal to the command: the supervisor's process group has it
    #[arg(long)]
    pub(crate) foreground: bool,
    /// Descriptor to close when the root is entered
    #[arg(long, value_name = "FD")]
    pub(crate) entered: i32,
    /// Descriptor of the user namespace to enter when the root is entered
    #[arg(long, value_name = "FD")]
    pub(crate) second: Option<i32>,
    #[command(flatten)]
    pub(crate) run: RunArgs,
}

#[derive(Debug, Args)]
pub(crate) struct ChangesArgs {
    /// Directory of `run --keep`
    #[arg(value_name = "DIR")]
    pub(crate) directory: PathBuf,
}
