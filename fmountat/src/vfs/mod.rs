// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Descriptors as types: mount(2) relative to a directory, the file-system context, detached trees,
//! targets, features.
#![forbid(unsafe_code)]

pub(crate) mod bytes;
pub(crate) mod privilege;
pub(crate) mod features;
pub(crate) mod feature_table;
pub(crate) mod probe;
pub(crate) mod identity;
pub(crate) mod created_dirs;
pub(crate) mod new_directory;
pub(crate) mod create;
pub(crate) mod make_target;
pub(crate) mod dangling;
pub(crate) mod copy_tree;
pub(crate) mod target;
pub(crate) mod move_mount;
pub(crate) mod detach;
pub(crate) mod verify;
pub(crate) mod attr;
pub(crate) mod flags;
pub(crate) mod tree;
pub(crate) mod guard;
pub(crate) mod mapped_ids;
pub(crate) mod context;
pub(crate) mod kernel_log;
pub(crate) mod idmap;
pub(crate) mod user_namespace;
pub(crate) mod unpinned;
pub(crate) mod mount_call;
pub(crate) mod worker;
pub(crate) mod private_cwd;
pub(crate) mod own_namespace;
pub(crate) mod hidden_place;
pub(crate) mod namespace_thread;
pub(crate) mod copied_namespace;
pub(crate) mod host_view;
pub(crate) mod private_namespace;
pub(crate) mod new_namespace;
pub(crate) mod mount_namespace;
pub(crate) mod swap_lock;
pub(crate) mod replace;
