// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Finds options and layers that exclude each other: the kernel names them only in its log.

use crate::error::{Error, ErrorKind, LayerRef, Operation};
use crate::kinds::overlay::definition::{Layer, Overlay};
use crate::kinds::overlay::layer_files::{Opened, above, fd_of, file_id, lies_in};
use crate::vfs::features::Features;
use crate::vfs::identity::is_same_file;
use crate::vfs::probe::kernel_release;
use rustix::fd::AsFd;
use std::collections::HashMap;
use std::ffi::OsStr;

/// Pairs of options that `ovl_fs_params_verify` refuses, and whether only with an upper
/// \[since Linux 6.16\].
const PAIRS: [(&str, &str, bool); 5] = [
    ("nfs_export=on", "index=off", false),
    ("nfs_export=on", "metacopy=on", false),
    ("metacopy=on", "redirect_dir=off", true),
    ("metacopy=on", "redirect_dir=nofollow", true),
    ("metacopy=on", "redirect_dir=follow", true),
];

/// Explains the error by two options that exclude each other, if any.
pub(crate) fn of_options(error: &Error, overlay: &Overlay, features: &Features) -> Option<Error> {
    let refused = |option: &str, reason: String| {
        let error = error.clone().with_kind(ErrorKind::OptionConflict).with_operation(Operation::SetOption);
        error.with_argument(option).with_reason(reason)
    };
    if let Some((name, value)) = beside_userxattr(overlay) {
        let option = format!("{name}={}", value.to_string_lossy());
        if overlay.has_option("userxattr") {
            return Some(refused(&option, String::from("conflicts with userxattr")));
        }
        if overlay.needs_userxattr(features) {
            let reason = "conflicts with userxattr, which overlay requires in a user namespace";
            let error = refused(&option, reason.to_owned());
            return Some(
                error.with_hint("remove this option, or mount as root in the initial user namespace"),
            );
        }
    }
    let has = |option: &str| {
        option.split_once('=').is_some_and(|(key, value)| overlay.value_of(key) == Some(OsStr::new(value)))
    };
    let (one, other, _) = PAIRS.into_iter().find(|(one, other, needs_upper)| {
        has(one) && has(other) && (!needs_upper || overlay.is_writable())
    })?;
    Some(refused(one, format!("conflicts with {other}")))
}

/// Returns an option that is refused with `userxattr`; `verity` is accepted since Linux 6.16.
fn beside_userxattr(overlay: &Overlay) -> Option<(&'static str, &OsStr)> {
    let verity = Some(("verity", "off")).filter(|_| kernel_release() < (6, 16));
    let options = [("metacopy", "off"), ("redirect_dir", "nofollow")].into_iter().chain(verity);
    options
        .into_iter()
        .find_map(|(name, allowed)| Some((name, overlay.value_of(name).filter(|value| *value != allowed)?)))
}

/// Returns a reason, and the layer to name, if two layers are the same or one is inside another.
pub(crate) fn of_layers<'a>(
    layers: &[(LayerRef, Opened)],
    overlay: &'a Overlay,
) -> Option<(String, Option<&'a Layer>)> {
    let lowers = || {
        layers.iter().filter_map(|(role, fd)| match role {
            LayerRef::Lower(n) => Some((*n, fd.as_fd())),
            _ => None,
        })
    };
    let layer = |n: usize| overlay.lowers.get(n - 1);
    if let Some(upper) = fd_of(layers, LayerRef::Upper) {
        let is_inside = |fd| is_same_file(fd, upper).unwrap_or(false) || lies_in(fd, upper);
        if let Some((n, _)) = lowers().find(|(_, fd)| is_inside(*fd)) {
            return Some((String::from("a layer is upperdir, or is inside it"), layer(n)));
        }
    }
    let mut seen = HashMap::new();
    for (n, fd) in lowers() {
        if let Some(other) = seen.insert(file_id(fd)?, n) {
            return Some((format!("layers {other} and {n} are the same directory"), layer(n)));
        }
    }
    lowers().find_map(|(n, fd)| {
        // The kernel walks up to the root of the file system.
        let (device, _) = file_id(fd)?;
        let other = above(fd).take_while(|above| above.0 == device).find_map(|above| seen.get(&above))?;
        Some((format!("layer {n} is inside layer {other}"), layer(n)))
    })
}
