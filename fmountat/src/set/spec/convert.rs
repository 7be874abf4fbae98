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
    use crate::set::spec::oci::propagation_named;
    use crate::set::spec::spec::Spec;
    use crate::vfs::attr::Propagation;
    use crate::vfs::idmap::IdMapping;
    use oci_spec::runtime::{
        Linux, LinuxDevice, LinuxDeviceType, LinuxIdMapping, Mount as Theirs, Spec as Config,
    };
    use std::ffi::OsString;

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
            let mut spec = Self {
                mounts,
                // As runc, which makes all mounts of its new namespace slaves before it binds one.
                bind_propagation: linux.map(|linux| named(linux).unwrap_or(Propagation::Slave)),
                devices: devices.filter_map(device).collect(),
                readonly_paths: paths(linux.and_then(|l| l.readonly_paths().as_ref())),
                masked_paths: paths(linux.and_then(|l| l.masked_paths().as_ref())),
                readonly_root: config.root().as_ref().and_then(|root| root.readonly()).unwrap_or(false),
                ..Self::default()
            };
            spec.apply_oci_rules();
            spec
        }
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
        let spec = Spec::from(&config);
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
