// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Tests the roots of `fmountat run`: the command's files, where it may write, and that no write
//! reaches the disk.

use super::sandbox::{Finished, Untouched, command, finish, fmountat, lines, on_host_root, picture, words};
use fmountat_testing::{
    binary, command_output, copy_from_package, is_real_root, mkdirs, own_devices, read, scratch, write,
};
use rustix::fd::AsRawFd;
use rustix::mount::{MountFlags, mount, mount_bind};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Run in the example's root; each line that it prints is `NAME: ok` or what is wrong.
const IN_THE_EXAMPLE: &str = r#"
is() { if [ "$2" = "$3" ]; then echo "$1: ok"; else echo "$1: '$2', not '$3'"; fi; }
can() { n=$1; shift; if "$@"; then echo "$n: ok"; else echo "$n: failed"; fi; }
cannot() { n=$1; shift; if "$@" 2>/dev/null; then echo "$n: possible"; else echo "$n: ok"; fi; }
count() { set -- /proc/[0-9]*; echo $#; }
is "the app layer is on top" "$(cat /etc/greeting)" "from the app layer, over the base"
can "the base layer is below" grep -q root /etc/passwd
can "the program of the layer runs" /srv/app/hello
is "the user" "$(id -u):$(id -g)" "${OWN:-0:0}"
is "the cwd" "$(pwd)" /
is "our parent, the init" $PPID 1
is "processes: the init, we and a subshell" $(count) 3
can "overwrite a lower file" sh -c 'echo new >/etc/greeting'
is "the new text" "$(cat /etc/greeting)" new
can "append to a lower file" sh -c 'echo more >>/etc/passwd'
can "a new file" sh -c 'echo x >/new'
can "delete a lower file" rm /etc/os-release
cannot "it no longer exists" test -e /etc/os-release
can "rename a lower file" mv /etc/group /etc/group2
can "empty a lower directory" rm -r /srv/app
can "make it anew" mkdir /srv/app
is "the new one is empty" "$(ls -A /srv/app)" ""
can "rmdir it" rmdir /srv/app
can "make it once more" mkdir /srv/app
can "write in it" sh -c 'echo x >/srv/app/hello'
can "change a mode" chmod 600 /etc/passwd
can "a directory of the base, away" rm -r /root
can "and new" mkdir -m 700 /root
is "with nothing" "$(ls -A /root)" ""
cannot "write in /usr" sh -c 'echo x >/usr/fmountat-test'
can "write to /dev/null" sh -c 'echo x >/dev/null'
is "read /dev/zero" "$(head -c 3 /dev/zero | wc -c)" 3
is "/dev/fd" "$(echo x | cat /dev/fd/0)" x
can "write in /tmp" sh -c 'echo x >/tmp/x && test -s /tmp/x'
is "the mode of /tmp" "$(stat -c %a /tmp)" 1777
is "the mode of /" "$(stat -c %a /)" 755
cannot "the old root is there" test -e /proc/1/root/work
"#;

/// Copies the examples of the repository to the scratch directory. Returns their path.
fn examples() -> PathBuf {
    let to = scratch().join("here");
    std::fs::create_dir_all(&to).unwrap();
    copy_from_package("../examples", to.join("examples"));
    to
}

fn assert_all_ok(done: &Finished) {
    let wrong: Vec<&str> =
        done.out.lines().filter(|l| !l.ends_with(": ok") && !l.starts_with("hello")).collect();
    assert!(wrong.is_empty() && done.status == 0, "{wrong:#?}\n{done:#?}");
    assert!(done.out.lines().count() > 30, "{done:#?}");
    // uname(2) may tell of an older release than the kernel is.
    let is_old = fmountat_testing::kernel_release() < (6, 6);
    let is_known = |line: &&str| is_old && line.contains("directories of a layer cannot be removed");
    let unexpected: Vec<&str> = done.err.lines().filter(|line| !is_known(line)).collect();
    assert_eq!(unexpected, Vec::<&str>::new());
}

pub(crate) fn the_example() {
    let here = examples();
    let before = Untouched::now();
    let mut command = fmountat(&["-C", here.to_str().unwrap(), "examples/rootfs/rootfs.json", "--"]);
    command.args(["sh", "-c", IN_THE_EXAMPLE]);
    if !is_real_root() {
        command.env("OWN", "1000:1000");
    }
    assert_all_ok(&finish(command));
    before.assert("the example");
}

/// The harness's user namespace corresponds to root in an unprivileged container: no second one is
/// needed.
pub(crate) fn the_example_in_a_container() {
    let here = examples();
    let program = binary(env!("CARGO_BIN_EXE_fmountat")).into();
    let before = Untouched::now();
    let mut command = command(&[program, "run".into(), "-C".into(), here.into()]);
    command.args(["examples/rootfs/rootfs.json", "--", "sh", "-c", IN_THE_EXAMPLE]);
    assert_all_ok(&finish(command));
    before.assert("the example");
}

/// The devices in a root are the host's own nodes: the command can use them and cannot change them.
/// Here the case makes them.
pub(crate) fn devices_are_not_changed() {
    let here = examples();
    own_devices();
    let before = picture(Path::new("/dev"));
    let script = r#"
        echo x >/dev/null && head -c 3 /dev/zero | wc -c
        for node in null zero full random urandom tty; do test -c /dev/$node || echo "no $node"; done
        chmod -R 700 /dev 2>/dev/null; chown -R 1234 /dev; touch -d @0 /dev/null"#;
    for arguments in [&["--lower", "/"][..], &["-C", here.to_str().unwrap(), "examples/rootfs/rootfs.json"]] {
        let mut command = fmountat(arguments);
        command.args(["--", "sh", "-c", script]);
        let done = finish(command);
        assert_eq!(done.out, "3\n", "{done:#?}");
        assert!(done.err.contains("Read-only file system"), "{done:#?}");
        assert_eq!(picture(Path::new("/dev")), before, "{arguments:?}");
    }
}

pub(crate) fn a_deleted_home_is_whole() {
    let home = scratch().join("home");
    write(home.join("letters/first"), "dear");
    write(home.join(".profile"), "x");
    let before = Untouched::now();
    let script = "cat ~/letters/first; rm -rf ~ && test ! -e ~ && mkdir ~ && echo other >~/new && ls -A ~";
    let mut command = on_host_root(script);
    command.env("HOME", &home);
    assert_eq!(lines(command), ["dearnew"]);
    before.assert("rm -rf ~");
}

/// The programs of the machine, to be read only, in a root that has none.
pub(crate) fn bind_the_system(command: &mut Command) {
    for dir in ["/usr", "/bin", "/lib", "/lib64"].iter().filter(|dir| Path::new(dir).exists()) {
        command.args(["--bind", &format!("{dir}:{dir}:rro")]);
    }
}

/// Arguments of `run`, a script, and the lines that it prints.
const LAYERS_AND_BINDS: &[(&[&str], &str, &[&str])] = &[
    (&["--lower", "a", "--lower", "b"], "cat /who /only-a /only-b", &["a", "a", "b"]),
    (&["--lower", "b", "--lower", "a"], "cat /who /only-a /only-b", &["b", "a", "b"]),
    (&["--lower", "./a/../a", "--lower", "b"], "cat /who", &["a"]),
    (&["--lower", "odd, :\\name", "--lower", "b"], "cat /who", &["odd"]),
    (&["--lower", "a"], "echo lost >/who; rm /only-a; pwd", &["/"]),
    (&["--lower", "a", "--bind", "data:/data"], "cat /data/f; echo kept >/data/written", &["data"]),
    (&["--lower", "a", "--bind", "data:/deep/er:"], "cat /deep/er/f", &["data"]),
    (
        &["--lower", "a", "--bind", "data:/ro:rro"],
        "cat /ro/f; echo x 2>&- >/ro/g || echo refused",
        &["data", "refused"],
    ),
    (&["--lower", "a", "--bind", "data:/d:rro,nosuid,noexec"], "/d/tool 2>&- || echo refused", &["refused"]),
    (&["--lower", "a", "--bind", "data/f:/file"], "cat /file", &["data"]),
    (&["--lower", "a", "--bind", "data:/x", "--bind", "b:/x/sub"], "cat /x/f /x/sub/who", &["data", "b"]),
    (&["--lower", "a", "--bind", "link:/data"], "cat /data/f", &["data"]),
];

pub(crate) fn layers_and_binds() {
    let here = scratch().join("here");
    for (layer, file) in [("a", "only-a"), ("b", "only-b"), ("odd, :\\name", "x")] {
        let name = layer.split(',').next().unwrap();
        write(here.join(layer).join("who"), format!("{name}\n"));
        write(here.join(layer).join(file), format!("{name}\n"));
    }
    write(here.join("data/f"), "data\n");
    write(here.join("data/tool"), "#!/bin/sh\n");
    std::fs::create_dir(here.join("data/sub")).unwrap();
    std::os::unix::fs::symlink("data", here.join("link")).unwrap();
    command_output(Command::new("chmod").arg("755").arg(here.join("data/tool")));
    for (arguments, script, expected) in LAYERS_AND_BINDS {
        let mut command = fmountat(&["-C", here.to_str().unwrap()]);
        command.args(*arguments);
        bind_the_system(&mut command);
        command.args(["--", "sh", "-c", script]);
        assert_eq!(lines(command), *expected, "{arguments:?} {script}");
    }
    assert_eq!(read(here.join("data/written")), "kept\n");
    assert_eq!((read(here.join("a/who")), read(here.join("a/only-a"))), ("a\n".into(), "a\n".into()));
    assert!(!here.join("data/g").exists());
}

/// If a list has two mounts with the target `/`, the later one is the root, with the mounts in it.
pub(crate) fn the_upper_root() {
    write(
        scratch().join("two.json"),
        r#"[
        {"type": "tmpfs", "source": "lower", "target": "/"},
        {"type": "bind", "source": "/", "target": "/", "options": ["rbind"]},
        {"type": "tmpfs", "source": "tmpfs", "target": "/tmp"}]"#,
    );
    let before = Untouched::now();
    let spec = scratch().join("two.json");
    let script = "test -e /usr && echo it >/tmp/x && cat /tmp/x && ls -A /tmp";
    assert_eq!(lines(fmountat(&[spec.to_str().unwrap(), "--", "sh", "-c", script])), ["it", "x"]);
    before.assert("two roots");
}

/// The arguments of `run` for each kind of root, and its description.
const ROOTS: &[(&[&str], &str)] = &[
    (&["--lower", "/"], "a copy of the machine"),
    (&["--lower", "a", "two.json"], "three roots"),
    (&["two.json"], "two roots of a list"),
];

/// The namespace has no mount of the old root, and no path above the new root leads there.
pub(crate) fn the_old_root_is_gone() {
    write(
        scratch().join("two.json"),
        r#"[
        {"type": "tmpfs", "source": "lower", "target": "/"},
        {"type": "bind", "source": "/", "target": "/", "options": ["rbind", "rro"]},
        {"type": "proc", "source": "proc", "target": "/proc"}]"#,
    );
    mkdirs(scratch(), &["a", "open"]);
    write(scratch().join("open/precious"), "precious");
    let before = Untouched::now();
    // Prints the number of mounts on the root, the entries above it, and whether the kernel treats
    // the process as chrooted.
    let script = r#"
        up=../../../../../../../..
        { echo lost >/..$SCRATCH/open/precious; echo lost >$up$SCRATCH/open/precious; rm $up$SCRATCH/open/precious; } 2>&-
        awk '$5 == "/"' /proc/self/mountinfo | wc -l
        [ "$(stat -c %d:%i /..)" = "$(stat -c %d:%i /)" ] && echo same
        unshare --user true && echo free"#;
    for (arguments, what) in ROOTS {
        let mut command = fmountat(&["-C", scratch().to_str().unwrap()]);
        command.args(*arguments).args(["--", "sh", "-c", script]).env("SCRATCH", scratch());
        let done = finish(command);
        assert_eq!(done.out, "1\nsame\nfree\n", "{what}: {done:#?}");
        assert_eq!(read(scratch().join("open/precious")), "precious", "{what}");
    }
    before.assert("what is above the root");
}

/// A path leads above `/` and down again, wherever the root is built.
pub(crate) fn paths_over_the_top() {
    let here = scratch().join("here");
    write(here.join("a/who"), "a\n");
    write(here.join("b/who"), "b\n");
    let over = |name: &str| format!("../../../../../../../../../..{}", here.join(name).display());
    std::os::unix::fs::symlink(over("b"), here.join("link")).unwrap();
    for (lower, bind) in [(over("a"), over("b")), ("a".into(), "link".into()), ("link".into(), over("b"))] {
        let mut command = fmountat(&["-C", here.to_str().unwrap(), "--lower", &lower, "--bind"]);
        command.arg(format!("{bind}:/two"));
        bind_the_system(&mut command);
        let first = if lower == "link" { "b" } else { "a" };
        assert_eq!(
            lines({
                command.args(["--", "cat", "/who", "/two/who"]);
                command
            }),
            [first, "b"],
            "{lower} {bind}"
        );
    }
}

/// The root is shared if the list asks for it, wherever it is built, and the mount that it was
/// built in no longer exists.
pub(crate) fn a_shared_root() {
    for word in ["shared", "rshared"] {
        let list = format!(
            r#"[{{"type": "bind", "source": "/", "target": "/", "options": ["rbind", "{word}"]}},
                {{"type": "tmpfs", "source": "tmpfs", "target": "/tmp"}}]"#
        );
        write(scratch().join("shared.json"), list);
        let mut command = fmountat(&[scratch().join("shared.json").to_str().unwrap(), "--"]);
        command.args(["cat", "/proc/self/mountinfo"]);
        let table = lines(command);
        let roots: Vec<_> = table.iter().filter(|line| line.split(' ').nth(4) == Some("/")).collect();
        assert!(matches!(&*roots, [root] if root.contains(" shared:")), "{word}: {table:#?}");
    }
}

/// The init's own number is another process's in the /proc that it starts with.
pub(crate) fn owners_are_mapped() {
    write(scratch().join("mapped/file"), "");
    std::os::unix::fs::chown(scratch().join("mapped/file"), Some(5), Some(6)).unwrap();
    let mut command = fmountat(&["-C", scratch().to_str().unwrap(), "--lower", "/", "--bind"]);
    command.args(["mapped:/mnt:uidmap=5:5000:1,gidmap=6:6000:1", "--", "stat", "-c", "%u:%g", "/mnt/file"]);
    assert_eq!(lines(command), ["5000:6000"]);
}

/// Directories that are made for a copy have the modes of the machine's own, whatever the umask is.
pub(crate) fn modes_of_a_copy() {
    let real = scratch().join("real");
    mkdirs(scratch(), &["real"]);
    mount("tmpfs", &real, "tmpfs", MountFlags::empty(), Some(c"mode=1777")).unwrap();
    mkdirs(&real, &["inner", "beside"]);
    mount("tmpfs", real.join("inner"), "tmpfs", MountFlags::empty(), Some(c"mode=0750")).unwrap();
    let program = binary(env!("CARGO_BIN_EXE_fmountat"));
    let script = r#"umask 077; "$0" "$@""#;
    let mut words = words(&["sh", "-c", script]);
    assert_eq!(words.iter().filter(|word| **word == program).count(), 1);
    words.extend(["--lower", "/", "--", "stat", "-c", "%a"].map(Into::into));
    words.extend([real.clone().into(), real.join("inner").into(), real.join("beside").into()]);
    assert_eq!(lines(command(&words)), ["1777", "750", "755"]);
}

/// A mount of the host is overlaid like the root: visible, writable in the copy, and unchanged
/// outside.
pub(crate) fn every_real_file_system() {
    let real = scratch().join("real");
    mkdirs(scratch(), &["real", "empty"]);
    mount("tmpfs", &real, "tmpfs", MountFlags::empty(), None).unwrap();
    write(real.join("dir/file"), "precious");
    mkdirs(&real, &["inner"]);
    mount("tmpfs", real.join("inner"), "tmpfs", MountFlags::empty(), None).unwrap();
    write(real.join("inner/file"), "deep");
    write(scratch().join("single"), "");
    write(scratch().join("source"), "single");
    mount_bind(scratch().join("source"), scratch().join("single")).unwrap();
    let before = Untouched::now();
    let done = in_scratch(
        "cat real/dir/file real/inner/file single && rm real/dir/file real/inner/file \
         && echo x >real/dir/new && ls real/dir real/inner && ! echo x 2>&- >single",
    );
    assert_eq!(done.out, "preciousdeepsinglereal/dir:\nnew\n\nreal/inner:\n", "{done:#?}");
    assert_eq!(done.status, 0, "{done:#?}");
    let single = scratch().join("single");
    let notices = done.err.lines().filter(|line| line.starts_with("fmountat: not overlaid: "));
    assert!(notices.clone().count() > 0 && notices.count() == done.err.lines().count(), "{}", done.err);
    let named = done.err.contains(single.to_str().unwrap()) || done.err.contains("more paths");
    assert!(named, "{}", done.err);
    if is_real_root() {
        // For an ordinary user each directory beside a mount is a mount itself and cannot be
        // removed.
        let done =
            in_scratch("rm -r real/dir && mkdir real/dir && mv real/dir real/other && ls -A real/other");
        assert_eq!((done.out.as_str(), done.status), ("", 0), "{done:#?}");
    }
    before.assert("a copy of the machine");
}

/// Before Linux 6.6 a tmpfs can't mark a directory of the layers as removed in a user namespace.
pub(crate) fn removing_a_directory_of_a_layer_works_or_is_reported() {
    write(scratch().join("doomed/file"), "");
    let done = in_scratch("rm -r doomed || ls -d doomed");
    let is_reported = done.err.contains("directories of a layer cannot be removed");
    let can_remove = fmountat_testing::kernel_release() >= (6, 6);
    assert_eq!((is_reported, done.out.is_empty()), (!can_remove, can_remove), "{done:#?}");
}

/// A copy of a copy: the inner one's caller has no process group of its own namespace.
pub(crate) fn a_run_in_a_run() {
    let before = Untouched::now();
    let program = binary(env!("CARGO_BIN_EXE_fmountat")).display().to_string();
    let done = in_scratch(&format!("{program} run --lower / -- sh -c 'echo nested $PPID; exit 9'"));
    assert_eq!((done.out.as_str(), done.status), ("nested 1\n", 9), "{done:#?}");
    before.assert("a run in a run");
}

fn in_scratch(script: &str) -> Finished {
    let mut command = on_host_root(script);
    command.current_dir(scratch());
    finish(command)
}

/// An automount point that nobody answers for does not keep the command from starting; what is
/// mounted below it is copied.
pub(crate) fn an_automount_without_daemon() {
    mkdirs(scratch(), &["auto"]);
    std::fs::set_permissions(scratch(), std::fs::Permissions::from_mode(0o755)).unwrap();
    let (_read, write_end) = rustix::pipe::pipe().unwrap();
    let mut group = Command::new("sleep").arg("0.2").process_group(0).spawn().unwrap();
    let data = format!("fd={},pgrp={},minproto=5,maxproto=5,direct", write_end.as_raw_fd(), group.id());
    let data = std::ffi::CString::new(data).unwrap();
    mount("auto", scratch().join("auto"), "autofs", MountFlags::empty(), Some(data.as_c_str())).unwrap();
    group.wait().unwrap();
    let program = scratch().join("fmountat");
    std::fs::copy(fmountat_testing::binary(env!("CARGO_BIN_EXE_fmountat")), &program).unwrap();
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
    let mut run = Command::new("timeout");
    run.args(["-k", "2", "20", "setpriv", "--reuid", "1234", "--regid", "1234", "--clear-groups"]);
    run.arg(&program).args(["--json", "run", "--lower", "/", "--", "echo", "started"]);
    let done = finish(run);
    assert_eq!((done.out.as_str(), done.status), ("started\n", 0), "{done:#?}");
    assert!(done.err.contains("an automount point"), "{}", done.err);
    rustix::mount::unmount(scratch().join("auto"), rustix::mount::UnmountFlags::DETACH).unwrap();
}
