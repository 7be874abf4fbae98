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
        "A path, type or option contains a NUL byte, which the kernel does not accept in a string.",
        "Check the program that built the string: usually a buffer was not cut at its terminating NUL.";
    /// A path or an option list is longer than the kernel accepts.
    TooLong = "too-long",
        "A path is longer than 4,095 bytes, a component of it or the value of one option is longer than \
         255, or all options for mount(2) together are longer than 4,095.",
        "Shorten paths by making them relative to a directory (`-C DIR`, or a file descriptor). `Overlay` \
         and `Mount` have no limit on the total length of options and layers; the command uses them.";
    /// The command line is invalid.
    Usage = "usage",
        "An argument is missing, unexpected or invalid.",
        "See `fmountat VERB --help`.";
    /// The mount list is not valid JSON, or not of a supported format.
    Spec = "spec",
        "The file is not valid JSON, or is neither a list of mounts nor an object with a `mounts` list; or \
         a mount lacks a required field.",
        "Correct the file at the line and column in the message. A mount is an object with `type`, \
         `source`, `target` (or `destination`) and `options`.";
    /// An option that neither fmountat nor the file system supports.
    UnknownOption = "unknown-option",
        "The option is neither a mount option nor a parameter of this file system on this kernel: it is \
         misspelt, or requires a newer kernel.",
        "Use the option that the hint suggests, or look it up in `docs/options.md`.";
    /// The value of an option is invalid, or the option is not valid in this position.
    OptionValue = "option-value",
        "The option exists, but its value is invalid: it must be, for example, a size, a number, an octal \
         mode or a path that is not empty.",
        "Give a valid value; the message or the kernel's line names the option.";
    /// Two options, or an option and a kind of mount, that exclude each other.
    OptionConflict = "option-conflict",
        "Two options exclude each other, or an option would have no effect on this kind of mount. No \
         option is ignored silently.",
        "Remove one of them. With `--compat containerd`, options without effect are ignored and listed.";
    /// A file or directory does not exist.
    NotFound = "not-found",
        "A source, a target, a device or a directory in their paths does not exist for this process.",
        "Create it; for a mount point inside a set, add the option `X-mount.mkdir`. Relative paths start \
         at `-C DIR`.";
    /// Every mount was left out: no source exists, and all mounts have the option `nofail`.
    AllLeftOut = "all-left-out",
        "All mounts of the set have the option `nofail`, and none of their sources exists.",
        "Create a source, or remove `nofail`. If the set may be empty, ignore this error.";
    /// A directory is required.
    NotADirectory = "not-a-directory",
        "A component of the path is not a directory, or the starting directory is not one.",
        "Check each component of the path.";
    /// A file cannot be mounted on a directory, nor a directory on a file.
    WrongTargetType = "wrong-target-type",
        "A directory or a new file system must be mounted on a directory, and a bind of a file on a file.",
        "Use a target of the same type; `X-mount.mkdir` creates a missing one with the right type.";
    /// An overlay layer does not exist.
    LayerMissing = "layer-missing",
        "A lower layer, upperdir or workdir does not exist. The message has the number of the layer: layer \
         1 is the topmost lower layer.",
        "Create the directory, or correct its path; relative paths start at `-C DIR`.";
    /// An overlay layer is not a directory.
    LayerNotDirectory = "layer-not-a-directory",
        "A layer is not a directory.",
        "Use directories as layers. To use an image file, mount it first and give its mount point as the \
         layer.";
    /// More than 500 layers.
    TooManyLayers = "too-many-layers",
        "The kernel allows at most 500 lower layers, data-only layers included.",
        "Merge some of the layers.";
    /// Too many overlays on top of each other: the kernel stacks at most two file systems.
    TooDeep = "too-deep",
        "A layer is on an overlay that has another overlay as a layer, as in a container within a \
         container. The kernel stacks at most two file systems (`FILESYSTEM_MAX_STACK_DEPTH`).",
        "Use the inner overlay's own layers in place of its mount, or put the layers on a volume that is \
         neither overlay nor proc.";
    /// `upperdir` and `workdir` are not on the same mount, are the same, or one is inside the
    /// other.
    UpperWork = "upper-work",
        "The kernel moves files from workdir to upperdir with rename(2): both must be on the same mount, \
         and neither inside the other.",
        "Use two directories next to each other.";
    /// `upperdir` is in use by another overlay.
    UpperInUse = "upper-in-use",
        "Another mounted overlay uses this upperdir or workdir. The kernel would mount both, and they \
         would corrupt each other.",
        "Unmount that overlay first, or use other directories.";
    /// The file system of `upperdir` is read-only, or can't hold an upper directory.
    UpperUnusable = "upper-unusable",
        "upperdir is on a read-only mount, or on a file system that overlay can't write to (another \
         overlay, NFS, FAT).",
        "Use an upperdir on ext4, xfs, btrfs or tmpfs. Without upperdir, the overlay is read-only.";
    /// `upperdir` was used with other layers, and `index=on` requires those.
    UpperMismatch = "upper-mismatch",
        "With `index=on`, upperdir records the file handles of its lower layers, and these layers have \
         other ones: they were copied or restored, or come from another system.",
        "Mount it with its original lower layers, or without `index=on`.";
    /// `workdir` can't be used.
    WorkUnusable = "work-unusable",
        "workdir contains files that overlay did not create, or was used by a volatile overlay; or the \
         kernel can't write to it, and would silently mount the overlay read-only.",
        "Use an empty directory on the same file system as upperdir, owned by a user that is mapped in \
         this user namespace.";
    /// The kernel has no such file system.
    UnknownFilesystem = "unknown-filesystem",
        "The type is not in /proc/filesystems and the kernel found no module for it; or the image contains \
         no known file system.",
        "Correct the type (the hint has the nearest name), or load its module: `modprobe TYPE`. For an \
         image, give the type with `-t`.";
    /// The image or device holds another file system than the requested one.
    WrongFilesystem = "wrong-filesystem",
        "The image or device contains another file system than the given type.",
        "Mount it with the type in the hint, or without a type.";
    /// The image or device holds the file system, but the kernel can't mount it.
    Damaged = "damaged",
        "The image or device has the signature of this file system, but the kernel refuses to mount it: it \
         is damaged or truncated, or has features that this kernel does not support.",
        "Check it with fsck(8), and see the kernel's log: dmesg(1).";
    /// A block device or an image file is required.
    NotADevice = "not-a-device",
        "The file system requires a block device or an image file, and the source is neither.",
        "Give a block device or an image file. To mount a directory elsewhere, use `bind`.";
    /// The device is read-only.
    ReadOnlyDevice = "read-only-device",
        "The device is read-only, and a writable mount was requested.",
        "Add the option `ro`, or run `blockdev --setrw DEVICE`.";
    /// The call is not permitted.
    Permission = "permission",
        "The process lacks a capability, or has it only in a user namespace that does not own the mount \
         namespace; a seccomp filter or security module forbids the call; or a directory in the path \
         denies search permission. The message names the cause where it can be found.",
        "Follow the hint. `fmountat doctor` shows what this process may do; `fmountat run` requires no \
         privilege.";
    /// The kernel has locked the mount or its attribute for this user namespace.
    Locked = "locked",
        "In a user namespace, the kernel locks the mounts that were copied from a parent namespace: their \
         flags such as nosuid, what they hide, and the mounts themselves (mount_namespaces(7)).",
        "Keep the flag, bind recursively (`rbind`), or run it outside the user namespace.";
    /// The source is unbindable.
    Unbindable = "unbindable",
        "The source is on a mount with the propagation type `unbindable`, which can't be bound.",
        "Run `mount --make-private MOUNTPOINT`, or bind another mount of the same file system.";
    /// The mount namespace has as many mounts as fs.mount-max permits.
    TooManyMounts = "too-many-mounts",
        "The mount namespace would exceed the limit fs.mount-max; copies made by propagation count.",
        "Unmount mounts that were left behind or duplicated by shared propagation (`fmountat list` shows \
         them), or raise the sysctl fs.mount-max.";
    /// The limit of namespaces is reached.
    TooManyNamespaces = "too-many-namespaces",
        "A limit in /proc/sys/user is reached, in this user namespace or an ancestor.",
        "End the processes that hold namespaces, or raise the sysctls user.max_user_namespaces and \
         user.max_mnt_namespaces.";
    /// The limit of open files is reached.
    TooManyFiles = "too-many-files",
        "The process (EMFILE) or the system (ENFILE) has reached its limit of open files. Mounting an \
         overlay takes one open file per layer.",
        "Raise `ulimit -n` or the sysctl fs.file-max, or close files.";
    /// No program is installed that mounts this type.
    HelperMissing = "helper-missing",
        "A mount helper mounts this type, and that program is not installed.",
        "Install it; for FUSE types, the package fuse3.";
    /// A mount helper failed. [`Error::output`](crate::error::error_type::Error::output) returns
    /// what it printed.
    HelperFailed = "helper-failed",
        "The mount helper failed, or exited with status 0 without mounting.",
        "Read the helper's output, which is part of the message.";
    /// The time limit was reached: a mount helper was killed; an unmount may still succeed.
    TimedOut = "timed-out",
        "A mount helper, or the file system that is being unmounted, does not respond.",
        "Check the file system's server. `umount -l` detaches the mount at once.";
    /// The mount is in use.
    Busy = "busy",
        "Processes or mounts use the mount: the lines `held by` list them.",
        "End the processes, unmount the mounts below it (`umount -R`), or unmount it lazily (`umount -l`).";
    /// The block device or image file is mounted as something else, or in use otherwise.
    DeviceInUse = "device-in-use",
        "The kernel opens a device for one file system, volume or swap area at a time, and another one \
         uses it. All mounts of a range of an image file share one loop device: overlapping ranges, or a \
         second device with another access mode, could lose data.",
        "Mount it with the type and access mode of the existing mount, or unmount or detach that first: \
         lsblk(8) shows the users of a device, losetup(8) the loop devices of a file.";
    /// Nothing is mounted there.
    NotMounted = "not-mounted",
        "The target is not a mount point or is a symbolic link (which unmounting does not follow), or no \
         mount has this id.",
        "Run `fmountat find PATH` to see which mount contains a path.";
    /// The target was moved while it was being mounted on.
    TargetMoved = "target-moved",
        "Another process moved or covered the target while mounting on it; the new mount was removed again.",
        "Try again when no process moves directories there.";
    /// This kernel, or this release of fmountat, does not support it.
    Unsupported = "unsupported",
        "The kernel, the file system or this release does not support the request; or a seccomp filter \
         makes a system call fail with ENOSYS.",
        "The message names the requirement; `fmountat doctor` shows what is available.";
    /// Any other failed system call. [`Error::errno`](crate::error::error_type::Error::errno)
    /// returns its errno.
    System = "system",
        "A system call failed for a reason that has no kind of its own.",
        "See the errno and the kernel's lines. In a bug report, include the output of `fmountat doctor`.";
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
