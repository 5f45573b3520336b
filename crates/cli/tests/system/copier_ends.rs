//! `milena transactional-copier`: how it ends.

use std::time::Duration;

use milena_testbroker::relay::ApiKey;
use milena_testbroker::{Action, HoldId, Rule, TestBroker, TransactionState};

use crate::copier::{QUICK, arguments, exactly_copied, is_done, ready};
use crate::support::*;

/// Each transaction stays open for a while, so that it can be struck there.
fn slow_down(cluster: &TestBroker) {
    cluster.with(|broker| {
        let slow = Rule::on(ApiKey::TXN_OFFSET_COMMIT).always();
        let delay = Action::DelayAnswer(Duration::from_millis(15));
        broker.faults().add(slow, delay)
    });
}

#[test]
fn fenced_it_fails_and_says_nothing_more() {
    let cluster = ready(2, 1_000);
    let config = Config::new("copier-fenced", QUICK);
    let addresses = cluster.addresses().join(",");
    let mut arguments = arguments(&addresses, &config, "in", "out");
    arguments.extend(["--transaction-size", "20"]);
    slow_down(&cluster);
    let older = Program::start(&arguments);
    eventually("a commit", || {
        (older.count(|line| number(line, "totalProcessed") > 0) > 0).then_some(())
    });
    let newer = Program::start(&arguments);
    let older = older.wait();
    assert_eq!(older.status.code(), Some(1), "{}", older.stderr);
    assert!(older.stderr.contains("fenced"), "{}", older.stderr);
    assert!(
        !older
            .lines
            .iter()
            .any(|line| line["stage"] == "ShutdownComplete")
    );
    let newer = newer.wait();
    assert_eq!(newer.status.code(), Some(0), "{}", newer.stderr);
    assert!(is_done(newer.lines.last().expect("lines")));
    exactly_copied(&cluster, "in", "out");
}

#[test]
fn asked_to_end_it_leaves_no_transaction_open() {
    let cluster = ready(2, 1_000);
    let config = Config::new("copier-term", QUICK);
    let addresses = cluster.addresses().join(",");
    let mut arguments = arguments(&addresses, &config, "in", "out");
    arguments.extend(["--transaction-size", "20"]);
    slow_down(&cluster);
    for _ in 0..2 {
        let program = Program::start(&arguments);
        eventually("a commit", || {
            (program.count(|line| number(line, "totalProcessed") > 0) > 0).then_some(())
        });
        program.signal("TERM");
        let ended = program.wait();
        assert_eq!(ended.status.code(), Some(0), "{}", ended.stderr);
        let last = ended.lines.last().expect("lines");
        assert_eq!(last["stage"], "ShutdownComplete");
        assert!(number(last, "remaining") > 0, "there is work left: {last}");
        let state = cluster.with(|broker| broker.transaction_state("copier-1"));
        assert_ne!(state.expect("it is known").state, TransactionState::Ongoing);
    }
    let ended = Program::start(&arguments).wait();
    assert!(is_done(ended.lines.last().expect("lines")));
    exactly_copied(&cluster, "in", "out");
}

#[test]
fn while_a_commit_is_not_answered_it_shows_that_it_lives() {
    let cluster = ready(2, 40);
    let config = Config::new("copier-held", "request.timeout.ms=20000\n");
    let held = cluster.with(|broker| {
        let first = Rule::on(ApiKey::END_TXN).nth(1);
        broker.faults().add(first, Action::HoldAnswer(HoldId(1)))
    });
    let addresses = cluster.addresses().join(",");
    let program = Program::start(&arguments(&addresses, &config, "in", "out"));
    eventually("the held commit", || {
        (cluster.with(|broker| broker.faults().fired(held)) > 0).then_some(())
    });
    let before = program.count(|_| true);
    pause(1_500);
    let during = program.count(|_| true) - before;
    assert!(during >= 4, "{during} lines in 1.5 s");
    assert_eq!(program.count(|line| number(line, "totalProcessed") > 0), 0);
    cluster.with(|broker| broker.release(HoldId(1)));
    let ended = program.wait();
    assert!(
        is_done(ended.lines.last().expect("lines")),
        "{}",
        ended.stderr
    );
    exactly_copied(&cluster, "in", "out");
}

#[test]
fn a_commit_whose_answer_outlasts_its_deadline_is_settled_before_anything_else() {
    for version in [2, 0] {
        let cluster = ready(version, 100);
        let name = format!("copier-unknown-{version}");
        let config = Config::new(&name, "request.timeout.ms=20000\nmax.block.ms=400\n");
        let held = cluster.with(|broker| {
            let second = Rule::on(ApiKey::END_TXN).nth(2);
            broker.faults().add(second, Action::HoldAnswer(HoldId(1)))
        });
        let addresses = cluster.addresses().join(",");
        let mut arguments = arguments(&addresses, &config, "in", "out");
        arguments.extend(["--transaction-size", "40"]);
        let program = Program::start(&arguments);
        eventually("the held commit", || {
            (cluster.with(|broker| broker.faults().fired(held)) > 0).then_some(())
        });
        pause(1_300);
        assert_eq!(program.count(|line| number(line, "totalProcessed") > 40), 0);
        cluster.with(|broker| broker.release(HoldId(1)));
        let ended = program.wait();
        let last = ended.lines.last().expect("lines");
        assert!(is_done(last), "{last}: {}", ended.stderr);
        assert_eq!(number(last, "totalProcessed"), 100);
        exactly_copied(&cluster, "in", "out");
    }
}

#[test]
fn paused_for_longer_than_its_transaction_may_be_open_it_ends_and_the_next_one_goes_on() {
    let cluster = ready(2, 400);
    let config = Config::new("copier-paused", QUICK);
    let addresses = cluster.addresses().join(",");
    let mut arguments = arguments(&addresses, &config, "in", "out");
    let timeout = arguments
        .iter()
        .position(|flag| *flag == "20000")
        .expect("given");
    arguments[timeout] = "600";
    arguments.extend(["--transaction-size", "20"]);
    slow_down(&cluster);
    let mut program = Program::start(&arguments);
    for _ in 0..2 {
        eventually("an open transaction of its own", || {
            let state = cluster.with(|broker| broker.transaction_state("copier-1"));
            let begun = program.count(|line| number(line, "totalProcessed") > 0) > 0;
            (begun && state?.state == TransactionState::Ongoing).then_some(())
        });
        program.signal("STOP");
        // Long enough for the broker to have aborted what is open.
        pause(1_500);
        program.signal("CONT");
        let ended = program.wait();
        if ended.status.code() == Some(0) {
            assert!(is_done(ended.lines.last().expect("lines")));
        }
        program = Program::start(&arguments);
    }
    let ended = program.wait();
    assert_eq!(ended.status.code(), Some(0), "{}", ended.stderr);
    assert!(is_done(ended.lines.last().expect("lines")));
    exactly_copied(&cluster, "in", "out");
}

#[test]
fn woken_when_another_instance_has_copied_the_rest_it_does_not_call_that_its_own() {
    for transaction_version in [1, 2] {
        let cluster = ready(transaction_version, 400);
        let config = Config::new(&format!("copier-woken-{transaction_version}"), QUICK);
        let addresses = cluster.addresses().join(",");
        let mut arguments = arguments(&addresses, &config, "in", "out");
        arguments.extend(["--transaction-size", "20"]);
        slow_down(&cluster);
        let older = Program::start(&arguments);
        eventually("an open transaction after a commit", || {
            let state = cluster.with(|broker| broker.transaction_state("copier-1"));
            let begun = older.count(|line| number(line, "totalProcessed") > 0) > 0;
            (begun && state?.state == TransactionState::Ongoing).then_some(())
        });
        older.signal("STOP");
        let newer = Program::start(&arguments).wait();
        assert_eq!(newer.status.code(), Some(0), "{}", newer.stderr);
        older.signal("CONT");
        let older = older.wait();
        assert_eq!(older.status.code(), Some(1), "{}", older.stderr);
        let last = older.lines.last().expect("lines");
        assert_eq!(last["stage"], "ProcessLoop");
        let newest = newer.lines.last().expect("lines");
        let both = number(last, "totalProcessed") + number(newest, "totalProcessed");
        assert_eq!(both, 400, "{last} {newest}");
        exactly_copied(&cluster, "in", "out");
    }
}

#[test]
fn asked_to_end_before_there_is_a_cluster_it_ends() {
    let cluster = ready(2, 40);
    outage(&cluster, true);
    let config = Config::new("copier-nobody", QUICK);
    let addresses = cluster.addresses().join(",");
    let program = Program::start(&arguments(&addresses, &config, "in", "out"));
    pause(500);
    program.signal("TERM");
    let ended = program.wait();
    assert_eq!(ended.status.code(), Some(0), "{}", ended.stderr);
    let last = ended.lines.last().expect("lines");
    assert_eq!(last["stage"], "ShutdownComplete");
    assert!(
        number(last, "remaining") > 0,
        "nobody may take it for done: {last}"
    );
}
