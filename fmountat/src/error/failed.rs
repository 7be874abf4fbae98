// SPDX-License-Identifier: Apache-2.0 OR MIT
//! An error that returns what could not be published.

use crate::error::error_type::{Error, Result};
use crate::error::errors::Errors;
use std::fmt;
use std::ops::Deref;

/// The error of a failed publication, and the tree or set itself, to try again or to drop. It
/// dereferences to the [`Error`], and `?` converts it to one.
///
/// ```no_run
/// # use fmountat::{Target, Tree, CWD};
/// # let old: Tree = unimplemented!();
/// let target = Target::open(CWD, "/srv/rootfs")?;
/// let failed = match old.replace(&target) {
///     Ok(_) => return Ok(()),
///     Err(failed) => failed,
/// };
/// let (error, old) = failed.into_parts();
/// eprintln!("{error}; once more");
/// if let Some(old) = old {
///     old.replace(&target)?;
/// }
/// # Ok::<(), fmountat::Error>(())
/// ```
pub struct Failed<T> {
    error: Error,
    value: Option<Box<T>>,
}

impl<T> Failed<T> {
    /// Makes an error that returns the value: nothing was changed.
    pub(crate) fn giving_back(value: T, error: Error) -> Self {
        Self { error, value: Some(Box::new(value)) }
    }

    /// Makes an error without the value: it is attached already, or dissolved.
    pub(crate) fn lost(error: Error) -> Self {
        Self { error, value: None }
    }

    /// Returns the error.
    #[must_use]
    pub fn error(&self) -> &Error {
        &self.error
    }

    /// Returns the error, and what could not be published. The latter is `None` if it is attached
    /// nevertheless, or was attached and unmounted again: the error says which.
    #[must_use]
    pub fn into_parts(self) -> (Error, Option<T>) {
        (self.error, self.value.map(|value| *value))
    }

    pub(crate) fn map<U>(self, whole: impl FnOnce(T) -> U) -> Failed<U> {
        Failed { error: self.error, value: self.value.map(|value| Box::new(whole(*value))) }
    }

    pub(crate) fn map_error(self, change: impl FnOnce(Error) -> Error) -> Self {
        Self { error: change(self.error), ..self }
    }
}

/// Returns the value with the result, or the error with the value.
pub(crate) fn or_give_back<T, U>(value: T, found: Result<U>) -> Result<(T, U), Failed<T>> {
    match found {
        Ok(found) => Ok((value, found)),
        Err(error) => Err(Failed::giving_back(value, error)),
    }
}

impl<T> Deref for Failed<T> {
    type Target = Error;

    fn deref(&self) -> &Error {
        &self.error
    }
}

impl<T> fmt::Display for Failed<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.error, f)
    }
}

impl<T> fmt::Debug for Failed<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.error, f)
    }
}

impl<T> std::error::Error for Failed<T> {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.error.source()
    }
}

impl<T> From<Failed<T>> for Error {
    fn from(failed: Failed<T>) -> Self {
        failed.error
    }
}

impl<T> From<Failed<T>> for Errors {
    fn from(failed: Failed<T>) -> Self {
        failed.error.into()
    }
}
