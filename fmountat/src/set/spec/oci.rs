// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Reads the parts of OCI's `config.json` other than the mounts: config.md and config-linux.md.

use crate::set::spec::compat::Compat;
use crate::set::spec::device::{Device, DeviceKind, Link, standard_devices, standard_links};
use crate::set::spec::json_object::{Bytes, Fields, object};
use crate::set::spec::mount::Mount;
use crate::set::spec::not_done::NotDone;
use crate::set::spec::oci_runtime::OciNamespace;
use crate::set::spec::spec::Spec;
use crate::vfs::attr::Propagation;
use crate::vfs::idmap::IdMapping;
use serde::de::{Deserialize, Deserializer, Error, MapAccess};
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// An id mapping in OCI's form: `{"containerID": 0, "hostID": 1000, "size": 1}`.
pub(crate) struct OciMapping {
    container_id: u32,
    host_id: u32,
    size: u32,
}

/// An id mapping while it is read. All fields are required.
#[derive(Default)]
struct PartialMapping {
    container_id: Option<u32>,
    host_id: Option<u32>,
    size: Option<u32>,
}

impl Fields for PartialMapping {
    const WHAT: &'static str = "a mapping (containerID, hostID, size)";
    const IGNORES_UNKNOWN: bool = false;

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
        let PartialMapping { container_id, host_id, size } = object(deserializer)?;
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

/// The fields of `linux`: config-linux.md. The id mappings are those of the container, which
/// `idmap` without mappings of its own refers to.
#[derive(Default)]
pub(crate) struct OciLinux {
    uid_mappings: Vec<IdMapping>,
    gid_mappings: Vec<IdMapping>,
    readonly_paths: Vec<PathBuf>,
    masked_paths: Vec<PathBuf>,
    devices: Vec<Device>,
    propagation: Option<Propagation>,
    root_propagation: Option<Propagation>,
    has_mount_label: bool,
    namespaces: Vec<OciNamespace>,
}

impl Fields for OciLinux {
    const WHAT: &'static str = "linux";
    const IGNORES_UNKNOWN: bool = true;

    fn take<'de, A: MapAccess<'de>>(&mut self, name: &str, map: &mut A) -> Result<bool, A::Error> {
        match name {
            "uidmappings" => self.uid_mappings = id_mappings(map)?,
            "gidmappings" => self.gid_mappings = id_mappings(map)?,
            "readonlypaths" => self.readonly_paths = paths(map)?,
            "maskedpaths" => self.masked_paths = paths(map)?,
            "devices" => self.devices = devices(map)?,
            "rootfspropagation" => {
                self.root_propagation = propagation(map.next_value::<Option<String>>()?)?;
            }
            "mountlabel" => {
                let label = map.next_value::<Option<String>>()?;
                self.has_mount_label = label.is_some_and(|label| !label.is_empty());
            }
            "namespaces" => self.namespaces = map.next_value::<Option<_>>()?.unwrap_or_default(),
            _ => return Ok(false),
        }
        Ok(true)
    }
}

impl<'de> Deserialize<'de> for OciLinux {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut linux: Self = object(deserializer)?;
        // runc makes all mounts of its new namespace slaves before it binds one.
        linux.propagation = linux.root_propagation.or(Some(Propagation::Slave));
        Ok(linux)
    }
}

fn paths<'de, A: MapAccess<'de>>(map: &mut A) -> Result<Vec<PathBuf>, A::Error> {
    let paths = map.next_value::<Option<Vec<Bytes>>>()?.unwrap_or_default();
    Ok(paths.into_iter().map(|path| path.0.into()).collect())
}

/// The fields of `root`: config.md.
#[derive(Default)]
pub(crate) struct OciRoot {
    pub(crate) readonly: bool,
    pub(crate) path: Option<PathBuf>,
}

impl Fields for OciRoot {
    const WHAT: &'static str = "root";
    const IGNORES_UNKNOWN: bool = true;

    fn take<'de, A: MapAccess<'de>>(&mut self, name: &str, map: &mut A) -> Result<bool, A::Error> {
        match name {
            "readonly" => self.readonly = map.next_value::<Option<bool>>()?.unwrap_or_default(),
            "path" => {
                let path = map.next_value::<Option<Bytes>>()?.map(|path| PathBuf::from(path.0));
                self.path = path.filter(|path| !path.as_os_str().is_empty());
            }
            _ => return Ok(false),
        }
        Ok(true)
    }
}

impl<'de> Deserialize<'de> for OciRoot {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        object(deserializer)
    }
}

impl OciLinux {
    /// Moves these fields into the set.
    pub(crate) fn move_into(self, spec: &mut Spec) {
        fill_mappings(&mut spec.mounts, &self.uid_mappings, &self.gid_mappings);
        let namespaces = self.namespaces.iter().map(|namespace| (&*namespace.kind, &*namespace.path));
        spec.take_namespaces(namespaces);
        spec.not_done.extend(self.has_mount_label.then(NotDone::mount_label));
        spec.readonly_paths = self.readonly_paths;
        spec.masked_paths = self.masked_paths;
        spec.devices = self.devices;
        spec.bind_propagation = self.propagation;
        spec.root_propagation = self.root_propagation;
    }
}

/// Reads `linux.rootfsPropagation`: config-linux.md, "Rootfs Mount Propagation"; runc accepts the
/// recursive values too.
fn propagation<E: Error>(text: Option<String>) -> Result<Option<Propagation>, E> {
    let Some(text) = text.filter(|text| !text.is_empty()) else { return Ok(None) };
    let known = propagation_named(&text);
    let unknown =
        || E::custom(format!("unknown propagation `{text}`: use private, shared, slave or unbindable"));
    known.map(Some).ok_or_else(unknown)
}

/// Returns the propagation of a name, with or without the `r` of the recursive ones.
pub(crate) fn propagation_named(text: &str) -> Option<Propagation> {
    match text.strip_prefix('r').unwrap_or(text) {
        "private" => Some(Propagation::Private),
        "shared" => Some(Propagation::Shared),
        "slave" => Some(Propagation::Slave),
        "unbindable" => Some(Propagation::Unbindable),
        _ => None,
    }
}

/// An entry of `linux.devices`.
struct OciDevice(Device);

/// A device while it is read.
#[derive(Default)]
struct PartialDevice {
    path: Option<PathBuf>,
    kind: Option<String>,
    numbers: (u32, u32),
    mode: Option<u32>,
    owner: (u32, u32),
}

impl Fields for PartialDevice {
    const WHAT: &'static str = "a device (path, type, major, minor)";
    const IGNORES_UNKNOWN: bool = true;

    fn take<'de, A: MapAccess<'de>>(&mut self, name: &str, map: &mut A) -> Result<bool, A::Error> {
        match name {
            "path" => self.path = Some(map.next_value::<Bytes>()?.0.into()),
            "type" => self.kind = Some(map.next_value()?),
            "major" => self.numbers.0 = map.next_value()?,
            "minor" => self.numbers.1 = map.next_value()?,
            "filemode" => self.mode = map.next_value()?,
            "uid" => self.owner.0 = map.next_value::<Option<u32>>()?.unwrap_or_default(),
            "gid" => self.owner.1 = map.next_value::<Option<u32>>()?.unwrap_or_default(),
            _ => return Ok(false),
        }
        Ok(true)
    }
}

impl<'de> Deserialize<'de> for OciDevice {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let PartialDevice { path, kind, numbers, mode, owner } = object(deserializer)?;
        let missing = D::Error::missing_field;
        let kind = match kind.ok_or_else(|| missing("type"))?.as_str() {
            "c" | "u" => DeviceKind::Char,
            "b" => DeviceKind::Block,
            "p" => DeviceKind::Fifo,
            // `a` is valid in cgroup rules only.
            other => {
                return Err(D::Error::custom(format!("unknown device type `{other}`: use c, u, b or p")));
            }
        };
        let path = path.ok_or_else(|| missing("path"))?;
        // runc accepts the bits of chmod(2).
        let mode = mode.unwrap_or(0o666) & 0o7777;
        Ok(Self(Device::new(path, kind, numbers.0, numbers.1).mode(mode).owner(owner.0, owner.1)))
    }
}

fn devices<'de, A: MapAccess<'de>>(map: &mut A) -> Result<Vec<Device>, A::Error> {
    let devices = map.next_value::<Option<Vec<OciDevice>>>()?.unwrap_or_default();
    Ok(devices.into_iter().map(|device| device.0).collect())
}

impl Spec {
    /// Applies the rules of OCI runtimes. If `/dev` is not a bind of the host's, adds the default
    /// devices and links: config-linux.md, "Default Devices". A device of the configuration
    /// replaces the default one of the same path.
    ///
    /// As in runc, no device is created if `/dev` is a bind: it would be created on the host.
    /// `is_config` says that it is a whole configuration, not only a list of mounts.
    pub(crate) fn apply_oci_rules(&mut self, is_config: bool) {
        self.compat = Compat::Oci;
        let is_dev = |mount: &&Mount| Path::new("/").join(&mount.target) == Path::new("/dev");
        let is_own = |mount: &Mount| mount.fstype != "bind" && !has_option(mount, &["bind", "rbind"]);
        match self.mounts.iter().rfind(is_dev).map(is_own) {
            Some(true) => {
                let supplied = standard_devices();
                let is_new = |device: &Device| self.devices.iter().all(|own| own.path != device.path);
                let supplied: Vec<Device> = supplied.into_iter().filter(is_new).collect();
                self.devices.extend(supplied);
                self.add_standard_links();
            }
            Some(false) if !self.devices.is_empty() => {
                self.devices.clear();
                self.not_done.push(NotDone::devices_of_host());
            }
            None if is_config => self.not_done.push(NotDone::default_devices()),
            _ => {}
        }
    }

    /// Adds the links of /dev. As in runc, the link `ptmx` takes the place of a device of the
    /// host, which a privileged container's configuration lists, and any other link gives way to a
    /// device.
    fn add_standard_links(&mut self) {
        self.devices.retain(|device| device.path != Path::new("/dev/ptmx"));
        let is_new = |link: &Link| self.devices.iter().all(|device| device.path != link.path);
        self.links = standard_links().into_iter().filter(is_new).collect();
    }

    /// Takes the mappings of the user namespace for the mounts that refer to the container's, and
    /// lists the namespaces that have a path. Each is a type and a path, which may be empty.
    pub(crate) fn take_namespaces<'n>(&mut self, namespaces: impl Iterator<Item = (&'n str, &'n Path)>) {
        for (at, (kind, path)) in namespaces.enumerate().filter(|(_, (_, path))| !path.as_os_str().is_empty())
        {
            if kind == "user" {
                map_by_namespace(&mut self.mounts, path);
            }
            self.not_done.push(NotDone::namespace(at, kind));
        }
    }
}

fn has_option(mount: &Mount, names: &[&str]) -> bool {
    let options = mount.options.iter().flat_map(|option| crate::set::options::lexer::split_options(option));
    options.into_iter().any(|option| names.iter().any(|name| option == *name))
}

/// Gives the container's mappings to each mount with `idmap` or `ridmap` that has none of its own.
pub(crate) fn fill_mappings(mounts: &mut [Mount], users: &[IdMapping], groups: &[IdMapping]) {
    for mount in mounts.iter_mut().filter(|mount| has_option(mount, &["idmap", "ridmap"])) {
        if mount.uid_mappings.is_empty() && mount.gid_mappings.is_empty() {
            mount.uid_mappings.extend_from_slice(users);
            mount.gid_mappings.extend_from_slice(groups);
        }
    }
}

/// Gives the mappings of a user namespace to each mount with `idmap` or `ridmap` that has none.
fn map_by_namespace(mounts: &mut [Mount], namespace: &Path) {
    for mount in mounts.iter_mut().filter(|mount| has_option(mount, &["idmap", "ridmap"])) {
        if mount.uid_mappings.is_empty() && mount.gid_mappings.is_empty() {
            let mut option = OsString::from("X-mount.idmap=\"");
            option.push(namespace);
            option.push("\"");
            mount.options.push(option);
        }
    }
}

/// Returns the mappings in OCI's form.
pub(crate) fn written(mappings: &[IdMapping]) -> Vec<BTreeMap<&'static str, u32>> {
    let one =
        |m: &IdMapping| BTreeMap::from([("containerID", m.inner), ("hostID", m.outer), ("size", m.count)]);
    mappings.iter().map(one).collect()
}
