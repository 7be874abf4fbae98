// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The situations: words, paths, privilege, limits. Each is provoked for real.

use super::row::{Row, Who, call, line, only};
use fmountat::call::FsContext;
use fmountat::helper::{HELPER_LIMIT, Helper};
use fmountat::{Create, ErrorKind as E, Mount, MountAttr, Mounter, Plan, Target};
use libc::{EACCES, EBUSY, EINVAL, ELOOP, EMFILE, ENAMETOOLONG, ENODEV, ENOENT, ENOSPC, ENOTDIR, EPERM};
use rustix::fs::CWD;
use std::time::Duration;

/// Errors of options and mount lists.
pub(crate) fn words() -> Vec<Row> {
    vec![
        only(E::NulByte, "a NUL byte in a list", "apply - t")
            .after("INPUT=[{\"type\": \"bind\", \"source\": \"a\\u0000b\"}]")
            .at("check source", "a\0b")
            .beside(""),
        line(E::TooLong, "a component of 256 bytes", "mount -o bind $(printf 'n%.0s' $(seq 256)) t")
            .at("clone mount", "nnn")
            .errno(ENAMETOOLONG),
        line(E::TooLong, "a value of 256 bytes", "mount -t tmpfs -o mpol=$(printf 'n%.0s' $(seq 256)) x t")
            .at("set option", "mpol"),
        only(E::Usage, "an argument is missing", "mount")
            .at("read the command line", "TARGET")
            .hint("fmountat mount [OPTIONS] SOURCE TARGET")
            .beside("mount -t tmpfs"),
        line(E::Usage, "a flag that is not there", "mount --nosuchflag x t")
            .at("read the command line", "--nosuchflag")
            .hint("see --help"),
        only(E::Spec, "a list that is not JSON", "apply - t")
            .after("INPUT=[{]")
            .at("read the mount list", "-")
            .hint("use a list of"),
        only(E::Spec, "a mount without a type", "apply - t")
            .after("INPUT=[{\"source\": \"s\"}]")
            .at("read mount", "s")
            .hint("give a file system type")
            .beside("mount -t none s t"),
        line(E::UnknownOption, "a misspelt option of tmpfs", "mount -t tmpfs -o sise=1m x t")
            .at("set option", "sise=1m")
            .errno(EINVAL)
            .hint("did you mean size?"),
        line(E::UnknownOption, "a misspelt flag of a bind", "mount -o bind,nosiud s t")
            .at("parse option", "nosiud")
            .hint("did you mean nosuid?"),
        line(E::UnknownOption, "a misspelt X-mount option", "mount -t tmpfs -o X-mount.mkdri x new/t")
            .at("parse option", "X-mount.mkdri")
            .hint("did you mean X-mount.mkdir?"),
        line(E::UnknownOption, "an unknown option", "mount -t tmpfs -o compression=lz4 x t")
            .at("set option", "compression=lz4")
            .errno(EINVAL)
            .hint("options of tmpfs: "),
        line(E::OptionValue, "an invalid size", "mount -t tmpfs -o size=big x t")
            .at("set option", "size=big")
            .errno(EINVAL),
        line(E::OptionValue, "an invalid mode", "mount -t tmpfs -o X-mount.mode=9 x t")
            .at("parse option", "X-mount.mode=9"),
        line(
            E::OptionValue,
            "an offset beyond the end of the file",
            "mount -t ext4 -o loop,offset=64M image t",
        )
        .at("open image", "image"),
        line(E::OptionConflict, "a file system option on a bind", "mount -o bind,sync s t")
            .at("parse option", "sync"),
        line(E::OptionConflict, "loop without a device", "mount -t tmpfs -o loop x t")
            .at("apply option loop to", "tmpfs"),
        line(E::OptionConflict, "idmap without a mapping", "mount -o bind,idmap s t")
            .at("parse option", "idmap"),
        line(E::Unsupported, "an option of old kernels", "mount -t tmpfs -o iversion x t")
            .at("parse option", "iversion"),
        line(E::Unsupported, "forbidden system calls", "mount -t tmpfs x t")
            .by(Who::Filtered)
            .at("build a detached tree", "")
            .hint("allow these system calls"),
        line(E::Unsupported, "an id-mapped proc", "mount -t proc -o uidmap=0:1:1 proc t")
            .at("id-map mount", "proc")
            .errno(EINVAL),
        line(E::System, "a size below the used size", "mount -o remount,size=4k none m")
            .after("head -c 20000 /dev/zero > m/file")
            .at("reconfigure", "m")
            .errno(EINVAL),
    ]
}

/// Errors of sources, targets and the mounts there.
pub(crate) fn paths() -> Vec<Row> {
    let two = "INPUT=[{\"type\": \"tmpfs\", \"source\": \"x\"}, {\"type\": \"tmpfs\", \"source\": \"x\", \"target\": \"/tmp\"}]";
    let gone = "INPUT=[{\"type\": \"bind\", \"source\": \"gone\", \"options\": [\"nofail\"]}]";
    vec![
        line(E::NotFound, "a missing source", "mount -o bind $PWD/s/no/such t")
            .at("clone mount", "s/no/such")
            .errno(ENOENT)
            .hint("`no` does not exist in "),
        line(E::NotFound, "a missing target", "mount -t tmpfs x nowhere")
            .at("open target", "nowhere")
            .errno(ENOENT),
        line(E::NotFound, "a dangling symbolic link", "mount -o bind loose t")
            .at("clone mount", "loose")
            .errno(ENOENT)
            .hint("is a symbolic link to nowhere"),
        only(E::NotFound, "a missing mount point inside a set", "apply - t")
            .after(two)
            .at("mount 2: resolve target", "/tmp")
            .errno(ENOENT)
            .hint("X-mount.mkdir")
            .beside("mount -t tmpfs x t/tmp"),
        only(E::AllLeftOut, "nofail and no source", "apply - t")
            .hint("create one of the sources")
            .after(gone)
            .at("build the set", "")
            .beside("mount -o bind,nofail gone t"),
        line(E::NotADirectory, "a path through a file", "mount -o bind f/below t")
            .at("clone mount", "f/below")
            .errno(ENOTDIR)
            .hint("f is not a directory"),
        line(E::WrongTargetType, "a directory on a file", "mount -o bind s g")
            .at("attach", "g")
            .errno(EINVAL)
            .hint("use a directory as the target"),
        line(E::WrongTargetType, "a file on a directory", "mount -o bind f t")
            .at("attach", "t")
            .errno(EINVAL)
            .hint("use a file as the target"),
        line(E::Unbindable, "an unbindable source", "mount -o bind m t")
            .after("mount --make-unbindable m")
            .at("clone mount", "m")
            .errno(EINVAL)
            .hint("make that mount private first"),
        line(E::NotMounted, "unmounting what is not mounted", "umount t").at("unmount", "t"),
        line(E::NotMounted, "unmounting a symbolic link", "umount mlink")
            .after("ln -s m mlink")
            .at("unmount", "mlink"),
        line(E::NotMounted, "remounting what is not mounted", "mount -o remount,bind,ro none t")
            .at("remount", "t"),
        only(E::NotMounted, "replacing what is not mounted", "apply --replace - t")
            .after(two_inner())
            .at("replace", "t"),
        only(E::NotMounted, "an unknown mount id", "umount --id 4000000000000")
            .at("find mount", "4000000000000"),
        line(E::Busy, "mounts below", "umount tree").at("unmount", "tree").errno(EBUSY).hint("umount -R"),
        line(E::Busy, "an open file", "umount m 7>&-")
            .after("exec 7> m/open")
            .at("unmount", "m")
            .errno(EBUSY)
            .hint("end the processes that use it"),
        call(E::TargetMoved, "a target moved out of its root", "attach in a root", |dir| {
            for name in ["root/a/t", "out"] {
                std::fs::create_dir_all(dir.join(name)).unwrap();
            }
            let root = std::fs::File::open(dir.join("root")).unwrap();
            let target = Target::in_root(&root, "a/t").unwrap();
            let tree =
                FsContext::open("tmpfs").unwrap().create().unwrap().mount(&MountAttr::default()).unwrap();
            std::fs::rename(dir.join("root/a"), dir.join("out/a")).unwrap();
            tree.attach(&target).unwrap_err().into()
        })
        .at("verify target", "a/t"),
        call(E::System, "a magic link of /proc inside a root", "open inside a root", |dir| {
            std::os::unix::fs::symlink("/proc/self/root", dir.join("magic")).unwrap();
            let proc = std::fs::File::open("/").unwrap();
            fmountat::diagnose(Target::in_root(proc, "proc/self/root/nowhere").unwrap_err())
        })
        .at("resolve target", "proc/self/root/nowhere")
        .errno(ELOOP)
        .hint("magic links of /proc"),
        call(E::NotADirectory, "a file as the starting directory", "fmountat(file, ...)", |dir| {
            let file = std::fs::File::open(dir.join("f")).unwrap();
            fmountat::fmountat(&file, "x", "t", "tmpfs", fmountat::MountFlags::empty(), "").unwrap_err()
        })
        .at("fchdir", "descriptor")
        .errno(ENOTDIR),
        call(E::System, "entering a root in a chroot", "DetachedSet::enter", |dir| {
            fmountat_testing::in_own_namespace(|| {
                let plan = Plan::new(&[Mount::new("tmpfs", "x")]).unwrap();
                let built = Mounter::detached().build(CWD, &plan, &Target::open(CWD, "/").unwrap()).unwrap();
                fmountat_testing::own_root(&dir.join("s"));
                built.enter().unwrap_err()
            })
        })
        .at("enter the root", "")
        .errno(EINVAL)
        .hint("bind the new root directory on itself"),
    ]
}

fn two_inner() -> &'static str {
    "INPUT=[{\"type\": \"tmpfs\", \"source\": \"x\"}]"
}

/// Errors of privilege, limits and helpers.
pub(crate) fn privilege() -> Vec<Row> {
    vec![
        line(E::Permission, "a new file system", "mount -t tmpfs x t").by(Who::User).at("open file system", "tmpfs").errno(EPERM)
            .hint("fmountat run"),
        line(E::Permission, "a missing capability", "mount -t tmpfs x t").by(Who::NoCapability)
            .at("open file system", "tmpfs").errno(EPERM).hint("--cap-add SYS_ADMIN"),
        line(E::Permission, "a capability in a child namespace", "mount -o bind s t").by(Who::InsideUserOnly)
            .at("clone mount", "s").errno(EPERM).hint("unshare --mount"),
        line(E::Permission, "a remount", "mount -o remount,size=64m x .").by(Who::Filtered).at("open the file system mounted on", ".").errno(EPERM)
            .hint("allow fspick"),
        line(E::Permission, "ext4", "mount -t ext4 -o ro DEVICE t").by(Who::Inside).at("set up ext4 on", "DEVICE").errno(EPERM)
            .hint("FUSE"),
        line(E::Permission, "proc", "mount -t proc proc t").by(Who::Inside).at("set up", "proc").errno(EPERM)
            .hint("unshare --pid"),
        line(E::Permission, "sysfs", "mount -t sysfs sysfs t").by(Who::Inside).at("open file system", "sysfs")
            .errno(EPERM).hint("unshare --net"),
        line(E::Permission, "a loop device", "mount -o loop image t").by(Who::Inside)
            .at("open loop control", "/dev/loop-control").errno(EACCES).hint("loop devices require root"),
        line(E::Permission, "a directory without search permission", "mount -o bind $PWD/s/sub/deep t").by(Who::Inside).after("chmod 700 s/sub")
            .at("clone mount", "s/sub/deep").errno(EACCES).hint("has no search permission on "),
        line(E::Locked, "a locked flag", "mount -o remount,bind,suid none m").by(Who::Inside).at("set mount attributes", "m")
            .errno(EPERM).hint("remove this option"),
        line(E::Locked, "a bind that clears a locked flag", "mount -o bind,suid m t").by(Who::Inside)
            .at("set mount attributes of", "m").errno(EPERM).hint("remove this option"),
        line(E::Locked, "a bind that clears a locked flag and others", "mount -o bind,suid,exec,symfollow m t").by(Who::Inside)
            .at("set mount attributes of", "m").errno(EPERM),
        line(E::Locked, "a recursive bind that clears a locked flag", "mount -o rbind,rrw,rsuid m t").by(Who::Inside)
            .at("set mount attributes of", "m").errno(EPERM),
        line(E::OptionValue, "a group that is not mapped here", "mount -t devpts -o newinstance,gid=5 devpts t").by(Who::Inside)
            .at("set option", "gid=5").errno(EINVAL).hint("mapped in this user namespace"),
        line(E::OptionValue, "a user that is not mapped here", "mount -t tmpfs -o uid=7 tmpfs t").by(Who::Inside)
            .at("set option", "uid=7").errno(EINVAL).hint("mapped in this user namespace"),
        line(E::Locked, "locked access-time options", "mount -o remount,bind,strictatime none m").by(Who::Inside)
            .at("set mount attributes", "m").errno(EPERM),
        line(E::Locked, "a bind that leaves out locked mounts", "mount -o bind tree t").by(Who::Inside).at("clone mount", "tree")
            .errno(EINVAL).hint("`rbind`"),
        line(E::Locked, "unmounting a mount of the parent namespace", "umount tree/sub").by(Who::Inside).at("unmount", "tree/sub").errno(EINVAL),
        line(E::TooManyMounts, "fs.mount-max", "mount -o rbind m t").after(
            "mount --make-private m; n=1; max=$(cat /proc/sys/fs/mount-max); i=0; \
             while [ $((n * 2)) -lt $max ]; do mkdir m/$i; mount --rbind m m/$i; i=$((i + 1)); n=$((n * 2)); done",
        ).at("attach", "t").errno(ENOSPC).hint("fs.mount-max"),
        line(E::TooManyNamespaces, "an id-mapped bind", "mount -o bind,uidmap=0:0:1 s t").by(Who::NoNamespaces)
            .at("create user namespace", "").errno(ENOSPC).hint("0 disables"),
        line(E::TooManyFiles, "an overlay of five layers", "mount -t overlay -o lowerdir=l1:l2:l3:s:tree x t").by(Who::FewFiles)
            .at("open layer 3", "l3").errno(EMFILE).hint("ulimit -n"),
        line(E::UnknownFilesystem, "a misspelt type", "mount -t tmfs x t").at("open file system", "tmfs").errno(ENODEV)
            .hint("did you mean tmpfs?"),
        line(E::UnknownFilesystem, "an unknown type", "mount -t nosuchfs x t").at("open file system", "nosuchfs").errno(ENODEV)
            .hint("has no module for it"),
        line(E::HelperMissing, "a FUSE type without its program", "mount -t fuse3.sshfs host:/ t").by(Who::NoPrograms)
            .at("find mount helper", "fuse3.sshfs").hint("install fuse3"),
        line(E::HelperFailed, "a program that fails", "mount -t fuse.fake x t").by(Who::NoPrograms).after(
            "printf '#!/bin/sh\\necho no such server >&2\\nexit 3\\n' > bin/mount.fuse; chmod 755 bin/mount.fuse",
        ).at("run mount helper", "bin/mount.fuse"),
        call(E::TimedOut, "a program that hangs", "Helper::mount", |dir| {
            use std::os::unix::fs::PermissionsExt;
            let program = dir.join("mount.fuse");
            fmountat_testing::write(&program, "#!/bin/sh\nsleep 60\n");
            std::fs::set_permissions(&program, PermissionsExt::from_mode(0o755)).unwrap();
            let helper = Helper::find_in("fuse.fake", &[dir.to_owned()], &[]).unwrap().unwrap();
            let target = Target::open(CWD, dir.join("t")).unwrap();
            assert!(HELPER_LIMIT > Duration::from_secs(1));
            helper.mount(CWD, "x", &target, &[], Duration::from_millis(200)).unwrap_err()
        }).at("run mount helper", "mount.fuse"),
        call(E::WrongTargetType, "a file on a new directory", "attach a file on a directory", |dir| {
            let target = Target::create(CWD, dir.join("new"), Create::directory(0o755)).unwrap();
            let tree = fmountat::Tree::clone_of(CWD, dir.join("f"), false).unwrap();
            tree.attach(&target).unwrap_err().into()
        }).at("attach", "new").errno(EINVAL),
    ]
}
