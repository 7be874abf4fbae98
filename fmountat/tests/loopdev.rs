// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Loop devices: what they show, when they go, and many at once from many processes.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use fmountat::ErrorKind;
use fmountat::image::{LoopDevice, LoopOptions};
use fmountat_testing::{INSIDE, command_output, filter, scratch, write};
use rustix::fs::{CWD, FlockOperation};
use std::ffi::OsString;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

const LOOP_CONFIGURE: u64 = 0x4C0A;

fn image(name: &str, size: usize) -> PathBuf {
    let path = scratch().join(name);
    write(&path, (0..size).map(|n| (n / 512) as u8).collect::<Vec<_>>());
    path
}

fn attach(path: &Path, options: LoopOptions) -> LoopDevice {
    LoopDevice::attach(CWD, path, &options).unwrap_or_else(|e| panic!("{e}"))
}

fn sys(device: &Path, name: &str) -> Option<String> {
    let base = Path::new("/sys/block").join(device.file_name().unwrap());
    Some(std::fs::read_to_string(base.join(name)).ok()?.trim().to_owned())
}

/// Reports whether the device is free of our file, within a second.
fn is_gone(device: &Path, file: &Path) -> bool {
    let end = Instant::now() + Duration::from_secs(1);
    let is_there = || sys(device, "loop/backing_file").is_some_and(|f| Path::new(&f) == file);
    while is_there() && Instant::now() < end {
        std::thread::sleep(Duration::from_millis(2));
    }
    !is_there()
}

/// The checks for both strategies; a filter forces the older one.
fn shows_and_goes() {
    let path = image("image", 64 * 1024);
    let plain = LoopOptions::default();
    let device = attach(&path, plain);
    let name = device.path().to_owned();
    assert_eq!(sys(&name, "loop/backing_file"), Some(path.display().to_string()));
    assert_eq!((sys(&name, "ro"), sys(&name, "loop/autoclear")), (Some("0".into()), Some("1".into())));
    let raw = File::options().read(true).write(true).open(&name).unwrap();
    raw.write_all_at(b"written", 512).unwrap();
    raw.sync_all().unwrap();
    let mut seen = [0; 7];
    File::open(&path).unwrap().read_exact_at(&mut seen, 512).unwrap();
    assert_eq!(&seen, b"written");
    drop((raw, device));
    assert!(is_gone(&name, &path));

    let device = attach(&path, plain.read_only(true));
    assert_eq!(sys(device.path(), "ro"), Some("1".into()));
    let raw = File::options().write(true).open(device.path()).and_then(|f| f.write_at(b"x", 0));
    assert!(raw.is_err());
    drop(device);

    let device = attach(&path, plain.offset(1024).size_limit(4096));
    assert_eq!(sys(device.path(), "size"), Some("8".into()));
    let mut first = [0; 1];
    File::open(device.path()).unwrap().read_exact_at(&mut first, 0).unwrap();
    assert_eq!(first, [2]);
    drop(device);

    let device = attach(&path, plain.sector_size(4096));
    assert_eq!(sys(device.path(), "queue/logical_block_size"), Some("4096".into()));
    drop(device);

    let device = attach(&path, plain.direct_io(true).sector_size(4096));
    assert_eq!(sys(device.path(), "loop/dio"), Some("1".into()));
    drop(device);

    let device = attach(&path, plain.autoclear(false));
    let name = device.path().to_owned();
    device.keep();
    std::thread::sleep(Duration::from_millis(100));
    assert_eq!(sys(&name, "loop/backing_file"), Some(path.display().to_string()));
    Command::new("losetup").arg("-d").arg(&name).status().unwrap();
    assert!(is_gone(&name, &path));
    let device = attach(&path, plain.autoclear(false));
    let name = device.path().to_owned();
    device.detach().unwrap();
    assert!(is_gone(&name, &path));
    let device = attach(&path, plain.autoclear(false));
    let name = device.path().to_owned();
    drop(device);
    assert!(is_gone(&name, &path));
}

/// The error of a device that is refused for the one at `name`.
fn refused(path: &Path, options: LoopOptions, name: &Path, reason: &str) {
    let error = LoopDevice::attach(CWD, path, &options).map(drop).unwrap_err();
    assert_eq!((error.kind(), error.argument()), (ErrorKind::DeviceInUse, Some(path.as_os_str())), "{error}");
    assert!(error.reason().contains(reason) && error.reason().contains(name.to_str().unwrap()), "{error}");
    assert!(error.hint().unwrap().contains(&format!("losetup --detach {}", name.display())), "{error}");
}

/// Attaches and drops devices on its own files, and identifies each device by its content.
fn worker(thread: usize, count: usize) {
    for n in 0..count {
        let tag = format!("{}-{thread}-{n}", std::process::id());
        let path = scratch().join(&tag);
        let mut bytes = tag.clone().into_bytes();
        bytes.resize(4096, b'.');
        write(&path, &bytes);
        let device = attach(&path, LoopOptions::default().read_only(n % 2 == 0));
        let mut seen = vec![0; 4096];
        File::open(device.path()).unwrap().read_exact_at(&mut seen, 0).unwrap();
        assert_eq!(String::from_utf8(seen).unwrap(), String::from_utf8(bytes).unwrap());
        let name = device.path().to_owned();
        drop(device);
        assert!(is_gone(&name, &path), "{tag} leaked");
    }
}

/// Attaches the image of each round, at the same moment in all processes, and counts its devices.
fn sharer(start: SystemTime) {
    for round in 0..ROUNDS {
        let path = scratch().join(format!("image-{round}"));
        // All processes make it: none may cut it off for another one.
        File::options().create(true).append(true).open(&path).unwrap().set_len(8192).unwrap();
        let begin = start + ROUND * round;
        while SystemTime::now() < begin {
            std::hint::spin_loop();
        }
        let device = attach(&path, LoopOptions::default());
        let all = std::fs::read_dir("/sys/block").unwrap().map(|entry| entry.unwrap().file_name());
        let backs = |name: &OsString| {
            sys(Path::new(name), "loop/backing_file").is_some_and(|file| Path::new(&file) == path)
        };
        let (ours, own) = (all.filter(backs).collect::<Vec<_>>(), device.path().file_name().unwrap());
        assert_eq!(ours, [own]);
        std::thread::sleep((begin + ROUND / 2).duration_since(SystemTime::now()).unwrap_or_default());
    }
}

const ROUNDS: u32 = 100;
const ROUND: Duration = Duration::from_millis(20);
const PROCESSES: usize = 8;
const THREADS: usize = 8;
/// Over all, a little more than 2,000.
const EACH: usize = 32;

fmountat_testing::tests! {
    /// Bytes, offset, size, sectors and direct I/O. The last user or an explicit detach frees the
    /// device.
    fn by_one_request() needs [Root, Tool("losetup")] { shows_and_goes() }

    /// Bad files and values are errors in words, and no device is left (the harness looks).
    fn what_cannot_be() needs [Root] {
        let path = image("image", 8192);
        std::os::unix::fs::symlink("/dev/null", scratch().join("null")).unwrap();
        let with = |change: fn(&mut LoopOptions)| {
            let mut options = LoopOptions::default();
            change(&mut options);
            options
        };
        for (file, options, kind, words) in [
            ("missing", with(|_| ()), ErrorKind::NotFound, "no such file"),
            (".", with(|_| ()), ErrorKind::System, "is a directory"),
            (".", with(|o| o.read_only = true), ErrorKind::OptionConflict, "is not a regular file or block device"),
            ("null", with(|_| ()), ErrorKind::OptionConflict, "is not a regular file or block device"),
            ("image", with(|o| o.offset = 8192), ErrorKind::OptionValue, "beyond the end"),
            ("image", with(|o| o.sector_size = Some(1000)), ErrorKind::OptionValue, "sector size of 1000 bytes"),
            ("image", with(|o| (o.direct_io, o.offset) = (true, 512 + 8)), ErrorKind::Unsupported, "direct I/O"),
        ] {
            let dir = File::open(scratch()).unwrap();
            let error = LoopDevice::attach(&dir, file, &options).unwrap_err();
            assert_eq!(error.kind(), kind, "{file}: {error}");
            assert!(error.reason().contains(words), "{file}: {error}");
        }
        rustix::mount::mount_bind("/dev/null", &path).unwrap();
        rustix::mount::unmount(&path, rustix::mount::UnmountFlags::empty()).unwrap();
        rustix::mount::mount_bind(&path, &path).unwrap();
        let read_only = rustix::mount::MountFlags::BIND | rustix::mount::MountFlags::RDONLY;
        rustix::mount::mount_remount(&path, read_only, c"").unwrap();
        let error = LoopDevice::attach(CWD, &path, &LoopOptions::default()).unwrap_err();
        assert!(error.hint().is_some_and(|hint| hint.contains("`ro`")), "{error}");
    }

    /// A second device on the same bytes is the first one, whatever the name of the file. Its owner
    /// keeps it.
    fn one_range_is_one_device() needs [Root, Tool("losetup")] {
        let (path, link) = (image("image", 64 * 1024), scratch().join("link"));
        std::fs::hard_link(&path, &link).unwrap();
        let plain = LoopOptions::default();
        let range = plain.offset(4096).size_limit(8192);
        for options in [plain, plain.read_only(true), range] {
            let (first, second) = (attach(&path, options), attach(&link, options));
            assert_eq!(first.path(), second.path());
            assert_eq!((first.is_shared(), second.is_shared()), (false, true));
            let name = first.path().to_owned();
            drop(first);
            assert!(sys(&name, "loop/backing_file").is_some(), "the shared device was freed");
            drop(second);
            assert!(is_gone(&name, &path));
        }
        let losetup = |words: &[&str]| command_output(Command::new("losetup").args(words).arg(&path));
        let name = PathBuf::from(losetup(&["--find", "--show"]).trim());
        for end in [drop, LoopDevice::keep, |device: LoopDevice| device.detach().unwrap()] {
            let device = attach(&path, plain.autoclear(false));
            assert_eq!((device.path(), device.is_shared()), (name.as_path(), true));
            end(device);
            assert_eq!(sys(&name, "loop/autoclear"), Some("0".into()));
        }
        command_output(Command::new("losetup").arg("--detach").arg(&name));
        assert!(is_gone(&name, &path));
    }

    /// Refuses a second writer of the same bytes, and settings that the existing device does not
    /// have.
    fn a_conflicting_device() needs [Root] {
        let path = image("image", 64 * 1024);
        let plain = LoopOptions::default();
        let read_only = plain.read_only(true);
        let range = |offset, size_limit| plain.offset(offset).size_limit(size_limit);
        let device = attach(&path, range(8192, 8192));
        let name = device.path().to_owned();
        let overlap = "an overlapping range of the file, 8192 bytes from byte 8192";
        for options in [plain, read_only, range(8192, 0), range(4096, 4608), range(15872, 512)] {
            refused(&path, options, &name, overlap);
        }
        refused(&path, range(8192, 8192).read_only(true), &name, "attached writable to");
        refused(&path, range(8192, 8192).sector_size(4096), &name, "sectors of 512 bytes");
        refused(&path, range(8192, 8192).direct_io(true), &name, "without direct I/O");
        let apart = [attach(&path, range(0, 8192)), attach(&path, range(16384, 0))];
        assert!(apart.iter().all(|device| !device.is_shared()));
        assert_eq!(sys(&name, "loop/backing_file"), Some(path.display().to_string()));
        drop((device, apart));
        assert!(is_gone(&name, &path));

        let device = attach(&path, read_only);
        refused(&path, plain, device.path(), "attached read-only to");
        refused(&path, range(512, 0), device.path(), "from byte 0 to the end");
        let second = attach(&path, range(512, 0).read_only(true));
        assert!(second.path() != device.path() && !second.is_shared());
        let sectors = attach(&path, read_only.sector_size(4096));
        assert!(sectors.path() != device.path() && !sectors.is_shared());
    }

    /// One of the processes of the case below; by itself it starts at once.
    fn one_of_the_sharers() needs [Root] {
        let start = std::fs::read_to_string(scratch().join("start")).map_or(0, |text| text.parse().unwrap());
        sharer(UNIX_EPOCH + Duration::from_millis(start));
    }

    /// Processes that attach one image at the same moment never have two devices.
    fn one_device_for_many_processes() needs [Root] {
        let start = SystemTime::now().duration_since(UNIX_EPOCH).unwrap() + Duration::from_secs(1);
        write(scratch().join("start"), start.as_millis().to_string());
        let children: Vec<_> = (0..PROCESSES)
            .map(|_| Command::new("/proc/self/exe").args([INSIDE, "one_of_the_sharers"]).arg(scratch()).spawn().unwrap())
            .collect();
        for mut child in children {
            assert!(child.wait().unwrap().success());
        }
    }

    /// An image that our caller has locked, as `flock IMAGE fmountat ...` does.
    fn a_locked_image() needs [Root] {
        let path = image("image", 8192);
        let lock = File::open(&path).unwrap();
        rustix::fs::flock(&lock, FlockOperation::LockExclusive).unwrap();
        attach(&path, LoopOptions::default());
    }

    /// Each request failing: an error in bounded time that names it, and no device left.
    fn each_request_failing() needs [Root] {
        let path = image("image", 8192);
        let (mut runs, start) = (0, Instant::now());
        for request in [0x4C82u64, LOOP_CONFIGURE, 0x4C05] {
            for errno in [libc::EPERM, libc::ENOMEM, libc::ENOSYS, libc::EIO] {
                let path = &path;
                let error = std::thread::scope(|scope| {
                    let failing = scope.spawn(move || {
                        filter::errno_when(libc::SYS_ioctl, 1, request, errno as u32);
                        let options = LoopOptions::default().direct_io(true).sector_size(4096);
                        LoopDevice::attach(CWD, path, &options).map(drop).err()
                    });
                    failing.join().unwrap()
                });
                runs += 1;
                let error = error.unwrap_or_else(|| panic!("{request:x} {errno}: no error"));
                assert!(error.errno() == errno && error.step().contains("loop device"), "{error}");
            }
        }
        println!("counted: {runs} failing requests in {:?}, no device left", start.elapsed());
        filter::errno_when(libc::SYS_ioctl, 1, LOOP_CONFIGURE, libc::EBUSY as u32);
        let (error, start) = (LoopDevice::attach(CWD, &path, &LoopOptions::default()).unwrap_err(), Instant::now());
        assert!(error.kind() == ErrorKind::Busy && start.elapsed() < Duration::from_secs(20), "{error}");
    }

    /// One of the processes of the case below.
    fn one_of_many() needs [Root] {
        std::thread::scope(|scope| {
            for thread in 0..THREADS {
                scope.spawn(move || worker(thread, EACH));
            }
        });
    }

    /// Eight processes of eight threads: none lost, none leaked, no error.
    fn many_at_once() needs [SteadyTime, Root] {
        let start = Instant::now();
        let children: Vec<_> = (0..PROCESSES)
            .map(|_| Command::new("/proc/self/exe").args([INSIDE, "one_of_many"]).arg(scratch()).spawn().unwrap())
            .collect();
        for mut child in children {
            assert!(child.wait().unwrap().success());
        }
        let count = PROCESSES * THREADS * EACH;
        println!("counted: {count} loop devices by {PROCESSES} processes of {THREADS} threads in {:?}", start.elapsed());
        assert!(count >= 2000);
    }
}
