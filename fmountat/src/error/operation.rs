// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What failed, as data: the operation, the overlay layer, the step of a plan.

use std::fmt;
use std::path::PathBuf;

/// Defines the enumeration and its texts from one list.
macro_rules! operations {
    ($( $name:ident = $text:literal; )+) => {
        /// The operation that failed. Its text may contain `{layer}`, which stands for the layer
        /// that [`Error::layer`](crate::Error::layer) returns.
        ///
        /// New releases add operations: match on those you need.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Operation {
            $( #[doc = concat!("`", $text, "`.")] $name, )+
            /// An operation of the calling program, with its text.
            Program(&'static str),
        }

        impl Operation {
            /// Returns its text. Releases change it only if they must.
            #[must_use]
            pub fn text(self) -> &'static str {
                match self {
                    $( Self::$name => $text, )+
                    Self::Program(text) => text,
                }
            }
        }
    };
}

operations! {
    AskUpperInUse = "ask";
    Attach = "attach";
    BlockSignals = "block signals";
    Build = "build";
    BuildDetached = "build detached";
    BuildInOwnNamespace = "build in the namespace of one's own";
    CheckLayer = "check {layer}";
    CheckLayers = "check layers";
    ChooseWay = "choose the way";
    Clone = "clone";
    CloneMount = "clone mount";
    CountLayers = "count {layer}";
    Create = "create";
    CreateDevice = "create the device";
    CreateLink = "create the link";
    EnterMountNamespace = "enter the mount namespace";
    EnterRoot = "enter the root";
    Fchdir = "fchdir";
    FindDevice = "find device";
    FindFilesystemType = "find the file system's type";
    FindFreeLoopDevice = "find a free loop device";
    FindMount = "find mount";
    FindMountHelper = "find mount helper";
    FindMountNamespace = "find the mount namespace";
    FindSet = "find the set";
    FreeLoopDevice = "free loop device";
    GiveMountPointAway = "give mount point away";
    ListMounts = "list mounts";
    LockLoopControl = "lock loop control";
    LookAtFile = "look at the file";
    LookAtImage = "look at image";
    LookAtMount = "look at the mount";
    LookAtOverlay = "look at the overlay";
    LookAtSource = "look at the source";
    LookAtTarget = "look at the target";
    LookForWhatWouldBeDropped = "look for what would be dropped";
    LookForWhoUsesIt = "look for who uses it";
    MakeDirectory = "make directory";
    MakeMountPoint = "make mount point";
    MakeNamespaces = "make namespaces";
    MakePathReadOnly = "make path read-only";
    MakePlaceToMountOn = "make a place to mount on";
    MakePrivateMountNamespace = "make a private mount namespace";
    MakeRootReadOnly = "make the root read-only";
    MakeUpperDirectory = "make upper directory";
    MakeUserNamespace = "make user namespace";
    MapIds = "map ids";
    MapUserAndGroup = "map user and group";
    MarkProcess = "mark the process";
    MaskPath = "mask path";
    Mount = "mount";
    Open = "open";
    OpenCurrentDirectory = "open the current directory";
    OpenDescriptors = "open the descriptors' names in /proc";
    OpenDevice = "open device";
    OpenDirectory = "open directory";
    OpenFilesystem = "open filesystem";
    OpenImage = "open image";
    OpenLayer = "open {layer}";
    OpenLoopControl = "open loop control";
    OpenLoopDevice = "open loop device";
    OpenMountNamespace = "open mount namespace";
    OpenNotes = "open the notes";
    OpenProcess = "open process";
    OpenSubdir = "open subdir";
    OpenTarget = "open target";
    OpenTemporaryMount = "open temporary mount";
    OpenUpperDirectory = "open upper directory";
    OpenUserNamespace = "open user namespace";
    PickFilesystem = "pick filesystem";
    ReadCommandLine = "read the command line";
    ReadFilesystemType = "read filesystem type";
    ReadGidMapping = "read gid mapping";
    ReadHelperArgument = "read helper's argument";
    ReadIdMountNamespace = "read the id of the mount namespace";
    ReadIdmapNamespace = "read idmap namespace";
    ReadImage = "read image";
    ReadLayer = "read {layer}";
    ReadMount = "read mount";
    ReadMountList = "read the mount list";
    ReadMountTable = "read the mount table";
    ReadNote = "read a note";
    ReadNotes = "read the notes";
    ReadOption = "read option";
    ReadOptionLoop = "read option loop";
    ReadOptionValue = "read option value";
    ReadOptions = "read options";
    ReadOverlayOptions = "read overlay options";
    ReadPath = "read path";
    ReadSet = "read the set";
    ReadSets = "read the sets";
    ReadSource = "read source";
    ReadTarget = "read target";
    ReadType = "read type";
    ReadUidMapping = "read uid mapping";
    Reconfigure = "reconfigure";
    Remount = "remount";
    RemoveDirectory = "remove directory";
    Replace = "replace";
    ResolveTarget = "resolve target";
    RunMountHelper = "run mount helper";
    SetLayer = "set {layer}";
    SetModeUpperDirectory = "set mode of upper directory";
    SetMountAttributes = "set mount attributes";
    SetMountAttributesOf = "set mount attributes of";
    SetOption = "set option";
    SetRootMode = "set mode of the root of";
    SetRootOwner = "set owner of the root of";
    SetUpLoopDevice = "set up loop device";
    StartMountThread = "start the mount thread";
    StartThreadToUnmount = "start a thread to unmount";
    TakeOverTree = "take over tree";
    Unmount = "unmount";
    UnshareMountThread = "give the mount thread its own cwd";
    VerifyTarget = "verify target";
    WatchMounts = "watch mounts";
    Write = "write";
    WriteNote = "write a note";
    WriteResult = "write the result";
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}

/// A layer of an overlay. Lower and data-only layers are counted from 1, starting with the topmost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum LayerRef {
    /// A lower layer.
    Lower(usize),
    /// A data-only layer.
    Data(usize),
    /// `upperdir`.
    Upper,
    /// `workdir`.
    Work,
}

impl fmt::Display for LayerRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Lower(number) => write!(f, "layer {number}"),
            Self::Data(number) => write!(f, "data-only layer {number}"),
            Self::Upper => f.write_str("upperdir"),
            Self::Work => f.write_str("workdir"),
        }
    }
}

/// The step of a plan that failed.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PlanStep {
    /// The mount with this number, counted from 1 as in the list. 0 is a root that the calling
    /// program put before the list.
    Mount(usize),
    /// The device that was to be created.
    Device(PathBuf),
    /// The symbolic link that was to be created.
    Link(PathBuf),
    /// The path that was to be made read-only.
    ReadonlyPath(PathBuf),
    /// The path that was to be masked.
    MaskedPath(PathBuf),
}
