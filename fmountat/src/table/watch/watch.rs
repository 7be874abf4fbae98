// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Mounts as they come and go: fanotify(7) [Linux 6.15], else poll(2) on mountinfo and what differs.

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

/// What is read by each way: all but what takes a walk over all peers.
const FIELDS: Fields = Fields::MOUNTINFO.difference(Fields::PROPAGATE_FROM);

/// The operation and its best strategy in events.
const WATCH: &str = "watch mounts";
const FANOTIFY: &str = "fanotify(7)";

/// The mounts of a namespace, kept up to date, and a stream of what changes.
///
/// Its descriptor is readable ([`AsFd`], `POLLIN`) when there may be something to read; [`next`](Self::next) never waits. So it
/// goes into any event loop: with tokio, `AsyncFd::new(watch)`, wait until it is readable, take events until there
/// is none, clear readiness. Nothing else is needed: no thread, no signal. By mountinfo the kernel says only once that
/// something has changed: take events when it does.
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
/// Events are changes to [`mounts`](Self::mounts), in the order of the kernel. By fanotify every attached, detached and
/// moved mount is one, but not changed options, nor what is moved along with the mount that it is on. By mountinfo changed
/// options are events, but a mount that came and went between two reads is not.
#[derive(Debug)]
pub struct Watch {
    reader: TableReader,
    source: Source,
    picture: Picture,
}

#[derive(Debug)]
enum Source {
    /// With room for what read(2) gives.
    Fanotify { group: OwnedFd, room: Vec<u8> },
    /// An epoll(7) descriptor that has the mountinfo file: that one is always readable, and says `POLLPRI` for a change.
    Mountinfo { epoll: OwnedFd, _file: OwnedFd },
}

impl Watch {
    /// Watches the namespace of this reader, and takes a first snapshot. By the reader's way: [`TableStrategy::Auto`] is fanotify
    /// where the kernel has it and lets us, else mountinfo.
    ///
    /// # Errors
    /// Those of [`TableReader::read`]; for [`TableStrategy::Statmount`] also [`ErrorKind::Unsupported`] where fanotify does not
    /// know mounts \[before Linux 6.15\], and [`ErrorKind::Permission`] without privilege over the namespace.
    pub fn of(reader: TableReader) -> Result<Self> {
        let strategy = reader.chosen_strategy();
        if strategy != TableStrategy::Mountinfo {
            match Self::by_fanotify(&reader) {
                Ok(source) => return Self::start(reader.strategy(TableStrategy::Statmount), source),
                Err(error) if strategy == TableStrategy::Statmount => return Err(error),
                // An old kernel, a filter, no privilege: mountinfo needs none of it.
                Err(error) => trace::fallback(WATCH, FANOTIFY, error.raw_errno()),
            }
        }
        let source = Self::by_mountinfo(&reader)?;
        Self::start(reader.strategy(TableStrategy::Mountinfo), source)
    }

    /// Returns whether the kernel tells of every mount of this mount namespace by fanotify(7) \[Linux 6.15\], which needs privilege
    /// over the namespace and a mounted /proc. Where a seccomp filter is in force, which may kill who asks, a child asks.
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
                0 => {
                    "reading mount events requires statmount(2), which is not available or forbidden by a \
                     seccomp filter"
                }
                _ => "statmount(2) of this kernel does not report all fields of an event",
            };
            let error = Error::new(ErrorKind::Unsupported, Operation::WatchMounts, reason);
            return Err(error.with_hint("use Linux 6.15 or newer, or watch mountinfo"));
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

    /// The snapshot comes after the first event can: none is missed, and one that it shows already is no event.
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

    /// By which interface: [`TableStrategy::Statmount`] stands for fanotify with statmount(2).
    #[must_use]
    pub fn strategy(&self) -> TableStrategy {
        match self.source {
            Source::Fanotify { .. } => TableStrategy::Statmount,
            Source::Mountinfo { .. } => TableStrategy::Mountinfo,
        }
    }

    /// The mounts as they are after the events that were taken.
    pub fn mounts(&self) -> impl Iterator<Item = &MountEntry> {
        self.picture.mounts()
    }

    /// Waits until there may be an event, or so long; false when the time is over, or a signal came.
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

    /// The next event, if there is one now. Take events until there is none before you wait.
    ///
    /// # Errors
    /// Those of [`TableReader::read`]; the errno of read(2).
    // An iterator would have to hide what fails.
    #[allow(clippy::should_implement_trait)]
    pub fn next(&mut self) -> Result<Option<MountEvent>> {
        if !self.picture.has_events() {
            match &self.source {
                Source::Fanotify { .. } => self.read_events()?,
                // What poll(2) said it says once; a look at the table is always right.
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
                // What is on it is seen elsewhere too, and has no event of its own.
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

/// Readable when there may be an event.
impl AsFd for Watch {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match &self.source {
            Source::Fanotify { group, .. } => group.as_fd(),
            Source::Mountinfo { epoll, .. } => epoll.as_fd(),
        }
    }
}

/// For event loops that want the number.
impl rustix::fd::AsRawFd for Watch {
    fn as_raw_fd(&self) -> rustix::fd::RawFd {
        self.as_fd().as_raw_fd()
    }
}
