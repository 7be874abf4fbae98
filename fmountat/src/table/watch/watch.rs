// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Watches a mount namespace by fanotify(7) [Linux 6.15], else by poll(2) on mountinfo and a diff.

use crate::error::{Error, ErrorKind, Operation, Result, Syscall};
use crate::mountinfo::MountEntry;
use crate::mountinfo::id::MountId;
use crate::sys::fanotify;
use crate::sys::fanotify::{FAN_MNT_ATTACH, FAN_MNT_DETACH, FAN_Q_OVERFLOW, watch_mounts};
use crate::sys::procfs;
use crate::sys::seccomp_probe::ask;
use crate::table::by_statmount;
use crate::table::fields::{Fields, TableStrategy};
use crate::table::reader::TableReader;
pub(crate) use crate::table::watch::event::MountEvent;
use crate::table::watch::state::Picture;
use crate::trace;
use rustix::event::epoll::{CreateFlags, EventData, EventFlags, add, create};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::io::Errno;
use std::time::Duration;

/// The fields read with either strategy: all but `propagate_from`, for which the kernel walks all
/// peers.
const FIELDS: Fields = Fields::MOUNTINFO.difference(Fields::PROPAGATE_FROM);

/// The operation and its best strategy as trace events name them.
const WATCH: &str = "watch mounts";
const FANOTIFY: &str = "fanotify(7)";

/// Keeps the mounts of a namespace up to date and returns the changes as events.
///
/// Its descriptor is readable ([`AsFd`], `POLLIN`) when an event may be pending, and
/// [`next`](Self::next) never blocks. It therefore fits any event loop. With tokio: create
/// `AsyncFd::new(watch)`, wait until it is readable, take events until there are none, clear
/// readiness. It uses no thread and no signal. By mountinfo the kernel reports a change only once:
/// take all events when the descriptor becomes readable.
///
/// ```no_run
/// use fmountat::table::{MountAction, TableReader, Watch};
/// let mut watch = Watch::of(TableReader::here())?;
/// loop {
///     watch.wait(None)?; // or an event loop's own waiting
///     while let Some(event) = watch.next()? {
///         match (event.action, event.entry) {
///             (MountAction::Overflow, _) => println!("events were lost; the table is read again"),
///             (action, Some(entry)) => println!("{action} {}", entry.target.display()),
///             (action, None) => println!("{action} {:?}", event.id),
///         }
///     }
/// }
/// # Ok::<(), fmountat::Error>(())
/// ```
///
/// Events are changes to [`mounts`](Self::mounts), in the kernel's order. By fanotify every attach,
/// detach and move is an event; changed options are not, nor are mounts that move with their
/// parent. By mountinfo changed options are events, but a mount that was attached and detached
/// between two reads is not.
#[derive(Debug)]
pub struct Watch {
    reader: TableReader,
    source: Source,
    picture: Picture,
}

#[derive(Debug)]
enum Source {
    /// The fanotify group and a buffer for read(2).
    Fanotify { group: OwnedFd, room: Vec<u8> },
    /// An epoll(7) descriptor that watches mountinfo for `POLLPRI`: the file itself is always
    /// readable.
    Mountinfo { epoll: OwnedFd, _file: OwnedFd },
}

impl Watch {
    /// Watches the reader's namespace and takes a first snapshot. Uses the reader's interface:
    /// [`TableStrategy::Auto`] is fanotify if the kernel supports and permits it, else mountinfo.
    ///
    /// # Errors
    /// Those of [`TableReader::read`]; for [`TableStrategy::Statmount`] also
    /// [`ErrorKind::Unsupported`] if fanotify has no mount events \[before Linux 6.15\], and
    /// [`ErrorKind::Permission`] without privilege over the namespace.
    pub fn of(reader: TableReader) -> Result<Self> {
        let strategy = reader.chosen_strategy();
        if strategy != TableStrategy::Mountinfo {
            match Self::by_fanotify(&reader) {
                Ok(source) => return Self::start(reader.strategy(TableStrategy::Statmount), source),
                Err(error) if strategy == TableStrategy::Statmount => return Err(error),
                // An old kernel, a filter, or no privilege: mountinfo works with all of them.
                Err(error) => trace::fallback(WATCH, FANOTIFY, error.raw_errno()),
            }
        }
        let source = Self::by_mountinfo(&reader)?;
        Self::start(reader.strategy(TableStrategy::Mountinfo), source)
    }

    /// Reports whether fanotify(7) reports the mount events of this mount namespace \[Linux 6.15\].
    /// This needs privilege over the namespace and a mounted /proc. Under a seccomp filter, which
    /// may kill the caller, a child process makes the call.
    #[must_use]
    pub fn has_events() -> bool {
        let [has_events] = ask([|| {
            let namespace = procfs::namespace("mnt");
            namespace.is_ok_and(|namespace| watch_mounts(namespace.as_fd()).is_ok())
        }]);
        has_events
    }

    fn by_fanotify(reader: &TableReader) -> Result<Source> {
        let supported = by_statmount::supported();
        if FIELDS.mask() & !supported != 0 {
            let reason = match supported {
                0 => "an event has a mount's id, and statmount(2) is missing, or a filter forbids it",
                _ => "statmount(2) of this kernel does not tell all of what an event is about",
            };
            let error = Error::new(ErrorKind::Unsupported, Operation::WatchMounts, reason);
            return Err(error.with_hint("it needs Linux 6.15; by mountinfo it works everywhere"));
        }
        let group = watch_mounts(reader.place.file()?.as_fd()).map_err(|errno| {
            let error = Error::sys(Operation::WatchMounts, Syscall::FanotifyMark, errno);
            if errno == Errno::INVAL { error.with_kind(ErrorKind::Unsupported) } else { error }
        })?;
        Ok(Source::Fanotify { group, room: vec![0; 1 << 16] })
    }

    fn by_mountinfo(reader: &TableReader) -> Result<Source> {
        let failed = |call, errno| Error::sys(Operation::WatchMounts, call, errno);
        let file = reader.place.mountinfo()?;
        let epoll = create(CreateFlags::CLOEXEC).map_err(|e| failed(Syscall::EpollCreate1, e))?;
        add(&epoll, &file, EventData::new_u64(0), EventFlags::PRI)
            .map_err(|e| failed(Syscall::EpollCtl, e))?;
        Ok(Source::Mountinfo { epoll, _file: file })
    }

    /// Takes the snapshot after the watch is set up, so that no event is missed. Events that the
    /// snapshot already contains are dropped.
    fn start(reader: TableReader, source: Source) -> Result<Self> {
        let strategy = match source {
            Source::Fanotify { .. } => FANOTIFY,
            Source::Mountinfo { .. } => "poll(2) on mountinfo",
        };
        trace::strategy(WATCH, strategy);
        let mut reader = reader.fields(FIELDS);
        let picture = Picture::of(&reader.read()?);
        Ok(Self { reader, source, picture })
    }

    /// Returns the interface. [`TableStrategy::Statmount`] means fanotify with statmount(2).
    #[must_use]
    pub fn strategy(&self) -> TableStrategy {
        match self.source {
            Source::Fanotify { .. } => TableStrategy::Statmount,
            Source::Mountinfo { .. } => TableStrategy::Mountinfo,
        }
    }

    /// Returns the mounts as of the last event taken.
    pub fn mounts(&self) -> impl Iterator<Item = &MountEntry> {
        self.picture.mounts()
    }

    /// Waits until an event may be pending, at most for `limit`. Returns false after a timeout or a
    /// signal.
    ///
    /// # Errors
    /// The errno of poll(2).
    pub fn wait(&self, limit: Option<Duration>) -> Result<bool> {
        if self.picture.has_events() {
            return Ok(true);
        }
        let limit =
            limit.map(|limit| Timespec::try_from(limit).unwrap_or(Timespec { tv_sec: i64::MAX, tv_nsec: 0 }));
        match poll(&mut [PollFd::new(self, PollFlags::IN)], limit.as_ref()) {
            Ok(ready) => Ok(ready > 0),
            Err(Errno::INTR) => Ok(false),
            Err(errno) => Err(Error::sys(Operation::WatchMounts, Syscall::Poll, errno)),
        }
    }

    /// Returns the next pending event, if any. Take events until it returns `None` before you wait
    /// again.
    ///
    /// # Errors
    /// Those of [`TableReader::read`]; the errno of read(2).
    // An iterator would hide errors.
    #[allow(clippy::should_implement_trait)]
    pub fn next(&mut self) -> Result<Option<MountEvent>> {
        if !self.picture.has_events() {
            match &self.source {
                Source::Fanotify { .. } => self.read_events()?,
                // poll(2) reports a change once; reading the table is always correct.
                Source::Mountinfo { .. } => {
                    let table = self.reader.read()?;
                    self.picture.compare(&table);
                }
            }
        }
        Ok(self.picture.take_event())
    }

    fn read_events(&mut self) -> Result<()> {
        let Source::Fanotify { group, room } = &mut self.source else { return Ok(()) };
        let length = match rustix::io::read(group, &mut room[..]) {
            Ok(length) => length,
            Err(Errno::AGAIN | Errno::INTR) => return Ok(()),
            Err(errno) => return Err(Error::sys(Operation::WatchMounts, Syscall::Read, errno)),
        };
        for event in fanotify::events(&room[..length]) {
            let id = MountId::from_number(event.id);
            if event.mask & FAN_Q_OVERFLOW != 0 {
                let table = self.reader.read()?;
                self.picture.resync(&table);
            } else if event.mask & (FAN_MNT_ATTACH | FAN_MNT_DETACH) == FAN_MNT_DETACH {
                self.picture.detached(id);
            } else {
                let now = self.reader.read_with_id(id)?;
                let moved = self.picture.attached(id, now);
                // The mounts on it have new paths too, without events of their own.
                for id in moved {
                    if let Some(now) = self.reader.read_with_id(id)? {
                        self.picture.update(id, now);
                    }
                }
            }
        }
        Ok(())
    }
}

/// Readable when an event may be pending.
impl AsFd for Watch {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match &self.source {
            Source::Fanotify { group, .. } => group.as_fd(),
            Source::Mountinfo { epoll, .. } => epoll.as_fd(),
        }
    }
}

/// For event loops that need the raw descriptor.
impl rustix::fd::AsRawFd for Watch {
    fn as_raw_fd(&self) -> rustix::fd::RawFd {
        self.as_fd().as_raw_fd()
    }
}
