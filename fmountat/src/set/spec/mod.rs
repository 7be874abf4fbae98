// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Parses the input: JSON, OCI and containerd mount lists.

pub(crate) mod mount;
pub(crate) mod compat;
pub(crate) mod device;
pub(crate) mod not_done;
pub(crate) mod spec;
#[cfg(feature = "serde")]
pub(crate) mod json_object;
#[cfg(feature = "serde")]
pub(crate) mod oci_runtime;
#[cfg(feature = "serde")]
pub(crate) mod oci;
#[cfg(feature = "serde")]
pub(crate) mod json;
#[cfg(any(feature = "containerd-shim-protos", feature = "oci-spec"))]
pub(crate) mod convert;
pub(crate) mod cgroup;
pub(crate) mod defaults;
pub(crate) mod view;

pub use compat::Compat;
pub use mount::Mount;
pub use spec::Spec;
pub use view::read_only_view;
