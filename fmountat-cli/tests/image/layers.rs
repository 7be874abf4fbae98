// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Splits a flat tree into a history of layers: each file is in a random layer, with older versions
//! in layers below it, and some files were deleted in between.
//!
//! All choices come from a hash of the path: the same tree gives the same layers.

use crate::tree::{Entry, Tree, copy, dress, set_xattr};
use fmountat_testing::{mkdirs, write};
use rustix::fs::{CWD, FileType, Mode};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Range;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// The entry of a layer at a path.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Put {
    /// The entry of the flat tree, which the view shows.
    Final,
    /// An older file. A layer above replaces or deletes it, as it does a link or directory.
    OldFile,
    OldLink,
    OldDirectory,
    /// A whiteout, which hides the path in the layers below.
    Whiteout,
}

/// One layer: what differs from the layers below it.
#[derive(Debug, Default)]
struct Layer {
    puts: BTreeMap<PathBuf, Put>,
    /// The directories, including those that only lead to a file.
    directories: BTreeSet<PathBuf>,
    /// Opaque directories, which hide their content in the layers below.
    opaque: BTreeSet<PathBuf>,
}

/// The layers of a tree, lowest first.
#[derive(Debug)]
pub(crate) struct Layers<'a> {
    tree: &'a Tree,
    layers: Vec<Layer>,
    /// For each directory, the lowest layer whose entries in it are visible.
    lowest_visible: HashMap<PathBuf, usize>,
    histories: BTreeMap<&'static str, usize>,
}

impl<'a> Layers<'a> {
    /// Assigns every entry of the tree to layers.
    pub(crate) fn plan(tree: &'a Tree, count: usize) -> Self {
        let layers = std::iter::repeat_with(Layer::default).take(count).collect();
        let mut plan = Self { tree, layers, lowest_visible: HashMap::new(), histories: BTreeMap::new() };
        let preferred_layers = preferred_layers(tree, count);
        let (directories, files): (Vec<_>, Vec<_>) = tree.iter().partition(|(_, entry)| entry.is_dir());
        let parents: BTreeSet<&Path> = directories.iter().filter_map(|(path, _)| path.parent()).collect();
        for (path, _) in directories {
            plan.put_directory(path, preferred_layers[path], !parents.contains(path.as_path()));
        }
        let floors = plan.lowest_visible_of_files(&files);
        for (path, entry) in files {
            let first = entry.hard_link.as_ref().unwrap_or(path);
            plan.put_file(path, at_least(floors[first], preferred_layers[first], first, count));
        }
        for layer in &mut plan.layers {
            let paths = layer.puts.keys().chain(&layer.directories);
            let ancestors: Vec<_> =
                paths.flat_map(|path| path.ancestors().skip(1)).map(Path::to_owned).collect();
            layer.directories.extend(ancestors);
            layer.directories.insert(PathBuf::new());
        }
        plan
    }

    /// Puts a directory into a layer. A leaf may also hide older content in the layers below.
    fn put_directory(&mut self, path: &Path, home: usize, is_leaf: bool) {
        let Some(parent) = path.parent() else {
            self.lowest_visible.insert(path.to_owned(), 0);
            return;
        };
        let low = self.lowest_visible[parent];
        let home = at_least(low, home, path, self.layers.len());
        self.layers[home].directories.insert(path.to_owned());
        let room = low..home;
        let is_hiding = match hash(path, "directory") % 4 {
            _ if !is_leaf || room.is_empty() => false,
            0 => {
                self.put_somewhere(&path.join("hidden"), Put::OldFile, room);
                self.layers[home].opaque.insert(path.to_owned());
                self.count("opaque directory")
            }
            1 => {
                self.put_somewhere(path, Put::OldFile, room);
                self.count("directory for a file")
            }
            2 if room.len() > 1 => {
                self.put_and_delete(path, Put::OldDirectory, room);
                self.count("directory deleted and made again")
            }
            _ => false,
        };
        self.lowest_visible.insert(path.to_owned(), if is_hiding { home } else { low });
        if hash(path, "deleted") % 3 == 0 {
            self.put_deleted(path, Put::OldDirectory, low);
        }
    }

    fn put_file(&mut self, path: &Path, home: usize) {
        self.layers[home].puts.insert(path.to_owned(), Put::Final);
        let low = self.lowest_visible[path.parent().unwrap()];
        let room = low..home;
        match hash(path, "file") % 6 {
            _ if room.is_empty() => {}
            0 => {
                self.put_somewhere(path, Put::OldFile, room);
                self.count("file for an older one");
            }
            1 => {
                self.put_somewhere(path, Put::OldDirectory, room);
                self.count("file for a directory");
            }
            2 => {
                self.put_somewhere(path, Put::OldLink, room);
                self.count("file for a symbolic link");
            }
            3 if room.len() > 1 => {
                self.put_and_delete(path, Put::OldFile, room);
                self.count("file deleted and made again");
            }
            _ => {}
        }
        if hash(path, "deleted") % 4 == 0 {
            self.put_deleted(path, Put::OldFile, low);
        }
    }

    /// Adds a neighbour of `path` in one layer and deletes it in a later one.
    fn put_deleted(&mut self, path: &Path, old: Put, low: usize) {
        let gone = path.with_file_name(format!("gone-{:016x}", hash(path, "name")));
        assert!(!self.tree.contains_key(&gone));
        if low + 1 < self.layers.len() {
            self.put_and_delete(&gone, old, low..self.layers.len());
            self.count("deleted finally");
        }
    }

    /// Puts `old` into a layer of the range, and a whiteout into a later one.
    fn put_and_delete(&mut self, path: &Path, old: Put, range: Range<usize>) {
        let at = choose(path, "old", range.start..range.end - 1);
        self.layers[at].puts.insert(path.to_owned(), old);
        self.put_somewhere(path, Put::Whiteout, at + 1..range.end);
    }

    fn put_somewhere(&mut self, path: &Path, put: Put, range: Range<usize>) {
        let at = choose(path, "somewhere", range);
        self.layers[at].puts.insert(path.to_owned(), put);
    }

    fn count(&mut self, what: &'static str) -> bool {
        *self.histories.entry(what).or_default() += 1;
        true
    }

    /// Returns, for each file, the lowest layer in which all its hard links are visible: they must
    /// be in one layer.
    fn lowest_visible_of_files(&self, files: &[(&PathBuf, &Entry)]) -> HashMap<PathBuf, usize> {
        let mut floors = HashMap::new();
        for (path, entry) in files {
            let floor = floors.entry(entry.hard_link.as_ref().unwrap_or(path).clone()).or_default();
            *floor = self.lowest_visible[path.parent().unwrap()].max(*floor);
        }
        floors
    }

    /// Asserts that the view shows files of every layer, and that the layers contain every kind of
    /// change.
    pub(crate) fn assert_all_matter(&self) {
        for (at, layer) in self.layers.iter().enumerate() {
            assert!(layer.puts.values().any(|put| *put == Put::Final), "layer {at} shows nothing");
        }
        assert_eq!(self.histories.len(), 8, "{:?}", self.histories);
        assert!(self.histories.values().all(|times| *times >= 10), "{:?}", self.histories);
    }

    /// Returns the number of paths with each kind of history.
    pub(crate) fn histories(&self) -> &BTreeMap<&'static str, usize> {
        &self.histories
    }

    /// Returns a file that only the lowest layer has.
    pub(crate) fn file_of_the_lowest(&self) -> &Path {
        let is_file = |path: &Path| self.tree[path].file_type() == FileType::RegularFile;
        let mut puts = self.layers[0].puts.iter().filter(|(_, put)| **put == Put::Final);
        puts.find(|(path, _)| is_file(path)).unwrap().0
    }

    /// Makes the layers in these directories, which exist and are empty, from the flat tree at
    /// `flat`.
    pub(crate) fn build(&self, flat: &Path, into: &[PathBuf]) {
        let mut tops: HashMap<&Path, usize> = HashMap::new();
        for (at, layer) in self.layers.iter().enumerate() {
            tops.extend(layer.directories.iter().map(|path| (path.as_path(), at)));
        }
        for (at, (layer, base)) in self.layers.iter().zip(into).enumerate() {
            for path in layer.directories.iter().filter(|path| !path.as_os_str().is_empty()) {
                std::fs::create_dir(base.join(path)).unwrap();
            }
            for (path, put) in &layer.puts {
                self.build_one(path, put, flat, base);
            }
            for path in &layer.opaque {
                set_xattr(&base.join(path), "trusted.overlay.opaque", b"y");
            }
            // Children before parents: creating an entry changes the mtime of its directory.
            for path in layer.directories.iter().rev() {
                let entry = &self.tree[path];
                let is_top = tops[path.as_path()] == at;
                dress(&if is_top { entry.clone() } else { older(entry) }, &base.join(path));
            }
        }
    }

    fn build_one(&self, path: &Path, put: &Put, flat: &Path, base: &Path) {
        let to = base.join(path);
        match put {
            Put::Final => {
                let entry = &self.tree[path];
                match &entry.hard_link {
                    Some(first) => std::fs::hard_link(base.join(first), to).unwrap(),
                    None => copy(entry, &flat.join(path), &to),
                }
            }
            Put::OldFile => write(to, format!("an older {}", path.display())),
            Put::OldLink => std::os::unix::fs::symlink("an/older/link", to).unwrap(),
            Put::OldDirectory => {
                write(to.join("old"), "old");
                mkdirs(to, &["inner/most"]);
            }
            Put::Whiteout => {
                rustix::fs::mknodat(CWD, &to, FileType::CharacterDevice, Mode::empty(), 0).unwrap();
            }
        }
    }
}

/// Returns the metadata of a directory in all layers but its topmost.
fn older(entry: &Entry) -> Entry {
    let mut older = entry.clone();
    (older.mode, older.uid, older.gid, older.mtime) = (0o040_700, 98, 99, (1, 1));
    older.xattrs = BTreeMap::from([(b"trusted.old".to_vec(), b"old".to_vec())]);
    older
}

/// Returns the preferred layer of each entry. All layers are preferred by equally many entries.
fn preferred_layers(tree: &Tree, count: usize) -> HashMap<PathBuf, usize> {
    let mut paths: Vec<&PathBuf> = tree.keys().collect();
    paths.sort_by_key(|path| hash(path, "home"));
    paths.into_iter().enumerate().map(|(rank, path)| (path.clone(), rank % count)).collect()
}

fn at_least(floor: usize, home: usize, path: &Path, count: usize) -> usize {
    if home >= floor { home } else { choose(path, "floor", floor..count) }
}

fn choose(path: &Path, salt: &str, range: Range<usize>) -> usize {
    let length = u64::try_from(range.len()).unwrap();
    range.start + usize::try_from(hash(path, salt) % length).unwrap()
}

/// FNV-1a, and the finish of `SplitMix64` for its low bits.
fn hash(path: &Path, salt: &str) -> u64 {
    let bytes = path.as_os_str().as_bytes().iter().chain(salt.as_bytes());
    let fnv = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    let hash = bytes.fold(0xcbf2_9ce4_8422_2325, fnv);
    let hash = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let hash = (hash ^ (hash >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    hash ^ (hash >> 31)
}
