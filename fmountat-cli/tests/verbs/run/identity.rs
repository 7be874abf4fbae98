// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Who the command is inside, and what programs that care for owners do there.

use super::sandbox::{Finished, Untouched, command, finish, fmountat, lines, picture, words};
use fmountat_testing::{command_output, is_real_root, mkdirs, scratch, slower, write};
use rustix::mount::{MountFlags, UnmountFlags, mount, mount_bind, unmount};
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

const IDS: &str = "echo $(id -u):$(id -g)";

/// Arguments, and the ids of an ordinary user inside. Root is root.
const OWN_IDS: &[(&[&str], &str)] = &[
    (&["--lower", "/"], "1000:1000"),
    (&["list.json"], "1000:1000"),
    (&["--root", "--lower", "/"], "0:0"),
    (&["--root", "list.json"], "0:0"),
];

/// A list whose root is this machine's.
const LIST: &str = r#"[{"type": "bind", "source": "/", "target": "/", "options": ["rbind", "rro"]}]"#;

pub(crate) fn is_the_callers() {
    write(scratch().join("list.json"), LIST);
    let before = Untouched::now();
    for (arguments, user) in OWN_IDS {
        let mut command = fmountat(&["-C", scratch().to_str().unwrap()]);
        command.args(*arguments).args(["--", "sh", "-c", IDS]);
        let expected = if is_real_root() { "0:0" } else { *user };
        assert_eq!(lines(command), [expected], "{arguments:?}");
    }
    before.assert("ids");
}

/// The program that must be there, and a script that ends with a failure if it does not work. It
/// starts in a new directory of the copy; `$HOME` is the user's.
const PROGRAMS: &[(&str, &str)] = &[
    ("tar", "tar xf $HOME/foreign.tar && test -s foreign/file && tar xpf $HOME/foreign.tar"),
    ("cp", "cp -a $HOME/tree copy && cp -a /etc/passwd . && cmp /etc/passwd passwd"),
    // It compares the inode numbers of both names of a hard link. In a user namespace overlayfs
    // does not keep them when it copies a file of a layer.
    (
        "git",
        "git clone -q $NO_HARD_LINKS $HOME/repository clone && test -s clone/file && git -C clone log --oneline",
    ),
    ("make", "make -s -C $HOME/program install DESTDIR=$PWD/to && test -x to/usr/bin/hello"),
    ("rsync", "rsync -a $HOME/tree/ copy/ && diff -r $HOME/tree copy"),
    ("cpio", "(cd $HOME && find tree | cpio -o --quiet) | cpio -id --quiet && diff -r $HOME/tree tree"),
    ("sed", "sed -i s/x/y/ $HOME/tree/file && grep y $HOME/tree/file && rm -r $HOME/tree"),
    ("find", "chmod -R go-rwx $HOME && find $HOME -type f -delete && touch $HOME/new"),
];

/// Programs that restore owners, or look at them, as they do outside; the home is as before.
pub(crate) fn programs_work() {
    let home = scratch().join("home");
    furnish(&home);
    let before = (Untouched::now(), picture(&home));
    for (program, script) in PROGRAMS.iter().filter(|(program, _)| is_there(program)) {
        let script = format!("mkdir /tmp/new && cd /tmp/new && {script}");
        let mut command = fmountat(&["--lower", "/", "--", "sh", "-c", &script]);
        command.env("HOME", &home).env("GIT_CONFIG_NOSYSTEM", "1");
        command.env("NO_HARD_LINKS", if is_real_root() { "" } else { "--no-hardlinks" });
        let done = finish(command);
        assert_eq!(done.status, 0, "{program}: {done:#?}");
        assert_eq!(picture(&home), before.1, "{program}");
    }
    before.0.assert("programs");
}

fn is_there(program: &str) -> bool {
    std::env::split_paths(&std::env::var_os("PATH").unwrap()).any(|dir| dir.join(program).is_file())
}

fn furnish(home: &Path) {
    write(home.join("tree/file"), "x\n");
    write(home.join("foreign/file"), "foreign");
    std::os::unix::fs::symlink("file", home.join("tree/link")).unwrap();
    let mut tar = Command::new("tar");
    tar.arg("-C").arg(home).args(["--owner=7", "--group=8", "-cf"]);
    command_output(tar.arg(home.join("foreign.tar")).arg("foreign"));
    write(home.join("program/hello"), "#!/bin/sh\n");
    let install = "install:\n\tinstall -D -m 755 hello $(DESTDIR)/usr/bin/hello\n";
    write(home.join("program/Makefile"), install);
    if is_there("git") {
        write(home.join("repository/file"), "x\n");
        let user = "git -c user.name=a -c user.email=a@b";
        let script = format!("git init -q && git add file && {user} commit -qm first && git gc -q");
        let mut shell = Command::new("sh");
        shell.args(["-c", &script]).env("HOME", home).env("GIT_CONFIG_NOSYSTEM", "1");
        command_output(shell.current_dir(home.join("repository")));
    }
}

/// What is mounted read-only can't be made writable from inside, neither as root of the namespace.
pub(crate) fn read_only_is_locked() {
    mkdirs(scratch(), &["data"]);
    let before = Untouched::now();
    let script = "for dir in /ro /sys; do mount -o remount,bind,rw $dir; umount $dir; done 2>&-
        echo x 2>&- >/ro/new || echo refused";
    for root in [&[][..], &["--root"]] {
        let mut command = fmountat(&["-C", scratch().to_str().unwrap(), "--lower", "/"]);
        command.args(root).args(["--bind", "data:/ro:rro", "--", "sh", "-c", script]);
        assert_eq!(lines(command), ["refused"], "{root:?}");
    }
    before.assert("read-only");
}

/// A user of the machine with ranges of subordinate ids, in files that only the case sees.
pub(crate) fn all_ids_are_mapped() {
    let files = [
        ("/etc/passwd", "root:x:0:0::/root:/bin/sh\nme:x:1000:1000::/tmp:/bin/sh\n"),
        ("/etc/subuid", "me:100000:65536\n"),
        ("/etc/subgid", "1000:200000:65536\n"),
    ];
    for (place, text) in files {
        let own = scratch().join(Path::new(place).file_name().unwrap());
        write(&own, text);
        mount_bind(own, place).unwrap();
    }
    if fmountat_testing::read("/proc/self/status").lines().any(|line| line == "NoNewPrivs:\t1") {
        fmountat_testing::skip("newuidmap(1) has no privilege under no_new_privs, which a filter sets");
    }
    let script = "umask 022; mkdir /tmp/own && cd /tmp/own && touch file && chown 5:6 file && stat -c %u:%g . file && id -u
        tar -cf a.tar file && mkdir to && tar -C to -xf a.tar && stat -c %u:%g to/file";
    let done = as_user(&["--root", "--map-auto", "--lower", "/"], script);
    assert_eq!(done.out, "0:0\n5:6\n0\n5:6\n", "{done:#?}");
    assert_eq!(as_user(&["--map-auto", "--lower", "/"], IDS).out, "1000:1000\n");
    // Ids below and above the user's own: none is lost.
    let map = "awk '{ n += $3 } END { print n }' /proc/self/uid_map";
    assert_eq!(as_user(&["--map-auto", "--lower", "/"], map).out, "65537\n");
}

/// Without ranges the command runs with one id, and a line says why.
pub(crate) fn without_ranges() {
    let empty = scratch().join("empty");
    write(&empty, "");
    mount_bind(&empty, "/etc/subuid").unwrap();
    let done = as_user(&["--map-auto", "--lower", "/"], IDS);
    assert_eq!(done.out, "1000:1000\n", "{done:#?}");
    let said = done.err.lines().filter(|line| line.contains("--map-auto: only one id is mapped: "));
    assert_eq!(said.count(), 1, "{}", done.err);
}

/// Directories of the user's below those of others: the kernel copies the latter before it changes
/// a file there, and cannot give them their owners.
pub(crate) fn own_directories_below_others() {
    for name in ["home", "work", "work/inner"] {
        let own = scratch().join("others").join(name);
        mkdirs(scratch(), &[&format!("others/{name}")]);
        chown(&own, Some(1000), Some(1000)).unwrap();
        write(own.join("file"), "old\n");
        chown(own.join("file"), Some(1000), Some(1000)).unwrap();
    }
    program_of_the_user();
    let before = Untouched::now();
    let script = format!(
        "export HOME={0}/others/home; cd {0}/others/work; {1} run -q --lower / sh -c '
            for place in ~ . ./inner /var/tmp; do
                echo new >$place/new && cat $place/new
            done; cat ~/file; echo more >>~/file; rm inner/file; ls -A inner'",
        scratch().display(),
        scratch().join("fmountat").display(),
    );
    let done = as_user_directly(&["sh", "-c", &script]);
    assert_eq!(done.out, "new\nnew\nnew\nnew\nold\nnew\n", "{done:#?}");
    before.assert("own directories");
}

/// A current directory that the user cannot open, where no path is relative to it.
pub(crate) fn a_closed_current_directory() {
    mkdirs(scratch(), &["closed"]);
    // The group has no id in the user namespace: being root there does not help.
    chown(scratch().join("closed"), Some(1000), None).unwrap();
    let program = scratch().join("fmountat");
    let run = |arguments: &str| {
        let script = format!(
            "cd {}; chmod 0 .; {} run -q --lower / {arguments}; echo $?; chmod 700 {0}",
            scratch().join("closed").display(),
            program.display(),
        );
        as_user_directly(&["sh", "-c", &script])
    };
    let done = run("pwd");
    assert_eq!(done.out, "/\n0\n", "{done:#?}");
    let done = run("--bind relative true");
    assert!(done.out == "125\n" && done.err.contains("permission denied"), "{done:#?}");
}

/// A FUSE file system whose daemon never answers: the command starts, and a line names it.
pub(crate) fn a_file_system_that_does_not_answer() {
    mkdirs(scratch(), &["hung", "open"]);
    let device = std::fs::File::options().read(true).write(true).open("/dev/fuse").unwrap();
    let number = std::os::fd::AsRawFd::as_raw_fd(&device);
    let data = format!("fd={number},rootmode=40000,user_id=0,group_id=0,allow_other");
    let data = std::ffi::CString::new(data).unwrap();
    let place = scratch().join("hung");
    mount("hung", &place, "fuse", MountFlags::empty(), Some(data.as_c_str())).unwrap();
    // It takes half a second; where every overlay needs a namespace, and on a loaded machine, more.
    for arguments in [&["--lower", "/"][..], &["--root", "--lower", "/"]] {
        let start = Instant::now();
        let done = as_user(arguments, "echo started");
        assert!(start.elapsed() < slower(Duration::from_secs(30)), "{:?}", start.elapsed());
        let line = format!("{}: the file system does not answer", place.display());
        assert!(done.out == "started\n" && done.err.contains(&line), "{done:#?}");
    }
    let start = Instant::now();
    let done = finish(fmountat(&["--lower", "/", "echo", "started"]));
    assert!(start.elapsed() < slower(Duration::from_secs(30)), "{:?}", start.elapsed());
    assert!(done.out == "started\n" && done.err.contains("does not answer"), "{done:#?}");
    // Without its daemon the file system answers with an error.
    drop(device);
    unmount(&place, UnmountFlags::DETACH).unwrap();
}

/// Runs it as user 1000 of the machine, who is in no user namespace.
fn as_user(arguments: &[&str], script: &str) -> Finished {
    let program = scratch().join("fmountat").display().to_string();
    as_user_directly(&[&[&program, "run"][..], arguments, &["--", "sh", "-c", script]].concat())
}

/// A copy of the program that the user may execute.
fn program_of_the_user() {
    let program = scratch().join("fmountat");
    if !program.exists() {
        std::fs::set_permissions(scratch(), PermissionsExt::from_mode(0o755)).unwrap();
        let own = words(&[]);
        std::fs::copy(&own[own.len() - 2], &program).unwrap();
        chown(&program, Some(1000), Some(1000)).unwrap();
    }
}

fn as_user_directly(words_after: &[&str]) -> Finished {
    program_of_the_user();
    let mut all: Vec<std::ffi::OsString> =
        ["setpriv", "--reuid", "1000", "--regid", "1000", "--clear-groups"].map(Into::into).to_vec();
    all.extend(words_after.iter().map(Into::into));
    finish(command(&all))
}
