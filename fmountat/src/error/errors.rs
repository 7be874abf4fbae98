// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Several errors of one operation that continues after the first.

use crate::error::error_type::Error;
use std::fmt;
use std::ops::Deref;

/// All errors of the operation, in order; never empty. Dereferences to a slice.
///
/// ```
/// use fmountat::{ErrorKind, Unmount};
/// let errors = Unmount::new().run("/proc/nowhere").unwrap_err();
/// assert_eq!((errors.len(), errors.first_error().kind()), (1, ErrorKind::NotFound));
/// ```
#[derive(Clone)]
pub struct Errors {
    first: Error,
    all: Vec<Error>,
}

impl Errors {
    /// Returns `Ok` if `errors` is empty.
    ///
    /// # Errors
    /// All of `errors`.
    pub fn check(errors: Vec<Error>) -> Result<(), Self> {
        match errors.first() {
            Some(first) => Err(Self { first: first.clone(), all: errors }),
            None => Ok(()),
        }
    }

    /// Returns the first error, which may have caused the others.
    #[must_use]
    pub fn first_error(&self) -> &Error {
        &self.first
    }
}

impl Deref for Errors {
    type Target = [Error];

    fn deref(&self) -> &[Error] {
        &self.all
    }
}

impl From<Error> for Errors {
    fn from(error: Error) -> Self {
        Self { all: vec![error.clone()], first: error }
    }
}

impl IntoIterator for Errors {
    type Item = Error;
    type IntoIter = std::vec::IntoIter<Error>;

    fn into_iter(self) -> Self::IntoIter {
        self.all.into_iter()
    }
}

impl<'a> IntoIterator for &'a Errors {
    type Item = &'a Error;
    type IntoIter = std::slice::Iter<'a, Error>;

    fn into_iter(self) -> Self::IntoIter {
        self.all.iter()
    }
}

/// Prints each error on a line or more.
impl fmt::Display for Errors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let texts: Vec<String> = self.all.iter().map(ToString::to_string).collect();
        f.write_str(&texts.join("\n"))
    }
}

impl fmt::Debug for Errors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(&self.all).finish()
    }
}

impl std::error::Error for Errors {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.first.source()
    }
}
