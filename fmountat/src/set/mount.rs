// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `Mount`: the four fields that containerd, OCI and fstab share, and how they are read from JSON.

use crate::error::{Error, ErrorKind, Result};
use serde::de::{self, Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use std::ffi::OsString;
use std::fmt;
use std::os::unix::ffi::OsStringExt;
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
    /// Whether OCI's `uidMappings` or `gidMappings` were given.
    pub(crate) has_id_mappings: bool,
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

    /// Reads a list of mounts: a JSON array as containerd writes it (`type`, `source`, `target`, `options`, keys in any
    /// letter case), or an object with such an array under `mounts`, as OCI's `config.json` (`destination` for
    /// `target`). Strings may hold bytes that are not UTF-8.
    ///
    /// # Errors
    /// [`ErrorKind::Spec`], with the line and column.
    pub fn list_from_json(text: &[u8]) -> Result<Vec<Self>> {
        match serde_json::from_slice::<List>(text) {
            Ok(list) => Ok(list.0),
            Err(e) => Err(Error::new(ErrorKind::Spec, "read the mount list", e.to_string()).hinted(
                "a list of {\"type\", \"source\", \"target\", \"options\"}, or an object with one under \"mounts\"",
            )),
        }
    }
}

/// A JSON string as bytes: it need not be UTF-8.
struct Bytes(OsString);

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl Visitor<'_> for Text {
            type Value = Bytes;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Bytes, E> {
                Ok(Bytes(OsString::from(text)))
            }
            fn visit_bytes<E: de::Error>(self, bytes: &[u8]) -> Result<Bytes, E> {
                Ok(Bytes(OsString::from_vec(bytes.to_vec())))
            }
        }
        deserializer.deserialize_byte_buf(Text)
    }
}

impl<'de> Deserialize<'de> for Mount {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Fields;
        impl<'de> Visitor<'de> for Fields {
            type Value = Mount;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a mount: an object with type, source, target and options")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Mount, A::Error> {
                let mut mount = Mount::default();
                let mut seen: Vec<String> = Vec::new();
                while let Some(key) = map.next_key::<String>()? {
                    let key = key.to_ascii_lowercase();
                    if seen.contains(&key) {
                        return Err(de::Error::custom(format!(
                            "the field `{key}` is given twice in a mount"
                        )));
                    }
                    read_field(&mut mount, &key, &mut map)?;
                    seen.push(key);
                }
                Ok(mount)
            }
        }
        deserializer.deserialize_map(Fields)
    }
}

fn read_field<'de, A: MapAccess<'de>>(mount: &mut Mount, key: &str, map: &mut A) -> Result<(), A::Error> {
    match key {
        "type" => mount.fstype = map.next_value::<Bytes>()?.0,
        "source" => mount.source = map.next_value::<Bytes>()?.0.into(),
        "target" | "destination" => mount.target = map.next_value::<Bytes>()?.0.into(),
        "options" => {
            let options = map.next_value::<Option<Vec<Bytes>>>()?.unwrap_or_default();
            mount.options = options.into_iter().map(|o| o.0).collect();
        }
        "uidmappings" | "gidmappings" => {
            let mappings = map.next_value::<Option<Vec<IgnoredAny>>>()?.unwrap_or_default();
            mount.has_id_mappings |= !mappings.is_empty();
        }
        _ => return Err(de::Error::custom(format!("unknown field `{key}` in a mount"))),
    }
    Ok(())
}

/// An array of mounts, alone or under `mounts`.
struct List(Vec<Mount>);

impl<'de> Deserialize<'de> for List {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Shape;
        impl<'de> Visitor<'de> for Shape {
            type Value = List;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of mounts, or an object with a list under `mounts`")
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<List, A::Error> {
                let mut mounts = Vec::new();
                while let Some(mount) = seq.next_element()? {
                    mounts.push(mount);
                }
                Ok(List(mounts))
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<List, A::Error> {
                let mut mounts = None;
                while let Some(key) = map.next_key::<String>()? {
                    if key.eq_ignore_ascii_case("mounts") {
                        mounts = Some(map.next_value::<Vec<Mount>>()?);
                    } else {
                        map.next_value::<IgnoredAny>()?;
                    }
                }
                mounts.map(List).ok_or_else(|| de::Error::missing_field("mounts"))
            }
        }
        deserializer.deserialize_any(Shape)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
        assert!(mounts[0].has_id_mappings);
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
