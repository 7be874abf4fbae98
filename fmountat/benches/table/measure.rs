// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Times the strategies in turns, so that other load affects all alike, and compares their results.

use crate::Outcome;
use crate::raw::time_used;
use crate::scene::Kind;
use crate::strategies::{Question, STRATEGIES, Strategy};
use std::path::Path;
use std::time::Duration;

/// How long to measure.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Effort {
    /// For one strategy and one table.
    pub(crate) budget: Duration,
    pub(crate) least: usize,
    pub(crate) most: usize,
}

/// The processor time of one strategy, in microseconds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Taken {
    pub(crate) kind: Kind,
    pub(crate) question: Question,
    pub(crate) strategy: &'static str,
    pub(crate) median: f64,
    pub(crate) least: f64,
}

/// Everything measured so far.
#[derive(Debug, Default)]
pub(crate) struct Results(pub(crate) Vec<Taken>);

impl Results {
    pub(crate) fn find(&self, kind: Kind, question: Question, strategy: &str) -> Option<&Taken> {
        self.0.iter().find(|t| t.kind == kind && t.question == question && t.strategy == strategy)
    }

    /// Measures every strategy that answers `question`. Returns how many entries were compared.
    pub(crate) fn add(
        &mut self,
        kind: Kind,
        question: Question,
        path: &Path,
        effort: Effort,
    ) -> Outcome<usize> {
        let strategies: Vec<&Strategy> =
            STRATEGIES.iter().filter(|strategy| strategy.question == question).collect();
        let mut compared = 0;
        let mut first = None;
        let mut series = Vec::new();
        for strategy in strategies {
            let start = time_used();
            let answer = (strategy.ask)(path)?;
            let took = time_used().saturating_sub(start);
            let rows = answer.rows()?;
            let want = first.get_or_insert_with(|| rows.clone());
            if *want != rows {
                let differs = want.iter().zip(&rows).find(|(one, other)| one != other);
                return Err(
                    format!("{}: {} has another answer: {differs:?}", kind.name(), strategy.name).into()
                );
            }
            compared += rows.len();
            let fit =
                usize::try_from(effort.budget.as_nanos() / took.as_nanos().max(1)).unwrap_or(usize::MAX);
            // Slow strategies get fewer samples.
            let least = if took > effort.budget { 2 } else { effort.least };
            series.push((strategy, fit.clamp(least, effort.most), Vec::new()));
        }
        let rounds = series.iter().map(|(_, wanted, _)| *wanted).max().unwrap_or(0);
        for round in 0..rounds {
            // Each round has another order.
            let turn = round % series.len();
            series.rotate_left(turn);
            for (strategy, wanted, samples) in &mut series {
                if samples.len() * rounds > round * *wanted {
                    continue;
                }
                let start = time_used();
                let answer = (strategy.ask)(path)?;
                samples.push(time_used().saturating_sub(start).as_secs_f64() * 1e6);
                drop(answer);
            }
        }
        for (strategy, _, mut samples) in series {
            samples.sort_by(f64::total_cmp);
            let at = |percent: usize| samples.get(samples.len() * percent / 100).copied().unwrap_or(f64::NAN);
            self.0.push(Taken { kind, question, strategy: strategy.name, median: at(50), least: at(0) });
        }
        Ok(compared)
    }
}
