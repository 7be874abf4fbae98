// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Converts `Mount` from and to the types of other crates, each behind a feature.

#[cfg(feature = "containerd-shim-protos")]
mod containerd {
    use crate::set::spec::mount::Mount;
    use containerd_shim_protos::types::mount::Mount as Theirs;
    use std::ffi::OsString;

    impl From<Theirs> for Mount {
        fn from(theirs: Theirs) -> Self {
            Self {
                fstype: theirs.type_.into(),
                source: theirs.source.into(),
                target: theirs.target.into(),
                options: theirs.options.into_iter().map(OsString::from).collect(),
                ..Self::default()
            }
        }
    }

    /// Fails with the mount itself if one of its strings is not valid UTF-8 or if it has OCI's id
    /// mappings: the other type has no form for either.
    impl TryFrom<Mount> for Theirs {
        type Error = Mount;

        fn try_from(ours: Mount) -> Result<Self, Mount> {
            let text = |text: &std::ffi::OsStr| text.to_str().map(str::to_owned);
            let converted = || {
                let mut theirs = Self::new();
                theirs.type_ = text(&ours.fstype)?;
                theirs.source = text(ours.source.as_os_str())?;
                theirs.target = text(ours.target.as_os_str())?;
                theirs.options = ours.options.iter().map(|o| text(o)).collect::<Option<_>>()?;
                (ours.uid_mappings.is_empty() && ours.gid_mappings.is_empty()).then_some(theirs)
            };
            converted().ok_or(ours)
        }
    }

    #[test]
    fn there_and_back() {
        let mut theirs = Theirs::new();
        theirs.type_ = "overlay".into();
        theirs.source = "overlay".into();
        theirs.target = "a/b".into();
        theirs.options = vec!["lowerdir=/1:/2".into(), "ro".into()];
        let ours = Mount::from(theirs.clone());
        assert_eq!(ours, Mount::new("overlay", "overlay").at("a/b").option("lowerdir=/1:/2").option("ro"));
        assert_eq!(Theirs::try_from(ours), Ok(theirs));
        use std::os::unix::ffi::OsStringExt;
        let odd = Mount::new("bind", OsString::from_vec(vec![0xff]));
        assert_eq!(Theirs::try_from(odd.clone()), Err(odd));
    }
}

#[cfg(feature = "oci-spec")]
mod oci {
    use crate::set::spec::device::{Device, DeviceKind};
    use crate::set::spec::mount::Mount;
    use crate::set::spec::not_done::NotDone;
    use crate::set::spec::oci::propagation_named;
    use crate::set::spec::spec::Spec;
    use crate::vfs::attr::Propagation;
    use crate::vfs::idmap::IdMapping;
    use oci_spec::runtime::{
        Linux, LinuxDevice, LinuxDeviceType, LinuxIdMapping, LinuxNamespaceType, Mount as Theirs,
        Spec as Config,
    };
    use std::ffi::OsString;
    use std::path::Path;

    fn mappings(list: Option<&Vec<LinuxIdMapping>>) -> Vec<IdMapping> {
        let one =
            |m: &LinuxIdMapping| IdMapping { inner: m.container_id(), outer: m.host_id(), count: m.size() };
        list.into_iter().flatten().map(one).collect()
    }

    /// Returns `None` for a type without a device node, or with numbers that do not fit.
    fn device(theirs: &LinuxDevice) -> Option<Device> {
        let kind = match theirs.typ() {
            LinuxDeviceType::C | LinuxDeviceType::U => DeviceKind::Char,
            LinuxDeviceType::B => DeviceKind::Block,
            LinuxDeviceType::P => DeviceKind::Fifo,
            LinuxDeviceType::A => return None,
        };
        let number = |number: i64| u32::try_from(number).ok();
        let device = Device::new(theirs.path(), kind, number(theirs.major())?, number(theirs.minor())?);
        let (uid, gid) = (theirs.uid().unwrap_or_default(), theirs.gid().unwrap_or_default());
        Some(device.mode(theirs.file_mode().unwrap_or(0o666) & 0o7777).owner(uid, gid))
    }

    /// Converts a configuration to the same set as [`Spec::from_json`] does.
    impl From<&Config> for Spec {
        fn from(config: &Config) -> Self {
            let linux = config.linux().as_ref();
            let mut mounts: Vec<Mount> = config.mounts().iter().flatten().map(Mount::from).collect();
            let users = mappings(linux.and_then(|l| l.uid_mappings().as_ref()));
            let groups = mappings(linux.and_then(|l| l.gid_mappings().as_ref()));
            crate::set::spec::oci::fill_mappings(&mut mounts, &users, &groups);
            let paths = |list: Option<&Vec<String>>| list.into_iter().flatten().map(Into::into).collect();
            let devices = linux.and_then(|l| l.devices().as_ref()).into_iter().flatten();
            let named = |linux: &Linux| linux.rootfs_propagation().as_deref().and_then(propagation_named);
            let root_path = config.root().as_ref().map(|root| root.path().clone());
            let root_path = root_path.filter(|path| !path.as_os_str().is_empty());
            let root_propagation = linux.and_then(named);
            let mut spec = Self {
                mounts,
                not_done: root_path.is_some().then(NotDone::root_path).into_iter().collect(),
                root_path,
                root_propagation,
                // As runc, which makes all mounts of its new namespace slaves before it binds one.
                bind_propagation: linux.map(|_| root_propagation.unwrap_or(Propagation::Slave)),
                devices: devices.filter_map(device).collect(),
                readonly_paths: paths(linux.and_then(|l| l.readonly_paths().as_ref())),
                masked_paths: paths(linux.and_then(|l| l.masked_paths().as_ref())),
                readonly_root: config.root().as_ref().and_then(|root| root.readonly()).unwrap_or(false),
                ..Self::default()
            };
            let namespaces = linux.and_then(|l| l.namespaces().as_ref()).into_iter().flatten();
            let namespaces: Vec<_> = namespaces.map(|one| (name(one.typ()), one.path())).collect();
            spec.take_namespaces(
                namespaces.iter().map(|(kind, path)| (*kind, path.as_deref().unwrap_or(Path::new("")))),
            );
            spec.not_done.extend(left_to_runtime(config));
            spec.apply_oci_rules(true);
            spec
        }
    }

    /// Returns the name of a type in a configuration. `Display` has other names.
    fn name(kind: LinuxNamespaceType) -> &'static str {
        match kind {
            LinuxNamespaceType::Mount => "mount",
            LinuxNamespaceType::Cgroup => "cgroup",
            LinuxNamespaceType::Uts => "uts",
            LinuxNamespaceType::Ipc => "ipc",
            LinuxNamespaceType::User => "user",
            LinuxNamespaceType::Pid => "pid",
            LinuxNamespaceType::Network => "network",
            LinuxNamespaceType::Time => "time",
        }
    }

    /// Lists the parts of the configuration that only a runtime does.
    fn left_to_runtime(config: &Config) -> Vec<NotDone> {
        let label = config.linux().as_ref().and_then(|linux| linux.mount_label().as_ref());
        let has_label = label.is_some_and(|label| !label.is_empty());
        let terminal = config.process().as_ref().and_then(|process| process.terminal());
        let mut parts = Vec::from_iter(has_label.then(NotDone::mount_label));
        parts.extend(terminal.unwrap_or(false).then(NotDone::terminal));
        if let Some(hooks) = config.hooks() {
            // `prestart` is deprecated, but runtimes still run these hooks.
            #[allow(deprecated)]
            let lists = [hooks.prestart(), hooks.create_runtime(), hooks.create_container()];
            let named = NotDone::HOOKS.into_iter().zip(lists);
            let used = named.filter(|(_, list)| list.as_ref().is_some_and(|list| !list.is_empty()));
            parts.extend(used.map(|(name, _)| NotDone::hooks(name)));
        }
        parts
    }

    impl From<&Theirs> for Mount {
        fn from(theirs: &Theirs) -> Self {
            Self {
                fstype: theirs.typ().clone().unwrap_or_default().into(),
                source: theirs.source().clone().unwrap_or_default(),
                target: theirs.destination().clone(),
                options: theirs.options().iter().flatten().map(OsString::from).collect(),
                uid_mappings: mappings(theirs.uid_mappings().as_ref()),
                gid_mappings: mappings(theirs.gid_mappings().as_ref()),
                number: None,
            }
        }
    }

    #[test]
    fn a_whole_config() {
        let mut config = Config::default();
        let json = serde_json::to_vec(&config).unwrap();
        assert_eq!(Spec::from(&config), Spec::from_json(&json).unwrap());
        let mut root = config.root().clone().unwrap();
        root.set_readonly(Some(false));
        config.set_root(Some(root));
        config.set_hooks(
            serde_json::from_str(r#"{"createRuntime": [{"path": "/hook"}], "prestart": []}"#).unwrap(),
        );
        let mut linux = config.linux().clone().unwrap();
        let namespaces =
            r#"[{"type": "network", "path": "/n"}, {"type": "user", "path": "/u"}, {"type": "pid"}]"#;
        linux.set_namespaces(serde_json::from_str(namespaces).unwrap());
        linux.set_mount_label(Some("label".into())).set_rootfs_propagation(Some("rshared".into()));
        config.set_linux(Some(linux));
        let mut process = config.process().clone().unwrap();
        process.set_terminal(Some(true));
        config.set_process(Some(process));
        let json = serde_json::to_vec(&config).unwrap();
        assert_eq!(Spec::from(&config), Spec::from_json(&json).unwrap());
        let spec = Spec::from(&config);
        let paths: Vec<&str> = spec.not_done.iter().map(|part| part.path.as_str()).collect();
        let namespaces = ["linux.namespaces[0].path", "linux.namespaces[1].path"];
        let rest = ["linux.mountLabel", "process.terminal", "hooks.createRuntime"];
        assert_eq!(paths, [&["root.path"], &namespaces[..], &rest].concat());
        assert!(!spec.readonly_root && spec.masked_paths.len() > 3 && spec.readonly_paths.len() > 3);
    }

    #[test]
    fn a_mount_of_a_config() {
        let text = r#"{"destination": "/data", "type": "bind", "source": "/srv", "options": ["rbind", "ro"],
            "uidMappings": [{"containerID": 0, "hostID": 1000, "size": 5}]}"#;
        let theirs: Theirs = serde_json::from_str(text).unwrap();
        let read = Mount::list_from_json(format!("[{text}]").as_bytes()).unwrap();
        assert_eq!([Mount::from(&theirs)][..], read[..]);
    }
}
