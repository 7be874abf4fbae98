// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A built set in the place of what is mounted, as well as the kernel can.

use super::apply::Built;
use super::mounter::Mounter;
use crate::error::{Error, ErrorKind, Result};
use crate::vfs::target::Target;
use crate::vfs::tree::Attached;
use std::fmt;

/// How a set takes the place of another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SwapWay {
    /// Beneath the old one, which is then taken away: others always see one of the two \[Linux 6.5\].
    Beneath,
    /// The old one is taken away, and the new one attached at once: for a moment others see neither.
    Gap,
}

impl fmt::Display for SwapWay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Beneath => "beneath the old one, without a moment between",
            Self::Gap => "after the old one, with a moment between",
        })
    }
}

impl Mounter {
    /// The way that [`swap`](Self::swap) takes here.
    #[must_use]
    pub fn swap_way(&self) -> SwapWay {
        if self.features.move_beneath { SwapWay::Beneath } else { SwapWay::Gap }
    }

    /// Publishes the set in place of what is mounted on `target`: by [`Built::replace`], before 6.5 by
    /// [`Built::replace_with_gap`].
    ///
    /// # Errors
    /// Those of the two.
    pub fn swap(&self, built: Built, target: &Target) -> Result<Attached> {
        match self.swap_way() {
            SwapWay::Beneath => built.replace(target),
            SwapWay::Gap => built.replace_with_gap(target),
        }
    }

    /// Refuses a swap with a gap.
    ///
    /// # Errors
    /// [`ErrorKind::Unsupported`].
    pub fn need_swap_without_gap(&self) -> Result<()> {
        match self.swap_way() {
            SwapWay::Beneath => Ok(()),
            SwapWay::Gap => {
                let reason = "this kernel can't put a mount beneath another, so there would be a moment without either set";
                Err(Error::new(ErrorKind::Unsupported, "choose the way", reason).hinted(
                    "it needs Linux 6.5; without `--strict` the new set comes right after the old one",
                ))
            }
        }
    }
}
