// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Times the strategies in turns, so that other load affects all alike, and keeps the results.

use crate::Outcome;
use crate::scene::Case;
use crate::strategies::{Strategy, floor};
use std::time::{Duration, Instant};

/// How long to measure.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Effort {
    /// For one strategy in one cell of the table.
    pub(crate) budget: Duration,
    pub(crate) least: u32,
    pub(crate) most: u32,
    /// The sizes of process to measure, in bytes.
    pub(crate) resident: &'static [usize],
}

/// The conditions of a measurement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Setting {
    /// Bytes of memory of the calling process.
    pub(crate) resident: usize,
    /// Other mounts on the file system that holds the layers.
    pub(crate) mounts: usize,
}

/// The time of one strategy in one setting, in microseconds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Taken {
    pub(crate) setting: Setting,
    pub(crate) layers: usize,
    pub(crate) strategy: &'static str,
    pub(crate) median: f64,
    pub(crate) low: f64,
    pub(crate) high: f64,
}

/// Everything measured so far.
#[derive(Debug, Default)]
pub(crate) struct Results(Vec<Taken>);

impl Results {
    pub(crate) fn find(&self, setting: Setting, layers: usize, strategy: &str) -> Option<&Taken> {
        self.0.iter().find(|t| t.setting == setting && t.layers == layers && t.strategy == strategy)
    }

    /// Measures every strategy on `case`.
    pub(crate) fn add(
        &mut self,
        setting: Setting,
        case: &Case,
        strategies: &[Strategy],
        effort: Effort,
    ) -> Outcome<()> {
        let mut series = Vec::with_capacity(strategies.len());
        for strategy in strategies {
            // The first sample may be slow because it fills caches; a slow strategy is slow again
            // in the second.
            let mut first = timed(|| once(strategy, case))?;
            if first < effort.budget {
                first = timed(|| once(strategy, case))?;
            }
            series.push(Series::new(strategy, first, effort));
        }
        let rounds = series.iter().map(|s| s.wanted).max().unwrap_or(0);
        let mut random = 0x9e37_79b9;
        for round in 0..rounds {
            // The order is random: the sample after a fork pays for the pages that the fork made
            // copy-on-write.
            shuffle(&mut series, &mut random);
            for series in series.iter_mut().filter(|s| s.has_turn(round, rounds)) {
                let took = once(series.strategy, case)?;
                series.samples.push(took.as_secs_f64() * 1e6);
            }
        }
        self.0.extend(series.into_iter().map(|series| series.summary(setting, case.layers)));
        Ok(())
    }
}

fn once(strategy: &Strategy, case: &Case) -> Outcome<Duration> {
    case.renew_upper()?;
    if strategy.upper_was_used {
        floor(case)?;
        case.unmount()?;
    }
    let start = Instant::now();
    let done = (strategy.mount)(case);
    let took = start.elapsed();
    done.map_err(|e| format!("{}, {} layers: {e}", strategy.name, case.layers))?;
    case.unmount()?;
    Ok(took)
}

/// Returns the time of a mount and its unmount.
fn timed<T>(body: impl FnOnce() -> Outcome<T>) -> Outcome<Duration> {
    let start = Instant::now();
    body()?;
    Ok(start.elapsed())
}

struct Series<'a> {
    strategy: &'a Strategy,
    wanted: u32,
    samples: Vec<f64>,
}

impl<'a> Series<'a> {
    /// As many samples as fit the budget at the cost of the first, which includes its unmount.
    fn new(strategy: &'a Strategy, first: Duration, effort: Effort) -> Self {
        let fit = effort.budget.as_nanos() / first.as_nanos().max(1);
        let wanted = u32::try_from(fit).unwrap_or(u32::MAX).clamp(effort.least, effort.most);
        Self { strategy, wanted, samples: Vec::new() }
    }

    /// Spreads the wanted samples evenly over all rounds.
    fn has_turn(&self, round: u32, rounds: u32) -> bool {
        let done_after = |round: u32| u64::from(round) * u64::from(self.wanted) / u64::from(rounds);
        done_after(round + 1) > done_after(round)
    }

    fn summary(mut self, setting: Setting, layers: usize) -> Taken {
        self.samples.sort_by(f64::total_cmp);
        let at = |percent: usize| {
            let last = self.samples.len().saturating_sub(1);
            self.samples.get((last * percent + 50) / 100).copied().unwrap_or(f64::NAN)
        };
        Taken { setting, layers, strategy: self.strategy.name, median: at(50), low: at(10), high: at(90) }
    }
}

/// Fisher-Yates, by a xorshift generator: the same order in every run.
fn shuffle<T>(items: &mut [T], random: &mut u32) {
    for i in (1..items.len()).rev() {
        *random ^= *random << 13;
        *random ^= *random >> 17;
        *random ^= *random << 5;
        items.swap(i, *random as usize % (i + 1));
    }
}
