// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Mounts an overlay by one mount(2), with its layers named by paths or descriptor numbers.
//!
//! In /proc/thread-self/fd a descriptor number is a path. Called from there, mount(2) takes 500
//! layers of any names within its one page of options, without escapes.

use crate::error::{Error, ErrorKind, LayerRef, Operation, Result, escape};
use crate::kinds::clones::Clones;
use crate::kinds::filesystem::is_context;
use crate::kinds::overlay::check::explain;
use crate::kinds::overlay::cloned_dir::Cwd;
use crate::kinds::overlay::common::open_directory;
use crate::kinds::overlay::definition::{Layer, Overlay};
use crate::kinds::overlay::layer_files::OpenLayers;
use crate::kinds::overlay::layers::{below, check_counts, one_directory};
use crate::kinds::overlay::params::Make;
use crate::sys::procfs;
use crate::vfs::features::Features;
use crate::vfs::mount_call::{MOUNT_DATA_MAX, MountCall, MountFlags};
use crate::vfs::private_cwd::PrivateCwd;
use rustix::fd::{AsFd, AsRawFd, BorrowedFd};
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// The arguments of mount(2) for an overlay.
#[derive(Debug)]
pub(crate) struct MountData {
    /// The working directory for the call.
    pub(crate) cwd: Cwd,
    /// The path of that directory as the caller wrote it.
    pub(crate) base: PathBuf,
    pub(crate) options: OsString,
}

impl Overlay {
    /// Mounts the overlay on `target` with these `MS_*` flags. Its layers are open already. Passes
    /// them by path, which the mount table then shows, or by descriptor number if the paths are not
    /// suitable.
    pub(crate) fn mount_opened(
        &self,
        make: &Make<'_>,
        layers: &OpenLayers,
        target: &Path,
        flags: u64,
    ) -> Result<()> {
        let paths = self.layers().map(|(_, layer)| match layer {
            Layer::Path(path) => Some(path.as_os_str()),
            Layer::Fd(_) => None,
        });
        let paths: Option<Vec<&OsStr>> = paths.collect();
        let paths = paths.filter(|_| make.userns.is_none());
        let descriptors;
        let (cwd, options) =
            match paths.and_then(|paths| self.option_text(make.features, paths.into_iter()).ok()) {
                Some(options) => (make.dir, options),
                None => {
                    let options =
                        self.option_text(make.features, number_names(layers).iter().map(AsRef::as_ref))?;
                    descriptors = procfs::descriptors()
                        .map_err(|e| procfs::failed(Operation::OpenDescriptors, "thread-self/fd", e))?;
                    (descriptors.as_fd(), options)
                }
            };
        let source = make.source.unwrap_or(OsStr::new("none"));
        // All our flags fit: the highest is bit 25.
        let flags = MountFlags::from_bits_retain(u32::try_from(flags).unwrap_or(u32::MAX));
        let call = MountCall::new(source, target, "overlay", flags, OsStr::from_bytes(options.as_bytes()))?;
        PrivateCwd::child().run(cwd, call).map_err(|error| {
            explain(error.with_operation(Operation::Create).with_argument("overlay"), self, layers)
        })
    }

    /// Returns the option string for mount(2) and the working directory for the call. Returns
    /// `None` unless one directory contains all layers, no name or option needs escapes, and the
    /// options fit in one page.
    ///
    /// # Errors
    /// Those of [`check_counts`] and [`check_written`](Self::check_written).
    pub(crate) fn mount_data(
        &self,
        dir: BorrowedFd<'_>,
        clones: &Clones,
        features: &Features,
    ) -> Result<Option<MountData>> {
        check_counts(self)?;
        let Some(base) = one_directory(self) else { return Ok(None) };
        let names = self.layers().map(|(_, layer)| below(layer, &base).map(Path::as_os_str));
        let Some(names) = names.collect::<Option<Vec<_>>>() else { return Ok(None) };
        let Ok(options) = self.option_text(features, names.iter().copied()) else { return Ok(None) };
        let can_clone = features.overlay_detached_layers && features.new_mount_api;
        let Some(cwd) = Cwd::of(clones, dir, &base, can_clone) else { return Ok(None) };
        if let Cwd::Clone(clone) = &cwd {
            // Mounts on a layer or on its path are missing from the clone.
            if !names.iter().all(|name| clone.has(name.as_ref())) {
                return Ok(None);
            }
        }
        let open = |layer: &Option<Layer>| open_directory(&cwd, below(layer.as_ref()?, &base)?).ok();
        let (upper, work) = (open(&self.upper), open(&self.work));
        let (upper, work) = (upper.as_ref().map(AsFd::as_fd), work.as_ref().map(AsFd::as_fd));
        self.check_written(upper, work, features, false)?;
        Ok(Some(MountData { cwd, base, options }))
    }

    /// Returns all options in one string, with the layers by their names:
    /// `lowerdir=1:2,upperdir=3,workdir=4,index=off`.
    ///
    /// # Errors
    /// [`ErrorKind::Unsupported`] for bytes that mount(2) would parse as separators;
    /// [`ErrorKind::TooLong`] if the options exceed its page.
    pub(crate) fn option_text<'a>(
        &self,
        features: &Features,
        names: impl ExactSizeIterator<Item = &'a OsStr>,
    ) -> Result<OsString> {
        let (mut options, count) = (OsString::with_capacity(512), names.len());
        for (at, ((role, _), name)) in self.layers().zip(names).enumerate() {
            plain(name, b",:\\\"").map_err(|error| error.with_layer(role))?;
            options.push(match role {
                LayerRef::Lower(_) if at == 0 => "lowerdir=",
                LayerRef::Lower(_) => ":",
                LayerRef::Data(_) => "::",
                LayerRef::Upper => ",upperdir=",
                LayerRef::Work => ",workdir=",
            });
            options.push(name);
        }
        for option in &self.options {
            plain(&option.key, b",\\\"")?;
            if let Some(value) = option.value.as_ref().filter(|_| !is_context(&option.key)) {
                plain(value, b"\\\"")?;
            }
            options.push(",");
            options.push(option.legacy_text()?);
        }
        if self.needs_userxattr(features) {
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
}

/// Returns the descriptor numbers of the layers.
pub(crate) fn number_names(layers: &OpenLayers) -> Vec<OsString> {
    layers.iter().map(|(_, layer)| layer.as_fd().as_raw_fd().to_string().into()).collect()
}

/// Refuses a name or option that contains one of these bytes.
fn plain(text: &OsStr, special: &[u8]) -> Result<()> {
    match text.as_bytes().iter().find(|byte| special.contains(byte)) {
        None => Ok(()),
        Some(byte) => {
            let reason = format!("mount(2) takes no {} in it", escape(&[*byte]));
            Err(Error::new(ErrorKind::Unsupported, Operation::ReadOverlayOptions, reason).with_argument(text))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_byte_of_a_name_or_value_becomes_another_option() {
        let features = Features { initial_user_namespace: false, ..Features::get() };
        let text = |overlay: Overlay, names: &[&str]| {
            let text = overlay.option_text(&features, names.iter().map(OsStr::new));
            text.map(|text| text.into_string().unwrap_or_default()).map_err(|error| error.kind())
        };
        let overlay = || Overlay::new().lower("a").lower("b").data_only("d").upper("u", "w");
        let names = ["1", "2", "3", "4", "5"];
        let all = overlay().option("index", "off").option("context", "c0,c1");
        let want = "lowerdir=1:2::3,upperdir=4,workdir=5,index=off,context=\"c0,c1\",userxattr";
        assert_eq!(text(all, &names), Ok(want.into()));
        for name in ["a:b", "a,b", "a\\", "a\""] {
            assert_eq!(text(overlay(), &[name, "2", "3", "4", "5"]), Err(ErrorKind::Unsupported), "{name}");
        }
        // Its value would extend across the comma before `userxattr`.
        for (key, value) in [("uuid", "on\\"), ("uuid", "on,xino=on"), ("uuid,xino", "on"), ("u\\", "on")] {
            assert_eq!(
                text(overlay().option(key, value), &names),
                Err(ErrorKind::Unsupported),
                "{key}={value}"
            );
        }
        assert_eq!(text(overlay().option("x", "y".repeat(4096)), &names), Err(ErrorKind::TooLong));
    }
}
