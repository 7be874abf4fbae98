// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The steps of a plan, one after the other, each on what those before it would have made.

use crate::error::Error;
use crate::set::build::failure::{is_missing_source, without_root};
use crate::set::explain::inspect::{Inspector, Made};
use crate::set::explain::report::ExplainedStep;
use crate::set::plan::Plan;
use crate::set::plan::step::Step;

/// What would be refused, by when that would be.
#[derive(Debug, Default)]
struct Refusals {
    made: Vec<Error>,
    placed: Vec<Error>,
    /// Each mount is put in its place before the next is made. Else all are made first.
    together: bool,
}

impl Refusals {
    fn place(&mut self, error: Error) {
        if self.together { self.made.push(error) } else { self.placed.push(error) }
    }

    fn in_order(self) -> impl Iterator<Item = Error> {
        self.made.into_iter().chain(self.placed)
    }
}

/// What was found on the way so far.
pub(crate) struct Walk<'a> {
    plan: &'a Plan,
    inspector: Inspector<'a>,
    refusals: Refusals,
    left_out: Vec<usize>,
    has_root: bool,
    /// Of the first root, where it can be told.
    pub(crate) root_is_dir: Option<bool>,
}

impl<'a> Walk<'a> {
    pub(crate) fn new(plan: &'a Plan, inspector: Inspector<'a>, together: bool) -> Self {
        let refusals = Refusals { together, ..Refusals::default() };
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
                    .notes
                    .push(String::from("its source does not exist: it would be left out (nofail)"));
            }
            Err(error) => {
                let error = self.plan.in_step(step, error);
                explained.refused = Some(error.clone());
                self.refusals.made.push(error);
                // Whatever it would show can't be looked into.
                let _ = self.inspector.place(step, Made::unknown());
                self.has_root |= step.is_root();
            }
            Ok(content) => self.place(step, content, &mut explained),
        }
        explained
    }

    /// A mount that could be made goes to its place.
    fn place(&mut self, step: &Step, content: Made, explained: &mut ExplainedStep) {
        if !self.has_root && !step.is_root() {
            return self.refusals.place(self.plan.in_step(step, without_root(&step.target)));
        }
        if step.is_root() {
            self.has_root = true;
            self.root_is_dir = self.root_is_dir.or(content.is_dir);
        }
        match self.inspector.place(step, content) {
            Ok(true) => {}
            Ok(false) => explained.notes.push(String::from(
                "its mount point can't be checked before the file system that contains it is mounted",
            )),
            Err(error) => {
                let error = self.plan.in_step(step, error);
                explained.refused = Some(error.clone());
                self.refusals.place(error);
            }
        }
    }

    /// The steps left out, and what would be refused, in the order in which that would be met.
    pub(crate) fn end(mut self) -> (Vec<usize>, Vec<Error>) {
        let paths = self.plan.restrictions.paths.iter();
        let restricted =
            paths.filter_map(|(restriction, path)| self.inspector.restrict(*restriction, path).err());
        let restricted: Vec<Error> = restricted.collect();
        (self.left_out, self.refusals.in_order().chain(restricted).collect())
    }
}
