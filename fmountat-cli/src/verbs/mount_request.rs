// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What the arguments of `fmountat mount` mean: options, a source and a target.

use crate::mount_args::{MountArgs, PropagationArgs};
use crate::sources::of_tag;
use fmountat::text::escape;
use fmountat::{Error, ErrorKind, Operation};
use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;

/// Returns the option that means the same as `--make-private` or its siblings.
fn propagation_option(args: &PropagationArgs) -> Option<&'static str> {
    let options = [
        (args.make_shared, "shared"),
        (args.make_slave, "slave"),
        (args.make_private, "private"),
        (args.make_unbindable, "unbindable"),
        (args.make_rshared, "rshared"),
        (args.make_rslave, "rslave"),
        (args.make_rprivate, "rprivate"),
        (args.make_runbindable, "runbindable"),
    ];
    options.into_iter().find_map(|(is_given, option)| is_given.then_some(option))
}

/// What to mount, after all flags have become options.
#[derive(Debug)]
pub(crate) struct MountRequest {
    pub(crate) options: Vec<OsString>,
    pub(crate) source: Option<PathBuf>,
    pub(crate) target: PathBuf,
}

impl MountArgs {
    /// Returns what to mount.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`] for a missing or surplus SOURCE or TARGET.
    pub(crate) fn request(&self) -> Result<MountRequest, Error> {
        let mut paths = self.paths.iter().cloned();
        let tagged =
            |tag: &str, value: &OsString| OsString::from_vec([tag.as_bytes(), value.as_bytes()].concat());
        let label = self.label.as_ref().map(|label| tagged("LABEL=", label));
        let uuid = self.uuid.as_ref().map(|uuid| tagged("UUID=", uuid));
        let given = self.source_option.clone().or(label).or(uuid).map(PathBuf::from);
        let has_two = self.paths.len() == 2 || self.target_option.is_some();
        let source = given.or_else(|| if has_two { paths.next() } else { None });
        let target = self.target_option.clone().or_else(|| paths.next());
        let surplus = paths.next();
        match (target, surplus) {
            (Some(target), None) => {
                let source = source.map(tagged_device).transpose()?;
                Ok(MountRequest { options: self.all_options(), source, target })
            }
            (None, _) => Err(usage("is missing").with_argument("TARGET")),
            (_, Some(surplus)) => {
                Err(usage("unexpected third path; give SOURCE and TARGET only").with_argument(surplus))
            }
        }
    }

    /// Returns the options of `-o` and of the flags.
    fn all_options(&self) -> Vec<OsString> {
        let flags =
            [(self.bind, "bind"), (self.rbind, "rbind"), (self.read_only, "ro"), (self.read_write, "rw")];
        let flags = flags.into_iter().filter_map(|(is_given, option)| is_given.then_some(option));
        let mut options = self.options.clone();
        options.extend(flags.chain(propagation_option(&self.propagation)).map(OsString::from));
        options.extend(self.mkdir.as_ref().map(|mode| match mode {
            Some(mode) => OsString::from_vec([b"X-mount.mkdir=", mode.as_bytes()].concat()),
            None => OsString::from("X-mount.mkdir"),
        }));
        options
    }
}

/// Returns the device of a tag, and every other source unchanged.
fn tagged_device(source: PathBuf) -> Result<PathBuf, Error> {
    let path = of_tag(source.clone());
    if path == source || path.exists() {
        return Ok(path);
    }
    let reason = format!("no device has it: {} does not exist", escape(path.as_os_str().as_bytes()));
    let error = Error::new(ErrorKind::NotFound, Operation::OpenDevice, reason).with_argument(source);
    Err(error.with_hint("blkid(8) lists labels and UUIDs; udev creates these links"))
}

fn usage(reason: &str) -> Error {
    let error = Error::new(ErrorKind::Usage, Operation::ReadCommandLine, reason.to_owned());
    error.with_hint("fmountat mount [OPTIONS] SOURCE TARGET; to change a mount, TARGET alone")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::{Cli, Verb};
    use clap::Parser;

    fn request(line: &str) -> Result<(Vec<String>, Option<String>, String), Error> {
        let words = ["fmountat", "mount"].into_iter().chain(line.split(' '));
        let Verb::Mount(args) = Cli::try_parse_from(words).expect(line).verb else { panic!("{line}") };
        let request = args.request()?;
        let text = |text: OsString| text.into_string().expect("UTF-8");
        let source = request.source.map(|source| text(source.into()));
        Ok((request.options.into_iter().map(text).collect(), source, text(request.target.into())))
    }

    #[test]
    fn the_flags_of_mount_8() {
        for (line, options, source, target) in [
            ("-B a b", "bind", Some("a"), "b"),
            ("--rbind -r a b", "rbind ro", Some("a"), "b"),
            ("-o nosuid -w a b", "nosuid rw", Some("a"), "b"),
            ("-m -t tmpfs x b", "X-mount.mkdir", Some("x"), "b"),
            ("--mkdir=0700 -t tmpfs x b", "X-mount.mkdir=0700", Some("x"), "b"),
            ("--make-rslave b", "rslave", None, "b"),
            ("--bind --make-private a b", "bind private", Some("a"), "b"),
            ("-B --source a --target b", "bind", Some("a"), "b"),
            ("-B --target b a", "bind", Some("a"), "b"),
            ("-B --source a b", "bind", Some("a"), "b"),
            ("-B -- -a b", "bind", Some("-a"), "b"),
            ("-o remount,ro b", "remount,ro", None, "b"),
        ] {
            let want = (
                options.split(' ').filter(|o| !o.is_empty()).map(str::to_owned).collect(),
                source.map(str::to_owned),
                target.to_owned(),
            );
            assert_eq!(request(line).expect(line), want, "{line}");
        }
        for line in ["-L fmountat-none b", "UUID=\"0-0\" b"] {
            assert_eq!(request(line).expect_err(line).kind(), ErrorKind::NotFound, "{line}");
        }
        for line in ["-B", "-B --source a --target b c"] {
            assert_eq!(request(line).expect_err(line).kind(), ErrorKind::Usage, "{line}");
        }
    }
}
