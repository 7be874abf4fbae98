// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Options of an overlay that have no effect without an upper: the kernel mounts it and mentions
//! them only in its log (`ovl_fs_params_verify`, fs/overlayfs/params.c).

use crate::error::{Error, ErrorKind, Operation, Result};
use crate::kinds::filesystem::FsOption;
use crate::kinds::overlay::definition::Overlay;

impl Overlay {
    /// Reports whether an option needs an upper that this overlay lacks.
    fn lacks_upper_for(&self, option: &FsOption) -> bool {
        // With `off`, too, redirects are followed by default.
        let follows_redirects = self.value_of("redirect_dir").is_none_or(|value| value != "nofollow");
        let needs_upper = match (option.key.as_os_str(), option.value.as_deref()) {
            (key, None) => key == "volatile",
            (key, Some(value)) if key == "fsync" => value == "volatile",
            (key, Some(value)) if key == "nfs_export" => value == "on" && follows_redirects,
            (key, Some(value)) => value == "on" && (key == "index" || key == "uuid"),
        };
        needs_upper && !self.is_writable()
    }

    /// Fails if an option has no effect.
    pub(crate) fn need_effect(&self) -> Result<()> {
        self.without_effect().into_iter().next().map_or(Ok(()), Err)
    }

    /// Removes the options without effect.
    pub(crate) fn forget_without_effect(&mut self) {
        let options = self.options.iter().filter(|option| !self.lacks_upper_for(option));
        self.options = options.cloned().collect();
    }

    /// Returns an error for each option without effect.
    pub(crate) fn without_effect(&self) -> Vec<Error> {
        let options = self.options.iter().filter(|option| self.lacks_upper_for(option));
        let error = |option: &FsOption| {
            let (reason, hint) = match option.key == *"nfs_export" {
                true => ("without upperdir requires redirect_dir=nofollow", "add redirect_dir=nofollow"),
                false => ("has no effect without upperdir", "remove it, or add upperdir and workdir"),
            };
            let error = Error::new(ErrorKind::OptionConflict, Operation::ReadOption, reason);
            error.with_argument(option.text()).with_hint(hint)
        };
        options.map(error).collect()
    }
}
