//! Runs the program itself: what it prints, how it ends, and what it leaves behind.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::process::{Child, Command, Output, Stdio};
use std::thread;
use std::time::Duration;

use milena::ErrorCode;
use milena_testbroker::relay::ApiKey;
use milena_testbroker::{Action, PartitionLog, Rule, TestBroker, TransactionState};
use serde_json::Value;
use tokio::time::Instant;

/// Within this time wrong input must be answered.
const ANSWERED_WITHIN: Duration = Duration::from_secs(15);

fn milena(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_milena"));
    command.args(arguments);
    command
}

fn run(arguments: &[&str]) -> Output {
    milena(arguments).output().expect("the program starts")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("it prints UTF-8")
}

#[expect(
    clippy::disallowed_methods,
    reason = "nothing of ours runs in this process; the program is waited for"
)]
fn pause() {
    thread::sleep(Duration::from_millis(20));
}

/// Runs a demo that must succeed; returns its JSON, raw and parsed.
fn succeed(arguments: &[&str]) -> (String, Value) {
    let output = run(arguments);
    let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(0), "{stdout}\n{stderr}");
    assert_eq!(stderr, "", "a success says nothing on stderr");
    assert_eq!(stdout.lines().count(), 1, "one object: {stdout}");
    let parsed = serde_json::from_str(&stdout).expect("it is JSON");
    (stdout, parsed)
}

/// Runs what must be refused, and returns the one sentence.
fn refused(arguments: &[&str]) -> String {
    let started = Instant::now();
    let output = run(arguments);
    let took = started.elapsed();
    let stderr = text(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{stderr}");
    assert_eq!(text(&output.stdout), "");
    assert_eq!(stderr.lines().count(), 1, "one sentence: {stderr}");
    assert!(stderr.starts_with("milena: "), "{stderr}");
    assert!(took < ANSWERED_WITHIN, "it took {took:?}");
    stderr
}

fn number(json: &Value, key: &str) -> u64 {
    json[key]
        .as_u64()
        .unwrap_or_else(|| panic!("{key} is a number in {json}"))
}

fn exactly_once(json: &Value, payments: u64) {
    assert_eq!(number(json, "payments"), payments);
    assert_eq!(number(json, "applied") + number(json, "refused"), payments);
    assert_eq!(number(json, "ledger_records"), 2 * number(json, "applied"));
    for key in ["lost", "doubled", "torn"] {
        assert_eq!(number(json, key), 0, "{key}");
    }
    assert_eq!(json["balanced"], true);
    assert!(number(json, "fenced") >= 1);
    assert!(number(json, "committed") >= 100, "{json}");
    assert!(number(json, "aborted") >= 4, "{json}");
    assert!(
        number(json, "hidden_records") > 0,
        "aborted records were in the log"
    );
    assert!(json["commit_ms"]["p50"].as_f64() > Some(0.0));
    assert!(json["commit_ms"]["p99"].as_f64() >= json["commit_ms"]["p50"].as_f64());
    assert!(json["records_per_second"].as_f64() > Some(0.0));
}

#[test]
fn the_demo_moves_every_payment_exactly_once_through_every_kind_of_fault() {
    let (raw, json) = succeed(&["demo", "--payments", "2000", "--seed", "3", "--json"]);
    exactly_once(&json, 2_000);
    let faults = &json["faults"];
    for kind in [
        "connection_cut",
        "answer_lost",
        "leader_moved",
        "coordinator_moved",
    ] {
        assert!(number(faults, kind) >= 10, "{kind}: {faults}");
    }
    assert!(number(faults, "pipeline_dropped") >= 3, "{faults}");
    assert_eq!(number(&json, "seed"), 3);

    let documented = [
        "payments",
        "refused",
        "committed",
        "aborted",
        "fenced",
        "faults",
        "lost",
        "doubled",
        "torn",
        "commit_ms",
        "records_per_second",
        "seed",
    ];
    let positions: Vec<_> = documented
        .iter()
        .map(|key| {
            raw.find(&format!("\"{key}\":"))
                .unwrap_or_else(|| panic!("no {key} in {raw}"))
        })
        .collect();
    assert!(
        positions.is_sorted(),
        "the documented keys come first, in their order: {raw}"
    );
}

#[test]
fn compressed_payments_move_exactly_once_as_well() {
    for codec in ["gzip", "snappy", "lz4", "zstd"] {
        let arguments = [
            "demo",
            "--payments",
            "300",
            "--json",
            "--compression",
            codec,
        ];
        let (_, json) = succeed(&arguments);
        for key in ["lost", "doubled", "torn"] {
            assert_eq!(number(&json, key), 0, "{codec}, {key}");
        }
        assert_eq!(json["balanced"], true);
    }
}

#[test]
fn away_from_a_terminal_there_is_one_table_and_no_bar() {
    let output = run(&["demo", "--payments", "400"]);
    let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(0), "{stdout}\n{stderr}");
    assert_eq!(stderr, "");
    for label in [
        "payments",
        "committed",
        "aborted",
        "fenced",
        "connections cut",
        "answers lost",
        "leaders moved",
        "coordinators moved",
        "pipelines dropped",
        "lost",
        "doubled",
        "torn",
        "commit latency",
        "records a second",
    ] {
        assert!(stdout.contains(label), "{label} is missing in\n{stdout}");
    }
    assert!(!stdout.contains('\u{1b}'), "no control sequences");
}

#[test]
fn on_a_users_cluster_the_faults_happen_on_the_way_and_the_topics_go_again() {
    let broker = TestBroker::builder().nodes(3).start().expect("a broker");
    let bootstrap = broker.bootstrap();
    let (_, json) = succeed(&[
        "demo",
        "--payments",
        "600",
        "--json",
        "--bootstrap",
        &bootstrap,
    ]);
    exactly_once(&json, 600);
    let faults = &json["faults"];
    assert!(number(faults, "connection_cut") >= 10, "{faults}");
    assert!(number(faults, "answer_lost") >= 10, "{faults}");
    assert!(number(faults, "pipeline_dropped") >= 3, "{faults}");
    assert_eq!(
        number(faults, "leader_moved"),
        0,
        "a cluster of others is left alone"
    );
    assert_eq!(number(faults, "coordinator_moved"), 0);
    for topic in json["topics"].as_array().expect("three topics") {
        let topic = topic.as_str().expect("a name");
        assert!(!has_topic(&broker, topic), "{topic} stayed");
    }
}

#[test]
fn topics_that_are_to_be_kept_stay() {
    let broker = TestBroker::builder().nodes(1).start().expect("a broker");
    let arguments = [
        "demo",
        "--payments",
        "400",
        "--json",
        "--keep-topics",
        "--bootstrap",
    ];
    let bootstrap = broker.bootstrap();
    let (_, json) = succeed(&[&arguments[..], &[bootstrap.as_str()]].concat());
    let ledger = json["topics"][1].as_str().expect("a name");
    assert!(ledger.starts_with("ledger-"), "{ledger}");
    assert!(has_topic(&broker, ledger));
}

fn has_topic(broker: &TestBroker, topic: &str) -> bool {
    broker.with(|broker| broker.topics().any(|(name, _)| name == topic))
}

#[test]
fn arguments_that_make_no_sense_are_refused() {
    assert!(refused(&["demo", "--paymnets", "5000"]).contains("--payments"));
    assert!(refused(&["demo", "--payments", "3"]).contains("200"));
    assert!(refused(&["demo", "--bootstrap", "localhost"]).contains("HOST:PORT"));
    assert!(refused(&["demo", "--keep-topics"]).contains("--bootstrap"));
}

#[test]
fn a_port_where_nothing_listens_is_named() {
    let port = {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        listener.local_addr().expect("bound").port()
    };
    let address = format!("127.0.0.1:{port}");
    let sentence = refused(&["demo", "--bootstrap", &address]);
    assert!(
        sentence.contains(&address) && sentence.contains("no broker"),
        "{sentence}"
    );
}

#[test]
fn a_port_where_something_else_listens_is_named() {
    type Habit = fn(std::net::TcpStream);
    let habits: [Habit; 3] = [
        |mut stream| {
            let _ = stream.read(&mut [0; 512]);
            let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n");
        },
        drop,
        // Silent: reads for ever, never answers.
        |mut stream| while stream.read(&mut [0; 512]).is_ok_and(|read| read > 0) {},
    ];
    for habit in habits {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("bound").to_string();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                thread::spawn(move || habit(stream));
            }
        });
        let sentence = refused(&["demo", "--bootstrap", &address]);
        assert!(
            sentence.contains(&address) && sentence.contains("not answer like a Kafka broker"),
            "{sentence}"
        );
    }
}

#[test]
fn a_topic_that_cannot_be_created_is_named_and_the_others_are_removed() {
    let broker = TestBroker::builder().nodes(1).start().expect("a broker");
    broker.with(|broker| {
        let second = Rule::on(ApiKey::CREATE_TOPICS).nth(2);
        broker
            .faults()
            .add(second, Action::Error(ErrorCode::TOPIC_AUTHORIZATION_FAILED));
    });
    let sentence = refused(&["demo", "--bootstrap", &broker.bootstrap()]);
    assert!(
        sentence.contains("'ledger-") && sentence.contains("cannot be created"),
        "{sentence}"
    );
    broker.with(|broker| assert_eq!(broker.topics().count(), 0, "nothing is left behind"));
}

#[test]
fn a_reader_that_goes_away_is_no_panic() {
    let mut child = milena(&["demo", "--payments", "400", "--json"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    drop(child.stdout.take());
    let output = child.wait_with_output().expect("it ends");
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert_eq!(text(&output.stderr), "");
}

#[cfg(unix)]
#[test]
fn ctrl_c_aborts_the_open_transaction_and_says_so() {
    let broker = TestBroker::builder().nodes(3).start().expect("a broker");
    let mut child = milena(&[
        "demo",
        "--payments",
        "100000",
        "--bootstrap",
        &broker.bootstrap(),
    ])
    .stdout(Stdio::piped())
    .stderr(Stdio::piped())
    .spawn()
    .expect("the program starts");
    wait_for(&mut child, || written(&broker) > 500);
    let id = transactional_id(&broker);
    // Unanswered, the offsets hold the demo where a transaction is open for certain.
    broker.with(|broker| {
        let unanswered = Rule::on(ApiKey::TXN_OFFSET_COMMIT).always();
        broker.faults().add(unanswered, Action::Ignore);
    });
    wait_for(&mut child, || {
        state(&broker, &id) == Some(TransactionState::Ongoing)
    });
    pause();
    assert_eq!(state(&broker, &id), Some(TransactionState::Ongoing));

    let interrupted = Instant::now();
    let killed = Command::new("kill")
        .args(["-INT", &child.id().to_string()])
        .status();
    assert!(killed.expect("kill runs").success());
    let status = child.wait().expect("it ends");
    assert!(interrupted.elapsed() < Duration::from_secs(25));

    let mut stderr = BufReader::new(child.stderr.take().expect("piped")).lines();
    let sentence = stderr.next().expect("it says so").expect("UTF-8");
    assert_eq!(status.code(), Some(130), "{sentence}");
    assert!(
        sentence.contains("interrupted") && sentence.contains("is aborted"),
        "{sentence}"
    );
    let over = [TransactionState::CompleteAbort, TransactionState::Empty];
    assert!(
        state(&broker, &id).is_some_and(|state| over.contains(&state)),
        "{}",
        broker.with(|b| b.dump())
    );
    broker.with(|broker| assert_eq!(broker.topics().count(), 0, "the topics are removed"));
}

/// How many records of the ledger are in the logs, committed or not.
#[cfg(unix)]
fn written(broker: &TestBroker) -> i64 {
    broker.with(|broker| {
        let ledger: Vec<_> = broker
            .topics()
            .filter(|(name, _)| name.starts_with("ledger-"))
            .collect();
        let partitions = ledger
            .iter()
            .flat_map(|&(name, count)| (0..count).map(move |partition| (name, partition)));
        let logs = partitions.filter_map(|(name, partition)| broker.log(name, partition));
        logs.map(PartitionLog::high_watermark).sum()
    })
}

/// The demo's transactional id, which ends like its topics' names.
#[cfg(unix)]
fn transactional_id(broker: &TestBroker) -> String {
    broker.with(|broker| {
        let mut topics = broker.topics().map(|(name, _)| name);
        let ledger = topics.find(|name| name.starts_with("ledger-"));
        ledger
            .expect("it is there by now")
            .replace("ledger-", "milena-demo-")
    })
}

#[cfg(unix)]
fn state(broker: &TestBroker, id: &str) -> Option<TransactionState> {
    broker.with(|broker| broker.transaction_state(id).map(|view| view.state))
}

#[cfg(unix)]
fn wait_for(child: &mut Child, mut condition: impl FnMut() -> bool) {
    let started = Instant::now();
    while !condition() {
        assert!(
            started.elapsed() < Duration::from_secs(60),
            "it never came to that"
        );
        assert_eq!(child.try_wait().expect("a child"), None, "it ended before");
        pause();
    }
}
