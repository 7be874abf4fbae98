// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Short functions for files and programs, for the bodies of cases.

use rustix::fd::OwnedFd;
use rustix::fs::{Mode, OFlags};
use std::fs::File;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

static SCRATCH: OnceLock<PathBuf> = OnceLock::new();
/// The directory of the test binary, opened before privileges were dropped.
static PROGRAMS: OnceLock<(OwnedFd, PathBuf)> = OnceLock::new();

/// Returns the directory of the running case, which is empty at its start. Nothing is mounted on
/// it.
///
/// # Panics
/// Outside of a case.
#[must_use]
pub fn scratch() -> PathBuf {
    SCRATCH.get().expect("a case is running").clone()
}

/// The directory of the package under test, in which cargo starts its tests; opened before
/// privileges were dropped.
static PACKAGE: OnceLock<OwnedFd> = OnceLock::new();

/// Sets the directories for [`scratch`] and [`binary`], once in a process.
pub(crate) fn settle(scratch: &Path) {
    let program = std::env::current_exe().unwrap();
    let dir = program.parent().unwrap();
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    if let Ok(fd) = rustix::fs::open(dir, flags, Mode::empty()) {
        PROGRAMS.set((fd, dir.to_owned())).unwrap();
    }
    if let Ok(fd) = rustix::fs::open(".", flags, Mode::empty()) {
        PACKAGE.set(fd).unwrap();
    }
    SCRATCH.set(scratch.to_owned()).unwrap();
}

/// Writes a file. Creates its parent directories.
pub fn write(path: impl AsRef<Path>, text: impl AsRef<[u8]>) {
    let path = path.as_ref();
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap_or_else(|e| panic!("write {}: {e}", path.display()));
}

/// Creates directories below `base`, with their parents.
pub fn mkdirs(base: impl AsRef<Path>, paths: &[&str]) {
    for path in paths {
        let path = base.as_ref().join(path);
        std::fs::create_dir_all(&path).unwrap_or_else(|e| panic!("mkdir {}: {e}", path.display()));
    }
}

/// Reads a file as text.
#[must_use]
pub fn read(path: impl AsRef<Path>) -> String {
    let path = path.as_ref();
    std::fs::read_to_string(path).unwrap_or_else(|e| panic!("read {}: {e}", path.display()))
}

/// Runs a command that must succeed, and returns its standard output.
///
/// # Panics
/// If it cannot be started or fails. The message holds its output.
pub fn command_output(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|e| panic!("{command:?}: {e}"));
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {}\n{text}{errors}", output.status);
    text
}

/// Returns the path of a program of this workspace for the running case:
/// `binary(env!("CARGO_BIN_EXE_fmountat"))`.
///
/// If the user of the case cannot reach the build directory, the program is copied to the scratch
/// directory.
#[must_use]
pub fn binary(path: impl AsRef<Path>) -> PathBuf {
    let path = path.as_ref();
    if File::open(path).is_ok() {
        return path.to_owned();
    }
    let (programs, dir) = PROGRAMS.get().expect("the directory of the tests could be opened");
    // Test binaries are in `deps`, programs in its parent.
    let relative = match path.strip_prefix(dir) {
        Ok(name) => name.to_owned(),
        Err(_) => Path::new("..").join(path.strip_prefix(dir.parent().unwrap()).unwrap()),
    };
    let mut from: File =
        rustix::fs::openat(programs, &relative, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())
            .unwrap_or_else(|e| panic!("open {}: {e}", path.display()))
            .into();
    let copy = scratch().join("bin").join(path.file_name().unwrap());
    std::fs::create_dir_all(copy.parent().unwrap()).unwrap();
    if !copy.exists() {
        std::io::copy(&mut from, &mut File::create(&copy).unwrap()).unwrap();
        std::fs::set_permissions(&copy, PermissionsExt::from_mode(0o755)).unwrap();
    }
    copy
}

/// Copies a file or directory of the package under test (`../examples`) to `to`, even if the user
/// of the case cannot reach it by its path.
///
/// # Panics
/// If it does not exist.
pub fn copy_from_package(path: impl AsRef<Path>, to: impl AsRef<Path>) {
    copy_at(PACKAGE.get().expect("the package could be opened"), path.as_ref(), to.as_ref());
}

fn copy_at(dir: &OwnedFd, name: &Path, to: &Path) {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    let from = match rustix::fs::openat(dir, name, flags, Mode::empty()) {
        Err(rustix::io::Errno::LOOP) => {
            let link = rustix::fs::readlinkat(dir, name, Vec::new()).unwrap();
            let link = std::ffi::OsStr::from_bytes(link.to_bytes()).to_owned();
            return std::os::unix::fs::symlink(link, to).unwrap();
        }
        opened => opened.unwrap_or_else(|e| panic!("open {}: {e}", name.display())),
    };
    let mut file = File::from(from);
    let meta = file.metadata().unwrap();
    if meta.is_dir() {
        std::fs::create_dir_all(to).unwrap();
        let fd = OwnedFd::from(file);
        for entry in rustix::fs::Dir::read_from(&fd).unwrap().map(Result::unwrap) {
            let name = Path::new(std::ffi::OsStr::from_bytes(entry.file_name().to_bytes()));
            if ![".", ".."].map(Path::new).contains(&name) {
                copy_at(&fd, name, &to.join(name));
            }
        }
    } else {
        std::io::copy(&mut file, &mut File::create(to).unwrap()).unwrap();
        std::fs::set_permissions(to, meta.permissions()).unwrap();
    }
}
