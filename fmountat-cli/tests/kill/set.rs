// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The sets that are mounted, and what is to be seen of them.

use fmountat_testing::{
    binary, command_output, loop_devices, mkdirs, mount_table, mounts_below, read, scratch, write,
};
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

/// How long to wait for the kernel's cleanup after the last process has ended, also on an emulated
/// processor.
const SETTLE: Duration = Duration::from_secs(10);

/// Where sets are that go together.
const PLACES: [&str; 6] = ["many/0", "many/1", "many/2", "many/3", "many/4", "many/5"];

pub(crate) fn file(path: &str) -> PathBuf {
    scratch().join(path)
}

/// Two sets of one shape, which differ in a file that tells them apart.
#[derive(Debug)]
pub(crate) struct Set {
    mounts: usize,
    has_overlay: bool,
}

impl Set {
    /// Returns an overlay with the usual mounts of a container in it.
    pub(crate) fn of_root() -> Self {
        let tree = file("tree");
        write(tree.join("in"), "image");
        command_output(Command::new("mkfs.erofs").arg(file("image")).arg(tree));
        // On a tmpfs an image needs a loop device.
        mkdirs(scratch(), &["images"]);
        rustix::mount::mount("images", file("images"), "tmpfs", rustix::mount::MountFlags::empty(), None)
            .unwrap();
        std::fs::copy(file("image"), file("images/image")).unwrap();
        mkdirs(scratch(), &["l1/proc", "l1/run", "l1/img", "l1/data", "l1/secret", "l1/sys", "l2", "data"]);
        for name in ["l1/etc/file", "l1/hidden", "file"] {
            write(file(name), name);
        }
        let inner = r#"{"type": "proc", "source": "proc", "destination": "/proc"},
            {"type": "tmpfs", "source": "tmpfs", "destination": "/run", "options": ["nosuid"]},
            {"type": "tmpfs", "source": "tmpfs", "destination": "/run/lock", "options": ["X-mount.mkdir"]},
            {"type": "none", "source": "images/image", "destination": "/img", "options": ["loop", "ro"]},
            {"type": "bind", "source": "data", "destination": "/data", "options": ["bind", "uidmap=0:1000:10", "gidmap=0:1000:10"]},
            {"type": "bind", "source": "file", "destination": "/etc/file", "options": ["bind", "ro"]}"#
            .replace(r#""type": "none""#, r#""type": "erofs""#);
        Self::write(&|name| {
            format!(
                r#"{{"mounts": [{{"type": "overlay", "source": "overlay", "destination": "/",
                    "options": ["lowerdir={name}:l2:l1,upperdir=upper/{name}/u,workdir=upper/{name}/w"]}}, {inner}],
                    "linux": {{"maskedPaths": ["/hidden", "/secret"], "readonlyPaths": ["/sys"]}}}}"#
            )
        });
        Self { mounts: 10, has_overlay: true }
    }

    /// Returns a set that needs no privilege outside the user namespace.
    pub(crate) fn of_user() -> Self {
        mkdirs(scratch(), &["data"]);
        Self::write(&|name| {
            format!(
                r#"[{{"type": "bind", "source": "{name}", "target": "/", "options": ["rbind"]}},
                    {{"type": "tmpfs", "source": "tmpfs", "target": "/run"}},
                    {{"type": "tmpfs", "source": "tmpfs", "target": "/run/a/b", "options": ["X-mount.mkdir"]}},
                    {{"type": "bind", "source": "data", "target": "/run/data", "options": ["rbind,rro,X-mount.mkdir"]}}]"#
            )
        });
        Self { mounts: 4, has_overlay: false }
    }

    fn write(text: &dyn Fn(&str) -> String) {
        mkdirs(scratch(), &["t"]);
        for name in ["old", "new"] {
            mkdirs(file(name), &["run"]);
            write(file(name).join("who"), name);
            write(file(&format!("{name}.json")), text(name));
        }
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(binary(env!("CARGO_BIN_EXE_fmountat")));
        command.args(["--json"]).args(arguments).current_dir(scratch());
        // By this its processes are found.
        command.env("FMOUNTAT_TEST_KILL", scratch());
        command
    }

    /// With a pause before each move_mount(2), also of its children.
    pub(crate) fn slow_command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("strace");
        command.args(["-f", "-o", "/dev/null", "-e", "trace=move_mount"]);
        command.args(["-e", "inject=move_mount:delay_enter=4000", "--"]);
        command.arg(binary(env!("CARGO_BIN_EXE_fmountat"))).args(["--json"]).args(arguments);
        command.current_dir(scratch()).env("FMOUNTAT_TEST_KILL", scratch());
        command
    }

    /// Runs to the end, which must be success; what it printed.
    pub(crate) fn run(&self, arguments: &[&str]) -> String {
        self.fresh_if_replacing(arguments);
        command_output(&mut self.command(arguments))
    }

    fn fresh_if_replacing(&self, arguments: &[&str]) {
        if arguments.contains(&"--replace") {
            self.renew();
        }
    }

    /// Upper directories that no overlay has, for both sets.
    pub(crate) fn fresh(&self) {
        if self.has_overlay {
            for name in ["old", "new"] {
                self.new_upper(name);
            }
        }
    }

    fn new_upper(&self, name: &str) {
        let _ = std::fs::remove_dir_all(file("upper").join(name));
        mkdirs(file("upper").join(name), &["u", "w"]);
    }

    /// Mounts the old set, and gives the new one a new upper directory.
    pub(crate) fn renew(&self) {
        self.drop();
        self.fresh();
        command_output(&mut self.command(&["apply", "old.json", "t"]));
    }

    /// Asserts that the new set is mounted and that the file `published` identifies it.
    pub(crate) fn published(&self) {
        self.fresh();
        let text = self.run(&["apply", "new.json", "t"]);
        write(file("published"), text);
    }

    /// Publishes the new set at several places, and writes their paths to the file `published`.
    pub(crate) fn published_often(&self) {
        let at = |place: &str| {
            mkdirs(scratch(), &[place]);
            self.run(&["apply", "new.json", place])
        };
        write(file("published"), PLACES.map(at).concat());
    }

    /// Reports whether all sets are unmounted. Asserts that no set is mounted in part.
    pub(crate) fn are_gone(&self) -> bool {
        all_have_ended();
        let mounts = || PLACES.map(|place| mounts_below(file(place)).len());
        let is_whole = |mounts: usize| [0, self.mounts].contains(&mounts);
        assert!(
            settled(|| mounts().into_iter().all(is_whole)),
            "half gone: {:#?}",
            mounts_below(file("many"))
        );
        mounts().into_iter().sum::<usize>() == 0
    }

    pub(crate) fn drop_all(&self) {
        for place in PLACES.iter().filter(|place| !mounts_below(file(place)).is_empty()) {
            command_output(&mut self.command(&["umount", "-R", "-l", place]));
        }
        self.nothing_else();
    }

    /// Reports whether the set is mounted completely. Asserts that otherwise none of it is mounted.
    pub(crate) fn is_there(&self, name: &str) -> bool {
        all_have_ended();
        let found = settled(|| [0, self.mounts].contains(&mounts_below(file("t")).len()));
        assert!(found, "half built: {:#?}", mounts_below(file("t")));
        let is_there = !mounts_below(file("t")).is_empty();
        if is_there {
            assert_eq!(read(file("t/who")), name);
        } else {
            self.nothing_else();
        }
        is_there
    }

    /// Reports whether the new set is mounted. Asserts that otherwise the old set is mounted.
    pub(crate) fn is_one_of_two(&self) -> bool {
        all_have_ended();
        let found = settled(|| mounts_below(file("t")).len() == self.mounts);
        assert!(
            found,
            "not one set: {:#?}",
            mount_table().iter().filter(|line| line.point.starts_with(file("t"))).collect::<Vec<_>>()
        );
        let name = read(file("t/who"));
        assert!(["old", "new"].contains(&name.as_str()), "{name}");
        name == "new"
    }

    /// No loop device, process or mount of it is anywhere.
    fn nothing_else(&self) {
        all_have_ended();
        assert_eq!(loop_devices(&scratch()), Vec::<String>::new());
        let mounts = mounts_below(scratch());
        assert_eq!(mounts.len(), usize::from(self.has_overlay), "{mounts:#?}");
    }

    /// Unmounts the set, if one is mounted.
    pub(crate) fn drop(&self) {
        if !mounts_below(file("t")).is_empty() {
            command_output(&mut self.command(&["umount", "-R", "-l", "t"]));
        }
        self.nothing_else();
    }
}

/// The process that makes the calls of a swap outlives the one that was killed.
fn all_have_ended() {
    assert!(settled(|| processes().is_empty()), "{:#?}", processes());
}

pub(crate) fn settled(is_so: impl Fn() -> bool) -> bool {
    let start = Instant::now();
    while !is_so() {
        if start.elapsed() > SETTLE {
            return false;
        }
        std::thread::sleep(Duration::from_micros(200));
    }
    true
}

/// Returns the command lines of what this case has started and still runs.
pub(crate) fn processes() -> Vec<String> {
    let mark = format!("FMOUNTAT_TEST_KILL={}\0", scratch().display());
    let all = std::fs::read_dir("/proc").unwrap().flatten().map(|entry| entry.path());
    let is_ours = |dir: &PathBuf| {
        let environment = std::fs::read(dir.join("environ")).unwrap_or_default();
        environment.windows(mark.len()).any(|window| window == mark.as_bytes())
    };
    let shown = |dir: PathBuf| {
        let words = std::fs::read(dir.join("cmdline")).unwrap_or_default();
        format!("{}: {}", dir.display(), String::from_utf8_lossy(&words).replace('\0', " "))
    };
    all.filter(is_ours).map(shown).collect()
}
