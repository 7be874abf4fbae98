// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Tests `fmountat run`: the command's view of the file system, the cleanup, and the forwarding of
//! status, signals and the terminal.
//!
//! Each body runs as an ordinary user and as real root. The ordinary user is user 1000 without
//! capabilities in a user namespace below the harness's, so `fmountat` must make its own user
//! namespace.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod bundle;
mod crash;
mod identity;
mod inherit;
mod isolation;
mod kept;
mod options;
mod roots;
mod sandbox;
mod signals;
mod status;
mod terminal;

use fmountat_testing::filter;

fmountat_testing::cases! {
    fn the_example_as_user() needs [Kernel(6, 6), User, Tool("unshare")] { roots::the_example(); }
    fn the_example_as_root() needs [Root] { roots::the_example(); }
    fn the_example_as_root_of_a_user_namespace() needs [Kernel(6, 6), User] { roots::the_example_in_a_container(); }
    fn devices_are_not_changed_as_root() needs [Root] { roots::devices_are_not_changed(); }
    /// Emulates a kernel before Linux 6.15, which cannot mount into a detached tree.
    fn devices_are_not_changed_in_its_own_namespace() needs [Root] {
        filter::without_detached_children();
        roots::devices_are_not_changed();
    }
    fn a_deleted_home_is_whole_as_user() needs [Kernel(6, 6), User, Tool("unshare")] { roots::a_deleted_home_is_whole(); }
    fn a_deleted_home_is_whole_as_root() needs [Root] { roots::a_deleted_home_is_whole(); }
    fn removing_a_directory_of_a_layer_works_or_is_reported() needs [User, Tool("unshare")] {
        roots::removing_a_directory_of_a_layer_works_or_is_reported();
    }
    /// Emulates a kernel before Linux 6.15, which cannot mount into a detached tree.
    fn in_its_own_namespace_as_user() needs [Kernel(6, 6), User, Tool("unshare")] {
        filter::without_detached_children();
        roots::the_example();
    }
    fn in_its_own_namespace_as_root() needs [Root] {
        filter::without_detached_children();
        roots::the_example();
        roots::every_real_file_system();
    }
    fn the_old_root_is_gone_as_user() needs [User, Tool("unshare")] { roots::the_old_root_is_gone(); }
    fn the_old_root_is_gone_as_root() needs [Root, Tool("unshare")] { roots::the_old_root_is_gone(); }
    fn paths_over_the_top_as_user() needs [User, Tool("unshare")] { roots::paths_over_the_top(); }
    fn paths_over_the_top_as_root() needs [Root] { roots::paths_over_the_top(); }
    fn a_shared_root_as_user() needs [User, Tool("unshare")] { roots::a_shared_root(); }
    fn a_shared_root_as_root() needs [Root] { roots::a_shared_root(); }
    fn owners_are_mapped() needs [Root] { roots::owners_are_mapped(); }
    fn modes_of_a_copy_as_user() needs [User, Tool("unshare")] { roots::modes_of_a_copy(); }
    fn modes_of_a_copy_as_root() needs [Root] { roots::modes_of_a_copy(); }
    /// Emulates a kernel before Linux 6.15, which cannot mount into a detached tree.
    fn reach_in_its_own_namespace_as_user() needs [User, Tool("unshare")] {
        filter::without_detached_children();
        roots::the_old_root_is_gone();
        roots::paths_over_the_top();
        roots::a_shared_root();
    }
    fn reach_in_its_own_namespace_as_root() needs [Root, Tool("unshare")] {
        filter::without_detached_children();
        roots::the_old_root_is_gone();
        roots::paths_over_the_top();
        roots::a_shared_root();
    }
    fn layers_and_binds_as_user() needs [User, Tool("unshare")] { roots::layers_and_binds(); }
    fn layers_and_binds_as_root() needs [Root] { roots::layers_and_binds(); }
    fn every_real_file_system_as_user() needs [User, Tool("unshare")] { roots::every_real_file_system(); }
    fn every_real_file_system_as_root() needs [Root] { roots::every_real_file_system(); }

    fn the_upper_root_as_user() needs [User, Tool("unshare")] { roots::the_upper_root(); }
    fn the_upper_root_as_root() needs [Root] { roots::the_upper_root(); }
    fn a_run_in_a_run_as_user() needs [User, Tool("unshare")] { roots::a_run_in_a_run(); }
    fn a_run_in_a_run_as_root() needs [Root] { isolation::root_nests_with_a_capability(); }

    fn ids_are_the_callers_as_user() needs [User, Tool("unshare")] { identity::is_the_callers(); }
    fn ids_are_the_callers_as_root() needs [Root] { identity::is_the_callers(); }
    fn programs_work_as_user() needs [Kernel(6, 6), User, Tool("unshare"), Tool("tar")] { identity::programs_work(); }
    fn programs_work_as_root() needs [Root, Tool("tar")] { identity::programs_work(); }
    fn read_only_is_locked_as_user() needs [User, Tool("unshare")] { identity::read_only_is_locked(); }
    fn all_ids_are_mapped() needs [Root, Tool("setpriv"), Tool("newuidmap"), Tool("newgidmap")] {
        identity::all_ids_are_mapped();
    }
    fn without_ranges_one_id_is_mapped() needs [Root, Tool("setpriv")] { identity::without_ranges(); }

    fn options_take_effect_as_user() needs [User, Tool("unshare")] { options::take_effect(); }
    fn options_take_effect_as_root() needs [Root] { options::take_effect(); }
    fn the_command_begins_after_the_root_as_user() needs [User, Tool("unshare")] {
        options::the_command_begins_after_the_root();
    }
    fn the_command_begins_after_the_root_as_root() needs [Root] { options::the_command_begins_after_the_root(); }
    fn quiet_prints_errors_only_as_user() needs [User, Tool("unshare")] { options::quiet(); }
    fn quiet_prints_errors_only_as_root() needs [Root] { options::quiet(); }
    fn mounts_that_are_refused_as_user() needs [User, Tool("unshare")] { options::mounts_that_are_refused(); }
    fn mounts_that_are_refused_as_root() needs [Root] { options::mounts_that_are_refused(); }

    fn names_and_ipc_are_not_changed_as_user() needs [User, Tool("unshare"), Tool("ipcmk")] {
        isolation::names_and_ipc_are_not_changed();
    }
    fn names_and_ipc_are_not_changed_as_root() needs [Root, Tool("unshare"), Tool("ipcmk")] {
        isolation::names_and_ipc_are_not_changed();
        isolation::the_name_can_be_given_back();
    }
    fn settings_of_the_kernel_are_read_only() needs [Root] {
        isolation::settings_are_read_only();
        isolation::settings_of_a_list_are_read_only();
    }
    fn capabilities_of_root() needs [Root] { isolation::capabilities_of_root(); }
    fn capabilities_of_users() needs [User, Tool("unshare")] { isolation::capabilities_of_users(); }
    fn names_and_privileges_as_user() needs [User, Tool("unshare")] { isolation::names_and_privileges(); }
    fn names_and_privileges_as_root() needs [Root] { isolation::names_and_privileges(); }
    fn a_network_of_its_own_as_user() needs [User, Tool("unshare")] { isolation::a_network_of_its_own(); }
    fn a_network_of_its_own_as_root() needs [Root] { isolation::a_network_of_its_own(); }
    fn the_inits_program_is_not_changed_as_user() needs [User, Tool("unshare")] {
        isolation::the_inits_program_is_not_changed();
    }
    fn the_inits_program_is_not_changed_as_root() needs [Root] { isolation::the_inits_program_is_not_changed(); }

    fn own_directories_below_others() needs [Kernel(6, 6), Root, Tool("setpriv")] { identity::own_directories_below_others(); }
    fn a_closed_current_directory() needs [Root, Tool("setpriv")] { identity::a_closed_current_directory(); }
    fn a_file_system_that_does_not_answer() needs [Root, Tool("setpriv"), Filesystem("fuse")] {
        identity::a_file_system_that_does_not_answer();
    }
    fn a_bundle_is_run_as_user() needs [Kernel(6, 6), User, Tool("unshare")] { bundle::is_run(); }
    fn a_bundle_is_run_as_root() needs [Root] { bundle::is_run(); }
    fn parts_of_a_bundle_that_are_not_done_as_user() needs [User, Tool("unshare")] { bundle::what_is_not_done_is_listed(); }
    fn parts_of_a_bundle_that_are_not_done_as_root() needs [Root] { bundle::what_is_not_done_is_listed(); }
    fn kept_changes_are_the_difference_as_user() needs [User, Tool("unshare")] { kept::the_list_is_the_difference(); }
    fn kept_changes_are_the_difference_as_root() needs [Root] { kept::the_list_is_the_difference(); }
    fn a_copy_of_the_system_is_kept_as_user() needs [User, Tool("unshare")] { kept::a_copy_of_the_system_is_kept(); }
    fn a_copy_of_the_system_is_kept_as_root() needs [Root] { kept::a_copy_of_the_system_is_kept(); }
    fn misuse_of_keep_is_refused_as_user() needs [User, Tool("unshare")] { kept::misuse_is_refused(); }
    fn misuse_of_keep_is_refused_as_root() needs [Root] { kept::misuse_is_refused(); }

    fn the_status_is_the_commands_as_user() needs [User, Tool("unshare")] { status::is_the_commands(); }
    fn the_status_is_the_commands_as_root() needs [Root] { status::is_the_commands(); }
    fn the_end_is_seen_without_poll() needs [User, Tool("unshare")] {
        filter::errno_on(&[libc::SYS_ppoll], libc::EPERM as u32);
        status::is_seen_without_poll();
    }
    fn without_threads_nothing_is_started() needs [Root] {
        // pthread_create(3) calls clone(2) with these flags where clone3(2) is missing.
        let thread = libc::CLONE_VM | libc::CLONE_FS | libc::CLONE_FILES | libc::CLONE_SIGHAND | libc::CLONE_THREAD
            | libc::CLONE_SYSVSEM | libc::CLONE_SETTLS | libc::CLONE_PARENT_SETTID | libc::CLONE_CHILD_CLEARTID;
        filter::errno_on(&[libc::SYS_clone3], libc::ENOSYS as u32);
        filter::errno_when(libc::SYS_clone, 0, u64::from(thread.unsigned_abs()), libc::EAGAIN as u32);
        status::without_threads();
    }
    fn own_failures_as_user() needs [User, Tool("unshare")] { status::own_failures(); }
    fn own_failures_as_root() needs [Root] { status::own_failures(); }

    fn signals_arrive_once_as_user() needs [User, Tool("unshare")] { signals::arrive_once(); }
    fn signals_arrive_once_as_root() needs [Root] { signals::arrive_once(); }
    fn signals_that_kill_as_user() needs [User, Tool("unshare")] { signals::that_kill(); }
    fn signals_that_kill_as_root() needs [Root] { signals::that_kill(); }

    fn signals_before_the_start_as_user() needs [User, Tool("unshare")] { signals::before_the_start(); }
    fn signals_before_the_start_as_root() needs [Root] { signals::before_the_start(); }
    /// Runs as an ordinary user: for root, `run` does not look up the automount point.
    fn an_automount_without_daemon() needs [Root, Tool("setpriv"), Filesystem("autofs")] { roots::an_automount_without_daemon(); }
    fn kill_ends_everything_as_user() needs [User, Tool("unshare")] { crash::kill_ends_everything(); }
    fn kill_ends_everything_as_root() needs [Root] { crash::kill_ends_everything(); }
    fn kill_at_any_moment_as_user() needs [User, Tool("unshare")] { crash::kill_at_any_moment(); }
    fn kill_at_any_moment_as_root() needs [Root] { crash::kill_at_any_moment(); }
    fn orphans_are_reaped_as_user() needs [User, Tool("unshare")] { crash::orphans_are_reaped(); }
    fn orphans_are_reaped_as_root() needs [Root] { crash::orphans_are_reaped(); }

    fn what_is_inherited_as_user() needs [User, Tool("unshare")] { inherit::everything(); }
    fn what_is_inherited_as_root() needs [Root] { inherit::everything(); }
    fn descriptors_only_on_request_as_user() needs [User, Tool("unshare")] { inherit::descriptors_only_on_request(); }
    fn descriptors_only_on_request_as_root() needs [Root] { inherit::descriptors_only_on_request(); }
    fn signal_states_are_inherited_as_user() needs [User, Tool("unshare")] { inherit::signal_states(); }
    fn signal_states_are_inherited_as_root() needs [Root] { inherit::signal_states(); }
    fn input_passes_as_user() needs [User, Tool("unshare")] { inherit::input(); }
    fn input_passes_as_root() needs [Root] { inherit::input(); }

    fn the_terminal_is_the_commands_as_user() needs [User, Tool("unshare"), Tool("script")] {
        terminal::is_the_commands();
    }
    fn the_terminal_is_the_commands_as_root() needs [Root, Tool("script")] { terminal::is_the_commands(); }
    fn nobody_types_into_the_terminal_as_user() needs [User, Tool("unshare"), Tool("script"), Tool("perl")] {
        terminal::typing_and_name();
    }
    fn nobody_types_into_the_terminal_as_root() needs [Root, Tool("script"), Tool("perl")] { terminal::typing_and_name(); }
    fn an_interrupt_arrives_once_as_user() needs [User, Tool("unshare"), Tool("script")] {
        terminal::interrupt();
    }
    fn an_interrupt_arrives_once_as_root() needs [Root, Tool("script")] { terminal::interrupt(); }
    fn a_shell_has_job_control_as_user() needs [User, Tool("unshare"), Tool("script")] {
        terminal::job_control();
    }
    fn a_stopped_job_goes_on_as_user() needs [User, Tool("unshare"), Tool("script")] {
        terminal::stopped_and_continued();
    }
    fn a_stopped_job_goes_on_as_root() needs [Root, Tool("script")] { terminal::stopped_and_continued(); }
    fn a_late_stop_is_forgotten_as_user() needs [User, Tool("unshare"), Tool("script")] {
        terminal::a_late_stop();
    }
    fn a_late_stop_is_forgotten_as_root() needs [Root, Tool("script")] { terminal::a_late_stop(); }
    fn a_shell_has_job_control_as_root() needs [Root, Tool("script")] { terminal::job_control(); }
}
