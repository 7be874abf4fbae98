// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Lists the files of installed Debian packages that the guest gets.

use super::LISTS;
use crate::command;
use crate::error::Result;
use crate::repository;
use std::collections::BTreeSet;
use std::path::Path;

/// Links of update-alternatives(1) that the tests call. They belong to no package.
const ALTERNATIVES: [&str; 4] =
    ["usr/bin/awk", "etc/alternatives/awk", "usr/bin/which", "etc/alternatives/which"];

/// Prefixes of names below /usr/share that no test needs.
const NOT_NEEDED: [&str; 6] = ["doc", "man", "locale", "info", "lintian", "bash-completion"];

/// Returns paths below `/` without the leading slash: files, links, and what the links point to.
pub(crate) fn list() -> Result<BTreeSet<String>> {
    let packages = repository::read(Path::new(LISTS).join("packages"))?;
    let packages = repository::entries(&packages).flat_map(str::split_whitespace);
    // dpkg fails if a package is not installed. The tests that need it are then skipped.
    let listed = command::read_leniently(command::new("dpkg").arg("-L").args(packages))?;
    let mut files: BTreeSet<String> = listed.lines().filter_map(needed).map(str::to_owned).collect();
    files.retain(|file| is_file_or_link(&Path::new("/").join(file)));
    let targets: Vec<String> = files.iter().filter_map(|file| target_of(file)).collect();
    files.extend(targets);
    files.extend(
        ALTERNATIVES.into_iter().filter(|link| Path::new("/").join(link).exists()).map(str::to_owned),
    );
    Ok(files)
}

fn needed(path: &str) -> Option<&str> {
    let is_needed = |file: &&str| match file.strip_prefix("usr/share/") {
        Some(shared) => !NOT_NEEDED.iter().any(|name| shared.starts_with(name)),
        None => *file != ".",
    };
    path.strip_prefix('/').filter(is_needed)
}

fn is_file_or_link(path: &Path) -> bool {
    path.is_file() || path.is_symlink()
}

/// Resolves all symbolic links of a path.
fn target_of(file: &str) -> Option<String> {
    let target = Path::new("/").join(file).canonicalize().ok()?;
    Some(target.strip_prefix("/").ok()?.to_string_lossy().into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documentation_is_left_out() {
        assert_eq!(needed("/usr/bin/mount"), Some("usr/bin/mount"));
        assert_eq!(needed("/usr/share/zoneinfo/UTC"), Some("usr/share/zoneinfo/UTC"));
        assert_eq!(needed("/usr/share/man/man8/mount.8.gz"), None);
        assert_eq!(needed("/usr/share/doc/mount"), None);
        assert_eq!(needed("/."), None);
    }

    #[test]
    fn a_path_is_followed_to_its_end() {
        let end = Path::new("/proc/self/cwd").canonicalize().unwrap();
        assert_eq!(Path::new("/").join(target_of("proc/self/cwd").unwrap()), end);
        assert_eq!(target_of("nowhere/at/all"), None);
    }
}
