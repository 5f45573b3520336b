//! `milena transactional-copier`: what it copies.

use std::time::Duration;

use milena::{Client, Record};
use milena_testbroker::relay::ApiKey;
use milena_testbroker::{Action, Rule, TestBroker, TransactionState};
use serde_json::Value;

use crate::support::*;

pub(crate) const QUICK: &str =
    "request.timeout.ms=700\nreconnect.backoff.max.ms=100\nretry.backoff.ms=20\n";

/// The arguments of a copier of partition 0 of `from` to `to`.
pub(crate) fn arguments<'a>(
    cluster: &'a str,
    config: &'a Config,
    from: &'a str,
    to: &'a str,
) -> Vec<&'a str> {
    vec![
        "transactional-copier",
        "--use-group-metadata",
        "--broker-list",
        cluster,
        "--transactional-id",
        "copier-1",
        "--consumer-group",
        "copiers",
        "--input-topic",
        from,
        "--input-partition",
        "0",
        "--output-topic",
        to,
        "--transaction-timeout",
        "20000",
        "--command-config",
        config.path(),
    ]
}

pub(crate) fn ready(transaction_version: i16, records: u64) -> TestBroker {
    let cluster = cluster(transaction_version);
    create(&cluster, "in", 1);
    create(&cluster, "out", 1);
    fill(&cluster, "in", records);
    cluster
}

/// The output is the input, in order, once; no transaction is open, and the group stands behind the last record.
pub(crate) fn exactly_copied(cluster: &TestBroker, from: &str, to: &str) {
    let (input, output) = (committed(cluster, from, 0), committed(cluster, to, 0));
    let end = input.last().expect("there was input").offset + 1;
    let keys = |records: &[milena_testbroker::StoredRecord]| {
        let key = |record: &milena_testbroker::StoredRecord| record.key.clone();
        records.iter().map(key).collect::<Vec<_>>()
    };
    assert_eq!(keys(&input), keys(&output));
    assert_eq!(values(input), values(output));
    cluster.with(|broker| {
        let log = broker.log(to, 0).expect("it is there");
        assert_eq!(log.last_stable_offset(), log.high_watermark());
        let group = broker
            .committed_offset("copiers", from, 0)
            .expect("committed");
        assert!(
            group >= end,
            "the group stands at {group}, not behind {end}"
        );
    });
}

pub(crate) fn is_done(line: &Value) -> bool {
    line["stage"] == "ShutdownComplete" && line["remaining"] == 0
}

fn done(ended: &Ended, records: i64) {
    assert_eq!(ended.status.code(), Some(0), "{}", ended.stderr);
    let last = ended.lines.last().expect("lines");
    assert!(is_done(last), "{last}");
    assert_eq!(number(last, "totalProcessed"), records);
    assert_eq!(number(last, "consumed"), records);
    assert_eq!(text(last, "transactionalId"), "copier-1");
    let closing = |line: &&Value| line["stage"] == "ShutdownComplete";
    assert_eq!(ended.lines.iter().filter(closing).count(), 1);
    // What is done never becomes less, and what is left never more.
    let counts = |line: &Value| (number(line, "totalProcessed"), -number(line, "remaining"));
    assert!(ended.lines.iter().map(counts).is_sorted());
}

fn through_faults(transaction_version: i16) {
    let cluster = ready(transaction_version, 1_500);
    cluster.with(|broker| {
        let end = || Rule::on(ApiKey::END_TXN);
        let produce = || Rule::on(ApiKey::PRODUCE).topic("out");
        let offsets = || Rule::on(ApiKey::TXN_OFFSET_COMMIT);
        [
            (end().after(1, 3), Action::ApplyThenDrop),
            (end().after(6, 2), Action::DropBeforeApply),
            (
                end().after(9, 2),
                Action::DropThenApply(Duration::from_millis(100)),
            ),
            (
                end().after(12, 2),
                Action::Duplicate(Duration::from_millis(60)),
            ),
            (end().nth(9), Action::ApplyThenIgnore),
            (produce().after(4, 3), Action::ApplyThenDrop),
            (
                produce().after(12, 2),
                Action::DropThenApply(Duration::from_millis(80)),
            ),
            (
                produce().after(18, 3),
                Action::Duplicate(Duration::from_millis(40)),
            ),
            (offsets().after(2, 2), Action::ApplyThenDrop),
            (offsets().after(6, 1), Action::DropBeforeApply),
        ]
        .map(|(rule, action)| broker.faults().add(rule, action))
    });
    let config = Config::new(&format!("copier-faults-{transaction_version}"), QUICK);
    let addresses = cluster.addresses().join(",");
    let mut arguments = arguments(&addresses, &config, "in", "out");
    arguments.extend(["--transaction-size", "100", "--enable-random-aborts"]);
    let ended = Program::start(&arguments).wait();
    done(&ended, 1_500);
    exactly_copied(&cluster, "in", "out");
    all_fired(&cluster);
    let batches = cluster.with(|broker| {
        let log = broker.log("out", 0).expect("there");
        log.batches().filter(|batch| !batch.is_control()).count()
    });
    assert!(
        batches >= 2 * 15,
        "several batches a transaction: {batches}"
    );
}

#[test]
fn lost_late_and_doubled_requests_leave_an_exact_copy() {
    through_faults(2);
}

#[test]
fn the_same_on_brokers_of_the_older_transactions() {
    through_faults(0);
}

#[test]
fn killed_again_and_again_it_copies_each_record_once() {
    let cluster = ready(2, 1_500);
    let config = Config::new("copier-killed", QUICK);
    let addresses = cluster.addresses().join(",");
    let mut arguments = arguments(&addresses, &config, "in", "out");
    arguments.extend(["--transaction-size", "30", "--enable-random-aborts"]);
    // Slow enough to be struck in mid-transaction.
    cluster.with(|broker| {
        let slow = Rule::on(ApiKey::TXN_OFFSET_COMMIT).always();
        let delay = Action::DelayAnswer(Duration::from_millis(10));
        broker.faults().add(slow, delay)
    });
    let mut open = 0;
    for _ in 0..5 {
        let program = Program::start(&arguments);
        eventually("a commit", || {
            (program.count(|line| number(line, "totalProcessed") > 0) > 0).then_some(())
        });
        eventually("an open transaction", || {
            let state = cluster.with(|broker| broker.transaction_state("copier-1"));
            (state?.state == TransactionState::Ongoing).then_some(())
        });
        program.signal("KILL");
        let ended = program.wait();
        assert!(
            !ended
                .lines
                .iter()
                .any(|line| line["stage"] == "ShutdownComplete")
        );
        let state = cluster.with(|broker| broker.transaction_state("copier-1"));
        open += usize::from(state.is_some_and(|view| view.state == TransactionState::Ongoing));
    }
    assert!(open > 0, "a transaction was left open");
    let ended = Program::start(&arguments).wait();
    assert_eq!(ended.status.code(), Some(0), "{}", ended.stderr);
    assert!(is_done(ended.lines.last().expect("lines")));
    let total = number(ended.lines.last().expect("lines"), "totalProcessed");
    assert!(total < 1_500, "the others have done something, too");
    exactly_copied(&cluster, "in", "out");
}

#[test]
fn an_input_that_ends_in_aborted_records_and_markers_has_an_end() {
    let cluster = ready(2, 600);
    create(&cluster, "copy", 1);
    let config = Config::new("copier-gaps", QUICK);
    let addresses = cluster.addresses().join(",");
    let mut first = arguments(&addresses, &config, "in", "out");
    first.extend(["--transaction-size", "20", "--enable-random-aborts"]);
    done(&Program::start(&first).wait(), 600);
    let hidden = cluster.with(|broker| {
        let log = broker.log("out", 0).expect("there");
        log.high_watermark() - 600
    });
    assert!(hidden > 30, "markers, and aborted records: {hidden}");
    let second = arguments(&addresses, &config, "out", "copy");
    done(&Program::start(&second).wait(), 600);
    exactly_copied(&cluster, "out", "copy");
    // Nothing is left: it says so at once.
    done(&Program::start(&second).wait(), 0);
}

#[test]
fn a_record_larger_than_a_batch_is_copied_too() {
    let cluster = ready(2, 10);
    let bootstrap = cluster.bootstrap();
    tokio::runtime::Runtime::new()
        .expect("threads")
        .block_on(async {
            let client = Client::connect(&bootstrap).await?;
            let producer = client.producer().build().await?;
            let value = "x".repeat(100_000);
            let record = Record::to("in").key("large").value(&value);
            let sent = producer.send(record.header("a", "b")).await?;
            sent.await
                .map(drop)
                .map_err(Box::<dyn std::error::Error>::from)
        })
        .expect("written");
    let config = Config::new("copier-large", QUICK);
    let addresses = cluster.addresses().join(",");
    let arguments = arguments(&addresses, &config, "in", "out");
    done(&Program::start(&arguments).wait(), 11);
    exactly_copied(&cluster, "in", "out");
}

#[test]
fn a_limit_is_kept_to_the_record() {
    let cluster = ready(2, 200);
    let config = Config::new("copier-limit", QUICK);
    let addresses = cluster.addresses().join(",");
    let mut arguments = arguments(&addresses, &config, "in", "out");
    arguments.extend(["--transaction-size", "40", "--max-messages", "70"]);
    done(&Program::start(&arguments).wait(), 70);
    assert_eq!(committed(&cluster, "out", 0).len(), 70);
    arguments.truncate(arguments.len() - 2);
    arguments.extend(["--max-messages", "-1"]);
    done(&Program::start(&arguments).wait(), 130);
    exactly_copied(&cluster, "in", "out");
}

#[test]
fn an_outage_of_all_brokers_is_waited_for() {
    let cluster = ready(2, 1_500);
    let config = Config::new("copier-outage", QUICK);
    let addresses = cluster.addresses().join(",");
    let mut arguments = arguments(&addresses, &config, "in", "out");
    arguments.extend(["--transaction-size", "30"]);
    let program = Program::start(&arguments);
    eventually("a commit", || {
        (program.count(|line| number(line, "totalProcessed") > 0) > 0).then_some(())
    });
    outage(&cluster, true);
    pause(1_500);
    outage(&cluster, false);
    let ended = program.wait();
    done(&ended, 1_500);
    exactly_copied(&cluster, "in", "out");
    let silence = ended.times.windows(2).map(|pair| pair[1] - pair[0]).max();
    let silence = silence.expect("lines");
    assert!(
        silence < Duration::from_millis(900),
        "silent for {silence:?}"
    );
}
