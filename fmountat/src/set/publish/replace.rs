// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Publishes a built set in place of another mount, by the best strategy of the kernel.

use crate::error::{Error, ErrorKind, Failed, Operation, Result};
use crate::set::build::{DetachedSet, Mounter};
use crate::strategy::{Strategies, SwapStrategy};
use crate::vfs::target::Target;
use crate::vfs::tree::Attached;

impl Mounter {
    /// Returns the strategy that [`swap`](Self::swap) uses on this kernel.
    #[must_use]
    pub fn swap_strategy(&self) -> SwapStrategy {
        self.features.best().unwrap_or(SwapStrategy::Gap)
    }

    /// Publishes the set in place of what is mounted on `target`: by [`DetachedSet::replace`],
    /// before Linux 6.5 by [`DetachedSet::replace_with_gap`].
    ///
    /// # Errors
    /// Those of these two functions.
    pub fn swap(&self, built: DetachedSet, target: &Target) -> Result<Attached, Failed<DetachedSet>> {
        match self.swap_strategy().record() {
            SwapStrategy::Beneath => built.replace(target),
            SwapStrategy::Gap => built.replace_with_gap(target),
        }
    }

    /// Fails if a swap would have a moment in which neither set is visible.
    ///
    /// # Errors
    /// [`ErrorKind::Unsupported`].
    pub fn need_swap_without_gap(&self) -> Result<()> {
        match self.swap_strategy() {
            SwapStrategy::Beneath => Ok(()),
            SwapStrategy::Gap => {
                let reason = "this kernel can't put a mount beneath another, so there would be a moment without either set";
                Err(Error::new(ErrorKind::Unsupported, Operation::ChooseWay, reason).with_hint(
                    "it needs Linux 6.5; without `--strict` the new set comes right after the old one",
                ))
            }
        }
    }
}
