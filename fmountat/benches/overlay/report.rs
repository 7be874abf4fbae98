// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The table, and whether the goals are met.

use crate::measure::{Results, Setting};
use crate::strategies::{DEFAULT, FLOOR, FORK, Strategy};
use crate::{LAYERS, SMALL};

/// One block of the table: a row for each strategy, a column for each number of layers.
pub(crate) fn block(results: &Results, setting: Setting, strategies: &[Strategy]) {
    println!("\n{}", describe(setting));
    print!("  {:26}", "");
    for layers in LAYERS {
        print!("{:>30}", format!("{layers} layers"));
    }
    println!();
    for strategy in strategies {
        print!("  {:26}", strategy.name);
        for layers in LAYERS {
            let text = results.find(setting, layers, strategy.name).map_or_else(
                || String::from("-"),
                |t| format!("{:.0} ({:.0} to {:.0})", t.median, t.low, t.high),
            );
            print!("{text:>30}");
        }
        println!();
    }
}

fn describe(setting: Setting) -> String {
    let megabytes = setting.resident >> 20;
    let size = if megabytes >= 1024 { format!("{} GB", megabytes >> 10) } else { format!("{megabytes} MB") };
    match setting.mounts {
        0 => format!("process of {size}, no other mounts"),
        mounts => format!("process of {size}, {mounts} other mounts on the layers' file system"),
    }
}

/// A promise about one number divided by another.
struct Goal {
    words: &'static str,
    /// Whose median, where.
    what: (&'static str, Setting),
    by: (&'static str, Setting),
    limit: Limit,
}

enum Limit {
    AtMost(f64),
    MoreThan(f64),
}

/// Prints each goal with its ratio for each number of layers; true when all are met.
pub(crate) fn goals(results: &Results) -> bool {
    let small = Setting { resident: SMALL, mounts: 0 };
    let big = Setting { resident: 8 << 30, mounts: 0 };
    let many_mounts = Setting { resident: SMALL, mounts: 10_000 };
    let all = [
        Goal {
            words: "no other mounts: default / mount(2) at most 1.25",
            what: (DEFAULT, small),
            by: (FLOOR, small),
            limit: Limit::AtMost(1.25),
        },
        Goal {
            words: "default: 8 GB / 10 MB at most 1.1",
            what: (DEFAULT, big),
            by: (DEFAULT, small),
            limit: Limit::AtMost(1.1),
        },
        Goal {
            words: "8 GB: fork / default more than 500",
            what: (FORK, big),
            by: (DEFAULT, big),
            limit: Limit::MoreThan(500.0),
        },
        Goal {
            words: "default: 10,000 mounts / none at most 1.3",
            what: (DEFAULT, many_mounts),
            by: (DEFAULT, small),
            limit: Limit::AtMost(1.3),
        },
        Goal {
            words: "10,000 mounts: mount(2) / default more than 15",
            what: (FLOOR, many_mounts),
            by: (DEFAULT, many_mounts),
            limit: Limit::MoreThan(15.0),
        },
    ];
    println!("\ngoals (ratios of medians)");
    print!("  {:50}", "");
    for layers in LAYERS {
        print!("{:>18}", format!("{layers} layers"));
    }
    println!();
    let mut met = true;
    for goal in &all {
        print!("  {:50}", goal.words);
        for layers in LAYERS {
            let verdict = goal.ratio(results, layers).map(|ratio| (ratio, goal.limit.allows(ratio)));
            met &= verdict.is_none_or(|(_, passed)| passed);
            let text = match verdict {
                Some((ratio, true)) => format!("{ratio:.2} pass"),
                Some((ratio, false)) => format!("{ratio:.2} MISSED"),
                None => String::from("not measured"),
            };
            print!("{text:>18}");
        }
        println!();
    }
    met
}

impl Goal {
    fn ratio(&self, results: &Results, layers: usize) -> Option<f64> {
        let median = |(strategy, setting)| results.find(setting, layers, strategy).map(|taken| taken.median);
        Some(median(self.what)? / median(self.by)?)
    }
}

impl Limit {
    fn allows(&self, ratio: f64) -> bool {
        match *self {
            Self::AtMost(most) => ratio <= most,
            Self::MoreThan(least) => ratio > least,
        }
    }
}
