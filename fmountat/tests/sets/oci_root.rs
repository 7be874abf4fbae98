// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Tests the root file system of an OCI configuration: `root.path`, its propagation, the user
//! namespace of its mappings, and the list of what is not done.

use crate::common::strategies::{Stage, both};
use fmountat::strategy::Strategy;
use fmountat::{Applied, Error, ErrorKind, Mounter, Plan, Spec, Target};
use fmountat_testing::{mkdirs, mount_table, scratch, write};
use rustix::fs::CWD;
use rustix::mount::{MountPropagationFlags, mount_change};
use std::os::unix::fs::MetadataExt;
use std::process::{Child, Command, Stdio};

/// Applies a configuration with the stage's directory as its bundle.
fn apply(stage: &Stage, config: &str) -> Result<Applied, Error> {
    let bundle = std::fs::File::open(&stage.dir).unwrap();
    let plan = Plan::new(Spec::from_json(config.as_bytes())?.with_root_path()?)?;
    stage.mounter.apply(&bundle, &plan, &Target::open(CWD, stage.file("t"))?)
}

/// Returns the peer group of the mount at the path, or else its master's.
fn propagation(stage: &Stage, path: &str) -> Vec<String> {
    let line = mount_table().into_iter().rfind(|line| line.point == stage.file(path));
    line.unwrap().propagation
}

/// A shared root has a peer group of its own. The mounts on it are not shared.
fn a_root_with_propagation(stage: &Stage) {
    mkdirs(&stage.dir, &["rootfs/proc", "t"]);
    rustix::mount::mount("source", stage.file("rootfs"), "tmpfs", rustix::mount::MountFlags::empty(), None)
        .unwrap();
    mount_change(stage.file("rootfs"), MountPropagationFlags::SHARED).unwrap();
    let source = propagation(stage, "rootfs").remove(0);
    for (value, wanted) in [
        (r#""shared""#, "shared"),
        (r#""rshared""#, "shared"),
        (r#""unbindable""#, "unbindable"),
        (r#""private""#, ""),
        (r#""rslave""#, "master"),
        ("null", "master"),
    ] {
        let config = format!(
            r#"{{"ociVersion": "1", "root": {{"path": "rootfs"}}, "linux": {{"rootfsPropagation": {value}}},
                "mounts": [{{"destination": "/new", "type": "tmpfs", "source": "new"}}]}}"#
        );
        apply(stage, &config).unwrap();
        let root = propagation(stage, "t");
        let kind = root.first().map_or("", |first| first.split(':').next().unwrap());
        assert_eq!((root.len(), kind), (usize::from(!wanted.is_empty()), wanted), "{value}: {root:?}");
        assert_ne!(root.first(), Some(&source), "{value}");
        assert_eq!(propagation(stage, "t/new"), Vec::<String>::new(), "{value}");
        stage.unmount("t");
    }
    stage.unmount("rootfs");
}

/// A process in a user namespace with a map of its own.
struct Sleeper(Child);

impl Drop for Sleeper {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn in_user_namespace(map: &str) -> Sleeper {
    let mut sleeper = Command::new("unshare");
    sleeper.args(["-U", "sh", "-c", "echo; exec sleep 60"]);
    let mut sleeper = sleeper.stdout(Stdio::piped()).spawn().unwrap();
    std::io::Read::read_exact(sleeper.stdout.as_mut().unwrap(), &mut [0]).unwrap();
    for file in ["uid_map", "gid_map"] {
        write(format!("/proc/{}/{file}", sleeper.id()), map);
    }
    Sleeper(sleeper)
}

fn mappings_of_a_namespace(stage: &Stage) {
    mkdirs(&stage.dir, &["rootfs", "t", "data"]);
    write(stage.file("data/file"), "");
    let sleeper = in_user_namespace("0 5000 10");
    let config = format!(
        r#"{{"ociVersion": "1", "root": {{"path": "rootfs"}}, "mounts": [
            {{"destination": "/a", "type": "bind", "source": "data", "options": ["bind", "idmap"]}},
            {{"destination": "/b", "type": "bind", "source": "data", "options": ["rbind", "ridmap"]}},
            {{"destination": "/c", "type": "bind", "source": "data", "options": ["bind"]}}],
            "linux": {{"namespaces": [{{"type": "user", "path": "/proc/{}/ns/user"}}]}}}}"#,
        sleeper.0.id()
    );
    apply(stage, &config).unwrap();
    let owner = |path: &str| std::fs::metadata(stage.file(path)).unwrap().uid();
    assert_eq!([owner("t/a/file"), owner("t/b/file"), owner("t/c/file")], [5000, 5000, 0]);
    stage.unmount("t");
}

fmountat_testing::cases! {
    fn the_propagation_of_the_root() needs [] {
        both(a_root_with_propagation);
    }

    /// Maps of the namespace that the container joins.
    fn idmap_of_a_user_namespace_with_a_path() needs [Root, Tool("unshare"), Kernel(5, 15)] {
        both(mappings_of_a_namespace);
    }

    /// A device of a configuration whose /dev is the host's is created nowhere.
    fn no_device_in_a_bound_dev() needs [] {
        both(|stage| {
            mkdirs(&stage.dir, &["rootfs", "t", "dev"]);
            let config = r#"{"ociVersion": "1", "root": {"path": "rootfs"}, "mounts": [
                {"destination": "/dev", "type": "bind", "source": "dev", "options": ["rbind"]}],
                "linux": {"devices": [{"path": "/dev/pipe", "type": "p"}]}}"#;
            apply(stage, config).unwrap();
            stage.unmount("t");
            assert_eq!(std::fs::read_dir(stage.file("dev")).unwrap().count(), 0);
        });
    }

    /// `explain` gives the true reason for a private mount namespace.
    fn why_a_private_namespace() needs [Root, Kernel(6, 15)] {
        mkdirs(scratch(), &["t"]);
        let config = r#"{"ociVersion": "1", "mounts": [
            {"destination": "/a", "type": "tmpfs", "source": "a", "options": ["ro"]},
            {"destination": "/a/b", "type": "tmpfs", "source": "b"}]}"#;
        let plan = Plan::new(Spec::from_json(config.as_bytes()).unwrap()).unwrap();
        let target = Target::open(CWD, scratch().join("t")).unwrap();
        let explained = Mounter::detached().explain(CWD, &plan, &target);
        assert_eq!(explained.strategy, Strategy::PrivateNamespace);
        assert!(explained.why.contains("read-only") && !explained.why.contains("this kernel can't"), "{}", explained.why);
    }

    /// A privileged container lists the devices of the host, `ptmx` among them.
    fn ptmx_is_a_link() needs [] {
        let config = r#"{"ociVersion": "1", "mounts": [{"destination": "/dev", "type": "tmpfs", "source": "tmpfs"}],
            "linux": {"devices": [{"path": "/dev/ptmx", "type": "c", "major": 5, "minor": 2}, {"path": "/dev/fd", "type": "p"}]}}"#;
        let spec = Spec::from_json(config.as_bytes()).unwrap();
        let devices: Vec<_> = spec.devices.iter().filter_map(|device| device.path.to_str()).collect();
        let links: Vec<_> = spec.links.iter().filter_map(|link| link.path.to_str()).collect();
        assert!(devices.contains(&"/dev/fd") && !devices.contains(&"/dev/ptmx"), "{devices:?}");
        assert!(links.contains(&"/dev/ptmx") && !links.contains(&"/dev/fd"), "{links:?}");
    }

    /// Each part that is not done is data, and nothing else is listed.
    fn what_is_not_done_is_data() needs [] {
        let dev = r#"{"destination": "/dev", "type": "tmpfs", "source": "tmpfs"}"#;
        for (part, path) in [
            (r#""root": {"path": "/r"}"#, "root.path"),
            (r#""linux": {"mountLabel": "system_u:object_r:container_file_t:s0"}"#, "linux.mountLabel"),
            (r#""linux": {"namespaces": [{"type": "pid"}, {"type": "ipc", "path": "/n"}]}"#, "linux.namespaces[1].path"),
            (r#""hooks": {"createRuntime": [{"path": "/bin/true"}]}"#, "hooks.createRuntime"),
            (r#""Hooks": {"PRESTART": [{"path": "/bin/true"}]}"#, "hooks.prestart"),
            (r#""process": {"terminal": true}"#, "process.terminal"),
            (r#""root": {"path": ""}, "process": null, "hooks": {"poststop": [{}], "prestart": []}"#, ""),
            (r#""linux": {"mountLabel": "", "namespaces": [{"type": "pid", "path": ""}]}"#, ""),
        ] {
            let config = format!(r#"{{"ociVersion": "1.2.0", {part}, "mounts": [{dev}]}}"#);
            let spec = Spec::from_json(config.as_bytes()).unwrap();
            let paths: Vec<&str> = spec.not_done.iter().map(|part| part.path.as_str()).collect();
            assert_eq!(paths, if path.is_empty() { vec![] } else { vec![path] }, "{part}");
            let all_done = spec.need_all_done();
            assert_eq!(all_done.as_ref().err().map(Error::kind), (!path.is_empty()).then_some(ErrorKind::Unsupported));
            let error = all_done.map_or_else(|e| e.to_string(), |()| String::new());
            assert!(error.contains(path), "{error}");
            let with_root = spec.with_root_path();
            assert_eq!(with_root.is_ok_and(|spec| spec.not_done.is_empty()), path == "root.path", "{part}");
        }
        for (mounts, path) in [("[]", "linux.devices"), (r#"[{"destination": "/dev", "type": "bind", "source": "/dev", "options": ["rbind"]}]"#, "")] {
            let spec = Spec::from_json(format!(r#"{{"ociVersion": "1", "mounts": {mounts}}}"#).as_bytes()).unwrap();
            assert_eq!(spec.not_done.first().map_or("", |part| &part.path), path, "{mounts}");
        }
    }
}
