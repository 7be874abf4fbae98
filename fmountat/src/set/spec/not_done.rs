// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `NotDone`: the parts of an OCI configuration that a set leaves to the caller.

/// A part of an OCI `config.json` that concerns the root file system and that building the set does
/// not do. [`Spec::not_done`](crate::Spec::not_done) lists them.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct NotDone {
    /// The place in the configuration: `linux.namespaces[1].path`.
    pub path: String,
    /// Why it is not done, and what is there instead.
    pub reason: String,
}

/// The place of the path of the root file system.
pub(crate) const ROOT_PATH: &str = "root.path";

#[cfg(feature = "serde")]
impl NotDone {
    /// The hooks that run while a container's mounts are made, and may add some.
    pub(crate) const HOOKS: [&'static str; 3] = ["prestart", "createRuntime", "createContainer"];

    fn new(path: impl Into<String>, reason: impl Into<String>) -> Self {
        Self { path: path.into(), reason: reason.into() }
    }

    /// For `root.path` of a set that is mounted in a copy of its target.
    pub(crate) fn root_path() -> Self {
        Self::new(ROOT_PATH, "not mounted: the set has the root of its list, or a copy of the target")
    }

    /// For `linux.mountLabel`.
    pub(crate) fn mount_label() -> Self {
        let reason = "new file systems get no SELinux label, except by the mount option `context`";
        Self::new("linux.mountLabel", reason)
    }

    /// For the path of a namespace.
    pub(crate) fn namespace(at: usize, kind: &str) -> Self {
        let reason = format!("not joined: the mounts belong to the caller's {kind} namespace");
        Self::new(format!("linux.namespaces[{at}].path"), reason)
    }

    /// For hooks of this name.
    pub(crate) fn hooks(name: &str) -> Self {
        Self::new(format!("hooks.{name}"), "not run: mounts that these hooks make are missing")
    }

    /// For `process.terminal`.
    pub(crate) fn terminal() -> Self {
        Self::new("process.terminal", "no terminal is mounted on /dev/console")
    }

    /// For `linux.devices` where /dev is the host's.
    pub(crate) fn devices_of_host() -> Self {
        let reason = "not created: /dev is a bind mount, so they would be created on the host";
        Self::new("linux.devices", reason)
    }

    /// For the default devices of a configuration that mounts nothing on /dev.
    pub(crate) fn default_devices() -> Self {
        let reason = "the default devices and links are not created: the list has no mount for /dev, so \
                      they would remain in the root file system";
        Self::new("linux.devices", reason)
    }
}
