// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The system calls that rustix lacks. **The only unsafe code.**
//!
//! Nothing here deals with mounts as users see them: arguments are descriptors, C strings and
//! numbers; results are descriptors and `Errno`.
#![allow(unsafe_code)]

pub(crate) mod errno;
pub(crate) mod descriptors;
pub(crate) mod loopback;
pub(crate) mod terminal_filter;
pub(crate) mod procfs;
pub(crate) mod ms;
pub(crate) mod uname;
pub(crate) mod block;
pub(crate) mod attr;
pub(crate) mod thread;
pub(crate) mod namespace;
pub(crate) mod nsfs;
pub(crate) mod pid_namespace;
pub(crate) mod vfork;
pub(crate) mod fork_mark;
pub(crate) mod child;
pub(crate) mod inside;
pub(crate) mod pre_exec;
pub(crate) mod seccomp_probe;
pub(crate) mod statmount;
pub(crate) mod listmount;
pub(crate) mod fanotify;
pub(crate) mod loopctl;
pub(crate) mod userns;
pub(crate) mod orphan_task;
pub(crate) mod detach_by_id;
pub(crate) mod batch_detach;
pub(crate) mod swap;
pub(crate) mod swap_gap;
pub(crate) mod spawn;
