// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `Spec`: a list of mounts, and what else a root needs: devices, links, path restrictions, as an OCI `config.json` has it.

#[cfg(feature = "serde")]
use crate::error::{Error, ErrorKind, Operation, Result};
use crate::set::spec::compat::Compat;
use crate::set::spec::device::{Device, Link};
use crate::set::spec::mount::Mount;
use std::path::PathBuf;

/// A set as it is asked for: mounts, then devices and links in them, then paths that are made read-only or masked. It is a
/// value; nothing in this crate ever changes one.
///
/// ```
/// let text = br#"{"mounts": [{"type": "proc", "source": "proc", "destination": "/proc"}],
///                 "linux": {"maskedPaths": ["/proc/kcore"], "readonlyPaths": ["/proc/sys"]}}"#;
/// let spec = fmountat::Spec::from_json(text)?;
/// assert_eq!((spec.mounts.len(), spec.masked_paths.len()), (1, 1));
/// # Ok::<(), fmountat::Error>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Spec {
    /// The mounts, in order.
    pub mounts: Vec<Mount>,
    /// Whose rules hold for what the list leaves open.
    pub compat: Compat,
    /// Device nodes and FIFOs, created when everything is mounted: OCI's `linux.devices`.
    pub devices: Vec<Device>,
    /// Symbolic links, created with the devices.
    pub links: Vec<Link>,
    /// OCI's `linux.readonlyPaths`: each is made read-only where it is, without the mounts below it. A path that does not
    /// exist is passed over, as runc does.
    pub readonly_paths: Vec<PathBuf>,
    /// OCI's `linux.maskedPaths`: a file shows /dev/null, bound read-only: programs can write to the device and can't change
    /// its mode, owner or times. A directory shows an empty one that can't be written to. A path that does not exist is
    /// passed over, as runc does.
    pub masked_paths: Vec<PathBuf>,
    /// OCI's `root.readonly`: the root of the set is read-only, and the mounts in it are as they say.
    pub readonly_root: bool,
}

impl Spec {
    /// A set of these mounts.
    #[must_use]
    pub fn new(mounts: impl Into<Vec<Mount>>) -> Self {
        Self { mounts: mounts.into(), ..Self::default() }
    }

    /// The same under these rules.
    #[must_use]
    pub fn compat(mut self, compat: Compat) -> Self {
        self.compat = compat;
        self
    }

    /// The same with these paths masked, beside those that are already.
    #[must_use]
    pub fn mask<P: Into<PathBuf>>(mut self, paths: impl IntoIterator<Item = P>) -> Self {
        self.masked_paths.extend(paths.into_iter().map(Into::into));
        self
    }

    /// The same with these paths read-only, beside those that are already.
    #[must_use]
    pub fn read_only<P: Into<PathBuf>>(mut self, paths: impl IntoIterator<Item = P>) -> Self {
        self.readonly_paths.extend(paths.into_iter().map(Into::into));
        self
    }

    /// The same with a root that is read-only, or not.
    #[must_use]
    pub fn readonly_root(mut self, yes: bool) -> Self {
        self.readonly_root = yes;
        self
    }

    /// The same with these devices and links too.
    #[must_use]
    pub fn nodes(
        mut self,
        devices: impl IntoIterator<Item = Device>,
        links: impl IntoIterator<Item = Link>,
    ) -> Self {
        self.devices.extend(devices);
        self.links.extend(links);
        self
    }

    /// The same with `root` as its first mount, on `/`. Errors call it the root; the other mounts keep their numbers.
    #[must_use]
    pub fn with_root(mut self, root: Mount) -> Self {
        for (at, mount) in self.mounts.iter_mut().enumerate() {
            mount.number.get_or_insert(at + 1);
        }
        self.mounts.insert(0, root.at("/").number(0));
        self
    }
}

#[cfg(feature = "serde")]
impl Spec {
    /// Reads a set: a JSON array of mounts as containerd writes it (`type`, `source`, `target`, `options`, keys in any
    /// letter case), or an object with such an array under `mounts`, as OCI's `config.json` (`destination` for `target`),
    /// of which `linux.maskedPaths`, `linux.readonlyPaths`, `linux.uidMappings`, `linux.gidMappings`, `linux.devices` and
    /// `root.readonly` are taken too. One with `ociVersion` gets [`Compat::Oci`] and, where a mount that is no bind is for `/dev`,
    /// the devices and links that OCI runtimes supply. Strings may hold bytes that are not UTF-8.
    ///
    /// # Errors
    /// [`ErrorKind::Spec`], with the line and column.
    pub fn from_json(text: &[u8]) -> Result<Self> {
        serde_json::from_slice(text).map_err(|e| {
            Error::new(ErrorKind::Spec, Operation::ReadMountList, e.to_string()).with_hint(
                "use a list of objects with \"type\", \"source\", \"target\" and \"options\", or an object \
                 with such a list in \"mounts\"",
            )
        })
    }
}

#[cfg(feature = "serde")]
impl Mount {
    /// The mounts of a list in JSON: see [`Spec::from_json`], which reads more of an OCI
    /// `config.json` than they are.
    ///
    /// # Errors
    /// [`ErrorKind::Spec`], with the line and column.
    pub fn list_from_json(text: &[u8]) -> Result<Vec<Self>> {
        Ok(Spec::from_json(text)?.mounts)
    }
}

/// A list of mounts is a set, in whichever form it is held.
macro_rules! from_mounts {
    ($( [$($N:ident)?] $list:ty; )+) => {
        $( impl$(<const $N: usize>)? From<$list> for Spec {
            fn from(mounts: $list) -> Self {
                Self::new(mounts)
            }
        } )+
    };
}

from_mounts! {
    [] Vec<Mount>;
    [] &[Mount];
    [N] [Mount; N];
    [N] &[Mount; N];
}

impl From<&Vec<Mount>> for Spec {
    fn from(mounts: &Vec<Mount>) -> Self {
        Self::new(mounts.as_slice())
    }
}

impl From<&Self> for Spec {
    fn from(spec: &Self) -> Self {
        spec.clone()
    }
}

#[cfg(all(test, feature = "serde"))]
mod tests {
    use super::*;
    use crate::vfs::idmap::IdMapping;

    #[test]
    fn what_a_config_covers_is_read() {
        let text = br#"{"root": {"path": "rootfs", "readonly": true}, "mounts": [{"destination": "/proc",
            "type": "proc", "source": "proc"}], "linux": {"maskedPaths": ["/proc/kcore", "/sys/firmware"],
            "readonlyPaths": ["/proc/sys"], "namespaces": []}}"#;
        let spec = Spec::from_json(text).unwrap();
        assert_eq!(spec.masked_paths, ["/proc/kcore", "/sys/firmware"].map(PathBuf::from));
        assert_eq!((spec.readonly_paths, spec.readonly_root), (vec![PathBuf::from("/proc/sys")], true));
        let without = Spec::from_json(br#"{"mounts": [], "root": null, "linux": {"maskedPaths": null}}"#);
        assert_eq!(without.unwrap(), Spec::default());
        assert_eq!(Spec::from_json(br#"{"mounts": [], "linux": 3}"#).unwrap_err().kind(), ErrorKind::Spec);
    }

    #[test]
    fn no_field_is_dropped_for_its_letters_or_for_another() {
        let spec = Spec::from_json(
            br#"{"Mounts": [{"Type": "tmpfs", "Destination": "/a"}], "ROOT": {"ReadOnly": true},
                "Linux": {"MaskedPaths": ["/m"], "readonlypaths": ["/r"]}, "process": 1, "Process": 2}"#,
        );
        let spec = spec.unwrap();
        assert_eq!((spec.masked_paths, spec.readonly_root), (vec![PathBuf::from("/m")], true));
        assert_eq!((spec.readonly_paths, spec.mounts.len()), (vec![PathBuf::from("/r")], 1));
        for (text, field) in [
            (r#"{"mounts": [], "linux": {"maskedPaths": ["/a"]}, "linux": {}}"#, "linux"),
            (r#"{"mounts": [], "root": {"readonly": true}, "Root": {}}"#, "Root"),
            (r#"{"mounts": [], "Mounts": []}"#, "Mounts"),
            (r#"{"mounts": [], "root": {"readonly": true, "readOnly": false}}"#, "readOnly"),
            (r#"{"mounts": [], "linux": {"maskedPaths": ["/a"], "maskedpaths": []}}"#, "maskedpaths"),
            (r#"[{"target": "/a", "destination": "/b"}]"#, "destination"),
            (r#"[{"uidMappings": [{"containerID": 0, "hostID": 1, "size": 1, "SIZE": 2}]}]"#, "SIZE"),
        ] {
            let error = Spec::from_json(text.as_bytes()).unwrap_err();
            let says = format!("`{field}` is given twice");
            assert!(error.kind() == ErrorKind::Spec && error.reason().contains(&says), "{text}: {error}");
        }
    }

    #[test]
    fn containerd_and_oci_shapes_are_read() {
        let list = br#"[{"Type":"overlay","SOURCE":"overlay","options":["index=off","lowerdir=/1/fs:/2/fs"]},
                        {"type":"bind","source":"/a","target":"foo","options":null}]"#;
        let mounts = Mount::list_from_json(list).unwrap();
        assert_eq!(mounts[0].options.len(), 2);
        assert_eq!(mounts[1].target, PathBuf::from("foo"));
        let oci = br#"{"ociVersion":"1.0","root":{"path":"x"},"mounts":[{"destination":"/proc","type":"proc",
            "source":"proc","uidMappings":[{"containerID":0,"hostID":1,"size":1}]}]}"#;
        let mounts = Mount::list_from_json(oci).unwrap();
        assert_eq!(mounts[0].target, PathBuf::from("/proc"));
        assert_eq!(mounts[0].uid_mappings, [IdMapping { inner: 0, outer: 1, count: 1 }]);
    }

    #[test]
    fn bytes_that_are_not_utf8_survive() {
        let mounts = Mount::list_from_json(b"[{\"type\":\"bind\",\"source\":\"/a\xff\\n\"}]").unwrap();
        assert_eq!(mounts[0].source.as_os_str().as_encoded_bytes(), b"/a\xff\n");
    }

    #[test]
    fn bad_shapes_say_where() {
        for bad in [
            "",
            "3",
            "{}",
            "[3]",
            "[{\"typ\":\"x\"}]",
            "[{\"options\":\"ro\"}]",
            "[{}",
            "[{\"type\":\"a\",\"TYPE\":\"b\"}]",
        ] {
            let error = Mount::list_from_json(bad.as_bytes()).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Spec, "{bad}");
            assert!(
                error.reason().contains("line") || error.reason().contains("mounts"),
                "{}",
                error.reason()
            );
        }
    }
}
