// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Paths of a set that are made read-only or masked once everything is mounted (OCI).

use crate::error::{Error, ErrorKind, Operation, PlanStep, Result};
use crate::set::spec::Spec;
use std::path::{Path, PathBuf};

/// What is done to a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PathRestriction {
    ReadOnly,
    Mask,
}

/// What is done after all mounts, in order.
#[derive(Debug, Clone, Default)]
pub(crate) struct PathRestrictions {
    pub(crate) paths: Vec<(PathRestriction, PathBuf)>,
    pub(crate) readonly_root: bool,
}

impl PathRestrictions {
    /// In runc's order: what is masked in a read-only directory is masked.
    pub(crate) fn of(spec: &Spec) -> Result<Self> {
        let readonly = spec.readonly_paths.iter().map(|path| (PathRestriction::ReadOnly, path.clone()));
        let masked = spec.masked_paths.iter().map(|path| (PathRestriction::Mask, path.clone()));
        let paths: Vec<_> = readonly.chain(masked).collect();
        for (cover, path) in &paths {
            crate::vfs::bytes::c_string(Operation::ReadPath, path)?;
            if !path.is_absolute() {
                let reason = "the path must be absolute (it is relative to the set's root)";
                return Err(Error::new(ErrorKind::Spec, cover.operation(), reason).with_argument(path));
            }
        }
        Ok(Self { paths, readonly_root: spec.readonly_root })
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.paths.is_empty() && !self.readonly_root
    }
}

impl PathRestriction {
    /// The error of covering `path`.
    pub(crate) fn error(self, path: &Path, error: Error) -> Error {
        let path = path.to_owned();
        error.with_plan_step(match self {
            Self::ReadOnly => PlanStep::ReadonlyPath(path),
            Self::Mask => PlanStep::MaskedPath(path),
        })
    }

    /// What it does, in errors and plans.
    pub(crate) fn operation(self) -> Operation {
        match self {
            Self::ReadOnly => Operation::MakePathReadOnly,
            Self::Mask => Operation::MaskPath,
        }
    }
}
