// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Single mounts of every kind, their options, and what the calling process has afterwards.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "../common/mod.rs"]
mod common;
mod contract;
mod helper;
mod helper_place;
mod helper_process;
mod helpers;
mod idmap;
mod images;
mod image_twice;
mod layer_names;
mod options;
mod overlays;
mod pid_namespace;
mod process;
mod procfs;
mod set_user_id;
mod table_a5;
mod table_b;
mod temp;
mod views;
mod without_effect;

fmountat_testing::test_files! {
    contract, helper, helper_place, helper_process, idmap, images, image_twice, layer_names, options, overlays, pid_namespace, procfs, set_user_id, table_a5, table_b, temp, views, without_effect,
}
