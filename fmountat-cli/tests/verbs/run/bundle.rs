// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `run --bundle`: the root and the process of an OCI bundle.

use super::sandbox::{Untouched, finish, fmountat};
use fmountat_testing::{mkdirs, scratch, write};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

const SCRIPT: &str = "echo $(id -u):$(id -g) $(pwd) $NAME ${HOME-none}; uname -n; cat /etc/who; echo new >/tmp/file && cat /tmp/file
    cat /data/file; sed 1,2d /proc/net/dev | cut -d: -f1 | tr -d ' '; test -c /dev/null && echo x >/dev/null";

/// What [`SCRIPT`] prints.
const EXPECTED: &str = "1234:1235 /etc value none\ninner\nlayer\nnew\ndata\nlo\n";

/// Writes a bundle, whose directory is returned.
fn bundle(change: impl FnOnce(&mut Value)) -> PathBuf {
    let here = scratch().join("bundle");
    mkdirs(&here, &["rootfs/tmp", "data"]);
    write(here.join("rootfs/etc/who"), "layer\n");
    write(here.join("data/file"), "data\n");
    std::fs::set_permissions(here.join("rootfs/tmp"), std::os::unix::fs::PermissionsExt::from_mode(0o1777))
        .unwrap();
    let mut config = json!({
        "ociVersion": "1.2.0",
        "root": {"path": "rootfs"},
        "hostname": "inner",
        "process": {
            "args": ["/bin/sh", "-c", SCRIPT], "cwd": "/etc", "user": {"uid": 1234, "gid": 1235},
            "env": ["PATH=/usr/bin:/bin", "NAME=value"],
        },
        "mounts": [
            {"destination": "/proc", "type": "proc", "source": "proc"},
            {"destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": ["mode=755"]},
            {"destination": "/dev/pts", "type": "devpts", "source": "devpts",
             "options": ["newinstance", "ptmxmode=0666", "gid=5"]},
            {"destination": "/sys", "type": "sysfs", "source": "sysfs", "options": ["ro"]},
            {"destination": "/data", "type": "bind", "source": "data", "options": ["rbind", "ro"]},
        ],
        "linux": {"namespaces": [{"type": "pid"}, {"type": "network"}, {"type": "mount"}]},
    });
    for dir in ["/usr", "/bin", "/lib", "/lib64"].iter().filter(|dir| Path::new(dir).exists()) {
        let bind = json!({"destination": dir, "type": "bind", "source": dir, "options": ["rbind", "ro"]});
        config["mounts"].as_array_mut().unwrap().push(bind);
    }
    change(&mut config);
    write(here.join("config.json"), config.to_string());
    here
}

pub(crate) fn is_run() {
    let here = bundle(|_| ());
    let before = Untouched::now();
    let mut command = fmountat(&["--bundle", here.to_str().unwrap()]);
    command.env("HOME", "/of-the-caller");
    let done = finish(command);
    assert_eq!((done.out.as_str(), done.status), (EXPECTED, 0), "{done:#?}");
    assert!(!done.err.contains("not done"), "{done:#?}");
    // The command line wins; a source of --bind starts at the current directory.
    let mut command = fmountat(&["--bundle", "bundle", "--chdir", "/", "--setenv", "NAME", "other"]);
    command.args(["--bind", "bundle/data:/mine", "--root", "sh", "-c"]);
    command.arg("echo $(pwd) $NAME; cat /mine/file; id -u");
    command.current_dir(scratch());
    let done = finish(command);
    assert_eq!(done.out, "/ other\ndata\n0\n", "{done:#?}");
    before.assert("a bundle");
}

pub(crate) fn what_is_not_done_is_listed() {
    let here = bundle(|config| {
        config["process"]["args"] = json!(["true"]);
        config["process"]["rlimits"] = json!([{"type": "RLIMIT_NOFILE", "hard": 5, "soft": 5}]);
        config["linux"]["seccomp"] = json!({"defaultAction": "SCMP_ACT_ERRNO"});
        config["hooks"] = json!({"poststop": [{"path": "/bin/true"}]});
    });
    let path = here.to_str().unwrap();
    let done = finish(fmountat(&["--bundle", path]));
    let named = |text: &str| {
        ["process.rlimits", "linux.seccomp", "hooks"].iter().filter(|part| text.contains(*part)).count()
    };
    let not_done = done.err.lines().filter(|line| line.contains("not done: ")).count();
    assert!(done.status == 0 && not_done == 3 && named(&done.err) == 3, "{done:#?}");
    let done = finish(fmountat(&["--json", "--bundle", path]));
    let parts: Value = serde_json::from_str(done.err.lines().next().unwrap()).unwrap();
    assert_eq!(parts["not_done"].as_array().unwrap().len(), 3, "{done:#?}");
    let done = finish(fmountat(&["--strict", "--bundle", path]));
    assert!(done.status == 125 && named(&done.err) == 1, "{done:#?}");
    let no_command = bundle(|config| config["process"] = json!({}));
    let done = finish(fmountat(&["--bundle", no_command.to_str().unwrap()]));
    assert!(done.status == 125 && done.err.contains("`process.args` is missing"), "{done:#?}");
    let done = finish(fmountat(&["--bundle", scratch().join("nothing").to_str().unwrap(), "true"]));
    assert!(done.status == 125 && done.err.contains("nothing"), "{done:#?}");
}
