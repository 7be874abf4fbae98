// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `apply --namespace`: a set as a mount namespace that is pinned on a file.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use fmountat_testing::{binary, command_output, mkdirs, mount_table, mounts_below, scratch, write};
use std::path::PathBuf;
use std::process::{Command, Output};

/// A root with the host's programs, and a tmpfs.
const SPEC: &str = r#"[
    {"type": "tmpfs", "source": "root", "target": "/"},
    {"type": "bind", "source": "/usr", "target": "/usr", "options": ["rbind", "X-mount.mkdir"]},
    {"type": "bind", "source": "/bin", "target": "/bin", "options": ["rbind", "X-mount.mkdir"]},
    {"type": "bind", "source": "/lib", "target": "/lib", "options": ["rbind", "X-mount.mkdir"]},
    {"type": "bind", "source": "/lib64", "target": "/lib64", "options": ["rbind", "X-mount.mkdir"]},
    {"type": "bind", "source": "/proc", "target": "/proc", "options": ["rbind", "X-mount.mkdir"]},
    {"type": "tmpfs", "source": "data", "target": "/data", "options": ["X-mount.mkdir"]}
]"#;

fn file(path: &str) -> PathBuf {
    scratch().join(path)
}

fn fmountat(line: &str) -> Output {
    let mut command = Command::new(binary(env!("CARGO_BIN_EXE_fmountat")));
    command.args(line.split(' ')).current_dir(scratch()).output().unwrap()
}

#[track_caller]
fn ok(line: &str) -> String {
    let output = fmountat(line);
    assert!(output.status.success(), "{line}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

fn inside(pin: &str, script: &str) -> String {
    let mount = format!("--mount={}", file(pin).display());
    command_output(Command::new("nsenter").args([&mount, "/bin/sh", "-c", script]))
}

fmountat_testing::cases! {
    /// nsenter(1) finds the set as the root, this namespace shows nothing but the pin, and
    /// unmounting the file frees it all.
    fn a_set_is_pinned_and_freed() needs [Root, Tool("nsenter"), Kernel(6, 15)] {
        write(file("spec"), SPEC);
        let before = mount_table().len();
        let report = ok("--json apply --namespace pin spec");
        assert!(report.contains(r#""mounts": 7"#) || report.contains(r#""mounts":7"#), "{report}");
        assert_eq!(mount_table().len(), before + 1);
        let points = inside("pin", "cut -d' ' -f5 /proc/self/mountinfo");
        assert!(points.lines().any(|point| point == "/data"), "{points}");
        assert!(points.lines().all(|point| !point.starts_with(scratch().to_str().unwrap())), "{points}");
        assert_eq!(inside("pin", "echo x > /data/f; cat /data/f; pwd"), "x\n/\n");
        assert!(ok("list -N pin /data").contains("tmpfs"));
        ok("umount pin");
        assert_eq!(mount_table().len(), before);
    }

    /// A set without a root is built in a copy of TARGET.
    fn a_copy_of_the_target() needs [Root, Tool("nsenter"), Kernel(6, 15)] {
        write(file("spec"), r#"[{"type": "tmpfs", "source": "x", "target": "/in"}]"#);
        mkdirs(scratch(), &["root/in", "root/bin"]);
        std::fs::copy("/bin/busybox", file("root/bin/sh")).map_or_else(|_| fmountat_testing::skip("no static shell"), drop);
        ok("apply --namespace pin spec root");
        assert_eq!(inside("pin", "echo /*"), "/bin /in\n");
        ok("umount pin");
    }

    fn what_is_refused() needs [Root, Kernel(6, 15)] {
        write(file("spec"), r#"[{"type": "tmpfs", "source": "x", "target": "/in"}]"#);
        write(file("rooted"), r#"[{"type": "tmpfs", "source": "x", "target": "/"}]"#);
        mkdirs(scratch(), &["shared", "t"]);
        ok("mount --make-shared -t tmpfs x shared");
        for (line, status, part) in [
            ("apply --namespace pin spec", 1, "TARGET is missing"),
            ("apply --namespace pin --replace rooted t", 1, "cannot be used with"),
            ("apply --namespace shared/pin rooted", 1, "shared propagation"),
            ("apply --namespace t rooted", 32, "can't be mounted on a directory"),
            ("apply spec", 1, "TARGET"),
            ("apply --namespace pin", 1, "SPEC is missing"),
        ] {
            let output = fmountat(line);
            let text = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.code() == Some(status) && text.contains(part), "{line}: {output:?}");
        }
        assert_eq!(mounts_below(scratch()).len(), 1);
        ok("umount shared");
    }
}
