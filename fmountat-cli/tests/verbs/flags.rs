// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Tests the everyday flags of mount(8), umount(8) and findmnt(8).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use fmountat_testing::{
    binary, command_output, mkdirs, mount_flags, mount_table, mounts_below, read, scratch, write,
};
use std::path::PathBuf;
use std::process::{Command, Output};

fn file(path: &str) -> PathBuf {
    scratch().join(path)
}

/// Runs the words of a line in the scratch directory.
fn run(line: &str) -> Output {
    let mut command = Command::new(binary(env!("CARGO_BIN_EXE_fmountat")));
    command.args(line.split(' ')).current_dir(scratch()).output().unwrap()
}

#[track_caller]
fn ok(line: &str) -> String {
    let output = run(line);
    assert!(output.status.success(), "{line}: {output:?}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Runs a line that fails, and returns its message.
#[track_caller]
fn fails(line: &str, status: i32) -> String {
    let output = run(line);
    assert_eq!(output.status.code(), Some(status), "{line}: {output:?}");
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn propagation(path: &str) -> Vec<String> {
    mount_table().into_iter().rfind(|line| line.point == file(path)).unwrap().propagation
}

fmountat_testing::cases! {
    fn binds_moves_and_propagation() needs [Root] {
        mkdirs(scratch(), &["s", "m", "t"]);
        write(file("s/f"), "content");
        ok("mount -B -r s m");
        assert!(mount_flags(file("m")).starts_with("ro"));
        ok("mount --move m t");
        assert_eq!((read(file("t/f")), mounts_below(file("m")).len()), ("content".into(), 0));
        ok("mount --make-shared t");
        assert!(propagation("t")[0].starts_with("shared:"));
        ok("mount --make-rprivate t");
        assert!(propagation("t").is_empty());
        ok("mount --rbind --make-rslave --source s --target m");
        ok("mount -B -m s new/deep");
        ok("mount -B -- s new/deep");
        ok("umount --all -f -d new/deep m t");
        assert_eq!(mounts_below(scratch()), Vec::<String>::new());
    }

    fn a_move_that_fails_is_explained() needs [Root] {
        mkdirs(scratch(), &["s", "t"]);
        assert!(fails("mount --move s t", 32).contains("is not mounted"));
        ok("mount -t tmpfs x s");
        ok("mount --make-shared s");
        mkdirs(scratch(), &["s/in"]);
        ok("mount -t tmpfs x s/in");
        let text = fails("mount -M s/in t", 32);
        assert!(text.contains("lies in a shared mount") && text.contains("--make-private"), "{text}");
        // The hint works.
        ok("mount --make-private s");
        ok("mount -M s/in t");
        assert!(fails("mount -M t t", 32).contains("to a place in itself"));
        ok("umount -R s t");
    }

    fn by_device_and_image() needs [Root, Tool("mkfs.ext4"), Filesystem("ext4")] {
        mkdirs(scratch(), &["m", "n"]);
        std::fs::File::create(file("image")).unwrap().set_len(4 << 20).unwrap();
        command_output(Command::new("mkfs.ext4").arg("-q").arg(file("image")));
        assert_eq!(ok("mount -f image m"), "");
        assert_eq!(mounts_below(scratch()), Vec::<String>::new());
        ok("mount image m");
        let found = ok("find -S image -n -o TARGET,SOURCE");
        let device = found.trim().rsplit(' ').next().unwrap().to_owned();
        assert!(found.starts_with(file("m").to_str().unwrap()) && device.starts_with("/dev/loop"), "{found}");
        ok("mount -B m n");
        assert!(fails("umount image", 1).contains("is mounted on several mount points"));
        ok("umount n");
        ok(&format!("umount {device}"));
        ok("mount image m");
        ok("umount image");
        assert_eq!(mounts_below(scratch()), Vec::<String>::new());
        assert!(fails("find -S image", 32).contains("is not mounted"));
    }

    fn quiet_and_foreign_flags() needs [Root] {
        mkdirs(scratch(), &["m"]);
        assert_eq!(fails("umount -q m", 32), "");
        assert!(fails("umount m", 32).contains("is not mounted"));
        for (line, cure) in [
            ("mount -a", "use `mount -a`"),
            ("mount -s m", "--compat containerd"),
            ("umount -A m", "find -S SOURCE"),
            ("umount --read-only m", "remount,ro"),
            ("run --unshare-net --lower / true", "--net none"),
            ("run --uid 5 --lower / -- true", "--root"),
        ] {
            let text = fails(line, if line.starts_with("run") { 125 } else { 1 });
            assert!(text.contains("has no such option") && text.contains(cure), "{text}");
        }
        assert!(fails("mount LABEL=fmountat-none m", 32).contains("no device has it"));
        assert!(fails("mount -t tmpfs -f -o size=bad x m", 32).contains("bad value"));
    }

    fn formats_and_sizes() needs [Root] {
        mkdirs(scratch(), &["a b"]);
        let target = file("a b").display().to_string();
        let mut mount = Command::new(binary(env!("CARGO_BIN_EXE_fmountat")));
        assert!(mount.args(["mount", "-t", "tmpfs", "-o", "size=1536k", "x", &target]).status().unwrap().success());
        let list = |flags: &[&str]| {
            let mut list = Command::new(binary(env!("CARGO_BIN_EXE_fmountat")));
            list.arg("list").args(flags).args(["-n", "--"]).arg(&target);
            command_output(&mut list)
        };
        let name = target.replace(' ', "\\x20");
        assert_eq!(list(&["-r", "-o", "TARGET,FSTYPE"]), format!("{name} tmpfs\n"));
        assert_eq!(list(&["-P", "-o", "FSTYPE,SIZE,USED"]), "FSTYPE=\"tmpfs\" SIZE=\"1.5M\" USED=\"0B\"\n");
        assert_eq!(list(&["-o", "FSTYPE,+USE%"]), "tmpfs 0%\n");
        let sizes: Vec<String> = list(&["-D"]).split_whitespace().map(str::to_owned).collect();
        assert_eq!(sizes[..6], ["x", "tmpfs", "1.5M", "0B", "1.5M", "0%"]);
        rustix::mount::unmount(&target, rustix::mount::UnmountFlags::empty()).unwrap();
    }
}
