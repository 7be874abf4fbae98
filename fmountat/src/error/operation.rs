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
    AskUpperInUse = "check the use of upperdir";
    Attach = "attach";
    BlockSignals = "block signals";
    Build = "build the set";
    BuildDetached = "build a detached tree";
    BuildInOwnNamespace = "build in the process's mount namespace";
    CheckLayer = "check {layer}";
    CheckLayers = "check layers";
    ChooseWay = "choose a strategy";
    Clone = "create a child process";
    CloneMount = "clone mount";
    CopyUp = "copy into the new tmpfs";
    CountLayers = "add {layer}";
    Create = "set up";
    CreateDevice = "create the device";
    CreateLink = "create the link";
    EnterMountNamespace = "enter the mount namespace";
    EnterRoot = "enter the root";
    EnterUserNamespace = "enter the user namespace";
    Fchdir = "fchdir";
    FindDevice = "find the path of device";
    FindFilesystemType = "detect the file system type of";
    FindFreeLoopDevice = "find a free loop device";
    FindMount = "find mount";
    FindMountHelper = "find mount helper";
    FindMountNamespace = "find the mount namespace";
    FindSet = "find the set";
    ForbidTerminalInput = "forbid typing into the terminal";
    FreeLoopDevice = "free loop device";
    GiveMountPointAway = "set owner of mount point";
    ListMounts = "list mounts";
    LockLoopControl = "lock loop control";
    LookAtFile = "inspect file";
    LookAtImage = "inspect image";
    LookAtMount = "inspect mount";
    LookAtOverlay = "inspect overlay";
    LookAtSource = "inspect source";
    LookAtTarget = "inspect target";
    LookForWhatWouldBeDropped = "compare the old and the new set";
    LookForWhoUsesIt = "search for processes in";
    MakeDirectory = "create directory";
    MakeMountPoint = "create mount point";
    MakeNamespaces = "create namespaces";
    MakePathReadOnly = "make path read-only";
    MakePlaceToMountOn = "create a private mount point";
    MakeNamespaceOfSet = "make a mount namespace of the set";
    PinNamespace = "pin the mount namespace";
    MakePrivateMountNamespace = "create a private mount namespace";
    BindInPrivateNamespace = "bind a host directory in the private mount namespace";
    MakeRootReadOnly = "make the root read-only";
    MakeUpperDirectory = "create upperdir";
    MakeUserNamespace = "create user namespace";
    MapIds = "id-map mount";
    MapUserAndGroup = "map user and group";
    MarkProcess = "mark the process memory";
    MaskPath = "mask path";
    Mount = "mount";
    MoveMount = "move mount";
    Open = "open";
    OpenCurrentDirectory = "open the current directory";
    OpenDescriptors = "open the descriptor directory in /proc";
    OpenDevice = "open device";
    OpenDirectory = "open directory";
    OpenFilesystem = "open file system";
    OpenImage = "open image";
    OpenLayer = "open {layer}";
    OpenLoopControl = "open loop control";
    OpenLoopDevice = "open loop device";
    OpenMountNamespace = "open mount namespace";
    OpenNotes = "open the journal";
    OpenProcess = "open process";
    OpenSubdir = "open subdir";
    OpenTarget = "open target";
    OpenTemporaryMount = "open temporary mount";
    OpenUpperDirectory = "open upperdir";
    OpenUserNamespace = "open user namespace";
    PickFilesystem = "open the file system mounted on";
    ReadCommandLine = "read the command line";
    ReadFilesystemType = "check file system type";
    ReadGidMapping = "parse gid mapping";
    ReadHelperArgument = "check argument of mount helper";
    ReadIdMountNamespace = "read the id of the mount namespace";
    ReadIdmapNamespace = "check the user namespace for id-mapping";
    ReadImage = "read image";
    ReadLayer = "read {layer}";
    ReadMount = "read mount";
    ReadMountList = "read the mount list";
    ReadMountTable = "read the mount table";
    ReadNote = "read journal entry";
    ReadNotes = "read the journal";
    ReadOption = "parse option";
    ReadOptionLoop = "apply option loop to";
    ReadOptionValue = "parse option value";
    ReadOptions = "parse options";
    ReadOverlayOptions = "parse overlay options";
    ReadPath = "check path";
    ReadSet = "read the set";
    ReadSets = "read the sets";
    ReadSource = "check source";
    ReadTarget = "check target";
    ReadType = "check type";
    ReadUidMapping = "parse uid mapping";
    Reconfigure = "reconfigure";
    Remount = "remount";
    RemoveDirectory = "remove directory";
    Replace = "replace";
    ResolveTarget = "resolve target";
    RunMountHelper = "run mount helper";
    SetLayer = "set {layer}";
    SetLoopbackUp = "set the loopback interface up";
    SetModeUpperDirectory = "set mode of upperdir";
    SetMountAttributes = "set mount attributes";
    SetMountAttributesOf = "set mount attributes of";
    SetOption = "set option";
    SetRootMode = "set mode of the root of";
    SetRootOwner = "set owner of the root of";
    SetRootPropagation = "set propagation of the root";
    SetUpLoopDevice = "set up loop device";
    StartMountThread = "start the mount thread";
    StartThreadToUnmount = "start a thread to unmount";
    TakeOverTree = "take over the tree";
    Unmount = "unmount";
    UnshareMountThread = "unshare the current directory of the mount thread";
    VerifyTarget = "verify target";
    WatchMounts = "watch mounts";
    Write = "write";
    WriteNote = "write journal entry";
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
