// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Parses overlay's own options: `lowerdir=a:b::data`, `lowerdir+=`, `datadir+=`, `upperdir=`, ...

use crate::error::{Error, ErrorKind, Operation, Result};
use crate::kinds::filesystem::FsOption;
use crate::kinds::overlay::definition::{Layer, Overlay};
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;

impl Overlay {
    /// Parses an overlay from its options, with the kernel's escapes: in paths `\:`, `\,` and `\\`
    /// stand for the second byte.
    ///
    /// `lowerdir=` separates layers with `:` and data-only layers with `::`; `lowerdir+=` and
    /// `datadir+=` take one layer each.
    ///
    /// # Errors
    /// [`ErrorKind::OptionValue`] for an empty path; [`ErrorKind::OptionConflict`] for two uppers.
    pub fn from_options(fs_options: &[FsOption]) -> Result<Self> {
        let mut overlay = Self::new();
        fs_options.iter().try_for_each(|option| overlay.add(option))?;
        Ok(overlay)
    }

    fn add(&mut self, option: &FsOption) -> Result<()> {
        let value = || option.value.as_deref().filter(|v| !v.is_empty()).ok_or_else(|| empty(option));
        match option.key.as_bytes() {
            b"lowerdir" => self.add_lowerdir(option, value()?)?,
            b"lowerdir+" => self.lowers.push(layer(value()?.as_bytes())),
            b"datadir+" => self.data_only.push(layer(value()?.as_bytes())),
            b"upperdir" => set_once(&mut self.upper, option, value()?)?,
            b"workdir" => set_once(&mut self.work, option, value()?)?,
            // A path after a comma: the rest of a layer's name.
            key if option.value.is_none() && key.iter().any(|byte| b":/".contains(byte)) => {
                return Err(Error::new(
                    ErrorKind::UnknownOption,
                    Operation::ReadOption,
                    "is a path, not an option",
                )
                .with_argument(&option.key)
                .with_hint("write a comma in the path of a layer as `\\,`"));
            }
            _ => self.options.push(option.clone()),
        }
        Ok(())
    }

    fn add_lowerdir(&mut self, option: &FsOption, value: &OsStr) -> Result<()> {
        let parts = split_unescaped(value.as_bytes(), b':');
        let mut is_data = false;
        for (at, part) in parts.iter().enumerate() {
            let next_is_empty = parts.get(at + 1).map(|next| next.is_empty());
            if part.is_empty() {
                // `a::b`: the layers that follow are data-only.
                if next_is_empty != Some(false) || self.lowers.is_empty() {
                    return Err(empty(option));
                }
                is_data = true;
            } else if !is_data {
                self.lowers.push(layer(part));
            } else if next_is_empty == Some(false) {
                let reason = "a lower layer can't follow a data-only layer: separate data-only layers with \
                              `::`";
                return Err(Error::new(ErrorKind::OptionValue, Operation::ReadOption, reason)
                    .with_argument(&option.key));
            } else {
                self.data_only.push(layer(part));
                is_data = false;
            }
        }
        Ok(())
    }
}

fn set_once(place: &mut Option<Layer>, option: &FsOption, value: &OsStr) -> Result<()> {
    if place.is_some() {
        return Err(Error::new(ErrorKind::OptionConflict, Operation::ReadOption, "is given twice")
            .with_argument(&option.key));
    }
    *place = Some(layer(value.as_bytes()));
    Ok(())
}

fn empty(option: &FsOption) -> Error {
    Error::new(ErrorKind::OptionValue, Operation::ReadOption, "has an empty path").with_argument(&option.key)
}

fn layer(escaped: &[u8]) -> Layer {
    Layer::Path(PathBuf::from(unescape(escaped)))
}

/// Splits at each `separator` that is not escaped by a backslash.
fn split_unescaped(text: &[u8], separator: u8) -> Vec<&[u8]> {
    let mut parts = Vec::new();
    let (mut start, mut escaped) = (0, false);
    for (at, byte) in text.iter().enumerate() {
        if !escaped && *byte == separator {
            parts.push(&text[start..at]);
            start = at + 1;
        }
        escaped = !escaped && *byte == b'\\';
    }
    parts.push(&text[start..]);
    parts
}

/// Replaces `\x` by `x` for any byte, as `ovl_unescape` does (fs/overlayfs/params.c).
fn unescape(text: &[u8]) -> OsString {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.iter();
    while let Some(byte) = bytes.next() {
        match byte {
            b'\\' => out.extend(bytes.next()),
            other => out.push(*other),
        }
    }
    OsString::from_vec(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(fs_options: &[(&str, &str)]) -> Result<Overlay> {
        let option = |(k, v): &(&str, &str)| FsOption { key: k.into(), value: Some(v.into()) };
        Overlay::from_options(&fs_options.iter().map(option).collect::<Vec<_>>())
    }

    fn shown(layers: &[Layer]) -> Vec<String> {
        let show = |layer: &Layer| match layer {
            Layer::Path(path) => path.to_string_lossy().into_owned(),
            Layer::Fd(_) => String::new(),
        };
        layers.iter().map(show).collect()
    }

    #[test]
    fn lowerdir_is_split_and_unescaped() {
        let overlay = parse(&[("lowerdir", r"/a\:b:/c\\d:/e\,f::/data1::/data2")]).unwrap();
        assert_eq!(shown(&overlay.lowers), ["/a:b", r"/c\d", "/e,f"]);
        assert_eq!(shown(&overlay.data_only), ["/data1", "/data2"]);
    }

    #[test]
    fn bad_values_are_refused() {
        for (key, value) in [
            ("lowerdir", ""),
            ("lowerdir", "a:"),
            ("lowerdir", "::a"),
            ("lowerdir", "a:::b"),
            ("lowerdir", "a::b:c"),
            ("upperdir", ""),
        ] {
            assert_eq!(parse(&[(key, value)]).unwrap_err().kind(), ErrorKind::OptionValue, "{key}={value}");
        }
        let twice = parse(&[("upperdir", "a"), ("upperdir", "b")]);
        assert_eq!(twice.unwrap_err().kind(), ErrorKind::OptionConflict);
    }
}
