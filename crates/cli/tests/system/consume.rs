//! `milena consume`.

use milena::{Client, Record};
use milena_testbroker::relay::ApiKey;
use milena_testbroker::{Action, Rule, TestBroker};
use serde_json::{Value, json};

use crate::support::*;

/// What the program has written, by partition.
fn read(cluster: &TestBroker, topic: &str, isolation: &str, name: &str) -> Vec<Value> {
    let out = scratch(name);
    let ended = Program::start(&[
        "consume",
        "--bootstrap-server",
        &cluster.addresses().join(","),
        "--topic",
        topic,
        "--isolation-level",
        isolation,
        "--output",
        out.to_str().expect("UTF-8"),
    ])
    .wait();
    assert_eq!(ended.status.code(), Some(0), "{}", ended.stderr);
    assert!(ended.lines.is_empty(), "standard output stays empty");
    let written = std::fs::read_to_string(&out).expect("it is there");
    let _ = std::fs::remove_file(&out);
    assert!(written.is_empty() || written.ends_with('\n'));
    written
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect()
}

async fn write(bootstrap: &str) -> Result<(), Box<dyn std::error::Error>> {
    let client = Client::connect(bootstrap).await?;
    let producer = client.producer().build().await?;
    let to = || Record::to("odd").partition(1);
    let records = [
        to().timestamp(5),
        to().key("").value("").timestamp(6).header("a", ""),
        to().key("k").value(&[0, 255]).timestamp(7),
        to().value("v")
            .timestamp(8)
            .header("b", "1")
            .header("a", None::<&[u8]>)
            .header("b", "1"),
    ];
    for record in records {
        let _later = producer.send(record).await?;
    }
    producer.flush().await?;
    let mut payments = client.transactional_producer("odd-1").build().await?;
    for commit in [true, false] {
        let transaction = payments.begin().await?;
        let record = Record::to("odd").partition(2).value("t").timestamp(9);
        transaction.send(record).await?.await?;
        if commit {
            transaction.commit().await?;
        } else {
            transaction.abort().await?;
        }
    }
    Ok(())
}

#[test]
fn each_record_is_written_as_it_is_and_the_end_may_be_markers() {
    let cluster = cluster(2);
    create(&cluster, "odd", 4);
    tokio::runtime::Runtime::new()
        .expect("threads")
        .block_on(write(&cluster.bootstrap()))
        .expect("written");
    cluster.with(|broker| {
        [
            (Rule::on(ApiKey::LIST_OFFSETS).nth(1), Action::ApplyThenDrop),
            (Rule::on(ApiKey::FETCH).nth(2), Action::ApplyThenDrop),
            (Rule::on(ApiKey::METADATA).nth(1), Action::DropBeforeApply),
        ]
        .map(|(rule, action)| broker.faults().add(rule, action))
    });
    let object = |partition: i32, offset: i64, timestamp: i64, key: Value, value: Value| {
        json!({"topic": "odd", "partition": partition, "offset": offset, "timestamp": timestamp,
               "key": key, "value": value, "headers": []})
    };
    let mut expected = vec![
        object(1, 0, 5, Value::Null, Value::Null),
        object(1, 1, 6, json!(""), json!("")),
        object(1, 2, 7, json!("aw=="), json!("AP8=")),
        object(1, 3, 8, Value::Null, json!("dg==")),
        object(2, 0, 9, Value::Null, json!("dA==")),
    ];
    expected[1]["headers"] = json!([["a", ""]]);
    expected[3]["headers"] = json!([["b", "MQ=="], ["a", null], ["b", "MQ=="]]);
    let sorted = |mut records: Vec<Value>| {
        records.sort_by_key(|record| (number(record, "partition"), number(record, "offset")));
        records
    };
    let seen = read(&cluster, "odd", "read_committed", "odd-committed");
    assert_eq!(sorted(seen), expected);
    all_fired(&cluster);
    // What was aborted has an offset, and the marker before it, too.
    expected.push(object(2, 2, 9, Value::Null, json!("dA==")));
    let seen = read(&cluster, "odd", "read_uncommitted", "odd-all");
    assert_eq!(sorted(seen), expected);
}

#[test]
fn a_topic_without_records_gives_an_empty_file() {
    let cluster = cluster(2);
    create(&cluster, "nothing", 3);
    assert!(read(&cluster, "nothing", "read_committed", "nothing").is_empty());
}

#[test]
fn a_large_topic_is_read_whole_and_in_order_while_connections_break() {
    let cluster = cluster(2);
    create(&cluster, "numbers", 3);
    fill(&cluster, "numbers", 20_000);
    let rule = cluster.with(|broker| {
        let fetches = Rule::on(ApiKey::FETCH).after(3, 6);
        broker.faults().add(fetches, Action::CutAnswer(1_000))
    });
    let records = read(&cluster, "numbers", "read_uncommitted", "numbers");
    assert!(cluster.with(|broker| broker.faults().fired(rule)) > 0);
    for partition in 0..3 {
        let offsets: Vec<i64> = records
            .iter()
            .filter(|record| number(record, "partition") == partition)
            .map(|record| number(record, "offset"))
            .collect();
        let partition = i32::try_from(partition).expect("small");
        let expected = committed(&cluster, "numbers", partition).len();
        assert_eq!(
            offsets,
            (0..i64::try_from(expected).expect("few")).collect::<Vec<_>>()
        );
    }
    assert_eq!(records.len(), 20_000);
}

#[test]
fn what_is_not_stable_at_the_start_is_not_read() {
    let cluster = cluster(2);
    create(&cluster, "odd", 4);
    let bootstrap = cluster.bootstrap();
    let runtime = tokio::runtime::Runtime::new().expect("threads");
    runtime.block_on(async {
        let client = Client::connect(&bootstrap).await.expect("it is there");
        let mut open = client
            .transactional_producer("open")
            .build()
            .await
            .expect("it is there");
        let transaction = open.begin().await.expect("begun");
        let record = Record::to("odd").partition(0).value("open");
        let sent = transaction.send(record).await.expect("accepted");
        sent.await.expect("written");
        let seen = tokio::task::block_in_place(|| {
            (
                read(&cluster, "odd", "read_committed", "open-committed").len(),
                read(&cluster, "odd", "read_uncommitted", "open-all").len(),
            )
        });
        assert_eq!(seen, (0, 1));
        drop(transaction);
    });
}

#[test]
fn started_in_an_outage_it_reads_when_the_cluster_is_back() {
    let cluster = cluster(2);
    create(&cluster, "numbers", 2);
    fill(&cluster, "numbers", 100);
    outage(&cluster, true);
    let out = scratch("outage");
    let program = Program::start(&[
        "consume",
        "--bootstrap-server",
        &cluster.addresses().join(","),
        "--topic",
        "numbers",
        "--output",
        out.to_str().expect("UTF-8"),
    ]);
    pause(1_000);
    outage(&cluster, false);
    let ended = program.wait();
    assert_eq!(ended.status.code(), Some(0), "{}", ended.stderr);
    let written = std::fs::read_to_string(&out).expect("it is there");
    let _ = std::fs::remove_file(&out);
    assert_eq!(written.lines().count(), 100);
}
