//! The TCP front: real sockets, real time.
#![cfg(feature = "tcp")]
#![expect(clippy::unwrap_used, reason = "a test fails where it finds nothing")]
#![expect(clippy::disallowed_methods, reason = "the front is about real time")]

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use bytes::Bytes;
use milena_testbroker::{Action, HoldId, Rule, TestBroker, TestBrokerBuilder};
use milena_wire::messages::{
    FetchPartition, FetchRequest, FetchTopic, MetadataRequest, PartitionProduceData,
    ProduceRequest, TopicProduceData,
};
use milena_wire::record::{BatchBuilder, RecordFields, Stamp};
use milena_wire::{
    ApiKey, ApiVersion, CorrelationId, ErrorCode, Payload, Request, decode_response, encode_request,
};

const PATIENCE: Duration = Duration::from_secs(10);
/// Asked for a megabyte each: more than the buffers of any system between the two ends hold.
const REQUESTS: usize = 200;

fn connect(address: &str) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

fn send<R: Request>(stream: &mut TcpStream, version: i16, request: &R) {
    let frame = encode_request(request, ApiVersion(version), CorrelationId(1), None).unwrap();
    stream.write_all(&frame.to_bytes()).unwrap();
}

fn receive(stream: &mut TcpStream) -> std::io::Result<Bytes> {
    let mut prefix = [0; 4];
    stream.read_exact(&mut prefix)?;
    let mut frame = vec![0; u32::from_be_bytes(prefix) as usize];
    stream.read_exact(&mut frame)?;
    Ok(frame.into())
}

fn ask<R: Request, T>(
    stream: &mut TcpStream,
    version: i16,
    request: &R,
    read: impl for<'a> FnOnce(R::Response<'a>) -> T,
) -> T {
    send(stream, version, request);
    let frame = receive(stream).unwrap();
    read(decode_response(&frame, ApiVersion(version)).unwrap())
}

fn produce(value: &[u8]) -> ProduceRequest<'static> {
    let mut builder = BatchBuilder::new();
    builder.append(&RecordFields {
        timestamp: 1,
        key: None,
        value: Some(value),
        headers: &[],
    });
    let records = builder.finish().seal().stamp(&Stamp::NONE);
    ProduceRequest {
        acks: -1,
        topic_data: vec![TopicProduceData {
            name: "t",
            partition_data: vec![PartitionProduceData {
                index: 0,
                records: Some(records),
            }],
            ..Default::default()
        }],
        ..Default::default()
    }
}

fn fetch(max_wait_ms: i32) -> FetchRequest<'static> {
    FetchRequest {
        replica_id: -1,
        max_wait_ms,
        min_bytes: 1,
        max_bytes: i32::MAX,
        topics: vec![FetchTopic {
            topic: "t",
            partitions: vec![FetchPartition {
                partition_max_bytes: i32::MAX,
                current_leader_epoch: -1,
                ..Default::default()
            }],
            ..Default::default()
        }],
        ..Default::default()
    }
}

fn bytes_of(response: &milena_wire::messages::FetchResponse<'_>) -> usize {
    response.responses[0].partitions[0]
        .records
        .as_ref()
        .map_or(0, Payload::len)
}

#[test]
fn a_cluster_starts_fast_and_every_node_answers() {
    let before = Instant::now();
    let cluster = TestBroker::builder().nodes(3).start().unwrap();
    assert!(
        before.elapsed() < Duration::from_millis(500),
        "{:?}",
        before.elapsed()
    );
    let addresses: Vec<String> = cluster.addresses().to_vec();
    assert_eq!(addresses[0], cluster.bootstrap());
    for address in &addresses {
        let nodes = ask(
            &mut connect(address),
            9,
            &MetadataRequest::default(),
            |response| {
                let nodes = response.brokers.iter();
                nodes
                    .map(|node| format!("{}:{}", node.host, node.port))
                    .collect::<Vec<_>>()
            },
        );
        assert_eq!(nodes, addresses);
    }
}

#[test]
fn a_large_record_goes_in_and_comes_out() {
    let cluster = TestBroker::builder()
        .config(|config| config.message_bytes_max = 64 << 20)
        .start()
        .unwrap();
    cluster.with(|broker| broker.create_topic("t", 1));
    let mut stream = connect(&cluster.bootstrap());
    let request = produce(&vec![7; 32 << 20]);
    let code = ask(&mut stream, 9, &request, |response| {
        response.responses[0].partition_responses[0].error_code
    });
    assert_eq!(code, ErrorCode::NONE);
    assert!(ask(&mut stream, 11, &fetch(0), |response| bytes_of(&response)) > 32 << 20);
}

#[test]
fn a_client_that_asks_on_before_it_reads_gets_every_answer() {
    let cluster = TestBroker::builder().start().unwrap();
    cluster.with(|broker| broker.create_topic("t", 1));
    let mut stream = connect(&cluster.bootstrap());
    ask(&mut stream, 9, &produce(&vec![7; 1_000_000]), |_| ());
    for _ in 0..REQUESTS {
        send(&mut stream, 11, &fetch(0));
    }
    std::thread::sleep(Duration::from_millis(50));
    let served = cluster.with(|broker| broker.history().applied(ApiKey::FETCH));
    assert!(served < REQUESTS, "answers wait for their reader");
    for _ in 0..REQUESTS {
        assert!(receive(&mut stream).unwrap().len() > 1_000_000);
    }
}

#[test]
fn a_long_poll_ends_with_a_write_or_with_its_time() {
    let cluster = TestBroker::builder().start().unwrap();
    cluster.with(|broker| broker.create_topic("t", 1));
    let mut poller = connect(&cluster.bootstrap());
    let before = Instant::now();
    assert_eq!(
        ask(&mut poller, 11, &fetch(100), |response| bytes_of(&response)),
        0
    );
    assert!(before.elapsed() >= Duration::from_millis(100));
    send(&mut poller, 11, &fetch(60_000));
    ask(
        &mut connect(&cluster.bootstrap()),
        9,
        &produce(b"a"),
        |_| (),
    );
    receive(&mut poller).unwrap();
    assert!(before.elapsed() < PATIENCE);
}

#[test]
fn a_barrier_falls_when_a_test_releases_it() {
    let cluster = TestBroker::builder().start().unwrap();
    let hold = HoldId(1);
    cluster.with(|broker| {
        broker.create_topic("t", 1);
        broker
            .faults()
            .add(Rule::on(ApiKey::PRODUCE), Action::HoldAnswer(hold))
    });
    let mut stream = connect(&cluster.bootstrap());
    send(&mut stream, 9, &produce(b"a"));
    let held = cluster.wait_for(PATIENCE, |broker| (broker.held(hold) == 1).then_some(()));
    assert_eq!(held, Some(()));
    assert_eq!(
        cluster.with(|broker| broker.log("t", 0).unwrap().high_watermark()),
        1
    );
    cluster.with(|broker| broker.release(hold));
    receive(&mut stream).unwrap();
}

#[test]
fn a_stopped_node_refuses_and_comes_back_on_its_port() {
    let cluster = TestBroker::builder().nodes(2).start().unwrap();
    let address = cluster.addresses()[1].clone();
    let mut stream = connect(&address);
    cluster.with(|broker| broker.stop_node(2));
    assert!(receive(&mut stream).is_err(), "its connections are closed");
    let until = Instant::now() + PATIENCE;
    loop {
        match TcpStream::connect(&address) {
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
                break;
            }
            Ok(_) => assert!(Instant::now() < until, "the port is still open"),
        }
    }
    cluster.with(|broker| broker.start_node(2));
    let mut stream = loop {
        match TcpStream::connect(&address) {
            Ok(stream) => break stream,
            Err(error) => assert!(Instant::now() < until, "{error}"),
        }
    };
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let nodes = ask(&mut stream, 9, &MetadataRequest::default(), |response| {
        response.brokers.len()
    });
    assert_eq!(nodes, 2);
}

#[test]
fn bad_bytes_close_their_connection_only() {
    let cluster = TestBroker::builder().start().unwrap();
    let mut good = connect(&cluster.bootstrap());
    let mut bad = connect(&cluster.bootstrap());
    bad.write_all(&[0xff; 64]).unwrap();
    assert!(receive(&mut bad).is_err());
    ask(&mut good, 9, &MetadataRequest::default(), |_| ());
}

#[test]
fn a_client_that_leaves_is_forgotten() {
    let cluster = TestBroker::builder()
        .config(|config| config.connections_max = 1)
        .start()
        .unwrap();
    let address = cluster.bootstrap();
    let mut first = connect(&address);
    ask(&mut first, 9, &MetadataRequest::default(), |_| ());
    assert!(receive(&mut connect(&address)).is_err(), "one too many");
    drop(first);
    let until = Instant::now() + PATIENCE;
    loop {
        let mut next = connect(&address);
        send(&mut next, 9, &MetadataRequest::default());
        if receive(&mut next).is_ok() {
            break;
        }
        assert!(Instant::now() < until, "the place is never free again");
    }
}

#[test]
fn a_dropped_cluster_closes_everything() {
    let cluster = TestBroker::builder().start().unwrap();
    let address = cluster.bootstrap();
    let mut stream = connect(&address);
    drop(cluster);
    assert!(receive(&mut stream).is_err());
    assert!(TcpStream::connect(&address).is_err());
}

#[test]
fn many_clients_write_at_once() {
    let cluster = TestBroker::builder().start().unwrap();
    cluster.with(|broker| broker.create_topic("t", 1));
    let address = cluster.bootstrap();
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                let mut stream = connect(&address);
                for _ in 0..200 {
                    ask(&mut stream, 9, &produce(b"a"), |_| ());
                }
            });
        }
    });
    assert_eq!(
        cluster.with(|broker| broker.log("t", 0).unwrap().high_watermark()),
        1_600
    );
}

#[test]
fn a_long_poll_behind_a_large_answer_ends_in_time() {
    let cluster = TestBroker::builder().start().unwrap();
    cluster.with(|broker| broker.create_topic("t", 1));
    let mut stream = connect(&cluster.bootstrap());
    ask(&mut stream, 9, &produce(&vec![7; 900_000]), |_| ());
    // The second is looked at when the answer to the first has been written, not when it comes.
    let mut at_the_end = fetch(100);
    at_the_end.topics[0].partitions[0].fetch_offset = 1;
    let mut both = Vec::new();
    for request in [fetch(0), at_the_end] {
        let frame = encode_request(&request, ApiVersion(4), CorrelationId(1), None).unwrap();
        both.extend_from_slice(&frame.to_bytes());
    }
    stream.write_all(&both).unwrap();
    assert!(receive(&mut stream).unwrap().len() > 900_000);
    receive(&mut stream).expect("nothing comes in 100 ms, and that is the answer");
}

#[test]
fn what_wait_for_changes_takes_effect_at_once() {
    let cluster = TestBroker::builder().start().unwrap();
    let hold = HoldId(1);
    let rule = Rule::on(ApiKey::METADATA);
    cluster.with(|broker| broker.faults().add(rule, Action::HoldRequest(hold)));
    let mut stream = connect(&cluster.bootstrap());
    send(&mut stream, 9, &MetadataRequest::default());
    let released = cluster.wait_for(PATIENCE, |broker| {
        (broker.held(hold) == 1).then(|| broker.release(hold))
    });
    assert_eq!(released, Some(1));
    receive(&mut stream).expect("it is held no more");
}

#[tokio::test]
async fn a_cluster_that_cannot_start_says_so_within_a_runtime_too() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let kind = |builder: TestBrokerBuilder| builder.start().map(drop).unwrap_err().kind();
    let builder = TestBroker::builder;
    assert_eq!(kind(builder().port(port)), ErrorKind::AddrInUse);
    assert_eq!(
        kind(builder().topic("a b", 1, None)),
        ErrorKind::InvalidInput
    );
}

#[test]
fn ports_above_the_last_one_are_refused_by_name() {
    let refused = TestBroker::builder().port(65_534).nodes(3).start();
    let error = refused.map(drop).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    assert!(error.to_string().contains("above 65535"), "{error}");
    let refused = TestBroker::builder().default_partitions(-1).start();
    let error = refused.map(drop).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
}
