// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The root file system of the tests: the essential packages of Debian (of Ubuntu on Ubuntu),
//! downloaded once.

use fmountat_testing::{command_output, mkdirs, scratch};
use rustix::fs::{FlockOperation, flock};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Unpacks the image into a new directory.
pub(crate) fn unpack(into: &Path) {
    std::fs::create_dir(into).unwrap();
    let mut tar = Command::new("tar");
    tar.args(["--extract", "--same-permissions", "--numeric-owner", "--xattrs", "--xattrs-include=*"]);
    command_output(tar.arg("--file").arg(tarball()).arg("--directory").arg(into));
}

/// Returns the image as a file, kept for as long as the build directory.
fn tarball() -> PathBuf {
    let cache = Path::new(env!("CARGO_TARGET_TMPDIR"));
    std::fs::create_dir_all(cache).unwrap();
    // All cases ask at the same time, and one fetches.
    let lock = File::create(cache.join("image.lock")).unwrap();
    flock(&lock, FlockOperation::LockExclusive).unwrap();
    let suite = suite();
    let tarball = cache.join(format!("image-{suite}.tar"));
    if !tarball.exists() {
        let partial = cache.join(format!("image-{suite}.partial"));
        fetch(&suite, &partial);
        std::fs::rename(&partial, &tarball).unwrap();
    }
    tarball
}

fn fetch(suite: &str, to: &Path) {
    mkdirs(scratch(), &["mmdebstrap"]);
    let mut mmdebstrap = Command::new("mmdebstrap");
    mmdebstrap.args(["--mode=root", "--variant=essential", "--format=tar"]);
    // With the caller's locale, perl prints warnings between the lines of the output.
    mmdebstrap.args(["--aptopt=Acquire::Retries \"3\"", suite]).arg(to).env("LC_ALL", "C.UTF-8");
    command_output(mmdebstrap.env("TMPDIR", scratch().join("mmdebstrap")));
}

/// Returns the release of the host if mmdebstrap supports it: the host has the keys of its own
/// release.
fn suite() -> String {
    let text = std::fs::read_to_string("/etc/os-release").unwrap_or_default();
    let field = |name: &str| {
        let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='))?;
        Some(value.trim_matches('"').to_owned())
    };
    let is_known = matches!(field("ID").as_deref(), Some("debian" | "ubuntu"));
    field("VERSION_CODENAME").filter(|_| is_known).unwrap_or_else(|| String::from("stable"))
}
