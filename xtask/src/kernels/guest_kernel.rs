// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Prepares a kernel of Debian's and an initramfs that loads the modules for the tests.

use super::LISTS;
use super::apt::Archive;
use super::options::Kernel;
use crate::command;
use crate::error::{At, Error, Result};
use crate::repository;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const PACKAGE: &str = "linux-image-cloud-amd64";

const MODULES: [&str; 9] =
    ["virtio_pci", "virtio_blk", "overlay", "loop", "erofs", "squashfs", "xfs", "btrfs", "fuse"];

/// Creates `vmlinuz`, `initrd` and `version` in `directory`.
///
/// Does nothing if `version` is the newest one of the suite.
pub(crate) fn fetch(archive: &Archive, kernel: Kernel, directory: &Path) -> Result {
    let Some(suite) = kernel.suite() else { return Ok(()) };
    let version = archive.version(PACKAGE, suite)?;
    let kept = repository::read_if_there(directory.join("version"))?.unwrap_or_default();
    if directory.join("initrd").exists() && kept.trim_end() == version {
        return Ok(());
    }
    repository::remove(directory)?;
    let [tree, debs, initramfs] = ["tree", "debs", "initramfs"].map(|name| directory.join(name));
    for path in [&debs, &tree.join("lib/modules")] {
        fs::create_dir_all(path).at("create", path)?;
    }
    archive.unpack(&archive.kernel_packages(PACKAGE, &version)?, &debs, &tree)?;
    let release = gather_modules(&tree)?;
    fill_initramfs(&initramfs, &tree, &release)?;
    let vmlinuz = find_vmlinuz(&tree, &release)?;
    fs::copy(&vmlinuz, directory.join("vmlinuz")).at("copy", &vmlinuz)?;
    pack_initramfs(&initramfs, &directory.join("initrd"))?;
    for path in [&tree, &debs, &initramfs] {
        repository::remove(path)?;
    }
    repository::write(directory.join("version"), format!("{version}\n"))
}

/// Gathers the modules in lib/modules, runs depmod, and returns the kernel's release.
///
/// Newer packages have the modules in usr/lib/modules.
fn gather_modules(tree: &Path) -> Result<String> {
    let modules = tree.join("lib/modules");
    let newer = tree.join("usr/lib/modules");
    if newer.is_dir() {
        command::run(command::new("cp").arg("-a").arg(newer.join(".")).arg(&modules))?;
    }
    let mut releases = Vec::new();
    for entry in fs::read_dir(&modules).at("list", &modules)? {
        releases.push(entry.at("list", &modules)?.file_name().to_string_lossy().into_owned());
    }
    let [release] = releases.as_slice() else {
        return Err(Error::new(format!("{}: one release expected, found {releases:?}", modules.display())));
    };
    command::run(command::new("depmod").arg("-b").arg(tree).arg(release).stderr(Stdio::null()))?;
    Ok(release.clone())
}

fn fill_initramfs(initramfs: &Path, tree: &Path, release: &str) -> Result {
    for name in ["bin", "modules", "proc", "dev", "sys", "root"] {
        let path = initramfs.join(name);
        fs::create_dir_all(&path).at("create", &path)?;
    }
    let mut shown = String::new();
    for module in MODULES {
        // modprobe fails for a module that this kernel lacks. The tests declare what they need.
        let mut modprobe = command::new("modprobe");
        modprobe.arg("-d").arg(tree).args(["-S", release, "--show-depends", module]);
        shown += &command::read_leniently(&mut modprobe)?;
    }
    for (number, file) in files_in(&shown).iter().enumerate() {
        unpack_module(file, &initramfs.join("modules"), number + 101)?;
    }
    let busybox = command::read(command::new("sh").args(["-c", "command -v busybox"]))?;
    let busybox = Path::new(busybox.trim_end());
    fs::copy(busybox, initramfs.join("bin/busybox")).at("copy", busybox)?;
    let script = Path::new(LISTS).join("initramfs");
    let init = initramfs.join("init");
    fs::copy(&script, &init).at("copy", &script)?;
    fs::set_permissions(&init, fs::Permissions::from_mode(0o755)).at("set the mode of", &init)
}

/// Returns the files in the output of `modprobe --show-depends`, each once, in load order.
fn files_in(shown: &str) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = Vec::new();
    for line in shown.lines() {
        let mut words = line.split_whitespace();
        if let (Some("insmod"), Some(file)) = (words.next(), words.next()) {
            if !files.iter().any(|known| known.as_os_str() == file) {
                files.push(file.into());
            }
        }
    }
    files
}

/// Unpacks a module into a directory. `number` becomes the start of its name.
fn unpack_module(file: &Path, into: &Path, number: usize) -> Result {
    let extension = file.extension().and_then(OsStr::to_str);
    let packer = match extension {
        Some("xz") => Some(("xz", "-dc")),
        Some("zst") => Some(("zstd", "-qdc")),
        _ => None,
    };
    let name = if packer.is_some() { file.file_stem() } else { file.file_name() };
    let target = into.join(format!("{number}-{}", name.unwrap_or_default().to_string_lossy()));
    match packer {
        Some((program, flags)) => {
            let output = fs::File::create(&target).at("create", &target)?;
            command::run(command::new(program).arg(flags).arg(file).stdout(output))
        }
        None => fs::copy(file, &target).map(|_| ()).at("copy", file),
    }
}

/// Returns the path of the kernel. Newer packages have it beside its modules.
fn find_vmlinuz(tree: &Path, release: &str) -> Result<PathBuf> {
    let places = [
        tree.join(format!("boot/vmlinuz-{release}")),
        tree.join("lib/modules").join(release).join("vmlinuz"),
    ];
    let found = places.into_iter().find(|path| path.exists());
    found.ok_or_else(|| Error::new(format!("the packages of {release} have no vmlinuz")))
}

fn pack_initramfs(initramfs: &Path, archive: &Path) -> Result {
    let names = command::read(command::new("find").arg(".").current_dir(initramfs))?;
    let output = fs::File::create(archive).at("create", archive)?;
    let mut cpio: Command = command::new("cpio");
    cpio.args(["-o", "-H", "newc", "--quiet"]).current_dir(initramfs);
    command::pipe(names.as_bytes(), &mut cpio, command::new("gzip").arg("-1").stdout(output))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scratch::Scratch;

    #[test]
    fn each_module_is_loaded_once_after_what_it_needs() {
        let shown = "insmod /t/virtio.ko.xz \ninsmod /t/virtio_blk.ko.xz \nbuiltin loop\n\
                     insmod /t/virtio.ko.xz \ninsmod /t/fuse.ko\n";
        let files = ["/t/virtio.ko.xz", "/t/virtio_blk.ko.xz", "/t/fuse.ko"].map(PathBuf::from);
        assert_eq!(files_in(shown), files);
    }

    #[test]
    fn a_module_keeps_its_name_and_gets_a_number() {
        let scratch = Scratch::new("module");
        let file = scratch.path().join("loop.ko");
        repository::write(&file, "module").unwrap();
        unpack_module(&file, scratch.path(), 101).unwrap();
        assert_eq!(repository::read(scratch.path().join("101-loop.ko")).unwrap(), "module");
    }

    #[test]
    fn the_kernel_is_in_boot_or_beside_its_modules() {
        let scratch = Scratch::new("vmlinuz");
        assert!(find_vmlinuz(scratch.path(), "7.2").unwrap_err().text.contains("no vmlinuz"));
        let path = scratch.path().join("lib/modules/7.2/vmlinuz");
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        repository::write(&path, "").unwrap();
        assert_eq!(find_vmlinuz(scratch.path(), "7.2").unwrap(), path);
    }
}
