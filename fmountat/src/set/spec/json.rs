// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Reads and writes mounts as JSON, in the forms of containerd and OCI.

use crate::set::spec::json_object::{Bytes, Fields, fields, object};
use crate::set::spec::mount::Mount;
use crate::set::spec::not_done::NotDone;
use crate::set::spec::oci::{OciLinux, OciRoot, id_mappings, written};
use crate::set::spec::oci_runtime::{OciHooks, OciProcess};
use crate::set::spec::spec::Spec;
use serde::de;
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde::ser::{Error as _, Serialize, SerializeMap, Serializer};
use std::ffi::OsStr;
use std::fmt;

impl<'de> Deserialize<'de> for Mount {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        object(deserializer).map(|read: ReadMount| read.mount)
    }
}

/// A mount, and whether it is in OCI's form.
#[derive(Default)]
struct ReadMount {
    mount: Mount,
    is_oci: bool,
}

impl<'de> Deserialize<'de> for ReadMount {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        object(deserializer)
    }
}

impl Fields for ReadMount {
    const WHAT: &'static str = "a mount (type, source, target, options)";
    const IGNORES_UNKNOWN: bool = false;

    fn own_name(name: String) -> String {
        if name == "destination" { String::from("target") } else { name }
    }

    fn see(&mut self, written: &str) {
        self.is_oci |= written.eq_ignore_ascii_case("destination");
    }

    fn take<'de, A: MapAccess<'de>>(&mut self, name: &str, map: &mut A) -> Result<bool, A::Error> {
        let mount = &mut self.mount;
        match name {
            "type" => mount.fstype = map.next_value::<Bytes>()?.0,
            "source" => mount.source = map.next_value::<Bytes>()?.0.into(),
            "target" => mount.target = map.next_value::<Bytes>()?.0.into(),
            "options" => {
                let options = map.next_value::<Option<Vec<Bytes>>>()?.unwrap_or_default();
                mount.options = options.into_iter().map(|o| o.0).collect();
            }
            "uidmappings" => mount.uid_mappings = id_mappings(map)?,
            "gidmappings" => mount.gid_mappings = id_mappings(map)?,
            _ => return Ok(false),
        }
        Ok(true)
    }
}

/// The fields that we read from an object with mounts.
#[derive(Default)]
struct Config {
    mounts: Option<Vec<ReadMount>>,
    /// Whether `ociVersion` was there. An OCI configuration may have no mounts.
    is_oci: bool,
    root: OciRoot,
    linux: OciLinux,
    process: OciProcess,
    hooks: OciHooks,
}

impl Config {
    /// Returns the set, or `None` without `mounts`.
    fn spec(self) -> Option<Spec> {
        let OciRoot { readonly, path } = self.root;
        let mut spec = Spec { readonly_root: readonly, root_path: path, ..Spec::default() };
        spec.not_done.extend(spec.root_path.is_some().then(NotDone::root_path));
        let mounts = self.mounts.or_else(|| self.is_oci.then(Vec::new))?;
        let is_oci = self.is_oci || mounts.iter().any(|read| read.is_oci);
        spec.mounts = mounts.into_iter().map(|read| read.mount).collect();
        self.linux.move_into(&mut spec);
        spec.not_done.extend(self.process.terminal.then(NotDone::terminal));
        spec.not_done.extend(self.hooks.0.into_iter().map(NotDone::hooks));
        if is_oci {
            spec.apply_oci_rules(self.is_oci);
        }
        Some(spec)
    }
}

impl Fields for Config {
    const WHAT: &'static str = "an object with mounts";
    const IGNORES_UNKNOWN: bool = true;

    fn take<'de, A: MapAccess<'de>>(&mut self, name: &str, map: &mut A) -> Result<bool, A::Error> {
        match name {
            "ociversion" => {
                map.next_value::<de::IgnoredAny>()?;
                self.is_oci = true;
            }
            "mounts" => self.mounts = map.next_value::<Option<_>>()?.or(Some(Vec::new())),
            "root" => self.root = map.next_value::<Option<_>>()?.unwrap_or_default(),
            "linux" => self.linux = map.next_value::<Option<_>>()?.unwrap_or_default(),
            "process" => self.process = map.next_value::<Option<_>>()?.unwrap_or_default(),
            "hooks" => self.hooks = map.next_value::<Option<_>>()?.unwrap_or_default(),
            _ => return Ok(false),
        }
        Ok(true)
    }
}

/// Reads an array of mounts, alone or under `mounts`.
impl<'de> Deserialize<'de> for Spec {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Shape;
        impl<'de> Visitor<'de> for Shape {
            type Value = Spec;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of mounts, or an object with a list under `mounts`")
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Spec, A::Error> {
                let mut mounts = Vec::new();
                while let Some(mount) = seq.next_element()? {
                    mounts.push(mount);
                }
                Ok(mounts.into())
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Spec, A::Error> {
                fields::<Config, A>(map)?.spec().ok_or_else(|| de::Error::missing_field("mounts"))
            }
        }
        deserializer.deserialize_any(Shape)
    }
}

/// Writes containerd's form, which containerd can read back. Empty fields are left out. A mount
/// with bytes that are not valid UTF-8 cannot be written, since JSON has no form for them.
impl Serialize for Mount {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let text = |text: &OsStr| match text.to_str() {
            Some(text) => Ok(text.to_owned()),
            None => {
                Err(S::Error::custom("a string of the mount is not valid UTF-8, which JSON can't represent"))
            }
        };
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("type", &text(&self.fstype)?)?;
        map.serialize_entry("source", &text(self.source.as_os_str())?)?;
        if !self.target.as_os_str().is_empty() {
            map.serialize_entry("target", &text(self.target.as_os_str())?)?;
        }
        let options = self.options.iter().map(|o| text(o)).collect::<Result<Vec<_>, _>>()?;
        map.serialize_entry("options", &options)?;
        for (key, mappings) in [("uidMappings", &self.uid_mappings), ("gidMappings", &self.gid_mappings)] {
            if !mappings.is_empty() {
                map.serialize_entry(key, &written(mappings))?;
            }
        }
        map.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::set::spec::Compat;
    use crate::vfs::idmap::IdMapping;
    use std::ffi::OsString;
    use std::os::unix::ffi::OsStringExt;

    #[test]
    fn a_configuration_may_have_no_mounts() {
        for text in [r#"{"ociVersion": "1.2.0"}"#, r#"{"mounts": null}"#, r#"{"mounts": []}"#, "[]"] {
            let spec = Spec::from_json(text.as_bytes()).unwrap();
            let mounts = Spec { compat: Compat::Strict, not_done: Vec::new(), ..spec };
            assert_eq!(mounts, Spec::default(), "{text}");
        }
        assert!(Spec::from_json(br#"{"root": {}}"#).unwrap_err().to_string().contains("mounts"));
    }

    #[test]
    fn what_is_written_is_read_back() {
        let mut mount = Mount::new("bind", "/a").at("b").option("rbind,ro").option("X-mount.mkdir");
        mount.uid_mappings.push(IdMapping { inner: 0, outer: 1000, count: 5 });
        let text = serde_json::to_vec(&[&mount]).unwrap();
        assert_eq!(Mount::list_from_json(&text).unwrap(), [mount]);
        let odd = Mount::new("bind", OsString::from_vec(vec![0xff]));
        assert!(serde_json::to_vec(&odd).unwrap_err().to_string().contains("UTF-8"));
    }
}
