// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Describes one step in text and numbers.

use crate::error::escape;
use crate::kinds::filesystem::FsOption;
use crate::kinds::overlay::Layer;
use crate::set::explain::report::ExplainedStep;
use crate::set::plan::step::{Step, What};
use std::os::unix::ffi::OsStrExt;

pub(crate) fn describe(step: &Step) -> ExplainedStep {
    let bytes_of = |options: &[FsOption]| options.iter().map(|option| option.text().len() + 1).sum::<usize>();
    let (mut layers, mut bytes) = (0, bytes_of(&step.options.fs_options));
    let what = match &step.what {
        What::Overlay(overlay) => {
            layers = overlay.lowers.len() + overlay.data_only.len();
            let all =
                overlay.lowers.iter().chain(&overlay.data_only).chain(&overlay.upper).chain(&overlay.work);
            let length = |layer: &Layer| match layer {
                Layer::Path(path) => path.as_os_str().len() + 1,
                Layer::Fd(_) => 0,
            };
            let keys = |layer: &Option<Layer>, key: &str| if layer.is_some() { key.len() } else { 0 };
            let keys =
                keys(&overlay.upper, "upperdir=") + keys(&overlay.work, "workdir=") + "lowerdir=".len();
            bytes = keys + bytes_of(&overlay.options) + all.map(length).sum::<usize>();
            let how = if overlay.is_writable() { "with an upper, writable" } else { "read-only" };
            let data = overlay.data_only.len();
            let data = if data > 0 { format!(" ({data} data-only)") } else { String::new() };
            format!("overlay of {layers} {}{data}, {how}", if layers == 1 { "layer" } else { "layers" })
        }
        What::Bind { recursive } => {
            let tree = if *recursive { "bind, with all mounted below" } else { "bind" };
            format!("{tree}, of {}", escape(step.source.as_os_str().as_bytes()))
        }
        What::Filesystem(fstype) => format!("new {}", escape(fstype.as_bytes())),
    };
    let mut details = Vec::new();
    let (whole, top) = (step.options.recursive_attr, step.options.attr);
    if !whole.set.is_empty() {
        details.push(format!("{} on all of it", whole.names()));
    }
    if !top.set.is_empty() {
        let only = step.is_tree();
        details.push(format!("{}{}", top.names(), if only { " on the top mount only" } else { "" }));
    }
    if step.read_only_last {
        details.push(String::from("read-only once all mounts are in place"));
    }
    if step.options.idmap.is_some() {
        details.push(String::from("owners mapped"));
    }
    if step.options.mkdir.is_some() {
        details.push(String::from("the mount point is made if it is missing"));
    }
    ExplainedStep {
        number: step.number,
        target: step.target.clone(),
        source: step.source.clone(),
        what,
        details,
        layers,
        option_bytes: bytes.saturating_sub(1),
        refused: None,
    }
}
