// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The error of a task: one text and the exit status.

use std::io;
use std::path::Path;

/// A failed operation. The text names the operation, its argument and the cause.
#[derive(Debug)]
pub(crate) struct Error {
    pub(crate) text: String,
    /// The exit status of the program.
    pub(crate) status: u8,
}

pub(crate) type Result<T = ()> = std::result::Result<T, Error>;

impl Error {
    /// Returns an error that ends the program with status 1.
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), status: 1 }
    }

    /// Returns an error about the command line: it ends the program with status 2.
    pub(crate) fn usage(text: impl Into<String>) -> Self {
        Self { text: text.into(), status: 2 }
    }
}

/// Adds the operation and the path to an error of the operating system.
pub(crate) trait At<T> {
    fn at(self, operation: &str, path: impl AsRef<Path>) -> Result<T>;
}

impl<T> At<T> for io::Result<T> {
    fn at(self, operation: &str, path: impl AsRef<Path>) -> Result<T> {
        self.map_err(|cause| Error::new(format!("{operation} {}: {cause}", path.as_ref().display())))
    }
}
