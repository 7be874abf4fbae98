// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Tests an OCI config.json as one value: mount points, propagation, devices, links and the mapping
//! to its mounts, with each strategy.

use crate::common::strategies::{Stage, both};
use fmountat::oci::{Device, DeviceKind, Link};
use fmountat::{Applied, Compat, Error, ErrorKind, Mount, Mounter, Plan, Propagation, Spec, Target};
use fmountat_testing::{is_real_root, mkdirs, mount_flags, mount_table, own_devices, read, scratch, write};
use rustix::fs::CWD;
use rustix::mount::{MountPropagationFlags, mount_change};
use std::fs::Permissions;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt, symlink};
use std::path::Path;

const CONFIG: &str = r#"{"ociVersion": "1.2.0", "root": {"path": "rootfs"}, "mounts": [
    {"destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": ["nosuid", "strictatime", "mode=755", "size=64k"]},
    {"destination": "/dev/shm", "type": "tmpfs", "source": "shm", "options": ["nosuid", "size=64k"]}],
    "linux": {"devices": [{"path": "/dev/fuse", "type": "c", "major": 10, "minor": 229, "fileMode": 432, "uid": 7, "gid": 8},
                          {"path": "/dev/pipe", "type": "p"}]}}"#;

/// Returns the set with the stage's directory `root` as its root.
fn spec(stage: &Stage) -> Spec {
    mkdirs(&stage.dir, &["root", "t"]);
    Spec::from_json(CONFIG.as_bytes()).unwrap().with_root(stage.bind("root", "bind"))
}

fn apply(stage: &Stage, spec: &Spec) -> Result<Applied, Error> {
    let target = Target::open(CWD, stage.file("t"))?;
    stage.mounter.apply(CWD, &Plan::new(spec)?, &target)
}

fn devices_and_links(stage: &Stage) {
    let mut spec = spec(stage);
    // A user can bind what the host has, and no other.
    spec.devices.retain(|device| is_real_root() || device.path != Path::new("/dev/fuse"));
    apply(stage, &spec).unwrap();
    let dev = |name: &str| stage.file("t/dev").join(name);
    for name in ["null", "zero", "full", "random", "urandom", "tty"] {
        assert!(std::fs::metadata(dev(name)).unwrap().file_type().is_char_device(), "{name}");
    }
    assert!(std::fs::metadata(dev("pipe")).unwrap().file_type().is_fifo());
    assert_eq!(std::fs::read_link(dev("stdin")).unwrap(), Path::new("/proc/self/fd/0"));
    assert_eq!(std::fs::read_link(dev("ptmx")).unwrap(), Path::new("pts/ptmx"));
    if is_real_root() {
        let fuse = std::fs::metadata(dev("fuse")).unwrap();
        assert_eq!((fuse.mode() & 0o7777, fuse.uid(), fuse.gid()), (0o660, 7, 8));
        assert_eq!(std::fs::metadata(dev("null")).unwrap().mode() & 0o7777, 0o666);
    } else {
        assert!(mount_flags(dev("null")).starts_with("ro"));
    }
    assert_eq!(std::fs::read(dev("null")).unwrap(), b"");
    stage.unmount("t");
    assert_eq!(std::fs::read_dir(stage.file("root/dev")).unwrap().count(), 0);
}

/// The set brings its own nodes; what has one's name is never taken for it.
fn another_file_is_no_device(stage: &Stage) {
    mkdirs(&stage.dir, &["root", "t"]);
    write(stage.file("root/node"), "a file");
    let set = Spec::new([stage.bind("root", "bind")]);
    let null = Device::new("/node", DeviceKind::Char, 1, 3);
    let error = apply(stage, &set.clone().nodes([null], [])).unwrap_err();
    assert!(error.kind() == ErrorKind::NotADevice && error.to_string().contains("/node"), "{error}");
    let error = apply(stage, &set.clone().nodes([], [Link::new("/node", "x")])).unwrap_err();
    assert_eq!(error.to_string(), "create the link /node: another file with this name exists (EEXIST)");
    assert_eq!((read(stage.file("root/node")), stage.mounts().len()), ("a file".into(), 0));
    for path in ["", "/", "/a/.."] {
        let plan = Plan::new(set.clone().nodes([Device::new(path, DeviceKind::Char, 1, 3)], []));
        assert_eq!(plan.unwrap_err().kind(), ErrorKind::Spec, "{path}");
    }
}

fn mount_points_are_made(stage: &Stage) {
    mkdirs(&stage.dir, &["root", "t", "source"]);
    write(stage.file("conf"), "conf");
    let mounts = [
        stage.bind("root", "bind"),
        Mount::new("tmpfs", "tmpfs").at("/a/b"),
        stage.bind("conf", "bind,mode=600").at("/etc/conf"),
    ];
    assert_eq!(apply(stage, &Spec::new(&mounts)).unwrap_err().kind(), ErrorKind::UnknownOption);
    let oci = Spec::new(&mounts).compat(Compat::Oci);
    assert_eq!(Plan::new(&oci).unwrap().ignored(), [(3, "mode=600".into())]);
    let containerd = Spec::new(&mounts).compat(Compat::Containerd);
    assert_eq!(apply(stage, &containerd).unwrap_err().kind(), ErrorKind::NotFound);
    apply(stage, &oci).unwrap();
    assert_eq!(read(stage.file("t/etc/conf")), "conf");
    assert!(stage.file("root/a/b").is_dir());
    stage.unmount("t");
}

/// A bind without a propagation option has the list's; with one it is what the option says.
fn binds_have_the_lists_propagation(stage: &Stage) {
    mkdirs(&stage.dir, &["root/one", "root/two", "t", "source"]);
    stage.apply(&[Mount::new("tmpfs", "tmpfs")], "source").unwrap();
    mount_change(stage.file("source"), MountPropagationFlags::SHARED).unwrap();
    let mounts = [
        stage.bind("root", "bind"),
        stage.bind("source", "rbind").at("/one"),
        stage.bind("source", "bind,private").at("/two"),
    ];
    apply(stage, &Spec::new(&mounts).bind_propagation(Propagation::Slave)).unwrap();
    let propagation = |path: &str| {
        let table = mount_table();
        table.into_iter().rfind(|line| line.point == stage.file(path)).unwrap().propagation
    };
    assert!(propagation("t/one")[0].starts_with("master:"), "{:?}", propagation("t/one"));
    assert!(propagation("t/two").is_empty());
    stage.unmount("t");
    stage.unmount("source");
}

/// `tmpcopyup` fills a new tmpfs with the files that it covers, before it is published.
fn a_tmpfs_with_the_covered_files(stage: &Stage) {
    mkdirs(&stage.dir, &["root/etc/sub/deep", "t"]);
    write(stage.file("root/etc/conf"), "conf");
    write(stage.file("root/etc/sub/deep/file"), "deep");
    symlink("conf", stage.file("root/etc/link")).unwrap();
    let set_mode = |path: &str, mode| {
        std::fs::set_permissions(stage.file(path), PermissionsExt::from_mode(mode)).unwrap();
    };
    set_mode("root/etc/conf", 0o4640);
    set_mode("root/etc/sub", 0o550);
    let list = |options: &str| {
        let tmpfs = Mount::new("tmpfs", "tmpfs").at("/etc").option(options);
        Spec::new([stage.bind("root", "bind"), tmpfs]).compat(Compat::Oci)
    };
    for options in ["tmpcopyup", "tmpcopyup,ro,mode=0700"] {
        let plan = Plan::new(list(options)).unwrap();
        assert_eq!(plan.ignored(), [], "{options}");
        apply(stage, &list(options)).unwrap();
        assert_eq!(read(stage.file("t/etc/sub/deep/file")), "deep");
        assert_eq!(std::fs::read_link(stage.file("t/etc/link")).unwrap().to_str(), Some("conf"));
        let metas = ["t/etc/conf", "root/etc/conf"].map(|path| stage.file(path).metadata().unwrap());
        let facts = metas.map(|m| (m.mode(), m.uid(), m.gid(), m.mtime(), m.mtime_nsec(), m.len()));
        assert_eq!(facts[0], facts[1], "{options}");
        assert_eq!(stage.file("t/etc/sub").metadata().unwrap().mode() & 0o7777, 0o550);
        let written = std::fs::write(stage.file("t/etc/conf"), "changed").is_ok();
        assert_eq!((written, read(stage.file("root/etc/conf"))), (!options.contains("ro"), "conf".into()));
        stage.unmount("t");
    }
    // Too small for the files: nothing is published.
    write(stage.file("root/etc/big"), "x".repeat(100_000));
    let error = apply(stage, &list("tmpcopyup,size=16k")).unwrap_err();
    assert_eq!((error.step().as_str(), error.errno()), ("mount 2: copy into the new tmpfs", libc::ENOSPC));
    assert!(error.argument().unwrap().to_string_lossy().ends_with("etc/big"), "{error}");
    set_mode("root/etc/sub", 0o755);
}

fn read_only_with_mounts_in_it(stage: &Stage) {
    let mut spec = spec(stage);
    spec.mounts[0].options.push("ro".into());
    spec.mounts[1].options.push("ro".into());
    spec.devices.clear();
    let target = Target::open(CWD, stage.file("t")).unwrap();
    let explained = stage.mounter.explain(CWD, &Plan::new(&spec).unwrap(), &target);
    assert!(
        explained.error().is_none() && explained.to_string().contains("read-only once all"),
        "{explained}"
    );
    apply(stage, &spec).unwrap();
    for path in ["t", "t/dev"] {
        assert!(mount_flags(stage.file(path)).split(',').any(|flag| flag == "ro"), "{path}");
        assert!(std::fs::write(stage.file(path).join("new"), "").is_err());
    }
    std::fs::write(stage.file("t/dev/shm/new"), "").unwrap();
    assert_eq!(std::fs::read_link(stage.file("t/dev/fd")).unwrap(), Path::new("/proc/self/fd"));
    stage.unmount("t");
}

fn tmpfs_modes(stage: &Stage) {
    mkdirs(&stage.dir, &["root/a", "root/b", "t"]);
    for name in ["a", "b"] {
        std::fs::set_permissions(stage.file("root").join(name), Permissions::from_mode(0o710)).unwrap();
    }
    let tmpfs = |target: &str| Mount::new("tmpfs", "tmpfs").at(target);
    let mounts = [stage.bind("root", "bind"), tmpfs("/a"), tmpfs("/b").option("mode=0700"), tmpfs("/new")];
    apply(stage, &Spec::new(&mounts).compat(Compat::Oci)).unwrap();
    let mode = |path: &str| std::fs::metadata(stage.file(path)).unwrap().mode() & 0o7777;
    let made = 0o755;
    assert_eq!([mode("t/a"), mode("t/b"), mode("t/new")], [0o710, 0o700, made]);
    stage.unmount("t");
    apply(stage, &Spec::new(&mounts)).unwrap();
    assert_eq!(mode("t/a"), 0o1777);
    stage.unmount("t");
}

fn duplicates_and_unsupported_options(stage: &Stage) {
    mkdirs(&stage.dir, &["root/secret", "t"]);
    write(stage.file("root/key"), "key");
    let mounts = [
        stage.bind("root", "bind,noiversion"),
        Mount::new("tmpfs", "tmpfs").at("/m").option("iversion,rslave"),
    ];
    let spec = Spec::new(&mounts).mask(["/key", "/secret", "/key", "/secret"]).compat(Compat::Oci);
    let plan = Plan::new(&spec).unwrap();
    assert_eq!(plan.ignored(), [(2, "iversion".into()), (2, "rslave".into())]);
    apply(stage, &spec).unwrap();
    assert_eq!(stage.mounts().len(), 4, "{:?}", stage.mounts());
    stage.unmount("t");
    let error = Plan::new(&mounts).unwrap_err();
    assert_eq!((error.kind(), error.mount()), (ErrorKind::Unsupported, Some(2)), "{error}");
}

/// proc on a link, and behind one: an image could show what it likes in their place.
fn proc_is_on_a_plain_directory(stage: &Stage) {
    mkdirs(&stage.dir, &["root/elsewhere/sub", "t"]);
    symlink("elsewhere", stage.file("root/proc")).unwrap();
    for (fstype, target) in [("proc", "/proc"), ("sysfs", "/proc/sub"), ("proc", "/proc/new")] {
        let spec = Spec::new([stage.bind("root", "bind"), Mount::new(fstype, fstype).at(target)]);
        let spec = spec.compat(Compat::Oci);
        let target = Target::open(CWD, stage.file("t")).unwrap();
        let explained = stage.mounter.explain(CWD, &Plan::new(&spec).unwrap(), &target);
        let error = apply(stage, &spec).unwrap_err();
        assert_eq!((error.kind(), error.mount()), (ErrorKind::WrongTargetType, Some(2)), "{error}");
        assert_eq!(explained.error().map(ToString::to_string), Some(error.to_string()));
        assert!(stage.mounts().is_empty());
    }
    assert!(!stage.file("root/elsewhere/new").exists());
}

/// Mount points behind dangling links, absolute and relative, in the middle and at the end, never
/// outside the root.
fn mount_points_behind_dangling_links(stage: &Stage) {
    mkdirs(&stage.dir, &["root/etc", "t"]);
    write(stage.file("conf"), "conf");
    let out = stage.text("outside");
    for (link, text) in [
        ("root/jump", "/tmp/foo/bar"),
        ("root/etc/hosts", "/jump/baz/hosts"),
        ("root/etc/up", "../../../new/up"),
        ("root/out", out.as_str()),
        ("root/loop", "loop"),
    ] {
        symlink(text, stage.file(link)).unwrap();
    }
    let mounts = [
        stage.bind("root", "bind"),
        stage.bind("conf", "bind").at("/etc/hosts"),
        Mount::new("tmpfs", "tmpfs").at("/etc/up/sub"),
        Mount::new("tmpfs", "tmpfs").at("/out"),
    ];
    apply(stage, &Spec::new(&mounts).compat(Compat::Oci)).unwrap();
    assert_eq!(read(stage.file("t/tmp/foo/bar/baz/hosts")), "conf");
    assert!(stage.file("root/new/up/sub").is_dir() && !Path::new(&out).exists());
    stage.unmount("t");
    let looped = [stage.bind("root", "bind"), Mount::new("tmpfs", "tmpfs").at("/loop")];
    let error = apply(stage, &Spec::new(&looped).compat(Compat::Oci)).unwrap_err();
    assert_eq!(error.errno(), rustix::io::Errno::LOOP.raw_os_error(), "{error}");
}

fn numbers_are_the_configs(stage: &Stage) {
    let config = r#"{"ociVersion": "1.2.0", "mounts": [{"destination": "/a", "type": "tmpfs"},
        {"destination": "/b", "type": "bind", "source": "/nowhere/at/all", "options": ["bind"]}]}"#;
    mkdirs(&stage.dir, &["root", "t"]);
    let spec = Spec::from_json(config.as_bytes()).unwrap();
    let error = apply(stage, &spec.clone().with_root(stage.bind("root", "bind"))).unwrap_err();
    assert_eq!(error.mount(), Some(2), "{error}");
    let error = apply(stage, &spec.with_root(stage.bind("none", "bind"))).unwrap_err();
    assert!(error.mount() == Some(0) && error.to_string().starts_with("root: "), "{error}");
}

fmountat_testing::cases! {
    fn a_set_has_its_devices_and_links() needs [] { both(devices_and_links); }

    fn what_is_no_device_is_refused() needs [] { both(another_file_is_no_device); }

    fn oci_makes_mount_points() needs [] { both(mount_points_are_made); }

    fn binds_have_a_default_propagation() needs [] { both(binds_have_the_lists_propagation); }

    /// A mount becomes read-only after the mount points, devices and links in it are made.
    fn read_only_comes_last() needs [] { both(read_only_with_mounts_in_it); }

    /// A tmpfs without `mode=` gets the mode of the covered directory, as in runc.
    fn a_tmpfs_has_the_mode_of_its_directory() needs [] { both(tmpfs_modes); }

    fn tmpcopyup_before_it_is_published() needs [] { both(a_tmpfs_with_the_covered_files); }

    /// A path that is listed twice, and options that the kernel or this crate does not have.
    fn what_other_runtimes_take() needs [] { both(duplicates_and_unsupported_options); }

    fn proc_needs_a_plain_directory() needs [Root] { both(proc_is_on_a_plain_directory); }

    fn dangling_links_are_followed_inside_the_root() needs [] { both(mount_points_behind_dangling_links); }

    fn mounts_keep_their_numbers() needs [] { both(numbers_are_the_configs); }

    /// `create_nodes` creates the devices in a root that is already mounted.
    fn devices_of_a_root_that_is_mounted() needs [Root] {
        own_devices();
        let stage = Stage::new("later", Mounter::detached());
        mkdirs(&stage.dir, &["root"]);
        let root = std::fs::File::open(stage.file("root")).unwrap();
        let null = Device::new("/dev/in/null", DeviceKind::Char, 1, 3).mode(0o600);
        let spec = Spec::default().nodes([null], [Link::new("/dev/core", "/proc/kcore")]);
        for _ in 0..2 {
            stage.mounter.create_nodes(&root, &spec).unwrap();
        }
        assert_eq!(std::fs::metadata(stage.file("root/dev/in/null")).unwrap().mode() & 0o7777, 0o600);
        assert_eq!(std::fs::read_link(stage.file("root/dev/core")).unwrap(), Path::new("/proc/kcore"));
        let other = Spec::default().nodes([Device::new("/dev/in/null", DeviceKind::Char, 1, 5)], []);
        assert_eq!(stage.mounter.create_nodes(&root, &other).unwrap_err().kind(), ErrorKind::NotADevice);
        assert!(scratch().exists());
    }
}
