// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Cases that every container mount layer tests, each a row of `docs/measured/compared.md`, built
//! in a detached tree and in a private mount namespace.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod rows;

use crate::common::strategies::both;

fmountat_testing::cases! {
    fn a5_01_common_prefix_by_components() needs [] { rows::common_prefix() }
    fn a5_02_lowers_are_compacted_at_directory_borders() needs [] { both(rows::compaction) }
    fn a5_03_file_bind_from_a_directory() needs [] { both(rows::file_bind) }
    fn a5_04_dirfd_of_a_regular_file() needs [] { both(rows::dirfd_of_file) }
    fn a5_05_nested_read_only_binds_all_go() needs [] { both(rows::nested_binds) }
    fn a5_06_idmapped_overlays_of_n_lowers() needs [Kernel(5, 19), Root] { both(rows::idmapped_overlays) }
    fn a5_07_open_file_in_an_idmapped_temp_mount() needs [Kernel(5, 19), Root] { both(rows::open_in_temp) }
    fn a5_08_statfs_flags_of_tmpfs() needs [] { both(rows::statfs_flags) }
    fn a5_09_lookup_by_kind() needs [Root, Tool("mkfs.ext4"), Tool("mkfs.xfs"), Filesystem("ext4"), Filesystem("xfs")] { both(rows::lookup) }
    fn a5_10_loop_devices() needs [Root, Tool("mkfs.ext4"), Filesystem("ext4")] { both(rows::loops) }
    fn a5_11_each_level_of_128_layers() needs [] { both(rows::levels) }
    fn a5_12_contexts_with_commas() needs [] { both(rows::contexts) }
    fn a5_13_long_options_of_another_filesystem() needs [] { both(rows::long_options) }
    fn a5_14_ids_that_share_digits() needs [] { both(rows::shared_digits) }
}
