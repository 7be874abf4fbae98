// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The situations of overlays, images and devices. Each is provoked for real.

use super::row::{Row, Who, line};
use fmountat::ErrorKind as E;
use libc::{EACCES, EBUSY, EINVAL, ELOOP, ENOENT, ENOTDIR, ESTALE};

pub(crate) fn overlays() -> Vec<Row> {
    vec![
        line(E::LayerMissing, "a missing lower layer", "mount -t overlay -o lowerdir=l1:nope:l2 x t")
            .at("open layer 2", "nope").errno(ENOENT),
        line(E::LayerMissing, "a missing upperdir", "mount -t overlay -o lowerdir=l1,upperdir=nope,workdir=w x t")
            .at("open upperdir", "nope").errno(ENOENT),
        line(E::LayerNotDirectory, "a file as a layer", "mount -t overlay -o lowerdir=l1:f x t").at("open layer 2", "f").errno(ENOTDIR),
        line(E::TooManyLayers, "the 501st layer", "mount -t overlay -o lowerdir=$(printf ':l1%.0s' $(seq 501) | cut -c2-) x t")
            .at("add layer 501", "l1"),
        line(E::TooDeep, "an overlay of overlays of overlays", "mount -t overlay -o lowerdir=b:l2 x t").after(
            "mount -t overlay -o lowerdir=$PWD/l1:$PWD/l2 x s; mount -t overlay -o lowerdir=$PWD/s:$PWD/l3 x b",
        ).at("check layer 1", "b").errno(EINVAL).hint("the inner overlay's own layers"),
        line(E::UpperWork, "workdir on another mount", "mount -t overlay -o lowerdir=l1,upperdir=u,workdir=tree x t")
            .at("check workdir", "tree").errno(EINVAL),
        line(E::UpperWork, "workdir is upperdir", "mount -t overlay -o lowerdir=l1,upperdir=u,workdir=u x t")
            .at("check workdir", "u").errno(EINVAL),
        line(E::UpperWork, "workdir inside upperdir", "mount -t overlay -o lowerdir=l1,upperdir=u,workdir=u/w x t").after("mkdir u/w")
            .at("check workdir", "u/w").errno(EINVAL),
        line(E::UpperInUse, "an upperdir in use", "mount -t overlay -o lowerdir=l2,upperdir=u,workdir=w x t")
            .after("mount -t overlay -o lowerdir=$PWD/l1,upperdir=$PWD/u,workdir=$PWD/w x s")
            .at("check upperdir", "u").errno(EBUSY).hint("unmount that overlay first"),
        line(E::UpperUnusable, "a read-only upperdir", "mount -t overlay -o lowerdir=l1,upperdir=tree/u,workdir=tree/w x t")
            .after("mkdir tree/u tree/w; mount -o remount,ro tree").at("set upperdir", "tree/u").errno(EINVAL).hint("a writable file system"),
        line(E::UpperUnusable, "an upperdir on an overlay", "mount -t overlay -o lowerdir=l3,upperdir=s/u,workdir=s/w x t")
            .after("mount -t overlay -o lowerdir=$PWD/l1,upperdir=$PWD/u,workdir=$PWD/w x s; mkdir s/u s/w")
            .at("set upperdir", "s/u").errno(EINVAL).hint("d_type"),
        line(E::UpperMismatch, "an upperdir of other layers", "mount -t overlay -o lowerdir=l2,upperdir=u,workdir=w,index=on x t")
            .after("mount -t overlay -o lowerdir=$PWD/l1,upperdir=$PWD/u,workdir=$PWD/w,index=on x s; umount s")
            .at("check upperdir", "u").errno(ESTALE).hint("index=off"),
        line(E::WorkUnusable, "a workdir with files in it", "mount -t overlay -o lowerdir=l1,upperdir=u,workdir=w x t")
            .after("mkdir -p w/work/mine").at("check workdir", "w/work/mine").hint("an empty directory"),
        line(E::WorkUnusable, "a workdir of a volatile overlay", "mount -t overlay -o lowerdir=l1,upperdir=u,workdir=w x t")
            .after("mount -t overlay -o lowerdir=$PWD/l1,upperdir=$PWD/u,workdir=$PWD/w,volatile x s; umount s")
            .at("check workdir", "w").errno(EINVAL).hint("delete upperdir and workdir"),
        line(E::WorkUnusable, "a workdir of an unmapped user", "mount -t overlay -o lowerdir=l1,upperdir=u,workdir=w x t")
            .by(Who::Inside).at("check workdir", "w").hint("owned by mapped ids"),
        line(E::OptionConflict, "one layer without upperdir", "mount -t overlay -o lowerdir=l1 x t").at("parse overlay options", "")
            .hint("bind the directory read-only"),
        line(E::OptionConflict, "a misspelt lowerdir", "mount -t overlay -o lowedir=l1:l2 x t").at("parse overlay options", "")
            .hint("did you mean lowerdir?"),
        line(E::OptionConflict, "a layer that is upperdir", "mount -t overlay -o lowerdir=u,upperdir=u,workdir=w x t")
            .at("check layers", "u").errno(ELOOP),
        line(E::OptionConflict, "conflicting options", "mount -t overlay -o lowerdir=l1:l2,userxattr,metacopy=on x t")
            .at("set option", "metacopy=on").errno(EINVAL),
        line(E::OptionConflict, "an option that conflicts with userxattr", "mount -t overlay -o lowerdir=l1,upperdir=u,workdir=w,redirect_dir=on x t")
            .by(Who::Inside).after("chown 1000:1000 u w").at("set option", "redirect_dir=on").errno(EINVAL).hint("remove this option"),
        line(E::Locked, "a layer with mounts below", "mount -t overlay -o lowerdir=tree:l1 x t")
            .by(Who::Inside).at("check layer 1", "tree").errno(EINVAL).hint("without mounts below"),
        line(E::UnknownOption, "a misspelt overlay option", "mount -t overlay -o lowerdir=l1:l2,indx=on x t")
            .at("set option", "indx=on").errno(EINVAL).hint("did you mean index?"),
    ]
}

pub(crate) fn images() -> Vec<Row> {
    vec![
        line(E::UnknownFilesystem, "an unknown image", "mount f t")
            .at("detect the file system type of", "f")
            .hint("-t"),
        line(E::WrongFilesystem, "the wrong type", "mount -t squashfs -o loop image t")
            .at("set up squashfs on", "image")
            .errno(EINVAL)
            .hint("mount it with -t ext4"),
        line(E::Damaged, "a truncated image", "mount -t ext4 -o loop image t")
            .after("truncate -s 1M image")
            .at("set up ext4 on", "image")
            .errno(EINVAL)
            .hint("fsck.ext4"),
        line(E::NotADevice, "a directory as the device", "mount -t ext4 s t")
            .at("open device", "s")
            .hint("bind"),
        line(E::NotFound, "a missing image", "mount -o loop missing t")
            .at("open device", "missing")
            .errno(ENOENT),
        line(E::ReadOnlyDevice, "a read-only device", "mount -t ext4 -o rw READONLY t")
            .at("set up ext4 on", "DEVICE")
            .errno(EACCES)
            .hint("blockdev --setrw"),
        line(E::DeviceInUse, "a device mounted as another type", "mount -t xfs DEVICE t")
            .after("mount DEVICE s")
            .at("set up xfs on", "DEVICE")
            .errno(EBUSY)
            .hint("-t ext4"),
        line(E::DeviceInUse, "an image mounted writable", "mount -o loop,ro image t")
            .after("mount -o loop image s")
            .at("set up ext4 on", "image")
            .errno(EBUSY)
            .hint("bind"),
        line(E::DeviceInUse, "a part of a mounted image", "mount -t ext4 -o loop,offset=1M image t")
            .after("mount -o loop image s")
            .at("set up loop device", "image")
            .hint("unmount"),
        line(E::NotADevice, "a character device", "mount -t ext4 -o loop /dev/null t")
            .at("open device", "/dev/null"),
    ]
}
