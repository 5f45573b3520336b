//! Runs `milena broker` as the driver of another language's tests does.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, ChildStdin, ChildStdout, Command, Output, Stdio};
use std::time::Duration;

use bytes::Bytes;
use milena_wire::messages::{
    ApiVersionsRequest, MetadataRequest, MetadataRequestTopic, MetadataResponse,
    SaslHandshakeRequest, SaslHandshakeResponse,
};
use milena_wire::{
    ApiKey, ApiVersion, CorrelationId, ErrorCode, Request, decode_response, encode_request,
};
use tokio::time::Instant;

/// Within this time a debug build, on a machine with other work, is up and a wrong line is answered.
const SOON: Duration = Duration::from_secs(5);

struct Broker {
    child: Child,
    stdin: Option<ChildStdin>,
    stdout: BufReader<ChildStdout>,
    addresses: Vec<String>,
    /// From before it was executed to its line.
    started_in: Duration,
}

fn milena(line: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_milena"));
    command.arg("broker").args(line.split_whitespace());
    command
}

impl Broker {
    fn start(line: &str) -> Self {
        Self::spawn(milena(line))
    }

    fn spawn(mut command: Command) -> Self {
        let before = Instant::now();
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let mut stdout = BufReader::new(child.stdout.take().expect("piped"));
        let mut first = String::new();
        stdout.read_line(&mut first).expect("it prints UTF-8");
        let started_in = before.elapsed();
        Self {
            stdin: child.stdin.take(),
            child,
            stdout,
            addresses: first.trim_end().split(',').map(str::to_owned).collect(),
            started_in,
        }
    }

    fn metadata<T>(&self, topics: &[&str], look: impl FnOnce(MetadataResponse<'_>) -> T) -> T {
        let topics = topics.iter().map(|name| MetadataRequestTopic {
            name: Some(name),
            ..Default::default()
        });
        let request = MetadataRequest {
            topics: Some(topics.collect()),
            allow_auto_topic_creation: true,
            ..Default::default()
        };
        let frame = ask(&self.addresses[0], 9, &request);
        look(decode_response(&frame, ApiVersion(9)).expect("Metadata"))
    }

    #[cfg(unix)]
    fn signal(&self, name: &str) {
        let sent = Command::new("kill")
            .args(["-s", name, &self.child.id().to_string()])
            .status();
        assert!(sent.is_ok_and(|status| status.success()), "{name}");
    }

    /// Its exit status and what else it printed.
    fn end(mut self) -> (Option<i32>, String) {
        let mut rest = String::new();
        self.stdout.read_to_string(&mut rest).expect("UTF-8");
        let status = self.child.wait().expect("it ends");
        (status.code(), rest)
    }
}

/// A test that fails leaves nothing behind.
impl Drop for Broker {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn ask<R: Request>(address: &str, version: i16, request: &R) -> Bytes {
    let mut stream = TcpStream::connect(address).expect("it listens");
    stream.set_read_timeout(Some(SOON)).expect("a time");
    let frame = encode_request(request, ApiVersion(version), CorrelationId(1), None);
    let frame = frame.expect("a request").to_bytes();
    stream.write_all(&frame).expect("it reads");
    let mut prefix = [0; 4];
    stream.read_exact(&mut prefix).expect("it answers");
    let mut frame = vec![0; u32::from_be_bytes(prefix) as usize];
    stream.read_exact(&mut frame).expect("it answers");
    frame.into()
}

/// The highest version of an API, and the finalized level of transaction.version.
fn shows(broker: &Broker, api: ApiKey) -> (Option<i16>, Option<i16>) {
    let request = ApiVersionsRequest {
        client_software_name: "test",
        client_software_version: "1",
    };
    let frame = ask(&broker.addresses[0], 3, &request);
    let response: milena_wire::messages::ApiVersionsResponse<'_> =
        decode_response(&frame, ApiVersion(3)).expect("ApiVersions");
    let served = response.api_keys.iter().find(|it| it.api_key == api.0);
    let finalized = response.finalized_features.iter();
    let level = finalized.filter(|it| it.name == "transaction.version");
    (
        served.map(|it| it.max_version),
        level.map(|it| it.max_version_level).next(),
    )
}

/// Runs what must be refused, and returns the one sentence.
fn refused(line: &str) -> String {
    let before = Instant::now();
    let Output {
        status,
        stdout,
        stderr,
    } = milena(line).output().expect("the program starts");
    let stderr = String::from_utf8(stderr).expect("UTF-8");
    assert_eq!(status.code(), Some(2), "{stderr}");
    assert!(stdout.is_empty(), "no address of a broker that is none");
    assert_eq!(stderr.lines().count(), 1, "one sentence: {stderr}");
    assert!(before.elapsed() < SOON, "{:?}", before.elapsed());
    stderr
}

#[test]
fn its_first_line_says_where_each_node_is_and_it_ends_with_standard_input() {
    let mut broker = Broker::start("--nodes 3 --port 0 --until-stdin-ends --topic orders:6:2");
    assert_eq!(broker.addresses.len(), 3, "{:?}", broker.addresses);
    assert!(broker.started_in < SOON, "{:?}", broker.started_in);
    broker.metadata(&["orders"], |metadata| {
        let told = metadata.brokers.iter();
        let told: Vec<_> = told.map(|it| format!("{}:{}", it.host, it.port)).collect();
        assert_eq!(told, broker.addresses);
        let partitions = &metadata.topics[0].partitions;
        assert_eq!(partitions.len(), 6);
        assert!(partitions.iter().all(|it| it.replica_nodes.len() == 2));
    });
    drop(broker.stdin.take());
    assert_eq!(broker.end(), (Some(0), String::new()));
}

#[cfg(unix)]
#[test]
fn asked_by_a_signal_it_dumps_and_goes_on_or_ends_well() {
    for end in ["INT", "TERM"] {
        let mut broker = Broker::start("--port 0 --topic seen:1 --dump");
        // Standard input is none of its business here.
        drop(broker.stdin.take());
        broker.signal("USR1");
        let mut line = String::new();
        broker.stdout.read_line(&mut line).expect("UTF-8");
        assert!(line.starts_with("node 1 "), "{line}");
        broker.metadata(&["later"], |_| ());
        broker.signal(end);
        let (status, rest) = broker.end();
        assert_eq!(status, Some(0));
        assert!(rest.contains("seen-0 leader 1"), "{rest}");
        assert!(rest.contains("later-0 leader 1"), "the last dump: {rest}");
        assert!(rest.contains("Metadata"), "what was asked: {rest}");
    }
}

#[test]
fn topics_come_into_being_as_with_kafkas_defaults_unless_that_is_off() {
    let error = |broker: &Broker| {
        broker.metadata(&["new"], |_| ());
        broker.metadata(&["new"], |metadata| {
            let topic = &metadata.topics[0];
            (topic.error_code, topic.partitions.len())
        })
    };
    let broker = Broker::start("--port 0 --partitions 4");
    assert_eq!(error(&broker), (ErrorCode::NONE, 4));
    let broker = Broker::start("--port 0 --auto-create-topics false");
    let unknown = ErrorCode::UNKNOWN_TOPIC_OR_PARTITION;
    assert_eq!(error(&broker), (unknown, 0));
}

#[test]
fn it_looks_like_the_release_it_was_asked_to_be() {
    let broker = Broker::start("--port 0");
    assert_eq!(shows(&broker, ApiKey::END_TXN), (Some(5), Some(2)));
    let broker = Broker::start("--port 0 --transaction-version 1");
    assert_eq!(shows(&broker, ApiKey::END_TXN), (Some(5), Some(1)));
    let broker = Broker::start("--port 0 --as-version 3.9");
    assert_eq!(shows(&broker, ApiKey::END_TXN), (Some(4), None));
}

#[test]
fn what_cannot_be_is_refused_in_a_sentence() {
    let sentence = refused("--as-version 3.9 --transaction-version 2");
    assert!(sentence.contains("3.9") && sentence.contains("transaction.version 2"));
    let sentence = refused("--port 65535 --nodes 2");
    assert!(sentence.contains("65536"), "{sentence}");
    let sentence = refused("--port 0 --topic t:1:2");
    assert!(sentence.contains("replicas"), "{sentence}");
    let sentence = refused("--port 0 --topic a/b:1");
    assert!(sentence.contains("a/b"), "{sentence}");
    let sentence = refused("--port 0 --topic t:1 --topic t:1");
    assert!(sentence.contains("topic t "), "{sentence}");
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = taken.local_addr().expect("an address").port().to_string();
    let sentence = refused(&format!("--port {port}"));
    assert!(sentence.contains(&port), "{sentence}");
    let sentence = refused("--port 0 --host no.such.host.invalid");
    assert!(sentence.contains("no.such.host.invalid"), "{sentence}");
}

#[test]
fn who_listens_everywhere_tells_clients_a_name_they_can_reach() {
    let broker = Broker::start("--port 0 --host 0.0.0.0");
    assert!(broker.addresses[0].starts_with("127.0.0.1:"));
    let broker = Broker::start("--port 0 --advertised-host localhost");
    assert!(broker.addresses[0].starts_with("localhost:"));
}

#[test]
fn users_have_to_authenticate_where_there_are_some() {
    let broker = Broker::start("--port 0 --sasl-user ann:secret --sasl-mechanism PLAIN");
    let shake = |mechanism| {
        let frame = ask(&broker.addresses[0], 1, &SaslHandshakeRequest { mechanism });
        let shaken: SaslHandshakeResponse<'_> =
            decode_response(&frame, ApiVersion(1)).expect("SaslHandshake");
        assert_eq!(shaken.mechanisms, ["PLAIN"]);
        shaken.error_code
    };
    assert_eq!(shake("PLAIN"), ErrorCode::NONE);
    let unsupported = ErrorCode::UNSUPPORTED_SASL_MECHANISM;
    assert_eq!(shake("SCRAM-SHA-256"), unsupported);
}

#[cfg(feature = "tls")]
#[test]
fn files_that_make_no_tls_are_refused_in_a_sentence() {
    let sentence = refused("--port 0 --tls-cert no-such-file --tls-key no-such-file");
    assert!(sentence.contains("no-such-file"), "{sentence}");
    let sentence = refused("--port 0 --tls-cert Cargo.toml --tls-key Cargo.toml");
    assert!(sentence.contains("certificate"), "{sentence}");
    let sentence = refused("--port 0 --tls-cert Cargo.toml");
    assert!(sentence.contains("--tls-key"), "{sentence}");
}

/// A process that may open few files: what comes after them waits, and is served when others have left.
#[cfg(target_os = "linux")]
#[test]
fn out_of_descriptors_it_waits_and_goes_on_when_clients_leave() {
    let mut shell = Command::new("sh");
    let line = "ulimit -n 32 && exec \"$0\" broker --port 0 --until-stdin-ends";
    shell.args(["-c", line, env!("CARGO_BIN_EXE_milena")]);
    let broker = Broker::spawn(shell);
    let address = &broker.addresses[0];
    let mut crowd: Vec<_> = (0..64)
        .map(|_| TcpStream::connect(address).expect("the system takes it"))
        .collect();
    let mut last = crowd.pop().expect("there are many");
    let request = ApiVersionsRequest::default();
    let frame = encode_request(&request, ApiVersion(0), CorrelationId(1), None);
    let frame = frame.expect("a request").to_bytes();
    last.write_all(&frame).expect("the system takes it");
    last.set_read_timeout(Some(Duration::from_millis(200)))
        .expect("a time");
    let mut prefix = [0; 4];
    last.read_exact(&mut prefix)
        .expect_err("nobody has accepted it");
    drop(crowd);
    last.set_read_timeout(Some(SOON)).expect("a time");
    last.read_exact(&mut prefix).expect("now there is room");
}
