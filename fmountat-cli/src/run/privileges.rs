// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What the command may do to the kernel: capabilities, `no_new_privs`, the terminal.

use crate::run_args::RunArgs;
use fmountat::call::forbid_terminal_input;
use fmountat::{Error, ErrorKind, Operation};
use rustix::io::Errno;
use rustix::thread::{
    CapabilitySet, CapabilitySets, capabilities, capability_is_in_bounding_set, clear_ambient_capability_set,
    configure_capability_in_ambient_set, remove_capability_from_bounding_set, set_capabilities,
    set_no_new_privs,
};

const STEP: Operation = Operation::Program("drop capabilities");

/// What root keeps: enough for package managers and daemons, and nothing that changes the kernel,
/// its clock, devices, network or mounts.
const ROOT_KEEPS: CapabilitySet = CapabilitySet::CHOWN
    .union(CapabilitySet::DAC_OVERRIDE)
    .union(CapabilitySet::FOWNER)
    .union(CapabilitySet::FSETID)
    .union(CapabilitySet::KILL)
    .union(CapabilitySet::SETGID)
    .union(CapabilitySet::SETUID)
    .union(CapabilitySet::SETPCAP)
    .union(CapabilitySet::SETFCAP)
    .union(CapabilitySet::NET_BIND_SERVICE)
    .union(CapabilitySet::NET_RAW)
    .union(CapabilitySet::SYS_CHROOT)
    .union(CapabilitySet::AUDIT_WRITE);

/// Parses the values of `--cap-add`: names as in capabilities(7), with or without `CAP_`, or `ALL`.
pub(crate) fn added(args: &RunArgs) -> Result<CapabilitySet, Error> {
    args.cap_add.iter().try_fold(CapabilitySet::empty(), |all, name| {
        let upper = name.to_ascii_uppercase();
        let plain = upper.strip_prefix("CAP_").unwrap_or(&upper);
        let one = if plain == "ALL" {
            Some(CapabilitySet::from_bits_retain(u64::MAX))
        } else {
            CapabilitySet::from_name(plain)
        };
        one.map(|one| all | one).ok_or_else(|| {
            let step = Operation::Program("parse option --cap-add");
            Error::new(ErrorKind::OptionValue, step, "no such capability")
                .with_argument(name)
                .with_hint("capabilities(7) lists the names, such as SYS_PTRACE")
        })
    })
}

/// Restricts this process, and so the command. In a second user namespace, the capabilities are
/// over that namespace only: root of it has them all, and others those of `--cap-add`.
pub(crate) fn restrict(args: &RunArgs, is_in_second: bool) -> Result<(), Error> {
    let added = added(args)?;
    if !args.root {
        set_no_new_privs(true).map_err(|e| failed(e, "no_new_privs"))?;
    }
    if !args.share_terminal && has_terminal() {
        forbid_terminal_input().map_err(|e| e.with_hint("allow it with --share-terminal"))?;
    }
    match is_in_second {
        false => keep_only(ROOT_KEEPS | added),
        true if rustix::process::geteuid().is_root() => Ok(()),
        true => keep_over_exec(added),
    }
}

/// Reports whether the command has a controlling terminal: it may be none of its descriptors.
fn has_terminal() -> bool {
    let flags = rustix::fs::OFlags::RDWR | rustix::fs::OFlags::NOCTTY | rustix::fs::OFlags::CLOEXEC;
    rustix::fs::open("/dev/tty", flags, rustix::fs::Mode::empty()).is_ok()
}

/// Drops all other capabilities, also from the bounding set.
fn keep_only(kept: CapabilitySet) -> Result<(), Error> {
    for one in each().filter(|one| !kept.contains(*one)) {
        // The kernel knows the numbers below those that it does not know.
        if capability_is_in_bounding_set(one) == Ok(true) {
            remove_capability_from_bounding_set(one).map_err(|e| failed(e, "bounding set"))?;
        }
    }
    clear_ambient_capability_set().map_err(|e| failed(e, "ambient set"))?;
    let now = capabilities(None).map_err(|e| failed(e, "capget"))?;
    let sets = CapabilitySets {
        effective: now.effective & kept,
        permitted: now.permitted & kept,
        inheritable: CapabilitySet::empty(),
    };
    set_capabilities(None, sets).map_err(|e| failed(e, "capset"))
}

/// Lets a user who is not root keep capabilities when a program is executed.
fn keep_over_exec(kept: CapabilitySet) -> Result<(), Error> {
    if kept.is_empty() {
        return Ok(());
    }
    let now = capabilities(None).map_err(|e| failed(e, "capget"))?;
    let kept = kept & now.permitted;
    let sets = CapabilitySets { inheritable: kept, ..now };
    set_capabilities(None, sets).map_err(|e| failed(e, "capset"))?;
    each().filter(|one| kept.contains(*one)).try_for_each(|one| {
        configure_capability_in_ambient_set(one, true).map_err(|e| failed(e, "ambient set"))
    })
}

fn each() -> impl Iterator<Item = CapabilitySet> {
    (0..u64::BITS).map(|number| CapabilitySet::from_bits_retain(1 << number))
}

fn failed(errno: Errno, what: &str) -> Error {
    Error::from_io(STEP, what, errno.into())
}
