// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Downloads from Debian's archive by apt, with separate lists and state.
//!
//! The machine's own lists and state are not changed.

use super::options::Kernel;
use crate::command;
use crate::error::{At, Error, Result};
use crate::repository;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

#[derive(Debug)]
pub(crate) struct Archive {
    directory: PathBuf,
}

impl Archive {
    /// Downloads the package lists for these kernels to `directory`, from the machine's mirror.
    pub(crate) fn set_up(directory: &Path, kernels: &[Kernel]) -> Result<Self> {
        for name in ["etc/preferences.d", "cache/archives/partial", "state", "lists/partial"] {
            let path = directory.join(name);
            std::fs::create_dir_all(&path).at("create", &path)?;
        }
        let status = directory.join("state/status");
        std::fs::OpenOptions::new().create(true).append(true).open(&status).at("create", &status)?;
        let mirror =
            mirror_in(&machine_sources()?).ok_or_else(|| Error::new("no Debian mirror in /etc/apt"))?;
        let sources: String = kernels
            .iter()
            .filter_map(|kernel| kernel.suite())
            .map(|suite| format!("deb [signed-by={KEYRING}] {mirror} {suite} main\n"))
            .collect();
        repository::write(directory.join("etc/sources.list"), sources)?;
        let archive = Self { directory: directory.to_owned() };
        command::run(archive.command("apt-get").args(["update", "-qq"]))?;
        Ok(archive)
    }

    /// Returns apt-get or apt-cache with options for our directories.
    fn command(&self, tool: &str) -> Command {
        let mut command = command::new(tool);
        for (option, path) in [
            ("Dir::Etc", "etc"),
            ("Dir::Etc::sourcelist", "etc/sources.list"),
            ("Dir::Cache", "cache"),
            ("Dir::State", "state"),
            ("Dir::State::Lists", "lists"),
            ("Dir::State::status", "state/status"),
        ] {
            let mut value = OsString::from(format!("{option}="));
            value.push(self.directory.join(path));
            command.arg("-o").arg(value);
        }
        for option in ["APT::Sandbox::User=root", "Acquire::IndexTargets::deb::DEP-11::DefaultEnabled=false"]
        {
            command.args(["-o", option]);
        }
        command
    }

    /// Returns the version of a package in a suite.
    pub(crate) fn version(&self, package: &str, suite: &str) -> Result<String> {
        let table = command::read(self.command("apt-cache").args(["madison", package]))?;
        version_in(&table, suite).ok_or_else(|| Error::new(format!("the mirror has no {package} in {suite}")))
    }

    /// Returns the packages with the kernel and its modules.
    ///
    /// They are the dependency of the meta-package, and the dependencies of that one.
    pub(crate) fn kernel_packages(&self, meta: &str, version: &str) -> Result<Vec<String>> {
        let shown = command::read(self.command("apt-cache").args(["show", &format!("{meta}={version}")]))?;
        let mut packages = images_in(&shown);
        for image in packages.clone() {
            let depends = command::read_leniently(self.command("apt-cache").args(["depends", &image]))?;
            packages.extend(kernel_parts_in(&depends));
        }
        Ok(packages)
    }

    /// Downloads packages and unpacks them below `tree`. `debs` is an empty directory for the
    /// files.
    pub(crate) fn unpack(&self, packages: &[String], debs: &Path, tree: &Path) -> Result {
        command::run(self.command("apt-get").args(["download", "-qq"]).args(packages).current_dir(debs))?;
        for entry in std::fs::read_dir(debs).at("list", debs)? {
            let path = entry.at("list", debs)?.path();
            if path.extension().is_some_and(|extension| extension == "deb") {
                command::run(command::new("dpkg-deb").arg("-x").arg(&path).arg(tree))?;
            }
        }
        Ok(())
    }
}

/// Returns the machine's own lists of sources, one after the other.
fn machine_sources() -> Result<String> {
    let mut text = repository::read_if_there("/etc/apt/sources.list")?.unwrap_or_default();
    let mut paths = Vec::new();
    for entry in std::fs::read_dir("/etc/apt/sources.list.d").into_iter().flatten() {
        paths.push(entry.at("list", "/etc/apt/sources.list.d")?.path());
    }
    paths.sort();
    for path in paths.iter().filter(|path| path.is_file()) {
        text += "\n";
        text += &repository::read(path)?;
    }
    Ok(text)
}

/// Returns the first address that ends in /debian, in a list of either format (sources.list(5)).
fn mirror_in(sources: &str) -> Option<String> {
    let is_debian = |address: &&str| address.trim_end_matches('/').ends_with("/debian");
    let address = |line: &str| {
        if let Some(value) = line.strip_prefix("URIs:") {
            let value = value.trim_start_matches(' ');
            return Some(value).filter(|value| !value.contains(' ')).filter(is_debian).map(str::to_owned);
        }
        let rest = line.strip_prefix("deb ")?.trim_start();
        let rest = if rest.starts_with('[') { rest.split_once(']')?.1.trim_start() } else { rest };
        rest.split_once(' ').map(|(address, _)| address).filter(is_debian).map(str::to_owned)
    };
    sources.lines().find_map(address)
}

/// Returns the first version of a suite in the output of `apt-cache madison`.
///
/// A line is `PACKAGE | VERSION | URI SUITE/main ...`.
fn version_in(table: &str, suite: &str) -> Option<String> {
    let part = format!("{suite}/main");
    table.lines().find_map(|line| {
        let mut columns = line.split('|').map(str::trim);
        let (version, source) = (columns.nth(1)?, columns.next()?);
        source.split(' ').any(|word| word == part).then(|| version.to_owned())
    })
}

/// Returns the kernel images among the dependencies that `apt-cache show` prints.
fn images_in(shown: &str) -> Vec<String> {
    let depends = shown.lines().filter_map(|line| line.strip_prefix("Depends: "));
    let names = depends.flat_map(|list| list.split(',')).filter_map(|one| one.trim().split(' ').next());
    names.filter(|name| name.starts_with("linux-image-")).map(str::to_owned).collect()
}

/// Returns the packages with a kernel or modules that `apt-cache depends` prints.
fn kernel_parts_in(depends: &str) -> Vec<String> {
    let is_part = |name: &&str| {
        let parts = ["linux-image-", "linux-binary-", "linux-modules-"];
        let version = parts.iter().find_map(|part| name.strip_prefix(part));
        version.is_some_and(|v| v.starts_with(|c: char| c.is_ascii_digit()) && v.ends_with("-cloud-amd64"))
    };
    let names = depends.lines().filter_map(|line| line.trim_start().strip_prefix("Depends: "));
    names.filter(is_part).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mirror_is_found_in_both_formats() {
        let found = |text: &str| mirror_in(text);
        let old = "# deb http://x/debian bookworm main\ndeb https://y/apt cloud main\n\
                   deb [arch=amd64 signed-by=/k] http://a/debian/ bookworm main\n";
        assert_eq!(found(old).as_deref(), Some("http://a/debian/"));
        assert_eq!(found("deb  http://b/debian sid main\n").as_deref(), Some("http://b/debian"));
        let new = "Types: deb\nURIs: https://z/node\n\nTypes: deb\nURIs: http://c/debian\nSuites: sid\n";
        assert_eq!(found(new).as_deref(), Some("http://c/debian"));
        assert_eq!(found("URIs: http://d/debian-security\ndeb http://e/debian-security x main\n"), None);
    }

    #[test]
    fn the_version_is_that_of_the_suite() {
        let table = " linux-image | 7.2.13-1 | http://m/debian sid/main amd64 Packages\n \
                     linux-image | 6.1.176-1 | http://m/debian bookworm/main amd64 Packages\n \
                     linux-image | 6.1.170-1 | http://m/debian bookworm/main Sources\n";
        assert_eq!(version_in(table, "bookworm").as_deref(), Some("6.1.176-1"));
        assert_eq!(version_in(table, "sid").as_deref(), Some("7.2.13-1"));
        assert_eq!(version_in(table, "trixie"), None);
    }

    #[test]
    fn the_kernels_packages_are_found_by_their_names() {
        let shown =
            "Package: linux-image-cloud-amd64\nDepends: linux-image-7.2-cloud-amd64 (= 7.2-1), linux-base\n";
        assert_eq!(images_in(shown), ["linux-image-7.2-cloud-amd64"]);
        let depends = "linux-image-7.2-cloud-amd64\n  Depends: kmod\n  Depends: linux-binary-7.2-cloud-amd64\n \
                       |Depends: linux-initramfs-tool\n  Depends: linux-modules-7.2-cloud-amd64\n  Breaks: linux-image-1\n";
        assert_eq!(
            kernel_parts_in(depends),
            ["linux-binary-7.2-cloud-amd64", "linux-modules-7.2-cloud-amd64"]
        );
    }
}
