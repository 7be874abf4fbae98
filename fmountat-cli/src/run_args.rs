// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The command line of `fmountat run`.

use clap::Args;
use std::ffi::OsString;
use std::path::PathBuf;

#[derive(Debug, Args, Clone)]
pub(crate) struct RunArgs {
    /// Resolve relative paths from DIR
    #[arg(short = 'C', value_name = "DIR", allow_hyphen_values = true)]
    pub(crate) directory: Option<PathBuf>,
    /// Layer of the root, topmost first; / alone is a copy of this system
    #[arg(long = "lower", value_name = "DIR")]
    pub(crate) lowers: Vec<PathBuf>,
    /// Bind SRC at DST (default SRC), writable unless OPTIONS has rro
    #[arg(long = "bind", value_name = "SRC[:DST[:OPTIONS]]")]
    pub(crate) binds: Vec<OsString>,
    /// Be user and group 0 of the namespace, in place of your own
    #[arg(long)]
    pub(crate) root: bool,
    /// Map your ranges of /etc/subuid and /etc/subgid, by newuidmap(1) and newgidmap(1)
    #[arg(long)]
    pub(crate) map_auto: bool,
    /// Let the command inherit descriptor FD; without this option, only 0, 1 and 2
    #[arg(long = "keep-fd", value_name = "FD", value_delimiter = ',')]
    pub(crate) keep_fds: Vec<i32>,
    /// File with the mount list in JSON, of containerd or OCI; - for stdin
    pub(crate) spec: Option<PathBuf>,
    /// Command and its arguments, after `--`
    #[arg(last = true, required = true, value_name = "COMMAND")]
    pub(crate) command: Vec<OsString>,
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
    /// Enter a second user namespace, in which the command has these ids
    #[arg(long, value_name = "ID", num_args = 2)]
    pub(crate) ids: Vec<u32>,
    #[command(flatten)]
    pub(crate) run: RunArgs,
}
