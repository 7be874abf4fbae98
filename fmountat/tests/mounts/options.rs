// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Tries every option of the table and every ordered pair of them on every kind of mount, with the
//! features of this kernel and of Linux 5.14. The kernel must show what the table promises, or an
//! error must precede any change.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod model;
mod start;
mod state;

use fmountat::kernel::Features;
use fmountat::options::Options;
use fmountat::{Attr, Error, Mount, Mounter, Plan, Target};
use model::{Call, Choice, Promise, choices, promise};
use rustix::fs::CWD;
use start::{Access, Start, file, make_places, unmount_tree};
use state::{Look, MountState, Propagations, Table};

/// Counts of the cases so far.
#[derive(Debug, Default)]
struct Count {
    combinations: usize,
    mounted: usize,
    refused: usize,
    wrong: Vec<String>,
}

impl Count {
    fn print(&self, what: &str) {
        let Self { combinations, mounted, refused, wrong } = self;
        for wrong in wrong.iter().take(40) {
            println!("{wrong}");
        }
        println!(
            "counted: {combinations} combinations on {what}, {mounted} mounted as promised, {refused} refused before any change"
        );
        assert!(wrong.is_empty(), "{} of {combinations} are not as promised", wrong.len());
    }

    /// Judges one outcome; gives whether there is something to unmount.
    fn judge(&mut self, case: &Case<'_>, promise: &Promise, done: Result<(), Error>, before: &Table) {
        self.combinations += 1;
        let after = Table::read();
        let why = match (promise, done) {
            (Promise::Refused, Ok(())) => String::from("it should be refused"),
            (Promise::Mounts { or_refused: false, .. }, Err(error)) => format!("refused: {error}"),
            (_, Err(_)) if after == *before => {
                self.refused += 1;
                return;
            }
            (_, Err(error)) => format!("after `{error}` the mount table is another"),
            (Promise::Mounts { mounts, root, .. }, Ok(())) => {
                let seen = (after.at(&file("t")), Look::at(&file("t")));
                if (&seen.0, &seen.1) == (mounts, root) {
                    self.mounted += 1;
                    return;
                }
                format!("\n  promised {:?}\n  seen     {seen:?}", (mounts, root))
            }
        };
        self.wrong.push(format!("{case:?}: {why}"));
    }
}

/// One call with its words.
struct Case<'a> {
    call: Call,
    start: Start,
    is_old: bool,
    list: &'a [&'a Choice],
}

impl std::fmt::Debug for Case<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let kernel = if self.is_old { " as on 5.14" } else { "" };
        write!(f, "{:?} {:?}{kernel}: {}", self.call, self.start, self.words())
    }
}

impl Case<'_> {
    fn words(&self) -> String {
        self.list.iter().map(|choice| choice.text.as_str()).collect::<Vec<_>>().join(",")
    }

    fn start(&self) -> [MountState; 2] {
        let propagation = Propagations::default();
        let new = MountState { attr: Attr::empty(), superblock: 0, propagation, idmapped: false };
        if self.call == Call::New { [new; 2] } else { self.start.states() }
    }

    /// What is to be the root of the mount, as it is without the words.
    fn root(&self) -> Look {
        let subdir = self.list.iter().any(|choice| choice.word.name == "X-mount.subdir");
        match self.call {
            Call::New => Look { mode: 0o1777, uid: 0, gid: 0 },
            Call::Bind { .. } if subdir => Look::at(&file("source/d")),
            Call::Bind { .. } => Look::at(&file("source")),
            Call::Remount => Look::at(&file("t")),
        }
    }

    fn run(&self, mounter: &Mounter) -> Result<(), Error> {
        let target = Target::open(CWD, file("t"))?;
        let mount = match self.call {
            Call::Remount => return fmountat::remount(&target, &Options::parse(["remount", &self.words()])?),
            Call::New => Mount::new("tmpfs", "tmpfs").option("size=64k"),
            Call::Bind { recursive: false } => Mount::new("bind", file("source")),
            Call::Bind { recursive: true } => Mount::new("rbind", file("source")),
        };
        mounter.apply(CWD, &Plan::new(&[mount.option(self.words())])?, &target).map(drop)
    }
}

fn mounter(is_old: bool) -> Mounter {
    let features = Features::get();
    Mounter::with(if is_old { features.at_most(5, 14) } else { features }, None)
}

/// How many words a list has at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Most {
    One,
    Two,
}

/// No word, every word, every ordered pair.
fn lists(choices: &[Choice], most: Most) -> Vec<Vec<&Choice>> {
    let mut lists = vec![Vec::new()];
    lists.extend(choices.iter().map(|one| vec![one]));
    if most == Most::One {
        return lists;
    }
    let in_pairs: Vec<&Choice> = choices.iter().filter(|choice| !choice.is_known_otherwise).collect();
    lists.extend(in_pairs.iter().flat_map(|one| in_pairs.iter().map(|other| vec![*one, *other])));
    lists
}

fn each_case(call: Call, start: Start, most: Most, source: Option<&Access>, count: &mut Count) {
    let choices = choices();
    let lists = lists(&choices, most);
    for is_old in [false, true] {
        // A change of what is mounted asks no features.
        if is_old && call == Call::Remount {
            continue;
        }
        let mounter = mounter(is_old);
        let staged = Table::read();
        for list in &lists {
            let case = Case { call, start, is_old, list };
            if call == Call::Remount {
                start.mount(&file("t"), &file("peer"));
                let promise = promise(call, list, &case.start(), case.root());
                count.judge(&case, &promise, case.run(&mounter), &Table::read());
                unmount_tree(&file("t"));
                if start == Start::Full {
                    unmount_tree(&file("peer"));
                }
                continue;
            }
            let promise = promise(call, list, &case.start(), case.root());
            let done = case.run(&mounter);
            let mounted = done.is_ok();
            count.judge(&case, &promise, done, &staged);
            if mounted {
                unmount_tree(&file("t"));
            }
            source.inspect(|source| source.restore());
        }
        let now = Table::read();
        if now != staged {
            count
                .wrong
                .push(format!("{call:?} {start:?} left another mount table: {:?}", now.difference(&staged)));
        }
    }
}

fn on_binds(call: Call, most: Most, count: &mut Count) {
    fmountat_testing::mkdirs(fmountat_testing::scratch(), &["source"]);
    for start in [Start::Bare, Start::Full] {
        let source = start.mount(&file("source"), &file("peer"));
        each_case(call, start, most, Some(&source), count);
        unmount_tree(&file("source"));
        if start == Start::Full {
            unmount_tree(&file("peer"));
        }
    }
}

/// Every list on one kind of mount, from every start.
fn on(call: Call, most: Most, count: &mut Count) {
    make_places();
    match call {
        Call::Bind { .. } => on_binds(call, most, count),
        Call::New => each_case(call, Start::Bare, most, None, count),
        Call::Remount => {
            for start in [Start::Bare, Start::Full] {
                each_case(call, start, most, None, count);
            }
        }
    }
}

fn pairs_on(call: Call, what: &str) {
    let mut count = Count::default();
    on(call, Most::Two, &mut count);
    count.print(what);
}

fmountat_testing::cases! {
    fn words_on_a_bind() needs [] {
        pairs_on(Call::Bind { recursive: false }, "a bind");
    }

    fn words_on_a_bind_of_a_tree() needs [] {
        pairs_on(Call::Bind { recursive: true }, "a bind of a tree");
    }

    fn words_on_a_new_file_system() needs [] {
        pairs_on(Call::New, "a new file system");
    }

    fn words_of_a_remount() needs [] {
        pairs_on(Call::Remount, "a remount");
    }

    /// Each word alone; an ordinary user who runs these tests has the pairs there too.
    fn words_in_a_user_namespace() needs [User] {
        let mut count = Count::default();
        for call in [Call::Bind { recursive: false }, Call::Bind { recursive: true }, Call::New, Call::Remount] {
            on(call, Most::One, &mut count);
        }
        count.print("mounts of a user namespace");
    }
}
