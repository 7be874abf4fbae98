// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Command lines without a valid verb: errors, and requests for help or the version.

use crate::args::Cli;
use crate::{exit, output, run};
use clap::CommandFactory;
use clap::error::{ContextKind, ErrorKind as Clap};
use fmountat::{Error, ErrorKind, Operation};
use std::ffi::OsString;
use std::io::Write;
use std::process::ExitCode;

/// Prints help, version or error. Returns 0 for help and version, 2 if they cannot be written, 1
/// for an error as mount(8) does, and 125 for an error of `run`.
pub(crate) fn report(error: &clap::Error) -> ExitCode {
    if !error.use_stderr() {
        return match error.print().and_then(|()| std::io::stdout().flush()) {
            // A closed pipe is no error: its reader has read enough.
            Err(e) if e.kind() != std::io::ErrorKind::BrokenPipe => {
                output::error(&Error::from_io(Operation::WriteResult, "", e), false);
                ExitCode::from(exit::SYSTEM)
            }
            _ => ExitCode::from(exit::OK),
        };
    }
    let arguments: Vec<_> = std::env::args_os().skip(1).collect();
    let end = arguments.iter().position(|argument| argument == "--");
    let before = &arguments[..end.unwrap_or(arguments.len())];
    let verb = before.iter().find(|argument| !argument.as_encoded_bytes().starts_with(b"-"));
    let is_run = verb.is_some_and(|verb| verb == "run");
    let ours = if is_run && end.is_none() {
        command_missing(error).or_else(|| foreign_flag(error, verb))
    } else {
        misspelt_verb(error, verb).or_else(|| foreign_flag(error, verb))
    };
    let json = before.iter().any(|argument| argument == "--json");
    match ours {
        Some(ours) => output::error(&ours, json),
        None if json => output::error(&of_clap(error), true),
        // A closed stderr must not cause a second failure.
        None => drop(error.print()),
    }
    ExitCode::from(if is_run { run::status::OWN_FAILURE } else { exit::USAGE })
}

/// Returns the error for `run` without COMMAND.
fn command_missing(error: &clap::Error) -> Option<Error> {
    (error.kind() == Clap::MissingRequiredArgument).then(|| {
        usage("run has no COMMAND").with_hint(
            "fmountat run --lower / COMMAND, or: fmountat run [OPTIONS] [SPEC] -- COMMAND [ARGUMENT]...",
        )
    })
}

/// Flags of mount(8), umount(8), findmnt(8) and bwrap(1) that the verb does not have: the verb, the
/// flag, and what to do instead.
const FOREIGN: [(&str, &str, &str); 32] = [
    ("run", "--unshare-net", "use --net none"),
    ("run", "--unshare-all", "remove it: all but the network is separate; use --net none for that"),
    ("run", "--share-net", "remove it: the network is shared, except with --net none"),
    ("run", "--die-with-parent", "remove it: the command always ends with fmountat"),
    ("run", "--dev-bind", "use --bind"),
    ("run", "--dev", "remove it: /dev is mounted with --lower"),
    ("run", "--proc", "remove it: /proc is mounted with --lower"),
    ("run", "--uid", "use --root for 0; other ids are those of the caller"),
    ("mount", "-a", "mount(8) reads /etc/fstab: use `mount -a`"),
    ("mount", "--all", "mount(8) reads /etc/fstab: use `mount -a`"),
    ("mount", "-T", "fmountat does not read /etc/fstab: give SOURCE and TARGET"),
    ("mount", "--fstab", "fmountat does not read /etc/fstab: give SOURCE and TARGET"),
    ("mount", "-F", "start one fmountat for each mount, or use `fmountat apply`"),
    ("mount", "--fork", "start one fmountat for each mount, or use `fmountat apply`"),
    ("mount", "-l", "use `fmountat list`"),
    ("mount", "--show-labels", "use `fmountat list`"),
    ("mount", "-s", "use --compat containerd, which ignores options without effect and lists them"),
    ("mount", "-i", "remove it: a helper runs only for a type that has one"),
    ("mount", "--internal-only", "remove it: a helper runs only for a type that has one"),
    ("mount", "-c", "remove it: paths are not canonicalized"),
    ("mount", "--no-canonicalize", "remove it: paths are not canonicalized"),
    ("mount", "-O", "mount(8) reads /etc/fstab: use `mount -a -O`"),
    ("umount", "-a", "name the mount points, or use `fmountat umount -R DIR`"),
    ("umount", "-A", "use `fmountat find -S SOURCE`, and unmount each mount point"),
    ("umount", "--all-targets", "use `fmountat find -S SOURCE`, and unmount each mount point"),
    ("umount", "-t", "use `fmountat list -t TYPE -n -o TARGET`, and unmount each mount point"),
    ("umount", "--types", "use `fmountat list -t TYPE -n -o TARGET`, and unmount each mount point"),
    ("umount", "-r", "use `fmountat mount -o remount,ro TARGET`"),
    ("umount", "--read-only", "use `fmountat mount -o remount,ro TARGET`"),
    ("umount", "-c", "remove it: symbolic links are not followed"),
    ("umount", "-i", "remove it: FUSE file systems are unmounted by fusermount3(1)"),
    ("umount", "-v", "use --verbose"),
];

/// Returns the error for a flag that other programs have, with what to do instead.
fn foreign_flag(error: &clap::Error, verb: Option<&OsString>) -> Option<Error> {
    let verb = verb.filter(|_| error.kind() == Clap::UnknownArgument)?.to_str()?;
    let flag = error.get(ContextKind::InvalidArg)?.to_string();
    let name = flag.split('=').next()?;
    let (_, _, cure) = FOREIGN.iter().find(|(of, foreign, _)| *of == verb && *foreign == name)?;
    Some(usage(&format!("fmountat {verb} has no such option")).with_argument(flag).with_hint(*cure))
}

/// Returns the error for a verb that does not exist, with the verb that was probably meant.
fn misspelt_verb(error: &clap::Error, verb: Option<&OsString>) -> Option<Error> {
    let typed = verb.filter(|_| error.kind() == Clap::InvalidSubcommand)?.to_string_lossy().into_owned();
    let meant = suggested(error).or_else(|| same_letters(&typed));
    let hint = match meant {
        Some(meant) => format!("did you mean `{meant}`?"),
        None => String::from("`fmountat --help` lists the commands"),
    };
    Some(usage("there is no such command").with_argument(typed).with_hint(hint))
}

/// Returns clap's suggestion. The last of several is the most similar.
fn suggested(error: &clap::Error) -> Option<String> {
    match error.get(ContextKind::SuggestedSubcommand)? {
        clap::error::ContextValue::String(name) => Some(name.clone()),
        clap::error::ContextValue::Strings(names) => names.last().cloned(),
        _ => None,
    }
}

/// Returns the verb that has the letters of `typed` in another order. clap misses swapped letters
/// in short names.
fn same_letters(typed: &str) -> Option<String> {
    let sorted = |name: &str| {
        let mut letters: Vec<char> = name.chars().collect();
        letters.sort_unstable();
        letters
    };
    let command = Cli::command();
    let mut names = command.get_subcommands().filter(|verb| !verb.is_hide_set()).map(clap::Command::get_name);
    names.find(|name| sorted(name) == sorted(typed)).map(str::to_owned)
}

/// Converts an error of clap to ours.
fn of_clap(error: &clap::Error) -> Error {
    let text = error.to_string();
    let reason = text.split("\n\n").next().unwrap_or_default().trim_start_matches("error: ").to_owned();
    let argument = error.context().find(|(kind, _)| *kind == ContextKind::InvalidArg);
    let made = argument.iter().fold(usage(&reason), |made, (_, value)| made.with_argument(value.to_string()));
    made.with_hint("see --help")
}

fn usage(reason: &str) -> Error {
    Error::new(ErrorKind::Usage, Operation::ReadCommandLine, reason.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    fn error(words: &[&str]) -> clap::Error {
        Cli::try_parse_from(words).expect_err("a wrong command line")
    }

    #[test]
    fn a_misspelt_verb_gets_a_suggestion() {
        for (typed, meant) in [
            ("rnu", "did you mean `run`?"),
            ("moutn", "did you mean `mount`?"),
            ("aply", "did you mean `apply`?"),
            ("unmount", "did you mean `umount`?"),
            ("lst", "did you mean `list`?"),
            ("frobnicate", "`fmountat --help` lists the commands"),
        ] {
            let ours = misspelt_verb(&error(&["fmountat", typed]), Some(&typed.into())).expect("an error");
            assert_eq!(ours.hint(), Some(meant), "{typed}");
        }
    }

    #[test]
    fn a_missing_command_is_explained() {
        let has_hint = |words: &[&str]| command_missing(&error(words)).is_some();
        assert!(has_hint(&["fmountat", "run", "--lower", "/"]));
        assert!(has_hint(&["fmountat", "run", "rootfs.json"]));
        assert!(has_hint(&["fmountat", "run"]));
        assert!(!has_hint(&["fmountat", "run", "--lowr", "/", "--", "ls"]));
    }
}
