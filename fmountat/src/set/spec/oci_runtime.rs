// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Reads the parts of OCI's `config.json` that belong to the container runtime: config.md.

use crate::set::spec::json_object::{Bytes, Fields, object};
use crate::set::spec::not_done::NotDone;
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess};
use std::path::PathBuf;

/// The fields of `process`.
#[derive(Default)]
pub(crate) struct OciProcess {
    pub(crate) terminal: bool,
}

impl Fields for OciProcess {
    const WHAT: &'static str = "process";
    const IGNORES_UNKNOWN: bool = true;

    fn take<'de, A: MapAccess<'de>>(&mut self, name: &str, map: &mut A) -> Result<bool, A::Error> {
        if name != "terminal" {
            return Ok(false);
        }
        self.terminal = map.next_value::<Option<bool>>()?.unwrap_or_default();
        Ok(true)
    }
}

impl<'de> Deserialize<'de> for OciProcess {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        object(deserializer)
    }
}

/// The names of the hooks in `hooks` that may add mounts.
#[derive(Default)]
pub(crate) struct OciHooks(pub(crate) Vec<&'static str>);

impl Fields for OciHooks {
    const WHAT: &'static str = "hooks";
    const IGNORES_UNKNOWN: bool = true;

    fn take<'de, A: MapAccess<'de>>(&mut self, name: &str, map: &mut A) -> Result<bool, A::Error> {
        let Some(known) = NotDone::HOOKS.into_iter().find(|known| known.eq_ignore_ascii_case(name)) else {
            return Ok(false);
        };
        if !map.next_value::<Option<Vec<IgnoredAny>>>()?.unwrap_or_default().is_empty() {
            self.0.push(known);
        }
        Ok(true)
    }
}

impl<'de> Deserialize<'de> for OciHooks {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        object(deserializer)
    }
}

/// An entry of `linux.namespaces`.
#[derive(Default)]
pub(crate) struct OciNamespace {
    pub(crate) kind: String,
    /// The namespace to join. Empty for a new one.
    pub(crate) path: PathBuf,
}

impl Fields for OciNamespace {
    const WHAT: &'static str = "a namespace (type, path)";
    const IGNORES_UNKNOWN: bool = true;

    fn take<'de, A: MapAccess<'de>>(&mut self, name: &str, map: &mut A) -> Result<bool, A::Error> {
        match name {
            "type" => self.kind = map.next_value::<Option<_>>()?.unwrap_or_default(),
            "path" => {
                self.path = map.next_value::<Option<Bytes>>()?.map_or_else(PathBuf::new, |path| path.0.into())
            }
            _ => return Ok(false),
        }
        Ok(true)
    }
}

impl<'de> Deserialize<'de> for OciNamespace {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        object(deserializer)
    }
}
