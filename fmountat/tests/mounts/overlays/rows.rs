// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The rows of the table: an overlay, and the expected outcome of mounting it.

use fmountat::ErrorKind;
use fmountat::overlay::Layer;
use fmountat::overlay::Overlay;
use fmountat_testing::{mkdirs, write};
use rustix::fs::{CWD, Mode, OFlags};
use rustix::mount::{UnmountFlags, unmount};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The expected outcome of a row.
pub(crate) enum Expect {
    /// The overlay mounts, and this file in it has the content `l1`.
    Mounts(&'static str),
    /// The overlay is refused, with this text in the error's argument.
    Refused(ErrorKind, &'static str),
}

/// One case. The overlay's paths are relative to the row's directory, which has `l1/who`, `l2`,
/// `u`, `w` and `t`.
pub(crate) struct Row {
    pub(crate) name: &'static str,
    pub(crate) make: fn(&Path) -> Overlay,
    pub(crate) expect: Expect,
    pub(crate) clean: fn(&Path),
}

fn nothing(_: &Path) {}

fn layers(dir: &Path, count: usize) -> Overlay {
    (1..=count).fold(Overlay::new(), |overlay, n| {
        let name = format!("layers/{n}");
        mkdirs(dir, &[&name]);
        write(dir.join(&name).join("who"), "l1");
        overlay.lower(name)
    })
}

fn writable() -> Overlay {
    Overlay::new().lower("l1").upper("u", "w")
}

/// Creates a directory with a path of `bytes` bytes below `dir`, in components of 200 bytes.
fn deep(dir: &Path, bytes: usize) -> PathBuf {
    let mut path = PathBuf::new();
    let mut at: std::os::fd::OwnedFd = std::fs::File::open(dir).unwrap().into();
    while path.as_os_str().len() < bytes {
        let separator = usize::from(!path.as_os_str().is_empty());
        let left = bytes - path.as_os_str().len() - separator;
        // No last component may be empty.
        let length = if left == 201 { 100 } else { left.min(200) };
        let name = "d".repeat(length);
        rustix::fs::mkdirat(&at, &name, Mode::RWXU).unwrap();
        at = rustix::fs::openat(&at, &name, OFlags::RDONLY | OFlags::DIRECTORY, Mode::empty()).unwrap();
        path.push(name);
    }
    assert_eq!(path.as_os_str().len(), bytes);
    path
}

/// Mounts the overlay on `t2`, so that the upper directory is in use.
fn in_use(dir: &Path) -> Overlay {
    mkdirs(dir, &["t2"]);
    fmountat::Mounter::detached().overlay(CWD, &writable(), dir.join("t2")).unwrap();
    writable()
}

fn unmount_t2(dir: &Path) {
    unmount(dir.join("t2"), UnmountFlags::empty()).unwrap();
}

fn tmpfs(dir: &Path) {
    mkdirs(dir, &["m"]);
    fmountat::fmountat(CWD, "tmpfs", dir.join("m"), "tmpfs", fmountat::MountFlags::empty(), "").unwrap();
    mkdirs(dir, &["m/w"]);
}

pub(crate) fn rows() -> Vec<Row> {
    use ErrorKind as E;
    use Expect::{Mounts, Refused};
    let row = |name, make, expect| Row { name, make, expect, clean: nothing };
    let after = |name, make, expect, clean| Row { name, make, expect, clean };
    vec![
        row("two layers", |_| Overlay::new().lower("l2").lower("l1"), Mounts("who")),
        row("one layer and an upper", |_| writable(), Mounts("who")),
        row("128 layers", |dir| layers(dir, 128), Mounts("who")),
        row("500 layers", |dir| layers(dir, 500), Mounts("who")),
        row("500 layers and an upper", |dir| layers(dir, 500).upper("u", "w"), Mounts("who")),
        row("the 501st layer", |dir| layers(dir, 501), Refused(E::TooManyLayers, "layers/501")),
        row(
            "a missing layer",
            |_| Overlay::new().lower("l1").lower("nope"),
            Refused(E::LayerMissing, "nope"),
        ),
        row(
            "a file as a layer",
            |dir| {
                write(dir.join("f"), "");
                Overlay::new().lower("l1").lower("f")
            },
            Refused(E::LayerNotDirectory, "f"),
        ),
        row("one layer, no upper", |_| Overlay::new().lower("l1"), Refused(E::OptionConflict, "")),
        row("no layer", |_| Overlay::new().upper("u", "w"), Refused(E::OptionConflict, "")),
        row(
            "a missing upper",
            |_| Overlay::new().lower("l1").upper("nope", "w"),
            Refused(E::LayerMissing, "nope"),
        ),
        row(
            "a missing work",
            |_| Overlay::new().lower("l1").upper("u", "nope"),
            Refused(E::LayerMissing, "nope"),
        ),
        after(
            "upper and work on two filesystems",
            |dir| {
                tmpfs(dir);
                Overlay::new().lower("l1").upper("u", "m/w")
            },
            Refused(E::UpperWork, "m/w"),
            |dir| unmount(dir.join("m"), UnmountFlags::empty()).unwrap(),
        ),
        row("work is upper", |_| Overlay::new().lower("l1").upper("u", "u"), Refused(E::UpperWork, "u")),
        row(
            "work inside upper",
            |dir| {
                mkdirs(dir, &["u/in"]);
                Overlay::new().lower("l1").upper("u", "u/in")
            },
            Refused(E::UpperWork, "u/in"),
        ),
        row(
            "upper inside work",
            |dir| {
                mkdirs(dir, &["w/work/#in"]);
                Overlay::new().lower("l1").upper("w/work/#in", "w")
            },
            Refused(E::UpperWork, "w/work/#in"),
        ),
        row(
            "upper is a layer",
            |_| Overlay::new().lower("u").upper("u", "w"),
            Refused(E::OptionConflict, "u"),
        ),
        after("the same upper and work in use", in_use, Refused(E::UpperInUse, "u"), unmount_t2),
        after(
            "the upper in use, another work",
            |dir| {
                in_use(dir);
                mkdirs(dir, &["w2"]);
                Overlay::new().lower("l1").upper("u", "w2")
            },
            Refused(E::UpperInUse, "u"),
            unmount_t2,
        ),
        after(
            "the work in use, another upper",
            |dir| {
                in_use(dir);
                mkdirs(dir, &["u2"]);
                Overlay::new().lower("l1").upper("u2", "w")
            },
            Refused(E::UpperInUse, "w"),
            unmount_t2,
        ),
        after(
            "the upper in use, index=off",
            |dir| in_use(dir).option("index", "off"),
            Refused(E::UpperInUse, "u"),
            unmount_t2,
        ),
        after(
            "the upper in use, index=on",
            |dir| {
                in_use(dir);
                mkdirs(dir, &["w2"]);
                Overlay::new().lower("l1").upper("u", "w2").option("index", "on")
            },
            Refused(E::UpperInUse, "u"),
            unmount_t2,
        ),
        row(
            "a work directory with a file of mine",
            |dir| {
                write(dir.join("w/notes"), "mine, and the kernel leaves it alone");
                writable()
            },
            Mounts("who"),
        ),
        row(
            "a work/work that is not overlay's",
            |dir| {
                write(dir.join("w/work/deep/notes"), "mine");
                writable()
            },
            Refused(E::WorkUnusable, "w/work/deep"),
        ),
        row("an unknown option", |_| writable().option("indx", "on"), Refused(E::UnknownOption, "indx=on")),
        row("an unknown flag", |_| writable().flag("nosuchflag"), Refused(E::UnknownOption, "nosuchflag")),
        row("a bad value", |_| writable().option("index", "maybe"), Refused(E::OptionValue, "index=maybe")),
        row(
            "two words that exclude each other",
            |_| writable().option("nfs_export", "on").option("index", "off"),
            Refused(E::OptionConflict, ""),
        ),
        row(
            "metacopy without redirect_dir",
            |_| writable().option("metacopy", "on").option("redirect_dir", "off"),
            Refused(E::OptionConflict, ""),
        ),
        row("a layer twice", |_| writable().lower("l1"), Refused(E::OptionConflict, "l1")),
        row(
            "a layer in a layer",
            |dir| {
                std::fs::create_dir_all(dir.join("l1/in")).unwrap();
                Overlay::new().lower("l1").lower("l1/in")
            },
            Refused(E::OptionConflict, "l1/in"),
        ),
        row("a layer on a proc file system", |_| writable().lower("/proc"), Refused(E::TooDeep, "/proc")),
        row(
            "a value of 256 bytes",
            |_| writable().option("index", "o".repeat(256)),
            Refused(E::TooLong, "index"),
        ),
        row(
            "a NUL byte in a layer",
            |_| Overlay::new().lower("l1").lower("a\0b"),
            Refused(E::NulByte, r"a\x00b"),
        ),
        row(
            "a component of 255 bytes",
            |dir| {
                let n = "n".repeat(255);
                mkdirs(dir, &[&n]);
                Overlay::new().lower("l1").lower(n)
            },
            Mounts("who"),
        ),
        row(
            "a component of 256 bytes",
            |_| Overlay::new().lower("l1").lower("n".repeat(256)),
            Refused(E::TooLong, "[256 bytes]"),
        ),
        row("a path of 4,095 bytes", |dir| Overlay::new().lower("l1").lower(deep(dir, 4095)), Mounts("who")),
        row(
            "a path of 4,096 bytes",
            |_| Overlay::new().lower("l1").lower(["d"; 2047].join("/") + "/dd"),
            Refused(E::TooLong, "[4096 bytes]"),
        ),
        row(
            "a file as a layer, by descriptor",
            |dir| {
                write(dir.join("f"), "");
                let fd = std::fs::File::open(dir.join("f")).unwrap();
                Overlay::new().lower("l1").lower_fd(fd)
            },
            Refused(E::LayerNotDirectory, ""),
        ),
    ]
}

/// Adds a layer by descriptor, as a method for the table.
trait LowerFd {
    fn lower_fd(self, fd: std::fs::File) -> Self;
}

impl LowerFd for Overlay {
    fn lower_fd(self, fd: std::fs::File) -> Self {
        self.lower(Layer::Fd(Arc::new(fd.into())))
    }
}
