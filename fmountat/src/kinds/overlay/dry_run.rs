// SPDX-License-Identifier: Apache-2.0 OR MIT
//! An overlay tried out as far as nothing is made: layers are opened, and the kernel is told all of it and never to create.

use crate::error::{Error, ErrorKind, LayerRef, Operation, Result, Syscall};
use crate::kinds::overlay::check::{check_work, explain};
use crate::kinds::overlay::definition::Overlay;
use crate::kinds::overlay::layer_files::{OpenLayers, Written, fd_of};
use crate::kinds::overlay::layers::{LayerBases, check_counts};
use crate::kinds::overlay::params::{Make, layer_key, set_layer_as};
use crate::vfs::context::FsContext;
use rustix::fd::{AsFd, BorrowedFd};
use rustix::io::Errno;
use std::path::Path;

impl Overlay {
    /// The error that mounting it would end in, as far as looking can tell. Whether an upper is in use elsewhere is not
    /// asked: that takes a scratch overlay.
    pub(crate) fn rehearse(&self, make: &Make<'_>) -> Result<()> {
        let Make { dir, features, source, flags, .. } = *make;
        check_counts(self)?;
        let layers = LayerBases::none().open_all(self, dir)?;
        let here = Path::new(".");
        if let (Some(upper), Some(work)) =
            (fd_of(&layers, LayerRef::is_upper), fd_of(&layers, LayerRef::is_work))
        {
            check_work(self, &Written { dir: work, path: here }, &Written { dir: upper, path: here })?;
        }
        if features.new_mount_api {
            let mut context = FsContext::open("overlay")?;
            if let Some(source) = source {
                context.set_string("source", source)?;
            }
            // Else they would be given as one option, by mount(2), which can't be asked.
            let one_by_one = layers.iter().filter(|_| features.overlay_layer_words);
            for (role, layer) in one_by_one {
                match set_layer_as(&mut context, layer_key(*role), layer.as_fd(), features) {
                    // By a clone of its own such a layer goes.
                    Err(error) if error.raw_errno() == Some(Errno::NAMETOOLONG) => {}
                    set => set.map_err(|error| self.layer_error(error, *role))?,
                }
            }
            for flag in flags {
                context.set_flag(flag)?;
            }
            for word in &self.words {
                word.set(&mut context)?;
            }
        }
        self.foresee(&layers)
    }

    /// What the kernel would refuse at the end, and without a word.
    fn foresee(&self, layers: &OpenLayers) -> Result<()> {
        let refused =
            |errno| Error::sys(Operation::Create, Syscall::Fsconfig, errno).with_argument("overlay");
        if crate::kinds::overlay::conflict::of_layers(layers, self).is_some() {
            return Err(explain(refused(Errno::LOOP), self, layers));
        }
        let guess = explain(refused(Errno::INVAL), self, layers);
        if guess.kind() == ErrorKind::System { Ok(()) } else { Err(guess) }
    }

    /// Its layers as far as they can be opened, topmost first: what would be seen in it.
    pub(crate) fn visible_layers(&self, dir: BorrowedFd<'_>) -> Vec<rustix::fd::OwnedFd> {
        use crate::kinds::overlay::definition::Layer;
        use rustix::fs::{Mode, OFlags};
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let open = |layer: &Layer| match layer {
            Layer::Path(path) => rustix::fs::openat(dir, path, flags, Mode::empty()).ok(),
            Layer::Fd(fd) => rustix::fs::openat(fd, c".", flags, Mode::empty()).ok(),
        };
        self.upper.iter().chain(&self.lowers).filter_map(open).collect()
    }
}
