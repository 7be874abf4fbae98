// SPDX-License-Identifier: Apache-2.0 OR MIT
//! An OCI root with pivot_root(2), in a mount namespace of its own: `oci_root BUNDLE COMMAND...`
use fmountat::{Mount, Mounter, Plan, Spec, unshare_mount_and_pid};
use std::{error::Error, fs, os::unix::process::CommandExt, process::Command};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let bundle = arguments.next().ok_or("no BUNDLE")?;
    let spec = Spec::from_json(&fs::read(format!("{bundle}/config.json"))?)?;
    let plan = Plan::new(spec.with_root(Mount::new("bind", "rootfs").option("rbind")))?;
    unshare_mount_and_pid()?;
    let set = Mounter::detached().build(fs::File::open(bundle)?, &plan, None)?;
    set.enter()?; // pivot_root(2), and the old root is unmounted
    let program = arguments.next().ok_or("no COMMAND")?;
    Err(Command::new(program).args(arguments).current_dir("/").exec().into())
}
