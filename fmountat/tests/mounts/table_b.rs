// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Faults of other mount layers that this one must not have, each a row of
//! `docs/measured/compared.md`, built in a detached tree and in a private mount namespace.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod rows;
mod sets;

use crate::common::strategies::both;

fmountat_testing::cases! {
    fn b01_the_last_byte_of_a_page_is_not_dropped() needs [] { both(rows::page_of_data) }
    fn b02_long_data_mounts_or_says_why() needs [] { both(rows::long_data) }
    fn b03_flags_of_a_bind_without_ro_are_in_force() needs [] { both(rows::bind_flags) }
    fn b04_rbind_ro_is_for_the_top_and_rro_for_all() needs [] { both(rows::recursive_read_only) }
    fn b05_remount_ro_is_read_only() needs [] { both(rows::remount_read_only) }
    fn b06_defaults_and_propagation_are_understood() needs [] { both(rows::defaults_and_propagation) }
    fn b07_ro_bind_with_idmap_is_mapped() needs [Root] { both(rows::read_only_idmap) }
    fn b08_an_idmapped_overlay_mounts_twice() needs [Kernel(5, 19), Root] { both(rows::idmapped_twice) }
    fn b09_no_temporary_mount_is_ever_seen() needs [Kernel(5, 19), Root] { both(rows::no_temporary_mount) }
    fn b10_a_partly_failed_list_leaves_nothing() needs [] { both(sets::failed_list) }
    fn b11_cwd_and_children_of_the_caller_stay() needs [] { both(sets::caller_stays) }
    fn b12_unmount_follows_no_link_and_lies_about_nothing() needs [] { both(sets::honest_unmount) }
    fn b13_every_error_of_an_unmounted_list_is_reported() needs [] { both(sets::every_error) }
    fn b14_lookup_gives_the_top_of_a_stack() needs [] { both(sets::top_of_stack) }
    fn b15_loop_set_up_is_tried_again() needs [Root, Tool("mkfs.ext4"), Tool("losetup"), Filesystem("ext4")] { both(sets::loop_retry) }
    fn b16_a_busy_mount_is_tried_again() needs [] { both(sets::busy_is_retried) }
    fn b17_nothing_is_deleted_below_a_mount() needs [] { both(sets::nothing_deleted) }
    fn b18_the_table_has_the_bytes_of_paths() needs [] { both(sets::bytes_of_paths) }
    fn b19_no_mount_escapes_a_renaming_attacker() needs [] { both(sets::no_escape) }
    fn b20_errors_name_layer_and_reason() needs [] { both(sets::errors_in_words) }
    fn b21_every_descriptor_is_closed() needs [] { both(sets::descriptors_closed) }
}
