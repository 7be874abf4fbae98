// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The parts of OCI's `config.json` that tell how a mount maps ids: config.md and config-linux.md.

use super::json::Bytes;
use super::mount::Mount;
use crate::vfs::idmap::IdMapping;
use serde::de::MapAccess;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// `{"containerID": 0, "hostID": 1000, "size": 1}`, as OCI writes it.
#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct OciMapping {
    #[serde(rename = "containerID")]
    container_id: u32,
    #[serde(rename = "hostID")]
    host_id: u32,
    size: u32,
}

impl From<OciMapping> for IdMapping {
    fn from(m: OciMapping) -> Self {
        Self { disk: m.container_id, seen: m.host_id, count: m.size }
    }
}

pub(super) fn id_mappings<'de, A: MapAccess<'de>>(map: &mut A) -> Result<Vec<IdMapping>, A::Error> {
    let mappings = map.next_value::<Option<Vec<OciMapping>>>()?.unwrap_or_default();
    Ok(mappings.into_iter().map(IdMapping::from).collect())
}

/// The mappings of the container itself, which `idmap` without mappings of its own means: config-linux.md.
#[derive(Deserialize, Default)]
pub(super) struct OciLinux {
    #[serde(rename = "uidMappings", default)]
    uid_mappings: Option<Vec<OciMapping>>,
    #[serde(rename = "gidMappings", default)]
    gid_mappings: Option<Vec<OciMapping>>,
    #[serde(rename = "readonlyPaths", default)]
    readonly_paths: Option<Vec<Bytes>>,
    #[serde(rename = "maskedPaths", default)]
    masked_paths: Option<Vec<Bytes>>,
}

/// The root file system: config.md.
#[derive(Deserialize, Default)]
pub(super) struct OciRoot {
    #[serde(default)]
    pub(super) readonly: bool,
}

impl OciLinux {
    /// The paths that are to be read-only, and those that are to be hidden.
    pub(super) fn covers(self) -> (Vec<PathBuf>, Vec<PathBuf>) {
        let paths =
            |list: Option<Vec<Bytes>>| list.unwrap_or_default().into_iter().map(|b| b.0.into()).collect();
        (paths(self.readonly_paths), paths(self.masked_paths))
    }

    pub(super) fn fill(&self, mounts: &mut [Mount]) {
        let own = |m: &Option<Vec<OciMapping>>| -> Vec<_> {
            m.iter().flatten().copied().map(IdMapping::from).collect()
        };
        fill(mounts, &own(&self.uid_mappings), &own(&self.gid_mappings));
    }
}

/// Gives the container's mappings to the mounts that say `idmap` and have none of their own.
pub(super) fn fill(mounts: &mut [Mount], users: &[IdMapping], groups: &[IdMapping]) {
    let asks = |mount: &Mount| {
        let words = mount.options.iter().flat_map(|o| super::split::words(o));
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
pub(super) fn written(mappings: &[IdMapping]) -> Vec<OciMapping> {
    let one = |m: &IdMapping| OciMapping { container_id: m.disk, host_id: m.seen, size: m.count };
    mappings.iter().map(one).collect()
}
