// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What a mount helper is told: no word that is this layer's own, and none that another one has taken back.

use crate::kinds::filesystem::FsOption;
use crate::set::options::options::Options;
use crate::vfs::attr::Attr;
use std::ffi::OsString;

/// The words that every helper knows, libfuse's among them: set, and cleared. Of the other attributes they know nothing; all of
/// them are put in force on what a helper has mounted.
const KNOWN: [(Attr, &str, Option<&str>); 5] = [
    (Attr::NOSUID, "nosuid", Some("suid")),
    (Attr::NODEV, "nodev", Some("dev")),
    (Attr::NOEXEC, "noexec", Some("exec")),
    (Attr::NOATIME, "noatime", None),
    (Attr::NODIRATIME, "nodiratime", None),
];

impl Options {
    /// The words for a mount helper, each by itself: what the list comes to, in words as mount(8) has them.
    pub(crate) fn helper_options(&self) -> Vec<OsString> {
        let attr = self.single_attr();
        let option = |(bit, set, cleared): (Attr, &'static str, Option<&'static str>)| {
            if attr.set.contains(bit) { Some(set) } else { cleared.filter(|_| attr.clear.contains(bit)) }
        };
        let known = self.superblock.iter().copied().chain(KNOWN.into_iter().filter_map(option));
        known.map(OsString::from).chain(self.fs_options.iter().map(FsOption::text)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn helpers_are_told_what_a_list_comes_to() {
        for (given, told) in [
            ("ro,nosuid,max_read=1", "ro,nosuid,max_read=1"),
            ("rro", "ro"),
            ("ro=recursive,rnoatime", "ro,noatime"),
            ("ro,rw,nosuid,suid", "rw,suid"),
            // Put in force on the mount alone, when it is there.
            ("ro=vfs,rprivate,strictatime,rnosymfollow,relatime", ""),
            ("ro=fs", "ro"),
            ("user,exec", "exec,nosuid,nodev"),
            ("sync,async,nofail,x-note,X-mount.mkdir", "async"),
        ] {
            let options = Options::parse([given]).unwrap().helper_options();
            let mut options: Vec<String> =
                options.into_iter().map(|option| option.into_string().unwrap()).collect();
            let mut told: Vec<&str> = told.split(',').filter(|option| !option.is_empty()).collect();
            options.sort();
            told.sort();
            assert_eq!(options, told, "{given}");
        }
    }
}
