// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Reads the mount table of a chosen namespace, with chosen fields, by a chosen interface.

use crate::error::{Error, ErrorKind, Operation, Result, Syscall};
use crate::mountinfo::MountEntry;
use crate::mountinfo::id::MountId;
use crate::mountinfo::read::{Read, Reading};
use crate::sys::listmount::all_mounts;
use crate::sys::nsfs::mount_namespace_id;
use crate::sys::statmount::StatBuffer;
use crate::table::choose::Probe;
use crate::table::fields::{BY_MOUNTINFO, BY_STATMOUNT, Fields, READ_TABLE, TableStrategy};
use crate::table::namespace::NamespaceRef;
use crate::table::snapshot::Table;
use crate::table::{by_mountinfo, by_statmount, choose};
use crate::trace;
use crate::vfs::mount_namespace::MountNamespace;
use rustix::fd::AsFd;
use rustix::io::Errno;
use std::path::Path;

/// Reads the mount table of a mount namespace, any number of times.
///
/// ```no_run
/// use fmountat::table::{Fields, TableReader};
/// let mut reader = TableReader::of_process(1234)?.fields(Fields::TARGET | Fields::FSTYPE);
/// let before = reader.read()?;
/// let after = reader.read()?;
/// println!("{} mounts, {} changes", after.len(), before.diff(&after).len());
/// # Ok::<(), fmountat::Error>(())
/// ```
#[derive(Debug)]
pub struct TableReader {
    pub(crate) place: NamespaceRef,
    fields: Fields,
    strategy: TableStrategy,
    ids: Vec<u64>,
    buffer: StatBuffer,
}

impl TableReader {
    pub(crate) fn of(place: NamespaceRef) -> Self {
        Self {
            place,
            fields: Fields::LIST,
            strategy: TableStrategy::Auto,
            ids: Vec::new(),
            buffer: StatBuffer::new(),
        }
    }

    /// Selects the mount table of the thread that calls [`read`](Self::read), below its root
    /// directory.
    #[must_use]
    pub fn here() -> Self {
        Self::of(NamespaceRef::Here)
    }

    /// Selects the mount table of the process `pid`, below its root directory.
    ///
    /// # Errors
    /// Those of [`MountNamespace::from_pid`].
    pub fn of_process(pid: i32) -> Result<Self> {
        Ok(Self::of(NamespaceRef::Process { pid, namespace: MountNamespace::from_pid(pid)? }))
    }

    /// Selects the mount table of a namespace file: `/proc/PID/ns/mnt` or a bind mount of one.
    /// `path` is relative to `dir`.
    ///
    /// # Errors
    /// Those of [`MountNamespace::from_file`].
    pub fn of_namespace(dir: impl AsFd, path: impl AsRef<Path>) -> Result<Self> {
        Ok(Self::of(NamespaceRef::Namespace(MountNamespace::from_file(dir, path)?)))
    }

    /// Selects the mount table of the namespace with this id, as statmount(2) and
    /// `ioctl(NS_GET_MNTNS_ID)` return it \[Linux 6.12\].
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`], also for a namespace that the caller has no privilege over;
    /// [`ErrorKind::Unsupported`].
    pub fn of_namespace_id(id: u64) -> Result<Self> {
        Ok(Self::of(NamespaceRef::of_id(id)?))
    }

    /// Sets the fields to read of each mount. The default is [`Fields::LIST`].
    #[must_use]
    pub fn fields(mut self, fields: Fields) -> Self {
        self.fields = fields;
        self
    }

    /// Sets the interface. The default is [`TableStrategy::Auto`].
    #[must_use]
    pub fn strategy(mut self, strategy: TableStrategy) -> Self {
        self.strategy = strategy;
        self
    }

    pub(crate) fn chosen_strategy(&self) -> TableStrategy {
        self.strategy
    }

    /// Returns the id of the mount namespace, which is never reused: `ioctl(NS_GET_MNTNS_ID)`
    /// \[Linux 6.11\].
    ///
    /// # Errors
    /// [`ErrorKind::Unsupported`], also without /proc.
    pub fn namespace_id(&self) -> Result<u64> {
        mount_namespace_id(self.place.file()?.as_fd()).map_err(|errno| {
            let error = Error::sys(Operation::ReadIdMountNamespace, Syscall::IoctlNsGetMntnsId, errno);
            if errno == Errno::NOTTY { error.with_kind(ErrorKind::Unsupported) } else { error }
        })
    }

    /// Takes a snapshot.
    ///
    /// # Errors
    /// [`ErrorKind::Unsupported`] if this kernel lacks the interface or its fields, or if /proc is
    /// needed and missing; [`ErrorKind::Permission`] for the namespace of another user;
    /// [`ErrorKind::NotFound`] for a process that has ended.
    pub fn read(&mut self) -> Result<Table> {
        let missing = self.fields.mask() & !by_statmount::supported();
        match self.strategy {
            TableStrategy::Mountinfo => self.by_mountinfo(),
            TableStrategy::Statmount if missing != 0 => {
                let fields = self.fields.iter_names().filter(|(_, field)| field.mask() & missing != 0);
                let names: Vec<String> =
                    fields.map(|(name, _)| name.to_lowercase().replace('_', " ")).collect();
                let reason = match by_statmount::supported() {
                    0 => String::from(
                        "statmount(2) is not available on this kernel, or a seccomp filter forbids it",
                    ),
                    _ => format!("statmount(2) of this kernel does not report: {}", names.join(", ")),
                };
                let error = Error::new(ErrorKind::Unsupported, Operation::ReadMountTable, reason);
                Err(error.with_hint(
                    "use Linux 6.15 or newer, or read mountinfo, which lacks only unique ids and id mappings",
                ))
            }
            TableStrategy::Statmount => self.by_statmount(),
            TableStrategy::Auto if missing != 0 => self.by_mountinfo(),
            TableStrategy::Auto => self.by_either(),
        }
    }

    fn by_either(&mut self) -> Result<Table> {
        if choose::is_for_statmount(self.fields) {
            return match self.by_statmount() {
                Err(error) if is_refused(&error) => {
                    record_refusal(&error);
                    self.by_mountinfo()
                }
                read => read,
            };
        }
        let file = match self.place.mountinfo() {
            Ok(file) => file,
            // /proc is missing.
            Err(error) => {
                trace::fallback(READ_TABLE, BY_MOUNTINFO, error.raw_errno());
                return self.by_statmount().map_err(|_| error);
            }
        };
        let mut reading = Reading::of(&file);
        let read = self.read_while_cheap(&mut reading)?;
        if read != Read::Whole {
            match self.by_statmount() {
                Err(error) if is_refused(&error) => {
                    record_refusal(&error);
                    reading.rest(None)?;
                }
                read => return read,
            }
        }
        by_mountinfo::table(reading)
    }

    /// Reads mountinfo to its end, or until statmount(2) proves faster.
    fn read_while_cheap(&mut self, reading: &mut Reading<'_>) -> Result<Read> {
        let Some(view) = self.place.view() else { return reading.rest(None) };
        let mut probe = Probe { fields: self.fields, namespace: view.namespace, buffer: &mut self.buffer };
        if probe.newest_is_costly() {
            return Ok(Read::Part);
        }
        for (bytes, samples) in choose::STEPS {
            let read = reading.up_to(bytes, choose::SLOW)?;
            if read != Read::Part || probe.some_are_costly(samples) {
                return Ok(read);
            }
        }
        let is_watched = !self.fields.contains(Fields::PROPAGATE_FROM);
        reading.rest(is_watched.then_some(choose::SLOW))
    }

    fn by_statmount(&mut self) -> Result<Table> {
        let Some(view) = self.place.view() else {
            let reason = "statmount(2) can't list the mounts below this process's root directory, or is \
                          forbidden";
            return Err(Error::new(ErrorKind::Unsupported, Operation::ReadMountTable, reason));
        };
        all_mounts(view.namespace, view.root, &mut self.ids)
            .map_err(|e| Error::sys(Operation::ReadMountTable, Syscall::Listmount, e))?;
        by_statmount::read(&self.ids, self.fields, view, &mut self.buffer)
    }

    fn by_mountinfo(&self) -> Result<Table> {
        by_mountinfo::read(&self.place.mountinfo()?)
    }

    /// Returns the mount with this unique or mountinfo id, or `None` if it does not exist. A unique
    /// id costs one call \[Linux 6.13\].
    ///
    /// # Errors
    /// Those of [`read`](Self::read); [`ErrorKind::Unsupported`] for a unique id if only mountinfo
    /// can be read, because it lacks them.
    pub fn read_with_id(&mut self, id: MountId) -> Result<Option<MountEntry>> {
        if self.strategy != TableStrategy::Mountinfo {
            if let Some(table) = self.read_one(id)? {
                return Ok(table.iter().next().map(|entry| entry.to_entry()));
            }
        }
        let table = self.read()?;
        let has_unique = || table.iter().next().is_none_or(|entry| entry.to_entry().unique_id.is_some());
        match table.get(id) {
            Some(entry) => Ok(Some(entry.to_entry())),
            None if id.unique().is_some() && self.fields.contains(Fields::UNIQUE_ID) && !has_unique() => {
                Err(no_unique_ids(id))
            }
            None => Ok(None),
        }
    }

    /// Returns a table of only the mount with this id, empty if it does not exist; `None` if
    /// statmount(2) cannot answer.
    pub(crate) fn read_one(&mut self, id: MountId) -> Result<Option<Table>> {
        let can = id.unique().is_some() && self.fields.mask() & !by_statmount::supported() == 0;
        match if can { self.place.view() } else { None } {
            Some(view) => by_statmount::read_one(id.get(), self.fields, view, &mut self.buffer),
            None => Ok(None),
        }
    }
}

impl Table {
    /// Reads the calling thread's mount table, below its root directory. [`TableReader`] reads
    /// other namespaces too.
    ///
    /// # Errors
    /// Those of [`TableReader::read`].
    pub fn read(fields: Fields) -> Result<Self> {
        TableReader::here().fields(fields).read()
    }
}

fn no_unique_ids(id: MountId) -> Error {
    let reason = "unique mount ids require statmount(2) and listmount(2), which are not available or \
                  forbidden";
    Error::new(ErrorKind::Unsupported, Operation::FindMount, reason)
        .with_argument(id.get().to_string())
        .with_hint(
            "use Linux 6.8 or newer and allow both in the container's seccomp profile, or give the mount id \
             from mountinfo",
        )
}

/// Traces that statmount(2) was refused and mountinfo is used instead.
fn record_refusal(error: &Error) {
    trace::fallback(READ_TABLE, BY_STATMOUNT, error.raw_errno());
}

/// Reports whether the calls are missing, a filter forbids them, or the caller lacks privilege over
/// the namespace.
fn is_refused(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::Unsupported | ErrorKind::Permission | ErrorKind::NotFound)
}
