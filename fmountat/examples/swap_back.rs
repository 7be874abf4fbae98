// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A swap, a roll-back that fails, and the roll-back again: `swap_back LIST TARGET`
use fmountat::{CWD, Error, Mounter, Plan, Spec, Target};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let [list, at] = [1, 2].map(|n| std::env::args().nth(n).unwrap_or_default());
    let plan = Plan::new(Spec::from_json(&std::fs::read(list)?)?)?;
    let target = Target::open(CWD, &at)?;
    let (new, old) = Mounter::detached().build(CWD, &plan, &target)?.exchange(&target)?;
    println!("mount {} is seen, in place of the old one", new.id().get());
    drop(new);
    let Err(failed) = old.replace(&target) else {
        return Err("the place was looked at before the swap".into());
    };
    let (error, old) = failed.into_parts(); // returns the tree too
    println!("once more: {error}");
    old.ok_or(error)?.replace(&target.reopen()?).map_err(Error::from)?;
    Ok(())
}
