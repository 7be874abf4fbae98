// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `fmountat watch`: prints mount events.

use super::list::{place, reader};
use crate::args::WatchArgs;
use crate::output;
use crate::report::{self, EventReport};
use crate::show::columns::Column;
use crate::show::{strategy, write_on};
use fmountat::mountinfo::MountEntry;
use fmountat::table::{MountAction, MountEvent, TableStrategy, Watch};
use fmountat::text::escape_whole;
use fmountat::{Error, ErrorKind, Operation};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::{Duration, Instant};

pub(crate) fn run(args: &WatchArgs, json: bool) -> Result<(), Error> {
    let path = args.path.as_deref().map(|path| place(path, args.namespace.is_some())).transpose()?;
    // A time that overflows the clock means no time limit.
    let end = args.timeout.map(limit).transpose()?.and_then(|limit| Instant::now().checked_add(limit));
    let mut watch = Watch::of(reader(args.namespace.as_deref())?.strategy(strategy(args.strategy)))?;
    if watch.strategy() == TableStrategy::Mountinfo {
        output::info(
            "polling the mount table: mounts that are removed before the next poll are not reported",
            json,
        );
    }
    let mut left = args.count;
    while left != Some(0) {
        match watch.next()? {
            Some(event) if is_below(&event, path.as_deref()) => {
                let line = if json { report::json(&report(&event)) } else { text(&event, args.full) };
                if !write_on(&format!("{line}\n"))? {
                    return Ok(());
                }
                left = left.map(|left| left - 1);
            }
            Some(_) => {}
            None if wait(&watch, end, args.count)? => {}
            None => return Ok(()),
        }
    }
    Ok(())
}

fn limit(seconds: f64) -> Result<Duration, Error> {
    Duration::try_from_secs_f64(seconds).map_err(|_| {
        let reason = "not a finite number of seconds, 0 or more";
        Error::new(ErrorKind::Usage, Operation::Program("parse option --timeout"), reason)
            .with_argument(seconds.to_string())
    })
}

/// Waits for events. Returns false if the time is over without `count`, or if the reader of stdout
/// has closed the pipe: poll(2) reports that although nothing is written.
///
/// # Errors
/// `TimedOut` if the time is over before `count` events.
fn wait(watch: &Watch, end: Option<Instant>, count: Option<u64>) -> Result<bool, Error> {
    let stdout = std::io::stdout();
    let left = end.map(|end| end.saturating_duration_since(Instant::now()));
    let left = left.and_then(|left| Timespec::try_from(left).ok());
    let mut ready = [PollFd::new(watch, PollFlags::IN), PollFd::new(&stdout, PollFlags::empty())];
    match poll(&mut ready, left.as_ref()) {
        Ok(0) => match count {
            None => Ok(false),
            Some(count) => {
                let events = if count == 1 { "event" } else { "events" };
                let reason = format!("timed out before {count} {events}");
                Err(Error::new(ErrorKind::TimedOut, Operation::WatchMounts, reason))
            }
        },
        Ok(_) => Ok(!ready[0].revents().is_empty()),
        // The process was stopped and continued.
        Err(Errno::INTR) => Ok(true),
        Err(errno) => Err(Error::from_io(Operation::WatchMounts, "poll", errno.into())),
    }
}

/// Returns whether the event is at or below `path`. Returns true for an overflow, and false for a
/// mount that was removed before its mount point could be read.
fn is_below(event: &MountEvent, path: Option<&Path>) -> bool {
    let Some(path) = path else { return true };
    let mut known = event.entry.iter().chain(&event.before);
    matches!(event.action, MountAction::Overflow | MountAction::Resync)
        || known.any(|entry| entry.target.starts_with(path))
}

fn report(event: &MountEvent) -> EventReport {
    let of = |entry: &Option<MountEntry>, c: Column| entry.as_ref().map(|entry| c.whole(entry, true));
    EventReport {
        action: event.action.to_string(),
        fstype: of(&event.entry, Column::Fstype),
        id: event.entry.as_ref().map(|entry| entry.id.get()),
        old_options: of(&event.before, Column::Options),
        old_target: of(&event.before, Column::Target),
        options: of(&event.entry, Column::Options),
        source: of(&event.entry, Column::Source),
        target: of(&event.entry, Column::Target),
        uniq_id: event.id.map(|id| id.get()).filter(|id| *id > 1 << 31),
    }
}

fn text(event: &MountEvent, full: bool) -> String {
    let action = event.action.to_string();
    let details = |entry: &MountEntry| {
        let columns = [Column::Source, Column::Fstype, Column::Options];
        let texts: Vec<String> = columns.iter().map(|column| column.text(entry, true, full)).collect();
        texts.join(" ")
    };
    let target = |entry: &MountEntry| escape_whole(entry.target.as_os_str().as_bytes());
    let text = match (event.action, &event.entry, &event.before) {
        (MountAction::Overflow, ..) => String::from("events were lost, the differences follow"),
        (MountAction::Resync, ..) => String::from("all differences are reported"),
        (MountAction::Move, Some(entry), Some(before)) => {
            format!("{} from {} {}", target(entry), target(before), details(entry))
        }
        (MountAction::Remount, Some(entry), Some(before)) => {
            let was = Column::Options.text(before, true, full);
            format!("{} {} was {was}", target(entry), details(entry))
        }
        (_, Some(entry), _) => format!("{} {}", target(entry), details(entry)),
        (_, None, Some(before)) => format!("from {}, no longer mounted", target(before)),
        (_, None, None) => {
            let id = event.id.map_or(0, |id| id.get());
            format!("mount {id}, gone before its mount point could be read")
        }
    };
    format!("{action:8} {text}")
}
