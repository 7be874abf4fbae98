// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The rows of the option table.

use crate::set::options::definition::Effect::{
    Attr as A, Bind, Engine as E, Ignored, Propagation as P, ReadOnly, Refused, Remount, Superblock as S,
};
use crate::set::options::definition::{Effect, Engine, Places, UserspaceOption, Value};
use crate::vfs::attr::{Attr, Propagation};
use crate::vfs::idmap::Ids;

const NONE: Attr = Attr::empty();

const ATIME: Attr = Attr::ATIME_FIELD;

/// The attributes that `user` and `users` imply, unless a later option clears them.
const USER: Attr = Attr::NOSUID.union(Attr::NODEV).union(Attr::NOEXEC);

/// The attributes that `owner` and `group` imply.
const OWNER: Attr = Attr::NOSUID.union(Attr::NODEV);

const ALL: Places = Places::all();

const NEW: Places = Places::NEW;

const REMOUNT: Places = Places::REMOUNT;

const MADE: Places = Places::BIND.union(Places::NEW);

const BOUND: Places = Places::BIND.union(Places::REMOUNT);

const OF_FILESYSTEM: Places = Places::NEW.union(Places::REMOUNT);

const fn option(name: &'static str, effect: Effect, places: Places, help: &'static str) -> UserspaceOption {
    UserspaceOption { name, value: Value::None, places, help, effect }
}

const fn valued(
    name: &'static str,
    value: Value,
    engine: Engine,
    places: Places,
    help: &'static str,
) -> UserspaceOption {
    UserspaceOption { name, value, places, help, effect: E(engine) }
}

const fn no_effect(name: &'static str, help: &'static str) -> UserspaceOption {
    option(name, Ignored, ALL, help)
}

/// All options, by subject, in the order of mount(8) and OCI's list.
pub(crate) const OPTIONS: &[UserspaceOption] = &[
    no_effect("defaults", "the kernel's defaults, the same as no option"),
    option("ro", ReadOnly(true), ALL, "read-only: the mount, and a new or remounted file system"),
    option("rw", ReadOnly(false), ALL, "writable"),
    option("nosuid", A(Attr::NOSUID, NONE), ALL, "set-user-ID bits and file capabilities have no effect"),
    option("suid", A(NONE, Attr::NOSUID), ALL, "they have"),
    option("nodev", A(Attr::NODEV, NONE), ALL, "device files can't be opened"),
    option("dev", A(NONE, Attr::NODEV), ALL, "they can"),
    option("noexec", A(Attr::NOEXEC, NONE), ALL, "programs can't be run"),
    option("exec", A(NONE, Attr::NOEXEC), ALL, "they can"),
    option("noatime", A(Attr::NOATIME, ATIME), ALL, "access times are not updated"),
    option("atime", A(NONE, ATIME), ALL, "back to the kernel's default, relatime"),
    option("strictatime", A(Attr::STRICTATIME, ATIME), ALL, "access times are always updated"),
    option("nostrictatime", A(NONE, ATIME), ALL, "back to relatime"),
    option("relatime", A(NONE, ATIME), ALL, "access times are updated after a change, and daily"),
    option("norelatime", A(NONE, ATIME), ALL, "relatime all the same: the kernel's default"),
    option("nodiratime", A(Attr::NODIRATIME, NONE), ALL, "access times of directories are not updated"),
    option("diratime", A(NONE, Attr::NODIRATIME), ALL, "they are"),
    option("nosymfollow", A(Attr::NOSYMFOLLOW, NONE), ALL, "symbolic links on it are not followed [5.10]"),
    option("symfollow", A(NONE, Attr::NOSYMFOLLOW), ALL, "they are"),
    option("sync", S("sync", "async"), OF_FILESYSTEM, "writes are synchronous"),
    option("async", S("async", "sync"), OF_FILESYSTEM, "they are not"),
    option("dirsync", S("dirsync", ""), NEW, "changes of directories are synchronous"),
    option("mand", S("mand", "nomand"), OF_FILESYSTEM, "mandatory locks: a flag without effect since 5.15"),
    option("nomand", S("nomand", "mand"), OF_FILESYSTEM, "none"),
    option("lazytime", S("lazytime", "nolazytime"), OF_FILESYSTEM, "times are kept in memory for a while"),
    option("nolazytime", S("nolazytime", "lazytime"), OF_FILESYSTEM, "they are not"),
    option("iversion", Refused(IVERSION), ALL, "count changes of inodes: the kernel decides by itself"),
    no_effect("noiversion", "do not: the default"),
    option("private", P(Propagation::Private, false), ALL, "mounts below spread nowhere"),
    option("rprivate", P(Propagation::Private, true), ALL, "private, the whole tree"),
    option("shared", P(Propagation::Shared, false), ALL, "mounts below spread to and from the peer group"),
    option("rshared", P(Propagation::Shared, true), ALL, "shared, the whole tree"),
    option("slave", P(Propagation::Slave, false), BOUND, "mounts below come from the master only"),
    option("rslave", P(Propagation::Slave, true), BOUND, "slave, the whole tree"),
    option("unbindable", P(Propagation::Unbindable, false), ALL, "private, and it can't be bound"),
    option("runbindable", P(Propagation::Unbindable, true), ALL, "unbindable, the whole tree"),
    option(
        "bind",
        Bind(false),
        BOUND,
        "show a directory or file at another place; with remount: the mount alone",
    ),
    option("rbind", Bind(true), BOUND, "with everything mounted below it"),
    option(
        "remount",
        Remount,
        REMOUNT,
        "change an existing mount; options that are not given keep their values",
    ),
    no_effect("silent", "no messages in the kernel's log"),
    no_effect("loud", "messages"),
    no_effect("auto", "for mount -a"),
    no_effect("noauto", "for mount -a"),
    no_effect("_netdev", "needs the network first"),
    UserspaceOption {
        value: Value::Optional("NAME"),
        ..option("user", A(USER, NONE), ALL, "implies nosuid, nodev, noexec; with NAME a note")
    },
    no_effect("nouser", "for mount(8)"),
    option("users", A(USER, NONE), ALL, "implies nosuid, nodev, noexec"),
    no_effect("nousers", "for mount(8)"),
    option("owner", A(OWNER, NONE), ALL, "implies nosuid, nodev"),
    no_effect("noowner", "for mount(8)"),
    option("group", A(OWNER, NONE), ALL, "implies nosuid, nodev"),
    no_effect("nogroup", "for mount(8)"),
    valued("nofail", Value::None, Engine::Nofail, ALL, "a missing source is no error: the mount is left out"),
    valued(
        "X-mount.mkdir",
        Value::Optional("MODE[:UID:GID]"),
        Engine::Mkdir,
        MADE,
        "make the mount point, with its parents; 0755 without MODE",
    ),
    valued("X-mount.subdir", Value::Required("PATH"), Engine::Subdir, MADE, "show this directory of it"),
    valued("X-mount.owner", Value::Required("UID"), Engine::Owner, MADE, "owner of the mount's root"),
    valued("X-mount.group", Value::Required("GID"), Engine::Group, MADE, "group of the mount's root"),
    valued("X-mount.mode", Value::Required("MODE"), Engine::Mode, MADE, "mode of the mount's root, octal"),
    valued(
        "X-mount.idmap",
        Value::Required("[u:|g:|b:]DISK:SEEN:COUNT..."),
        Engine::Idmap,
        MADE,
        "map owners, or as the user namespace /proc/PID/ns/user does [5.12]",
    ),
    valued(
        "uidmap",
        Value::Required("DISK:SEEN:COUNT,..."),
        Engine::IdmapOf(Ids::User),
        MADE,
        "map user ids, as containerd writes it [5.12]",
    ),
    valued(
        "gidmap",
        Value::Required("DISK:SEEN:COUNT,..."),
        Engine::IdmapOf(Ids::Group),
        MADE,
        "map group ids, as containerd writes it [5.12]",
    ),
    valued(
        "idmap",
        Value::None,
        Engine::IdmapRecursive(false),
        MADE,
        "apply OCI's uidMappings to the top mount",
    ),
    valued("ridmap", Value::None, Engine::IdmapRecursive(true), MADE, "apply them to the whole tree"),
    valued("loop", Value::None, Engine::Loop, NEW, "the source is a file: mount it through a loop device"),
    valued(
        "offset",
        Value::Required("BYTES"),
        Engine::Offset,
        NEW,
        "where in the file it starts; implies loop",
    ),
    valued(
        "sizelimit",
        Value::Required("BYTES"),
        Engine::SizeLimit,
        NEW,
        "how much of the file; implies loop",
    ),
    valued(
        "sector-size",
        Value::Required("BYTES"),
        Engine::SectorSize,
        NEW,
        "of the loop device; implies loop",
    ),
    valued(
        "direct-io",
        Value::None,
        Engine::DirectIo,
        NEW,
        "around the page cache of the file; implies loop",
    ),
    option(
        "tmpcopyup",
        Refused(TMPCOPYUP),
        NEW,
        "copy the covered files into the tmpfs: in an OCI list only",
    ),
];

const IVERSION: &str = "is decided by the file system: fsconfig(2) has no such flag";

const TMPCOPYUP: &str = "copies files only in an OCI list, or with `--compat oci`";

/// Returns the whole table.
#[must_use]
pub fn userspace_options() -> &'static [UserspaceOption] {
    OPTIONS
}

/// Returns the option of that name, and whether it applies to a whole tree. `None` for an option of
/// the file system.
pub(crate) fn look_up(name: &str) -> Option<(&'static UserspaceOption, bool)> {
    let find = |name: &str| OPTIONS.iter().find(|option| option.name == name);
    if let Some(option) = find(name) {
        return Some((option, false));
    }
    let option = find(name.strip_prefix('r')?)?;
    option.has_recursive_form().then_some((option, true))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recursive_forms_follow_and_names_are_not_ambiguous() {
        let found = |name| look_up(name).map(|(option, recursive)| (option.name, recursive));
        assert_eq!(found("rro"), Some(("ro", true)));
        assert_eq!(found("rnosuid"), Some(("nosuid", true)));
        assert_eq!(found("relatime"), Some(("relatime", false)));
        assert_eq!(found("rsync"), None);
        assert_eq!(found("ruser"), None);
        assert_eq!(found("size"), None);
        let names = OPTIONS.iter().map(|option| option.name.to_owned());
        let mut names: Vec<_> =
            names.chain(OPTIONS.iter().filter_map(UserspaceOption::recursive_form)).collect();
        names.sort();
        let count = names.len();
        names.dedup();
        assert_eq!(names.len(), count);
    }

    #[test]
    fn legacy_values_are_those_of_mount_h() {
        let ms = |name: &str| look_up(name).map(|(option, _)| option.ms());
        for (name, set, clear) in [
            ("ro", 1, 0),
            ("rw", 0, 1),
            ("nosuid", 2, 0),
            ("sync", 16, 0),
            ("async", 0, 16),
            ("noatime", 1024, 1 << 24),
            ("strictatime", 1 << 24, 1024),
            ("rbind", 4096 | 16384, 0),
            ("rslave", (1 << 19) | 16384, 0),
        ] {
            assert_eq!(ms(name), Some((set, clear)), "{name}");
        }
    }
}
