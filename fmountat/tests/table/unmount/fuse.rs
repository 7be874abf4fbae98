// SPDX-License-Identifier: Apache-2.0 OR MIT
//! FUSE mounts without a server, or with one that stops to answer.

use super::holding::soon;
use crate::common::file;
use fmountat::error::HolderKind;
use fmountat::{ErrorKind, MountId, Unmount};
use fmountat_testing::{INSIDE, command_output, mkdirs, mounts_below, read, scratch, slower, write};
use rustix::fd::{AsFd, AsRawFd};
use rustix::fs::{CWD, Mode, OFlags};
use std::fs::File;
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::process::Command;
use std::time::{Duration, Instant};

fn connect(kind: &str, source: &str) -> File {
    mkdirs(scratch(), &["m"]);
    let device = File::options().read(true).write(true).open("/dev/fuse").unwrap();
    let data = format!("fd={},rootmode=40000,user_id=0,group_id=0", device.as_raw_fd());
    fmountat::fmountat(CWD, source, file("m"), kind, fmountat::MountFlags::empty(), data).unwrap();
    device
}

/// The body of a case that runs with more than one `PATH`.
pub(crate) fn unmount_in_time() {
    let _server = connect("fuse.silent", "silent");
    let start = Instant::now();
    // Target::open would ask the server whether it is a directory.
    let held = rustix::fs::open(file("m"), OFlags::PATH | OFlags::CLOEXEC, Mode::empty()).unwrap();
    let id = MountId::of(held.as_fd()).unwrap();
    let errors = soon().run(file("m")).unwrap_err();
    assert_eq!(errors[0].kind(), ErrorKind::Busy, "{errors:?}");
    let kind = HolderKind::Descriptor(held.as_fd().as_raw_fd());
    assert!(errors[0].holders().iter().any(|holder| holder.kind == kind), "{errors:?}");
    drop(held);
    Unmount::new().run_id(id).unwrap();
    assert!(start.elapsed() < slower(Duration::from_secs(2)), "{:?}", start.elapsed());
    assert_eq!(mounts_below(file("m")).len(), 0);
}

/// Unmounts with our own fusermount3 in `PATH`, and asserts that it was called.
pub(crate) fn with_program(does: &str) {
    let program = file("bin/fusermount3");
    let log = file("log");
    write(&program, format!("#!/bin/sh\necho \"$PWD $*\" >> {}\n{does}\n", log.display()));
    std::fs::set_permissions(&program, PermissionsExt::from_mode(0o755)).unwrap();
    write(&log, "");
    let path = format!("{}:{}", file("bin").display(), std::env::var("PATH").unwrap());
    let mut again = Command::new("/proc/self/exe");
    command_output(again.args([INSIDE, "unmount::a_fuse_mount"]).arg(scratch()).env("PATH", path));
    let asked = read(&log);
    let line = format!("{} -u -- ./m", scratch().display());
    assert!(asked.lines().count() > 1 && asked.lines().all(|asked| asked == line), "{asked}");
}

pub(crate) fn loop_device(name: &str, size: u64) -> String {
    File::create(file(name)).unwrap().set_len(size).unwrap();
    let device = command_output(Command::new("losetup").args(["-f", "--show"]).arg(file(name)));
    device.trim().to_owned()
}

/// Reads a request and gives its operation and number.
fn request(server: &mut File) -> (u32, u64) {
    let mut buffer = vec![0u8; 1 << 16];
    let length = server.read(&mut buffer).unwrap();
    assert!(length >= 40, "a request has a header");
    (
        u32::from_ne_bytes(buffer[4..8].try_into().unwrap()),
        u64::from_ne_bytes(buffer[8..16].try_into().unwrap()),
    )
}

fn answer(server: &mut File, number: u64, body: &[u8]) {
    let mut reply = Vec::new();
    reply.extend(u32::try_from(16 + body.len()).unwrap().to_ne_bytes());
    reply.extend(0u32.to_ne_bytes());
    reply.extend(number.to_ne_bytes());
    reply.extend(body);
    server.write_all(&reply).unwrap();
}

pub(crate) fn threads() -> usize {
    std::fs::read_dir("/proc/self/task").unwrap().count()
}

/// When a fuseblk file system is unmounted, the kernel sends its server the request DESTROY and
/// waits for the reply. This server replies after the time limit of the unmount.
pub(crate) fn unanswered_destroy() {
    const INIT: u32 = 26;
    const DESTROY: u32 = 38;
    let device = loop_device("image", 1 << 20);
    let mut server = connect("fuseblk", &device);
    let (operation, number) = request(&mut server);
    assert_eq!(operation, INIT);
    let mut init = vec![0u8; 64];
    init[..4].copy_from_slice(&7u32.to_ne_bytes());
    init[4..8].copy_from_slice(&31u32.to_ne_bytes());
    init[20..24].copy_from_slice(&4096u32.to_ne_bytes());
    answer(&mut server, number, &init);
    let start = Instant::now();
    let done = Unmount::new().timeout(Duration::from_millis(300)).run(file("m"));
    let took = start.elapsed();
    let during = threads();
    let (operation, number) = request(&mut server);
    answer(&mut server, number, &[]);
    while threads() > 1 && start.elapsed() < Duration::from_secs(10) {
        std::thread::sleep(Duration::from_millis(5));
    }
    let after = threads();
    drop(server);
    command_output(Command::new("losetup").args(["-d", &device]));
    let errors = done.unwrap_err();
    assert_eq!((errors.len(), errors[0].kind()), (1, ErrorKind::TimedOut), "{errors:?}");
    assert!((250..1500).contains(&took.as_millis()), "{took:?}");
    assert_eq!((operation, during, after), (DESTROY, 2, 1));
    assert_eq!(mounts_below(file("m")).len(), 0);
}
