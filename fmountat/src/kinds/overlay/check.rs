// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What the kernel does not say: why an overlay failed without a word, or came out read-only without being asked.

use crate::error::{Error, ErrorKind, LayerRef, Operation, Result, Syscall};
use crate::kinds::overlay::conflict;
use crate::kinds::overlay::definition::{Layer, Overlay};
use crate::kinds::overlay::in_use::{check_not_in_use, in_use, in_use_here};
use crate::kinds::overlay::layer_files::{OpenLayers, Opened, Written, fd_of, lies_in, same, with_layer};
use crate::kinds::overlay::layers::below;
use crate::kinds::overlay::params::{Make, Run};
use crate::mountinfo::id::MountId;
use crate::vfs::features::Features;
use rustix::fd::{AsFd, BorrowedFd};
use rustix::fs::{Dir, Mode, OFlags, StatVfsMountFlags};
use rustix::io::Errno;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

impl Overlay {
    /// [`check_written`](Self::check_written) for layers below a directory. A layer that can't be opened is for mount(2)
    /// to refuse.
    pub(crate) fn check_below(&self, root: BorrowedFd<'_>, base: &Path, features: &Features) -> Result<()> {
        let path = |layer: &Option<Layer>| Some(below(layer.as_ref()?, base)?.to_owned());
        match (path(&self.upper), path(&self.work)) {
            (Some(upper), Some(work)) => {
                let upper = Written { dir: root, path: &upper };
                self.check_written(&upper, &Written { dir: root, path: &work }, features, Run::Execute)
            }
            _ => Ok(()),
        }
    }

    /// [`check_written`](Self::check_written) for layers that are open.
    pub(crate) fn check_open(&self, layers: &OpenLayers, make: &Make<'_>) -> Result<()> {
        let here = Path::new(".");
        match (fd_of(layers, LayerRef::is_upper), fd_of(layers, LayerRef::is_work)) {
            (Some(upper), Some(work)) => {
                let (upper, work) = (Written { dir: upper, path: here }, Written { dir: work, path: here });
                self.check_written(&upper, &work, make.features, make.run)
            }
            _ => Ok(()),
        }
    }

    /// What must hold before the kernel may write to upper and work.
    fn check_written(
        &self,
        upper: &Written<'_>,
        work: &Written<'_>,
        features: &Features,
        run: Run,
    ) -> Result<()> {
        let was_used = check_work(self, work, upper)?;
        check_not_in_use(self, upper, work, was_used, features, run)
    }
}

/// In the work directory only `work` is the kernel's, and it **deletes** what is in there: that must be what an overlay
/// left. Overlay names its temporary files `#` and a number; `incompat` marks a volatile one.
///
/// Says whether an overlay has used it before.
pub(crate) fn check_work(overlay: &Overlay, work: &Written<'_>, upper: &Written<'_>) -> Result<bool> {
    let Some(inside) = entries(work.dir, &work.path.join("work")) else {
        return Ok(false);
    };
    let is_foreign = |name: &&Vec<u8>| !name.starts_with(b"#") && name.as_slice() != b"incompat";
    let Some(name) = inside.iter().find(is_foreign) else {
        return Ok(true);
    };
    let (work, upper) = (work.open(OFlags::PATH), upper.open(OFlags::PATH));
    let finding = match (&work, &upper) {
        (Ok(work), Ok(upper)) => upper_and_work(upper.as_fd(), work.as_fd(), overlay),
        _ => None,
    };
    Err(match finding {
        Some(finding) => finding.error(),
        None => foreign(&[b"work/", name.as_slice()].concat(), overlay.work.as_ref()),
    })
}

fn foreign(name: &[u8], work: Option<&Layer>) -> Error {
    let reason = "no overlay left this there, and the kernel would delete it";
    let name = std::ffi::OsStr::from_bytes(name);
    let path = match work {
        Some(Layer::Path(work)) => work.join(name),
        _ => name.into(),
    };
    Error::new(ErrorKind::WorkUnusable, Operation::CheckLayer, reason)
        .with_layer(LayerRef::Work)
        .with_argument(path)
        .with_hint("give an empty directory on the same file system as upperdir")
}

/// The names in a directory; `None` where it can't be read, which is for the mount itself to report.
fn entries(dir: BorrowedFd<'_>, path: &Path) -> Option<Vec<Vec<u8>>> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    let opened = rustix::fs::openat(dir, path, flags, Mode::empty()).ok()?;
    let mut names = Vec::new();
    for entry in Dir::new(opened).ok()? {
        let name = entry.ok()?.file_name().to_bytes().to_vec();
        if name != b"." && name != b".." {
            names.push(name);
        }
    }
    Some(names)
}

/// An overlay whose work directory can't be used mounts read-only and says nothing: look at the mount's flags.
pub(crate) fn check_writable(mounted: BorrowedFd<'_>, work: Option<&Layer>) -> Result<()> {
    let stat = rustix::fs::fstatvfs(mounted)
        .map_err(|e| Error::sys(Operation::LookAtOverlay, Syscall::Fstatfs, e))?;
    if !stat.f_flag.contains(StatVfsMountFlags::RDONLY) {
        return Ok(());
    }
    let reason = "the kernel can't use it, and would have mounted the overlay read-only without a word";
    let error = Error::new(ErrorKind::WorkUnusable, Operation::CheckLayer, reason).with_layer(LayerRef::Work).with_hint(
        "upperdir and workdir need a writable file system with d_type and extended attributes, owned by ids that are \
         mapped here",
    );
    Err(with_layer(error, work))
}

/// The reason for a failed CREATE where the kernel's log has none. Runs only after a failure.
pub(crate) fn explain(error: Error, overlay: &Overlay, layers: &[(LayerRef, Opened)]) -> Error {
    let upper = fd_of(layers, LayerRef::is_upper);
    let work = fd_of(layers, LayerRef::is_work);
    if let (Some(upper), Some(work)) = (upper, work) {
        if let Some(finding) = upper_and_work(upper, work, overlay) {
            return finding.of(error);
        }
        if is_volatile_left(work) {
            let error = error
                .with_kind(ErrorKind::WorkUnusable)
                .with_operation(Operation::CheckLayer)
                .with_layer(LayerRef::Work)
                .with_reason(
                    "a volatile overlay used it and may have lost writes: work/incompat/volatile is there",
                );
            return with_layer(error, overlay.work.as_ref()).with_hint(
                "throw upperdir and workdir away, or remove that directory if the data is known to be whole",
            );
        }
    }
    if !error.kernel().is_empty() {
        return error;
    }
    match error.raw_errno() {
        Some(Errno::LOOP) => {
            let (reason, twin) = conflict::of_layers(layers, overlay)
                .unwrap_or_else(|| (String::from("a layer is also workdir, or lies inside it"), None));
            with_layer(
                error
                    .with_kind(ErrorKind::OptionConflict)
                    .with_operation(Operation::CheckLayers)
                    .with_reason(reason),
                twin,
            )
        }
        // The kernel does not say which of the two.
        Some(Errno::BUSY) => [(LayerRef::Upper, upper), (LayerRef::Work, work)]
            .into_iter()
            .find_map(|(role, fd)| in_use_here(fd?).map(|point| in_use(overlay, role, Some(point))))
            .unwrap_or_else(|| in_use(overlay, LayerRef::Upper, None)),
        Some(Errno::INVAL) => match conflict::of_words(&error, overlay, &Features::get()) {
            Some(error) => error,
            None => {
                let lowers = layers.iter().filter(|(role, _)| matches!(role, LayerRef::Lower(_))).count();
                error.with_hint(format!("{lowers} layers; the kernel's log (dmesg) may say more"))
            }
        },
        _ => error,
    }
}

/// What is wrong between upperdir and workdir.
struct Finding<'a> {
    reason: &'static str,
    role: LayerRef,
    layer: Option<&'a Layer>,
}

impl Finding<'_> {
    fn of(&self, error: Error) -> Error {
        let error = error
            .with_kind(ErrorKind::UpperWork)
            .with_operation(Operation::CheckLayer)
            .with_layer(self.role)
            .with_reason(self.reason);
        with_layer(error, self.layer)
    }

    fn error(&self) -> Error {
        self.of(Error::new(ErrorKind::UpperWork, Operation::CheckLayer, self.reason))
    }
}

fn upper_and_work<'a>(
    upper: BorrowedFd<'_>,
    work: BorrowedFd<'_>,
    overlay: &'a Overlay,
) -> Option<Finding<'a>> {
    let of_work = |reason| Some(Finding { reason, role: LayerRef::Work, layer: overlay.work.as_ref() });
    if same(upper, work) {
        return of_work("workdir is upperdir");
    }
    if MountId::of(upper).ok()? != MountId::of(work).ok()? {
        return of_work("workdir must be on the same mount as upperdir");
    }
    if lies_in(work, upper) {
        return of_work("workdir lies inside upperdir");
    }
    if lies_in(upper, work) {
        let (reason, layer) = ("upperdir lies inside workdir", overlay.upper.as_ref());
        return Some(Finding { reason, role: LayerRef::Upper, layer });
    }
    None
}

fn is_volatile_left(work: BorrowedFd<'_>) -> bool {
    let flags = OFlags::PATH | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    rustix::fs::openat(work, c"work/incompat/volatile", flags, Mode::empty()).is_ok()
}
