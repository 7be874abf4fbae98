// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Option lists, parsed: per-mount attributes, superblock flags, the engine's words, the file system's words.

use super::engine::{LoopWords, Mkdir};
use super::split::{has_open_quote, key_and_value, unquote, words};
use super::words::{Effect, OptionWord, Places, Value, look_up};
use crate::error::{Error, ErrorKind, Result};
use crate::kinds::filesystem::{Word, is_context};
use crate::vfs::attr::{Attr, MountAttr};
use crate::vfs::idmap::Idmap;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

/// What an option list asks for. Later words win over earlier ones of the same pair.
///
/// ```
/// use fmountat::{Attr, Options};
/// let options = Options::parse(["ro,nosuid", "size=1m,suid"])?;
/// assert_eq!(options.attr.set, Attr::RDONLY);
/// assert_eq!(options.words[0].key, "size");
/// # Ok::<(), fmountat::Error>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Options {
    /// For the top mount.
    pub attr: MountAttr,
    /// For all mounts of a bound tree (`rro`, `rnosuid`, `rprivate`, ...).
    pub recursive_attr: MountAttr,
    /// Superblock flags by fsconfig's names: `ro`, `sync`, `lazytime`, ...
    pub superblock: Vec<&'static str>,
    /// `bind` (false) or `rbind` (true).
    pub bind: Option<bool>,
    /// `remount`.
    pub remount: bool,
    /// `nofail`: a missing source is no error.
    pub nofail: bool,
    /// `X-mount.mkdir[=MODE[:UID:GID]]`: make the mount point.
    pub mkdir: Option<Mkdir>,
    /// `X-mount.subdir=`: show this directory of it.
    pub subdir: Option<PathBuf>,
    /// `X-mount.owner=`, `X-mount.group=`: numeric ids for the root of the mount.
    pub owner: (Option<u32>, Option<u32>),
    /// `X-mount.mode=`: for the root of the mount.
    pub mode: Option<u32>,
    /// `X-mount.idmap=`, or `uidmap=` and `gidmap=`; of the latter one alone leaves the other ids as they are.
    pub idmap: Option<Idmap>,
    /// `idmap` (false) or `ridmap` (true): whether a bound tree is mapped as a whole; without a word it is.
    pub idmap_recursive: Option<bool>,
    /// `loop` and the words that imply it.
    pub loop_device: Option<LoopWords>,
    /// Words for the file system.
    pub words: Vec<Word>,
    /// Whether the mapping is that of `X-mount.idmap=`, to which nothing can be added.
    pub(super) idmap_is_whole: bool,
    /// Words of the table as they were given, for the check of where they stand.
    given: Vec<Given>,
}

/// A word of the table as it was given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Given {
    name: &'static str,
    pub(super) text: OsString,
    /// Where it has an effect: its value may leave less than the word alone.
    places: Places,
    /// Whether it is for the file system, and for nothing of the mount.
    pub(super) is_of_filesystem: bool,
}

impl Options {
    /// Parses option elements, each of which may hold several words separated by commas. A comma after a backslash or
    /// inside double quotes separates nothing, as in mount(8).
    ///
    /// # Errors
    /// [`ErrorKind::NulByte`]; [`ErrorKind::OptionValue`] for a value where none may stand or a bad one;
    /// [`ErrorKind::UnknownOption`] for `X-containerd.` words; [`ErrorKind::Unsupported`].
    pub fn parse<T: AsRef<OsStr>>(elements: impl IntoIterator<Item = T>) -> Result<Self> {
        let mut options = Self::default();
        for element in elements {
            crate::vfs::bytes::c_string("options", element.as_ref())?;
            if has_open_quote(element.as_ref().as_bytes()) {
                let reason =
                    "a double quote is opened and not closed, so that the words after it would be part of it";
                return Err(option_error(ErrorKind::OptionValue, element.as_ref(), reason));
            }
            for word in words(element.as_ref()) {
                options.take(&word).map_err(super::why::of_word)?;
            }
        }
        if let Some(idmap) = &options.idmap {
            idmap.check()?;
        }
        Ok(options)
    }

    fn take(&mut self, text: &OsStr) -> Result<()> {
        let (key, value) = key_and_value(text);
        let Some(name) = key.to_str() else {
            return self.take_data(key, value, text);
        };
        if name.starts_with("X-containerd.") {
            let reason = "a word of containerd's own that should not have reached the mount layer";
            return Err(option_error(ErrorKind::UnknownOption, text, reason));
        }
        // The words that util-linux writes with X are taken with x too: mount(8) has both.
        let canonical = match name.strip_prefix("x-mount.") {
            Some(rest) => format!("X-mount.{rest}"),
            None => name.to_owned(),
        };
        match look_up(&canonical) {
            Some((word, recursive)) => self.take_word(word, recursive, value, text),
            None if canonical.starts_with("X-mount.") => {
                Err(option_error(ErrorKind::UnknownOption, text, "no such X-mount word"))
            }
            // Notes for other readers of fstab, mount(8).
            None if name.starts_with("x-") || name.starts_with("X-") || name == "comment" => Ok(()),
            None => self.take_data(key, value, text),
        }
    }

    fn take_word(
        &mut self,
        word: &'static OptionWord,
        recursive: bool,
        value: Option<&OsStr>,
        text: &OsStr,
    ) -> Result<()> {
        let is_of_filesystem = word.layer() == "filesystem";
        let given = Given { name: word.name, text: text.to_owned(), places: word.places, is_of_filesystem };
        self.given.push(given);
        match (word.effect, value.and_then(OsStr::to_str)) {
            (Effect::Refused(reason), _) => return Err(option_error(ErrorKind::Unsupported, text, reason)),
            // `user=NAME` tells who may unmount, and mount(8) alone reads it.
            (Effect::Attr(..), Some(_)) if matches!(word.value, Value::Optional(_)) => return Ok(()),
            (effect, Some("recursive")) if word.recursive_form().is_some() => {
                self.set(effect, true);
                return Ok(());
            }
            // Of the two things that `ro` does, one: util-linux 2.39.
            (Effect::ReadOnly(yes), Some("vfs")) if !recursive => {
                self.set_read_only_attr(yes, false);
                return Ok(());
            }
            (Effect::ReadOnly(yes), Some("fs")) if !recursive => {
                if let Some(given) = self.given.last_mut() {
                    given.places -= Places::BIND;
                    given.is_of_filesystem = true;
                }
                self.set_read_only_filesystem(yes);
                return Ok(());
            }
            _ => {}
        }
        match (word.value, value) {
            (Value::None, Some(_)) => {
                return Err(option_error(ErrorKind::OptionValue, text, "this word takes no such value"));
            }
            (Value::Required(what), None) => {
                let reason = format!("it needs a value: {}={what}", word.name);
                return Err(option_error(ErrorKind::OptionValue, text, &reason));
            }
            _ => {}
        }
        match word.effect {
            Effect::Engine(engine) => super::engine::take(self, engine, value, text),
            effect => {
                self.set(effect, recursive);
                Ok(())
            }
        }
    }

    fn set(&mut self, effect: Effect, recursive: bool) {
        match effect {
            Effect::Attr(set, clear) => self.change(set, clear, recursive),
            Effect::ReadOnly(yes) => {
                self.set_read_only_attr(yes, recursive);
                self.set_read_only_filesystem(yes);
            }
            Effect::Superblock(name, opposite) => self.set_superblock(name, opposite),
            Effect::Propagation(propagation, true) => {
                self.recursive_attr.propagation = Some(propagation);
                self.attr.propagation = None;
            }
            Effect::Propagation(propagation, false) => self.attr.propagation = Some(propagation),
            Effect::Bind(recursive) => self.bind = Some(recursive),
            Effect::Remount => self.remount = true,
            Effect::Engine(_) | Effect::Note | Effect::Refused(_) => {}
        }
    }

    fn set_read_only_attr(&mut self, yes: bool, recursive: bool) {
        match yes {
            true => self.change(Attr::RDONLY, Attr::empty(), recursive),
            false => self.change(Attr::empty(), Attr::RDONLY, recursive),
        }
    }

    /// A word for the whole tree takes back what an earlier one said of the top: words for the top are applied last.
    fn change(&mut self, set: Attr, clear: Attr, recursive: bool) {
        if recursive {
            self.attr.set -= set | clear;
            self.attr.clear -= set | clear;
        }
        change(if recursive { &mut self.recursive_attr } else { &mut self.attr }, set, clear);
    }

    fn set_read_only_filesystem(&mut self, yes: bool) {
        match yes {
            true => self.set_superblock("ro", "rw"),
            false => self.set_superblock("rw", "ro"),
        }
    }

    fn set_superblock(&mut self, name: &'static str, opposite: &'static str) {
        self.superblock.retain(|flag| *flag != name && *flag != opposite);
        self.superblock.push(name);
    }

    fn take_data(&mut self, key: &OsStr, value: Option<&OsStr>, text: &OsStr) -> Result<()> {
        if (is_context(key) || key == "seclabel") && !std::path::Path::new("/sys/fs/selinux/enforce").exists()
        {
            let reason = "SELinux is not in force here, so the word would have no effect";
            return Err(option_error(ErrorKind::Unsupported, text, reason).hinted("leave it out"));
        }
        self.words.push(Word { key: key.to_owned(), value: value.map(unquote) });
        Ok(())
    }

    /// The words that would have no effect in a mount of this kind.
    pub(super) fn misplaced(&self, place: Places) -> impl Iterator<Item = &Given> {
        self.given.iter().filter(move |given| !given.places.contains(place))
    }

    /// The words for the file system alone, of the table and its own.
    pub(super) fn of_filesystem(&self) -> impl Iterator<Item = OsString> {
        let known = self.given.iter().filter(|given| given.is_of_filesystem).map(|given| given.text.clone());
        known.chain(self.words.iter().map(Word::text))
    }

    /// Takes out the words that would have no effect in a remount, and gives them.
    pub(super) fn leave_out_of_remount(&mut self) -> Vec<OsString> {
        let is_alone = self.bind.is_some();
        let has_effect =
            |given: &Given| given.places.contains(Places::REMOUNT) && !(is_alone && given.is_of_filesystem);
        let (kept, gone): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.given).into_iter().partition(has_effect);
        self.given = kept;
        self.superblock.retain(|flag| !gone.iter().any(|given| given.name == *flag));
        let words = if is_alone { std::mem::take(&mut self.words) } else { Vec::new() };
        gone.into_iter().map(|given| given.text).chain(words.iter().map(Word::text)).collect()
    }

    /// Attributes for a mount that is one mount: the recursive ones count too.
    pub(crate) fn single_attr(&self) -> MountAttr {
        let (a, r) = (&self.attr, &self.recursive_attr);
        MountAttr {
            set: (r.set - a.clear) | a.set,
            clear: r.clear | a.clear,
            propagation: a.propagation.or(r.propagation),
        }
    }

    /// The superblock flags that a new file system has to be told: those that are not its state at birth.
    pub(crate) fn superblock_at_birth(&self) -> Vec<&'static str> {
        let default = ["rw", "async", "nomand", "nolazytime"];
        self.superblock.iter().copied().filter(|flag| !default.contains(flag)).collect()
    }
}

fn change(attr: &mut MountAttr, set: Attr, clear: Attr) {
    attr.set = (attr.set - clear) | set;
    attr.clear = (attr.clear - set) | clear;
    // A policy that is set must clear the whole of its field, itself included.
    if attr.set.intersects(Attr::ATIME_FIELD) {
        attr.clear |= Attr::ATIME_FIELD;
    }
}

pub(super) fn option_error(kind: ErrorKind, word: &OsStr, reason: &str) -> Error {
    Error::new(kind, "read option", reason).arg(word)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vfs::idmap::IdMapping;

    #[test]
    fn last_of_a_pair_wins() {
        let options = Options::parse(["ro,noexec", "rw,exec,noatime,relatime"]).unwrap();
        assert_eq!(options.attr.set, Attr::empty());
        assert_eq!(options.superblock, ["rw"]);
        assert_eq!(options.attr.clear, Attr::RDONLY | Attr::NOEXEC | Attr::ATIME_FIELD);
    }

    #[test]
    fn words_are_split_as_mount_8_does() {
        let options = Options::parse([r#"label="a,b",lowerdir=/x\,y,,size=1"#]).unwrap();
        let words: Vec<_> = options.words.iter().map(|w| w.value.clone().unwrap()).collect();
        assert_eq!(words, ["a,b", r"/x\,y", "1"]);
    }

    #[test]
    fn refusals_name_the_word() {
        for (word, kind) in [
            ("X-containerd.foo=1", ErrorKind::UnknownOption),
            ("X-mount.nosuch", ErrorKind::UnknownOption),
            ("X-mount.mode=9", ErrorKind::OptionValue),
            ("X-mount.owner=", ErrorKind::OptionValue),
            ("ro=1", ErrorKind::OptionValue),
            ("loop=/dev/loop0", ErrorKind::OptionValue),
            ("offset", ErrorKind::OptionValue),
            ("sector-size=511", ErrorKind::OptionValue),
            ("nofail=1", ErrorKind::OptionValue),
            ("tmpcopyup", ErrorKind::Unsupported),
            ("iversion", ErrorKind::Unsupported),
            ("X-mount.mkdir=0755:1", ErrorKind::OptionValue),
            ("X-mount.mkdir=0755:a:b", ErrorKind::OptionValue),
            ("X-mount.mkdir=99", ErrorKind::OptionValue),
            ("uidmap=0:1", ErrorKind::OptionValue),
            ("gidmap=0:-1:2", ErrorKind::OptionValue),
            ("X-mount.idmap=x:0:1:2", ErrorKind::OptionValue),
            ("X-mount.idmap=", ErrorKind::OptionValue),
            ("X-mount.owner=4294967295", ErrorKind::OptionValue),
            ("X-mount.group=4294967295", ErrorKind::OptionValue),
            ("X-mount.mkdir=0755:4294967295:0", ErrorKind::OptionValue),
            ("X-mount.mkdir=7777", ErrorKind::OptionValue),
        ] {
            let error = Options::parse([word]).unwrap_err();
            assert_eq!((error.kind(), error.argument().unwrap()), (kind, OsStr::new(word)));
        }
    }

    #[test]
    fn id_mappings_of_all_three_writers() {
        let range = |disk, seen, count| IdMapping { disk, seen, count };
        for (words, users, groups) in [
            ("uidmap=0:1000:1,5:7:9", vec![range(0, 1000, 1), range(5, 7, 9)], vec![]),
            ("gidmap=0:1000:1,uidmap=1:2:3", vec![range(1, 2, 3)], vec![range(0, 1000, 1)]),
            (
                "X-mount.idmap=b:0:1000:1 u:5:7:9",
                vec![range(0, 1000, 1), range(5, 7, 9)],
                vec![range(0, 1000, 1)],
            ),
            ("x-mount.idmap=\"0:1:2\"", vec![range(0, 1, 2)], vec![range(0, 1, 2)]),
        ] {
            let options = Options::parse([words]).unwrap();
            assert_eq!(options.idmap, Some(Idmap::Ranges { users, groups }), "{words}");
        }
        // Two writers at once map as neither of them says.
        for one in ["uidmap=5:6:1", "gidmap=5:6:1", "X-mount.idmap=u:9:9:1", "X-mount.idmap=/n/s"] {
            for other in ["X-mount.idmap=u:0:7:1", "X-mount.idmap=/proc/7/ns/user"] {
                for both in [[one, other], [other, one]] {
                    let error = Options::parse(both).unwrap_err();
                    assert_eq!(error.kind(), ErrorKind::OptionConflict, "{both:?}");
                }
            }
        }
        let options = Options::parse(["X-mount.idmap=/proc/7/ns/user"]).unwrap();
        assert_eq!(options.idmap, Some(Idmap::Namespace("/proc/7/ns/user".into())));
    }

    #[test]
    fn loop_words_imply_loop() {
        let options = Options::parse(["offset=1MiB,sector-size=4096,direct-io"]).unwrap();
        let want = LoopWords { offset: 1 << 20, size_limit: 0, sector_size: Some(4096), direct_io: true };
        assert_eq!(options.loop_device, Some(want));
    }

    #[test]
    fn notes_are_ignored_and_recursive_forms_are_kept_apart() {
        let words = "x-systemd.automount,comment=z,_netdev,nofail,rro,ro=recursive,rprivate";
        let options = Options::parse([words]).unwrap();
        assert!(options.nofail && options.words.is_empty() && options.attr.is_empty());
        assert_eq!(options.recursive_attr.set, Attr::RDONLY);
        assert!(options.recursive_attr.propagation.is_some());
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_parse_or_fail_without_panic(bytes: Vec<u8>) {
            let _ = Options::parse([OsStr::from_bytes(&bytes)]);
        }

        #[test]
        fn data_words_are_kept_in_order(keys in proptest::collection::vec("[a-z]{3}q[0-9]", 0..20)) {
            let options = Options::parse([keys.join(",")]).unwrap();
            let got: Vec<_> = options.words.iter().map(|w| w.key.to_string_lossy().into_owned()).collect();
            proptest::prop_assert_eq!(got, keys);
        }
    }
}
