// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Builds the root file system of the virtual machines.
//!
//! It has the test binaries and the programs that they call, at the same paths as here.

use super::{LISTS, libraries, root_files};
use crate::command;
use crate::error::{At, Result};
use crate::repository::{self, TestFile};
use std::collections::BTreeSet;
use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Stdio;

const DIRECTORIES: [&str; 14] = [
    "proc",
    "sys",
    "dev",
    "run",
    "tmp",
    "root",
    "etc",
    "mnt",
    "srv",
    "var/tmp",
    "usr/bin",
    "usr/sbin",
    "usr/lib",
    "usr/lib64",
];

const PASSWD: &str =
    "root:x:0:0::/root:/bin/sh\nnobody:x:65534:65534::/:/bin/false\nuser:x:1000:1000::/tmp:/bin/sh\n";

const GROUP: &str = "root:x:0:\ntty:x:5:\nnogroup:x:65534:\nuser:x:1000:\n";

const IMAGE_BYTES: u64 = 6 << 30;

/// Builds `root.img` in the directory `work`, from the temporary directory `root`.
pub(crate) fn build(work: &Path, tests: &[TestFile]) -> Result {
    let root = work.join("root");
    repository::recreate(&root)?;
    make_directories(&root)?;
    copy_packages(&root, &work.join("files"))?;
    copy_repository(&root)?;
    copy_programs(&root, tests)?;
    copy_libraries(&root, &work.join("libraries"))?;
    write_configuration(&root, &work.join("tests"))?;
    make_image(&root, &work.join("root.img"))?;
    repository::remove(&root)
}

fn make_directories(root: &Path) -> Result {
    for name in DIRECTORIES {
        let path = root.join(name);
        fs::create_dir_all(&path).at("create", &path)?;
    }
    for name in ["tmp", "var/tmp"] {
        let path = root.join(name);
        fs::set_permissions(&path, Permissions::from_mode(0o1777)).at("set the mode of", &path)?;
    }
    for name in ["bin", "sbin", "lib", "lib64"] {
        let path = root.join(name);
        symlink(Path::new("usr").join(name), &path).at("link", &path)?;
    }
    Ok(())
}

/// Copies the files of the packages, and writes their names to `list`.
fn copy_packages(root: &Path, list: &Path) -> Result {
    write_lines(list, &root_files::list()?)?;
    let mut pack = command::new("tar");
    pack.args(["-C", "/", "--no-recursion", "-cf", "-", "-T"]).arg(list);
    let mut unpack = command::new("tar");
    unpack.arg("-C").arg(root).args(["--keep-directory-symlink", "-xf", "-"]);
    command::pipe(b"", &mut pack, &mut unpack)
}

/// Copies the files that git tracks to the same path as here.
fn copy_repository(root: &Path) -> Result {
    let names = command::read(command::new("git").args(["ls-files", "-z"]))?;
    let target = below(root, repository::top()?);
    fs::create_dir_all(&target).at("create", &target)?;
    let mut pack = command::new("tar");
    pack.args(["--null", "-cf", "-", "-T", "-"]);
    command::pipe(names.as_bytes(), &mut pack, command::new("tar").arg("-C").arg(target).args(["-xf", "-"]))
}

/// Copies the test binaries and the programs that they start, without debug information.
fn copy_programs(root: &Path, tests: &[TestFile]) -> Result {
    let built = repository::top()?.join("target/debug");
    let mut programs: BTreeSet<PathBuf> = tests.iter().map(|test| PathBuf::from(&test.program)).collect();
    programs
        .extend(children(&built)?.into_iter().filter(|path| is_program(path) && !path.ends_with("xtask")));
    for program in &programs {
        let target = below(root, program);
        if let Some(parent) = target.parent() {
            fs::create_dir_all(parent).at("create", parent)?;
        }
        let mut strip = command::new("strip");
        strip.args(["--strip-debug", "-o"]).arg(&target).arg(program).stderr(Stdio::null());
        if !command::status(&mut strip)?.success() {
            fs::copy(program, &target).at("copy", program)?;
        }
    }
    Ok(())
}

/// Copies the shared libraries of all programs in the image, and writes their names to `list`.
fn copy_libraries(root: &Path, list: &Path) -> Result {
    let mut programs = Vec::new();
    for directory in
        [root.join("usr/bin"), root.join("usr/sbin"), below(root, repository::top()?).join("target")]
    {
        find_programs(&directory, &mut programs)?;
    }
    let libraries = libraries::libraries_of(&programs)?;
    write_lines(list, &libraries)?;
    for library in &libraries {
        let target = below(root, Path::new(library));
        if let Some(parent) = target.parent() {
            fs::create_dir_all(parent).at("create", parent)?;
        }
        fs::copy(library, &target).at("copy", library)?;
    }
    Ok(())
}

fn write_configuration(root: &Path, tests: &Path) -> Result {
    repository::write(root.join("etc/passwd"), PASSWD)?;
    repository::write(root.join("etc/group"), GROUP)?;
    repository::write(root.join("etc/hostname"), "testbed\n")?;
    let (init, target) = (Path::new(LISTS).join("init"), root.join("run-tests"));
    fs::copy(&init, &target).at("copy", &init)?;
    fs::set_permissions(&target, Permissions::from_mode(0o755)).at("set the mode of", &target)?;
    fs::copy(tests, root.join("tests")).map(|_| ()).at("copy", tests)
}

fn make_image(root: &Path, image: &Path) -> Result {
    // `create` truncates an earlier image to 0 bytes.
    let file = fs::File::create(image).at("create", image)?;
    file.set_len(IMAGE_BYTES).at("set the size of", image)?;
    command::run(command::new("mke2fs").args(["-q", "-t", "ext4", "-d"]).arg(root).arg(image))
}

/// Returns the place of an absolute path below `root`.
fn below(root: &Path, path: &Path) -> PathBuf {
    root.join(path.strip_prefix("/").unwrap_or(path))
}

fn children(directory: &Path) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(directory).at("list", directory)?;
    entries.map(|entry| entry.map(|entry| entry.path()).at("list", directory)).collect()
}

/// Returns whether this is an executable regular file. Symbolic links are not followed.
fn is_program(path: &Path) -> bool {
    path.symlink_metadata().is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
}

fn find_programs(directory: &Path, found: &mut Vec<PathBuf>) -> Result {
    for path in children(directory)? {
        if path.is_dir() && !path.is_symlink() {
            find_programs(&path, found)?;
        } else if is_program(&path) {
            found.push(path);
        }
    }
    Ok(())
}

fn write_lines(path: &Path, lines: &BTreeSet<String>) -> Result {
    repository::write(path, lines.iter().map(|line| format!("{line}\n")).collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scratch::Scratch;

    #[test]
    fn programs_are_found_below_a_directory_but_links_and_other_files_are_not() {
        let scratch = Scratch::new("programs");
        let deep = scratch.path().join("a/b");
        fs::create_dir_all(&deep).unwrap();
        let program = deep.join("program");
        repository::write(&program, "").unwrap();
        fs::set_permissions(&program, Permissions::from_mode(0o755)).unwrap();
        repository::write(deep.join("text"), "").unwrap();
        symlink(&program, deep.join("link")).unwrap();
        symlink(&deep, scratch.path().join("loop")).unwrap();
        let mut found = Vec::new();
        find_programs(scratch.path(), &mut found).unwrap();
        assert_eq!(found, [program]);
    }

    #[test]
    fn the_image_has_its_directories_and_a_path_is_the_same_in_it() {
        let scratch = Scratch::new("root");
        make_directories(scratch.path()).unwrap();
        assert_eq!(scratch.path().join("lib64").read_link().unwrap(), Path::new("usr/lib64"));
        assert_eq!(scratch.path().join("tmp").metadata().unwrap().permissions().mode() & 0o7777, 0o1777);
        assert_eq!(below(Path::new("/w/root"), Path::new("/a/b")), Path::new("/w/root/a/b"));
    }
}
