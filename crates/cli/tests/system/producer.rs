//! `milena verifiable-producer`.

use std::process::Stdio;
use std::time::Duration;

use milena_testbroker::relay::ApiKey;
use milena_testbroker::{Action, Rule};
use tokio::time::Instant;

use crate::support::*;

const QUICK: &str = "linger.ms=1\nrequest.timeout.ms=700\nreconnect.backoff.max.ms=100\n";

fn succeeded(line: &serde_json::Value) -> bool {
    line["name"] == "producer_send_success"
}

/// The program on the topic `numbers`, with more flags.
fn start(cluster: &str, flags: &[&str]) -> Program {
    let fixed = [
        "verifiable-producer",
        "--bootstrap-server",
        cluster,
        "--topic",
        "numbers",
    ];
    Program::start(&[&fixed, flags].concat())
}

#[test]
fn every_record_has_one_line_and_its_true_offset_whatever_happens_to_requests() {
    let cluster = cluster(2);
    create(&cluster, "numbers", 3);
    cluster.with(|broker| {
        let produce = || Rule::on(ApiKey::PRODUCE);
        [
            (produce().after(3, 6), Action::ApplyThenDrop),
            (produce().after(12, 6), Action::DropBeforeApply),
            (
                produce().after(20, 3),
                Action::DropThenApply(Duration::from_millis(150)),
            ),
            (
                produce().after(25, 5),
                Action::Duplicate(Duration::from_millis(30)),
            ),
            (
                produce().after(32, 5),
                Action::DelayAnswer(Duration::from_millis(50)),
            ),
            (produce().after(40, 3), Action::CutAnswer(7)),
            (produce().after(45, 1), Action::ApplyThenIgnore),
        ]
        .map(|(rule, action)| broker.faults().add(rule, action))
    });
    let config = Config::new("faults", QUICK);
    let ended = Program::start(&[
        "verifiable-producer",
        "--throughput",
        "2000",
        "--bootstrap-server",
        &cluster.addresses().join(","),
        "--command-config",
        config.path(),
        "--topic",
        "numbers",
        "--acks",
        "-1",
        "--max-messages",
        "3000",
        "--value-prefix",
        "7",
        "--repeating-keys",
        "11",
    ])
    .wait();
    assert_eq!(ended.status.code(), Some(0), "{}", ended.stderr);
    assert_eq!(ended.lines[0]["name"], "startup_complete");
    let told = Told::check(&ended, &cluster, "numbers", 3);
    assert_eq!((told.succeeded.len(), told.failed.len()), (3000, 0));
    assert!(told.succeeded.contains_key("7.2999"));
    let known = told
        .succeeded
        .values()
        .filter(|(_, offset)| *offset >= 0)
        .count();
    assert!(known > 2000, "offsets are told: {known}");
    for line in ended.lines.iter().filter(|line| succeeded(line)) {
        let n: u64 = text(line, "value")[2..].parse().expect("a number");
        assert_eq!(text(line, "key"), (n % 11).to_string());
        assert!(number(line, "timestamp") > 1_600_000_000_000);
    }
    all_fired(&cluster);
}

#[test]
fn after_an_outage_longer_than_the_delivery_timeout_the_records_are_exact() {
    let cluster = cluster(2);
    create(&cluster, "numbers", 2);
    let config = Config::new(
        "outage",
        &format!("{QUICK}delivery.timeout.ms=800\nmax.block.ms=60000\nretries=3\nodd=1\n"),
    );
    let program = start(
        &cluster.bootstrap(),
        &[
            "--max-messages",
            "2400",
            "--throughput",
            "600",
            "--producer.config",
            config.path(),
        ],
    );
    eventually("some lines", || {
        (program.count(succeeded) > 200).then_some(())
    });
    outage(&cluster, true);
    eventually("errors", || {
        (program.count(|line| line["name"] == "producer_send_error") > 100).then_some(())
    });
    let before = program.count(succeeded);
    outage(&cluster, false);
    let ended = program.wait();
    assert_eq!(ended.status.code(), Some(0), "{}", ended.stderr);
    let told = Told::check(&ended, &cluster, "numbers", 2);
    assert_eq!(told.succeeded.len() + told.failed.len(), 2400);
    assert!(told.succeeded.len() > before + 100, "it went on");
    for word in ["retries", "odd"] {
        assert!(ended.stderr.contains(word), "{}", ended.stderr);
    }
    let error = ended
        .lines
        .iter()
        .find(|line| line["name"] == "producer_send_error")
        .expect("there were some");
    assert_eq!(
        error["exception"],
        "org.apache.kafka.common.errors.TimeoutException"
    );
    assert_eq!(error["key"], serde_json::Value::Null);
    assert_eq!(error["topic"], "numbers");
}

#[test]
fn asked_to_end_it_settles_what_is_under_way_and_says_goodbye() {
    let cluster = cluster(2);
    create(&cluster, "numbers", 2);
    let program = start(
        &cluster.bootstrap(),
        &["--max-messages", "-1", "--throughput", "-1"],
    );
    eventually("some lines", || {
        (program.count(succeeded) > 500).then_some(())
    });
    program.signal("TERM");
    let ended = program.wait();
    assert_eq!(ended.status.code(), Some(0), "{}", ended.stderr);
    let told = Told::check(&ended, &cluster, "numbers", 2);
    assert_eq!(told.failed, Vec::<String>::new());
    let last = told.succeeded.len() - 1;
    assert!(told.succeeded.contains_key(&last.to_string()), "no gaps");
}

#[test]
fn asked_to_end_with_every_broker_gone_it_ends_all_the_same() {
    let cluster = cluster(2);
    create(&cluster, "numbers", 2);
    let config = Config::new("gone", &format!("{QUICK}delivery.timeout.ms=1500\n"));
    let program = start(
        &cluster.bootstrap(),
        &["--throughput", "500", "--command-config", config.path()],
    );
    eventually("some lines", || {
        (program.count(succeeded) > 50).then_some(())
    });
    outage(&cluster, true);
    pause(300);
    program.signal("TERM");
    let ended = program.wait();
    assert_eq!(ended.status.code(), Some(0), "{}", ended.stderr);
    let told = Told::check(&ended, &cluster, "numbers", 2);
    assert!(!told.failed.is_empty(), "what was under way failed");
}

#[test]
fn started_in_an_outage_it_waits_for_the_cluster() {
    let cluster = cluster(2);
    create(&cluster, "numbers", 1);
    outage(&cluster, true);
    let config = Config::new("late", "max.block.ms=500\ndelivery.timeout.ms=1000\n");
    let program = start(
        &cluster.bootstrap(),
        &["--max-messages", "10", "--command-config", config.path()],
    );
    pause(2_000);
    outage(&cluster, false);
    let ended = program.wait();
    let told = Told::check(&ended, &cluster, "numbers", 1);
    assert_eq!((told.succeeded.len(), told.failed.len()), (10, 0));
}

#[test]
fn paused_and_woken_it_goes_on_exactly() {
    let cluster = cluster(2);
    create(&cluster, "numbers", 2);
    let config = Config::new("paused", QUICK);
    let program = start(
        &cluster.bootstrap(),
        &[
            "--max-messages",
            "1500",
            "--throughput",
            "1000",
            "--command-config",
            config.path(),
        ],
    );
    eventually("some lines", || {
        (program.count(succeeded) > 100).then_some(())
    });
    program.signal("STOP");
    pause(1_200);
    program.signal("CONT");
    let ended = program.wait();
    let told = Told::check(&ended, &cluster, "numbers", 2);
    assert_eq!((told.succeeded.len(), told.failed.len()), (1500, 0));
}

#[test]
fn nobody_reading_its_lines_ends_it_without_a_panic() {
    let cluster = cluster(2);
    create(&cluster, "numbers", 1);
    let mut child = milena(&["verifiable-producer", "--topic", "numbers"])
        .args(["--bootstrap-server", &cluster.bootstrap()])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it starts");
    drop(child.stdout.take());
    let started = Instant::now();
    let output = child.wait_with_output().expect("it ends");
    assert!(started.elapsed() < LONG);
    assert_eq!(output.status.code(), Some(1));
    let stderr = String::from_utf8(output.stderr).expect("UTF-8");
    assert!(
        stderr.contains("standard output") && !stderr.contains("panic"),
        "{stderr}"
    );
}

#[test]
fn create_times_begin_where_they_are_told_to() {
    let cluster = cluster(2);
    create(&cluster, "numbers", 1);
    let ended = start(
        &cluster.bootstrap(),
        &["--max-messages", "5", "--message-create-time", "1000000"],
    )
    .wait();
    assert_eq!(ended.status.code(), Some(0), "{}", ended.stderr);
    let times: Vec<i64> = committed(&cluster, "numbers", 0)
        .iter()
        .map(|record| record.timestamp)
        .collect();
    assert!(times.is_sorted() && times.len() == 5, "{times:?}");
    assert!((1_000_000..1_030_000).contains(&times[0]), "{times:?}");
}
