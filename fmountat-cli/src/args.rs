// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The command line. Its doc comments are the help texts, the man pages, `docs/cli.md` and the
//! completions.
//!
//! The sections below the options of `--help` (examples, files, environment, exit status) are in
//! `help/VERB.txt`.

use super::mount_args::MountArgs;
use super::run_args::{ChangesArgs, InitArgs, RunArgs};
use super::set_args::{ApplyArgs, ExplainArgs};
use clap::{Args, Parser, Subcommand, ValueEnum};
use std::ffi::OsString;
use std::path::PathBuf;

/// Mount container root file systems, all or nothing
#[derive(Debug, Parser)]
#[command(
    name = "fmountat",
    bin_name = "fmountat",
    version,
    max_term_width = 80,
    arg_required_else_help = true
)]
pub(crate) struct Cli {
    /// Print results and errors as JSON, one object per line
    #[arg(long, global = true, display_order = 900)]
    pub(crate) json: bool,
    /// Print each step on stderr, with the strategy it uses
    #[arg(long, global = true, display_order = 900)]
    pub(crate) verbose: bool,
    #[command(subcommand)]
    pub(crate) verb: Verb,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Run a command in a throw-away root file system
    ///
    /// Builds a root file system, enters it and starts COMMAND in new mount, pid, IPC, UTS and
    /// cgroup namespaces. Callers other than root need no privilege, only user namespaces.
    ///
    /// COMMAND has your user and group id. As an ordinary user you have no other ids: all other
    /// owners are shown as nobody. With --root your ids are shown as 0. With --map-auto, COMMAND
    /// also has your ranges of /etc/subuid and /etc/subgid, as package managers need; if there are
    /// none, a message says so. Mounts that are read-only cannot be made writable from inside.
    ///
    /// COMMAND writes to a tmpfs, which the kernel frees when COMMAND exits, or to the directory of
    /// --keep. Only writes to the
    /// mounts of --bind reach the host; `\:` is a colon in their paths. If fmountat is killed, the
    /// kernel kills COMMAND too.
    ///
    /// The layers of the root are the --lower directories. With --lower and no SPEC, /proc, /sys
    /// and /dev are mounted as OCI runtimes do. Without --lower, SPEC must have a mount for `/`; an
    /// overlay without upperdir and ro gets an upper directory on the tmpfs.
    ///
    /// With --bundle, the root, its mounts, the host name and the network namespace are those of
    /// config.json in the OCI bundle DIR; root.path is the layer. COMMAND, the environment, the
    /// directory and the user are by default those of its process. What run does not do, such as
    /// cgroups, seccomp and hooks, is listed on stderr; --strict refuses it.
    ///
    /// COMMAND is all words after the options. Without --lower, the first of them is SPEC. With
    /// --lower, SPEC must be directly before `--`. Put `--` before a COMMAND that has `--` as its
    /// first argument.
    ///
    /// `--lower /` copies this system: as root, with an overlay over each real file system; in a
    /// user namespace, with one over each directory that has no mounts below it. Paths that cannot
    /// be overlaid are listed on stderr. COMMAND starts in the current directory, if the copy has
    /// it.
    ///
    /// The signals HUP, INT, QUIT, TERM, USR1, USR2, WINCH, ALRM and CONT are passed on to COMMAND.
    ///
    /// run protects the host from mistakes: its files, device nodes, host name, IPC objects and
    /// kernel settings. As root, COMMAND lacks the capabilities to change the clock, modules,
    /// mounts and the network, and finds /proc/sys and /sys read-only. COMMAND cannot gain
    /// privileges by set-user-ID programs, except with --root, nor type into your terminal. Each
    /// --share option and --cap-add gives a part back.
    ///
    /// run is not a security boundary against hostile code. COMMAND reads what you can read, uses
    /// your network and your CPU, and reaches every socket that you can reach. For hostile code use
    /// a virtual machine or a sandbox with a system call filter.
    #[command(after_long_help = include_str!("help/run.txt").trim_end())]
    Run(RunArgs),
    /// List what the commands of `run --keep` have changed
    ///
    /// Compares the files in DIR, a directory of `run --keep`, with the layers as they are now, and
    /// prints a line for each path: added, changed, removed, or replaced by another type of file;
    /// its size or type; and what has changed: content, mode, owner or time. A summary is printed
    /// on stderr.
    ///
    /// It needs root for changes that root has kept.
    #[command(after_long_help = include_str!("help/changes.txt").trim_end())]
    Changes(ChangesArgs),
    /// Mount a file system, directory or image, like mount(8)
    ///
    /// If a step fails, nothing is mounted, and the error names the step, the option or layer, and
    /// the reason.
    ///
    /// Without -t, the type is detected from the image or device. The options bind, loop, remount
    /// and those of propagation work as in mount(8). A bind mount is private, unless there is a
    /// propagation option. If SOURCE cannot be written to, it is mounted read-only, with a message;
    /// with the option rw this is an error.
    ///
    /// With --into, TARGET is a path in that mount namespace.
    #[command(override_usage = "fmountat mount [OPTIONS] [SOURCE] TARGET", after_long_help = include_str!("help/mount.txt").trim_end())]
    Mount(MountArgs),
    /// Mount a set of file systems on TARGET, all or nothing
    ///
    /// Builds all mounts of SPEC where no other process sees them, and attaches them to TARGET in
    /// one step. If a step fails, nothing is mounted.
    ///
    /// SPEC is a JSON list of objects with the keys type, source, target and options, as containerd
    /// writes it; or an object with such a list under mounts, such as an OCI config.json. Mount
    /// points are resolved inside TARGET: no symbolic link leads out of it. A set without a mount
    /// for `/` is mounted in a private copy of the directory at TARGET.
    ///
    /// With --bundle, SPEC is config.json in the OCI bundle DIR. The root of the set is a recursive
    /// bind mount of its root.path. Relative sources start at DIR.
    ///
    /// apply does not carry out some parts of a config.json that concern the root file system, such
    /// as the path of a namespace to join. It lists these parts on stderr.
    ///
    /// With --namespace, the set becomes the root of a new mount namespace. The namespace has no
    /// mount of the present one, and no process here sees the mounts of the set. The namespace is
    /// pinned on FILE for nsenter(1), until FILE is unmounted. TARGET is needed only for a set
    /// without a mount for `/`.
    ///
    /// With --replace, the set takes the place of the topmost mount on TARGET. All mounts in the
    /// old set are dropped, including those of other processes. The ones without a counterpart in
    /// the new set are listed on stderr first. The replacement is atomic since Linux 6.5.
    ///
    /// With --strict, apply refuses a set that must be mounted step by step: one that needs a mount
    /// helper, and before Linux 6.15 one that cannot be built in a private mount namespace. It
    /// refuses a config.json with a part that it does not do. With --replace it also refuses to
    /// drop a mount without a counterpart, and a replacement that is not atomic.
    ///
    /// With --into, TARGET is a path in that mount namespace, and SPEC must have a mount for `/`.
    #[command(allow_missing_positional = true, after_long_help = include_str!("help/apply.txt").trim_end())]
    Apply(ApplyArgs),
    /// Show what apply would do, without changing anything
    ///
    /// Checks sources, layers, images, mount points, options, privilege and kernel features. Prints
    /// the strategy, each mount, the kernel features in use and every error that apply would
    /// report.
    ///
    /// The exit status is the one apply would give, as far as a check can predict it: a damaged
    /// image, for one, is only detected when it is mounted.
    #[command(allow_missing_positional = true, after_long_help = include_str!("help/explain.txt").trim_end())]
    Explain(ExplainArgs),
    /// Unmount file systems, and name the processes that keep one busy
    ///
    /// Unmounts the topmost mount on TARGET and nothing else. A busy mount is retried until
    /// --timeout; then the error lists the processes that use it. With several targets, all are
    /// tried and all errors are printed.
    ///
    /// With --id, a mount on top of the one with ID is an error. With --set, each set is unmounted
    /// in one call, and many sets together; mounts that others put into a set are never unmounted
    /// with it.
    #[command(after_long_help = include_str!("help/umount.txt").trim_end())]
    Umount(UmountArgs),
    /// List mounts as a tree
    ///
    /// Columns and JSON are those of findmnt(8). On a terminal, values are cut to its width. If the
    /// layers of an overlay are many or long, only their number is printed.
    #[command(after_long_help = include_str!("help/list.txt").trim_end())]
    List(ListArgs),
    /// Find the mount that holds PATH
    ///
    /// Prints the mount that a lookup of PATH ends in. Columns and JSON are those of findmnt(8).
    #[command(after_long_help = include_str!("help/find.txt").trim_end())]
    Find(FindArgs),
    /// Print mounts, unmounts and other changes as they happen
    ///
    /// Prints a line for each event: mount, umount, move or remount, then target, source, type and
    /// options.
    ///
    /// By fanotify(7), every mount and unmount is reported, but no change of options. It needs
    /// Linux 6.15, and CAP_SYS_ADMIN over the mount namespace. Elsewhere watch polls the mount
    /// table and prints a message first: it reports changed options, but not a mount that ends
    /// before the next poll.
    ///
    /// overflow means that the kernel lost events. The differences to the last known table follow,
    /// then resync. With PATH, a mount that was gone before its mount point could be read is not
    /// reported.
    #[command(after_long_help = include_str!("help/watch.txt").trim_end())]
    Watch(WatchArgs),
    /// Report what this kernel, user and sandbox allow
    ///
    /// Lists the state of each feature, the substitute that fmountat uses, and the change that
    /// makes the feature available. The report holds no names of hosts, users or their files: you
    /// can paste it into a bug report.
    ///
    /// To test user namespaces, doctor creates one, which ends at once. It changes nothing else.
    #[command(after_long_help = include_str!("help/doctor.txt").trim_end())]
    Doctor,
    /// Unmount and remove what a killed command left behind
    ///
    /// A set that is published in one step leaves nothing. A set that is mounted step by step (with
    /// a mount helper, or before Linux 6.15 where no private mount namespace can be made) has a
    /// journal entry until it is complete.
    ///
    /// clean unmounts the mounts and removes the directories in the journal, and nothing else. It
    /// skips sets that are still being mounted and sets of other mount namespaces. Where a helper
    /// was killed, clean cannot tell whose mount is there: it reports the path and leaves it.
    #[command(after_long_help = include_str!("help/clean.txt").trim_end())]
    Clean,
    /// Run as the first process of the pid namespace of run
    #[command(name = "__run-init", hide = true)]
    RunInit(InitArgs),
    /// Visit a directory that may not answer
    #[command(name = "__run-visit", hide = true)]
    RunVisit { path: PathBuf },
}

#[derive(Debug, Args)]
pub(crate) struct UmountArgs {
    /// Unmount everything at and below TARGET, deepest first
    #[arg(short = 'R', long = "recursive")]
    pub(crate) recursive: bool,
    /// Detach the mount now; the kernel frees it after its last use
    #[arg(short = 'l', long = "lazy")]
    pub(crate) lazy: bool,
    /// Make a network or FUSE file system give up its pending requests
    #[arg(short = 'f', long)]
    pub(crate) force: bool,
    /// Print no error for a target that is not mounted; the exit status is the same
    #[arg(short = 'q', long)]
    pub(crate) quiet: bool,
    /// Unmount in the namespace of process PID or of FILE (/proc/PID/ns/mnt)
    #[arg(short = 'N', long, alias = "namespace", value_name = "PID|FILE")]
    pub(crate) into: Option<OsString>,
    /// Accepted for scripts: the kernel frees a loop device of `mount` with its last mount
    #[arg(short = 'd', long = "detach-loop", hide = true)]
    pub(crate) detach_loop: bool,
    /// Accepted for scripts: /etc/mtab is not written
    #[arg(short = 'n', long = "no-mtab", hide = true)]
    pub(crate) no_mtab: bool,
    /// Retry a busy mount for SECONDS
    #[arg(long, value_name = "SECONDS", default_value_t = 2.5)]
    pub(crate) timeout: f64,
    /// Unmount all mounts stacked on TARGET; succeed if there is none
    #[arg(long)]
    pub(crate) all: bool,
    /// Unmount only the mount with ID, unique or as in mountinfo
    #[arg(long, value_name = "ID", conflicts_with_all = ["recursive", "all", "target"])]
    pub(crate) id: Vec<u64>,
    /// Unmount the sets that `apply --json` printed to FILE; - for stdin
    #[arg(long, value_name = "FILE", conflicts_with_all = ["recursive", "all", "target", "id"])]
    pub(crate) set: Vec<PathBuf>,
    /// Mount points, whose symbolic links are not followed; or devices and images mounted once
    #[arg(required_unless_present_any = ["id", "set"])]
    pub(crate) target: Vec<PathBuf>,
}

/// Selects the kernel interface for reading the mount table.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum StrategyArg {
    Auto,
    Statmount,
    Mountinfo,
}

/// Holds the options for the output of list and find.
#[derive(Debug, Args)]
pub(crate) struct ShowArgs {
    /// Columns, separated by commas, or +COLUMN to add one [default: TARGET,SOURCE,FSTYPE,OPTIONS]
    #[arg(short = 'o', long = "output", value_name = "COLUMNS", value_delimiter = ',', ignore_case = true)]
    pub(crate) output: Vec<String>,
    /// Columns of df(1): SOURCE,FSTYPE,SIZE,USED,AVAIL,USE%,TARGET
    #[arg(short = 'D', long)]
    pub(crate) df: bool,
    /// Print a line for each mount: values separated by a blank, special characters as \x20
    #[arg(short = 'r', long, conflicts_with = "pairs")]
    pub(crate) raw: bool,
    /// Print a line for each mount: COLUMN="VALUE"
    #[arg(short = 'P', long)]
    pub(crate) pairs: bool,
    /// Print values in full: do not cut them or count layers
    #[arg(long)]
    pub(crate) full: bool,
    /// Do not print the heading
    #[arg(short = 'n', long)]
    pub(crate) noheadings: bool,
    /// Do not print [/DIR] after the source of a bind mount
    #[arg(short = 'v', long)]
    pub(crate) nofsroot: bool,
}

#[derive(Debug, Args)]
pub(crate) struct ListArgs {
    /// Limit to TYPES, separated by commas; a leading `no` excludes them
    #[arg(short = 't', long = "types", value_name = "TYPES")]
    pub(crate) types: Option<OsString>,
    /// Limit to real file systems, which have data of their own
    #[arg(long, conflicts_with = "pseudo")]
    pub(crate) real: bool,
    /// Limit to pseudo file systems: proc, sysfs, tmpfs, overlay, ...
    #[arg(long)]
    pub(crate) pseudo: bool,
    /// Use list format instead of a tree
    #[arg(short = 'l', long)]
    pub(crate) list: bool,
    /// Use the mount namespace of process PID, of FILE, or with this ID
    #[arg(short = 'N', long, value_name = "PID|FILE|id:ID")]
    pub(crate) namespace: Option<OsString>,
    #[command(flatten)]
    pub(crate) show: ShowArgs,
    /// Kernel interface for reading the mount table
    #[arg(long, value_name = "STRATEGY", default_value = "auto")]
    pub(crate) strategy: StrategyArg,
    /// Limit to mounts at and below PATH, a path in the namespace of -N
    pub(crate) path: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct FindArgs {
    /// Find the mounts of this device, image, directory, tag or source
    #[arg(short = 'S', long, value_name = "SOURCE", conflicts_with_all = ["path", "mountpoint", "id"])]
    pub(crate) source: Option<OsString>,
    /// Find the mount with this unique or mountinfo id
    #[arg(long, value_name = "ID", conflicts_with_all = ["path", "mountpoint"])]
    pub(crate) id: Option<u64>,
    /// Fail unless PATH itself is a mount point
    #[arg(long)]
    pub(crate) mountpoint: bool,
    #[command(flatten)]
    pub(crate) show: ShowArgs,
    /// Kernel interface for reading the mount table
    #[arg(long, value_name = "STRATEGY", default_value = "auto")]
    pub(crate) strategy: StrategyArg,
    /// File or directory; symbolic links are followed
    #[arg(required_unless_present_any = ["id", "source"])]
    pub(crate) path: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct WatchArgs {
    /// Exit after NUMBER events
    #[arg(long, value_name = "NUMBER")]
    pub(crate) count: Option<u64>,
    /// Exit after SECONDS, with status 32 if --count is not reached
    #[arg(long, value_name = "SECONDS")]
    pub(crate) timeout: Option<f64>,
    /// Use the mount namespace of process PID, of FILE, or with this ID
    #[arg(short = 'N', long, value_name = "PID|FILE|id:ID")]
    pub(crate) namespace: Option<OsString>,
    /// Print options in full: do not count layers
    #[arg(long)]
    pub(crate) full: bool,
    /// Kernel interface for watching the mount table
    #[arg(long, value_name = "STRATEGY", default_value = "auto")]
    pub(crate) strategy: StrategyArg,
    /// Limit to mounts at and below PATH, a path in the namespace of -N
    pub(crate) path: Option<PathBuf>,
}
