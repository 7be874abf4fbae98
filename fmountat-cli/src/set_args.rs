// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The command line of `apply` and `explain`.

use super::mount_args::CompatArg;
use clap::Args;
use std::ffi::OsString;
use std::path::PathBuf;

#[derive(Debug, Args)]
pub(crate) struct ApplyArgs {
    /// Replace the topmost mount on TARGET by the set
    #[arg(long)]
    pub(crate) replace: bool,
    /// Mount in the namespace of process PID or of FILE (/proc/PID/ns/mnt)
    #[arg(long, value_name = "PID|FILE", conflicts_with = "replace")]
    pub(crate) into: Option<OsString>,
    /// Make the set the root of a new mount namespace, pinned on FILE
    #[arg(long, value_name = "FILE", conflicts_with_all = ["replace", "into", "strict"])]
    pub(crate) namespace: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) set: SetArgs,
    /// File with the mount list in JSON, of containerd or OCI; - for stdin
    #[arg(required_unless_present_any = ["bundle", "namespace"])]
    pub(crate) spec: Option<PathBuf>,
    /// Directory to mount on; a file if the set is one bound file
    #[arg(required_unless_present = "namespace")]
    pub(crate) target: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct ExplainArgs {
    /// Explain a set that replaces the topmost mount on TARGET
    #[arg(long)]
    pub(crate) replace: bool,
    #[command(flatten)]
    pub(crate) set: SetArgs,
    /// File with the mount list in JSON, of containerd or OCI; - for stdin
    #[arg(required_unless_present = "bundle")]
    pub(crate) spec: Option<PathBuf>,
    /// Directory to mount on; a file if the set is one bound file
    #[arg(required = true)]
    pub(crate) target: PathBuf,
}

/// Holds the arguments that apply and explain share: a set of mounts.
#[derive(Debug, Args)]
pub(crate) struct SetArgs {
    /// Resolve relative paths from DIR
    #[arg(short = 'C', value_name = "DIR")]
    pub(crate) directory: Option<PathBuf>,
    /// Mount everything read-only; an overlay's upperdir becomes its top layer
    #[arg(long)]
    pub(crate) view: bool,
    /// Refuse a set that other processes could see half mounted, or that is not done in full
    #[arg(long)]
    pub(crate) strict: bool,
    /// Ignore and list options that have no effect, as PROGRAM does
    #[arg(long, value_name = "PROGRAM")]
    pub(crate) compat: Option<CompatArg>,
    /// Take config.json in the OCI bundle DIR as SPEC, with its root.path as the root
    #[arg(long, value_name = "DIR", conflicts_with = "spec")]
    pub(crate) bundle: Option<PathBuf>,
}
