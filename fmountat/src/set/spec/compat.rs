// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `Compat`: the rules for what a mount list leaves open.

/// The rules for what a mount list leaves open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Compat {
    /// Our own rules. An option without effect is an error: no request is dropped silently. Mount
    /// points must exist.
    #[default]
    Strict,
    /// The rules of containerd and mount(8). Options without effect are ignored;
    /// [`Plan::ignored`](crate::Plan::ignored) lists them.
    Containerd,
    /// The rules of OCI runtimes, as in runc. Options without effect are ignored and listed. A
    /// missing mount point is created: a directory for a directory, a file for a file. A tmpfs
    /// without `mode=` gets the mode of the directory that it covers.
    Oci,
}

impl Compat {
    /// Reports whether an option without effect is an error.
    pub(crate) fn is_strict(self) -> bool {
        self == Self::Strict
    }
}
