// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Checks that `explain` predicts the result and the error text of `apply` for overlays.

use fmountat::kernel::Features;
use fmountat::{ErrorKind, Mount, Mounter, Plan, Target};
use fmountat_testing::{in_own_namespace, is_real_root, kernel_release, mkdirs, scratch, write};
use rustix::fs::CWD;
use std::time::{Duration, Instant};

/// The options of an overlay, and the expected error.
struct Case {
    options: String,
    refused: Option<ErrorKind>,
}

fn good(options: &str) -> Case {
    Case { options: options.into(), refused: None }
}

fn refused(kind: ErrorKind, options: &str) -> Case {
    Case { options: options.into(), refused: Some(kind) }
}

/// Creates the layers in the scratch directory, and changes to it so that names are short.
fn make_layers() {
    fmountat::fmountat(CWD, "tmpfs", scratch(), "tmpfs", fmountat::MountFlags::empty(), "mode=755").unwrap();
    let dirs = [
        "l1/inside/deep",
        "l2",
        "u/w",
        "w/u",
        "u2",
        "w2",
        "m",
        "t",
        "busy",
        "deep1",
        "deep2",
        "foreign/work/mine",
        "volatile/work/incompat/volatile",
        "ro",
        "layers",
    ];
    mkdirs(scratch(), &dirs);
    std::env::set_current_dir(scratch()).unwrap();
    write("file", "");
    for n in 0..501 {
        std::fs::create_dir(format!("layers/{n}")).unwrap();
    }
    fmountat::fmountat(CWD, "tmpfs", "m", "tmpfs", fmountat::MountFlags::empty(), "").unwrap();
    mkdirs(scratch().join("m"), &["w"]);
    fmountat::fmountat(CWD, "tmpfs", "ro", "tmpfs", fmountat::MountFlags::empty(), "").unwrap();
    mkdirs(scratch().join("ro"), &["u", "w"]);
    let read_only = fmountat::options::Options::parse(["remount,bind,ro"]).unwrap();
    fmountat::remount(&Target::open(CWD, "ro").unwrap(), &read_only).unwrap();
    let overlay = |target: &str, options: &str| {
        let more = if is_real_root() { "" } else { ",userxattr" };
        fmountat::fmountat(
            CWD,
            "overlay",
            target,
            "overlay",
            fmountat::MountFlags::empty(),
            format!("{options}{more}"),
        )
        .unwrap();
    };
    overlay("busy", "lowerdir=l1,upperdir=u2,workdir=w2");
    // The mount table shows layer paths as given, and `explain` opens them: they must be absolute.
    let here = scratch().display().to_string();
    overlay("deep1", &format!("lowerdir={here}/l1:{here}/l2"));
    overlay("deep2", &format!("lowerdir={here}/deep1:{here}/l2"));
}

fn cases() -> Vec<Case> {
    use ErrorKind as E;
    let layers = |count: usize| (0..count).map(|n| format!("layers/{n}")).collect::<Vec<_>>().join(":");
    let mut cases = vec![
        good("lowerdir=l1:l2"),
        good("lowerdir=l1,upperdir=u,workdir=w"),
        good("ro,lowerdir=l1,upperdir=u,workdir=w"),
        good("lowerdir=l1,upperdir=u,workdir=w,volatile"),
        good("lowerdir=l1:l2,userxattr"),
        good("lowerdir=l1:l2,xino=off,index=off"),
        good("lowerdir=deep1:l2"),
        good(&format!("lowerdir={}", layers(500))),
        refused(E::TooManyLayers, &format!("lowerdir={}", layers(501))),
        refused(E::OptionConflict, "lowerdir=l1"),
        refused(E::OptionConflict, "upperdir=u,workdir=w"),
        refused(E::OptionConflict, "lowerdir=l1:l2,upperdir=u"),
        refused(E::LayerMissing, "lowerdir=l1:nope"),
        refused(E::LayerMissing, "lowerdir=l1,upperdir=nope,workdir=w"),
        refused(E::LayerMissing, "lowerdir=l1,upperdir=u,workdir=nope"),
        refused(E::LayerNotDirectory, "lowerdir=l1:file"),
        refused(E::UpperWork, "lowerdir=l1,upperdir=u,workdir=u"),
        refused(E::UpperWork, "lowerdir=l1,upperdir=u,workdir=u/w"),
        refused(E::UpperWork, "lowerdir=l1,upperdir=w/u,workdir=w"),
        refused(E::UpperWork, "lowerdir=l1,upperdir=u,workdir=m/w"),
        refused(E::UpperUnusable, "lowerdir=l1,upperdir=ro/u,workdir=ro/w"),
        refused(E::UpperInUse, "lowerdir=l1,upperdir=u2,workdir=w"),
        refused(E::UpperInUse, "lowerdir=l1,upperdir=u,workdir=w2"),
        refused(E::UpperInUse, "lowerdir=l1,upperdir=u2,workdir=w,unknown=1"),
        refused(E::WorkUnusable, "lowerdir=l1,upperdir=u,workdir=foreign"),
        refused(E::WorkUnusable, "lowerdir=l1,upperdir=u,workdir=volatile"),
        refused(E::OptionConflict, "lowerdir=l1:l1"),
        refused(E::OptionConflict, "lowerdir=l1:l1/inside"),
        refused(E::OptionConflict, "lowerdir=u:l1,upperdir=u,workdir=w"),
        refused(E::TooDeep, "lowerdir=deep2:l2"),
        refused(E::UnknownOption, "lowerdir=l1:l2,unknown=1"),
        refused(E::OptionValue, "lowerdir=l1:l2,xino=maybe"),
        refused(E::OptionConflict, "lowerdir=l1,upperdir=u,workdir=w,userxattr,metacopy=on"),
        refused(E::OptionConflict, "lowerdir=l1,upperdir=u,workdir=w,nfs_export=on,index=off"),
    ];
    if is_real_root() {
        cases.extend([
            good("lowerdir=l1,upperdir=u,workdir=w,metacopy=on,redirect_dir=on"),
            good("lowerdir=l1,upperdir=u,workdir=w,index=on"),
            refused(E::UpperInUse, "lowerdir=l1,upperdir=u2,workdir=w,index=on"),
            good("lowerdir=l1,upperdir=u,workdir=w,uidmap=0:1000:10,gidmap=0:1000:10"),
            refused(E::LayerMissing, "lowerdir=l1:nope,uidmap=0:1000:10,gidmap=0:1000:10"),
        ]);
    } else {
        // In a user namespace, overlay needs `userxattr`, which excludes these options.
        cases.extend([
            refused(E::OptionConflict, "lowerdir=l1,upperdir=u,workdir=w,metacopy=on"),
            refused(E::OptionConflict, "lowerdir=l1,upperdir=u,workdir=w,redirect_dir=on"),
            refused(E::UpperInUse, "lowerdir=l1,upperdir=u2,workdir=w,metacopy=on"),
        ]);
    }
    cases
}

/// Returns the kind and the whole text of the error, or `works`.
fn text_of(error: Option<&fmountat::Error>) -> String {
    error.map_or_else(|| String::from("works"), |error| format!("{:?}: {error}", error.kind()))
}

fn compare_by(strategy: &str, features: Features) -> Vec<String> {
    let mut wrong = Vec::new();
    for Case { options, refused } in cases() {
        let mount = options.split(',').fold(Mount::new("overlay", "overlay"), Mount::option);
        let (explained, applied) = in_own_namespace(|| {
            let mounter = Mounter::with(features, None);
            let target = Target::open(CWD, "t").unwrap();
            let plan = match Plan::new(&[mount]) {
                Ok(plan) => plan,
                Err(error) => panic!("{options}: {error}"),
            };
            let explained = mounter.explain(CWD, &plan, &target);
            let applied = mounter.apply(CWD, &plan, &target);
            (
                text_of(explained.error()),
                (text_of(applied.as_ref().err()), applied.err().map(|error| error.kind())),
            )
        });
        let shown: String = options.chars().take(80).collect();
        if explained != applied.0 {
            wrong.push(format!("{strategy}: {shown}\n  explain: {explained}\n  apply:   {}", applied.0));
        } else if applied.1 != refused {
            wrong.push(format!("{strategy}: {shown}: expected {refused:?}: {}", applied.0));
        }
        for dir in ["u", "w"] {
            std::fs::remove_dir_all(dir).unwrap();
        }
        mkdirs(scratch(), &["u/w", "w/u"]);
    }
    wrong
}

/// Compares all cases, with each strategy for passing layers that this kernel supports.
pub(crate) fn compare() {
    make_layers();
    let here = Features::get();
    let mut wrong = compare_by("here", here);
    if kernel_release() >= (6, 7) {
        wrong.extend(compare_by("names of descriptors", here.at_most(6, 7)));
        wrong.extend(compare_by("one option text", here.at_most(6, 6)));
    }
    std::env::set_current_dir("/").unwrap();
    assert!(wrong.is_empty(), "{} wrong\n{}", wrong.len(), wrong.join("\n"));
}

/// Returns the shortest of three times to explain a writable overlay with `mounts` mounts inside.
fn explain_time(root: &str, mounts: usize) -> Duration {
    let inner = (0..mounts)
        .map(|n| Mount::new("tmpfs", "tmpfs").at(format!("/srv/{n}/data")).option("X-mount.mkdir"));
    let root = root.split(',').fold(Mount::new("overlay", "overlay"), Mount::option);
    let list: Vec<Mount> = std::iter::once(root).chain(inner).collect();
    let (plan, target) = (Plan::new(&list).unwrap(), Target::open(CWD, "t").unwrap());
    let mounter = Mounter::detached();
    let once = || {
        let begun = Instant::now();
        let explained = mounter.explain(CWD, &plan, &target);
        assert!(explained.error().is_none(), "{explained}");
        begun.elapsed()
    };
    (0..3).map(|_| once()).min().unwrap()
}

/// The time of `explain` grows linearly with the number of mounts and layers.
pub(crate) fn linear() {
    make_layers();
    let layers = |count: usize| {
        let names: Vec<String> = (0..count).map(|n| format!("layers/{n}")).collect();
        format!("lowerdir={},upperdir=u,workdir=w", names.join(":"))
    };
    for n in 0..500 {
        mkdirs(scratch().join(format!("layers/{n}")), &["srv"]);
    }
    let (one, two) = (explain_time(&layers(2), 1000), explain_time(&layers(2), 2000));
    let (few, many) = (explain_time(&layers(250), 20), explain_time(&layers(500), 40));
    std::env::set_current_dir("/").unwrap();
    println!("counted: 1000 mounts {one:?}, 2000 {two:?}; 20 in 250 layers {few:?}, 40 in 500 {many:?}");
    assert!(two < one * 3, "1000 mounts {one:?}, 2000 {two:?}");
    // Here the layers and the mounts both double.
    assert!(many < few * 6, "20 in 250 layers {few:?}, 40 in 500 {many:?}");
    assert!(many < Duration::from_secs(2), "{many:?}");
}
