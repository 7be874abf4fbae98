// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `Compat`: whose rules hold for what a mount list leaves open.

/// Whose rules hold for what a mount list leaves open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Compat {
    /// Our own. An option without effect is an error: nothing that was asked for is dropped. Mount points must exist.
    #[default]
    Strict,
    /// containerd's and mount(8)'s. Options without effect are ignored, and [`Plan::ignored`](crate::Plan::ignored) lists them.
    Containerd,
    /// Those of OCI runtimes, as runc has them: options without effect are ignored and listed; a missing mount point is made
    /// (a directory, or a file for a file); a tmpfs without `mode=` gets the mode of the directory it covers.
    Oci,
}

impl Compat {
    /// Whether an option without effect is an error.
    pub(crate) fn is_strict(self) -> bool {
        self == Self::Strict
    }
}
