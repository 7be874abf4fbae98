// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Inspects the steps of a plan in order, each on the virtual result of those before it.

use crate::error::Error;
use crate::set::build::failure::{is_missing_source, without_root};
use crate::set::explain::inspect::{Inspector, PredictedMount};
use crate::set::explain::report::ExplainedStep;
use crate::set::plan::Plan;
use crate::set::plan::step::Step;

/// The predicted errors, by the time at which they would occur.
#[derive(Debug, Default)]
struct Refusals {
    on_create: Vec<Error>,
    on_attach: Vec<Error>,
    /// Whether each mount is attached before the next is created (step by step). Otherwise all are
    /// created first.
    is_stepwise: bool,
}

impl Refusals {
    fn add_on_attach(&mut self, error: Error) {
        if self.is_stepwise { self.on_create.push(error) } else { self.on_attach.push(error) }
    }

    fn in_order(self) -> impl Iterator<Item = Error> {
        self.on_create.into_iter().chain(self.on_attach)
    }
}

/// The result of the inspection so far.
pub(crate) struct Walk<'a> {
    plan: &'a Plan,
    inspector: Inspector<'a>,
    refusals: Refusals,
    left_out: Vec<usize>,
    has_root: bool,
    /// Whether the first root is a directory. `None` if unknown.
    pub(crate) root_is_dir: Option<bool>,
}

impl<'a> Walk<'a> {
    pub(crate) fn new(plan: &'a Plan, inspector: Inspector<'a>, is_stepwise: bool) -> Self {
        let refusals = Refusals { is_stepwise, ..Refusals::default() };
        Self {
            plan,
            inspector,
            refusals,
            left_out: Vec::new(),
            has_root: !plan.has_root(),
            root_is_dir: None,
        }
    }

    pub(crate) fn step(&mut self, step: &Step) -> ExplainedStep {
        let (mut explained, content) = self.inspector.step(step);
        let unfit = self.inspector.check_mapping(step).err();
        match unfit.map_or(content, Err) {
            Err(error) if step.options.nofail && is_missing_source(&error, step) => {
                self.left_out.push(step.number);
                explained
                    .details
                    .push(String::from("its source does not exist: it would be left out (nofail)"));
            }
            Err(error) => {
                let error = self.plan.in_step(step, error);
                explained.refused = Some(error.clone());
                self.refusals.on_create.push(error);
                // The contents of a mount that fails are unknown.
                let _ = self.inspector.place(step, PredictedMount::unknown());
                self.has_root |= step.is_root();
            }
            Ok(content) => self.place(step, content, &mut explained),
        }
        explained
    }

    /// Attaches a mount that could be created.
    fn place(&mut self, step: &Step, content: PredictedMount, explained: &mut ExplainedStep) {
        if !self.has_root && !step.is_root() {
            return self.refusals.add_on_attach(self.plan.in_step(step, without_root(&step.target)));
        }
        if step.is_root() {
            self.has_root = true;
            self.root_is_dir = self.root_is_dir.or(content.is_dir);
        }
        match self.inspector.place(step, content) {
            Ok(true) => {}
            Ok(false) => explained.details.push(String::from(
                "its mount point can't be checked before the file system that contains it is mounted",
            )),
            Err(error) => {
                let error = self.plan.in_step(step, error);
                explained.refused = Some(error.clone());
                self.refusals.add_on_attach(error);
            }
        }
    }

    /// Returns the numbers of the mounts left out, and the errors in the order in which they would
    /// occur.
    pub(crate) fn end(mut self) -> (Vec<usize>, Vec<Error>) {
        let paths = self.plan.restrictions.paths.iter();
        let restricted =
            paths.filter_map(|(restriction, path)| self.inspector.restrict(*restriction, path).err());
        let restricted: Vec<Error> = restricted.collect();
        (self.left_out, self.refusals.in_order().chain(restricted).collect())
    }
}
