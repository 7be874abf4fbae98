// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The tables, and whether the goals are met.

use crate::measure::Results;
use crate::scene::Kind;
use crate::strategies::{
    BY_MOUNTINFO, BY_STATMOUNT, DEFAULT, FIND, FINDMNT, PROCFS, Question, SCAN, STRATEGIES,
};

/// One table: a row for each strategy and question.
pub(crate) fn block(results: &Results, kind: Kind, compared: usize) {
    println!("\n{}: {compared} entries compared, all equal", kind.name());
    for question in Question::ALL {
        for strategy in STRATEGIES.iter().filter(|strategy| strategy.question == question) {
            let Some(taken) = results.find(kind, question, strategy.name) else { continue };
            println!(
                "  {:22}{:22}{:>14.1}{:>14.1}",
                question.name(),
                strategy.name,
                taken.median,
                taken.least
            );
        }
    }
}

/// Prints each goal for each table; true when all are met.
pub(crate) fn goals(results: &Results, kinds: &[Kind]) -> bool {
    println!("\ngoals");
    let mut met = true;
    for kind in kinds {
        let of = |question, strategy| {
            results.find(*kind, question, strategy).map_or(f64::NAN, |taken| taken.least)
        };
        let list = of(Question::List, DEFAULT);
        let others =
            [BY_STATMOUNT, BY_MOUNTINFO, PROCFS, FINDMNT].map(|strategy| of(Question::List, strategy));
        let best = others.iter().copied().fold(f64::INFINITY, f64::min);
        met &= one(*kind, "list / the best strategy at most 1.1", list / best, list / best <= 1.1);
        let scan = of(Question::Find, SCAN) / of(Question::Find, FIND);
        if *kind == Kind::Binds(50_000) {
            met &= one(*kind, "find: scan / find() more than 10,000", scan, scan > 10_000.0);
        } else {
            one(*kind, "find: scan / find()", scan, true);
        }
        if let Kind::Peers(mounts, _) = kind {
            let ratio = of(Question::List, BY_MOUNTINFO) / list;
            match *mounts < 1_000 {
                true => one(*kind, "list: mountinfo / list", ratio, true),
                false => one(*kind, "list: mountinfo / list more than 100", ratio, ratio > 100.0),
            };
            met &= *mounts < 1_000 || ratio > 100.0;
        }
    }
    met
}

fn one(kind: Kind, words: &str, ratio: f64, passed: bool) -> bool {
    println!("  {:44}{:40}{:>12.2} {}", kind.name(), words, ratio, if passed { "pass" } else { "MISSED" });
    passed
}
