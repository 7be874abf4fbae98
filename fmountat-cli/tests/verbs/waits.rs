// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What a long operation prints on a terminal, and elsewhere not.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use fmountat_testing::{binary, scratch};
use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};
use std::process::{Command, Stdio};

const WAITING: &str = ": waiting until it is not busy";

fmountat_testing::cases! {
    fn a_busy_mount_is_said_on_a_terminal() needs [Root, Tool("script")] {
        let point = scratch().join("busy");
        std::fs::create_dir_all(&point).unwrap();
        mount("busy", &point, "tmpfs", MountFlags::empty(), None).unwrap();
        let mut holder = Command::new("sleep").arg("100").current_dir(&point).spawn().unwrap();
        let umount = format!("{} umount --timeout 1.3 {}", binary(env!("CARGO_BIN_EXE_fmountat")).display(), point.display());
        let on_a_terminal = output(&["script", "-qec", &umount, "/dev/null"]);
        let in_json = output(&["script", "-qec", &umount.replace(" umount", " --json umount"), "/dev/null"]);
        let elsewhere = output(&["sh", "-c", &format!("{umount} 2>&1")]);
        holder.kill().unwrap();
        holder.wait().unwrap();
        unmount(&point, UnmountFlags::empty()).unwrap();
        assert_eq!(on_a_terminal.matches(WAITING).count(), 1, "{on_a_terminal}");
        assert!(on_a_terminal.contains("(1 s)"), "{on_a_terminal}");
        for other in [in_json, elsewhere] {
            assert!(!other.contains(WAITING) && other.contains("busy"), "{other}");
        }
    }
}

fn output(words: &[&str]) -> String {
    let done = Command::new(words[0]).args(&words[1..]).stdin(Stdio::null()).output().unwrap();
    String::from_utf8(done.stdout).unwrap()
}
