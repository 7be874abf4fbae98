// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Other processes that hold a mount, and what an error says of them.

use fmountat::error::{Holder, HolderKind};
use fmountat::{Error, ErrorKind, Unmount};
use fmountat_testing::slower;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A process that ends with this value.
#[derive(Debug)]
pub(crate) struct Holding(pub(crate) Child);

impl Holding {
    /// Starts it and waits until the kernel knows it by this command name, and it sleeps.
    pub(crate) fn start(command: &mut Command, name: &str) -> Self {
        let held = Self(command.stdin(Stdio::null()).spawn().unwrap());
        let process = format!("/proc/{}", held.0.id());
        let started = Instant::now();
        let is_ready = || {
            let stat = std::fs::read_to_string(format!("{process}/stat")).unwrap();
            stat.contains(&format!("({name}) S"))
        };
        while !is_ready() {
            assert!(started.elapsed() < Duration::from_secs(10), "{command:?} does not get to sleep");
            std::thread::sleep(Duration::from_millis(2));
        }
        held
    }

    pub(crate) fn is(&self, kind: HolderKind) -> Holder {
        let mut holder = without_process(kind);
        holder.pid = Some(self.0.id());
        holder.command =
            std::fs::read_to_string(format!("/proc/{}/comm", self.0.id())).unwrap().trim_end().into();
        holder
    }
}

impl Drop for Holding {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

/// A holder cannot be constructed outside the crate: an error of a mount below serves as the
/// template.
pub(crate) fn without_process(kind: HolderKind) -> Holder {
    let below = fmountat_testing::scratch().join("pattern");
    std::fs::create_dir_all(&below).unwrap();
    let mount = |at: &Path| {
        fmountat::fmountat(rustix::fs::CWD, "t", at, "tmpfs", fmountat::MountFlags::empty(), "").unwrap()
    };
    mount(&below);
    std::fs::create_dir(below.join("in")).unwrap();
    mount(&below.join("in"));
    let error = busy(&below);
    Unmount::new().recursive(true).run(&below).unwrap();
    let mut holder = error.holders()[0].clone();
    holder.kind = kind;
    holder
}

pub(crate) fn soon() -> Unmount {
    Unmount::new().timeout(slower(Duration::from_millis(60)))
}

/// Unmounts a busy mount and returns the error.
#[track_caller]
pub(crate) fn busy(path: &Path) -> Error {
    let errors = soon().run(path).expect_err("it is busy");
    assert_eq!((errors.len(), errors[0].kind()), (1, ErrorKind::Busy), "{errors:?}");
    errors.into_iter().next().unwrap()
}

/// Returns a shell that does `script`, then `exec sleep`.
pub(crate) fn shell(script: &str) -> Command {
    let mut command = Command::new("sh");
    command.arg("-c").arg(format!("{script}; exec sleep 1000")).current_dir(fmountat_testing::scratch());
    command
}
