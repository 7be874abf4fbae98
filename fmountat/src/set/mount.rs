// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `Mount`: the four fields that containerd, OCI and fstab share.

use crate::error::Result;
use crate::vfs::idmap::IdMapping;
use std::ffi::OsString;
use std::path::PathBuf;

/// One mount, as asked for. It is a value: nothing in this crate ever changes one.
///
/// ```
/// use fmountat::Mount;
/// let mounts = Mount::list_from_json(br#"[{"type": "tmpfs", "source": "tmpfs", "options": ["size=1m"]}]"#)?;
/// assert_eq!(mounts[0].fstype, "tmpfs");
/// # Ok::<(), fmountat::Error>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Mount {
    /// The kind: a file system's name, `bind`, or `overlay`.
    pub fstype: OsString,
    /// What is mounted: a path, a device, or any word for file systems without one.
    pub source: PathBuf,
    /// Where, inside the target of the set; empty or `/` is the target itself.
    pub target: PathBuf,
    /// Option words as in fstab; one element may hold several, separated by commas.
    pub options: Vec<OsString>,
    /// OCI's `uidMappings`; empty for none.
    pub uid_mappings: Vec<IdMapping>,
    /// OCI's `gidMappings`; empty for none.
    pub gid_mappings: Vec<IdMapping>,
}

impl Mount {
    /// A mount of `source` as `fstype` on the target itself, without options.
    #[must_use]
    pub fn new(fstype: impl Into<OsString>, source: impl Into<PathBuf>) -> Self {
        Self { fstype: fstype.into(), source: source.into(), ..Self::default() }
    }

    /// The same at `target`, inside the set's target.
    #[must_use]
    pub fn at(mut self, target: impl Into<PathBuf>) -> Self {
        self.target = target.into();
        self
    }

    /// The same with one more element of options.
    #[must_use]
    pub fn option(mut self, option: impl Into<OsString>) -> Self {
        self.options.push(option.into());
        self
    }

    /// The mounts of a list in JSON: see [`Spec::from_json`](super::spec::Spec::from_json), which reads more of an OCI
    /// `config.json` than they are.
    ///
    /// # Errors
    /// [`ErrorKind::Spec`](crate::ErrorKind::Spec), with the line and column.
    pub fn list_from_json(text: &[u8]) -> Result<Vec<Self>> {
        Ok(super::spec::Spec::from_json(text)?.mounts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;

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
        assert_eq!(mounts[0].uid_mappings, [IdMapping { disk: 0, seen: 1, count: 1 }]);
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
