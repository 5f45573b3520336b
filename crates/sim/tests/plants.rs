//! Bugs of other clients, planted by hand, are found within a few seeds; all of them by `cargo xtask plants`.

use milena_sim::plants::{row, search};

const SEEDS: u64 = 12;

/// Looks for the plant, and says which check caught it.
fn caught(name: &str) -> &'static str {
    let row = row(name).expect("the plant is in the table");
    let search = search(row, 1, SEEDS);
    match search.caught {
        Some((_, failure)) => failure.check.name(),
        None => panic!("{name} is not caught: {:?}", search.other),
    }
}

#[test]
fn a_retry_that_takes_a_new_sequence_is_found() {
    assert_eq!(caught("retry-takes-new-sequence"), "doubled");
}

#[test]
fn a_commit_in_spite_of_a_failed_send_is_found() {
    let check = caught("commit-in-spite-of-failed-send");
    assert!(["torn", "pipeline"].contains(&check), "{check}");
}
