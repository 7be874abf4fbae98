// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Sets that can't be mounted in one step: what a kill leaves is noted, and `clean` takes it away.

use super::moment::Moments;
use super::set::{file, processes, settled};
use fmountat_testing::{binary, filter, mkdirs, mounts_below, read, scratch, times, write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output, Stdio};

const SIX: &str = r#"[{"type": "tmpfs", "source": "root"},
    {"type": "tmpfs", "source": "a", "target": "a", "options": ["X-mount.mkdir"]},
    {"type": "bind", "source": "data", "target": "b", "options": ["rbind,rro,X-mount.mkdir"]},
    {"type": "tmpfs", "source": "c", "target": "a/c/d", "options": ["X-mount.mkdir"]},
    {"type": "tmpfs", "source": "e", "target": "e", "options": ["X-mount.mkdir,nosuid"]},
    {"type": "tmpfs", "source": "f", "target": "e/f", "options": ["X-mount.mkdir"]}]"#;

/// With what is mounted below `data`.
const ALL: usize = 7;

fn program() -> std::path::PathBuf {
    binary(env!("CARGO_BIN_EXE_fmountat"))
}

fn command(words: &[&str]) -> Command {
    let mut command = Command::new(words[0]);
    command.args(&words[1..]).current_dir(scratch()).env("FMOUNTAT_TEST_KILL", scratch());
    command
}

fn fmountat(words: &[&str]) -> Command {
    let program = program();
    command(&[&[program.to_str().unwrap()], words].concat())
}

fn clean() -> Output {
    fmountat(&["--json", "clean"]).stdin(Stdio::null()).output().unwrap()
}

/// Runs `clean` until the killed process has released the lock of its journal: a process is removed
/// from /proc before it closes its files.
fn clean_when_let_go() -> Output {
    loop {
        let cleaned = clean();
        if !String::from_utf8_lossy(&cleaned.stdout).contains(r#""skipped":1"#) {
            return cleaned;
        }
        std::thread::sleep(std::time::Duration::from_millis(2));
    }
}

/// Mounts a `/run` for this case alone, so that it has the only journals.
fn set_up() {
    rustix::mount::mount("run", "/run", "tmpfs", rustix::mount::MountFlags::empty(), None).unwrap();
    mkdirs(scratch(), &["t", "data/in", "new"]);
    rustix::mount::mount("in", file("data/in"), "tmpfs", rustix::mount::MountFlags::empty(), None).unwrap();
    write(file("data/in/source"), "the source's own");
    write(file("six.json"), SIX);
}

fn tear_down() {
    assert_eq!(read(file("data/in/source")), "the source's own");
    for place in [file("data/in").as_path(), Path::new("/run")] {
        rustix::mount::unmount(place, rustix::mount::UnmountFlags::empty()).unwrap();
    }
}

fn journals() -> usize {
    std::fs::read_dir("/run/fmountat").map_or(0, Iterator::count)
}

fn unmount() {
    assert!(fmountat(&["umount", "-R", "t"]).status().unwrap().success());
}

/// Kills `apply` at many moments under `restrict`. Returns how often it left mounts, each time
/// removed by `clean`.
fn killed(words: &[&str], restrict: impl Fn() + Sync) -> usize {
    let apply = [words, &["apply", "six.json", "t"]].concat();
    // The filter cannot be removed from the thread, and `clean` and the checks need the calls that
    // it forbids.
    let restricted = |work: &(dyn Fn() + Sync)| {
        std::thread::scope(|scope| {
            scope.spawn(|| {
                restrict();
                work();
            });
        });
    };
    let run = || restricted(&|| assert!(command(&apply).status().unwrap().success()));
    let moments = Moments::of(times(500, 3_000).try_into().unwrap(), || {
        run();
        unmount();
    });
    let mut left = 0;
    for moment in moments {
        restricted(&|| moment.kill(command(&apply)));
        // Under a filter a forked child probes the kernel. It ends by itself and holds the
        // journal's lock until then.
        assert!(settled(|| processes().is_empty()), "{:#?}", processes());
        let whole = mounts_below(file("t")).len() == ALL && journals() == 0;
        if whole {
            unmount();
            continue;
        }
        left += usize::from(!mounts_below(file("t")).is_empty());
        let cleaned = clean_when_let_go();
        let text = String::from_utf8(cleaned.stdout).unwrap();
        let errors = String::from_utf8(cleaned.stderr).unwrap();
        assert!(cleaned.status.success() && text.contains(r#""uncertain":[]"#), "{text}{errors}");
        assert_eq!(mounts_below(file("t")), Vec::<String>::new(), "{text}{errors}");
        assert_eq!((journals(), Path::new("/run/fmountat").exists()), (0, false), "{text}");
    }
    left
}

/// Emulates a kernel before 6.15 with a filter that forbids unshare(2).
pub(crate) fn without_one_step() {
    set_up();
    let program = program();
    let words = ["setarch", "--uname-2.6", program.to_str().unwrap()];
    let left = killed(&words, filter::without_one_step);
    println!("counted: step by step: {left} kills left something, and nothing after clean");
    assert!(left > 0, "the kills missed the moment");
    tear_down();
}

/// Everything else is published, the helper hangs, the caller is killed.
pub(crate) fn helper() {
    set_up();
    killed_while_a_helper_hangs(SIX, ALL);
    tear_down();
}

/// A mount below the source of a bind that is its peer is not unmounted.
pub(crate) fn helper_beside_peers() {
    set_up();
    rustix::mount::mount_change(file("data/in"), rustix::mount::MountPropagationFlags::SHARED).unwrap();
    mkdirs(file("data/in"), &["deep"]);
    rustix::mount::mount("deep", file("data/in/deep"), "tmpfs", rustix::mount::MountFlags::empty(), None)
        .unwrap();
    write(file("data/in/deep/file"), "deep");
    let peers = SIX.replace("rbind,rro", "rbind,rshared");
    killed_while_a_helper_hangs(&peers, ALL + 1);
    assert_eq!(read(file("data/in/deep/file")), "deep");
    rustix::mount::unmount(file("data/in/deep"), rustix::mount::UnmountFlags::empty()).unwrap();
    tear_down();
}

fn killed_while_a_helper_hangs(set: &str, all: usize) {
    let attach_at = file("bin/mount.fuse3");
    write(&attach_at, "#!/bin/sh\ntouch started\nsleep 60\n");
    std::fs::set_permissions(&attach_at, PermissionsExt::from_mode(0o755)).unwrap();
    write(
        file("helped.json"),
        set.replace("]}]", r#"]}, {"type": "fuse3.x", "source": "x", "target": "a"}]"#),
    );
    let path = format!("{}:{}", file("bin").display(), std::env::var("PATH").unwrap());
    let mut child = fmountat(&["apply", "helped.json", "t"]).env("PATH", path).spawn().unwrap();
    assert!(settled(|| file("started").exists()), "the helper did not start");
    assert_eq!((mounts_below(file("t")).len(), journals()), (all, 1));
    // The running command locks its journal, so `clean` does not unmount its mounts.
    assert!(String::from_utf8_lossy(&clean().stdout).contains(r#""skipped":1"#));
    assert_eq!(mounts_below(file("t")).len(), all);
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(settled(|| processes().is_empty()), "{:#?}", processes());
    let cleaned = clean_when_let_go();
    let text = String::from_utf8(cleaned.stdout).unwrap();
    let errors = String::from_utf8(cleaned.stderr).unwrap();
    assert!(text.contains(&format!(r#""target":"{}"}}]"#, file("t").display())), "{text}{errors}");
    assert_eq!((mounts_below(file("t")).len(), journals()), (0, 0), "{text}{errors}");
}

fn boot() -> String {
    read("/proc/sys/kernel/random/boot_id").trim().to_owned()
}

fn namespace() -> u64 {
    use std::os::unix::fs::MetadataExt;
    std::fs::metadata("/proc/thread-self/ns/mnt").unwrap().ino()
}

/// Writes a journal as a killed process leaves it.
fn journal(name: &str, boot: &str, namespace: u64, lines: &str) {
    let begin = format!("begin 2 {boot} {namespace} - 1 t");
    write(Path::new("/run/fmountat").join(name), format!("{begin}\n{lines}"));
}

fn published() -> Vec<u64> {
    let output = fmountat(&["--json", "apply", "six.json", "t"]).output().unwrap();
    let value: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    value["set"].as_array().unwrap().iter().map(|id| id.as_u64().unwrap()).collect()
}

/// Returns the journal entry of one mount.
fn mount(id: u64, at: &str) -> String {
    format!("mount {id} - {at}\n")
}

/// Runs `clean`. Returns how many mounts are left, whether the journal is, the exit status and the
/// errors.
fn after(name: &str) -> (usize, bool, i32, String) {
    let output = clean();
    let left = Path::new("/run/fmountat").join(name).exists();
    let errors = String::from_utf8(output.stderr).unwrap();
    (mounts_below(file("t")).len(), left, output.status.code().unwrap(), errors)
}

/// The namespace of the journal has the same inode number and has ended: its mounts ended with it.
pub(crate) fn ended_namespace() {
    set_up();
    let ids = published();
    mkdirs("/run", &["fmountat"]);
    std::fs::set_permissions("/run/fmountat", PermissionsExt::from_mode(0o700)).unwrap();
    let begin = format!("begin 2 {} {} 1 1 t", boot(), namespace());
    write("/run/fmountat/ended", format!("{begin}\n{}", mount(ids[6], "elsewhere")));
    assert_eq!(after("ended"), (ALL, false, 0, String::new()));
    unmount();
    tear_down();
}

pub(crate) fn nothing_else() {
    set_up();
    let ids = published();
    mkdirs("/run", &["fmountat"]);
    std::fs::set_permissions("/run/fmountat", PermissionsExt::from_mode(0o700)).unwrap();
    let last = mount(ids[6], "elsewhere");
    // A journal of another boot, whose mount ids may be in use again.
    journal("boot", "00000000-0000-0000-0000-000000000000", namespace(), &last);
    assert_eq!(after("boot"), (ALL, false, 0, String::new()));
    mkdirs("/run", &["fmountat"]);
    std::fs::set_permissions("/run/fmountat", PermissionsExt::from_mode(0o700)).unwrap();
    // A journal of another mount namespace.
    journal("space", &boot(), 1, &last);
    assert_eq!(after("space"), (ALL, true, 0, String::new()));
    std::fs::remove_file("/run/fmountat/space").unwrap();
    // Not ours to read; a kind that is not known; cut off before it began.
    write("/run/fmountat/strange", "no journal\n");
    write("/run/fmountat/cut", "beg");
    let (mounts, left, status, errors) = after("strange");
    assert_eq!((mounts, left, status), (ALL, true, 1), "{errors}");
    assert!(
        errors.contains("/run/fmountat/strange") && errors.contains("the release that wrote it"),
        "{errors}"
    );
    std::fs::remove_file("/run/fmountat/strange").unwrap();
    // One mount of them, which has none in it, and a line that was cut off.
    journal("one", &boot(), namespace(), &format!("{last}mount {}", ids[0]));
    assert_eq!(after("one"), (ALL - 1, false, 0, String::new()));
    mkdirs("/run", &["fmountat"]);
    std::fs::set_permissions("/run/fmountat", PermissionsExt::from_mode(0o700)).unwrap();
    // A busy mount is left with its journal, and the error names the holder.
    let held = std::fs::File::create(file("t/e/held")).unwrap();
    journal("busy", &boot(), namespace(), &mount(ids[5], "e"));
    let (mounts, left, status, errors) = after("busy");
    assert_eq!((mounts, left, status), (ALL - 1, true, 32), "{errors}");
    assert!(errors.contains("\"descriptor\""), "{errors}");
    drop(held);
    assert_eq!(after("busy"), (ALL - 2, false, 0, String::new()));
    // A directory that anybody can write to is not believed.
    mkdirs("/run", &["fmountat"]);
    std::fs::set_permissions("/run/fmountat", PermissionsExt::from_mode(0o777)).unwrap();
    journal("false", &boot(), namespace(), &mount(ids[1], "a"));
    let (mounts, left, status, errors) = after("false");
    assert_eq!((mounts, left, status), (ALL - 2, true, 1), "{errors}");
    unmount();
    directories();
    tear_down();
}

/// `clean` removes a created directory if it is empty and has not been replaced.
fn directories() {
    use std::os::unix::fs::MetadataExt;
    std::fs::remove_dir_all("/run/fmountat").unwrap();
    mkdirs("/run", &["fmountat"]);
    std::fs::set_permissions("/run/fmountat", PermissionsExt::from_mode(0o700)).unwrap();
    mkdirs(file("new"), &["empty", "used/x", "another"]);
    let line = |name: &str, more: u64| {
        let (at, stat) = (file("new").join(name), std::fs::metadata(file("new").join(name)).unwrap());
        let (device, inode) = (stat.dev(), stat.ino() + more);
        format!("directory {device} {inode} {}\n", at.display())
    };
    journal("dirs", &boot(), namespace(), &[line("empty", 0), line("used", 0), line("another", 1)].concat());
    let output = fmountat(&["--verbose", "clean"]).output().unwrap();
    assert!(output.status.success());
    let event = format!("fmountat: recovered kind=\"directory\" path=\"{}\"\n", file("new/empty").display());
    let errors = String::from_utf8(output.stderr).unwrap();
    assert!(errors.ends_with(&event) && errors.matches("recovered").count() == 1, "{errors}");
    let left = ["empty", "used", "another"].map(|name| file("new").join(name).exists());
    assert_eq!(left, [false, true, true], "{}", String::from_utf8_lossy(&output.stdout));
}
