// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Mounts an overlay by one mount(2), with its layers named by paths or descriptor numbers.
//!
//! In /proc/thread-self/fd a descriptor number is a path. Called from there, mount(2) takes 500
//! layers of any names within its one page of options, without escapes.

use crate::error::{Error, ErrorKind, LayerRef, Operation, Result, escape};
use crate::kinds::filesystem::is_context;
use crate::kinds::overlay::check::explain;
use crate::kinds::overlay::definition::{Layer, Overlay};
use crate::kinds::overlay::in_views::is_worth_views;
use crate::kinds::overlay::layer_files::{OpenLayers, Opened, open_layer};
use crate::kinds::overlay::layers::check_counts;
use crate::kinds::overlay::params::Make;
use crate::sys::procfs;
use crate::vfs::features::Features;
use crate::vfs::host_view::path_to;
use crate::vfs::mount_call::{MOUNT_DATA_MAX, MountCall, MountFlags};
use crate::vfs::private_cwd::PrivateCwd;
use rustix::fd::{AsFd, AsRawFd};
use rustix::fs::CWD;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

impl Overlay {
    /// Mounts the overlay on `target` with these `MS_*` flags. Its layers are open already. Passes
    /// them by whole path, which the mount table then shows, or by descriptor number if the paths
    /// are not suitable.
    pub(crate) fn mount_opened(
        &self,
        make: &Make<'_>,
        layers: &OpenLayers,
        target: &Path,
        flags: u64,
    ) -> Result<()> {
        let path = |(_, layer): &(_, Opened)| path_to(layer.as_fd());
        let paths: Option<Vec<PathBuf>> = layers.iter().map(path).collect();
        let by_path = paths.filter(|_| make.userns.is_none()).and_then(|paths| {
            self.option_text(make.features, paths.iter().map(|path| path.as_os_str())).ok()
        });
        let descriptors;
        let (cwd, options) = match by_path {
            Some(options) => (make.dir, options),
            None => {
                let names = number_names(layers);
                descriptors = procfs::descriptors()
                    .map_err(|e| procfs::failed(Operation::OpenDescriptors, "thread-self/fd", e))?;
                (descriptors.as_fd(), self.option_text(make.features, names.iter().map(AsRef::as_ref))?)
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

    /// Returns the option string for mount(2), which the mount table then shows. Returns `None`
    /// unless every layer is given by an absolute path, no path or option needs escapes, the
    /// options fit in one page, and few mounts are on the layers' file system.
    ///
    /// # Errors
    /// Those of [`check_counts`] and [`check_written`](Self::check_written).
    pub(crate) fn mount_data(&self, make: &Make<'_>) -> Result<Option<OsString>> {
        check_counts(self)?;
        let Some(paths) = self.layers().map(absolute_path).collect::<Option<Vec<_>>>() else {
            return Ok(None);
        };
        let Ok(options) = self.option_text(make.features, paths.into_iter()) else { return Ok(None) };
        let open = |layer: Option<&Layer>| open_layer(layer?, CWD);
        let (upper, work) = (open(self.upper.as_ref()), open(self.work.as_ref()));
        let sample = if upper.is_some() { None } else { open(self.lowers.first()) };
        let sample = upper.as_ref().or(sample.as_ref());
        if sample.is_some_and(|sample| is_worth_views(make, sample.as_fd(), self.layers().count())) {
            return Ok(None);
        }
        let (upper, work) = (upper.as_ref().map(AsFd::as_fd), work.as_ref().map(AsFd::as_fd));
        self.check_written(upper, work, make.features, false)?;
        Ok(Some(options))
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
                "the options for {count} layers are {} bytes long; mount(2) accepts at most {MOUNT_DATA_MAX}",
                options.len()
            );
            return Err(Error::new(ErrorKind::TooLong, Operation::ReadOverlayOptions, reason));
        }
        Ok(options)
    }
}

fn absolute_path((_, layer): (LayerRef, &Layer)) -> Option<&OsStr> {
    match layer {
        Layer::Path(path) if path.is_absolute() => Some(path.as_os_str()),
        Layer::Path(_) | Layer::Fd(_) => None,
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
            let reason =
                format!("mount(2) can't pass the character {} in a layer or option", escape(&[*byte]));
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
