//! The promises hold under every seed tried here; any number more by `cargo run --release -p milena-sim`.

use std::collections::BTreeSet;

use milena_sim::{Options, Tally, run};

#[test]
fn every_promise_holds_in_every_run() {
    let (mut faults, mut codecs) = (Tally::default(), BTreeSet::new());
    for seed in 1..=12 {
        let report = run(seed, Options::default());
        assert!(
            report.failures.is_empty(),
            "seed {seed}: {:#?}\nall of it: cargo run --release -p milena-sim -- --seed {seed} --trace",
            report.failures
        );
        faults.merge(&report.faults);
        codecs.extend(report.codecs);
    }
    assert!(faults.total() > 300, "{faults:?}");
    assert_eq!(codecs.len(), 5, "every codec is used, and none: {codecs:?}");
}
