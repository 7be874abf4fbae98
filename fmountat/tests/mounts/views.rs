// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Overlays that are created in the private mount namespace, because many mounts are on the layers'
//! file system.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use crate::overlays::{file, on_tmpfs};
use fmountat::overlay::Overlay;
use fmountat::{ErrorKind, MountAttr, Mounter, Target};
use fmountat_testing::{events_of, mkdirs, read, scratch, write};
use rustix::fs::CWD;
use rustix::mount::{UnmountFlags, unmount};
use std::path::PathBuf;

/// Attaches so many mounts to the layers' file system that overlays are created in the private
/// namespace.
pub(crate) fn add_child_mounts() {
    for n in 0..1100 {
        let place = format!("more/{n}");
        mkdirs(scratch(), &[&place]);
        fmountat::fmountat(CWD, "tmpfs", file(&place), "tmpfs", fmountat::MountFlags::empty(), "size=4k")
            .unwrap();
    }
}

/// Returns a handle that has made its private namespace: by an overlay of more layers than that
/// costs.
fn mounter_with_namespace() -> Mounter {
    let names: Vec<String> = (0..200).map(|n| format!("first/{n}")).collect();
    mkdirs(scratch(), &names.iter().map(String::as_str).collect::<Vec<_>>());
    let overlay = names.iter().fold(Overlay::new(), |overlay, name| overlay.lower(file(name)));
    let mounter = Mounter::new().unwrap();
    drop(mounter.overlay_tree(CWD, &overlay, &MountAttr::default()).unwrap());
    mounter
}

/// Fails unless `mount` creates one overlay in the private namespace.
fn in_the_namespace(mount: impl FnOnce()) {
    let ((), events) = events_of(&["strategy operation=\"create an overlay\""], mount);
    assert_eq!(
        events,
        ["strategy operation=\"create an overlay\" strategy=\"in the private mount namespace\""]
    );
}

fmountat_testing::cases! {
    /// A view follows what happens below its directory: new layers, removed and renamed ones.
    fn a_view_is_never_stale() needs [Kernel(6, 8)] {
        on_tmpfs();
        add_child_mounts();
        mkdirs(scratch(), &["s/1", "s/2", "t"]);
        let mounter = mounter_with_namespace();
        for round in 0..3 {
            let name = format!("s/new{round}");
            mkdirs(scratch(), &[&name]);
            write(file(&name).join("who"), round.to_string());
            let overlay = Overlay::new().lower(file(&name)).lower(file("s/1"));
            in_the_namespace(|| mounter.overlay(CWD, &overlay, file("t")).unwrap());
            assert_eq!(read(file("t/who")), round.to_string());
            unmount(file("t"), UnmountFlags::empty()).unwrap();
            std::fs::rename(file("s"), file("old")).unwrap();
            let error = mounter.overlay(CWD, &overlay, file("t")).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::LayerMissing);
            std::fs::rename(file("old"), file("s")).unwrap();
        }
    }

    /// With many child mounts an overlay is created in the private namespace: links inside the
    /// layers and writes work.
    fn an_overlay_of_views_is_like_any_other() needs [Kernel(6, 8)] {
        on_tmpfs();
        add_child_mounts();
        mkdirs(scratch(), &["s/1/fs/dir", "s/2/fs", "s/3/fs", "s/3/work", "s/t"]);
        write(file("s/1/fs/dir/who"), "one");
        std::os::unix::fs::symlink("dir/who", file("s/1/fs/link")).unwrap();
        let dir = std::fs::File::open(file("s")).unwrap();
        let mounter = mounter_with_namespace();
        let overlay = Overlay::new().lower("2/fs").lower("1/fs").upper("3/fs", "3/work");
        for target in [PathBuf::from("t"), file("s/t")] {
            in_the_namespace(|| mounter.overlay(&dir, &overlay, target).unwrap());
            assert_eq!(read(file("s/t/link")), "one");
            write(file("s/t/link"), "two");
            assert_eq!(read(file("s/3/fs/dir/who")), "two");
            write(file("s/t/link"), "one");
            unmount(file("s/t"), UnmountFlags::empty()).unwrap();
        }
    }

    /// A view has the current attributes of its directory's mount, not those of an earlier time.
    fn a_view_is_as_read_only_as_the_host() needs [Kernel(6, 8)] {
        mkdirs(scratch(), &["s", "t"]);
        fmountat::fmountat(CWD, "tmpfs", file("s"), "tmpfs", fmountat::MountFlags::empty(), "").unwrap();
        mkdirs(file("s"), &["l", "u", "w"]);
        for n in 0..1100 {
            mkdirs(file("s"), &[&format!("more/{n}")]);
            fmountat::fmountat(CWD, "tmpfs", file(&format!("s/more/{n}")), "tmpfs", fmountat::MountFlags::empty(), "").unwrap();
        }
        let mounter = mounter_with_namespace();
        let overlay = Overlay::new().lower(file("s/l")).upper(file("s/u"), file("s/w"));
        in_the_namespace(|| drop(mounter.overlay_tree(CWD, &overlay, &MountAttr::default()).unwrap()));
        let read_only = fmountat::options::Options::parse(["remount,bind,ro"]).unwrap();
        fmountat::remount(&Target::open(CWD, file("s")).unwrap(), &read_only).unwrap();
        assert!(mounter.overlay_tree(CWD, &overlay, &MountAttr::default()).is_err());
    }
}
