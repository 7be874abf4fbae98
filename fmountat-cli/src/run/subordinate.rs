// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The subordinate ids of a user, which newuidmap(1) and newgidmap(1) may map.

use fmountat::{Error, ErrorKind, Operation};
use std::ffi::OsStr;
use std::path::Path;
use std::process::{Command, Stdio};

const STEP: Operation = Operation::Program("map subordinate ids");

/// First id and number of ids.
type Range = (u32, u32);

/// The ranges of a user in /etc/subuid and /etc/subgid.
#[derive(Debug)]
pub(crate) struct Subordinate {
    users: Vec<Range>,
    groups: Vec<Range>,
}

impl Subordinate {
    /// Reads the ranges of `user`. The error says in a few words what is missing.
    pub(crate) fn of(user: u32) -> Result<Self, String> {
        let name = nix::unistd::User::from_uid(user.into()).ok().flatten().map(|user| user.name);
        let number = user.to_string();
        let owners: Vec<&str> = name.as_deref().into_iter().chain([number.as_str()]).collect();
        for program in ["newuidmap", "newgidmap"] {
            if !is_in_path(program) {
                return Err(format!("{program} is not in PATH (Debian: install the package uidmap)"));
            }
        }
        let read = |file: &str| {
            let text = std::fs::read_to_string(file).map_err(|error| format!("{file}: {error}"))?;
            let found = ranges(&text, &owners);
            let shown = owners.first().unwrap_or(&"this user");
            if found.is_empty() { Err(format!("{file} has no range of {shown}")) } else { Ok(found) }
        };
        Ok(Self { users: read("/etc/subuid")?, groups: read("/etc/subgid")? })
    }

    /// Maps 0 to the caller's ids, and the ranges to the ids from 1 on, in the user namespace of
    /// `process`.
    pub(crate) fn map(&self, process: u32, user: u32, group: u32) -> Result<(), Error> {
        write("newuidmap", process, user, &self.users)?;
        write("newgidmap", process, group, &self.groups)
    }
}

/// Reads the lines `OWNER:FIRST:COUNT`, subuid(5).
fn ranges(text: &str, owners: &[&str]) -> Vec<Range> {
    let range = |line: &str| {
        let mut fields = line.trim().split(':');
        let is_ours = fields.next().is_some_and(|owner| owners.contains(&owner));
        let (first, count) = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
        (is_ours && count > 0).then_some((first, count))
    };
    text.lines().filter_map(range).collect()
}

fn write(program: &'static str, process: u32, own: u32, ranges: &[Range]) -> Result<(), Error> {
    let mut command = Command::new(program);
    command.arg(process.to_string()).args(["0", &own.to_string(), "1"]);
    let mut next: u32 = 1;
    for (first, count) in ranges {
        command.args([next, *first, *count].map(|number| number.to_string()));
        next = next.saturating_add(*count);
    }
    let output = command.stdin(Stdio::null()).output().map_err(|e| Error::from_io(STEP, program, e))?;
    if output.status.success() {
        return Ok(());
    }
    let words = String::from_utf8_lossy(&output.stderr);
    let reason = match words.trim() {
        "" => format!("{program} failed: {}", output.status),
        words => words.to_owned(),
    };
    Err(Error::new(ErrorKind::Permission, STEP, reason)
        .with_argument(program)
        .with_hint("run without --map-auto, or correct /etc/subuid and /etc/subgid"))
}

fn is_in_path(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|dir| dir.join(OsStr::new(program)).is_file() && dir != Path::new(""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_of_the_name_or_the_number() {
        let text = "other:1:2\nme:100000:65536\n# me:5:5\n1000:300000:10\nme:x:1\nme:7\nme:9:0\n";
        assert_eq!(ranges(text, &["me", "1000"]), [(100_000, 65_536), (300_000, 10)]);
        assert_eq!(ranges(text, &["you"]), []);
    }
}
