// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The directory of `run --keep`: upper directories, and an index of the overlays they belong to.

use fmountat::{Error, ErrorKind, Operation};
use rustix::fs::{FlockOperation, flock};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs::{DirBuilder, File};
use std::io::Write;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

const INDEX: &str = "index.json";
const STEP: Operation = Operation::Program("open the kept changes");

/// The form of the index that this release reads and writes.
const VERSION: u32 = 1;

/// The overlays whose upper directories are kept.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Index {
    version: u32,
    /// The overlays were mounted in a user namespace: their attributes are `user.overlay.*`.
    pub(crate) in_user_namespace: bool,
    pub(crate) overlays: Vec<KeptOverlay>,
}

/// An overlay: its upper directory is `upper/NUMBER`, counted from 0.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct KeptOverlay {
    /// The path of the overlay in the root.
    pub(crate) target: Bytes,
    /// Absolute paths, topmost first.
    pub(crate) lowers: Vec<Bytes>,
}

/// A path: text, or bytes that are not valid UTF-8.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub(crate) enum Bytes {
    Text(String),
    Bytes(Vec<u8>),
}

impl Bytes {
    pub(crate) fn new(path: &Path) -> Self {
        match path.to_str() {
            Some(text) => Self::Text(text.to_owned()),
            None => Self::Bytes(path.as_os_str().as_bytes().to_owned()),
        }
    }

    pub(crate) fn path(&self) -> PathBuf {
        match self {
            Self::Text(text) => PathBuf::from(text),
            Self::Bytes(bytes) => PathBuf::from(OsString::from_vec(bytes.clone())),
        }
    }
}

/// A directory of `--keep`.
#[derive(Debug)]
pub(crate) struct Kept {
    pub(crate) directory: PathBuf,
    pub(crate) index: Index,
    /// The overlays that were mounted this time.
    used: BTreeSet<usize>,
}

impl Kept {
    /// Opens a directory that `run --keep` has made.
    pub(crate) fn open(directory: &Path) -> Result<Self, Error> {
        let path = directory.join(INDEX);
        let text = std::fs::read(&path).map_err(|e| match e.kind() {
            std::io::ErrorKind::NotFound => {
                let reason = "holds no changes of `run --keep`";
                Error::new(ErrorKind::NotFound, Operation::OpenDirectory, reason).with_argument(directory)
            }
            _ => Error::from_io(STEP, &path, e),
        })?;
        let index: Index = serde_json::from_slice(&text)
            .map_err(|e| Error::new(ErrorKind::Spec, STEP, e.to_string()).with_argument(&path))?;
        if index.version != VERSION {
            let reason = format!("version {} of the index; this release reads {VERSION}", index.version);
            return Err(Error::new(ErrorKind::Unsupported, STEP, reason).with_argument(&path));
        }
        Ok(Self { directory: directory.to_owned(), index, used: BTreeSet::new() })
    }

    /// Opens the directory, or an index without overlays in an empty one.
    pub(crate) fn open_or_new(directory: &Path, in_user_namespace: bool) -> Result<Self, Error> {
        let kept = if directory.join(INDEX).exists() {
            Self::open(directory)?
        } else {
            let index = Index { version: VERSION, in_user_namespace, overlays: Vec::new() };
            Self { directory: directory.to_owned(), index, used: BTreeSet::new() }
        };
        if kept.index.in_user_namespace != in_user_namespace {
            let reason = if in_user_namespace {
                "root has kept these changes: an ordinary user cannot continue them"
            } else {
                "an ordinary user has kept these changes: root cannot continue them"
            };
            return Err(Error::new(ErrorKind::Unsupported, STEP, reason).with_argument(directory));
        }
        Ok(kept)
    }

    /// Returns the number of the overlay on `target`, which is new or has the same layers as
    /// before.
    pub(crate) fn number(&mut self, target: &Path, lowers: &[PathBuf]) -> Result<usize, Error> {
        let lowers: Vec<Bytes> = lowers.iter().map(|lower| Bytes::new(lower)).collect();
        let target = Bytes::new(target);
        let known = self.index.overlays.iter().position(|overlay| overlay.target == target);
        self.used.insert(known.unwrap_or(self.index.overlays.len()));
        match known {
            Some(number) if self.index.overlays[number].lowers == lowers => Ok(number),
            Some(_) => {
                let error = Error::new(ErrorKind::OptionConflict, STEP, "it holds changes to other layers");
                Err(error.with_argument(&self.directory).with_hint("use another directory for --keep"))
            }
            None => {
                self.index.overlays.push(KeptOverlay { target, lowers });
                self.save()?;
                Ok(self.index.overlays.len() - 1)
            }
        }
    }

    /// Returns the targets of the overlays with changes that were not mounted this time.
    pub(crate) fn unused(&self) -> Vec<PathBuf> {
        let is_unused = |number: &usize| {
            let entries = std::fs::read_dir(self.upper(*number));
            !self.used.contains(number) && entries.is_ok_and(|mut entries| entries.next().is_some())
        };
        let numbers = (0..self.index.overlays.len()).filter(is_unused);
        numbers.map(|number| self.index.overlays[number].target.path()).collect()
    }

    pub(crate) fn upper(&self, number: usize) -> PathBuf {
        self.directory.join("upper").join(number.to_string())
    }

    pub(crate) fn work(&self, number: usize) -> PathBuf {
        self.directory.join("work").join(number.to_string())
    }

    fn save(&self) -> Result<(), Error> {
        let (path, new) = (self.directory.join(INDEX), self.directory.join("index.new"));
        let text = serde_json::to_vec(&self.index).unwrap_or_default();
        let written = File::create(&new).and_then(|mut file| file.write_all(&text));
        written.and_then(|()| std::fs::rename(&new, &path)).map_err(|e| Error::from_io(STEP, path, e))
    }
}

/// Returns the path of `--keep`; a relative one starts at the directory of `-C`.
pub(crate) fn keep_path(start: Option<&Path>, keep: Option<&Path>) -> Option<PathBuf> {
    keep.map(|keep| start.unwrap_or(Path::new("")).join(keep))
}

/// Creates the directory, if it does not exist, and locks it for this process.
pub(crate) fn lock(directory: &Path) -> Result<File, Error> {
    let failed = |e| Error::from_io(STEP, directory, e);
    if let Some(parent) = directory.parent().filter(|parent| *parent != Path::new("")) {
        std::fs::create_dir_all(parent).map_err(failed)?;
    }
    if !directory.is_dir() {
        // The upper directories may hold programs of root's, with any mode.
        DirBuilder::new().mode(0o700).create(directory).map_err(failed)?;
    }
    let file = File::create(directory.join("lock")).map_err(failed)?;
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(file),
        Err(_) => {
            let error = Error::new(ErrorKind::DeviceInUse, STEP, "another `run --keep` uses this directory");
            Err(error.with_argument(directory))
        }
    }
}
