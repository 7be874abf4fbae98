// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The command line, as the user types it.

use clap::{Args, Parser, Subcommand, ValueEnum};
use std::ffi::OsString;
use std::path::PathBuf;

/// Mount container file systems from directory descriptors: built detached, published in one step, with the reason
/// when it fails.
#[derive(Debug, Parser)]
#[command(
    name = "fmountat",
    bin_name = "fmountat",
    version,
    max_term_width = 80,
    arg_required_else_help = true
)]
pub(crate) struct Cli {
    /// Print results and errors as JSON, one object each; bytes that are no UTF-8 become U+FFFD
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Print each step on stderr: which strategy is used, and why another one could not be
    #[arg(long, global = true)]
    pub(crate) verbose: bool,
    #[command(subcommand)]
    pub(crate) verb: Verb,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Mount one file system, bind or overlay, as mount(8) does
    ///
    /// A failure leaves nothing mounted, and says which step, option or layer it was, in the kernel's words and ours. Without
    /// `-t` the type is what the image or device holds; `-o bind`, `-o loop`, `-o remount` and the propagation words are as
    /// mount(8) has them. A bind is private, unless a word says otherwise.
    #[command(allow_missing_positional = true)]
    Mount(MountArgs),
    /// Mount a set of mounts on TARGET: all of it in one step, or nothing
    ///
    /// SPEC is a JSON list of `{"type", "source", "target", "options"}` as containerd writes it, or an object with such a list
    /// under `mounts`, as an OCI config.json. The targets are places inside TARGET, which no link in it leads out of. A set
    /// without a mount for `/` goes into a private copy of what is at TARGET.
    Apply(ApplyArgs),
    /// Show what `apply` would do, and what would be refused; changes nothing
    ///
    /// It looks at sources, layers, images, targets, options, privilege and the kernel's features. The exit status is the
    /// one that `apply` would give, as far as looking can tell: a damaged image, say, only shows when it is mounted.
    Explain(ExplainArgs),
    /// Show what this kernel, user and sandbox allow, what is used instead, and what to change
    ///
    /// Good to paste into a bug report: it has no names of hosts, users or files of theirs.
    Doctor,
    /// Run a command in a throw-away root: needs no privilege, leaves nothing
    ///
    /// The command is root in user, mount and pid namespaces of its own (as real root: in mount and pid namespaces).
    /// What it writes goes to a tmpfs that ends with it. This protects files; it is no boundary against hostile code.
    Run(RunArgs),
    /// Unmount: what is named and nothing else, no link followed, busy mounts tried again
    ///
    /// Who keeps a busy mount in use is named. Of a stack of mounts the topmost goes, with `--all` each of them.
    Umount(UmountArgs),
    /// The mounts as a tree
    List(ListArgs),
    /// The mount that holds PATH; status 32 if there is none
    Find(FindArgs),
    /// Mounts as they come and go, a line for each
    ///
    /// An overflow means that the kernel has lost events; what differs is then printed, and `resync` after it. By fanotify
    /// (Linux 6.15, with privilege over the namespace) every mount and unmount is an event, but not changed options. Elsewhere
    /// the table is watched, which is said first: changed options are events there, and what comes and goes within a moment
    /// is not.
    Watch(WatchArgs),
    /// Take away what a set that was killed half way has left, where it could not be mounted in one step
    ///
    /// A set that is built detached leaves nothing. One that is mounted step by step (on an old kernel, in a sandbox, with a
    /// mount helper) is noted in /run/fmountat, or $XDG_RUNTIME_DIR/fmountat, until it is complete. Those very mounts and
    /// directories are taken away, and nothing else.
    Clean,
    /// The first process of `run`'s pid namespace
    #[command(name = "__run-init", hide = true)]
    RunInit(InitArgs),
}

/// A program whose habits are followed.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum CompatArg {
    /// Options without effect are ignored
    Containerd,
    /// As runc: options without effect are ignored, mount points are made, binds are slaves
    Oci,
}

#[derive(Debug, Args)]
pub(crate) struct MountArgs {
    /// Relative paths start at DIR
    #[arg(short = 'C', value_name = "DIR")]
    pub(crate) directory: Option<PathBuf>,
    /// Mount into the mount namespace of a process, or of a file like /proc/PID/ns/mnt; TARGET is then a path in there
    #[arg(long, value_name = "PID|FILE")]
    pub(crate) into: Option<OsString>,
    /// The file system's name, `bind` or `overlay`
    #[arg(short = 't', long = "types", value_name = "TYPE")]
    pub(crate) fstype: Option<OsString>,
    /// Options, separated by commas; may be given several times
    #[arg(short = 'o', long = "options", value_name = "OPTIONS")]
    pub(crate) options: Vec<OsString>,
    /// Ignore words that have no effect, and list them, as this program's users expect
    #[arg(long, value_name = "PROGRAM")]
    pub(crate) compat: Option<CompatArg>,
    /// What to mount; not needed to change a mount (`-o remount`, `-o shared`, ...)
    pub(crate) source: Option<PathBuf>,
    /// Where; a symbolic link is followed
    pub(crate) target: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct ApplyArgs {
    /// Put the set in place of the topmost mount on TARGET, without a moment between
    ///
    /// All that is mounted in the old one goes with it, whoever mounted it. What the new set has no mount for is told before that;
    /// with --strict it is refused.
    #[arg(long)]
    pub(crate) replace: bool,
    /// Mount into the mount namespace of a process, or of a file like /proc/PID/ns/mnt; TARGET is then a path in there
    #[arg(long, value_name = "PID|FILE", conflicts_with = "replace")]
    pub(crate) into: Option<OsString>,
    #[command(flatten)]
    pub(crate) set: SetArgs,
}

#[derive(Debug, Args)]
pub(crate) struct ExplainArgs {
    /// As if the set were to replace what is mounted on TARGET
    #[arg(long)]
    pub(crate) replace: bool,
    #[command(flatten)]
    pub(crate) set: SetArgs,
}

/// A set of mounts, and where it is to be.
#[derive(Debug, Args)]
pub(crate) struct SetArgs {
    /// Relative paths start at DIR
    #[arg(short = 'C', value_name = "DIR")]
    pub(crate) directory: Option<PathBuf>,
    /// All mounts of the list read only; an overlay's upperdir becomes its top layer
    #[arg(long)]
    pub(crate) view: bool,
    /// Refuse a set that others could see half done, as on kernels before 6.15
    #[arg(long)]
    pub(crate) strict: bool,
    /// Ignore words that have no effect, and list them, as this program's users expect
    #[arg(long, value_name = "PROGRAM")]
    pub(crate) compat: Option<CompatArg>,
    /// The mount list: a file with JSON as containerd or OCI write it, or `-`
    pub(crate) spec: PathBuf,
    /// Where: a directory, or a file for a set that is one bound file
    pub(crate) target: PathBuf,
}

#[derive(Debug, Args, Clone)]
pub(crate) struct RunArgs {
    /// Relative paths start at DIR
    #[arg(short = 'C', value_name = "DIR", allow_hyphen_values = true)]
    pub(crate) directory: Option<PathBuf>,
    /// A layer of the root, topmost first; `/` alone is a copy of this machine's own system
    #[arg(long = "lower", value_name = "DIR")]
    pub(crate) lowers: Vec<PathBuf>,
    /// Show SRC, writable unless OPTIONS say `rro`, at DST (or SRC) in the root
    #[arg(long = "bind", value_name = "SRC[:DST[:OPTIONS]]")]
    pub(crate) binds: Vec<OsString>,
    /// The mount list: a file with JSON as containerd or OCI write it, or `-`
    pub(crate) spec: Option<PathBuf>,
    /// The command and its arguments
    #[arg(last = true, required = true, value_name = "COMMAND")]
    pub(crate) command: Vec<OsString>,
}

#[derive(Debug, Args)]
pub(crate) struct InitArgs {
    /// The pid of the process that started it
    #[arg(long)]
    pub(crate) supervisor: i32,
    /// Its process group has the terminal, which the command is to have
    #[arg(long)]
    pub(crate) foreground: bool,
    #[command(flatten)]
    pub(crate) run: RunArgs,
}

#[derive(Debug, Args)]
pub(crate) struct UmountArgs {
    /// Everything mounted at and below TARGET, deepest first
    #[arg(short = 'R', long = "recursive")]
    pub(crate) recursive: bool,
    /// Out of the table now, freed when its last user is gone
    #[arg(short = 'l', long = "lazy")]
    pub(crate) lazy: bool,
    /// How long to try while it is busy
    #[arg(long, value_name = "SECONDS", default_value_t = 2.5)]
    pub(crate) timeout: f64,
    /// All mounts of a stack at TARGET; nothing mounted there is success
    #[arg(long)]
    pub(crate) all: bool,
    /// Exactly the mount with this id, never one on top of it: the kernel's unique id, or the one that mountinfo shows
    #[arg(long, value_name = "ID", conflicts_with_all = ["recursive", "all", "target"])]
    pub(crate) id: Vec<u64>,
    /// Whole sets, each in one call, many together: FILE (or `-`) has what `fmountat --json apply` printed for each of them
    #[arg(long, value_name = "FILE", conflicts_with_all = ["recursive", "all", "target", "id"])]
    pub(crate) set: Vec<PathBuf>,
    /// Mount points; a symbolic link is not followed
    #[arg(required_unless_present_any = ["id", "set"])]
    pub(crate) target: Vec<PathBuf>,
}

/// The interface that the mount table is read by.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum StrategyArg {
    Auto,
    Statmount,
    Mountinfo,
}

/// How mounts are printed.
#[derive(Debug, Args)]
pub(crate) struct ShowArgs {
    /// Columns, separated by commas: TARGET, SOURCE, FSTYPE, OPTIONS (these without it), ID, UNIQ-ID, PARENT, MAJ:MIN,
    /// FSROOT, VFS-OPTIONS, FS-OPTIONS, PROPAGATION, OPT-FIELDS
    #[arg(short = 'o', long = "output", value_name = "COLUMNS", value_delimiter = ',', ignore_case = true)]
    pub(crate) output: Vec<String>,
    /// Everything, however long: no "37 layers", nothing cut to fit the terminal
    #[arg(long)]
    pub(crate) full: bool,
    /// No line with the columns' names
    #[arg(short = 'n', long)]
    pub(crate) noheadings: bool,
    /// Sources without the directory that a bind shows, [/DIR]
    #[arg(short = 'v', long)]
    pub(crate) nofsroot: bool,
}

#[derive(Debug, Args)]
pub(crate) struct ListArgs {
    /// Only mounts of these types, separated by commas; with `no` in front, all others
    #[arg(short = 't', long = "types", value_name = "TYPES")]
    pub(crate) types: Option<OsString>,
    /// Only file systems that have data of their own, on devices or elsewhere
    #[arg(long, conflicts_with = "pseudo")]
    pub(crate) real: bool,
    /// Only the others: proc, sysfs, tmpfs, overlay, ...
    #[arg(long)]
    pub(crate) pseudo: bool,
    /// One after the other, not as a tree
    #[arg(short = 'l', long)]
    pub(crate) list: bool,
    /// Of the mount namespace of a process, of a file like /proc/PID/ns/mnt, or with this id; PATH is then a path in there
    #[arg(short = 'N', long, value_name = "PID|FILE|id:ID")]
    pub(crate) namespace: Option<OsString>,
    #[command(flatten)]
    pub(crate) show: ShowArgs,
    /// The interface to read by
    #[arg(long, value_name = "STRATEGY", default_value = "auto")]
    pub(crate) strategy: StrategyArg,
    /// Only what is mounted at PATH and below it
    pub(crate) path: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct FindArgs {
    /// The mount with this id: the kernel's unique id, or the one that mountinfo shows
    #[arg(long, value_name = "ID", conflicts_with_all = ["path", "mountpoint"])]
    pub(crate) id: Option<u64>,
    /// PATH itself must be a mount point
    #[arg(long)]
    pub(crate) mountpoint: bool,
    #[command(flatten)]
    pub(crate) show: ShowArgs,
    /// The interface to read by
    #[arg(long, value_name = "STRATEGY", default_value = "auto")]
    pub(crate) strategy: StrategyArg,
    /// A file or directory; symbolic links are followed
    #[arg(required_unless_present = "id")]
    pub(crate) path: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct WatchArgs {
    /// End after so many events
    #[arg(long, value_name = "NUMBER")]
    pub(crate) count: Option<u64>,
    /// End after this time; the status is 32 if --count events have not come by then
    #[arg(long, value_name = "SECONDS")]
    pub(crate) timeout: Option<f64>,
    /// Of the mount namespace of a process, of a file like /proc/PID/ns/mnt, or with this id; PATH is then a path in there
    #[arg(short = 'N', long, value_name = "PID|FILE|id:ID")]
    pub(crate) namespace: Option<OsString>,
    /// Everything, however long: no "37 layers"
    #[arg(long)]
    pub(crate) full: bool,
    /// The interface to watch by
    #[arg(long, value_name = "STRATEGY", default_value = "auto")]
    pub(crate) strategy: StrategyArg,
    /// Only what is mounted at PATH and below it; not what was gone before it could be seen where
    pub(crate) path: Option<PathBuf>,
}
