// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The names of system calls in errors.

use rustix::io::Errno;
use std::fmt;

/// The error of a child that would be PID 1 of a new pid namespace. clone(2) itself never fails
/// with this errno.
pub(crate) const WOULD_BE_FIRST: Errno = Errno::CHILD;

/// Defines the enumeration and its names from one list.
macro_rules! calls {
    ($( $name:ident = $text:literal; )+) => {
        /// A system call that failed; for ioctl(2) with its request.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Syscall {
            $( #[doc = concat!("`", $text, "`.")] $name, )+
        }

        impl Syscall {
            /// Returns its name as in the manual pages.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self {
                    $( Self::$name => $text, )+
                }
            }
        }
    };
}

calls! {
    Chdir = "chdir";
    Chmod = "chmod";
    Chroot = "chroot";
    Clone = "clone";
    CloseRange = "close_range";
    Dup2 = "dup2";
    EpollCreate1 = "epoll_create1";
    EpollCtl = "epoll_ctl";
    Execve = "execve";
    FanotifyMark = "fanotify_mark";
    Fchdir = "fchdir";
    Fchmod = "fchmod";
    Fchmodat = "fchmodat";
    Fchownat = "fchownat";
    Fcntl = "fcntl";
    Flock = "flock";
    Fsconfig = "fsconfig";
    Fsmount = "fsmount";
    Fsopen = "fsopen";
    Fspick = "fspick";
    Fstat = "fstat";
    Fstatat = "fstatat";
    Fstatfs = "fstatfs";
    Getdents64 = "getdents64";
    Getppid = "getppid";
    IoctlLoopClrFd = "ioctl(LOOP_CLR_FD)";
    IoctlLoopConfigure = "ioctl(LOOP_CONFIGURE)";
    IoctlLoopCtlGetFree = "ioctl(LOOP_CTL_GET_FREE)";
    IoctlLoopGetStatus64 = "ioctl(LOOP_GET_STATUS64)";
    IoctlNsGetMntnsId = "ioctl(NS_GET_MNTNS_ID)";
    IoctlNsMntGetInfo = "ioctl(NS_MNT_GET_INFO)";
    IoctlNsMntGetNext = "ioctl(NS_MNT_GET_NEXT)";
    IoctlSiocsifflags = "ioctl(SIOCSIFFLAGS)";
    Listmount = "listmount";
    Lseek = "lseek";
    Madvise = "madvise";
    MemfdCreate = "memfd_create";
    Mkdirat = "mkdirat";
    Mknodat = "mknodat";
    Mount = "mount";
    MountSetattr = "mount_setattr";
    MoveMount = "move_mount";
    Open = "open";
    OpenTree = "open_tree";
    Openat = "openat";
    Openat2 = "openat2";
    PidfdOpen = "pidfd_open";
    PivotRoot = "pivot_root";
    Poll = "poll";
    Prctl = "prctl";
    PthreadSigmask = "pthread_sigmask";
    Read = "read";
    Readlink = "readlink";
    Readlinkat = "readlinkat";
    Renameat = "renameat";
    Renameat2 = "renameat2";
    Rmdir = "rmdir";
    Setns = "setns";
    Setsid = "setsid";
    Sigprocmask = "sigprocmask";
    Statmount = "statmount";
    Statx = "statx";
    Symlinkat = "symlinkat";
    Umount2 = "umount2";
    Unshare = "unshare";
    Waitpid = "waitpid";
    Utimensat = "utimensat";
    Write = "write";
}

impl fmt::Display for Syscall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
