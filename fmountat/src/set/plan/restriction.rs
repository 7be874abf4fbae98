// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Path restrictions of a set: paths that are made read-only or masked after all mounts (OCI).

use crate::error::{Error, Operation, PlanStep, Result};
use crate::set::spec::Spec;
use std::collections::HashSet;
use std::path::{Path, PathBuf};

/// What is done to a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum PathRestriction {
    ReadOnly,
    Mask,
}

/// The path restrictions, in order.
#[derive(Debug, Clone, Default)]
pub(crate) struct PathRestrictions {
    pub(crate) paths: Vec<(PathRestriction, PathBuf)>,
    pub(crate) readonly_root: bool,
}

impl PathRestrictions {
    /// Reads the restrictions in runc's order: read-only paths first, so that a path masked inside
    /// a read-only directory is masked. As in runc, all paths start at the root.
    pub(crate) fn of(spec: &Spec) -> Result<Self> {
        let in_root = |path: &PathBuf| Path::new("/").join(path);
        let readonly = spec.readonly_paths.iter().map(|path| (PathRestriction::ReadOnly, in_root(path)));
        let masked = spec.masked_paths.iter().map(|path| (PathRestriction::Mask, in_root(path)));
        let mut paths: Vec<_> = readonly.chain(masked).collect();
        let mut seen = HashSet::new();
        paths.retain(|path| seen.insert(path.clone()));
        for (_, path) in &paths {
            crate::vfs::bytes::c_string(Operation::ReadPath, path)?;
        }
        Ok(Self { paths, readonly_root: spec.readonly_root })
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.paths.is_empty() && !self.readonly_root
    }
}

impl PathRestriction {
    /// Adds the restricted path to the error.
    pub(crate) fn error(self, path: &Path, error: Error) -> Error {
        let path = path.to_owned();
        error.with_plan_step(match self {
            Self::ReadOnly => PlanStep::ReadonlyPath(path),
            Self::Mask => PlanStep::MaskedPath(path),
        })
    }

    /// Returns the operation named in errors and plans.
    pub(crate) fn operation(self) -> Operation {
        match self {
            Self::ReadOnly => Operation::MakePathReadOnly,
            Self::Mask => Operation::MaskPath,
        }
    }
}
