// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Tests sets of mounts: building, publishing, swapping, changing and unmounting them on every
//! kernel and under filters.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod api;
mod change;
#[path = "../common/mod.rs"]
mod common;
mod covers;
mod enter;
mod events;
mod filtered;
mod handover;
mod oci;
mod oci_root;
mod old_kernels;
mod namespaces;
mod own_namespace;
mod sandboxes;
mod set;
mod own_sources;
mod private_namespace;
mod stepwise;
mod swap;
mod teardown;

fmountat_testing::test_files! {
    api, change, covers, enter, events, filtered, handover, namespaces, oci, oci_root, old_kernels, own_namespace, sandboxes, set, own_sources, private_namespace, stepwise, swap, teardown,
}
