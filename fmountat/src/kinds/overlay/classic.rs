// SPDX-License-Identifier: Apache-2.0 OR MIT
//! An overlay of any layers by one mount(2): each layer is open, and named by the number of its descriptor.
//!
//! From the directory `/proc/self/fd` a number is a path, so 500 layers of any names fit the page, without a byte to
//! escape.

use super::check::{check_writable, explain};
use super::layers::{OpenLayers, Role, check_counts};
use super::mount::Make;
use super::{LayerBases, Overlay};
use crate::error::{Error, ErrorKind, Result};
use crate::vfs::cwd::{MOUNT_DATA_MAX, MountCall, PrivateCwd};
use rustix::fd::{AsFd, AsRawFd};
use rustix::fs::{CWD, Mode, OFlags};
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

impl Overlay {
    /// Mounts it on `target` with these `MS_*` flags.
    pub(crate) fn mount_classic(&self, make: &Make<'_>, target: &Path, flags: u64) -> Result<()> {
        check_counts(self)?;
        // The clones must live until it is mounted.
        let places = LayerBases::of(self, make);
        let layers = places.open_all(self, make.dir)?;
        self.mount_opened(make, &layers, target, flags)
    }

    /// The same for layers that are open.
    pub(super) fn mount_opened(
        &self,
        make: &Make<'_>,
        layers: &OpenLayers,
        target: &Path,
        flags: u64,
    ) -> Result<()> {
        self.check_open(layers, make.features)?;
        let mut options = OsString::new();
        for (at, (role, layer)) in layers.iter().enumerate() {
            options.push(match role {
                Role::Lower(_) if at == 0 => "lowerdir=",
                Role::Lower(_) => ":",
                Role::Data(_) => "::",
                Role::Upper => ",upperdir=",
                Role::Work => ",workdir=",
            });
            options.push(layer.as_fd().as_raw_fd().to_string());
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
                "the options of {} layers have {} bytes and mount(2) takes {MOUNT_DATA_MAX}",
                layers.len(),
                options.len()
            );
            return Err(Error::new(ErrorKind::TooLong, "read overlay options", reason));
        }
        let open = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let numbers = rustix::fs::openat(CWD, "/proc/self/fd", open, Mode::empty())
            .map_err(|e| Error::sys("open /proc/self/fd", "openat", e))?;
        let source = make.source.unwrap_or(OsStr::new("none"));
        // Every flag of ours fits: the highest is bit 25.
        let flags = u32::try_from(flags).unwrap_or(u32::MAX);
        let call = MountCall::new(source, target, "overlay", flags, OsStr::from_bytes(options.as_bytes()))?;
        PrivateCwd::child()
            .run(numbers.as_fd(), call)
            .map_err(|error| explain(error.with_step("create overlay"), self, layers))
    }

    /// Takes it for a failure that the overlay came out read-only without being asked to.
    pub(crate) fn check_classic(&self, root: rustix::fd::BorrowedFd<'_>, flags: u64) -> Result<()> {
        match self.is_writable() && flags & libc::MS_RDONLY == 0 {
            true => check_writable(root, self.work.as_ref()),
            false => Ok(()),
        }
    }
}
