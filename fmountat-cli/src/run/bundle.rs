// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `run --bundle`: what an OCI `config.json` says about the process, as defaults of the options.

use crate::run_args::{NetArg, RunArgs};
use crate::verbs::{read_file, start_directory};
use fmountat::{Error, ErrorKind, Mount, Operation, Spec};
use rustix::fd::OwnedFd;
use rustix::fs::{Mode, OFlags};
use serde::Deserialize;
use serde_json::Value;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// The ids of the command.
#[derive(Debug, Clone, Default, Deserialize)]
pub(crate) struct User {
    #[serde(default)]
    pub(crate) uid: u32,
    #[serde(default)]
    pub(crate) gid: u32,
}

/// A bundle whose configuration is read.
#[derive(Debug)]
pub(crate) struct Bundle {
    /// The directory, which resolves relative sources.
    pub(crate) directory: OwnedFd,
    pub(crate) spec: Spec,
    pub(crate) user: User,
    /// The parts that `run` does not do: the place and the reason.
    pub(crate) not_done: Vec<(String, String)>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Config {
    process: Process,
    hostname: Option<String>,
    linux: Linux,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Process {
    args: Vec<String>,
    env: Vec<String>,
    cwd: Option<PathBuf>,
    user: User,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Linux {
    namespaces: Vec<Namespace>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Namespace {
    r#type: String,
    path: Option<PathBuf>,
}

/// The parts that the library does not read, and `run` does not do.
const NOT_DONE: &[(&str, &str)] = &[
    ("/hooks", "not run"),
    ("/process/capabilities", "not set: see --cap-add"),
    ("/process/rlimits", "not set"),
    ("/process/apparmorProfile", "not set"),
    ("/process/selinuxLabel", "not set"),
    ("/process/oomScoreAdj", "not set"),
    ("/process/user/additionalGids", "not set: the command has no supplementary groups"),
    ("/process/user/umask", "not set: the command has the caller's"),
    ("/linux/resources", "not set: the command is in the caller's cgroup"),
    ("/linux/cgroupsPath", "no cgroup is created: the command is in the caller's cgroup"),
    ("/linux/seccomp", "no filter is installed"),
    ("/linux/sysctl", "not set"),
    ("/linux/timeOffsets", "not set"),
    ("/linux/intelRdt", "not set"),
    ("/linux/personality", "not set"),
    ("/vm", "there is no virtual machine"),
];

impl Bundle {
    /// Reads the configuration of `--bundle`, and fills in what the command line does not say.
    pub(crate) fn read(args: &mut RunArgs) -> Result<Option<Self>, Error> {
        let Some(path) = args.bundle.clone() else { return Ok(None) };
        let path = args.directory.as_deref().unwrap_or(Path::new("")).join(path);
        let start = start_directory(None)?;
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let directory = rustix::fs::openat(&start, &path, flags, Mode::empty())
            .map_err(|e| Error::from_io(Operation::OpenDirectory, &path, e.into()))?;
        let text = read_file(&directory, Path::new("config.json"), Operation::ReadMountList)?;
        let wrong = |reason: String| {
            Error::new(ErrorKind::Spec, Operation::ReadMountList, reason)
                .with_argument(path.join("config.json"))
        };
        let spec = Spec::from_json(&text).map_err(|e| e.with_argument(path.join("config.json")))?;
        let whole: Value = serde_json::from_slice(&text).map_err(|e| wrong(e.to_string()))?;
        let config = Config::deserialize(&whole).map_err(|e| wrong(e.to_string()))?;
        let root = spec.root_path.clone().ok_or_else(|| wrong(String::from("`root.path` is missing")))?;
        let real =
            std::fs::canonicalize(&path).map_err(|e| Error::from_io(Operation::OpenDirectory, &path, e))?;
        args.lowers = vec![real.join(root)];
        fill_in(args, &config);
        if args.command.is_empty() {
            return Err(wrong(String::from("`process.args` is missing"))
                .with_hint("name a COMMAND: fmountat run --bundle DIR -- COMMAND"));
        }
        let not_done = not_done(&spec, &whole);
        Ok(Some(Self { directory, spec, user: config.process.user, not_done }))
    }

    /// Fails if a part is not done.
    pub(crate) fn need_all_done(&self) -> Result<(), Error> {
        let Some((path, reason)) = self.not_done.first() else { return Ok(()) };
        let error = Error::new(ErrorKind::Unsupported, Operation::ReadMountList, reason.clone());
        Err(error.with_argument(path).with_hint("remove it from the configuration, or run without --strict"))
    }
}

fn fill_in(args: &mut RunArgs, config: &Config) {
    let process = &config.process;
    if args.command.is_empty() {
        args.command = process.args.iter().map(OsString::from).collect();
    }
    if args.chdir.is_none() {
        args.chdir.clone_from(&process.cwd);
    }
    if args.hostname.is_none() && !args.share_uts {
        args.hostname = config.hostname.as_ref().map(OsString::from);
    }
    let is_new = |namespace: &Namespace| namespace.r#type == "network" && namespace.path.is_none();
    if args.net.is_none() && config.linux.namespaces.iter().any(is_new) {
        args.net = Some(NetArg::None);
    }
    // The options of the command line are later, and win.
    let pairs = process.env.iter().filter_map(|pair| pair.split_once('='));
    let pairs = pairs.filter(|(name, _)| !args.unsetenv.iter().any(|unset| unset == name));
    let mut environment: Vec<OsString> =
        pairs.flat_map(|(name, value)| [name.into(), value.into()]).collect();
    environment.append(&mut args.setenv);
    args.setenv = environment;
    args.clearenv = true;
}

fn not_done(spec: &Spec, whole: &Value) -> Vec<(String, String)> {
    // The layer is the root, and a terminal on stdin is /dev/console.
    let is_left =
        |place: &str| !["root.path", "process.terminal"].contains(&place) && !place.starts_with("hooks");
    let of_library = spec.not_done.iter().filter(|part| is_left(&part.path));
    let of_library = of_library.map(|part| (part.path.clone(), part.reason.clone()));
    let has = |place: &str| {
        whole.pointer(place).is_some_and(|value| match value {
            Value::Null => false,
            Value::Array(values) => !values.is_empty(),
            Value::Object(fields) => !fields.is_empty(),
            _ => true,
        })
    };
    let own = NOT_DONE.iter().filter(|(place, _)| has(place));
    let own = own.map(|(place, reason)| (place[1..].replace('/', "."), String::from(*reason)));
    of_library.chain(own).collect()
}

/// Changes the mounts that only root may make into those of rootless runtimes: no group for devpts
/// that has no id in the user namespace, and the host's /sys in place of a new sysfs.
pub(crate) fn without_privilege(mounts: &mut [Mount]) {
    for mount in mounts {
        if mount.fstype == "devpts" {
            mount.options.retain(|option| !option.to_string_lossy().starts_with("gid="));
        }
        if mount.fstype == "sysfs" {
            let kept = mount.target.clone();
            *mount = Mount::new("bind", "/sys").at(kept).option("rbind,rro,X-mount.mkdir");
        }
    }
}
