// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Translates the effective options for a mount helper, without userspace options.

use crate::kinds::filesystem::FsOption;
use crate::set::options::options::Options;
use crate::vfs::attr::Attr;
use std::ffi::OsString;

/// The attributes that all helpers accept, including libfuse's: the options that set and clear
/// them. Helpers know no others. All attributes are set again on the helper's mount.
const HELPER_OPTIONS: [(Attr, &str, Option<&str>); 5] = [
    (Attr::NOSUID, "nosuid", Some("suid")),
    (Attr::NODEV, "nodev", Some("dev")),
    (Attr::NOEXEC, "noexec", Some("exec")),
    (Attr::NOATIME, "noatime", None),
    (Attr::NODIRATIME, "nodiratime", None),
];

impl Options {
    /// Returns the options for a mount helper, one element each, under the names of mount(8).
    pub(crate) fn helper_options(&self) -> Vec<OsString> {
        let attr = self.single_attr();
        let option = |(bit, set, cleared): (Attr, &'static str, Option<&'static str>)| {
            if attr.set.contains(bit) { Some(set) } else { cleared.filter(|_| attr.clear.contains(bit)) }
        };
        let of_mount = self.superblock.iter().copied().chain(HELPER_OPTIONS.into_iter().filter_map(option));
        of_mount.map(OsString::from).chain(self.fs_options.iter().map(FsOption::text)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn helpers_get_the_resulting_options() {
        for (given, want) in [
            ("ro,nosuid,max_read=1", "ro,nosuid,max_read=1"),
            ("rro", "ro"),
            ("ro=recursive,rnoatime", "ro,noatime"),
            ("ro,rw,nosuid,suid", "rw,suid"),
            // These are set later, on the mount itself.
            ("ro=vfs,rprivate,strictatime,rnosymfollow,relatime", ""),
            ("ro=fs", "ro"),
            ("user,exec", "exec,nosuid,nodev"),
            ("sync,async,nofail,x-note,X-mount.mkdir", "async"),
        ] {
            let options = Options::parse([given]).unwrap().helper_options();
            let mut options: Vec<String> =
                options.into_iter().map(|option| option.into_string().unwrap()).collect();
            let mut want: Vec<&str> = want.split(',').filter(|option| !option.is_empty()).collect();
            options.sort();
            want.sort();
            assert_eq!(options, want, "{given}");
        }
    }
}
