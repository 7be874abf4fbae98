// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Mounts container file systems from directory descriptors: builds them detached and publishes
//! them in one step.
//!
//! Data flows in one direction: text → [`Mount`] → [`Plan`] → [`Tree`] → attached. The system calls
//! below that are types: [`FsContext`](crate::call::FsContext), [`Tree`] and [`Target`]. The call
//! that gives this crate its name is [`fmountat()`].
//!
//! ```no_run
//! use fmountat::{Mounter, Plan, Spec, Target};
//! let list = std::fs::read("mounts.json")?; // as containerd writes it, or an OCI config.json
//! let plan = Plan::new(Spec::from_json(&list)?)?;
//! let target = Target::open(fmountat::CWD, "/srv/rootfs")?;
//! Mounter::detached().apply(fmountat::CWD, &plan, &target)?; // attaches all mounts or none
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Every error is an [`Error`]: the step, the argument, the reason, the kernel's log and a hint.
//!
//! # Features
//! Both are on by default. Without them the library depends on rustix, libc, bitflags and nix (the
//! names of errnos) only.
//! - `serde`: [`Spec::from_json`], and the serde traits of [`Mount`], [`Spec`] and
//!   [`PublishedSet`]. It depends on serde and serde_json.
//! - `diagnosis`: finds the reason of a failure that the kernel did not report ([`diagnose()`],
//!   which sets of mounts call by themselves), and predicts failures ([`Mounter::explain`]). It
//!   also provides [`Credentials`](crate::kernel::Credentials) and
//!   [`Limits`](crate::kernel::Limits). Without it an error has the kernel's errno and log; it has
//!   a reason and a hint only where this crate itself refuses something.
//!
//! Off by default: `tracing` emits events, see below. `containerd-shim-protos` and `oci-spec`
//! convert [`Mount`] and [`Spec`] from and to the types of those crates.
//!
//! # Events
//!
//! With the cargo feature `tracing` the crate sends spans and events to a
//! [`tracing`](https://docs.rs/tracing) subscriber. Their target is `fmountat`, their level is
//! `DEBUG`. Without the feature none of this is compiled.
//!
//! | span | fields | lasts for |
//! |---|---|---|
//! | `apply` | `mount_point`, `mounts` | [`Mounter::apply`] |
//! | `step` | `mount`, `mount_point`, `fstype` | the work for one mount of a plan; `mount` counts from 1, `mount_point` is a path in the set |
//!
//! | event | fields | reports |
//! |---|---|---|
//! | `strategy` | `operation`, `strategy` | the strategy that an operation uses |
//! | `fallback` | `operation`, `strategy`, `errno` | a strategy that failed; the next `strategy` event of the operation names its replacement |
//! | `attached` | `mount`, `mount_point` | a mount that is attached inside the set |
//! | `published` | `mount_point`, `mount_id` | a set that was built detached and is now visible |
//! | `rolled back` | `mounts`, `left` | the mounts of a failed set that were unmounted again; level `WARN` if some are left |
//! | `recovered` | `kind`, `path` | a `mount` or a `directory` that [`Journal::clean`](crate::journal::Journal::clean) removed |
//!
//! The names of spans, events and fields are part of the interface. The values of `operation` and
//! `strategy` are texts for people. `errno` is a name from errno(3); it is absent where no system
//! call was made. The crate may call a subscriber on one of its own threads, which is in another
//! mount namespace than the caller. It never calls one in a child process.

// Without the feature, functions that only `diagnose` and `explain` call are unused.
#![cfg_attr(not(feature = "diagnosis"), allow(dead_code))]

#[cfg(not(target_os = "linux"))]
compile_error!("fmountat uses Linux's mount system calls and compiles for Linux only (5.14 or newer)");

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
pub use diagnose::{diagnose, diagnose_at};
#[doc(inline)]
pub use error::{Error, ErrorKind, Errors, Failed, LayerRef, Operation, Result};
pub use mountinfo::id::{MountId, UniqueMountId};
/// The current directory, for functions that take the directory of a relative path.
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

/// What an OCI runtime creates in a root besides its mounts.
pub mod oci {
    pub use crate::set::spec::defaults::standard_mounts;
    pub use crate::set::spec::device::{Device, DeviceKind, Link, standard_devices, standard_links};
    pub use crate::set::spec::not_done::NotDone;
}

/// A verified /proc: the root of a procfs that no mount covers.
pub mod procfs {
    pub use crate::sys::procfs::{check, descriptor_name, failed, open, program, reopen, root, text};
}

/// Namespaces for the calling process.
pub mod namespace {
    pub use crate::sys::loopback::set_loopback_up;
    pub use crate::vfs::own_namespace::{unshare_namespaces, unshare_with_user};
    pub use crate::vfs::user_namespace::{Namespaces, UserNamespace};
}

/// Overlays: layers by path or descriptor, and ephemeral upper directories.
pub mod overlay {
    pub use crate::kinds::overlay::ephemeral_uppers::EphemeralUppers;
    pub use crate::kinds::overlay::{Layer, OVERLAY_LAYERS_MAX, Overlay, common_directory};
}

/// Image files on loop devices.
pub mod image {
    pub use crate::kinds::loop_options::LoopOptions;
    pub use crate::kinds::loopdev::LoopDevice;
}

/// Mount helpers (`mount.TYPE`).
pub mod helper {
    pub use crate::kinds::helper::{HELPER_LIMIT, Helper};
}

/// Id-mapped mounts, and the user namespaces that carry the mappings.
pub mod idmap {
    pub use crate::vfs::idmap::{IdMapping, Idmap, Ids};
    pub use crate::vfs::user_namespace::try_user_namespace;
}

/// Mount options as text: what each means, and what is passed to a file system.
pub mod options {
    pub use crate::kinds::filesystem::FsOption;
    pub use crate::set::options::{
        LoopOverrides, Mkdir, Options, Places, UserspaceOption, Value, userspace_options,
    };
}

/// What the kernel, the host and the process permit.
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

/// The journal of sets that are mounted step by step, and the recovery after a process was killed.
pub mod journal {
    pub use crate::set::journal::{Journal, Recovered};
}

/// What `apply` would do with a plan.
#[cfg(feature = "diagnosis")]
pub mod explain {
    pub use crate::set::explain::{ExplainedStep, Explanation, Needed};
}

/// Mounts that last as long as a callback.
pub mod temp {
    pub use crate::set::temp::{TempError, TempMount, TempRoot};
}

/// The system calls as types: the file-system context, and mount(2) relative to a directory.
pub mod call {
    pub use crate::sys::descriptors::close_on_exec_from;
    pub use crate::sys::terminal_filter::forbid_terminal_input;
    pub use crate::vfs::context::{CreatedFs, FSCONFIG_STRING_MAX, FsContext};
    pub use crate::vfs::mount_call::MOUNT_DATA_MAX;
    pub use crate::vfs::private_cwd::PrivateCwd;
}

/// Text that is safe to print on a terminal.
pub mod text {
    pub use crate::error::text::{escape, escape_whole, wrapped};
}
