// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `fmountat run`: a supervisor outside, an init inside, the command below it.
//!
//! The supervisor unshares and starts this program again as the first process of the new pid namespace; that one
//! builds the root, enters it, starts the command and reaps. Whatever ends the supervisor ends the init, and with it
//! the kernel ends every process of the namespace and every mount.

pub(crate) mod status;
pub(crate) mod terminal;
pub(crate) mod signals;
pub(crate) mod layout;
pub(crate) mod host_root;
pub(crate) mod root;
pub(crate) mod init;
pub(crate) mod supervisor;
