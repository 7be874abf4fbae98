// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The numeric names in a directory of /proc.

use crate::error::{Error, Operation, Result};
use std::path::Path;

/// Returns the numeric names in a directory: processes, threads, descriptors.
pub(crate) fn numbers(dir: impl AsRef<Path>) -> Result<Vec<u32>> {
    let dir = dir.as_ref();
    let entries = std::fs::read_dir(dir).map_err(|e| Error::from_io(Operation::LookForWhoUsesIt, dir, e))?;
    Ok(entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect())
}
