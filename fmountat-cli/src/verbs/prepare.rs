// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What `apply` does and `explain` only tells: from the arguments to a plan that may be carried out.

use crate::args::SetArgs;
use crate::verbs::common::{compat, read_spec, start_directory};
use fmountat::{Error, Mounter, Plan, read_only_view};
use rustix::fd::OwnedFd;

pub(crate) struct Prepared {
    /// Relative paths start here.
    pub(crate) dir: OwnedFd,
    pub(crate) plan: Plan,
    pub(crate) mounter: Mounter,
}

/// Reads the set; with `--strict` it is refused here if others could see it half done, or half swapped.
pub(crate) fn prepare(args: &SetArgs, replace: bool) -> Result<Prepared, Error> {
    let dir = start_directory(args.directory.as_deref())?;
    let mut spec = read_spec(&dir, &args.spec)?;
    if args.view {
        spec.mounts = read_only_view(&spec.mounts);
    }
    let spec = spec.with_cgroups()?;
    let plan = Plan::of(&spec, compat(args.compat))?;
    let mounter = Mounter::detached();
    if replace {
        mounter.need_no_helper(&plan)?;
    }
    if args.strict {
        mounter.need_one_step(&plan)?;
        if replace {
            mounter.need_swap_without_gap()?;
        }
    }
    Ok(Prepared { dir, plan, mounter })
}
