// SPDX-License-Identifier: Apache-2.0 OR MIT
//! OCI's mount of type `cgroup`: what this machine has of control groups (config-linux.md; cgroups(7)).

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
    /// The same set for this machine: what a mount of type `cgroup` means in an OCI list, and to the kernel does not. With
    /// cgroup version 2 alone it is one of type `cgroup2`. With hierarchies of version 1 it is a tmpfs with a bind of each of
    /// them, under the names of its controllers too, each from the caller's own group down, as runc mounts them. A mount with words
    /// of cgroup's own (`cpu`, `name=systemd`) means what it says, and stays as it is.
    ///
    /// Nothing is changed where /proc can't be read.
    ///
    /// # Errors
    /// Those of reading the mount table.
    pub fn with_cgroups(&self) -> Result<Self> {
        if !self.mounts.iter().any(is_of_oci) {
            return Ok(self.clone());
        }
        let Ok(own) = procfs::read("thread-self/cgroup") else { return Ok(self.clone()) };
        let hierarchies = OwnGroups::parse(&own);
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
                // Errors call them by the number of what stands for them in the list.
                let number = mount.number.unwrap_or(at + 1);
                binds.extend(inside.into_iter().map(|bind| bind.number(number)));
                // Directories are made in it, so it can't be born read-only.
                if is_read_only(mount) {
                    spec.readonly_paths.push(Path::new("/").join(&mount.target));
                }
            }
        }
        // At the end, so that each mount of the list keeps its number.
        spec.mounts.append(&mut binds);
        Ok(spec)
    }
}

/// Whether it says no word of cgroup's own. A bad list is told by who makes a plan of it.
fn is_of_oci(mount: &Mount) -> bool {
    mount.fstype == "cgroup"
        && Options::parse(&mount.options).is_ok_and(|options| options.fs_options.is_empty())
}

/// The hierarchies of version 1, each with the path of the caller's group in it: lines `5:cpu,cpuacct:/a/b`. That of
/// version 2 has the number 0.
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

    /// The hierarchy that this line of the table shows: its controllers, and the caller's group in it.
    fn shown_by(&self, entry: &MountEntry) -> Option<&(Vec<OsString>, PathBuf)> {
        let shown = split_options(&entry.super_options);
        self.0.iter().find(|(names, _)| names.iter().all(|name| shown.contains(name)))
    }
}

/// The hierarchies of such a text, for the fuzzers.
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

/// A tmpfs, and what goes into it: a bind of each hierarchy that is mounted on this machine. One whose mounts do not show the
/// caller's group, as in a cgroup namespace, is mounted anew: from the namespace's root down.
fn version_1(mount: &Mount, own: &OwnGroups, table: &[MountEntry]) -> (Mount, Vec<Mount>) {
    let all = mount.options.iter().flat_map(|option| split_options(option));
    let flags: Vec<OsString> = all.filter(|option| ACCESS.iter().all(|access| option != access)).collect();
    let with_flags = |mount: Mount| flags.iter().fold(mount, |mount, flag| mount.option(flag));
    let tmpfs = with_flags(Mount::new("tmpfs", "tmpfs").at(&mount.target)).option("mode=755");
    let access = if is_read_only(mount) { "ro" } else { "rw" };
    let mut mounts = Vec::new();
    let mut places: Vec<PathBuf> = Vec::new();
    let mut known: Vec<&[OsString]> = Vec::new();
    for entry in table.iter().filter(|entry| entry.fstype == "cgroup") {
        let Some((controllers, path)) = own.shown_by(entry) else { continue };
        if known.contains(&controllers.as_slice()) {
            continue;
        }
        known.push(controllers);
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
            (Some("/sys/fs/cgroup"), &vec!["nosuid".into(), "mode=755".into()])
        );
        assert_eq!(mounts[0].source, Path::new("/sys/fs/cgroup/cpu,cpuacct/a"));
        let elsewhere = OwnGroups::parse(b"4:cpu,cpuacct:/../x\n");
        let anew = &version_1(&mount, &elsewhere, &table).1[0];
        assert_eq!(anew.fstype, "cgroup");
        assert_eq!(anew.options, ["cpu", "cpuacct", "X-mount.mkdir", "nosuid", "ro"]);
        assert_eq!(mounts[3].options, ["rbind", "X-mount.mkdir", "nosuid", "ro"]);
    }

    #[test]
    fn version_2_has_no_hierarchies_with_numbers() {
        assert!(OwnGroups::parse(b"0::/user.slice\n").0.is_empty());
    }
}
