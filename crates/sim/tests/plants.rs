//! A few of the bugs that `cargo xtask plants` plants, each caught within a few seeds by a check that is there for it.

use milena_sim::plants::{row, search};

/// Which check catches the plant within so many seeds.
fn caught(name: &str, seeds: u64) -> &'static str {
    let row = row(name).expect("the plant is in the table");
    let search = search(row, 1, seeds);
    match search.caught {
        Some((_, failure)) => failure.check.name(),
        None => panic!("{name} is not caught: {:?}", search.other),
    }
}

#[test]
fn a_retry_that_takes_a_new_sequence_doubles_records() {
    assert_eq!(caught("retry-takes-new-sequence", 6), "doubled");
}

#[test]
fn an_answer_that_completes_the_wrong_batch_loses_records() {
    assert_eq!(caught("completion-of-the-wrong-batch", 6), "lost");
}

#[test]
fn a_batch_that_a_later_one_overtakes_is_out_of_order() {
    assert_eq!(caught("retry-overtaken-by-the-next-batch", 20), "order");
}

#[test]
fn a_batch_that_timed_out_on_its_way_is_not_known_to_be_absent() {
    let check = caught("timed-out-in-flight-reported-not-persisted", 12);
    assert_eq!(check, "persistence");
}

#[test]
fn a_commit_that_the_broker_made_no_sense_of_is_no_commit() {
    let check = caught("unknown-server-error-on-end-txn-taken-as-committed", 12);
    assert!(["torn", "pipeline"].contains(&check), "{check}");
}

#[test]
fn a_commit_in_spite_of_a_failed_send_is_torn() {
    let check = caught("commit-in-spite-of-failed-send", 12);
    assert!(["torn", "pipeline"].contains(&check), "{check}");
}
