// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Words and layers of an overlay that exclude each other, which the kernel tells its log alone.

use crate::error::{Error, ErrorKind, LayerRef, Operation};
use crate::kinds::overlay::definition::{Layer, Overlay};
use crate::kinds::overlay::layer_files::{Opened, above, fd_of, file, lies_in, same};
use crate::vfs::features::Features;
use rustix::fd::AsFd;
use std::collections::HashMap;
use std::ffi::OsStr;

/// Pairs that `ovl_fs_params_verify` refuses (fs/overlayfs/params.c), whatever the layers are.
const PAIRS: [(&str, &str); 2] = [("nfs_export=on", "index=off"), ("nfs_export=on", "metacopy=on")];

/// `metacopy=on` beside them: only where there is an upper, since 6.16.
const NO_METACOPY: [&str; 3] = ["redirect_dir=off", "redirect_dir=nofollow", "redirect_dir=follow"];

/// The error, with the words that exclude each other, if there are any.
pub(crate) fn of_words(error: &Error, overlay: &Overlay, features: &Features) -> Option<Error> {
    let refused = |word: &str, reason: String| {
        Some(
            error
                .clone()
                .with_kind(ErrorKind::OptionConflict)
                .with_operation(Operation::SetOption)
                .with_argument(word)
                .with_reason(reason),
        )
    };
    if let Some((name, value)) = beside_userxattr(overlay) {
        let word = format!("{name}={}", value.to_string_lossy());
        if overlay.has_word("userxattr") {
            return refused(&word, String::from("it and userxattr exclude each other"));
        }
        if overlay.needs_userxattr(features) {
            let reason =
                "it and userxattr exclude each other, and in a user namespace overlay needs userxattr";
            let error = refused(&word, reason.to_owned())?;
            return Some(error.with_hint("leave it out, or mount as real root"));
        }
    }
    let has = |text: &&str| {
        let (key, value) = text.split_once('=').unwrap_or((text, ""));
        last(overlay, key).is_some_and(|last| last == value)
    };
    let metacopy = NO_METACOPY.into_iter().map(|other| ("metacopy=on", other));
    let mut pairs = PAIRS.into_iter().chain(metacopy.filter(|_| overlay.upper.is_some()));
    let (one, other) = pairs.find(|(one, other)| has(one) && has(other))?;
    refused(one, format!("it and {other} exclude each other"))
}

/// What is refused beside `userxattr`; `verity` no more since Linux 6.16.
fn beside_userxattr(overlay: &Overlay) -> Option<(&'static str, &OsStr)> {
    let on = |name: &'static str| {
        let harmless = if name == "redirect_dir" { "nofollow" } else { "off" };
        Some((name, last(overlay, name).filter(|value| *value != harmless)?))
    };
    let verity = Some("verity").filter(|_| crate::vfs::probe::kernel_release() < (6, 16));
    ["metacopy", "redirect_dir"].into_iter().chain(verity).find_map(on)
}

/// The value that counts.
fn last<'a>(overlay: &'a Overlay, key: &str) -> Option<&'a OsStr> {
    overlay.words.iter().rev().find(|word| word.key == *key)?.value.as_deref()
}

/// Which layers are the same, or lie in each other, in words, and the layer to name.
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
    if let Some(upper) = fd_of(layers, LayerRef::is_upper) {
        if let Some((n, _)) = lowers().find(|(_, fd)| same(*fd, upper) || lies_in(*fd, upper)) {
            return Some((String::from("a layer is also upperdir, or lies inside it"), layer(n)));
        }
    }
    let mut seen = HashMap::new();
    for (n, fd) in lowers() {
        if let Some(other) = seen.insert(file(fd)?, n) {
            return Some((format!("layers {other} and {n} are the same directory"), layer(n)));
        }
    }
    lowers().find_map(|(n, fd)| {
        // As far as the file system goes: the kernel does not look further.
        let (device, _) = file(fd)?;
        let other = above(fd).take_while(|above| above.0 == device).find_map(|above| seen.get(&above))?;
        Some((format!("layer {n} lies inside layer {other}"), layer(n)))
    })
}
