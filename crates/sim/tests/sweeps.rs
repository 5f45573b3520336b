//! The sweeps in a short form, and that they can fail; whole by `cargo run --release -p milena-sim -- sweep cancel` (or
//! `bytes`).

use milena_sim::Check;
use milena_sim::plants::{plant_for_good, row};
use milena_sim::sweep::{Kind, Summary, Sweep, SweepProtocol};

const PROTOCOLS: [SweepProtocol; 2] = [SweepProtocol::Tv1, SweepProtocol::Tv2];

/// Every run is exact, and what was to strike did in each of them.
fn assert_exact(sweep: &Sweep) -> Summary {
    let summary = sweep.make();
    let protocol = sweep.protocol.name();
    assert!(
        summary.failure.is_none(),
        "{protocol}: {:#?}",
        summary.failure
    );
    assert_eq!(summary.fired, summary.runs, "{protocol}");
    summary
}

/// The checks that the first failure of a sweep names.
fn found(sweep: &Sweep) -> Vec<Check> {
    let failure = sweep.make().failure;
    let failures = failure.map_or_else(Vec::new, |failure| failure.failures);
    failures.iter().map(|failure| failure.check).collect()
}

#[test]
fn a_future_dropped_at_any_poll_leaves_an_exact_end() {
    for protocol in PROTOCOLS {
        let summary = assert_exact(&Sweep {
            every: 61,
            pairs: 4,
            threads: 2,
            ..Sweep::new(Kind::Cancel, protocol)
        });
        assert!(summary.runs > 150, "{summary}");
    }
}

#[test]
fn a_connection_broken_at_any_byte_leaves_an_exact_end() {
    for protocol in PROTOCOLS {
        let summary = assert_exact(&Sweep {
            every: 499,
            threads: 2,
            ..Sweep::new(Kind::Bytes, protocol)
        });
        assert!(summary.runs > 50, "{summary}");
    }
}

/// The negative control of the first: an application that takes a commit it dropped for aborted does its work twice.
#[test]
fn a_dropped_commit_that_is_taken_for_aborted_is_found() {
    for protocol in PROTOCOLS {
        let checks = found(&Sweep {
            every: usize::MAX,
            misuse: true,
            wanted: Some(Check::Torn),
            ..Sweep::new(Kind::Cancel, protocol)
        });
        assert!(checks.contains(&Check::Torn), "{checks:?}");
    }
}

/// The negative control of the second: without its sequence a batch whose answer was cut off is in the log twice.
#[test]
fn a_retry_that_takes_a_new_sequence_is_found() {
    plant_for_good(row("retry-takes-new-sequence").expect("it is in the table"));
    let checks = found(&Sweep {
        every: 131,
        wanted: Some(Check::Doubled),
        ..Sweep::new(Kind::Bytes, SweepProtocol::Tv2)
    });
    assert!(checks.contains(&Check::Doubled), "{checks:?}");
}

#[test]
fn a_case_can_be_told_again_by_its_name() {
    let sweep = Sweep::new(Kind::Cancel, SweepProtocol::Tv2);
    let told = sweep.tell(Some("5.1")).expect("a case");
    assert!(told.failures.is_empty(), "{:?}", told.failures);
    assert!(told.words.contains("instead of poll 2"), "{}", told.words);
    assert!(told.lines.iter().any(|line| line.contains("DROPPED")));
    assert!(sweep.tell(Some("nothing")).is_err());
}
