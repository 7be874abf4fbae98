// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Mount container file systems from directory descriptors: built detached, published in one step.
//!
//! Data goes one way: text → [`Mount`] → [`Plan`] → [`Tree`] → attached. Below that stand the system calls as types
//! ([`FsContext`], [`Tree`], [`Target`]) and the call this crate is named after, [`fmountat()`].
//!
//! ```no_run
//! use fmountat::{Compat, Mounter, Plan, Spec, Target};
//! let list = std::fs::read("mounts.json")?; // as containerd writes it, or an OCI config.json
//! let plan = Plan::of(&Spec::from_json(&list)?, Compat::Strict)?;
//! let target = Target::open(rustix::fs::CWD, "/srv/rootfs")?;
//! Mounter::detached().apply(rustix::fs::CWD, &plan, &target)?; // all of it is there now, or nothing
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Every error is an [`Error`]: which step, on which argument, why, the kernel's own words, what to try.
//!
//! # Features
//! Both are on by default. Without them the library needs rustix, libc, bitflags and nix (names of errnos) only.
//! - `serde`: [`Spec::from_json`], and [`Mount`], [`Spec`] and [`PublishedSet`] for serde; it needs serde and serde_json.
//! - `diagnosis`: after a failure, what the kernel did not say ([`diagnose()`], which sets of mounts call by themselves);
//!   [`Mounter::explain`], which says it before; [`Credentials`] and [`Limits`]. Without it errors have the kernel's errno and words, and
//!   reasons and hints only where this crate itself refuses something.
//!
//! Off by default: `tracing` for events, below; `containerd-shim-protos` and `oci-spec` convert [`Mount`] and [`Spec`] from and to the types of those crates.
//!
//! # Events
//!
//! With the cargo feature `tracing` the crate tells a [`tracing`](https://docs.rs/tracing) subscriber what it does. The target of
//! all spans and events is `fmountat`, their level is `DEBUG`. Without the feature nothing of it is compiled.
//!
//! | span | fields | lasts for |
//! |---|---|---|
//! | `apply` | `mount_point`, `mounts` | [`Mounter::apply`] |
//! | `step` | `mount`, `mount_point`, `fstype` | the work for one mount of a plan; `mount` counts from 1, `mount_point` is a path in the set |
//!
//! | event | fields | tells |
//! |---|---|---|
//! | `strategy` | `operation`, `strategy` | which of several ways an operation uses |
//! | `fallback` | `operation`, `strategy`, `errno` | that a strategy failed; the next `strategy` event of the operation names its replacement |
//! | `attached` | `mount`, `mount_point` | that a mount is at its place in the set |
//! | `published` | `mount_point`, `mount_id` | that a set that was built detached is visible |
//! | `rolled back` | `mounts`, `left` | that the mounts of a set that failed half way were unmounted again; level `WARN` if some are left |
//! | `recovered` | `kind`, `path` | that [`Journal::clean`] removed a `mount` or a `directory` |
//!
//! Names of spans, events and fields are part of the interface; the values of `operation` and `strategy` are texts for people.
//! `errno` is a name as in errno(3), and left out where the kernel was not asked. A subscriber may be called on a thread of this
//! crate, which is in another mount namespace than the caller, and never in a child process of it.

// What only `diagnose` and `explain` call.
#![cfg_attr(not(feature = "diagnosis"), allow(dead_code))]

mod error;
mod trace;
mod strategy;
mod sys;
pub mod mountinfo;
mod vfs;
mod kinds;
mod table;
#[cfg(feature = "diagnosis")]
mod diagnose;
#[cfg(not(feature = "diagnosis"))]
#[path = "undiagnosed.rs"]
mod diagnose;
mod set;

#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod fuzzing;
#[cfg(test)]
mod in_tests;

#[cfg(feature = "diagnosis")]
pub use diagnose::{
    credentials::{Credentials, Owner},
    diagnose,
    filesystems::{has_module, kernel_filesystems},
    limits::Limits,
};
pub use error::{
    Error, ErrorKind, Errors, Failed, Holder, HolderKind, LayerRef, Operation, PlanStep, Result, Syscall,
    escape, escape_whole, wrapped,
};
pub use kinds::filesystem::Word;
pub use kinds::helper::{HELPER_LIMIT, Helper};
pub use kinds::loop_options::LoopOptions;
pub use kinds::loopdev::LoopDevice;
pub use kinds::overlay::ephemeral_uppers::EphemeralUppers;
pub use kinds::overlay::{Layer, OVERLAY_LAYERS_MAX, Overlay, common_directory};
pub use mountinfo::id::MountId;
/// The current directory, where a function takes a directory that relative paths start at.
pub use rustix::fs::CWD;
pub use set::build::{DetachedSet, Mounter};
#[cfg(feature = "diagnosis")]
pub use set::explain::{ExplainedStep, Explanation, Needed};
pub use set::journal::{Journal, Recovered};
pub use set::options::Options;
pub use set::options::{LoopOverrides, Mkdir};
pub use set::options::{Places, UserspaceOption, Value, userspace_options};
pub use set::plan::{Compat, Plan};
pub use set::publish::{Applied, ReplaceDiff};
pub use set::remount::{remount, remount_with};
pub use set::spec::{Mount, Spec, read_only_view, standard_mounts};
pub use set::temp::{TempError, TempMount, TempRoot};
pub use strategy::{Strategy, SwapStrategy};
#[doc(hidden)]
pub use sys::procfs;
pub use table::diff::Change;
pub use table::fields::{Fields, TableStrategy};
pub use table::find::{find, find_by, is_mount_point};
pub use table::holders::holders;
pub use table::published::PublishedSet;
pub use table::reader::TableReader;
pub use table::snapshot::{Table, TableEntry};
pub use table::unmount::Unmount;
pub use table::watch::{MountAction, MountEvent, Watch};
pub use vfs::attr::{Attr, MountAttr, Propagation};
pub use vfs::context::{CreatedFs, FSCONFIG_STRING_MAX, FsContext};
pub use vfs::feature_table::{KernelFeature, kernel_features};
pub use vfs::features::Features;
pub use vfs::guard::MountGuard;
pub use vfs::idmap::{IdMapping, Idmap, Ids, try_user_namespace};
pub use vfs::mount_call::{MOUNT_DATA_MAX, MountFlags};
pub use vfs::mount_namespace::MountNamespace;
pub use vfs::own_namespace::unshare_mount_and_pid;
pub use vfs::private_cwd::{PrivateCwd, fmountat};
pub use vfs::target::{Create, Target};
pub use vfs::tree::{Attached, Tree};
