//! Faults over real sockets, and what a cluster says when its test ends.
#![cfg(feature = "tcp")]
#![expect(clippy::unwrap_used, reason = "a test fails where it finds nothing")]

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use milena_testbroker::{Action, ApiKey, Rule, TestBroker};
use milena_wire::messages::ApiVersionsRequest;
use milena_wire::{ApiVersion, CorrelationId, encode_request};

fn cluster() -> TestBroker {
    TestBroker::builder().start().unwrap()
}

fn add(cluster: &TestBroker, action: Action) {
    cluster.with(|broker| broker.faults().add(Rule::on(ApiKey::API_VERSIONS), action));
}

fn connect(cluster: &TestBroker) -> TcpStream {
    let stream = TcpStream::connect(cluster.bootstrap()).unwrap();
    let patience = Some(Duration::from_secs(10));
    stream.set_read_timeout(patience).unwrap();
    stream
}

fn send(stream: &mut TcpStream) {
    let request = ApiVersionsRequest::default();
    let frame = encode_request(&request, ApiVersion(0), CorrelationId(1), None).unwrap();
    stream.write_all(&frame.to_bytes()).unwrap();
}

/// The length of the next answer, which is read.
fn receive(stream: &mut TcpStream) -> std::io::Result<usize> {
    let mut prefix = [0; 4];
    stream.read_exact(&mut prefix)?;
    let mut frame = vec![0; u32::from_be_bytes(prefix) as usize];
    stream.read_exact(&mut frame)?;
    Ok(frame.len())
}

#[test]
fn a_half_closed_connection_ends_for_reading_and_takes_what_is_written() {
    let cluster = cluster();
    add(&cluster, Action::HalfClose);
    let mut stream = connect(&cluster);
    send(&mut stream);
    assert!(receive(&mut stream).unwrap() > 100);
    assert_eq!(stream.read(&mut [0]).unwrap(), 0, "the end of the stream");
    send(&mut stream);
    let twice = cluster.wait_for(Duration::from_secs(10), |broker| {
        (broker.history().applied(ApiKey::API_VERSIONS) == 2).then_some(())
    });
    assert!(twice.is_some(), "it is still read and applied");
}

#[test]
fn a_slow_answer_arrives_piece_by_piece() {
    let cluster = cluster();
    add(&cluster, Action::SlowAnswer(5_000));
    let mut stream = connect(&cluster);
    send(&mut stream);
    let mut first = [0; 4_096];
    let piece = stream.read(&mut first).unwrap();
    assert!((1..=100).contains(&piece), "{piece}");
    let length = u32::from_be_bytes(first[..4].try_into().unwrap()) as usize + 4;
    let mut rest = vec![0; length - piece];
    stream.read_exact(&mut rest).unwrap();
}

#[test]
fn a_cut_request_breaks_its_connection() {
    let cluster = cluster();
    add(&cluster, Action::CutRequest(8));
    let mut stream = connect(&cluster);
    send(&mut stream);
    match receive(&mut stream) {
        Ok(length) => panic!("an answer of {length} bytes"),
        Err(error) => assert!(
            [ErrorKind::UnexpectedEof, ErrorKind::ConnectionReset].contains(&error.kind()),
            "{error}"
        ),
    }
}

#[test]
fn a_node_that_stops_at_a_request_can_be_connected_to_again() {
    let cluster = cluster();
    add(
        &cluster,
        Action::StopNode {
            apply: false,
            crash: None,
            restart: Some(Duration::from_millis(30)),
        },
    );
    let mut stream = connect(&cluster);
    send(&mut stream);
    assert!(receive(&mut stream).is_err());
    let up = cluster.wait_for(Duration::from_secs(10), |broker| {
        broker.nodes()[0].up.then_some(())
    });
    assert!(up.is_some());
    let again = (0..200).find_map(|_| {
        let stream = TcpStream::connect(cluster.bootstrap()).ok();
        stream.or_else(|| {
            let looked = cluster.wait_for(Duration::from_millis(10), |_| None::<()>);
            assert!(looked.is_none());
            None
        })
    });
    send(&mut again.expect("it listens again"));
}

fn message_of(end: impl FnOnce()) -> String {
    let panic = catch_unwind(AssertUnwindSafe(end)).unwrap_err();
    *panic.downcast::<String>().expect("a message")
}

#[test]
fn a_client_that_reads_nothing_is_disconnected_all_the_same() {
    let cluster = cluster();
    let mut stream = connect(&cluster);
    stream.set_nonblocking(true).unwrap();
    let request = ApiVersionsRequest::default();
    let frame = encode_request(&request, ApiVersion(0), CorrelationId(1), None).unwrap();
    let frames = frame.to_bytes().repeat(1_000);
    // Until neither its requests nor the answers have room, and nothing moves for a while.
    let (mut idle, mut at) = (0, 0);
    while idle < 20 {
        match stream.write(&frames[at..]) {
            Ok(written) => {
                idle = 0;
                at = (at + written) % frames.len();
            }
            Err(_) => {
                idle += 1;
                assert!(
                    cluster
                        .wait_for(Duration::from_millis(20), |_| None::<()>)
                        .is_none()
                );
            }
        }
    }
    let open = cluster.with(|broker| broker.connections());
    assert_eq!(open, 1, "it waits");
    cluster.with(|broker| broker.disconnect_clients(1));
    let gone = (0..500).any(|_| {
        let waited = cluster.wait_for(Duration::from_millis(20), |_| None::<()>);
        assert!(waited.is_none());
        let written = stream.write(&frames[at..]);
        written.is_err_and(|error| error.kind() != ErrorKind::WouldBlock)
    });
    assert!(gone, "the connection is still there");
}

#[test]
fn a_look_within_a_look_is_refused_in_a_sentence() {
    let cluster = cluster();
    for within_a_wait in [false, true] {
        let panic = catch_unwind(AssertUnwindSafe(|| {
            cluster.with(|_| match within_a_wait {
                false => cluster.with(|_| ()),
                true => drop(cluster.wait_for(Duration::ZERO, |_| Some(()))),
            });
        }));
        let panic = panic.unwrap_err();
        let message = panic.downcast_ref::<&str>().expect("a sentence");
        assert!(message.contains("within another"), "{message}");
    }
    let nodes = cluster.with(|broker| broker.nodes().len());
    assert_eq!(nodes, 1, "the cluster is whole");
    let other = TestBroker::builder().start().unwrap();
    cluster.with(|_| other.with(|_| ()));
}

#[test]
fn a_cluster_whose_fault_did_not_happen_fails_its_test() {
    let cluster = cluster();
    add(&cluster, Action::ApplyThenDrop);
    let message = message_of(|| drop(cluster));
    assert!(message.contains("never happened"), "{message}");
    assert!(
        message.contains("returned early with an error"),
        "a test that ends by `?` shows nothing else: {message}"
    );
    assert!(message.contains("ApiVersions, the first"), "{message}");
}

#[test]
fn a_failed_test_is_told_its_own_failure_and_not_the_idle_fault() {
    let message = message_of(|| {
        let cluster = cluster();
        add(&cluster, Action::ApplyThenDrop);
        let number = cluster.addresses().len();
        panic!("{number} is not enough");
    });
    assert_eq!(message, "1 is not enough");
}
