// SPDX-License-Identifier: Apache-2.0 OR MIT
//! One situation: the command that causes the error, its user, and the expected error.

use fmountat::{Error, ErrorKind};
use std::path::Path;

/// Who types the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Who {
    Root,
    /// User 1000.
    User,
    /// User 1000 as root of a user and mount namespace.
    Inside,
    /// User 1000 as root of a user namespace, in the mount namespace of the host.
    InsideUserOnly,
    /// Like `Inside`, with user.max_user_namespaces 0.
    NoNamespaces,
    /// Root of a container that lacks the capability.
    NoCapability,
    /// Root with few open files.
    FewFiles,
    /// Root, with no other programs in PATH and in the directories of system programs.
    NoPrograms,
    /// Root behind a seccomp filter that answers EPERM to fsmount(2) and mount(2).
    Filtered,
}

impl Who {
    /// Returns the command that runs the program as this user.
    pub(crate) fn prefix(self) -> &'static str {
        match self {
            Self::Root | Self::Filtered | Self::NoPrograms => "",
            Self::User => "setpriv --reuid 1000 --regid 1000 --clear-groups",
            Self::Inside => {
                "setpriv --reuid 1000 --regid 1000 --clear-groups unshare --user --map-root-user --mount"
            }
            Self::InsideUserOnly => {
                "setpriv --reuid 1000 --regid 1000 --clear-groups unshare --user --map-root-user"
            }
            Self::NoNamespaces => {
                "setpriv --reuid 1000 --regid 1000 --clear-groups unshare --user --map-root-user --mount \
                 sh -c 'echo 0 > /proc/sys/user/max_user_namespaces; exec \"$@\"' sh"
            }
            Self::NoCapability => "setpriv --bounding-set -sys_admin",
            Self::FewFiles => "prlimit --nofile=8",
        }
    }

    /// Returns the text for the table.
    pub(crate) fn words(self) -> &'static str {
        match self {
            Self::Root | Self::NoPrograms => "",
            Self::User => "as an ordinary user: ",
            Self::Inside => "in a user and mount namespace: ",
            Self::InsideUserOnly => "in a user namespace without a mount namespace: ",
            Self::NoNamespaces => "with user.max_user_namespaces 0: ",
            Self::NoCapability => "as root without CAP_SYS_ADMIN: ",
            Self::FewFiles => "with 8 open files at most: ",
            Self::Filtered => "behind a seccomp filter: ",
        }
    }
}

/// The command or call that fails.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Ours {
    /// A line for the shell, typed in the fixture's directory after `fmountat `.
    Line(&'static str),
    /// A call of the library.
    Call(&'static str, fn(&Path) -> Error),
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct Row {
    pub(crate) name: &'static str,
    pub(crate) who: Who,
    /// Shell lines to run first.
    pub(crate) before: &'static str,
    pub(crate) ours: Ours,
    /// The command line of mount(8) or umount(8); `None` if neither can do this.
    pub(crate) theirs: Option<&'static str>,
    pub(crate) kind: ErrorKind,
    pub(crate) step: &'static str,
    /// A part of the error's argument; empty if the error has none.
    pub(crate) argument: &'static str,
    pub(crate) errno: i32,
    /// A part of the hint; empty if the error has none.
    pub(crate) hint: &'static str,
}

impl Row {
    fn new(kind: ErrorKind, name: &'static str, ours: Ours, theirs: Option<&'static str>) -> Self {
        let (who, before) = (Who::Root, "");
        Self { name, who, before, ours, theirs, kind, step: "", argument: "", errno: 0, hint: "" }
    }

    pub(crate) fn by(self, who: Who) -> Self {
        Self { who, ..self }
    }

    pub(crate) fn after(self, before: &'static str) -> Self {
        Self { before, ..self }
    }

    /// Sets a different command line for mount(8).
    pub(crate) fn beside(self, theirs: &'static str) -> Self {
        Self { theirs: Some(theirs), ..self }
    }

    /// Sets the expected step and a part of the argument.
    pub(crate) fn at(self, step: &'static str, argument: &'static str) -> Self {
        Self { step, argument, ..self }
    }

    pub(crate) fn errno(self, errno: i32) -> Self {
        Self { errno, ..self }
    }

    pub(crate) fn hint(self, hint: &'static str) -> Self {
        Self { hint, ..self }
    }
}

/// Returns a row for a command line, which mount(8) or umount(8) runs too.
pub(crate) fn line(kind: ErrorKind, name: &'static str, line: &'static str) -> Row {
    let is_theirs = line.starts_with("mount ") || line.starts_with("umount ");
    Row::new(kind, name, Ours::Line(line), is_theirs.then_some(line))
}

/// Returns a row for a command line that only fmountat supports.
pub(crate) fn only(kind: ErrorKind, name: &'static str, line: &'static str) -> Row {
    Row::new(kind, name, Ours::Line(line), None)
}

pub(crate) fn call(
    kind: ErrorKind,
    name: &'static str,
    words: &'static str,
    call: fn(&Path) -> Error,
) -> Row {
    Row::new(kind, name, Ours::Call(words, call), None)
}
