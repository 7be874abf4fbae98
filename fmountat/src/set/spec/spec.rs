// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `Spec`: a list of mounts with the devices, symbolic links and path restrictions of a root.

use crate::error::{Error, ErrorKind, Operation, Result};
use crate::set::spec::compat::Compat;
use crate::set::spec::device::{Device, Link};
use crate::set::spec::mount::Mount;
use crate::set::spec::not_done::{NotDone, ROOT_PATH};
use crate::vfs::attr::Propagation;
use std::path::PathBuf;

/// A set of mounts, then devices and links in them, then read-only and masked paths. It is a value:
/// this crate never changes one.
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
    /// The rules for what the list leaves open.
    pub compat: Compat,
    /// The propagation of binds without a propagation option: OCI's `linux.rootfsPropagation`.
    /// A `config.json` with a `linux` section has slave by default, as in runc. `None`: private,
    /// since a set is often attached beside the host's own mounts and must not receive them
    /// unasked.
    pub bind_propagation: Option<Propagation>,
    /// Device nodes and FIFOs, created after all mounts: OCI's `linux.devices`.
    pub devices: Vec<Device>,
    /// Symbolic links, created with the devices.
    pub links: Vec<Link>,
    /// OCI's `linux.readonlyPaths`: each path becomes read-only, without the mounts below it. A
    /// path that does not exist is skipped, as in runc.
    pub readonly_paths: Vec<PathBuf>,
    /// OCI's `linux.maskedPaths`. A read-only bind of /dev/null masks a file: programs can write to
    /// the device but cannot change its mode, owner or times. An empty, read-only directory masks a
    /// directory. A path that does not exist is skipped, as in runc.
    pub masked_paths: Vec<PathBuf>,
    /// OCI's `root.readonly`: the root of the set is read-only. The mounts in it keep their own
    /// `ro` or `rw`.
    pub readonly_root: bool,
    /// OCI's `root.path`, relative to the bundle. Building a set does not use it:
    /// [`with_root_path`](Self::with_root_path) adds the mount.
    pub root_path: Option<PathBuf>,
    /// The propagation of the root when the set is complete: OCI's `linux.rootfsPropagation`. A
    /// shared root starts a new peer group.
    pub root_propagation: Option<Propagation>,
    /// The parts of an OCI configuration that building the set does not do: those of its root file
    /// system that belong to the runtime, and [`root_path`](Self::root_path) until
    /// [`with_root_path`](Self::with_root_path). A runtime does them itself, or reports them.
    pub not_done: Vec<NotDone>,
}

impl Spec {
    /// Returns a set of these mounts.
    #[must_use]
    pub fn new(mounts: impl Into<Vec<Mount>>) -> Self {
        Self { mounts: mounts.into(), ..Self::default() }
    }

    /// Sets the rules for what the list leaves open.
    #[must_use]
    pub fn compat(mut self, compat: Compat) -> Self {
        self.compat = compat;
        self
    }

    /// Sets the propagation of binds without a propagation option.
    #[must_use]
    pub fn bind_propagation(mut self, propagation: Propagation) -> Self {
        self.bind_propagation = Some(propagation);
        self
    }

    /// Adds paths to mask.
    #[must_use]
    pub fn mask<P: Into<PathBuf>>(mut self, paths: impl IntoIterator<Item = P>) -> Self {
        self.masked_paths.extend(paths.into_iter().map(Into::into));
        self
    }

    /// Adds paths to make read-only.
    #[must_use]
    pub fn read_only<P: Into<PathBuf>>(mut self, paths: impl IntoIterator<Item = P>) -> Self {
        self.readonly_paths.extend(paths.into_iter().map(Into::into));
        self
    }

    /// Sets whether the root is read-only.
    #[must_use]
    pub fn readonly_root(mut self, yes: bool) -> Self {
        self.readonly_root = yes;
        self
    }

    /// Adds devices and symbolic links.
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

    /// Inserts `root` as the first mount, on `/`. Errors call it the root. The other mounts keep
    /// their numbers.
    #[must_use]
    pub fn with_root(mut self, root: Mount) -> Self {
        for (at, mount) in self.mounts.iter_mut().enumerate() {
            mount.number.get_or_insert(at + 1);
        }
        self.mounts.insert(0, root.at("/").number(0));
        self
    }

    /// Inserts a recursive bind mount of [`root_path`](Self::root_path) as the root of the set. A
    /// relative path starts at the directory that resolves the sources: the bundle.
    ///
    /// ```
    /// let text = br#"{"ociVersion": "1.2.0", "root": {"path": "rootfs"},
    ///                 "mounts": [{"destination": "/dev", "type": "tmpfs", "source": "tmpfs"}],
    ///                 "linux": {"namespaces": [{"type": "pid", "path": "/proc/7/ns/pid"}]}}"#;
    /// let spec = fmountat::Spec::from_json(text)?.with_root_path()?;
    /// assert_eq!(spec.mounts[0].source, std::path::Path::new("rootfs"));
    /// assert_eq!(spec.not_done[0].path, "linux.namespaces[0].path");
    /// # Ok::<(), fmountat::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::Spec`] if there is no path.
    pub fn with_root_path(mut self) -> Result<Self> {
        let Some(path) = self.root_path.clone() else {
            let reason = format!("`{ROOT_PATH}` is missing: the bundle names no root file system");
            return Err(Error::new(ErrorKind::Spec, Operation::ReadMountList, reason)
                .with_hint("add `\"root\": {\"path\": \"rootfs\"}`"));
        };
        self.not_done.retain(|part| part.path != ROOT_PATH);
        let root = Mount::new("bind", path).option("rbind");
        // A peer of its source is no member of a new peer group.
        let is_own = matches!(self.root_propagation, Some(Propagation::Shared | Propagation::Unbindable));
        Ok(self.with_root(if is_own { root.option("rprivate") } else { root }))
    }

    /// Fails if building the set does not do all that its configuration demands.
    ///
    /// # Errors
    /// [`ErrorKind::Unsupported`], with the place of the first of [`not_done`](Self::not_done) as
    /// the argument.
    pub fn need_all_done(&self) -> Result<()> {
        let Some(NotDone { path, reason }) = self.not_done.first() else { return Ok(()) };
        let more = match self.not_done.len() - 1 {
            0 => String::new(),
            more => format!(" (and {more} more)"),
        };
        Err(Error::new(ErrorKind::Unsupported, Operation::ReadMountList, format!("{reason}{more}"))
            .with_argument(path)
            .with_hint("remove it from the configuration; without `--strict` it is listed"))
    }
}

#[cfg(feature = "serde")]
impl Spec {
    /// Parses a set from JSON. The text is an array of mounts as containerd writes it (`type`,
    /// `source`, `target`, `options`), or an object with such an array under `mounts`, such as
    /// OCI's `config.json` (`destination` for `target`). Keys match in any letter case.
    ///
    /// Of an object it also reads `linux.maskedPaths`, `linux.readonlyPaths`, `linux.uidMappings`,
    /// `linux.gidMappings`, `linux.devices`, `linux.rootfsPropagation`, `root.path` and
    /// `root.readonly`. Other parts that concern the root file system are listed in
    /// [`not_done`](Self::not_done). With `ociVersion` or a `destination` the set gets
    /// [`Compat::Oci`], and the devices and links that OCI runtimes supply if a mount other than a
    /// bind is for `/dev`. Strings may contain bytes that are not valid UTF-8.
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
    /// Parses the mounts of a list in JSON: see [`Spec::from_json`], which also reads the rest of
    /// an OCI `config.json`.
    ///
    /// # Errors
    /// [`ErrorKind::Spec`], with the line and column.
    pub fn list_from_json(text: &[u8]) -> Result<Vec<Self>> {
        Ok(Spec::from_json(text)?.mounts)
    }
}

/// Converts a list of mounts in each of its types to a set.
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
        assert_eq!(spec.root_path, Some(PathBuf::from("rootfs")));
        let without = Spec::from_json(br#"{"mounts": [], "root": null, "linux": {"maskedPaths": null}}"#);
        assert_eq!(without.unwrap(), Spec::default().bind_propagation(Propagation::Slave));
        assert_eq!(Spec::from_json(br#"{"mounts": [], "linux": 3}"#).unwrap_err().kind(), ErrorKind::Spec);
    }

    #[test]
    fn no_field_is_dropped_for_its_letters_or_for_another() {
        let spec = Spec::from_json(
            br#"{"Mounts": [{"Type": "tmpfs", "Destination": "/a"}], "ROOT": {"ReadOnly": true},
                "Linux": {"MaskedPaths": ["/m"], "readonlypaths": ["/r"]}, "annotations": 1, "Annotations": 2}"#,
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
