// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Derives the expected mount of a list of options from the public data of the option table.

use super::state::{Look, MS_RDONLY, MountState, Propagations};
use fmountat::Attr;
use fmountat::options::{Places, UserspaceOption, Value, userspace_options};

/// A word as it is written in a list.
#[derive(Debug, Clone)]
pub(crate) struct Choice {
    pub(crate) word: &'static UserspaceOption,
    pub(crate) text: String,
    pub(crate) recursive: bool,
    part: Part,
    /// Another spelling of a form that stands in every pair.
    pub(crate) is_known_otherwise: bool,
}

/// The part that an option applies to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    All,
    Mount,
    Filesystem,
    /// With a value the option is ignored.
    Nothing,
}

/// Returns every word of the table with a sample value, and every recursive form.
pub(crate) fn choices() -> Vec<Choice> {
    let mut all = Vec::new();
    for word in userspace_options() {
        let plain =
            |text| Choice { word, text, recursive: false, part: Part::All, is_known_otherwise: false };
        match word.value {
            Value::None => all.push(plain(word.name.to_owned())),
            Value::Optional(what) => {
                all.push(plain(word.name.to_owned()));
                let part = if word.layer() == "attribute" { Part::Nothing } else { Part::All };
                all.push(Choice { part, ..plain(format!("{}={}", word.name, sample(what))) });
            }
            Value::Required(what) => all.push(plain(format!("{}={}", word.name, sample(what)))),
        }
        let has_both = word.layer() == "attribute, filesystem";
        if let Some(text) = word.recursive_form() {
            all.push(Choice { recursive: true, ..plain(text) });
            let text = format!("{}=recursive", word.name);
            all.push(Choice { recursive: true, is_known_otherwise: !has_both, ..plain(text) });
        }
        if has_both {
            all.push(Choice { part: Part::Mount, ..plain(format!("{}=vfs", word.name)) });
            all.push(Choice { part: Part::Filesystem, ..plain(format!("{}=fs", word.name)) });
        }
    }
    all
}

/// Returns a value that differs from the default, if the difference is visible.
fn sample(what: &str) -> &'static str {
    match what {
        "MODE" => "0711",
        "MODE[:UID:GID]" => "0755:0:0",
        "PATH" => "d",
        // A user namespace has nobody else.
        "UID" | "GID" => {
            if fmountat_testing::is_real_root() {
                "7"
            } else {
                "0"
            }
        }
        "BYTES" => "4096",
        what if what.contains("DISK:SEEN:COUNT") => "0:0:1",
        "NAME" => "somebody",
        _ => panic!("a value for {what}, please"),
    }
}

/// The operation that gets the options.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Call {
    Bind { recursive: bool },
    New,
    Remount,
}

impl Call {
    fn place(self) -> Places {
        match self {
            Self::Bind { .. } => Places::BIND,
            Self::New => Places::NEW,
            Self::Remount => Places::REMOUNT,
        }
    }
}

/// The expected outcome.
#[derive(Debug, Clone)]
pub(crate) enum Promise {
    /// An error before any change.
    Refused,
    /// The mounts, the top one first; or, for a reason outside the table, an error before any
    /// change.
    Mounts { mounts: Vec<MountState>, root: Look, or_refused: bool },
}

/// Returns what the options `list` in `call` promise for the mounts `start`: the top mount and the
/// one below it. `root` is the expected root.
pub(crate) fn promise(call: Call, list: &[&Choice], start: &[MountState], root: Look) -> Promise {
    let named = |names: &[&str]| list.iter().any(|choice| names.contains(&choice.word.name));
    let bind_word = list.iter().rev().find(|choice| ["bind", "rbind"].contains(&choice.word.name));
    let alone = call == Call::Remount && bind_word.is_some();
    for Choice { word, part, .. } in list {
        let is_of_filesystem = word.layer() == "filesystem" || *part == Part::Filesystem;
        let is_bind = matches!(call, Call::Bind { .. });
        let misplaced = !word.places.contains(call.place()) || is_of_filesystem && (alone || is_bind);
        if misplaced || word.layer() == "refused" {
            return Promise::Refused;
        }
    }
    let recursive = match (call, bind_word) {
        (Call::Bind { recursive }, None) => recursive,
        (Call::Bind { .. }, Some(choice)) => choice.word.name == "rbind",
        (Call::New, _) => false,
        (Call::Remount, _) => true,
    };
    let mut mounts = start[..if recursive { 2 } else { 1 }].to_vec();
    for choice in list {
        take_flags(choice, &mut mounts, call, alone);
    }
    take_propagation(call, list, &mut mounts);
    take_mapping(list, &mut mounts);
    if is_impossible(call, &named, &mounts[0]) {
        return Promise::Refused;
    }
    // Two mappings may overlap; in a user namespace nothing is mapped that it doesn't own.
    let or_refused = named(&MAPS) && (list.len() > 1 || !fmountat_testing::is_real_root());
    Promise::Mounts { mounts, root: take_root(list, root), or_refused }
}

/// A tree is mapped as a whole unless a word says otherwise.
fn take_mapping(list: &[&Choice], mounts: &mut [MountState]) {
    let last = list.iter().rev().find(|choice| MAPPED.contains(&choice.word.name));
    let whole = last.is_none_or(|choice| choice.word.name == "ridmap");
    if list.iter().any(|choice| MAPS.contains(&choice.word.name)) {
        let reached = if whole { mounts.len() } else { 1 };
        mounts[..reached].iter_mut().for_each(|mount| mount.idmapped = true);
    }
}

fn take_root(list: &[&Choice], mut root: Look) -> Look {
    for choice in list {
        let number = |radix| u32::from_str_radix(choice.text.rsplit('=').next().unwrap(), radix).unwrap();
        match choice.word.name {
            "X-mount.owner" => root.uid = number(10),
            "X-mount.group" => root.gid = number(10),
            "X-mount.mode" => root.mode = number(8),
            _ => {}
        }
    }
    root
}

const MAPS: [&str; 3] = ["X-mount.idmap", "uidmap", "gidmap"];
const MAPPED: [&str; 2] = ["idmap", "ridmap"];
const OWNERS: [&str; 3] = ["X-mount.owner", "X-mount.group", "X-mount.mode"];
const LOOP: [&str; 5] = ["loop", "offset", "sizelimit", "sector-size", "direct-io"];

/// Reports whether the source or the mount does not permit the options. The table has no column for
/// that.
fn is_impossible(call: Call, named: &dyn Fn(&[&str]) -> bool, top: &MountState) -> bool {
    let is_read_only = top.attr.contains(Attr::RDONLY) || top.superblock & MS_RDONLY != 0;
    let subdir = named(&["X-mount.subdir"]);
    // The source of a new file system is no image here, and has no directory yet.
    call == Call::New && (subdir || named(&LOOP))
        || subdir && top.propagation.unbindable
        || named(&MAPPED) && !named(&MAPS)
        || named(&OWNERS) && is_read_only
}

/// One word after the other: the later one wins, and each access-time word clears the whole field.
fn take_flags(choice: &Choice, mounts: &mut [MountState], call: Call, alone: bool) {
    let (set, clear) = choice.word.attr();
    let reached = if choice.recursive { mounts.len() } else { 1 };
    if matches!(choice.part, Part::All | Part::Mount) {
        for mount in &mut mounts[..reached] {
            mount.attr = (mount.attr - clear) | set;
        }
    }
    let has_superblock = !matches!(call, Call::Bind { .. }) && !alone && choice.part != Part::Mount;
    if has_superblock && choice.word.layer().contains("filesystem") {
        let (set, clear) = choice.word.ms();
        mounts[0].superblock = (mounts[0].superblock & !clear) | set;
    }
}

/// The last option for the tree applies to all, then the last option for the top. One for the tree
/// revokes earlier ones for the top. A bind without any is private.
fn take_propagation(call: Call, list: &[&Choice], mounts: &mut [MountState]) {
    let (mut top, mut whole) = (None, None);
    for choice in list.iter().filter(|choice| choice.word.layer() == "propagation") {
        let flags = choice.word.ms().0;
        match flags & libc::MS_REC {
            0 => top = Some(flags),
            _ => (top, whole) = (None, Some(flags & !libc::MS_REC)),
        }
    }
    if matches!(call, Call::Bind { .. }) && top.is_none() && whole.is_none() {
        whole = Some(libc::MS_PRIVATE);
    }
    // Who is shared from the start has a peer; who becomes it has none.
    let has_peers = mounts[0].propagation.shared;
    for mount in mounts.iter_mut() {
        change_propagation(&mut mount.propagation, whole, has_peers);
    }
    change_propagation(&mut mounts[0].propagation, top, has_peers);
}

/// The table of state transitions in mount_namespaces(7), "Propagation type transitions".
fn change_propagation(now: &mut Propagations, flags: Option<u64>, has_peers: bool) {
    let Propagations { shared, master, unbindable } = *now;
    let none = Propagations::default();
    *now = match flags {
        None => *now,
        Some(libc::MS_SHARED) => Propagations { shared: true, master, ..none },
        Some(libc::MS_SLAVE) => {
            Propagations { shared: false, master: master || shared && has_peers, unbindable }
        }
        Some(libc::MS_PRIVATE) => none,
        Some(libc::MS_UNBINDABLE) => Propagations { unbindable: true, ..none },
        Some(other) => panic!("the table has a propagation {other:#x}"),
    };
}
