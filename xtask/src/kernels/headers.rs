// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Compares the library's structures with the newest kernel headers, which must have all of them.

use super::apt::Archive;
use crate::command;
use crate::error::{At, Error, Result};
use crate::output;
use crate::repository;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

const PACKAGE: &str = "linux-libc-dev";

/// Runs the test `layouts` on the headers of sid.
pub(crate) fn check(archive: &Archive, work: &Path) -> Result {
    let version = archive.version(PACKAGE, "sid")?;
    let directory = work.join("headers");
    let kept = repository::read_if_there(directory.join("version"))?.unwrap_or_default();
    if kept.trim_end() != version {
        download(archive, &version, &directory)?;
    }
    output::line(&format!("headers: {version}"));
    let mut include = OsString::from(directory.join("usr/include"));
    include.push(":");
    include.push(architecture_in(&directory.join("usr"))?);
    let log = work.join("headers.log");
    let file = fs::File::create(&log).at("create", &log)?;
    let both = file.try_clone().at("duplicate the descriptor of", &log)?;
    let mut cargo = command::new("cargo");
    cargo.args(["test", "-q", "-p", "fmountat", "--test", "layouts"]).env("FMOUNTAT_HEADERS", include);
    let tested = command::run(cargo.stdout(file).stderr(both));
    let text = repository::read(&log)?;
    if let Err(error) = tested {
        output::error_line(text.trim_end());
        return Err(error);
    }
    let mut counted = text.lines().filter(|line| line.starts_with("counted")).peekable();
    if counted.peek().is_none() {
        return Err(Error::new(format!("{}: no line starts with `counted`", log.display())));
    }
    counted.for_each(output::line);
    Ok(())
}

/// Unpacks the headers of a version. The last step renames them to `directory`.
///
/// From an incomplete directory the compiler would fall back to the machine's headers.
fn download(archive: &Archive, version: &str, directory: &Path) -> Result {
    let (debs, new) = (directory.with_extension("deb"), directory.with_extension("new"));
    repository::remove(directory)?;
    repository::recreate(&debs)?;
    repository::recreate(&new)?;
    archive.unpack(&[format!("{PACKAGE}={version}")], &debs, &new)?;
    repository::write(new.join("version"), format!("{version}\n"))?;
    fs::rename(&new, directory).at("rename", &new)?;
    repository::remove(&debs)
}

/// Returns the directory that holds this architecture's `asm`.
fn architecture_in(directory: &Path) -> Result<PathBuf> {
    let mut directories = vec![directory.to_owned()];
    while let Some(directory) = directories.pop() {
        if directory.join("asm/unistd_64.h").is_file() && directory.to_string_lossy().contains("x86") {
            return Ok(directory);
        }
        for entry in fs::read_dir(&directory).at("list", &directory)? {
            let path = entry.at("list", &directory)?.path();
            if path.is_dir() && !path.is_symlink() {
                directories.push(path);
            }
        }
    }
    Err(Error::new(format!("{}: no asm/unistd_64.h", directory.display())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scratch::Scratch;

    #[test]
    fn the_architectures_headers_are_found() {
        let scratch = Scratch::new("headers");
        let directory = scratch.path().join("usr/include/x86_64-linux-gnu");
        assert!(architecture_in(scratch.path()).is_err());
        fs::create_dir_all(directory.join("asm")).unwrap();
        repository::write(directory.join("asm/unistd_64.h"), "").unwrap();
        assert_eq!(architecture_in(scratch.path()).unwrap(), directory);
    }
}
