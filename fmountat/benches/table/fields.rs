// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Measures the cost of each field with each interface. The default strategy is chosen by these
//! numbers.

use crate::Outcome;
use crate::measure::Effort;
use crate::raw::time_used;
use fmountat::table::{Fields, TableReader, TableStrategy};
use std::time::Instant;

/// For the table that is there: microseconds for each mount, the least of several.
pub(crate) fn block(effort: Effort) -> Outcome<()> {
    let list = Fields::LIST;
    let rows = [
        ("ids, parents, options", Fields::empty()),
        ("and the target", Fields::TARGET),
        ("target, type, source", list - Fields::SUPER_OPTIONS),
        ("a list's: all options too", list),
        ("all but propagate_from", Fields::MOUNTINFO - Fields::PROPAGATE_FROM),
        ("all that mountinfo has", Fields::MOUNTINFO),
    ];
    println!("  each field's cost, microseconds for each mount");
    for (name, fields) in rows {
        print!("    {name:28}");
        for strategy in [TableStrategy::Auto, TableStrategy::Statmount, TableStrategy::Mountinfo] {
            let mut reader = TableReader::here().fields(fields).strategy(strategy);
            let (mut least, mut mounts) = (f64::INFINITY, 1);
            let (begin, mut rounds) = (Instant::now(), 0);
            while (rounds < effort.least && begin.elapsed() < effort.budget * 2)
                || (begin.elapsed() < effort.budget && rounds < effort.most)
            {
                let start = time_used();
                mounts = reader.read()?.len();
                least = least.min(time_used().saturating_sub(start).as_secs_f64() * 1e6);
                rounds += 1;
            }
            print!("{:>22}", format!("{strategy} {:.2}", least / mounts as f64));
        }
        println!();
    }
    Ok(())
}
