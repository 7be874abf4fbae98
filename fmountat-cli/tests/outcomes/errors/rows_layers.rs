// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The situations of overlays, images and devices. Each is provoked for real.

use super::row::{Row, Who, line};
use fmountat::ErrorKind as E;
use libc::{EACCES, EBUSY, EINVAL, ELOOP, ENOENT, ENOTDIR, ESTALE};

pub(crate) fn overlays() -> Vec<Row> {
    vec![
        line(E::LayerMissing, "a lower layer that is not there", "mount -t overlay -o lowerdir=l1:nope:l2 x t")
            .at("open layer 2", "nope").errno(ENOENT),
        line(E::LayerMissing, "an upper that is not there", "mount -t overlay -o lowerdir=l1,upperdir=nope,workdir=w x t")
            .at("open upperdir", "nope").errno(ENOENT),
        line(E::LayerNotDirectory, "a file as a layer", "mount -t overlay -o lowerdir=l1:f x t").at("open layer 2", "f").errno(ENOTDIR),
        line(E::TooManyLayers, "the 501st layer", "mount -t overlay -o lowerdir=$(printf ':l1%.0s' $(seq 501) | cut -c2-) x t")
            .at("count layer 501", "l1"),
        line(E::TooDeep, "an overlay of overlays of overlays", "mount -t overlay -o lowerdir=b:l2 x t").after(
            "mount -t overlay -o lowerdir=$PWD/l1:$PWD/l2 x s; mount -t overlay -o lowerdir=$PWD/s:$PWD/l3 x b",
        ).at("check layer 1", "b").errno(EINVAL).hint("the inner overlay's own layers"),
        line(E::UpperWork, "workdir on another mount", "mount -t overlay -o lowerdir=l1,upperdir=u,workdir=tree x t")
            .at("check workdir", "tree").errno(EINVAL),
        line(E::UpperWork, "workdir is upperdir", "mount -t overlay -o lowerdir=l1,upperdir=u,workdir=u x t")
            .at("check workdir", "u").errno(EINVAL),
        line(E::UpperWork, "workdir inside upperdir", "mount -t overlay -o lowerdir=l1,upperdir=u,workdir=u/w x t").after("mkdir u/w")
            .at("check workdir", "u/w").errno(EINVAL),
        line(E::UpperInUse, "an upper that is in use", "mount -t overlay -o lowerdir=l2,upperdir=u,workdir=w x t")
            .after("mount -t overlay -o lowerdir=$PWD/l1,upperdir=$PWD/u,workdir=$PWD/w x s")
            .at("check upperdir", "u").errno(EBUSY).hint("unmount that overlay first"),
        line(E::UpperUnusable, "an upper that is read-only", "mount -t overlay -o lowerdir=l1,upperdir=tree/u,workdir=tree/w x t")
            .after("mkdir tree/u tree/w; mount -o remount,ro tree").at("set upperdir", "tree/u").errno(EINVAL).hint("a writable file system"),
        line(E::UpperUnusable, "an upper on an overlay", "mount -t overlay -o lowerdir=l3,upperdir=s/u,workdir=s/w x t")
            .after("mount -t overlay -o lowerdir=$PWD/l1,upperdir=$PWD/u,workdir=$PWD/w x s; mkdir s/u s/w")
            .at("set upperdir", "s/u").errno(EINVAL).hint("d_type"),
        line(E::UpperMismatch, "an upper of other layers", "mount -t overlay -o lowerdir=l2,upperdir=u,workdir=w,index=on x t")
            .after("mount -t overlay -o lowerdir=$PWD/l1,upperdir=$PWD/u,workdir=$PWD/w,index=on x s; umount s")
            .at("check upperdir", "u").errno(ESTALE).hint("index=off"),
        line(E::WorkUnusable, "a workdir with files in it", "mount -t overlay -o lowerdir=l1,upperdir=u,workdir=w x t")
            .after("mkdir -p w/work/mine").at("check workdir", "w/work/mine").hint("an empty directory"),
        line(E::WorkUnusable, "a workdir of a volatile overlay", "mount -t overlay -o lowerdir=l1,upperdir=u,workdir=w x t")
            .after("mount -t overlay -o lowerdir=$PWD/l1,upperdir=$PWD/u,workdir=$PWD/w,volatile x s; umount s")
            .at("check workdir", "w").errno(EINVAL).hint("throw upperdir and workdir away"),
        line(E::WorkUnusable, "a workdir of somebody who is not mapped", "mount -t overlay -o lowerdir=l1,upperdir=u,workdir=w x t")
            .by(Who::Inside).at("check workdir", "w").hint("ids that are mapped here"),
        line(E::OptionConflict, "one layer and no upper", "mount -t overlay -o lowerdir=l1 x t").at("read overlay options", "")
            .hint("bind that directory with `ro`"),
        line(E::OptionConflict, "a misspelt lowerdir", "mount -t overlay -o lowedir=l1:l2 x t").at("read overlay options", "")
            .hint("did you mean lowerdir?"),
        line(E::OptionConflict, "upperdir is a layer too", "mount -t overlay -o lowerdir=u,upperdir=u,workdir=w x t")
            .at("check layers", "u").errno(ELOOP),
        line(E::OptionConflict, "words that exclude each other", "mount -t overlay -o lowerdir=l1:l2,userxattr,metacopy=on x t")
            .at("set option", "metacopy=on").errno(EINVAL),
        line(E::OptionConflict, "a word that userxattr excludes, in a user namespace", "mount -t overlay -o lowerdir=l1,upperdir=u,workdir=w,redirect_dir=on x t")
            .by(Who::Inside).after("chown 1000:1000 u w").at("set option", "redirect_dir=on").errno(EINVAL).hint("leave it out"),
        line(E::Locked, "a layer with mounts below, in a user namespace", "mount -t overlay -o lowerdir=tree:l1 x t")
            .by(Who::Inside).at("check layer 1", "tree").errno(EINVAL).hint("no mounts below"),
        line(E::UnknownOption, "a misspelt word of overlay", "mount -t overlay -o lowerdir=l1:l2,indx=on x t")
            .at("set option", "indx=on").errno(EINVAL).hint("did you mean index?"),
    ]
}

pub(crate) fn images() -> Vec<Row> {
    vec![
        line(E::UnknownFilesystem, "an image of nothing known", "mount f t")
            .at("find the file system's type", "f")
            .hint("-t"),
        line(E::WrongFilesystem, "another type than the image's", "mount -t squashfs -o loop image t")
            .at("create squashfs on", "image")
            .errno(EINVAL)
            .hint("mount it with -t ext4"),
        line(E::Damaged, "an image that was cut short", "mount -t ext4 -o loop image t")
            .after("truncate -s 1M image")
            .at("create ext4 on", "image")
            .errno(EINVAL)
            .hint("fsck.ext4"),
        line(E::NotADevice, "a directory in place of a device", "mount -t ext4 s t")
            .at("open device", "s")
            .hint("bind"),
        line(E::NotFound, "an image that is not there", "mount -o loop missing t")
            .at("open device", "missing")
            .errno(ENOENT),
        line(E::ReadOnlyDevice, "a device that is read-only", "mount -t ext4 -o rw READONLY t")
            .at("create ext4 on", "DEVICE")
            .errno(EACCES)
            .hint("blockdev --setrw"),
        line(E::DeviceInUse, "a device that is mounted as something else", "mount -t xfs DEVICE t")
            .after("mount DEVICE s")
            .at("create xfs on", "DEVICE")
            .errno(EBUSY)
            .hint("as ext4 too"),
        line(E::DeviceInUse, "an image that is mounted writable", "mount -o loop,ro image t")
            .after("mount -o loop image s")
            .at("create ext4 on", "image")
            .errno(EBUSY)
            .hint("bind"),
        line(E::DeviceInUse, "a part of an image that is mounted", "mount -t ext4 -o loop,offset=1M image t")
            .after("mount -o loop image s")
            .at("set up loop device", "image")
            .hint("unmount"),
        line(E::NotADevice, "a character device", "mount -t ext4 -o loop /dev/null t")
            .at("open device", "/dev/null"),
    ]
}
