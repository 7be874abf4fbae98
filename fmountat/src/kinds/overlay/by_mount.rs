// SPDX-License-Identifier: Apache-2.0 OR MIT
//! An overlay of any layers by one mount(2): each layer is open, and named by the number of its descriptor.
//!
//! From the directory `/proc/self/fd` a number is a path, so 500 layers of any names fit the page, without a byte to
//! escape.

use crate::error::{Error, ErrorKind, LayerRef, Operation, Result, Syscall};
use crate::kinds::overlay::check::{check_writable, explain};
use crate::kinds::overlay::definition::{Layer, Overlay};
use crate::kinds::overlay::layer_files::{OpenLayers, roles};
use crate::kinds::overlay::params::Make;
use crate::vfs::mount_call::{MOUNT_DATA_MAX, MountCall, MountFlags};
use crate::vfs::private_cwd::PrivateCwd;
use rustix::fd::{AsFd, AsRawFd, BorrowedFd};
use rustix::fs::{CWD, Mode, OFlags};
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

impl Overlay {
    /// Mounts it on `target` with these `MS_*` flags, its layers being open.
    pub(crate) fn mount_opened(
        &self,
        make: &Make<'_>,
        layers: &OpenLayers,
        target: &Path,
        flags: u64,
    ) -> Result<()> {
        self.check_open(layers, make.features)?;
        let numbers: Vec<_> = layers.iter().map(|(_, layer)| layer.as_fd().as_raw_fd().to_string()).collect();
        let options = self.classic_options(make, numbers.iter().map(OsStr::new))?;
        let open = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let fds = rustix::fs::openat(CWD, "/proc/self/fd", open, Mode::empty())
            .map_err(|e| Error::sys(Operation::OpenDescriptors, Syscall::Openat, e))?;
        self.mount_from(make, fds.as_fd(), layers, target, flags, &options)
    }

    /// The same by the layers' paths, which the mount table then shows; false where they do not serve.
    pub(crate) fn mount_by_paths(
        &self,
        make: &Make<'_>,
        layers: &OpenLayers,
        target: &Path,
        flags: u64,
    ) -> Result<bool> {
        let paths = roles(self).map(|(_, layer)| match layer {
            Layer::Path(path) if !path.as_os_str().as_bytes().iter().any(|byte| b",:\\\"".contains(byte)) => {
                Some(path.as_os_str())
            }
            _ => None,
        });
        let paths: Option<Vec<&OsStr>> = paths.collect();
        let Some(paths) = paths.filter(|_| make.userns.is_none()) else { return Ok(false) };
        let Ok(options) = self.classic_options(make, paths.into_iter()) else { return Ok(false) };
        self.check_open(layers, make.features)?;
        self.mount_from(make, make.dir, layers, target, flags, &options)?;
        Ok(true)
    }

    fn classic_options<'a>(
        &self,
        make: &Make<'_>,
        names: impl ExactSizeIterator<Item = &'a OsStr>,
    ) -> Result<OsString> {
        let (mut options, count) = (OsString::new(), names.len());
        for (at, ((role, _), name)) in roles(self).zip(names).enumerate() {
            options.push(match role {
                LayerRef::Lower(_) if at == 0 => "lowerdir=",
                LayerRef::Lower(_) => ":",
                LayerRef::Data(_) => "::",
                LayerRef::Upper => ",upperdir=",
                LayerRef::Work => ",workdir=",
            });
            options.push(name);
        }
        for word in &self.words {
            options.push(",");
            options.push(word.classic_text()?);
        }
        if self.needs_userxattr(make.features) {
            options.push(",userxattr");
        }
        if options.len() > MOUNT_DATA_MAX {
            let reason = format!(
                "the options of {count} layers have {} bytes and mount(2) takes {MOUNT_DATA_MAX}",
                options.len()
            );
            return Err(Error::new(ErrorKind::TooLong, Operation::ReadOverlayOptions, reason));
        }
        Ok(options)
    }

    fn mount_from(
        &self,
        make: &Make<'_>,
        cwd: BorrowedFd<'_>,
        layers: &OpenLayers,
        target: &Path,
        flags: u64,
        options: &OsStr,
    ) -> Result<()> {
        let source = make.source.unwrap_or(OsStr::new("none"));
        // Every flag of ours fits: the highest is bit 25.
        let flags = MountFlags::from_bits_retain(u32::try_from(flags).unwrap_or(u32::MAX));
        let call = MountCall::new(source, target, "overlay", flags, OsStr::from_bytes(options.as_bytes()))?;
        PrivateCwd::child().run(cwd, call).map_err(|error| {
            explain(error.with_operation(Operation::Create).with_argument("overlay"), self, layers)
        })
    }

    /// Takes it for a failure that the overlay came out read-only without being asked to.
    pub(crate) fn check_classic(&self, root: rustix::fd::BorrowedFd<'_>, flags: u64) -> Result<()> {
        match self.is_writable() && flags & crate::sys::ms::MS_RDONLY == 0 {
            true => check_writable(root, self.work.as_ref()),
            false => Ok(()),
        }
    }
}
