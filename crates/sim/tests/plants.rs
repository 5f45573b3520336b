//! A simulation that finds nothing proves nothing: two bugs of other clients, planted by hand, are found within a few seeds.

use milena_engine::plants::{Plant, plant};
use milena_sim::{Options, run};

const SEEDS: u64 = 12;

/// The failures of the first run that finds the bug.
fn found(bug: Plant) -> Vec<String> {
    plant(Some(bug));
    let found = (1..=SEEDS)
        .map(|seed| run(seed, Options::default()).failures)
        .find(|failures| !failures.is_empty());
    plant(None);
    found.unwrap_or_default()
}

#[test]
fn a_retry_that_takes_a_new_sequence_is_found() {
    let failures = found(Plant::RetryTakesNewSequence);
    let told = |failure: &String| {
        ["doubled", "reordered", "lost", "liveness"]
            .iter()
            .any(|word| failure.starts_with(word))
    };
    assert!(failures.iter().any(told), "{failures:?}");
}

#[test]
fn a_commit_in_spite_of_a_failed_send_is_found() {
    let failures = found(Plant::CommitInSpiteOfFailedSend);
    let told = |failure: &String| {
        let torn = [
            "is committed, and",
            "was committed although",
            "is torn",
            "invoices of",
        ];
        torn.iter().any(|words| failure.contains(words))
    };
    assert!(failures.iter().any(told), "{failures:?}");
}
