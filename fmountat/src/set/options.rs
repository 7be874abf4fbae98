// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Option lists, parsed: per-mount attributes, superblock flags, the engine's words, the file system's words.

use super::words::{Effect, look_up};
use crate::error::{Error, ErrorKind, Result};
use crate::kinds::filesystem::Word;
use crate::vfs::attr::{Attr, MountAttr};
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
    /// `X-mount.mkdir[=MODE]`: make the mount point.
    pub mkdir: Option<u32>,
    /// `X-mount.subdir=`: show this directory of it.
    pub subdir: Option<PathBuf>,
    /// `X-mount.owner=`, `X-mount.group=`: numeric ids for the root of the mount.
    pub owner: (Option<u32>, Option<u32>),
    /// `X-mount.mode=`: for the root of the mount.
    pub mode: Option<u32>,
    /// Words for the file system.
    pub words: Vec<Word>,
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
            for word in split(element.as_ref().as_bytes()) {
                if !word.is_empty() {
                    options.take(OsStr::from_bytes(word))?;
                }
            }
        }
        Ok(options)
    }

    fn take(&mut self, text: &OsStr) -> Result<()> {
        let (key, value) = key_and_value(text);
        if key.as_bytes().starts_with(b"X-containerd.") {
            let reason = "a word of containerd's own that should not have reached the mount layer";
            return Err(option_error(ErrorKind::UnknownOption, text, reason));
        }
        let Some(name) = key.to_str() else {
            return self.take_data(key, value);
        };
        if let Some(rest) = name.strip_prefix("X-mount.").or_else(|| name.strip_prefix("x-mount.")) {
            if look_up(name).is_none() {
                return self.take_x_mount(rest, value, text);
            }
        }
        if name.starts_with("x-") || name.starts_with("X-") && look_up(name).is_none() || name == "comment" {
            return Ok(()); // notes for other readers of fstab, mount(8)
        }
        if name == "nofail" {
            self.nofail = true;
            return Ok(());
        }
        let Some((effect, recursive)) = look_up(name) else {
            return self.take_data(key, value);
        };
        let is_value_recursive = value.is_some_and(|v| v == "recursive");
        match effect {
            Effect::Refused(reason) => return Err(option_error(ErrorKind::Unsupported, text, reason)),
            Effect::Attr(..) | Effect::ReadOnly(_) if is_value_recursive => self.set(effect, true),
            _ if value.is_some() => {
                return Err(option_error(ErrorKind::OptionValue, text, "this word takes no value"));
            }
            _ => self.set(effect, recursive),
        }
        Ok(())
    }

    fn set(&mut self, effect: Effect, recursive: bool) {
        let attr = if recursive { &mut self.recursive_attr } else { &mut self.attr };
        match effect {
            Effect::Attr(set, clear) => change(attr, set, clear),
            Effect::ReadOnly(true) => {
                change(attr, Attr::RDONLY, Attr::empty());
                self.set_superblock("ro", "rw");
            }
            Effect::ReadOnly(false) => {
                change(attr, Attr::empty(), Attr::RDONLY);
                self.set_superblock("rw", "ro");
            }
            Effect::Superblock(name, opposite) => self.set_superblock(name, opposite),
            Effect::Propagation(propagation, true) => self.recursive_attr.propagation = Some(propagation),
            Effect::Propagation(propagation, false) => self.attr.propagation = Some(propagation),
            Effect::Bind(recursive) => self.bind = Some(recursive),
            Effect::Remount => self.remount = true,
            Effect::Nothing | Effect::Refused(_) => {}
        }
    }

    fn set_superblock(&mut self, name: &'static str, opposite: &'static str) {
        self.superblock.retain(|flag| *flag != name && *flag != opposite);
        self.superblock.push(name);
    }

    fn take_data(&mut self, key: &OsStr, value: Option<&OsStr>) -> Result<()> {
        let word = Word { key: key.to_owned(), value: value.map(unquote) };
        self.words.push(word);
        Ok(())
    }

    fn take_x_mount(&mut self, name: &str, value: Option<&OsStr>, text: &OsStr) -> Result<()> {
        let number = |radix| match value.and_then(OsStr::to_str).map(|v| u32::from_str_radix(v, radix)) {
            Some(Ok(number)) => Ok(number),
            _ => {
                let kind = if radix == 8 { "an octal mode" } else { "a numeric id" };
                Err(option_error(ErrorKind::OptionValue, text, &format!("its value must be {kind}")))
            }
        };
        match name {
            "mkdir" => self.mkdir = Some(if value.is_some() { number(8)? } else { 0o755 }),
            "owner" => self.owner.0 = Some(number(10)?),
            "group" => self.owner.1 = Some(number(10)?),
            "mode" => self.mode = Some(number(8)?),
            "subdir" => match value.filter(|v| !v.is_empty()) {
                Some(path) => self.subdir = Some(unquote(path).into()),
                None => return Err(option_error(ErrorKind::OptionValue, text, "its value must be a path")),
            },
            _ => return Err(option_error(ErrorKind::UnknownOption, text, "no such X-mount word")),
        }
        Ok(())
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

fn key_and_value(text: &OsStr) -> (&OsStr, Option<&OsStr>) {
    let bytes = text.as_bytes();
    match bytes.iter().position(|b| *b == b'=') {
        Some(at) => (OsStr::from_bytes(&bytes[..at]), Some(OsStr::from_bytes(&bytes[at + 1..]))),
        None => (text, None),
    }
}

/// `"a,b"` without its quotes, as mount(8) writes SELinux contexts.
fn unquote(value: &OsStr) -> OsString {
    match value.as_bytes() {
        [b'"', inner @ .., b'"'] => OsStr::from_bytes(inner).to_owned(),
        _ => value.to_owned(),
    }
}

pub(super) fn split(text: &[u8]) -> Vec<&[u8]> {
    let mut words = Vec::new();
    let (mut start, mut quoted, mut escaped) = (0, false, false);
    for (at, byte) in text.iter().enumerate() {
        match byte {
            b'"' if !escaped => quoted = !quoted,
            b',' if !quoted && !escaped => {
                words.push(&text[start..at]);
                start = at + 1;
            }
            _ => {}
        }
        escaped = !escaped && *byte == b'\\';
    }
    words.push(&text[start..]);
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn last_of_a_pair_wins() {
        let options = Options::parse(["ro,noexec", "rw,exec,noatime,relatime"]).unwrap();
        assert_eq!(options.attr.set, Attr::empty());
        assert_eq!(options.superblock, ["rw"]);
        assert_eq!(options.attr.clear, Attr::RDONLY | Attr::NOEXEC | Attr::ATIME_FIELD);
    }

    #[test]
    fn words_are_split_as_mount_8_does() {
        let options = Options::parse([r#"context="a,b",lowerdir=/x\,y,,size=1"#]).unwrap();
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
            ("loop", ErrorKind::Unsupported),
            ("tmpcopyup", ErrorKind::Unsupported),
            ("uidmap=0:1:2", ErrorKind::Unsupported),
            ("X-mount.idmap=b:0:1:2", ErrorKind::Unsupported),
        ] {
            let error = Options::parse([word]).unwrap_err();
            assert_eq!((error.kind(), error.argument().unwrap()), (kind, OsStr::new(word)));
        }
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
