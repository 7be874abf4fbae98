// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What the command cannot change of the host besides its files: names, settings, IPC, devices.
//!
//! "The host" is a set of namespaces of the case, so that a failure changes nothing of the machine.
//! The clock and the kernel's modules have no namespace: only the capability is looked at.

use super::sandbox::{Finished, command, finish, fmountat, lines, words};
use fmountat_testing::{binary, copy_from_package, mkdirs, scratch, write};
use rustix::thread::CapabilitySet;
use std::ffi::OsString;
use std::os::unix::fs::PermissionsExt;

/// What the host looks like from inside its namespaces.
const PICTURE: &str = r#"uname -n; ipcs -m -q -s
    for file in kernel/hostname kernel/domainname kernel/shmmax kernel/sem vm/swappiness; do
        echo $file $(cat /proc/sys/$file)
    done"#;

/// Tries to change it. Each line may fail.
const CHANGES: &str = r#"hostname changed; echo changed >/proc/sys/kernel/hostname
    echo changed >/proc/sys/kernel/domainname; echo 12345678 >/proc/sys/kernel/shmmax
    ipcmk -M 4096; ipcmk -Q; ipcmk -S 3
    exit 0"#;

/// Runs `fmountat run ARGUMENTS -- sh -c SCRIPT` between two pictures, which are returned.
fn between_pictures(arguments: &[&str], script: &str) -> (String, String) {
    let mut run = words(&[]);
    run.extend(arguments.iter().chain(&["--", "sh", "-c", script]).map(OsString::from));
    let outer = format!("{{ {PICTURE}\n}} >before; \"$@\" >&2; {{ {PICTURE}\n}} >after");
    let mut all: Vec<OsString> = ["unshare", "--uts", "--ipc"].map(Into::into).to_vec();
    all.extend(["sh", "-c", &outer, "sh"].map(Into::into));
    all.extend(run);
    let mut command = command(&all);
    command.current_dir(scratch());
    let done = finish(command);
    assert_eq!(done.status, 0, "{done:#?}");
    let read = |name| fmountat_testing::read(scratch().join(name));
    (read("before"), read("after"))
}

pub(crate) fn names_and_ipc_are_not_changed() {
    write(scratch().join("list.json"), r#"[{"type": "bind", "source": "/", "options": ["rbind"]}]"#);
    for arguments in [&["--lower", "/"][..], &["list.json"], &["--root", "--lower", "/"]] {
        let (before, after) = between_pictures(arguments, CHANGES);
        assert_eq!(before, after, "{arguments:?}");
    }
    // The case can fail: each namespace can be given back.
    let (before, after) = between_pictures(&["--share-ipc", "--lower", "/"], "ipcmk -M 4096");
    assert_ne!(before, after);
}

pub(crate) fn the_name_can_be_given_back() {
    let shared = ["--share-uts", "--cap-add", "SYS_ADMIN", "--lower", "/"];
    let (before, after) = between_pictures(&shared, "hostname changed");
    assert_ne!(before, after);
}

/// Programs that open a file of the kernel to write to it, and write nothing.
pub(crate) fn settings_are_read_only() {
    let script =
        "for file in /proc/sys/vm/swappiness /proc/sys/kernel/panic /proc/sysrq-trigger /sys/power/state; do
        test ! -e $file || sh -c \": >>$file\" 2>&- && test -e $file && echo writable $file; done; exit 0";
    let nothing: [&str; 0] = [];
    assert_eq!(lines(fmountat(&["--lower", "/", "sh", "-c", script])), nothing);
    let given = lines(fmountat(&["--share-sys", "--lower", "/", "sh", "-c", script]));
    assert!(given.iter().any(|line| line == "writable /proc/sys/vm/swappiness"), "{given:?}");
}

/// The set of capabilities that `Cap...:` of /proc/self/status shows inside.
fn capabilities(arguments: &[&str], name: &str) -> CapabilitySet {
    let mut command = fmountat(arguments);
    command.args(["--lower", "/", "--", "cat", "/proc/self/status"]);
    let status = lines(command);
    let bits = status.iter().find_map(|line| line.strip_prefix(name)).unwrap();
    CapabilitySet::from_bits_retain(u64::from_str_radix(bits.trim(), 16).unwrap())
}

/// Root can't change the clock, modules, devices, mounts and the network, whatever it executes.
pub(crate) fn capabilities_of_root() {
    let dangerous = [
        "SYS_TIME",
        "SYS_MODULE",
        "SYS_BOOT",
        "SYS_RAWIO",
        "SYS_ADMIN",
        "NET_ADMIN",
        "MKNOD",
        "SYSLOG",
        "BPF",
        "DAC_READ_SEARCH",
        "SYS_RESOURCE",
        "MAC_ADMIN",
        "PERFMON",
        "SYS_TTY_CONFIG",
        "LINUX_IMMUTABLE",
    ];
    for set in ["CapEff:", "CapPrm:", "CapBnd:", "CapInh:", "CapAmb:"] {
        let has = capabilities(&[], set);
        for name in dangerous {
            let one = CapabilitySet::from_name(name).unwrap();
            assert!(!has.contains(one), "{set} has {name}");
        }
    }
    let kept = CapabilitySet::CHOWN | CapabilitySet::SETUID | CapabilitySet::DAC_OVERRIDE;
    assert!(capabilities(&[], "CapEff:").contains(kept));
    let more = ["--cap-add", "sys_ptrace,CAP_MKNOD"];
    let both = CapabilitySet::SYS_PTRACE | CapabilitySet::MKNOD;
    assert!(capabilities(&more, "CapEff:").contains(both | kept));
}

/// An ordinary user has none, except those of `--cap-add` over the own namespace.
pub(crate) fn capabilities_of_users() {
    for set in ["CapEff:", "CapPrm:", "CapInh:", "CapAmb:"] {
        assert_eq!(capabilities(&[], set), CapabilitySet::empty(), "{set}");
    }
    assert_eq!(capabilities(&["--cap-add", "SYS_CHROOT"], "CapEff:"), CapabilitySet::SYS_CHROOT);
}

pub(crate) fn names_and_privileges() {
    let status = "grep NoNewPrivs /proc/self/status | tr -d '\\t'; uname -n; cat /proc/1/comm";
    let shown = |arguments: &[&str]| {
        let mut command = fmountat(arguments);
        command.args(["--hostname", "inner", "--lower", "/", "sh", "-c", status]);
        lines(command)
    };
    assert_eq!(shown(&[]), ["NoNewPrivs:1", "inner", "fmountat"]);
    // A filter of the harness sets it for the case itself.
    let own = fmountat_testing::read("/proc/self/status");
    let is_set = own.lines().any(|line| line == "NoNewPrivs:\t1");
    let expected = if is_set { "NoNewPrivs:1" } else { "NoNewPrivs:0" };
    assert_eq!(shown(&["--root"]), [expected, "inner", "fmountat"]);
    let wrong = finish(fmountat(&["--cap-add", "no_such", "--lower", "/", "true"]));
    assert!(wrong.status == 125 && wrong.err.contains("no_such: no such capability"), "{wrong:#?}");
}

/// Without network there is a loopback interface, and nothing else.
pub(crate) fn a_network_of_its_own() {
    let script = "sed 1,2d /proc/net/dev | cut -d: -f1; cat /proc/net/fib_trie | grep -c 127.0.0.1";
    let done = lines(fmountat(&["--net", "none", "--lower", "/", "sh", "-c", script]));
    assert!(done[0].trim() == "lo" && done.len() == 2 && done[1] != "0", "{done:?}");
}

/// The program of process 1 is not the host's file.
pub(crate) fn the_inits_program_is_not_changed() {
    let program = scratch().join("copy");
    std::fs::copy(binary(env!("CARGO_BIN_EXE_fmountat")), &program).unwrap();
    std::fs::set_permissions(&program, PermissionsExt::from_mode(0o755)).unwrap();
    let before = super::sandbox::picture(&program);
    let script = "chmod 777 /proc/1/exe; chown 7:7 /proc/1/exe; touch -d @0 /proc/1/exe; (: >>/proc/1/exe)
        for file in /proc/1/map_files/*; do chmod 777 $file; done; exit 0";
    for root in [&[][..], &["--root"]] {
        let mut all = words(&[]);
        let last = all.len() - 2;
        all[last] = program.clone().into();
        let mut command = command(&all);
        command.args(root).args(["--lower", "/", "sh", "-c", script]);
        assert_eq!(finish(command).status, 0);
        assert_eq!(super::sandbox::picture(&program), before, "{root:?}");
    }
}

/// Root in the root of another `run` needs a capability, as the hint says.
pub(crate) fn root_nests_with_a_capability() {
    let program = binary(env!("CARGO_BIN_EXE_fmountat"));
    let inner = [program.to_str().unwrap(), "run", "--lower", "/", "sh", "-c", "echo nested $PPID; exit 9"];
    let run = |more: &[&str]| -> Finished {
        let mut command = fmountat(more);
        command.args(["--lower", "/"]).args(inner);
        finish(command)
    };
    let done = run(&["--cap-add", "SYS_ADMIN"]);
    assert_eq!((done.out.as_str(), done.status), ("nested 1\n", 9), "{done:#?}");
    let done = run(&[]);
    assert_eq!((done.out.as_str(), done.status), ("", 125), "{done:#?}");
    assert!(done.err.contains("needs --cap-add SYS_ADMIN of the outer one"), "{done:#?}");
}

/// A mount list whose /proc is not restricted.
pub(crate) fn settings_of_a_list_are_read_only() {
    let here = scratch().join("here");
    mkdirs(&here, &[]);
    copy_from_package("../examples", here.join("examples"));
    let list = ["-C", here.to_str().unwrap(), "examples/rootfs/rootfs.json"];
    let mut command = fmountat(&list);
    let script = "for file in /proc/sys/vm/swappiness /proc/sys/kernel/panic; do
        sh -c \": >>$file\" 2>&- && echo writable $file; done; exit 0";
    command.args(["--", "sh", "-c", script]);
    let nothing: [&str; 0] = [];
    assert_eq!(lines(command), nothing);
}
