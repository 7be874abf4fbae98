// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Creates a new instance of any file system type: tmpfs, proc, devpts, ext4 on a device...

use crate::error::{Error, ErrorKind, Operation, Result};
use crate::vfs::context::FsContext;
use std::ffi::{OsStr, OsString};

/// An option of the file system: `key` or `key=value`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct FsOption {
    /// The part before `=`.
    pub key: OsString,
    /// The part after `=`.
    pub value: Option<OsString>,
}

impl FsOption {
    /// Formats the option as `key` or `key=value`.
    #[must_use]
    pub fn text(&self) -> OsString {
        let mut text = self.key.clone();
        if let Some(value) = &self.value {
            text.push("=");
            text.push(value);
        }
        text
    }

    /// Formats the option for mount(2): puts a security context with commas in quotes.
    ///
    /// # Errors
    /// [`ErrorKind::OptionValue`] for quotes in a context; [`ErrorKind::Unsupported`] for commas in
    /// another value.
    pub(crate) fn legacy_text(&self) -> Result<OsString> {
        let has_comma = |text: &OsString| text.as_encoded_bytes().contains(&b',');
        match &self.value {
            Some(value) if is_context(&self.key) && value.as_encoded_bytes().contains(&b'"') => {
                let reason = "a security context has no double quotes, which mount(2) would take for the ends of its value";
                Err(Error::new(ErrorKind::OptionValue, Operation::ReadOption, reason)
                    .with_argument(self.text()))
            }
            Some(value) if has_comma(value) && !is_context(&self.key) => {
                let reason = "mount(2) would take the comma in the value for the end of the option";
                Err(Error::new(ErrorKind::Unsupported, Operation::ReadOption, reason)
                    .with_argument(self.text()))
            }
            Some(value) if has_comma(value) => {
                let quoted = [self.key.as_os_str(), "=\"".as_ref(), value, "\"".as_ref()];
                Ok(quoted.into_iter().collect())
            }
            _ => Ok(self.text()),
        }
    }
}

/// Reports whether it is an SELinux option, whose value may contain commas.
pub(crate) fn is_context(key: &OsStr) -> bool {
    ["context", "fscontext", "defcontext", "rootcontext"].iter().any(|name| key == *name)
}

/// Returns a context with the superblock flags (`ro`, `sync`, ...) and all options set.
pub(crate) fn configured<'w>(
    fstype: &OsStr,
    source: &OsStr,
    flags: &[&'static str],
    options: impl IntoIterator<Item = &'w FsOption>,
) -> Result<FsContext> {
    let mut context = FsContext::open(fstype)?;
    if !source.is_empty() {
        context.set_string("source", source)?;
    }
    set_options(&mut context, flags, options)?;
    Ok(context)
}

/// Sets the superblock flags and the file system's options.
pub(crate) fn set_options<'w>(
    context: &mut FsContext,
    flags: &[&'static str],
    options: impl IntoIterator<Item = &'w FsOption>,
) -> Result<()> {
    flags.iter().try_for_each(|flag| context.set_flag(flag))?;
    options.into_iter().try_for_each(|option| match &option.value {
        Some(value) => context.set_string(&option.key, value),
        None => context.set_flag(&option.key),
    })
}
