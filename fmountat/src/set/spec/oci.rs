// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The parts of OCI's `config.json` that tell how a mount maps ids: config.md and config-linux.md.

use crate::set::spec::json_object::{Bytes, Fields, object};
use crate::set::spec::mount::Mount;
use crate::vfs::idmap::IdMapping;
use serde::de::{Deserialize, Deserializer, Error as _, MapAccess};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// `{"containerID": 0, "hostID": 1000, "size": 1}`, as OCI writes it.
pub(crate) struct OciMapping {
    container_id: u32,
    host_id: u32,
    size: u32,
}

/// A mapping while it is being read: all of its fields are needed.
#[derive(Default)]
struct Partly {
    container_id: Option<u32>,
    host_id: Option<u32>,
    size: Option<u32>,
}

impl Fields for Partly {
    const WHAT: &'static str = "a mapping (containerID, hostID, size)";
    const PASSES_OVER: bool = false;

    fn take<'de, A: MapAccess<'de>>(&mut self, name: &str, map: &mut A) -> Result<bool, A::Error> {
        let field = match name {
            "containerid" => &mut self.container_id,
            "hostid" => &mut self.host_id,
            "size" => &mut self.size,
            _ => return Ok(false),
        };
        *field = Some(map.next_value()?);
        Ok(true)
    }
}

impl<'de> Deserialize<'de> for OciMapping {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Partly { container_id, host_id, size } = object(deserializer)?;
        let missing = D::Error::missing_field;
        Ok(Self {
            container_id: container_id.ok_or_else(|| missing("containerID"))?,
            host_id: host_id.ok_or_else(|| missing("hostID"))?,
            size: size.ok_or_else(|| missing("size"))?,
        })
    }
}

impl From<OciMapping> for IdMapping {
    fn from(m: OciMapping) -> Self {
        Self { inner: m.container_id, outer: m.host_id, count: m.size }
    }
}

pub(crate) fn id_mappings<'de, A: MapAccess<'de>>(map: &mut A) -> Result<Vec<IdMapping>, A::Error> {
    let mappings = map.next_value::<Option<Vec<OciMapping>>>()?.unwrap_or_default();
    Ok(mappings.into_iter().map(IdMapping::from).collect())
}

/// The mappings of the container itself, which `idmap` without mappings of its own means: config-linux.md.
#[derive(Default)]
pub(crate) struct OciLinux {
    uid_mappings: Vec<IdMapping>,
    gid_mappings: Vec<IdMapping>,
    readonly_paths: Vec<PathBuf>,
    masked_paths: Vec<PathBuf>,
}

impl Fields for OciLinux {
    const WHAT: &'static str = "linux";
    const PASSES_OVER: bool = true;

    fn take<'de, A: MapAccess<'de>>(&mut self, name: &str, map: &mut A) -> Result<bool, A::Error> {
        match name {
            "uidmappings" => self.uid_mappings = id_mappings(map)?,
            "gidmappings" => self.gid_mappings = id_mappings(map)?,
            "readonlypaths" => self.readonly_paths = paths(map)?,
            "maskedpaths" => self.masked_paths = paths(map)?,
            _ => return Ok(false),
        }
        Ok(true)
    }
}

impl<'de> Deserialize<'de> for OciLinux {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        object(deserializer)
    }
}

fn paths<'de, A: MapAccess<'de>>(map: &mut A) -> Result<Vec<PathBuf>, A::Error> {
    let paths = map.next_value::<Option<Vec<Bytes>>>()?.unwrap_or_default();
    Ok(paths.into_iter().map(|path| path.0.into()).collect())
}

/// The root file system: config.md.
#[derive(Default)]
pub(crate) struct OciRoot {
    pub(crate) readonly: bool,
}

impl Fields for OciRoot {
    const WHAT: &'static str = "root";
    const PASSES_OVER: bool = true;

    fn take<'de, A: MapAccess<'de>>(&mut self, name: &str, map: &mut A) -> Result<bool, A::Error> {
        if name != "readonly" {
            return Ok(false);
        }
        self.readonly = map.next_value::<Option<bool>>()?.unwrap_or_default();
        Ok(true)
    }
}

impl<'de> Deserialize<'de> for OciRoot {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        object(deserializer)
    }
}

impl OciLinux {
    /// The paths that are to be read-only, and those that are to be hidden.
    pub(crate) fn covers(self) -> (Vec<PathBuf>, Vec<PathBuf>) {
        (self.readonly_paths, self.masked_paths)
    }

    pub(crate) fn fill(&self, mounts: &mut [Mount]) {
        fill(mounts, &self.uid_mappings, &self.gid_mappings);
    }
}

/// Gives the container's mappings to the mounts that say `idmap` and have none of their own.
pub(crate) fn fill(mounts: &mut [Mount], users: &[IdMapping], groups: &[IdMapping]) {
    let asks = |mount: &Mount| {
        let words = mount.options.iter().flat_map(|o| crate::set::options::lexer::words(o));
        words.into_iter().any(|word| word == "idmap" || word == "ridmap")
    };
    for mount in mounts.iter_mut().filter(|mount| asks(mount)) {
        if mount.uid_mappings.is_empty() && mount.gid_mappings.is_empty() {
            mount.uid_mappings.extend_from_slice(users);
            mount.gid_mappings.extend_from_slice(groups);
        }
    }
}

/// The mappings as OCI writes them.
pub(crate) fn written(mappings: &[IdMapping]) -> Vec<BTreeMap<&'static str, u32>> {
    let one =
        |m: &IdMapping| BTreeMap::from([("containerID", m.inner), ("hostID", m.outer), ("size", m.count)]);
    mappings.iter().map(one).collect()
}
