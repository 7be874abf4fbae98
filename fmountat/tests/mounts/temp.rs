// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Temporary mounts: private, gone afterwards, and nothing deleted that was not theirs.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use fmountat::temp::{TempError, TempMount, TempRoot};
use fmountat::{Error, ErrorKind, Mount, Mounter, Unmount};
use fmountat_testing::{mkdirs, mounts_below, read, scratch, write};
use rustix::fs::CWD;
use std::fs::File;
use std::path::PathBuf;

fn file(path: &str) -> PathBuf {
    scratch().join(path)
}

fn overlay(words: &str) -> Mount {
    let path = |name: &str| file(name).display().to_string();
    Mount::new("overlay", "overlay").option(format!(
        "lowerdir={},upperdir={},workdir={}{words}",
        path("l"),
        path("u"),
        path("w")
    ))
}

fn layers() {
    mkdirs(scratch(), &["u", "w", "visible"]);
    write(file("l/a"), "lower");
}

/// Returns the whole mount table as text.
fn table() -> String {
    read("/proc/self/mountinfo")
}

fn with<T>(
    temp: &TempMount,
    mounts: &[Mount],
    work: impl FnOnce(&TempRoot<'_>) -> Result<T, String>,
) -> Result<T, TempError<String>> {
    temp.with(&Mounter::detached(), CWD, mounts, work)
}

fn directories_left() -> usize {
    std::fs::read_dir(file("visible")).unwrap().count()
}

fmountat_testing::cases! {
    /// Gives access to the root by descriptor and by path, writes to the upper, and adds no line to
    /// any mount table.
    fn a_temp_mount_is_private() needs [] {
        layers();
        let (before, mounts) = (table(), [overlay(",volatile")]);
        let given = mounts.clone();
        for round in 0..2 {
            let text = with(&TempMount::new(), &mounts, |root| {
                assert_eq!(table(), before);
                std::fs::write(root.path().join("b"), format!("{round}")).unwrap();
                let by_fd = rustix::fs::openat(root, "a", rustix::fs::OFlags::RDONLY, rustix::fs::Mode::empty()).unwrap();
                Ok(std::io::read_to_string(File::from(by_fd)).unwrap())
            });
            // The second time would fail with the mark that `volatile` leaves.
            assert_eq!((text.unwrap().as_str(), read(file("u/b"))), ("lower", round.to_string()));
        }
        assert_eq!((table(), &mounts), (before, &given));
    }

    /// A read-only view: the upper is the first layer, writing is impossible, and the work
    /// directory is not needed.
    fn a_read_only_view() needs [] {
        layers();
        write(file("u/b"), "upper");
        let view = TempMount::new().read_only(true);
        with(&view, &[overlay("")], |root| {
            assert_eq!((read(root.path().join("a")), read(root.path().join("b"))), ("lower".into(), "upper".into()));
            let error = std::fs::write(root.path().join("c"), "").unwrap_err();
            assert_eq!(error.raw_os_error(), Some(libc::EROFS));
            Ok(())
        }).unwrap();
        assert_eq!(std::fs::read_dir(file("w")).unwrap().count(), 0);
        let bind = Mount::new("bind", file("l")).option("rbind");
        with(&view, &[bind], |root| {
            assert!(std::fs::write(root.path().join("c"), "").is_err());
            Ok(())
        }).unwrap();
    }

    /// Other processes see a visible one at its path. It is unmounted before its directory is
    /// removed.
    fn a_visible_one_goes_with_its_directory() needs [] {
        layers();
        let visible = TempMount::new().visible_in(file("visible"));
        let before = table();
        let path = with(&visible, &[overlay("")], |root| {
            assert_eq!(mounts_below(root.path()).len(), 1);
            let seen = std::process::Command::new("cat").arg(root.path().join("a")).output().unwrap();
            assert_eq!(seen.stdout, b"lower");
            Ok(root.path().to_owned())
        }).unwrap();
        assert!(!path.exists());
        assert_eq!((table(), directories_left()), (before, 0));
    }

    /// Reports the errors of both the callback and the cleanup; a panic leaves nothing.
    fn errors_of_work_and_clean_up() needs [] {
        layers();
        let visible = TempMount::new().visible_in(file("visible"));
        let error = with(&visible, &[overlay("")], |_| Err::<(), _>("mine".to_owned())).unwrap_err();
        assert!(matches!(&error, TempError::Work(text) if text == "mine"), "{error}");
        let error = with(&visible, &[overlay("")], |root| {
            Unmount::new().run(root.path()).map_err(|e| e[0].to_string()).ok();
            // A file in the directory itself is none of ours to delete.
            Unmount::new().lazy(true).run(root.path()).unwrap();
            std::fs::write(root.path().join("precious"), "").unwrap();
            Err::<(), _>("mine".to_owned())
        }).unwrap_err();
        match &error {
            TempError::Both(text, errors) => {
                assert_eq!((text.as_str(), errors[0].step().as_str()), ("mine", "remove directory"), "{error}");
            }
            other => panic!("{other:?}"),
        }
        assert!(error.to_string().starts_with("mine\nremove directory "), "{error}");
        assert_eq!(directories_left(), 1);
        let panicked = std::panic::catch_unwind(|| {
            with(&visible, &[overlay("")], |_| -> Result<(), String> { panic!("on purpose") })
        });
        assert!(panicked.is_err());
        assert_eq!((directories_left(), mounts_below(file("visible"))), (1, Vec::new()));
        let no_root = with(&TempMount::new(), &[overlay("").at("a")], |_| Ok(())).unwrap_err();
        assert!(matches!(&no_root, TempError::Mount(e) if e.kind() == ErrorKind::Spec), "{no_root}");
    }

    /// With a file still open in it, no data is lost, nothing is deleted, and the error names the
    /// process that holds it.
    fn an_open_file_in_a_temp_mount() needs [] {
        layers();
        let path = |root: &TempRoot<'_>| root.path().join("a");
        let held = with(&TempMount::new(), &[overlay("")], |root| Ok(File::open(path(root)).unwrap())).unwrap();
        assert_eq!(std::io::read_to_string(held).unwrap(), "lower");
        let mut held = None;
        let error = with(&TempMount::new().visible_in(file("visible")), &[overlay("")], |root| {
            held = Some(File::open(path(root)).unwrap());
            Ok(root.path().to_owned())
        }).unwrap_err();
        let errors: &[Error] = match &error {
            TempError::CleanUp(errors) => errors,
            other => panic!("{other:?}"),
        };
        assert_eq!(errors[0].kind(), ErrorKind::Busy, "{error}");
        assert_eq!(mounts_below(file("visible")).len(), 1);
        assert_eq!(std::io::read_to_string(held.take().unwrap()).unwrap(), "lower");
        assert_eq!((read(file("l/a")), directories_left()), ("lower".into(), 1));
    }
}
