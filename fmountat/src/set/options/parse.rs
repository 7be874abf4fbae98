// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Parses option lists.

use crate::error::{Error, ErrorKind, Operation, Result};
use crate::kinds::filesystem::{FsOption, is_context};
use crate::set::options::definition::{Effect, Places, UserspaceOption, Value};
use crate::set::options::lexer::{has_open_quote, key_and_value, split_options, unquote};
use crate::set::options::options::{Given, Options};
use crate::set::options::suggest::option_error;
use crate::set::options::table::look_up;
use crate::vfs::attr::{Attr, MountAttr};
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;

/// Reports whether the table has the option as an unsupported one.
fn is_refused(option: &OsStr) -> bool {
    let known = key_and_value(option).0.to_str().and_then(look_up);
    known.is_some_and(|(known, _)| matches!(known.effect, Effect::Refused(_)))
}

impl Options {
    /// Parses option elements, each of which may contain several options separated by commas. As in
    /// mount(8), a comma after a backslash or inside double quotes does not separate.
    ///
    /// # Errors
    /// [`ErrorKind::NulByte`]; [`ErrorKind::OptionValue`] for a missing, an invalid or an
    /// unexpected value; [`ErrorKind::OptionConflict`] for two id mappings;
    /// [`ErrorKind::UnknownOption`] for `X-containerd.` options and unknown `X-mount.` options;
    /// [`ErrorKind::Unsupported`].
    pub fn parse<T: AsRef<OsStr>>(elements: impl IntoIterator<Item = T>) -> Result<Self> {
        Self::parse_each(elements, |_, error| Err(error))
    }

    /// Parses the options that fmountat supports. Also returns the options that it knows but does
    /// not support.
    pub(crate) fn parse_supported<T: AsRef<OsStr>>(
        elements: impl IntoIterator<Item = T>,
    ) -> Result<(Self, Vec<OsString>)> {
        let mut left_out = Vec::new();
        let options = Self::parse_each(elements, |option, error| {
            if !is_refused(option) {
                return Err(error);
            }
            left_out.push(option.to_owned());
            Ok(())
        })?;
        Ok((options, left_out))
    }

    /// Parses option by option; `failed` decides about an option that can't be taken.
    fn parse_each<T: AsRef<OsStr>>(
        elements: impl IntoIterator<Item = T>,
        mut failed: impl FnMut(&OsStr, Error) -> Result<()>,
    ) -> Result<Self> {
        let mut options = Self::default();
        for element in elements {
            crate::vfs::bytes::c_string(Operation::ReadOptions, element.as_ref())?;
            if has_open_quote(element.as_ref().as_bytes()) {
                let reason = "has an opening double quote without a closing one";
                return Err(option_error(ErrorKind::OptionValue, element.as_ref(), reason));
            }
            for option in split_options(element.as_ref()) {
                if let Err(error) = options.take(&option) {
                    failed(&option, crate::set::options::suggest::of_option(error))?;
                }
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
            return self.take_fs_option(key, value, text);
        };
        if name.starts_with("X-containerd.") {
            let reason = "is an internal option of containerd, which containerd should have removed";
            return Err(option_error(ErrorKind::UnknownOption, text, reason));
        }
        // mount(8) accepts the options that util-linux writes with X also with x.
        let canonical = match name.strip_prefix("x-mount.") {
            Some(rest) => format!("X-mount.{rest}"),
            None => name.to_owned(),
        };
        match look_up(&canonical) {
            Some((option, recursive)) => self.take_option(option, recursive, value, text),
            None if canonical.starts_with("X-mount.") => {
                Err(option_error(ErrorKind::UnknownOption, text, "unknown X-mount option"))
            }
            // Comments for other readers of fstab: mount(8).
            None if name.starts_with("x-") || name.starts_with("X-") || name == "comment" => Ok(()),
            None => self.take_fs_option(key, value, text),
        }
    }

    fn take_option(
        &mut self,
        option: &'static UserspaceOption,
        recursive: bool,
        value: Option<&OsStr>,
        text: &OsStr,
    ) -> Result<()> {
        let is_of_filesystem = option.layer() == "filesystem";
        let given =
            Given { name: option.name, text: text.to_owned(), places: option.places, is_of_filesystem };
        self.given.push(given);
        match (option.effect, value.and_then(OsStr::to_str)) {
            (Effect::Refused(reason), _) => return Err(option_error(ErrorKind::Unsupported, text, reason)),
            // `user=NAME` names the user that may unmount. Only mount(8) reads it.
            (Effect::Attr(..), Some(_)) if matches!(option.value, Value::Optional(_)) => return Ok(()),
            (effect, Some("recursive")) if option.recursive_form().is_some() => {
                self.set(effect, true);
                return Ok(());
            }
            // `ro=vfs` and `ro=fs` select one of the two effects of `ro` [util-linux 2.39].
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
        match (option.value, value) {
            (Value::None, Some(_)) => {
                return Err(option_error(ErrorKind::OptionValue, text, "this option takes no value"));
            }
            (Value::Required(what), None) => {
                let reason = format!("requires a value: {}={what}", option.name);
                return Err(option_error(ErrorKind::OptionValue, text, &reason));
            }
            _ => {}
        }
        match option.effect {
            Effect::Engine(engine) => crate::set::options::values::take(self, engine, value, text),
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
            Effect::Engine(_) | Effect::Ignored | Effect::Refused(_) => {}
        }
    }

    fn set_read_only_attr(&mut self, yes: bool, recursive: bool) {
        match yes {
            true => self.change(Attr::RDONLY, Attr::empty(), recursive),
            false => self.change(Attr::empty(), Attr::RDONLY, recursive),
        }
    }

    /// An option for the whole tree overrides earlier ones for the top mount, since those for the
    /// top mount are applied last.
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

    fn take_fs_option(&mut self, key: &OsStr, value: Option<&OsStr>, text: &OsStr) -> Result<()> {
        if (is_context(key) || key == "seclabel") && !std::path::Path::new("/sys/fs/selinux/enforce").exists()
        {
            let reason = "SELinux is not enabled, so the option would have no effect";
            return Err(option_error(ErrorKind::Unsupported, text, reason).with_hint("remove this option"));
        }
        self.fs_options.push(FsOption { key: key.to_owned(), value: value.map(unquote) });
        Ok(())
    }
}

fn change(attr: &mut MountAttr, set: Attr, clear: Attr) {
    attr.set = (attr.set - clear) | set;
    attr.clear = (attr.clear - set) | clear;
    // An atime policy must clear the whole field, including itself.
    if attr.set.intersects(Attr::ATIME_FIELD) {
        attr.clear |= Attr::ATIME_FIELD;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::set::options::LoopOverrides;
    use crate::vfs::idmap::{IdMapping, Idmap};

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
        let fs_options: Vec<_> = options.fs_options.iter().map(|w| w.value.clone().unwrap()).collect();
        assert_eq!(fs_options, ["a,b", r"/x\,y", "1"]);
    }

    #[test]
    fn refusals_name_the_word() {
        for (option, kind) in [
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
            let error = Options::parse([option]).unwrap_err();
            assert_eq!((error.kind(), error.argument().unwrap()), (kind, OsStr::new(option)));
        }
    }

    #[test]
    fn id_mappings_of_all_three_writers() {
        let range = |inner, outer, count| IdMapping { inner, outer, count };
        for (given, users, groups) in [
            ("uidmap=0:1000:1,5:7:9", vec![range(0, 1000, 1), range(5, 7, 9)], vec![]),
            ("gidmap=0:1000:1,uidmap=1:2:3", vec![range(1, 2, 3)], vec![range(0, 1000, 1)]),
            (
                "X-mount.idmap=b:0:1000:1 u:5:7:9",
                vec![range(0, 1000, 1), range(5, 7, 9)],
                vec![range(0, 1000, 1)],
            ),
            ("x-mount.idmap=\"0:1:2\"", vec![range(0, 1, 2)], vec![range(0, 1, 2)]),
        ] {
            let options = Options::parse([given]).unwrap();
            assert_eq!(options.idmap, Some(Idmap::Ranges { users, groups }), "{given}");
        }
        // Options of two writers together: neither of them intends the combination.
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
        let want = LoopOverrides { offset: 1 << 20, size_limit: 0, sector_size: Some(4096), direct_io: true };
        assert_eq!(options.loop_device, Some(want));
    }

    #[test]
    fn ineffective_options_are_ignored_and_recursive_forms_are_kept_apart() {
        let given = "x-systemd.automount,comment=z,_netdev,nofail,rro,ro=recursive,rprivate";
        let options = Options::parse([given]).unwrap();
        assert!(options.nofail && options.fs_options.is_empty() && options.attr.is_empty());
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
            let got: Vec<_> = options.fs_options.iter().map(|w| w.key.to_string_lossy().into_owned()).collect();
            proptest::prop_assert_eq!(got, keys);
        }
    }
}
