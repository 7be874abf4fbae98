// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Mount container file systems from directory descriptors: built detached, published in one step.
//!
//! Data goes one way: text → [`Mount`] → [`Plan`] → [`Tree`] → attached. Below that stand the system calls as types
//! ([`FsContext`](crate::call::FsContext), [`Tree`], [`Target`]) and the call this crate is named after, [`fmountat()`].
//!
//! ```no_run
//! use fmountat::{Mounter, Plan, Spec, Target};
//! let list = std::fs::read("mounts.json")?; // as containerd writes it, or an OCI config.json
//! let plan = Plan::new(Spec::from_json(&list)?)?;
//! let target = Target::open(fmountat::CWD, "/srv/rootfs")?;
//! Mounter::detached().apply(fmountat::CWD, &plan, &target)?; // all of it is there now, or nothing
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Every error is an [`Error`]: which step, on which argument, why, the kernel's own words, what to try.
//!
//! # Features
//! Both are on by default. Without them the library needs rustix, libc, bitflags and nix (names of errnos) only.
//! - `serde`: [`Spec::from_json`], and [`Mount`], [`Spec`] and [`PublishedSet`] for serde; it needs serde and serde_json.
//! - `diagnosis`: after a failure, what the kernel did not say ([`diagnose()`], which sets of mounts call by themselves);
//!   [`Mounter::explain`], which says it before; [`Credentials`](crate::kernel::Credentials) and [`Limits`](crate::kernel::Limits). Without it errors have the kernel's errno and words, and
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
//! | `recovered` | `kind`, `path` | that [`Journal::clean`](crate::journal::Journal::clean) removed a `mount` or a `directory` |
//!
//! Names of spans, events and fields are part of the interface; the values of `operation` and `strategy` are texts for people.
//! `errno` is a name as in errno(3), and left out where the kernel was not asked. A subscriber may be called on a thread of this
//! crate, which is in another mount namespace than the caller, and never in a child process of it.

// What only `diagnose` and `explain` call.
#![cfg_attr(not(feature = "diagnosis"), allow(dead_code))]

pub mod error;
mod trace;
pub mod strategy;
mod sys;
pub mod mountinfo;
mod vfs;
mod kinds;
pub mod table;
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
pub use diagnose::diagnose;
#[doc(inline)]
pub use error::{Error, ErrorKind, Errors, Failed, LayerRef, Operation, Result};
pub use mountinfo::id::{MountId, UniqueMountId};
/// The current directory, where a function takes a directory that relative paths start at.
pub use rustix::fs::CWD;
pub use set::build::{DetachedSet, Mounter};
pub use set::plan::Plan;
pub use set::publish::{Applied, ReplaceDiff};
pub use set::remount::remount;
pub use set::spec::{Compat, Mount, Spec, read_only_view};
pub use table::published::PublishedSet;
pub use table::unmount::Unmount;
pub use vfs::attr::{Attr, MountAttr, Propagation};
pub use vfs::create::Create;
pub use vfs::guard::MountGuard;
pub use vfs::mount_call::MountFlags;
pub use vfs::mount_namespace::MountNamespace;
pub use vfs::own_namespace::unshare_mount_and_pid;
pub use vfs::private_cwd::fmountat;
pub use vfs::target::Target;
pub use vfs::tree::{Attached, Tree};

/// What an OCI runtime creates in a root beside its mounts.
pub mod oci {
    pub use crate::set::spec::defaults::standard_mounts;
    pub use crate::set::spec::device::{Device, DeviceKind, Link, standard_devices, standard_links};
}

/// A verified /proc: the root of procfs, with nothing mounted over it.
pub mod procfs {
    pub use crate::sys::procfs::{check, failed, open, program, root, text};
}

/// Overlays: layers by path or descriptor, and uppers that are thrown away.
pub mod overlay {
    pub use crate::kinds::overlay::ephemeral_uppers::EphemeralUppers;
    pub use crate::kinds::overlay::{Layer, OVERLAY_LAYERS_MAX, Overlay, common_directory};
}

/// Image files by loop devices.
pub mod image {
    pub use crate::kinds::loop_options::LoopOptions;
    pub use crate::kinds::loopdev::LoopDevice;
}

/// Mount helpers, `mount.TYPE`.
pub mod helper {
    pub use crate::kinds::helper::{HELPER_LIMIT, Helper};
}

/// Mapped owners, and the user namespaces that carry the mappings.
pub mod idmap {
    pub use crate::vfs::idmap::{IdMapping, Idmap, Ids, try_user_namespace};
}

/// Mount options as text: what each means, and what a file system is told.
pub mod options {
    pub use crate::kinds::filesystem::FsOption;
    pub use crate::set::options::{
        LoopOverrides, Mkdir, Options, Places, UserspaceOption, Value, userspace_options,
    };
}

/// What the kernel, the machine and the process let us do.
pub mod kernel {
    #[cfg(feature = "diagnosis")]
    pub use crate::diagnose::{
        credentials::{Credentials, Owner},
        filesystems::{has_module, kernel_filesystems},
        limits::Limits,
    };
    pub use crate::vfs::feature_table::{KernelFeature, kernel_features};
    pub use crate::vfs::features::Features;
}

/// What a killed process leaves of a set that goes step by step, and its recovery.
pub mod journal {
    pub use crate::set::journal::{Journal, Recovered};
}

/// What a plan would do, told before it is done.
#[cfg(feature = "diagnosis")]
pub mod explain {
    pub use crate::set::explain::{ExplainedStep, Explanation, Needed};
}

/// Mounts for the time of a callback.
pub mod temp {
    pub use crate::set::temp::{TempError, TempMount, TempRoot};
}

/// The system calls as types: the file-system context, and mount(2) from a directory.
pub mod call {
    pub use crate::vfs::context::{CreatedFs, FSCONFIG_STRING_MAX, FsContext};
    pub use crate::vfs::mount_call::MOUNT_DATA_MAX;
    pub use crate::vfs::private_cwd::PrivateCwd;
}

/// Text that is safe on a terminal.
pub mod text {
    pub use crate::error::text::{escape, escape_whole, wrapped};
}
