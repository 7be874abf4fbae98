// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Tests the readonly and masked paths of an OCI config.json, built with each strategy.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use crate::common::strategies::{Stage, both};
use fmountat::{Applied, Error, ErrorKind, Mount, Mounter, Plan, Spec, Target};
use fmountat_testing::{mkdirs, mount_flags, mounts_below, own_devices, read, scratch, write};
use rustix::fs::{CWD, RenameFlags, makedev, renameat_with};
use std::fs::{File, FileTimes, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::PathBuf;
use std::time::SystemTime;

fn apply(stage: &Stage, spec: &Spec) -> Result<Applied, Error> {
    let target = Target::open(CWD, stage.file("t"))?;
    stage.mounter.apply(CWD, &Plan::new(spec)?, &target)
}

/// Returns a set with files to mask, in the root and in a tmpfs below it.
fn spec(stage: &Stage) -> Spec {
    write(stage.file("root/etc/secret"), "secret");
    write(stage.file("root/etc/open"), "open");
    write(stage.file("root/firmware/blob"), "blob");
    write(stage.file("root/sys/knob"), "knob");
    mkdirs(&stage.dir, &["root/sys/below", "t"]);
    std::os::unix::fs::symlink("/etc/secret", stage.file("root/link")).unwrap();
    Spec::new([stage.bind("root", "bind"), Mount::new("tmpfs", "tmpfs").at("sys/below")])
        .read_only(["/sys", "/nowhere/at/all"])
        .mask(["/link", "/firmware", "/missing"])
}

fn covered(stage: &Stage) {
    apply(stage, &spec(stage)).unwrap();
    // A link is followed inside the root; what is hidden reads as nothing.
    assert_eq!(
        (read(stage.file("t/etc/secret")), read(stage.file("t/etc/open"))),
        (String::new(), "open".into())
    );
    assert!(mount_flags(stage.file("t/etc/secret")).starts_with("ro"));
    assert_eq!(std::fs::read_dir(stage.file("t/firmware")).unwrap().count(), 0);
    assert!(std::fs::write(stage.file("t/firmware/x"), "").is_err());
    // The directory is read-only, the mount below it is as it was.
    assert!(std::fs::write(stage.file("t/sys/knob"), "x").is_err());
    std::fs::write(stage.file("t/sys/below/x"), "x").unwrap();
    std::fs::write(stage.file("t/etc/open"), "x").unwrap();
    assert_eq!(read(stage.file("root/etc/secret")), "secret");
    stage.unmount("t");
}

fn read_only_root(stage: &Stage) {
    let spec = spec(stage).readonly_root(true);
    apply(stage, &spec).unwrap();
    assert!(mount_flags(stage.file("t")).starts_with("ro"));
    assert!(std::fs::write(stage.file("t/etc/open"), "x").is_err());
    std::fs::write(stage.file("t/sys/below/x"), "x").unwrap();
    std::fs::write(stage.file("root/etc/open"), "x").unwrap();
    stage.unmount("t");
}

/// A path that leads to the root makes it read-only, and later masks still work; the root itself
/// cannot be masked.
fn the_root_by_a_path(stage: &Stage) {
    let mut spec = spec(stage);
    std::os::unix::fs::symlink("/", stage.file("root/etc/up")).unwrap();
    spec.readonly_paths = vec!["/etc/up".into()];
    apply(stage, &spec).unwrap();
    assert!(mount_flags(stage.file("t")).starts_with("ro"));
    assert!(std::fs::write(stage.file("t/etc/open"), "x").is_err());
    assert_eq!((read(stage.file("t/etc/secret")), mounts_below(stage.file("t")).len()), (String::new(), 4));
    stage.unmount("t");
    spec.masked_paths = vec!["/etc/up".into()];
    let error = apply(stage, &spec).unwrap_err();
    assert_eq!(
        (error.kind(), mounts_below(stage.file("t")).len()),
        (ErrorKind::OptionConflict, 0),
        "{error}"
    );
}

/// A masked file takes what is written to it, and is not changed: it is the host's own node.
fn the_device_is_not_changed(stage: &Stage) {
    apply(stage, &spec(stage)).unwrap();
    let (null, masked) = (|| std::fs::metadata("/dev/null").unwrap(), stage.file("t/etc/secret"));
    let before = (null().mode(), null().uid(), null().ctime(), null().ctime_nsec(), null().mtime());
    assert_eq!(null().rdev(), std::fs::metadata(&masked).unwrap().rdev());
    std::fs::write(&masked, "x").unwrap();
    let file = File::options().read(true).write(true).open(&masked).unwrap();
    let refused = [
        std::fs::set_permissions(&masked, Permissions::from_mode(0o600)),
        file.set_permissions(Permissions::from_mode(0o600)),
        chown(&masked, Some(1234), Some(1234)),
        file.set_times(FileTimes::new().set_modified(SystemTime::UNIX_EPOCH)),
    ];
    for result in refused {
        assert_eq!(result.unwrap_err().raw_os_error(), Some(libc::EROFS));
    }
    assert_eq!((null().mode(), null().uid(), null().ctime(), null().ctime_nsec(), null().mtime()), before);
    drop(file);
    stage.unmount("t");
}

/// While another node repeatedly takes the name of the null device, the mask binds the null device
/// or is refused.
fn the_checked_node_is_bound(stage: &Stage) {
    let spec = spec(stage);
    let exchange = || renameat_with(CWD, "/dev/null", CWD, "/dev/zero", RenameFlags::EXCHANGE).unwrap();
    let count = || {
        let (mut hidden, mut refused, mut wrong) = (0, 0, 0);
        for _ in 0..500 {
            match apply(stage, &spec) {
                Ok(_) => {
                    let device = std::fs::metadata(stage.file("t/etc/secret")).unwrap().rdev();
                    *(if device == makedev(1, 3) { &mut hidden } else { &mut wrong }) += 1;
                    stage.unmount("t");
                }
                Err(error) => {
                    assert_eq!(error.kind(), ErrorKind::NotADevice, "{error}");
                    refused += 1;
                }
            }
        }
        (hidden, refused, wrong)
    };
    let (hidden, refused, wrong) = std::thread::scope(|scope| {
        let counter = scope.spawn(count);
        while !counter.is_finished() {
            exchange();
        }
        counter.join().unwrap()
    });
    if std::fs::metadata("/dev/null").unwrap().rdev() != makedev(1, 3) {
        exchange();
    }
    assert!(wrong == 0 && hidden > 0, "{hidden} hidden, {refused} refused, {wrong} wrong");
}

fn nothing_is_left(stage: &Stage) {
    let mut spec = spec(stage);
    let loops = stage.file("root/loop");
    std::os::unix::fs::symlink("loop", &loops).unwrap();
    spec.masked_paths.push("/loop".into());
    let error = apply(stage, &spec).unwrap_err();
    assert_eq!((error.step().contains("mask path"), error.errno()), (true, 40), "{error}");
    assert_eq!(mounts_below(stage.file("t")), Vec::<String>::new());
    // As in runc, every path starts at the root.
    std::fs::create_dir(stage.file("root/relative")).unwrap();
    spec.masked_paths = vec!["relative".into(), "/relative".into()];
    let before = mounts_below(stage.file("t")).len();
    apply(stage, &spec).unwrap();
    let masks = mounts_below(stage.file("t/relative")).len();
    assert_eq!((before, masks), (0, 1));
    stage.unmount("t");
}

/// `cgroup` as in OCI: the caller's cgroups, in the version of the host, read-only.
fn groups(stage: &Stage) {
    mkdirs(&stage.dir, &["root/cg", "t"]);
    let groups = Mount::new("cgroup", "cgroup").at("/cg").option("nosuid,noexec,nodev,relatime,ro");
    let asked = Spec::new([stage.bind("root", "bind"), groups]);
    let spec = asked.with_cgroups().unwrap();
    assert_eq!(spec.with_cgroups().unwrap(), spec);
    apply(stage, &spec).unwrap();
    let own = read("/proc/self/cgroup");
    let version_1: Vec<&str> = own.lines().filter(|line| !line.starts_with("0:")).collect();
    let shown: Vec<PathBuf> = match version_1.is_empty() {
        true => vec![stage.file("t/cg")],
        false => std::fs::read_dir(stage.file("t/cg")).unwrap().map(|entry| entry.unwrap().path()).collect(),
    };
    assert!(!shown.is_empty(), "{own}");
    for dir in &shown {
        assert!(!read(dir.join("cgroup.procs")).is_empty() || version_1.is_empty(), "{dir:?}");
        let flags = mount_flags(dir);
        assert!(
            ["ro", "nosuid", "nodev", "noexec"].iter().all(|flag| flags.contains(flag)),
            "{dir:?}: {flags}"
        );
    }
    assert!(std::fs::create_dir(stage.file("t/cg/x")).is_err());
    stage.unmount("t");
    // `with_cgroups` does not change a mount that has an option of the cgroup file system.
    let named = Mount::new("cgroup", "cgroup").at("/cg").option("none,name=x");
    let spec = Spec::new([named]);
    assert_eq!(spec.with_cgroups().unwrap(), spec);
}

fmountat_testing::cases! {
    /// Read-only paths, masked files and directories, links, what does not exist.
    fn paths_are_covered() needs [] { both(covered); }

    /// The case has device nodes of its own, so that a failure can't change the machine's.
    fn the_hosts_null_device_is_not_changed() needs [Root] { own_devices(); both(the_device_is_not_changed); }

    /// The node that was checked is the one that is bound.
    fn no_other_node_hides_a_file() needs [Root] { own_devices(); both(the_checked_node_is_bound); }

    fn cgroup_is_what_the_machine_has() needs [Root] { both(groups); }

    /// All masked directories are one empty file system that cannot be written to.
    fn masks_share_a_file_system() needs [] {
        mkdirs(scratch(), &["t", "root/a", "root/b", "root/c"]);
        let spec = Spec::new([Mount::new("bind", scratch().join("root")).option("bind")]).mask(["/a", "/b", "/c"]);
        let target = Target::open(CWD, scratch().join("t")).unwrap();
        Mounter::detached().apply(CWD, &Plan::new(&spec).unwrap(), &target).unwrap();
        let device = |name: &str| std::fs::metadata(scratch().join("t").join(name)).unwrap().dev();
        assert_eq!((device("a"), device("b")), (device("b"), device("c")));
        assert_ne!(device("a"), device("."));
        for name in ["a", "b", "c"] {
            assert_eq!(mount_flags(scratch().join("t").join(name)), "ro,nosuid,nodev,noexec,relatime");
            assert!(std::fs::write(scratch().join("t").join(name).join("x"), "").is_err());
        }
        fmountat::Unmount::new().recursive(true).run(scratch().join("t")).unwrap();
    }

    /// `root.readonly` is the root's alone.
    fn the_root_is_read_only() needs [] { both(read_only_root); }

    fn the_root_is_covered_by_no_mount() needs [] { both(the_root_by_a_path); }

    /// A cover that fails takes all back.
    fn a_failed_cover_leaves_nothing() needs [] { both(nothing_is_left); }

    /// A set without a root covers paths of a copy of the target, never of the target itself.
    fn the_target_itself_is_not_changed() needs [] {
        mkdirs(scratch(), &["t"]);
        write(scratch().join("t/secret"), "secret");
        let spec = Spec::new([Mount::new("tmpfs", "tmpfs").at("tmp").option("X-mount.mkdir")]);
        let spec = spec.mask(["/secret"]).readonly_root(true);
        let target = Target::open(CWD, scratch().join("t")).unwrap();
        let plan = Plan::new(&spec).unwrap();
        assert!(plan.to_string().ends_with("then mask path /secret, if it exists\nthen make the root read-only\n"));
        let built = Mounter::detached().build(CWD, &plan, &target).unwrap();
        built.attach(&target).unwrap();
        assert_eq!(read(scratch().join("t/secret")), "");
        fmountat::Unmount::new().recursive(true).run(scratch().join("t")).unwrap();
        assert_eq!(read(scratch().join("t/secret")), "secret");
        std::fs::write(scratch().join("t/secret"), "x").unwrap();
    }
}
