// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Tests the handover of trees: sent over a socket, and attached inside other mount namespaces by
//! process and by file.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use crate::common::{self, bind, file, tmpfs, unmount_all};
use fmountat::{Create, DetachedSet, ErrorKind, Mount, MountNamespace, Mounter, Plan, Target, Tree};
use fmountat_testing::{in_own_namespace, mkdirs, mount_table, mounts_below, read, scratch, write};
use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::CWD;
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, SocketFlags, SocketType,
};
use std::io::{IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::path::Path;
use std::process::{Child, Command, Stdio};

fn build(mounts: &[Mount]) -> DetachedSet {
    let target = Target::open(CWD, "/").unwrap();
    Mounter::detached().build(CWD, &Plan::new(mounts).unwrap(), &target).unwrap()
}

fn send(socket: &OwnedFd, fd: OwnedFd) {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    let fds = [fd.as_fd()];
    assert!(control.push(SendAncillaryMessage::ScmRights(&fds)));
    rustix::net::sendmsg(socket, &[IoSlice::new(b"x")], &mut control, SendFlags::empty()).unwrap();
}

fn receive(socket: &OwnedFd) -> OwnedFd {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let (mut byte, flags) = ([0u8], RecvFlags::CMSG_CLOEXEC);
    rustix::net::recvmsg(socket, &mut [IoSliceMut::new(&mut byte)], &mut control, flags).unwrap();
    let fd = control.drain().find_map(|message| match message {
        RecvAncillaryMessage::ScmRights(mut fds) => fds.next(),
        _ => None,
    });
    fd.unwrap()
}

/// Starts a process in a mount namespace of its own, which runs the script and then waits for the
/// end of its input.
fn container(script: &str) -> Child {
    let mut child = Command::new("unshare")
        .args([
            "--mount",
            "--propagation",
            "private",
            "sh",
            "-c",
            &format!("{script}; echo ready; cat >/dev/null"),
        ])
        .current_dir(scratch())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut ready = [0u8; 6];
    std::io::Read::read_exact(child.stdout.as_mut().unwrap(), &mut ready).unwrap();
    child
}

fn end(mut child: Child) {
    drop(child.stdin.take());
    child.wait().unwrap();
}

/// Returns the text of a file as the process sees it.
fn seen_by(child: &Child, path: &Path) -> String {
    read(format!("/proc/{}/root{}", child.id(), path.display()))
}

fn pid(child: &Child) -> i32 {
    child.id().try_into().unwrap()
}

fmountat_testing::cases! {
    /// A set is built here, sent by a socket, and attached in another namespace by who received it.
    fn a_tree_is_sent_and_attached_elsewhere() needs [Kernel(6, 15)] {
        mkdirs(scratch(), &["t", "a"]);
        write(file("a/who"), "sent");
        let (ours, theirs) = rustix::net::socketpair(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None).unwrap();
        let (path, seen) = (file("t"), file("t/who"));
        let text = std::thread::scope(|scope| {
            let receiver = scope.spawn(|| in_own_namespace(|| {
                let tree = Tree::received(receive(&theirs)).unwrap();
                tree.attach(&Target::open(CWD, &path).unwrap()).unwrap();
                assert_eq!(mounts_below(&path).len(), 2);
                read(&seen)
            }));
            let tree = Tree::clone_of(CWD, file("a"), false).unwrap();
            tree.set_attr(&fmountat::MountAttr { propagation: Some(fmountat::Propagation::Private), ..Default::default() }, false).unwrap();
            mkdirs(file("a"), &["in"]);
            tree.mount(Mounter::detached().build(CWD, &Plan::new(&[tmpfs()]).unwrap(), &Target::open(CWD, "/").unwrap()).unwrap().into(), "in").unwrap();
            send(&ours, tree.into());
            receiver.join().unwrap()
        });
        assert_eq!((text, mounts_below(&path).len()), ("sent".into(), 0));
    }

    /// Only a detached tree can be taken over: a mount would be moved away, and another file is not
    /// a mount.
    fn only_detached_trees_are_taken_over() needs [] {
        mkdirs(scratch(), &["t"]);
        common::apply(&[tmpfs()], "t").unwrap();
        let open = |path: &str| Target::open(CWD, file(path)).unwrap().as_fd().try_clone_to_owned().unwrap();
        for path in ["t", "."] {
            assert_eq!(Tree::received(open(path)).unwrap_err().kind(), ErrorKind::OptionConflict, "{path}");
        }
        assert_eq!(mounts_below(file("t")).len(), 1);
        unmount_all("t");
    }

    /// Attaches by process and by namespace file, from a process with several threads, below the
    /// process's root.
    fn into_another_namespace() needs [Tool("unshare")] {
        mkdirs(scratch(), &["t", "a", "jail/in"]);
        write(file("a/who"), "the host's");
        std::os::unix::fs::symlink("/", file("jail/up")).unwrap();
        let other = container("true");
        let before = mount_table();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let namespace = MountNamespace::from_pid(pid(&other)).unwrap();
                let attached = build(&[bind("a", "bind")]).attach_in(&namespace, &namespace.target(file("t")).unwrap()).unwrap();
                assert!(attached.id().get() > 0);
            });
        });
        assert_eq!(seen_by(&other, &file("t/who")), "the host's");
        let by_file = MountNamespace::from_file(CWD, format!("/proc/{}/ns/mnt", other.id())).unwrap();
        let new = by_file.create(file("new/deep"), Create::directory(0o755)).unwrap();
        by_file.attach(build(&[bind("a", "bind"), tmpfs().at("in").option("X-mount.mkdir")]).into(), &new).unwrap();
        assert_eq!(seen_by(&other, &file("new/deep/who")), "the host's");
        assert_eq!(mount_table(), before);
        assert!(!file("new/deep/who").exists());
        end(other);
        let error = MountNamespace::from_file(CWD, file("a/who")).unwrap_err();
        assert_eq!((error.kind(), &*error.reason()), (ErrorKind::OptionValue, "is not a mount namespace"));
        for pid in [0, -1, i32::MAX] {
            assert_eq!(MountNamespace::from_pid(pid).unwrap_err().kind(), ErrorKind::NotFound, "{pid}");
        }
    }

    /// In the namespace of a chrooted process, links and `..` do not lead out of its root
    /// directory.
    fn a_chrooted_process_is_not_left() needs [Root, Tool("unshare")] {
        mkdirs(scratch(), &["jail", "t"]);
        std::os::unix::fs::symlink("/../..", file("up")).unwrap();
        let other = container(&format!("mount --rbind / {0}; exec chroot {0} sh -c 'echo ready; cat >/dev/null'", file("jail").display()));
        let namespace = MountNamespace::from_pid(pid(&other)).unwrap();
        let through = file("up").join(file("t").strip_prefix("/").unwrap());
        namespace.attach(build(&[tmpfs()]).into(), &namespace.target(through).unwrap()).unwrap();
        // The process's table lists the mounts below its root, with paths from that root.
        let table = std::fs::read_to_string(format!("/proc/{}/mountinfo", other.id())).unwrap();
        assert!(table.contains(&format!(" {} ", file("t").display())), "{table}");
        end(other);
    }

    /// A tree whose target is moved elsewhere is refused, and nothing is left there.
    fn a_moved_place_is_refused() needs [Tool("unshare")] {
        mkdirs(scratch(), &["root/t"]);
        let other = container("true");
        let namespace = MountNamespace::from_pid(pid(&other)).unwrap();
        let target = namespace.target(file("root/t")).unwrap();
        std::fs::rename(file("root/t"), file("root/away")).unwrap();
        let error = namespace.attach(build(&[tmpfs()]).into(), &target).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TargetMoved, "{error}");
        mkdirs(scratch(), &["root/t"]);
        let error = namespace.attach(build(&[tmpfs()]).into(), &target).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TargetMoved, "{error}");
        let table = std::fs::read_to_string(format!("/proc/{}/mountinfo", other.id())).unwrap();
        assert!(!table.contains("root/away"), "{table}");
        end(other);
    }
}
