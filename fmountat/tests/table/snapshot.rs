// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Tests snapshots of the mount table: both strategies return the same bytes as each other and as
//! findmnt, for this and other namespaces.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod findmnt;
mod scene;

use fmountat::table::{Change, Fields, Table, TableReader, TableStrategy, find, is_mount_point};
use fmountat::{ErrorKind, MountId, Tree, mountinfo};
use fmountat_testing::filter::errno_on;
use fmountat_testing::{is_real_root, mkdirs, scratch};
use rustix::fs::CWD;
use rustix::mount::{MountFlags, UnmountFlags, mount_move, mount_remount, unmount};
use scene::{STRATEGIES, bytes, file, furnish, odd_names, plain, read, tmpfs};
use std::ffi::{OsStr, OsString};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

const SYS_STATMOUNT: libc::c_long = 457;
const SYS_LISTMOUNT: libc::c_long = 458;

/// Starts a process in a mount namespace of its own, which runs the script and then waits for the
/// end of its input.
fn container(script: &str) -> Child {
    let script = format!("{script}; echo ready; cat >/dev/null");
    let mut child = Command::new("unshare")
        .args(["--mount", "--propagation", "private", "sh", "-euc", &script])
        .current_dir(scratch())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
    assert_eq!(line, "ready\n");
    child
}

fn end(mut child: Child) {
    drop(child.stdin.take());
    assert!(child.wait().unwrap().success());
}

fn targets(table: &Table) -> Vec<PathBuf> {
    table.iter().map(|entry| entry.target().to_owned()).collect()
}

fn pid(child: &Child) -> i32 {
    child.id().try_into().unwrap()
}

fmountat_testing::cases! {
    /// Compares every field of every mount between both strategies and the parser of mountinfo,
    /// with all bytes of odd names.
    fn both_strategies_return_the_same() needs [Kernel(6, 15), Statmount] {
        furnish();
        let [listed, parsed] = STRATEGIES.map(|strategy| read(Fields::MOUNTINFO, strategy));
        assert_eq!((listed.strategy(), parsed.strategy()), (TableStrategy::Statmount, TableStrategy::Mountinfo));
        assert_eq!(plain(&listed), plain(&parsed));
        assert_eq!(plain(&parsed), mountinfo::read().unwrap());
        for name in odd_names() {
            let target = file("odd").join(&name);
            for table in [&listed, &parsed] {
                let entry = table.at(&target).unwrap();
                assert_eq!((entry.source(), bytes(entry.target())), (&*name, bytes(&target)));
            }
        }
        println!("counted: {} mounts the same by both strategies", listed.len());
        assert!(listed.diff(&parsed).is_empty() && parsed.diff(&listed).is_empty());
        assert!(listed.iter().all(|entry| entry.unique_id().is_some()));
        assert!(parsed.iter().all(|entry| entry.unique_id().is_none()));
    }

    /// The table equals the output of findmnt(8), entry by entry.
    fn as_findmnt_tells() needs [Kernel(6, 15), Statmount, Tool("findmnt")] {
        furnish();
        let want = findmnt::entries();
        for strategy in STRATEGIES {
            let table = read(Fields::MOUNTINFO, strategy);
            assert_eq!(findmnt::as_findmnt(&table), want, "{strategy}");
        }
        println!("counted: {} mounts as findmnt has them", want.len());
    }

    /// The reader reads exactly the requested fields.
    fn only_what_was_asked_for() needs [Kernel(6, 15), Statmount] {
        furnish();
        let all = read(Fields::MOUNTINFO, TableStrategy::Statmount);
        for field in Fields::all().iter() {
            let table = read(field, TableStrategy::Statmount);
            assert_eq!((table.fields(), table.len()), (field | Fields::UNIQUE_ID, all.len()));
            for (one, full) in table.iter().zip(all.iter()) {
                let only = |asked, got: &OsStr, want: &OsStr| {
                    assert_eq!(got, if field == asked { want } else { OsStr::new("") }, "{field:?} {full:?}");
                };
                only(Fields::TARGET, one.target().as_os_str(), full.target().as_os_str());
                only(Fields::ROOT, one.root().as_os_str(), full.root().as_os_str());
                only(Fields::FSTYPE, one.fstype(), full.fstype());
                only(Fields::SOURCE, one.source(), full.source());
                only(Fields::SUPER_OPTIONS, one.super_options(), full.super_options());
                assert_eq!(one.device().is_some(), field == Fields::DEVICE);
                assert_eq!((one.id(), one.parent_mountinfo_id()), (full.id(), full.parent_mountinfo_id()));
                assert_eq!((one.options(), one.shared(), one.master()), (full.options(), full.shared(), full.master()));
            }
        }
        assert_eq!(read(Fields::empty(), TableStrategy::Statmount).len(), all.len());
    }

    /// Roots, parents, children in order, stacks from the bottom up, peers and masters. A walk
    /// visits each mount once.
    fn the_tree() needs [Kernel(6, 15), Statmount] {
        furnish();
        for table in STRATEGIES.map(|strategy| read(Fields::MOUNTINFO, strategy)) {
            assert_eq!(table.roots().map(|root| root.target().to_owned()).collect::<Vec<_>>(), [Path::new("/")]);
            assert_eq!(table.walk().count(), table.len());
            for (depth, entry) in table.walk() {
                assert_eq!(entry.parent().is_none(), depth == 0);
                assert!(entry.children().all(|child| child.parent().unwrap().id() == entry.id()));
            }
            let stack = table.stack(file("stack"));
            assert_eq!(stack.iter().map(|e| e.source()).collect::<Vec<_>>(), ["one", "two", "three"]);
            assert!(stack.windows(2).all(|two| two[1].parent().unwrap().id() == two[0].id()));
            assert_eq!(table.at(file("stack")).unwrap().source(), "three");
            let (shared, peer) = (table.at(file("shared")).unwrap(), table.at(file("peer")).unwrap());
            assert!(shared.peers().any(|other| other.id() == peer.id()));
            let slave = table.at(file("slave")).unwrap();
            assert!(slave.shared().is_none() && slave.masters().any(|master| master.id() == shared.id()));
            let both = table.at(file("both")).unwrap();
            assert!(both.shared().is_some() && both.master() == shared.shared());
            assert!(table.at(file("unbindable")).unwrap().is_unbindable());
            assert_eq!(table.at(file("shared/in")).unwrap().parent().unwrap().id(), shared.id());
        }
    }

    /// By either id, source, type, and path by its components.
    fn questions() needs [Kernel(6, 15), Statmount] {
        for at in ["a/b", "a/bc", "a"] {
            tmpfs("sour ce", at, MountFlags::empty());
        }
        for table in STRATEGIES.map(|strategy| read(Fields::MOUNTINFO, strategy)) {
            let below: Vec<_> = table.below(file("a/b")).map(|e| e.target().to_owned()).collect();
            assert_eq!(below, [file("a/b")]);
            assert_eq!(table.below(file("a")).count(), 3);
            assert_eq!(table.with_source("sour ce").count(), 3);
            assert!(table.with_type("tmpfs").count() >= 3 && table.with_type("tmp").count() == 0);
            let entry = table.at(file("a/b")).unwrap();
            assert_eq!(table.get(entry.id()).unwrap().target(), file("a/b"));
            assert_eq!(table.get(entry.mountinfo_id().into()).unwrap().target(), file("a/b"));
            assert!(table.get(MountId::from_number(u64::MAX)).is_none() && table.at(file("x")).is_none());
        }
    }

    /// The mount that is seen at a path, and whether the path is its root, by each strategy.
    fn find_by_each_strategy() needs [Kernel(6, 15), Statmount] {
        furnish();
        for strategy in [TableStrategy::Auto, TableStrategy::Statmount, TableStrategy::Mountinfo] {
            for (path, source) in [("stack", "three"), ("merged", "an overlay"), ("shared/in", "spread")] {
                let inside = file(path).join("..").join(file(path).file_name().unwrap());
                for path in [file(path), inside] {
                    let found = TableReader::here().strategy(strategy).find(CWD, &path).unwrap();
                    assert_eq!((&*found.source, found.target.is_absolute()), (OsStr::new(source), true), "{strategy}");
                    assert!(is_mount_point(CWD, &path).unwrap());
                }
            }
            for name in odd_names() {
                let found = TableReader::here().strategy(strategy).find(CWD, file("odd").join(&name).join("root")).unwrap();
                assert_eq!((found.source, found.target), (name.clone(), file("odd").join(&name)));
            }
            let found = TableReader::here().strategy(strategy).find(CWD, file("src/file")).unwrap();
            assert!(scratch().starts_with(&found.target));
            assert_eq!(TableReader::here().strategy(strategy).find(CWD, file("onto")).unwrap().target, file("onto"));
            assert_eq!(TableReader::here().strategy(strategy).find(CWD, file("none")).unwrap_err().kind(), ErrorKind::NotFound);
            let tree = Tree::clone_of(CWD, file("src"), false).unwrap();
            assert_eq!(TableReader::here().strategy(strategy).find(tree.root(), ".").unwrap_err().kind(), ErrorKind::NotMounted);
        }
        assert!(!is_mount_point(CWD, file("src")).unwrap() && is_mount_point(CWD, file("onto")).unwrap());
        let mut same = find(CWD, file("stack")).unwrap();
        same.unique_id = None;
        assert_eq!(same, TableReader::here().strategy(TableStrategy::Mountinfo).find(CWD, file("stack")).unwrap());
    }

    /// Detects added, removed, moved and changed mounts by unique ids and by those of mountinfo.
    fn differences() needs [Kernel(6, 15), Statmount] {
        for at in ["removed", "kept", "moves", "changes"] {
            tmpfs(at, at, MountFlags::empty());
        }
        mkdirs(scratch(), &["moved"]);
        let before = STRATEGIES.map(|strategy| read(Fields::MOUNTINFO, strategy));
        unmount(file("removed"), UnmountFlags::empty()).unwrap();
        mount_move(file("moves"), file("moved")).unwrap();
        mount_remount(file("changes"), MountFlags::BIND | MountFlags::NOSUID, "").unwrap();
        tmpfs("added", "added", MountFlags::empty());
        for (before, strategy) in before.iter().zip(STRATEGIES) {
            let after = read(Fields::MOUNTINFO, strategy);
            let words: Vec<_> = before.diff(&after).iter().map(|change| match change {
                Change::Added(entry) => format!("+{}", entry.source().to_string_lossy()),
                Change::Removed(entry) => format!("-{}", entry.source().to_string_lossy()),
                Change::Moved { to, .. } => format!(">{}", to.target().file_name().unwrap().to_string_lossy()),
                Change::Changed { to, .. } => format!("={}", to.options().to_string_lossy()),
            }).collect();
            assert_eq!(words, ["-removed", ">moved", "=rw,nosuid,relatime", "+added"], "{strategy}");
        }
    }

    /// Reads by process, by file and by id, each with both strategies. A process with another root
    /// sees other paths.
    fn other_namespaces() needs [Kernel(6, 15), Statmount] {
        mkdirs(scratch(), &["inner", "root"]);
        tmpfs("outside", "root", MountFlags::empty());
        let child = container("mount -t tmpfs theirs inner");
        let ns = format!("/proc/{}/ns/mnt", child.id());
        let id = {
            let mut reader = TableReader::of_process(pid(&child)).unwrap();
            let table = reader.read().unwrap();
            assert!(table.at(file("inner")).unwrap().source() == "theirs");
            TableReader::of_process(pid(&child)).unwrap().namespace_id().unwrap()
        };
        for strategy in STRATEGIES {
            for mut reader in [
                TableReader::of_process(pid(&child)).unwrap(),
                TableReader::of_namespace(CWD, &ns).unwrap(),
                TableReader::of_namespace_id(id).unwrap(),
            ] {
                // Without privilege on the machine a namespace's file is not found by its id.
                let is_by_id = format!("{reader:?}").contains("Id(");
                assert!(!is_by_id || !is_real_root());
                if is_by_id && strategy == TableStrategy::Mountinfo {
                    assert_eq!(reader.strategy(strategy).read().unwrap_err().kind(), ErrorKind::Permission);
                    continue;
                }
                reader = reader.fields(Fields::MOUNTINFO).strategy(strategy);
                let table = reader.read().unwrap();
                assert_eq!(table.strategy(), strategy);
                assert_eq!(table.at(file("inner")).unwrap().source(), "theirs");
                let text = std::fs::read(format!("/proc/{}/mountinfo", child.id())).unwrap();
                assert_eq!(plain(&table), mountinfo::parse(&text).unwrap());
            }
        }
        assert!(read(Fields::LIST, TableStrategy::Auto).at(file("inner")).is_none());
        let number = pid(&child);
        let reader = TableReader::of_process(number).unwrap();
        end(child);
        assert!(TableReader::of_process(number).is_err());
        assert_eq!(reader.strategy(TableStrategy::Mountinfo).read().unwrap_err().kind(), ErrorKind::NotFound);
        assert_eq!(TableReader::of_namespace_id(u64::MAX).unwrap_err().kind(), ErrorKind::NotFound);
        assert_eq!(TableReader::of_namespace(CWD, "/proc/self/ns/net").unwrap_err().kind(), ErrorKind::OptionValue);
    }

    /// A process that enters the namespace has the mount over its root as root. Processes already
    /// there keep the old root and see both.
    fn a_covered_root() needs [Kernel(6, 15), Statmount] {
        let child = container("mount -t tmpfs over /");
        let ns = format!("/proc/{}/ns/mnt", child.id());
        let of_process = || TableReader::of_process(pid(&child)).unwrap();
        let id = of_process().namespace_id().unwrap();
        let sources = |mut reader: TableReader, strategy| -> Vec<OsString> {
            reader = reader.fields(Fields::LIST).strategy(strategy);
            let table = reader.read().unwrap();
            for entry in table.iter() {
                let found = reader.read_with_id(entry.id()).unwrap();
                assert_eq!(found.unwrap().unique_id, entry.unique_id());
            }
            table.iter().filter(|entry| entry.target() == "/").map(|entry| entry.source().to_owned()).collect()
        };
        for strategy in STRATEGIES {
            assert_eq!(sources(of_process(), strategy).len(), 2, "{strategy}");
            assert_eq!(sources(TableReader::of_namespace(CWD, &ns).unwrap(), strategy), ["over"], "{strategy}");
        }
        assert_eq!(sources(TableReader::of_namespace_id(id).unwrap(), TableStrategy::Statmount), ["over"]);
        end(child);
    }

    /// A process that sees a part of its namespace: from a root that is a mount's root, and from
    /// one that is not.
    fn a_process_with_its_own_root() needs [Tool("chroot"), Tool("busybox")] {
        for (root, want) in [("root", vec!["/", "/in", "/plain/in"]), ("root/plain", vec!["/in"])] {
            mkdirs(scratch(), &["root"]);
            let script = "mount -t tmpfs root root; cd root; mkdir -p proc in plain/in; mount --rbind /proc proc;
                mount -t tmpfs a in; mount -t tmpfs b plain/in; cp \"$(command -v busybox)\" .; cp busybox plain; cd ..";
            let inside = format!("{script}; exec chroot {root} /busybox sh -c 'echo ready; ./busybox cat'");
            let child = container(&inside);
            let mut reader = TableReader::of_process(pid(&child)).unwrap().fields(Fields::MOUNTINFO);
            let table = reader.read().unwrap();
            let seen: Vec<_> = targets(&table).into_iter().filter(|t| !t.starts_with("/proc")).collect();
            assert_eq!(seen, want.iter().map(PathBuf::from).collect::<Vec<_>>());
            let text = std::fs::read(format!("/proc/{}/mountinfo", child.id())).unwrap();
            assert_eq!(plain(&table), mountinfo::parse(&text).unwrap());
            end(child);
        }
    }

    /// Without statmount(2) or listmount(2), as on old kernels and in sandboxes, mountinfo does.
    fn without_the_calls() needs [] {
        furnish();
        let want = plain(&read(Fields::MOUNTINFO, TableStrategy::Mountinfo));
        for (calls, errno) in [
            (&[SYS_STATMOUNT, SYS_LISTMOUNT][..], libc::ENOSYS),
            (&[SYS_STATMOUNT, SYS_LISTMOUNT], libc::EPERM),
            (&[SYS_STATMOUNT], libc::ENOSYS),
            (&[SYS_STATMOUNT], libc::EPERM),
            (&[SYS_LISTMOUNT], libc::EPERM),
        ] {
            std::thread::scope(|scope| {
                scope.spawn(|| {
                    errno_on(calls, errno.try_into().unwrap());
                    let table = Table::read(Fields::MOUNTINFO).unwrap();
                    assert_eq!(table.strategy(), TableStrategy::Mountinfo);
                    assert_eq!(plain(&table), want);
                    assert_eq!(find(CWD, file("stack")).unwrap().source, "three");
                    assert!(TableReader::here().strategy(TableStrategy::Statmount).read().is_err());
                });
            });
        }
    }
}
