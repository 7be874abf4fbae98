// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Translates OCI's mount of type `cgroup` for this host: config-linux.md, cgroups(7).

use crate::error::Result;
use crate::mountinfo;
use crate::mountinfo::MountEntry;
use crate::set::options::Options;
use crate::set::options::lexer::split_options;
use crate::set::spec::mount::Mount;
use crate::set::spec::spec::Spec;
use crate::sys::procfs;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

impl Spec {
    /// Returns the set with each OCI mount of type `cgroup` translated for this host, since the
    /// type means something else to the kernel. If /sys/fs/cgroup is a cgroup2, or there are no
    /// version 1 hierarchies, it becomes a mount of type `cgroup2`. Otherwise it becomes a tmpfs
    /// with a bind of each hierarchy, also under the names of its controllers, each from the
    /// caller's own group downwards, as in runc. A mount with options of cgroup itself (`cpu`,
    /// `name=systemd`) is left unchanged.
    ///
    /// Returns the set unchanged if /proc cannot be read.
    ///
    /// # Errors
    /// Those of reading the mount table.
    pub fn with_cgroups(&self) -> Result<Self> {
        if !self.mounts.iter().any(is_of_oci) {
            return Ok(self.clone());
        }
        let Ok(own) = procfs::read("thread-self/cgroup") else { return Ok(self.clone()) };
        let hierarchies = if is_unified() { OwnGroups(Vec::new()) } else { OwnGroups::parse(&own) };
        let mut spec = Self { mounts: Vec::new(), ..self.clone() };
        let mut binds = Vec::new();
        for (at, mount) in self.mounts.iter().enumerate() {
            if !is_of_oci(mount) {
                spec.mounts.push(mount.clone());
            } else if hierarchies.0.is_empty() {
                spec.mounts.push(Mount { fstype: "cgroup2".into(), ..mount.clone() });
            } else {
                let (tmpfs, inside) = version_1(mount, &hierarchies, &mountinfo::read()?);
                spec.mounts.push(tmpfs);
                // Errors use the number of the list's mount that they replace.
                let number = mount.number.unwrap_or(at + 1);
                binds.extend(inside.into_iter().map(|bind| bind.number(number)));
            }
        }
        // Appended, so that each mount of the list keeps its number.
        spec.mounts.append(&mut binds);
        Ok(spec)
    }
}

/// Reports whether the host uses cgroup version 2 only, as OCI runtimes decide it: by the file
/// system on /sys/fs/cgroup. Version 1 hierarchies may still exist elsewhere.
fn is_unified() -> bool {
    /// `CGROUP2_SUPER_MAGIC` of `<linux/magic.h>`.
    const CGROUP2_SUPER_MAGIC: u64 = 0x6367_7270;
    rustix::fs::statfs("/sys/fs/cgroup")
        .is_ok_and(|stat| u64::try_from(stat.f_type) == Ok(CGROUP2_SUPER_MAGIC))
}

/// Reports whether the mount has no option of cgroup itself. `Plan::new` reports an invalid list.
fn is_of_oci(mount: &Mount) -> bool {
    mount.fstype == "cgroup"
        && Options::parse(&mount.options).is_ok_and(|options| options.fs_options.is_empty())
}

/// The version 1 hierarchies, each with the path of the caller's group in it: lines such as
/// `5:cpu,cpuacct:/a/b`. The hierarchy of version 2 has the number 0.
struct OwnGroups(Vec<(Vec<OsString>, PathBuf)>);

impl OwnGroups {
    fn parse(text: &[u8]) -> Self {
        let line = |line: &[u8]| {
            let mut fields = line.splitn(3, |byte| *byte == b':');
            let (number, controllers, path) = (fields.next()?, fields.next()?, fields.next()?);
            let names =
                controllers.split(|byte| *byte == b',').map(|name| OsStr::from_bytes(name).to_owned());
            (number != b"0").then(|| (names.collect(), PathBuf::from(OsStr::from_bytes(path))))
        };
        Self(text.split(|byte| *byte == b'\n').filter_map(line).collect())
    }

    /// Returns the hierarchy that this line of the mount table shows: its controllers, and the
    /// caller's group in it.
    fn shown_by(&self, entry: &MountEntry) -> Option<&(Vec<OsString>, PathBuf)> {
        let shown = split_options(&entry.super_options);
        self.0.iter().find(|(names, _)| names.iter().all(|name| shown.contains(name)))
    }
}

/// Parses /proc/PID/cgroup, for the fuzzers.
#[cfg(any(test, fuzzing))]
pub(crate) fn groups(text: &[u8]) -> Vec<(Vec<OsString>, PathBuf)> {
    OwnGroups::parse(text).0
}

fn is_read_only(mount: &Mount) -> bool {
    let all = mount.options.iter().flat_map(|option| split_options(option));
    let access = all.rev().find(|option| ACCESS.iter().any(|access| option == access));
    access.is_some_and(|option| option == "ro" || option == "rro")
}

const ACCESS: [&str; 4] = ["ro", "rw", "rro", "rrw"];

/// Returns a tmpfs, and a bind of each hierarchy mounted on this host. If no mount shows the
/// caller's group, as in a cgroup namespace, the hierarchy is mounted again, from the namespace's
/// root downwards.
fn version_1(mount: &Mount, own: &OwnGroups, table: &[MountEntry]) -> (Mount, Vec<Mount>) {
    let all = mount.options.iter().flat_map(|option| split_options(option));
    let flags: Vec<OsString> = all.filter(|option| ACCESS.iter().all(|access| option != access)).collect();
    let with_flags = |mount: Mount| flags.iter().fold(mount, |mount, flag| mount.option(flag));
    let access = if is_read_only(mount) { "ro" } else { "rw" };
    // It becomes read-only when the hierarchies are mounted in it.
    let tmpfs = with_flags(Mount::new("tmpfs", "tmpfs").at(&mount.target));
    let tmpfs = tmpfs.option("mode=755").option(access);
    let mut mounts = Vec::new();
    let mut places: Vec<PathBuf> = Vec::new();
    let mut seen: Vec<&[OsString]> = Vec::new();
    for entry in table.iter().filter(|entry| entry.fstype == "cgroup") {
        let Some((controllers, path)) = own.shown_by(entry) else { continue };
        if seen.contains(&controllers.as_slice()) {
            continue;
        }
        seen.push(controllers);
        let named = controllers.iter().filter(|name| !name.as_bytes().starts_with(b"name="));
        for name in entry.target.file_name().into_iter().chain(named.map(OsString::as_os_str)) {
            let place = mount.target.join(name);
            if !places.contains(&place) {
                let group = group_in(entry, controllers, path).at(&place).option("X-mount.mkdir");
                mounts.push(with_flags(group).option(access));
                places.push(place);
            }
        }
    }
    (tmpfs, mounts)
}

fn group_in(entry: &MountEntry, controllers: &[OsString], path: &Path) -> Mount {
    let is_plain = path.components().all(|part| !matches!(part, Component::ParentDir));
    match path.strip_prefix(&entry.root) {
        Ok(inner) if is_plain && inner.as_os_str().is_empty() => {
            Mount::new("bind", &entry.target).option("rbind")
        }
        Ok(inner) if is_plain => Mount::new("bind", entry.target.join(inner)).option("rbind"),
        _ => {
            let is_named = controllers.iter().any(|name| name.as_bytes().starts_with(b"name="));
            let mount = Mount::new("cgroup", "cgroup");
            let mount = if is_named { mount.option("none") } else { mount };
            controllers.iter().fold(mount, |mount, name| mount.option(name))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(text: &str) -> MountEntry {
        mountinfo::parse(text.as_bytes()).unwrap().remove(0)
    }

    #[test]
    fn hierarchies_of_version_1() {
        let own = OwnGroups::parse(b"4:cpu,cpuacct:/a\n1:name=systemd:/b/c\n0::/d\n");
        assert_eq!(own.0.len(), 2);
        let table = [
            line("30 25 0:26 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n"),
            line("31 25 0:27 / /sys/fs/cgroup/systemd rw - cgroup systemd rw,xattr,name=systemd\n"),
            line("32 25 0:28 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n"),
            line("33 25 0:29 / /sys/fs/cgroup/rdma rw - cgroup rdma rw,rdma\n"),
        ];
        let mount = Mount::new("cgroup", "cgroup").at("/sys/fs/cgroup").option("nosuid,ro");
        let (tmpfs, mounts) = version_1(&mount, &own, &table);
        let places: Vec<_> = mounts.iter().map(|mount| mount.target.to_str().unwrap()).collect();
        let at = |name: &str| format!("/sys/fs/cgroup{name}");
        assert_eq!(places, [at("/cpu,cpuacct"), at("/cpu"), at("/cpuacct"), at("/systemd")]);
        assert_eq!(
            (tmpfs.target.to_str(), &tmpfs.options),
            (Some("/sys/fs/cgroup"), &vec!["nosuid".into(), "mode=755".into(), "ro".into()])
        );
        assert_eq!(mounts[0].source, Path::new("/sys/fs/cgroup/cpu,cpuacct/a"));
        let outside = OwnGroups::parse(b"4:cpu,cpuacct:/../x\n");
        let anew = &version_1(&mount, &outside, &table).1[0];
        assert_eq!(anew.fstype, "cgroup");
        assert_eq!(anew.options, ["cpu", "cpuacct", "X-mount.mkdir", "nosuid", "ro"]);
        assert_eq!(mounts[3].options, ["rbind", "X-mount.mkdir", "nosuid", "ro"]);
    }

    #[test]
    fn version_2_has_no_hierarchies_with_numbers() {
        assert!(OwnGroups::parse(b"0::/user.slice\n").0.is_empty());
    }
}
