// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The options for mounts, the directory and the environment of the command.

use super::roots::bind_the_system;
use super::sandbox::{Untouched, finish, fmountat, lines};
use fmountat_testing::{read, scratch, write};

/// Options, a script, and the lines that it prints. `HERE` stands for the directory of the case.
const OPTIONS: &[(&[&str], &str, &[&str])] = &[
    // By default a bind mount has the path that it has outside.
    (&["--bind", "data"], "cat HERE/data/f; echo kept >HERE/data/relative", &["data"]),
    (&["--bind", "./data/../data"], "cat HERE/data/f; echo kept >HERE/data/parent", &["data"]),
    (&["--bind", "HERE/data"], "cat HERE/data/f; echo kept >HERE/data/absolute", &["data"]),
    (
        &["--ro-bind", "data"],
        "cat HERE/data/f; echo lost 2>&- >HERE/data/lost || echo refused",
        &["data", "refused"],
    ),
    (&["--ro-bind", "data:/d"], "cat /d/f; echo lost 2>&- >/d/lost || echo refused", &["data", "refused"]),
    (&["--ro-bind", "data:/d:noexec"], "/d/tool 2>&- || echo refused", &["refused"]),
    (&["--bind", r"odd\:name:/d"], "cat /d/f", &["odd"]),
    (&["--bind", r"odd\:name"], "cat HERE/odd:name/f", &["odd"]),
    // A mount point is above the mounts below it, in any order.
    (&["--bind", "data:/t/in", "--tmpfs", "/t"], "cat /t/in/f; ls /t; echo x >/t/new", &["data", "in"]),
    (&["--tmpfs", "/tmp"], "stat -c %a /tmp; echo x >/tmp/x && cat /tmp/x", &["1777", "x"]),
    (&["--chdir", "/deep/er", "--bind", "data:/deep/er"], "pwd; cat f", &["/deep/er", "data"]),
    (&["--setenv", "NAME", "a=b c", "--unsetenv", "GONE"], "echo $NAME ${GONE-unset}", &["a=b c unset"]),
    (&["--clearenv", "--setenv", "NAME", "--x"], "echo $NAME ${GONE-unset}", &["--x unset"]),
    (&["--size", "1m"], "head -c 2000000 /dev/zero 2>&- >/big || stat -c %s /big", &["1048576"]),
];

pub(crate) fn take_effect() {
    let here = scratch().join("here");
    write(here.join("a/who"), "a\n");
    write(here.join("data/f"), "data\n");
    write(here.join("data/tool"), "#!/bin/sh\n");
    write(here.join("odd:name/f"), "odd\n");
    let replaced = |text: &str| text.replace("HERE", here.to_str().unwrap());
    for (options, script, expected) in OPTIONS {
        let mut command = fmountat(&["-q", "-C", here.to_str().unwrap(), "--lower", "a"]);
        command.args(["--ro-bind", "/dev/zero"]).args(options.iter().map(|option| replaced(option)));
        bind_the_system(&mut command);
        command.args(["/bin/sh", "-c", &replaced(script)]).env("GONE", "there");
        let done = finish(command);
        assert_eq!(done.out.lines().collect::<Vec<_>>(), *expected, "{options:?} {script}: {done:#?}");
    }
    for kept in ["relative", "parent", "absolute"] {
        assert_eq!(read(here.join("data").join(kept)), "kept\n", "{kept}");
    }
    assert!(!here.join("data/lost").exists());
}

/// The words before `--`, and the forms without it.
pub(crate) fn the_command_begins_after_the_root() {
    write(scratch().join("list.json"), r#"[{"type": "bind", "source": "/", "options": ["rbind", "rro"]}]"#);
    let before = Untouched::now();
    for arguments in [
        &["--lower", "/", "echo", "-n", "--", "--lower"][..],
        &["--lower=/", "--", "echo", "-n", "--", "--lower"],
        &["-q", "list.json", "echo", "-n", "--", "--lower"],
        &["list.json", "--", "echo", "-n", "--", "--lower"],
    ] {
        let mut command = fmountat(&["-C", scratch().to_str().unwrap()]);
        command.args(arguments);
        assert_eq!(lines(command), ["-- --lower"], "{arguments:?}");
    }
    before.assert("words");
}

/// Prints errors only, also with `--json`.
pub(crate) fn quiet() {
    let before = Untouched::now();
    for more in [&[][..], &["--json"]] {
        let mut command = fmountat(more);
        command.args(["--quiet", "--lower", "/", "true"]);
        let done = finish(command);
        assert_eq!((done.err.as_str(), done.status), ("", 0), "{more:?}");
        let mut command = fmountat(more);
        command.args(["-q", "--lower", "/", "/no/such/program"]);
        let done = finish(command);
        assert!(done.err.contains("/no/such/program") && done.status == 127, "{done:#?}");
    }
    before.assert("quiet");
}

/// Mounts that are refused before the start: the options, and a part of the message.
const REFUSED: &[(&[&str], &str)] = &[
    (&["--bind", "nowhere"], "open bind source nowhere: no such file or directory"),
    (&["--ro-bind", "nowhere:/mnt"], "open bind source nowhere"),
    (&["--bind", "/"], "would cover the whole root"),
    (&["--bind", "a:/mnt/.."], "would cover the whole root"),
    (&["--tmpfs", "/"], "would cover the whole root"),
    (&["--bind", ""], "the source of the bind mount is empty"),
];

pub(crate) fn mounts_that_are_refused() {
    write(scratch().join("a/who"), "a");
    let before = Untouched::now();
    for (options, message) in REFUSED {
        let mut command = fmountat(&["-C", scratch().to_str().unwrap(), "--lower", "/"]);
        command.args(*options).arg("true");
        let done = finish(command);
        assert!(done.status == 125 && done.err.contains(message), "{options:?}: {done:#?}");
    }
    before.assert("refused");
}
