// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `fmountat find`: finds the mount that holds a path.

use crate::args::FindArgs;
use crate::show::{Show, Shown, strategy};
use crate::sources::mounts_of;
use fmountat::mountinfo::MountEntry;
use fmountat::table::{Fields, TableReader, is_mount_point};
use fmountat::{Error, ErrorKind, MountId, Operation, diagnose_at};
use rustix::fs::CWD;

pub(crate) fn run(args: &FindArgs, json: bool) -> Result<(), Error> {
    let show = Show::of(&args.show)?;
    if let Some(source) = &args.source {
        let shown: Vec<Shown> =
            mounts_of(source)?.into_iter().map(|entry| Shown { entry, parent: None }).collect();
        if shown.is_empty() {
            let reason = "is not mounted in this mount namespace";
            let error = Error::new(ErrorKind::NotMounted, Operation::FindMount, reason);
            return Err(error.with_argument(source));
        }
        return show.print(&shown, false, json);
    }
    let entry = match (&args.path, args.id) {
        (Some(path), _) => {
            if args.mountpoint && !is_mount_point(CWD, path)? {
                let reason = "is not a mount point";
                let error = Error::new(ErrorKind::NotMounted, Operation::FindMount, reason);
                return Err(error.with_argument(path));
            }
            let reader = TableReader::here().strategy(strategy(args.strategy));
            reader.find(CWD, path).map_err(|e| diagnose_at(e, CWD))?
        }
        (None, id) => with_id(args, MountId::from_number(id.unwrap_or_default()))?,
    };
    show.print(&[Shown { entry, parent: None }], false, json)
}

fn with_id(args: &FindArgs, id: MountId) -> Result<MountEntry, Error> {
    let fields = (Fields::MOUNTINFO - Fields::PROPAGATE_FROM) | Fields::UNIQUE_ID;
    let found = TableReader::here().fields(fields).strategy(strategy(args.strategy)).read_with_id(id)?;
    found.ok_or_else(|| {
        let reason = "no mount with this id is visible in this mount namespace";
        Error::new(ErrorKind::NotMounted, Operation::FindMount, reason).with_argument(id.get().to_string())
    })
}
