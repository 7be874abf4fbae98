// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Measures an id-mapped overlay in processes of 10 MB and of 1 GB resident memory.

use crate::common::{drop_in_one_step, file};
use fmountat::{Mount, Mounter, Plan, Target};
use rustix::fs::CWD;
use std::time::{Duration, Instant};

const ROUNDS: usize = 100;

/// One mount, each with a new namespace: the handle that would keep it is new too.
fn once(plan: &Plan) -> Duration {
    let target = Target::open(CWD, file("t")).unwrap();
    let start = Instant::now();
    Mounter::detached().apply(CWD, plan, &target).unwrap();
    let took = start.elapsed();
    drop(target);
    drop_in_one_step();
    took
}

fn median(mut samples: Vec<Duration>) -> Duration {
    samples.sort();
    samples[samples.len() / 2]
}

/// Prints both times and compares them. The samples alternate, so that other load affects both.
pub(crate) fn compare(mount: &Mount) {
    let plan = Plan::new(std::slice::from_ref(mount)).unwrap();
    let (mut small, mut large) = (Vec::new(), Vec::new());
    for _ in 0..4 {
        small.extend((0..ROUNDS / 4).map(|_| once(&plan)));
        // Every page is written, so that it is there.
        let ballast = vec![1u8; 1 << 30];
        large.extend((0..ROUNDS / 4).map(|_| once(&plan)));
        assert_eq!(std::hint::black_box(&ballast)[1 << 29], 1);
    }
    let (small, large) = (median(small), median(large));
    let ratio = large.as_secs_f64() / small.as_secs_f64();
    println!(
        "20 id-mapped layers and an upper: {small:?} at 10 MB resident, {large:?} at 1 GB, ratio {ratio:.2}"
    );
    assert!(ratio < 1.3, "the cost grows with the process");
}
