// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The parts of OCI's `config.json` that tell how a mount maps ids: config.md and config-linux.md.

use super::mount::Mount;
use crate::vfs::idmap::IdMapping;
use serde::de::MapAccess;
use serde::{Deserialize, Serialize};

/// `{"containerID": 0, "hostID": 1000, "size": 1}`, as OCI writes it.
#[derive(Serialize, Deserialize)]
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
}

impl OciLinux {
    pub(super) fn fill(self, mounts: &mut [Mount]) {
        let own =
            |m: Option<Vec<OciMapping>>| m.unwrap_or_default().into_iter().map(IdMapping::from).collect();
        let (users, groups): (Vec<_>, Vec<_>) = (own(self.uid_mappings), own(self.gid_mappings));
        let asks = |mount: &Mount| {
            let words = mount.options.iter().flat_map(|o| super::split::words(o));
            words.into_iter().any(|word| word == "idmap" || word == "ridmap")
        };
        for mount in mounts.iter_mut().filter(|mount| asks(mount)) {
            if mount.uid_mappings.is_empty() && mount.gid_mappings.is_empty() {
                mount.uid_mappings.clone_from(&users);
                mount.gid_mappings.clone_from(&groups);
            }
        }
    }
}

/// The mappings as OCI writes them.
pub(super) fn written(mappings: &[IdMapping]) -> Vec<OciMapping> {
    let one = |m: &IdMapping| OciMapping { container_id: m.disk, host_id: m.seen, size: m.count };
    mappings.iter().map(one).collect()
}
