// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Mount container file systems from directory descriptors: built detached, published in one step.

mod error;
mod sys;
pub mod vfs;

pub use error::{Error, ErrorKind, Result, escape};
pub use vfs::attr::{Attr, MountAttr, Propagation};
pub use vfs::context::{CreatedFs, FSCONFIG_STRING_MAX, FsContext};
pub use vfs::cwd::{MOUNT_DATA_MAX, PrivateCwd, fmountat};
pub use vfs::features::Features;
pub use vfs::identity::MountId;
pub use vfs::target::{Create, Target};
pub use vfs::tree::{Attached, Tree};
