// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Tests `fmountat doctor`: it reports missing features, fits the text to a terminal, and prints no
//! secrets.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use fmountat_testing::{binary, filter, read, scratch};
use serde_json::Value;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};

/// Returns the report, as text and as JSON, of the command behind these words.
fn report(prefix: &[&str]) -> (String, Value) {
    let program = scratch().join("fmountat");
    if !program.exists() {
        std::fs::copy(binary(env!("CARGO_BIN_EXE_fmountat")), &program).unwrap();
        std::fs::set_permissions(&program, PermissionsExt::from_mode(0o755)).unwrap();
    }
    let run = |flag: &[&str]| {
        let program = program.to_str().unwrap();
        let words: Vec<&str> =
            prefix.iter().copied().chain([program]).chain(flag.iter().copied()).chain(["doctor"]).collect();
        let output = Command::new(words[0])
            .args(&words[1..])
            .current_dir(scratch())
            .stdin(Stdio::null())
            .output()
            .unwrap();
        assert!(output.status.success() && output.stderr.is_empty(), "{words:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    let text = run(&[]);
    assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
    (text, serde_json::from_str(&run(&["--json"])).unwrap())
}

/// Returns the fields `state`, `instead` and `change` of a check.
fn finding(report: &Value, name: &str) -> (String, String, String) {
    let findings = report["findings"].as_array().unwrap();
    let found =
        findings.iter().find(|finding| finding["name"] == name).unwrap_or_else(|| panic!("{name}: {report}"));
    let field = |field: &str| found[field].as_str().unwrap_or_default().to_owned();
    (field("state"), field("instead"), field("change"))
}

fn state(report: &Value, name: &str) -> String {
    finding(report, name).0
}

const USER: [&str; 6] = ["setpriv", "--reuid", "1000", "--regid", "1000", "--clear-groups"];

fmountat_testing::cases! {
    /// Everybody can ask; there are no names of the host, the user, their files.
    fn it_fits_a_bug_report() needs [] {
        let (text, value) = report(&[]);
        let host = read("/proc/sys/kernel/hostname");
        let words: Vec<&str> = text.split(|c: char| !c.is_alphanumeric() && c != '-').collect();
        assert!(!words.contains(&host.trim()), "{text}");
        let mut secrets: Vec<String> = vec![scratch().display().to_string()];
        secrets.extend(["HOME", "USER", "PWD"].iter().filter_map(|name| std::env::var(name).ok()).filter(|text| text.len() > 5));
        for secret in secrets {
            assert!(!text.contains(&secret) && !value.to_string().contains(&secret), "{secret} is in {text}");
        }
        assert!(text.contains("\nlegend: ok = works, "), "{text}");
        assert!(text.starts_with(concat!("fmountat ", env!("CARGO_PKG_VERSION"), ", Linux ")), "{text}");
        assert_eq!(value["release"], read("/proc/sys/kernel/osrelease").trim());
        for name in ["mounting", "seccomp filter", "security module", "user namespaces", "mounts", "sets of mounts", "loop devices", "/dev/fuse"] {
            finding(&value, name);
        }
    }

    /// doctor reports the missing privilege and what to change; real root has all of it.
    fn privilege_is_reported() needs [Root, Tool("setpriv"), Tool("unshare"), UserNamespaces] {
        let (_, root) = report(&[]);
        assert_eq!(state(&root, "mounting"), "fine");
        let (text, user) = report(&USER);
        assert_eq!(state(&user, "mounting"), "degraded");
        assert_eq!(state(&user, "mount_setattr"), "unknown");
        assert!(finding(&user, "mounting").1.contains("fmountat run") && text.contains("to change\n"), "{text}");
        let inside = [&USER[..], &["unshare", "--user", "--map-root-user", "--mount"]].concat();
        assert_eq!(state(&report(&inside).1, "mounting"), "fine");
        let alone = [&USER[..], &["unshare", "--user", "--map-root-user"]].concat();
        assert!(finding(&report(&alone).1, "mounting").2.contains("unshare --mount"));
        let bare = report(&["setpriv", "--bounding-set", "-sys_admin", "--no-new-privs"]).1;
        assert!(finding(&bare, "mounting").2.contains("CAP_SYS_ADMIN"));
        assert_eq!(state(&bare, "set-user-ID helpers"), "missing");
    }

    /// Without /proc, doctor reports the results of system calls and marks the rest as unknown, not
    /// as missing.
    fn without_proc() needs [Root, Tool("unshare"), Tool("setpriv"), UserNamespaces] {
        let without = ["unshare", "--mount", "sh", "-c", "umount -l /proc; exec \"$@\"", "sh"];
        let (text, value) = report(&without);
        assert_eq!(state(&value, "mounting"), "fine", "{text}");
        assert!(text.contains("unknown  available            cannot be read without /proc/filesystems"), "{text}");
        assert!(!text.contains("absent"), "{text}");
        let without = ["setpriv", "--no-new-privs", "unshare", "--mount", "sh", "-c", "mount -t tmpfs x /proc; exec \"$@\"", "sh"];
        assert_eq!(state(&report(&without).1, "set-user-ID helpers"), "missing");
    }

    /// Without /proc a pidfd names the user namespace.
    fn a_user_namespace_without_proc() needs [Kernel(6, 11), Root, Tool("unshare"), Tool("setpriv"), UserNamespaces] {
        let without = ["unshare", "--mount", "sh", "-c", "mount -t tmpfs x /proc; exec \"$@\"", "sh"];
        let inside = [&USER[..], &["unshare", "--user", "--map-root-user"], &without[1..]].concat();
        let text = report(&inside).0;
        assert!(text.contains("root of a user namespace"), "{text}");
    }

    /// Limits that are reached, or will be.
    fn limits_are_reported() needs [Root, Tool("setpriv"), Tool("prlimit"), Tool("unshare"), UserNamespaces] {
        let few = report(&["prlimit", "--nofile=100"]).1;
        assert!(finding(&few, "open files").2.contains("ulimit -n"));
        let none = "echo 0 > /proc/sys/user/max_user_namespaces; exec \"$@\"";
        let inside = [&USER[..], &["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", none, "sh"]].concat();
        let without = report(&inside).1;
        assert!(finding(&without, "user namespaces").2.contains("user.max_user_namespaces"), "{without}");
    }

    /// On an emulated old kernel, doctor reports the substitutes.
    fn missing_calls_are_reported() needs [] {
        std::thread::scope(|scope| {
            let old = scope.spawn(|| {
                filter::errno_on(&[libc::SYS_fsopen, libc::SYS_open_tree, libc::SYS_move_mount, 458], libc::ENOSYS as u32);
                let (text, value) = report(&[]);
                assert_eq!(finding(&value, "fsopen and its like").0, "degraded");
                assert_eq!(finding(&value, "mounts by unique id").1, "/proc/PID/mountinfo");
                assert_eq!(finding(&value, "sets of mounts").0, "degraded");
                assert!(text.contains("1 in force"), "{text}");
            });
            old.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        });
    }
}
