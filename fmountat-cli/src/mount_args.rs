// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The arguments of `fmountat mount`: those of mount(8).

use clap::{Args, ValueEnum};
use std::ffi::OsString;
use std::path::PathBuf;

/// Names a program whose rules for mount options are followed.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum CompatArg {
    /// Ignore options that have no effect
    Containerd,
    /// Like runc: also create mount points, and give a tmpfs the mode of its directory
    Oci,
}

#[derive(Debug, Args)]
pub(crate) struct MountArgs {
    /// Resolve relative paths from DIR
    #[arg(short = 'C', value_name = "DIR")]
    pub(crate) directory: Option<PathBuf>,
    /// Mount in the namespace of process PID or of FILE (/proc/PID/ns/mnt)
    #[arg(short = 'N', long, alias = "namespace", value_name = "PID|FILE")]
    pub(crate) into: Option<OsString>,
    /// File system type, bind or overlay
    #[arg(short = 't', long = "types", value_name = "TYPE")]
    pub(crate) fstype: Option<OsString>,
    /// Mount options, separated by commas; can be repeated
    #[arg(short = 'o', long = "options", value_name = "OPTIONS")]
    pub(crate) options: Vec<OsString>,
    /// Mount SOURCE a second time at TARGET: -o bind
    #[arg(short = 'B', long, group = "operation")]
    pub(crate) bind: bool,
    /// Mount SOURCE and all mounts below it a second time at TARGET: -o rbind
    #[arg(short = 'R', long, group = "operation")]
    pub(crate) rbind: bool,
    /// Move the mount at SOURCE to TARGET
    #[arg(short = 'M', long = "move", group = "operation", conflicts_with_all = ["fstype", "options", "into"])]
    pub(crate) moves: bool,
    /// Mount read-only: -o ro
    #[arg(short = 'r', long = "read-only", alias = "ro", conflicts_with = "read_write")]
    pub(crate) read_only: bool,
    /// Mount writable, or fail: -o rw
    #[arg(short = 'w', long = "read-write", alias = "rw")]
    pub(crate) read_write: bool,
    /// Create a missing mount point: -o X-mount.mkdir[=MODE]
    #[arg(short = 'm', long, value_name = "MODE", num_args = 0..=1, require_equals = true)]
    pub(crate) mkdir: Option<Option<OsString>>,
    /// Find the device by its file system label
    #[arg(short = 'L', long, value_name = "LABEL", conflicts_with_all = ["uuid", "source_option"])]
    pub(crate) label: Option<OsString>,
    /// Find the device by its file system UUID
    #[arg(short = 'U', long, value_name = "UUID", conflicts_with = "source_option")]
    pub(crate) uuid: Option<OsString>,
    /// SOURCE as an option
    #[arg(long = "source", id = "source_option", value_name = "SOURCE")]
    pub(crate) source_option: Option<OsString>,
    /// TARGET as an option
    #[arg(long = "target", value_name = "TARGET")]
    pub(crate) target_option: Option<PathBuf>,
    /// Check the mount without mounting
    #[arg(short = 'f', long, conflicts_with = "into")]
    pub(crate) fake: bool,
    /// Print what was mounted
    #[arg(short = 'v')]
    pub(crate) print: bool,
    /// Accepted for scripts: mount(8) does not write /etc/mtab, and neither does fmountat
    #[arg(short = 'n', long = "no-mtab", hide = true)]
    pub(crate) no_mtab: bool,
    #[command(flatten)]
    pub(crate) propagation: PropagationArgs,
    /// Ignore and list options that have no effect, as PROGRAM does
    #[arg(long, value_name = "PROGRAM")]
    pub(crate) compat: Option<CompatArg>,
    /// Device (also LABEL=, UUID=, PARTLABEL=, PARTUUID=), image, directory or name; then the mount
    /// point, whose symbolic links are followed. To change a mount, TARGET alone
    #[arg(value_names = ["SOURCE", "TARGET"], num_args = 0..)]
    pub(crate) paths: Vec<PathBuf>,
}

/// Holds the options that only change the propagation of TARGET: `--make-private`, ...
#[derive(Debug, Args)]
pub(crate) struct PropagationArgs {
    /// Make the mount shared; --make-rshared: all mounts below too
    #[arg(long)]
    pub(crate) make_shared: bool,
    /// Make the mount a slave; --make-rslave: all mounts below too
    #[arg(long)]
    pub(crate) make_slave: bool,
    /// Make the mount private; --make-rprivate: all mounts below too
    #[arg(long)]
    pub(crate) make_private: bool,
    /// Make the mount unbindable; --make-runbindable: all mounts below too
    #[arg(long)]
    pub(crate) make_unbindable: bool,
    /// The same for all mounts below too
    #[arg(long, hide = true)]
    pub(crate) make_rshared: bool,
    /// The same for all mounts below too
    #[arg(long, hide = true)]
    pub(crate) make_rslave: bool,
    /// The same for all mounts below too
    #[arg(long, hide = true)]
    pub(crate) make_rprivate: bool,
    /// The same for all mounts below too
    #[arg(long, hide = true)]
    pub(crate) make_runbindable: bool,
}
