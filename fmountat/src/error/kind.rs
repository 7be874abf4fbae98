// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The kinds of failure: each with its stable code, cause and cure. The source of `docs/errors.md`.

use rustix::io::Errno;

/// Defines the enumeration and its tables from one list.
macro_rules! kinds {
    ($( $(#[$doc:meta])+ $name:ident = $code:literal, $cause:literal, $cure:literal; )+) => {
        /// The kind of an [`Error`](crate::error::error_type::Error). Kinds are stable: programs
        /// can match on them.
        ///
        /// ```
        /// use fmountat::ErrorKind;
        /// assert_eq!(ErrorKind::LayerMissing.code(), "layer-missing");
        /// assert!(ErrorKind::all().iter().all(|kind| !kind.cure().is_empty()));
        /// ```
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum ErrorKind { $( $(#[$doc])+ $name, )+ }

        impl ErrorKind {
            /// Returns all kinds.
            #[must_use]
            pub fn all() -> &'static [Self] {
                &[$( Self::$name, )+]
            }

            /// Returns the stable code of this kind, as the command prints it with `--json`.
            #[must_use]
            pub fn code(self) -> &'static str {
                match self { $( Self::$name => $code, )+ }
            }

            /// Returns the cause in a sentence or two.
            #[must_use]
            pub fn cause(self) -> &'static str {
                match self { $( Self::$name => $cause, )+ }
            }

            /// Returns the cure.
            #[must_use]
            pub fn cure(self) -> &'static str {
                match self { $( Self::$name => $cure, )+ }
            }
        }
    };
}

kinds! {
    /// A string holds a NUL byte. Found before any system call.
    NulByte = "nul-byte",
        "A path, type or option holds a NUL byte, which no string of the kernel can.",
        "Look at where the string comes from: mostly a buffer that was not cut at its end.";
    /// A path or an option list is longer than the kernel accepts.
    TooLong = "too-long",
        "A path has more than 4,095 bytes, a component more than 255, the value of one option more than 255, or all options for \
         mount(2) more than 4,095.",
        "Start at a directory (`-C DIR`, or a descriptor) to have shorter paths; give overlay layers one by one, which have no \
         such limit here.";
    /// The command line is invalid.
    Usage = "usage",
        "An argument is missing, is one too many, or is not known.",
        "See `fmountat VERB --help`.";
    /// The mount list is not valid JSON, or not of a supported format.
    Spec = "spec",
        "The file is no JSON, or is not a list of mounts nor an object with one under `mounts`; or a mount lacks what its kind \
         needs.",
        "The message has the line and column; an entry has `type`, `source`, `target` (or `destination`) and `options`.";
    /// An option that neither fmountat nor the file system supports.
    UnknownOption = "unknown-option",
        "A word is neither in the option table nor a parameter of that file system in this kernel: misspelt, or of a newer kernel.",
        "The hint has the nearest word that is known; `docs/options.md` has all of the table.";
    /// The value of an option is invalid, or the option is not valid in this position.
    OptionValue = "option-value",
        "The word is known and its value is not of the kind it takes: a size, a number, an octal mode, a path that is not empty.",
        "Give a value of that kind; the kernel's line says which word it is about.";
    /// Two options, or an option and a kind of mount, that exclude each other.
    OptionConflict = "option-conflict",
        "Two words exclude each other, or a word would have no effect on this kind of mount: nothing that was asked for is dropped.",
        "Leave one of them out; `--compat containerd` ignores and lists words without effect.";
    /// A file or directory does not exist.
    NotFound = "not-found",
        "A source, a target, a device or a directory on the way to it does not exist, seen from where this runs.",
        "Make it; for a mount point inside a set the option `X-mount.mkdir` does. Relative paths start at `-C DIR`.";
    /// Every mount was left out: no source exists, and all mounts have the option `nofail`.
    AllLeftOut = "all-left-out",
        "Each mount of the set says `nofail`, and not one source exists.",
        "Nothing, if that is all right; else make a source, or leave `nofail` out.";
    /// A directory is required.
    NotADirectory = "not-a-directory",
        "Something on the way of a path is a file, or the directory to start at is none.",
        "Look at each part of the path.";
    /// A file cannot be mounted on a directory, nor a directory on a file.
    WrongTargetType = "wrong-target-type",
        "A directory, or a new file system, goes on a directory; a bound file goes on a file.",
        "Give a target of the same type; `X-mount.mkdir` makes the right one where there is none.";
    /// An overlay layer does not exist.
    LayerMissing = "layer-missing",
        "A lower layer, upperdir or workdir is not there. The step has its number: 1 is the topmost lower layer.",
        "Make the directory, or correct its path; relative layers start at `-C DIR`.";
    /// An overlay layer is not a directory.
    LayerNotDirectory = "layer-not-a-directory",
        "A layer is a file.",
        "Overlay stacks directories; an image file is mounted first, and its mount is the layer.";
    /// More than 500 layers.
    TooManyLayers = "too-many-layers",
        "The kernel takes 500 lower layers, data-only ones included.",
        "Merge layers.";
    /// Too many overlays on top of each other: the kernel stacks at most two file systems.
    TooDeep = "too-deep",
        "A layer lies on an overlay that itself has an overlay for a layer (`FILESYSTEM_MAX_STACK_DEPTH` is 2), as in a container \
         within a container.",
        "Give the inner overlay's own layers in place of its mount, or put the layers on a volume that is neither overlay nor proc.";
    /// `upperdir` and `workdir` are not on the same mount, are the same, or one is inside the
    /// other.
    UpperWork = "upper-work",
        "The kernel moves files from workdir to upperdir by rename(2): both must be on one mount, and apart from each other.",
        "Make two directories beside each other.";
    /// `upperdir` is in use by another overlay.
    UpperInUse = "upper-in-use",
        "Another overlay is mounted with this upperdir or workdir. The kernel itself lets both mount, and they corrupt each other.",
        "Unmount that one first, or take other directories.";
    /// The file system of `upperdir` is read-only, or can't hold an upper directory.
    UpperUnusable = "upper-unusable",
        "upperdir is on a read-only mount, or on a file system that overlay can't write to (another overlay, NFS, FAT).",
        "Take an upperdir on ext4, xfs, btrfs or tmpfs; without upperdir the overlay is read-only.";
    /// `upperdir` was used with other layers, and `index=on` requires those.
    UpperMismatch = "upper-mismatch",
        "With `index=on` the upper directory remembers its lower layers by file handles, and these are others: copied, restored, or \
         from another machine.",
        "Mount it with the layers that it was made with, or without `index=on`.";
    /// `workdir` can't be used.
    WorkUnusable = "work-unusable",
        "workdir holds files that no overlay left, or what a volatile overlay left; or the kernel can't write there, and would have \
         mounted the overlay read-only without a word.",
        "Give an empty directory on the same file system as upperdir, owned by a user who is mapped here.";
    /// The kernel has no such file system.
    UnknownFilesystem = "unknown-filesystem",
        "The type is not in /proc/filesystems, and the kernel found no module for it; or the image holds nothing that is known here.",
        "Correct the name (the hint has the nearest), or load its module: `modprobe TYPE`.";
    /// The image or device holds another file system than the requested one.
    WrongFilesystem = "wrong-filesystem",
        "The bytes of the image or device are those of another file system.",
        "Mount it with the type in the hint, or leave the type out.";
    /// The image or device holds the file system, but the kernel can't mount it.
    Damaged = "damaged",
        "Its bytes begin as they should, and the kernel refuses the rest: damaged, cut short, or with features that this kernel lacks.",
        "Check it with its fsck; dmesg has the kernel's own lines.";
    /// A block device or an image file is required.
    NotADevice = "not-a-device",
        "The file system lives on a device or in an image, and the source is neither.",
        "Give the device or image; to show a directory elsewhere use `bind`.";
    /// The device is read-only.
    ReadOnlyDevice = "read-only-device",
        "The device is set read-only, and the file system was to be mounted writable.",
        "Say `ro`, or `blockdev --setrw DEVICE`.";
    /// The call is not permitted.
    Permission = "permission",
        "The process lacks a capability, holds it in a user namespace that does not count, or a seccomp filter or security module \
         forbids the call; or a directory may not be entered. The reason says which, as far as it can be seen.",
        "Do what the hint says. `fmountat doctor` shows what is allowed here; `fmountat run` needs no privilege.";
    /// The kernel has locked the mount or its attribute for this user namespace.
    Locked = "locked",
        "A mount that came into a user namespace from outside keeps its restrictions: flags like nosuid, what it hides, and that it is \
         there at all (mount_namespaces(7)).",
        "Leave the flag as it is; bind recursively (`rbind`); or do it outside of the user namespace.";
    /// The source is unbindable.
    Unbindable = "unbindable",
        "The mount that the source is on has the propagation `unbindable`, which forbids to bind it.",
        "`mount --make-private` it, or bind another mount of the same file system.";
    /// The mount namespace has as many mounts as fs.mount-max permits.
    TooManyMounts = "too-many-mounts",
        "The mount namespace would have more than fs.mount-max mounts, propagated copies included.",
        "Look for mounts that were left behind or doubled by shared propagation (`fmountat list`), or raise fs.mount-max.";
    /// The limit of namespaces is reached.
    TooManyNamespaces = "too-many-namespaces",
        "A limit below /proc/sys/user is reached, here or in a user namespace above.",
        "End what holds namespaces, or raise user.max_user_namespaces or user.max_mnt_namespaces.";
    /// The limit of open files is reached.
    TooManyFiles = "too-many-files",
        "The process (EMFILE) or the machine (ENFILE) has as many files open as it may: each layer is one while an overlay is made.",
        "Raise `ulimit -n`, or fs.file-max; close what is not needed.";
    /// No program is installed that mounts this type.
    HelperMissing = "helper-missing",
        "The type is mounted by a program, which is not installed.",
        "Install it; for FUSE types the package fuse3.";
    /// A mount helper failed. [`Error::output`](crate::error::error_type::Error::output) returns
    /// what it printed.
    HelperFailed = "helper-failed",
        "The program that mounts this type failed, or says that it worked and nothing is mounted.",
        "Its own lines say why.";
    /// The time limit was reached: a mount helper was killed; an unmount may still succeed.
    TimedOut = "timed-out",
        "A mount helper, or a file system that is to be unmounted, does not answer.",
        "See to its server; `umount -l` takes the mount out of sight now.";
    /// The mount is in use.
    Busy = "busy",
        "Somebody uses the mount: the lines `held by` name who.",
        "End those who use it, unmount what is mounted below (`umount -R`), or unmount lazily (`umount -l`).";
    /// The block device or image file is mounted as something else, or in use otherwise.
    DeviceInUse = "device-in-use",
        "The kernel opens a device for one file system, volume or swap area at a time, and another one has it. The same range of an \
         image file has one loop device, which all its mounts share; overlapping ranges or modes that differ would lose data.",
        "Mount it as what it is mounted as already, or let go of it there first: lsblk(8) shows who has it, and losetup(8) which \
         loop device.";
    /// Nothing is mounted there.
    NotMounted = "not-mounted",
        "The target is no mount point, is a symbolic link (which unmounting does not follow), or no mount has this id.",
        "`fmountat find PATH` shows the mount that holds a path.";
    /// The target was moved while it was being mounted on.
    TargetMoved = "target-moved",
        "Somebody renamed or covered the target meanwhile; the mount was taken back.",
        "Try again when nobody moves directories there.";
    /// This kernel, or this release of fmountat, does not support it.
    Unsupported = "unsupported",
        "The kernel, the file system or this release can't do what was asked for; or a seccomp filter answers ENOSYS.",
        "The message says what it needs; `fmountat doctor` shows what is there.";
    /// Any other failed system call. [`Error::errno`](crate::error::error_type::Error::errno)
    /// returns its errno.
    System = "system",
        "A system call failed for a reason that has no kind of its own.",
        "The errno and the kernel's lines say what there is to know; `fmountat doctor` is good to add to a report.";
}

impl ErrorKind {
    /// Returns the errno that represents the kind where no system call failed, chosen as the kernel
    /// would.
    #[must_use]
    pub fn errno(self) -> i32 {
        let errno = match self {
            Self::TooLong => Errno::NAMETOOLONG,
            Self::NotFound | Self::AllLeftOut | Self::LayerMissing | Self::HelperMissing => Errno::NOENT,
            Self::NotADirectory | Self::LayerNotDirectory => Errno::NOTDIR,
            Self::UpperInUse | Self::Busy | Self::DeviceInUse => Errno::BUSY,
            Self::UpperUnusable | Self::WorkUnusable | Self::ReadOnlyDevice => Errno::ROFS,
            Self::UpperMismatch | Self::TargetMoved => Errno::STALE,
            Self::UnknownFilesystem => Errno::NODEV,
            Self::Damaged => Errno::UCLEAN,
            Self::NotADevice => Errno::NOTBLK,
            Self::Permission | Self::Locked => Errno::PERM,
            Self::TooManyMounts | Self::TooManyNamespaces => Errno::NOSPC,
            Self::TooManyFiles => Errno::MFILE,
            Self::HelperFailed | Self::System => Errno::IO,
            Self::TimedOut => Errno::TIMEDOUT,
            Self::Unsupported => Errno::OPNOTSUPP,
            _ => Errno::INVAL,
        };
        errno.raw_os_error()
    }

    pub(crate) fn of_errno(errno: Errno) -> Self {
        match errno {
            Errno::PERM | Errno::ACCESS => Self::Permission,
            Errno::NOENT => Self::NotFound,
            Errno::NOTDIR => Self::NotADirectory,
            Errno::NAMETOOLONG => Self::TooLong,
            Errno::BUSY => Self::Busy,
            Errno::NODEV => Self::UnknownFilesystem,
            Errno::NOSYS | Errno::OPNOTSUPP => Self::Unsupported,
            Errno::MFILE | Errno::NFILE => Self::TooManyFiles,
            _ => Self::System,
        }
    }
}
