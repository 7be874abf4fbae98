// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The output of `--json`: one type for each result, with its keys in alphabetical order.

pub(crate) use crate::json_text::{Text, json, text};
use crate::kept::compare::Entry;
use fmountat::error::{Holder, HolderKind, Syscall};
use fmountat::explain::{ExplainedStep, Needed};
use fmountat::journal::Recovered;
use fmountat::oci::NotDone;
use fmountat::{Error, MountId, PublishedSet, ReplaceDiff};
use serde::Serialize;
use serde_json::Value;
use std::collections::{BTreeMap, VecDeque};
use std::ffi::OsString;
use std::path::PathBuf;

#[derive(Serialize)]
pub(crate) struct Failure<'a> {
    pub(crate) error: ErrorReport<'a>,
}

#[derive(Serialize)]
pub(crate) struct ErrorReport<'a> {
    argument: Option<Text<'a>>,
    call: Option<&'static str>,
    code: &'static str,
    errno: i32,
    hint: Option<&'a str>,
    holders: Vec<HolderReport<'a>>,
    kernel: &'a [String],
    layer: Option<String>,
    mount: Option<usize>,
    operation: String,
    output: &'a [String],
    reason: String,
    step: String,
}

pub(crate) fn error(error: &Error) -> ErrorReport<'_> {
    ErrorReport {
        argument: error.argument().map(text),
        call: error.call().map(Syscall::name),
        code: error.code(),
        errno: error.errno(),
        hint: error.hint(),
        holders: error.holders().iter().map(holder).collect(),
        kernel: error.kernel(),
        layer: error.layer().map(|layer| layer.to_string()),
        mount: error.mount(),
        operation: error.operation().text().replace("{layer}", "layer"),
        output: error.output(),
        reason: error.reason(),
        step: error.step(),
    }
}

#[derive(Serialize)]
struct HolderReport<'a> {
    command: Text<'a>,
    descriptor: Option<i32>,
    in_copy: bool,
    kind: &'static str,
    path: Option<Text<'a>>,
    pid: Option<u32>,
}

fn holder(holder: &Holder) -> HolderReport<'_> {
    let descriptor = match holder.kind {
        HolderKind::Descriptor(number) => Some(number),
        _ => None,
    };
    HolderReport {
        command: text(&holder.command),
        descriptor,
        in_copy: holder.in_copy,
        kind: holder.kind.name(),
        path: holder.kind.path().map(text),
        pid: holder.pid,
    }
}

/// Holds the id and the mount point of a mount.
#[derive(Serialize)]
pub(crate) struct PlaceReport<'a> {
    id: u64,
    target: Text<'a>,
}

pub(crate) fn places(mounts: &[(MountId, PathBuf)]) -> Vec<PlaceReport<'_>> {
    mounts.iter().map(|(id, place)| PlaceReport { id: id.get(), target: text(place) }).collect()
}

/// Holds the mounts that a swap will drop or leave beneath; printed on stderr before the swap.
#[derive(Serialize)]
pub(crate) struct ReplaceDiffReport<'a> {
    beneath: Vec<PlaceReport<'a>>,
    dropped: Vec<PlaceReport<'a>>,
}

pub(crate) fn replace_diff(found: &ReplaceDiff) -> ReplaceDiffReport<'_> {
    ReplaceDiffReport { beneath: places(&found.beneath), dropped: places(&found.dropped) }
}

/// Holds an option that `--compat` ignored, and the number of its mount.
#[derive(Serialize)]
pub(crate) struct IgnoredReport<'a> {
    mount: usize,
    option: Text<'a>,
}

pub(crate) fn ignored(options: &[(usize, OsString)]) -> Vec<IgnoredReport<'_>> {
    options.iter().map(|(mount, option)| IgnoredReport { mount: *mount, option: text(option) }).collect()
}

/// Holds a part of an OCI configuration that is not done.
#[derive(Serialize)]
pub(crate) struct NotDoneReport<'a> {
    path: &'a str,
    reason: &'a str,
}

pub(crate) fn not_done(parts: &[NotDone]) -> Vec<NotDoneReport<'_>> {
    parts.iter().map(|part| NotDoneReport { path: &part.path, reason: &part.reason }).collect()
}

/// The output of `mount`: the id of a new mount, a change of a mount, or a mount that was left out.
#[derive(Default, Serialize)]
pub(crate) struct MountReport<'a> {
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(crate) changed: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) id: Option<u64>,
    pub(crate) ignored: Vec<IgnoredReport<'a>>,
    #[serde(skip_serializing_if = "<[usize]>::is_empty")]
    pub(crate) left_out: &'a [usize],
    pub(crate) target: Text<'a>,
}

/// The output of `apply`.
#[derive(Default, Serialize)]
pub(crate) struct ApplyReport<'a> {
    pub(crate) beneath: Option<Vec<PlaceReport<'a>>>,
    pub(crate) boot: Option<String>,
    pub(crate) dropped: Option<Vec<PlaceReport<'a>>>,
    pub(crate) id: u64,
    pub(crate) ignored: Vec<IgnoredReport<'a>>,
    pub(crate) left_out: Vec<usize>,
    pub(crate) mounts: usize,
    pub(crate) not_done: Vec<NotDoneReport<'a>>,
    pub(crate) set: Option<PublishedSet>,
    pub(crate) swap: Option<String>,
    pub(crate) target: Text<'a>,
    pub(crate) strategy: String,
}

/// The output of `explain`.
#[derive(Serialize)]
pub(crate) struct ExplainReport<'a> {
    pub(crate) after_mounts: Vec<AfterMountReport<'a>>,
    pub(crate) beneath: Option<Vec<PlaceReport<'a>>>,
    pub(crate) dropped: Option<Vec<PlaceReport<'a>>>,
    pub(crate) features: Vec<FeatureReport>,
    pub(crate) ignored: Vec<IgnoredReport<'a>>,
    pub(crate) into_copy: bool,
    pub(crate) left_out: &'a [usize],
    pub(crate) mounts: Vec<StepReport<'a>>,
    pub(crate) not_done: Vec<NotDoneReport<'a>>,
    pub(crate) refused: Vec<ErrorReport<'a>>,
    pub(crate) target: Text<'a>,
    pub(crate) strategy: String,
    pub(crate) why: &'static str,
}

/// Holds a path, and an operation on it after all mounts.
#[derive(Serialize)]
pub(crate) struct AfterMountReport<'a> {
    pub(crate) path: Text<'a>,
    pub(crate) what: &'static str,
}

/// Holds a kernel feature that the set uses.
#[derive(Serialize)]
pub(crate) struct FeatureReport {
    feature: &'static str,
    is_there: bool,
    since: String,
    without: &'static str,
}

pub(crate) fn feature(need: &Needed) -> FeatureReport {
    let feature = need.feature;
    FeatureReport {
        feature: feature.what,
        is_there: need.is_there,
        since: feature.since(),
        without: feature.instead,
    }
}

/// Holds one mount of an explained set.
#[derive(Serialize)]
pub(crate) struct StepReport<'a> {
    layers: usize,
    mount: usize,
    details: &'a [String],
    option_bytes: usize,
    refused: Option<ErrorReport<'a>>,
    source: Text<'a>,
    target: Text<'a>,
    what: &'a str,
}

pub(crate) fn step(step: &ExplainedStep) -> StepReport<'_> {
    StepReport {
        layers: step.layers,
        mount: step.number,
        details: &step.details,
        option_bytes: step.option_bytes,
        refused: step.refused.as_ref().map(error),
        source: text(&step.source),
        target: text(&step.target),
        what: &step.what,
    }
}

/// The output of `umount` for a target, an id, or all sets.
#[derive(Serialize)]
pub(crate) struct UmountReport<T> {
    pub(crate) unmounted: T,
}

/// The output of `list` and `find`.
#[derive(Serialize)]
pub(crate) struct ListReport {
    pub(crate) filesystems: VecDeque<ListedMount>,
}

/// Holds the requested columns of a mount, and the mounts below it.
#[derive(Serialize)]
pub(crate) struct ListedMount {
    #[serde(skip_serializing_if = "VecDeque::is_empty")]
    pub(crate) children: VecDeque<ListedMount>,
    #[serde(flatten)]
    pub(crate) columns: BTreeMap<String, Value>,
}

/// The output of `watch` for an event. The keys are those of findmnt(8).
#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct EventReport {
    pub(crate) action: String,
    pub(crate) fstype: Option<Text<'static>>,
    pub(crate) id: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) old_options: Option<Text<'static>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) old_target: Option<Text<'static>>,
    pub(crate) options: Option<Text<'static>>,
    pub(crate) source: Option<Text<'static>>,
    pub(crate) target: Option<Text<'static>>,
    pub(crate) uniq_id: Option<u64>,
}

/// The output of `changes`.
#[derive(Serialize)]
pub(crate) struct ChangesReport<'a> {
    changes: Vec<ChangeReport<'a>>,
}

#[derive(Serialize)]
struct ChangeReport<'a> {
    change: &'static str,
    file: Option<Text<'a>>,
    path: Text<'a>,
    size: Option<u64>,
    r#type: &'static str,
    what: &'a [&'static str],
}

pub(crate) fn changes(entries: &[Entry]) -> ChangesReport<'_> {
    ChangesReport { changes: entries.iter().map(change).collect() }
}

fn change(entry: &Entry) -> ChangeReport<'_> {
    ChangeReport {
        change: entry.change.name(),
        file: entry.file.as_ref().map(text),
        path: text(&entry.path),
        size: entry.size,
        r#type: entry.kind,
        what: &entry.what,
    }
}

/// The output of `clean`.
#[derive(Serialize)]
pub(crate) struct CleanReport<'a> {
    removed: Vec<Text<'a>>,
    skipped: usize,
    uncertain: Vec<Text<'a>>,
    unmounted: Vec<PlaceReport<'a>>,
}

pub(crate) fn cleaned(cleaned: &Recovered) -> CleanReport<'_> {
    CleanReport {
        removed: cleaned.removed.iter().map(text).collect(),
        skipped: cleaned.skipped,
        uncertain: cleaned.uncertain.iter().map(text).collect(),
        unmounted: places(&cleaned.unmounted),
    }
}

/// Holds a message on stderr that is no error.
#[derive(Serialize)]
pub(crate) struct MessageReport<'a> {
    pub(crate) message: &'a str,
}

/// Lists the parts of a configuration that `run` does not do.
#[derive(Serialize)]
pub(crate) struct PartsNotDoneReport<'a> {
    not_done: Vec<NotDoneReport<'a>>,
}

pub(crate) fn parts_not_done(parts: &[(String, String)]) -> PartsNotDoneReport<'_> {
    let parts = parts.iter().map(|(path, reason)| NotDoneReport { path, reason });
    PartsNotDoneReport { not_done: parts.collect() }
}

/// Lists the paths that a copy of the host lacks or has read-only.
#[derive(Serialize)]
pub(crate) struct NotOverlaidReport<'a> {
    not_overlaid: Vec<NotOverlaidPath<'a>>,
}

#[derive(Serialize)]
struct NotOverlaidPath<'a> {
    path: Text<'a>,
    reason: &'a str,
}

pub(crate) fn not_overlaid(paths: &[(PathBuf, String)]) -> NotOverlaidReport<'_> {
    let paths = paths.iter().map(|(path, reason)| NotOverlaidPath { path: text(path), reason });
    NotOverlaidReport { not_overlaid: paths.collect() }
}

#[derive(Serialize)]
pub(crate) struct VerboseReport<'a> {
    event: &'a str,
    fields: BTreeMap<&'a str, &'a Value>,
}

pub(crate) fn verbose<'a>(name: &'a str, fields: &'a [(&str, Value)]) -> VerboseReport<'a> {
    VerboseReport { event: name, fields: fields.iter().map(|(key, value)| (*key, value)).collect() }
}
