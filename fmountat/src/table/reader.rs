// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Reading the mount table: whose, what of it, by which interface.

use super::fields::{Fields, TableWay};
use super::place::Place;
use super::snapshot::Table;
use super::{by_mountinfo, by_statmount, choose};
use crate::error::{Error, ErrorKind, Result};
use crate::sys::listmount::all_mounts;
use crate::sys::nsfs::mount_namespace_id;
use crate::sys::statmount::StatBuffer;
use crate::vfs::identity::MountId;
use crate::vfs::other::MountNamespace;
use rustix::fd::AsFd;
use rustix::io::Errno;
use std::path::Path;

/// Reads the mount table of a mount namespace, as often as wanted.
///
/// ```no_run
/// use fmountat::{Fields, TableReader};
/// let mut reader = TableReader::of_process(1234)?.fields(Fields::TARGET | Fields::FSTYPE);
/// let before = reader.read()?;
/// let after = reader.read()?;
/// println!("{} mounts, {} changes", after.len(), before.diff(&after).len());
/// # Ok::<(), fmountat::Error>(())
/// ```
#[derive(Debug)]
pub struct TableReader {
    pub(crate) place: Place,
    fields: Fields,
    way: TableWay,
    ids: Vec<u64>,
    buffer: StatBuffer,
}

impl TableReader {
    pub(crate) fn of(place: Place) -> Self {
        Self { place, fields: Fields::LIST, way: TableWay::Auto, ids: Vec::new(), buffer: StatBuffer::new() }
    }

    /// The table of the thread that calls [`read`](Self::read): what is below its root directory.
    #[must_use]
    pub fn here() -> Self {
        Self::of(Place::Here)
    }

    /// That of the process `pid`, below its root directory.
    ///
    /// # Errors
    /// Those of [`MountNamespace::of_process`].
    pub fn of_process(pid: i32) -> Result<Self> {
        Ok(Self::of(Place::Process { pid, namespace: MountNamespace::of_process(pid)? }))
    }

    /// That of a namespace file, `/proc/PID/ns/mnt` or a bind of one; `path` starts at `dir`.
    ///
    /// # Errors
    /// Those of [`MountNamespace::open`].
    pub fn of_namespace(dir: impl AsFd, path: impl AsRef<Path>) -> Result<Self> {
        Ok(Self::of(Place::Namespace(MountNamespace::open(dir, path)?)))
    }

    /// That of the mount namespace with this id, as statmount(2) and `ioctl(NS_GET_MNTNS_ID)` give it \[Linux 6.12\].
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`], also for one that the caller has no privilege over; [`ErrorKind::Unsupported`].
    pub fn of_namespace_id(id: u64) -> Result<Self> {
        Ok(Self::of(Place::of_id(id)?))
    }

    /// What to know of each mount: [`Fields::LIST`] without this.
    #[must_use]
    pub fn fields(mut self, fields: Fields) -> Self {
        self.fields = fields;
        self
    }

    /// By which interface: [`TableWay::Auto`] without this.
    #[must_use]
    pub fn way(mut self, way: TableWay) -> Self {
        self.way = way;
        self
    }

    /// The id of the mount namespace, never used again: `ioctl(NS_GET_MNTNS_ID)` \[Linux 6.11\].
    ///
    /// # Errors
    /// [`ErrorKind::Unsupported`]; [`ErrorKind::NotFound`] without /proc.
    pub fn namespace_id(&self) -> Result<u64> {
        mount_namespace_id(self.place.file()?.as_fd()).map_err(|errno| {
            let error = Error::sys("read the id of the mount namespace", "ioctl(NS_GET_MNTNS_ID)", errno);
            if errno == Errno::NOTTY { error.with_kind(ErrorKind::Unsupported) } else { error }
        })
    }

    /// Takes a snapshot.
    ///
    /// # Errors
    /// [`ErrorKind::Unsupported`] for a way that this kernel has not, or that has not the fields;
    /// [`ErrorKind::Permission`] for the namespace of others; [`ErrorKind::NotFound`] without /proc, where that is needed,
    /// or for a process that has ended.
    pub fn read(&mut self) -> Result<Table> {
        let missing = self.fields.mask() & !by_statmount::supported();
        match self.way {
            TableWay::Mountinfo => self.by_mountinfo(),
            TableWay::Statmount if missing != 0 => {
                let reason =
                    format!("statmount(2) of this kernel has not what was asked for (mask {missing:#x})");
                Err(Error::new(ErrorKind::Unsupported, "read the mount table", reason))
            }
            TableWay::Statmount => self.by_statmount(),
            TableWay::Auto if missing != 0 => self.by_mountinfo(),
            TableWay::Auto => self.by_either(),
        }
    }

    fn by_either(&mut self) -> Result<Table> {
        let Some(namespace) = self.place.statmount_id() else { return self.by_mountinfo() };
        match all_mounts(namespace, &mut self.ids) {
            Ok(()) => {}
            // Not there, forbidden by a filter, or a namespace that we have no privilege over.
            Err(Errno::NOSYS | Errno::PERM | Errno::INVAL | Errno::NOENT) => return self.by_mountinfo(),
            Err(errno) => return Err(Error::sys("read the mount table", "listmount", errno)),
        }
        match choose::way(self.fields, &self.ids, namespace, &mut self.buffer) {
            TableWay::Mountinfo => match self.by_mountinfo() {
                // Without /proc.
                Err(error) if error.kind() == ErrorKind::NotFound => self.by_listed(namespace),
                read => read,
            },
            _ => match self.by_listed(namespace) {
                // A filter that came later lets one of the two calls pass alone.
                Err(e) if matches!(e.kind(), ErrorKind::Unsupported | ErrorKind::Permission) => {
                    self.by_mountinfo()
                }
                read => read,
            },
        }
    }

    fn by_statmount(&mut self) -> Result<Table> {
        let Some(namespace) = self.place.statmount_id() else {
            let reason = "statmount(2) can't show the mounts of this process: they are not seen from its namespace's root";
            return Err(Error::new(ErrorKind::Unsupported, "read the mount table", reason));
        };
        all_mounts(namespace, &mut self.ids)
            .map_err(|e| Error::sys("read the mount table", "listmount", e))?;
        self.by_listed(namespace)
    }

    fn by_listed(&mut self, namespace: u64) -> Result<Table> {
        by_statmount::read(&self.ids, self.fields, namespace, &mut self.buffer)
    }

    fn by_mountinfo(&self) -> Result<Table> {
        by_mountinfo::read(&self.place.mountinfo()?, by_mountinfo::keeps_its_place())
    }

    /// The mount with this id as a table of its own, which is empty if there is none; `None` where statmount(2) can't tell.
    pub(crate) fn read_one(&mut self, id: MountId) -> Result<Option<Table>> {
        let can = id.is_unique() && self.fields.mask() & !by_statmount::supported() == 0;
        let namespace = if can { self.place.statmount_id() } else { None };
        match namespace {
            Some(namespace) => {
                by_statmount::read_one(id.get(), self.fields, namespace, &mut self.buffer).map(Some)
            }
            None => Ok(None),
        }
    }
}
