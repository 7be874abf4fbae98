// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `fmountat run`: runs a command in a throw-away root.
//!
//! The supervisor creates the namespaces and starts this program again as the init, the first
//! process of the new pid namespace. The init builds the root, enters it, starts the command and
//! reaps children. For callers other than root, the command is in a second user namespace. When the
//! supervisor ends, the kernel kills the init, and with it every process of the pid namespace. The
//! mounts end with the last process of the mount namespace.

pub(crate) mod words;
pub(crate) mod status;
pub(crate) mod terminal;
pub(crate) mod signals;
pub(crate) mod bundle;
pub(crate) mod subordinate;
pub(crate) mod identity;
pub(crate) mod privileges;
pub(crate) mod extra_mounts;
pub(crate) mod uppers;
pub(crate) mod layout;
pub(crate) mod answering;
pub(crate) mod host_root;
pub(crate) mod root;
pub(crate) mod enter;
pub(crate) mod init;
pub(crate) mod own_program;
pub(crate) mod supervisor;
