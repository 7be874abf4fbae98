// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Parses the values of userspace options: the target, id mappings, loop devices.

use crate::error::{Error, ErrorKind, Result};
use crate::set::options::definition::Engine;
use crate::set::options::lexer::{id_range, size, unquote};
use crate::set::options::options::{Mkdir, Options};
use crate::set::options::suggest::option_error;
use crate::vfs::idmap::{IdMapping, Idmap, Ids};
use std::ffi::OsStr;

/// `(uid_t) -1`, with which chown(2) leaves an id unchanged.
const NO_ID: u32 = u32::MAX;

/// Looks up a user by name: getpwnam_r(3).
fn user(name: &str) -> Option<u32> {
    nix::unistd::User::from_name(name).ok()?.map(|user| user.uid.as_raw())
}

/// Looks up a group by name: getgrnam_r(3).
fn group(name: &str) -> Option<u32> {
    nix::unistd::Group::from_name(name).ok()?.map(|group| group.gid.as_raw())
}

/// Sets one userspace option. `value` is present if the table requires one.
pub(crate) fn take(options: &mut Options, engine: Engine, value: Option<&OsStr>, text: &OsStr) -> Result<()> {
    let bad = |reason: &str| option_error(ErrorKind::OptionValue, text, reason);
    let number = |radix, what| {
        let parsed = value.and_then(OsStr::to_str).map(|v| u32::from_str_radix(v, radix));
        parsed.and_then(Result::ok).ok_or_else(|| bad(what))
    };
    let mode = || match number(8, "the value must be an octal mode")? {
        mode @ 0..=0o7777 => Ok(mode),
        _ => Err(bad("the value must be an octal mode up to 7777")),
    };
    let id = |by_name: fn(&str) -> Option<u32>, what| {
        let name = value.and_then(OsStr::to_str).filter(|name| name.parse::<u32>().is_err());
        match name.and_then(by_name).map_or_else(|| number(10, what), Ok)? {
            NO_ID => Err(bad("4294967295 is not a valid id")),
            id => Ok(id),
        }
    };
    let bytes =
        || value.and_then(size).ok_or_else(|| bad("the value must be a size in bytes, such as 512 or 1MiB"));
    match engine {
        Engine::Nofail => options.nofail = true,
        Engine::Mkdir => options.mkdir = Some(mkdir(value, text)?),
        Engine::Owner => options.owner.0 = Some(id(user, "the value must be the name or id of a user")?),
        Engine::Group => options.owner.1 = Some(id(group, "the value must be the name or id of a group")?),
        Engine::Mode => options.mode = Some(mode()?),
        Engine::Subdir => match value.filter(|v| !v.is_empty()) {
            Some(path) => options.subdir = Some(unquote(path).into()),
            None => return Err(bad("the value must be a path")),
        },
        Engine::Idmap if options.idmap.is_some() => {
            let reason = "conflicts with an earlier id-mapping option: put all ranges into one option";
            return Err(option_error(ErrorKind::OptionConflict, text, reason));
        }
        Engine::Idmap => {
            options.idmap = Some(util_linux_map(value.unwrap_or_default(), text)?);
            options.idmap_is_whole = true;
        }
        Engine::IdmapOf(ids) => add_ranges(options, ids, value.unwrap_or_default(), text)?,
        Engine::IdmapRecursive(recursive) => options.idmap_recursive = Some(recursive),
        Engine::Loop => drop(options.loop_device.get_or_insert_default()),
        Engine::Offset => options.loop_device.get_or_insert_default().offset = bytes()?,
        Engine::SizeLimit => options.loop_device.get_or_insert_default().size_limit = bytes()?,
        Engine::SectorSize => {
            let size = bytes()?;
            let fits = (512..=65536).contains(&size) && size.is_power_of_two();
            let size = u32::try_from(size).ok().filter(|_| fits);
            options.loop_device.get_or_insert_default().sector_size =
                Some(size.ok_or_else(|| bad("the value must be a power of two from 512 to 65536"))?);
        }
        Engine::DirectIo => options.loop_device.get_or_insert_default().direct_io = true,
    }
    Ok(())
}

/// Parses `MODE` as util-linux does, with an optional owner after it.
pub(crate) fn mkdir(value: Option<&OsStr>, text: &OsStr) -> Result<Mkdir> {
    let Some(value) = value else { return Ok(Mkdir { mode: 0o755, owner: None }) };
    let fields: Vec<&str> = utf8(value, text)?.split(':').collect();
    let parsed = match fields[..] {
        [mode] => Some((mode, None)),
        [mode, uid, gid] => uid.parse().ok().zip(gid.parse().ok()).map(|owner| (mode, Some(owner))),
        _ => None,
    };
    let made =
        parsed.and_then(|(mode, owner)| Some(Mkdir { mode: u32::from_str_radix(mode, 8).ok()?, owner }));
    let is_id = |mkdir: &Mkdir| mkdir.owner.is_none_or(|(uid, gid)| uid != NO_ID && gid != NO_ID);
    // mkdir(2) ignores the set-user-ID and set-group-ID bits.
    made.filter(|mkdir| mkdir.mode <= 0o1777).filter(is_id).ok_or_else(|| {
        let reason = "the value must be an octal mode up to 1777, or MODE:UID:GID with numeric ids";
        option_error(ErrorKind::OptionValue, text, reason)
    })
}

/// Parses containerd's `uidmap=` and `gidmap=`: ranges separated by commas.
fn add_ranges(options: &mut Options, ids: Ids, value: &OsStr, text: &OsStr) -> Result<()> {
    let empty = || Idmap::Ranges { users: Vec::new(), groups: Vec::new() };
    let (false, Idmap::Ranges { users, groups }) =
        (options.idmap_is_whole, options.idmap.get_or_insert_with(empty))
    else {
        let reason = "conflicts with X-mount.idmap=: put all ranges into one option";
        return Err(option_error(ErrorKind::OptionConflict, text, reason));
    };
    let ranges = match ids {
        Ids::User => users,
        Ids::Group => groups,
    };
    for part in utf8(value, text)?.split(',') {
        ranges.push(range(part, text)?);
    }
    Ok(())
}

/// Parses `X-mount.idmap=` of util-linux: `[u:|g:|b:]` and an id range each, separated by spaces,
/// or the path of a user namespace.
fn util_linux_map(value: &OsStr, text: &OsStr) -> Result<Idmap> {
    let value = unquote(value);
    if value.as_encoded_bytes().contains(&b'/') {
        return Ok(Idmap::Namespace(value.into()));
    }
    let (mut users, mut groups) = (Vec::new(), Vec::new());
    for part in utf8(&value, text)?.split_whitespace() {
        let (of_users, of_groups, rest) = match part.split_once(':') {
            Some(("u", rest)) => (true, false, rest),
            Some(("g", rest)) => (false, true, rest),
            Some(("b", rest)) => (true, true, rest),
            _ => (true, true, part),
        };
        let range = range(rest, text)?;
        users.extend(of_users.then_some(range));
        groups.extend(of_groups.then_some(range));
    }
    if users.is_empty() && groups.is_empty() {
        return Err(option_error(ErrorKind::OptionValue, text, "has no ranges"));
    }
    Ok(Idmap::Ranges { users, groups })
}

fn range(part: &str, text: &OsStr) -> Result<IdMapping> {
    id_range(part).map_err(|reason| option_error(ErrorKind::OptionValue, text, &reason))
}

fn utf8<'a>(value: &'a OsStr, text: &OsStr) -> Result<&'a str, Error> {
    value.to_str().ok_or_else(|| option_error(ErrorKind::OptionValue, text, "ids must be numeric"))
}
