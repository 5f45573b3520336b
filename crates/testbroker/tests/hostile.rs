//! What no client should send, at the port: bytes that a fuzzer kept, noise, half frames, connections without end.
//! Nothing breaks, nothing stays, and others are served meanwhile.
#![cfg(feature = "tcp")]
#![expect(clippy::unwrap_used, reason = "a test fails where it finds nothing")]
#![expect(clippy::disallowed_methods, reason = "the front is about real time")]

use std::alloc::System;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use bytes::Bytes;
use milena_testbroker::{ApiKey, TestBroker};
use milena_wire::messages::{ApiVersionsRequest, ApiVersionsResponse};
use milena_wire::{ApiVersion, CorrelationId, decode_response, encode_request};
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Within this time anything happens that happens at all.
const PATIENCE: Duration = Duration::from_secs(20);
/// The longest that a well-behaved client may wait. It waits for some milliseconds; this is for a debug
/// build where ten programs share a processor.
const DELAY_MAX: Duration = Duration::from_secs(5);
const CONNECTIONS: usize = 10_000;

/// One at a time: they count memory and time.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

fn cluster() -> TestBroker {
    let builder = TestBroker::builder().topic("t", 1, None);
    // What is kept on purpose should not look like what is forgotten to be dropped.
    let builder = builder.config(|config| config.history_max = 100);
    builder.start().unwrap()
}

fn connect(address: &str) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_nodelay(true).unwrap();
    stream
}

fn versions_frame() -> Bytes {
    let request = ApiVersionsRequest::default();
    let frame = encode_request(&request, ApiVersion(0), CorrelationId(1), None);
    frame.unwrap().to_bytes()
}

fn receive(stream: &mut TcpStream) -> std::io::Result<Bytes> {
    let mut length = [0; 4];
    stream.read_exact(&mut length)?;
    let mut frame = vec![0; u32::from_be_bytes(length) as usize];
    stream.read_exact(&mut frame)?;
    Ok(frame.into())
}

/// Key and versions of everything that is served.
fn served(address: &str) -> Vec<(ApiKey, i16, i16)> {
    let mut stream = connect(address);
    stream.write_all(&versions_frame()).unwrap();
    let frame = receive(&mut stream).unwrap();
    let response: ApiVersionsResponse<'_> = decode_response(&frame, ApiVersion(0)).unwrap();
    let keys = response.api_keys.iter();
    keys.map(|it| (ApiKey(it.api_key), it.min_version, it.max_version))
        .collect()
}

fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < PATIENCE, "{what} does not happen");
        thread::sleep(Duration::from_millis(5));
    }
}

fn is_rid_of(cluster: &TestBroker, connections: usize) -> bool {
    cluster.with(|broker| broker.connections()) <= connections
}

/// A client that behaves, and the longest it ever waited for an answer.
struct Neighbour {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<(usize, Duration)>,
}

impl Neighbour {
    fn of(cluster: &TestBroker) -> Self {
        let mut stream = connect(&cluster.bootstrap());
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let frame = versions_frame();
        let thread = thread::spawn(move || {
            let (mut answers, mut longest) = (0, Duration::ZERO);
            while !stopped.load(Ordering::Relaxed) {
                let begun = Instant::now();
                stream.write_all(&frame).unwrap();
                receive(&mut stream).unwrap();
                longest = longest.max(begun.elapsed());
                answers += 1;
                thread::sleep(Duration::from_millis(1));
            }
            (answers, longest)
        });
        Self { stop, thread }
    }

    fn assert_was_served(self) {
        self.stop.store(true, Ordering::Relaxed);
        let (answers, longest) = self.thread.join().unwrap();
        assert!(answers > 0);
        assert!(longest < DELAY_MAX, "it waited {longest:?}");
    }
}

/// How many connections can be open at once: both ends are in this process.
fn at_once() -> usize {
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let line = limits.lines().find(|it| it.starts_with("Max open files"));
    let soft = line.and_then(|line| line.split_whitespace().nth(3));
    let files: usize = soft.and_then(|soft| soft.parse().ok()).unwrap_or(256);
    (files / 4).clamp(20, 1_000)
}

fn kept_bytes() -> usize {
    let stats = ALLOCATOR.stats();
    stats.bytes_allocated - stats.bytes_deallocated
}

#[test]
fn ten_thousand_connections_leave_nothing_behind() {
    let _alone = alone();
    let cluster = cluster();
    let address = cluster.bootstrap();
    let frame = versions_frame();
    let wave = |size: usize| {
        let mut streams: Vec<_> = (0..size).map(|_| connect(&address)).collect();
        for (index, stream) in streams.iter_mut().enumerate() {
            // One has a question, one half of one, and one nothing to say.
            let part = [frame.len(), frame.len() / 2, 0][index % 3];
            stream.write_all(&frame[..part]).unwrap();
        }
        for stream in streams.iter_mut().step_by(3) {
            receive(stream).unwrap();
        }
    };
    let size = at_once();
    // What is there once and for all is there after the first wave.
    wave(size);
    eventually("the first wave is over", || is_rid_of(&cluster, 0));
    let before = kept_bytes();
    let neighbour = Neighbour::of(&cluster);
    for _ in 0..CONNECTIONS.div_ceil(size) {
        wave(size);
        eventually("a wave is over", || is_rid_of(&cluster, 1));
    }
    neighbour.assert_was_served();
    eventually("all are forgotten", || is_rid_of(&cluster, 0));
    // The tasks end just behind that.
    eventually("the memory is given back", || {
        kept_bytes() < before + 256 * 1024
    });
}

/// The inputs of every corpus that fuzzing the wire crate has left.
fn corpora() -> Vec<Vec<u8>> {
    let corpora = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus");
    let files = entries(&corpora).into_iter().flat_map(|it| entries(&it));
    let inputs: Vec<_> = files.map(|file| std::fs::read(file).unwrap()).collect();
    assert!(
        inputs.len() > 500,
        "the corpora are there: {}",
        inputs.len()
    );
    inputs
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap();
    let mut paths: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    paths
}

/// `body` as a request of this API and version, in a frame of the right length.
fn request(api: ApiKey, version: i16, body: &[u8]) -> Vec<u8> {
    let mut frame = Vec::new();
    frame.extend(api.0.to_be_bytes());
    frame.extend(version.to_be_bytes());
    frame.extend(7_i32.to_be_bytes());
    // No client id; in a flexible version of most, that is followed by no tags.
    frame.extend((-1_i16).to_be_bytes());
    frame.extend(body);
    let length = u32::try_from(frame.len()).unwrap().to_be_bytes();
    [&length, &frame[..]].concat()
}

#[test]
fn what_fuzzers_found_worth_keeping_breaks_no_api() {
    let _alone = alone();
    let cluster = cluster();
    let address = cluster.bootstrap();
    let apis = served(&address);
    let neighbour = Neighbour::of(&cluster);
    let mut sent = 0;
    for (index, input) in corpora().iter().enumerate() {
        // As it is: a frame or not.
        connect(&address).write_all(input).ok();
        // And as a request of an API after the other, in each version after the other.
        let body_of_flexible = [&[0], &input[..]].concat();
        for turn in 0..4 {
            let place = index * 4 + turn;
            let (api, min, max) = apis[place % apis.len()];
            let versions = usize::try_from(max - min).unwrap() + 1;
            let version = min + i16::try_from(place / apis.len() % versions).unwrap();
            let body = match turn % 2 {
                0 => &body_of_flexible,
                _ => input,
            };
            let mut stream = connect(&address);
            stream.write_all(&request(api, version, body)).unwrap();
            stream.shutdown(Shutdown::Write).ok();
            sent += 1;
        }
    }
    assert!(sent > 40 * apis.len(), "each API has its share: {sent}");
    neighbour.assert_was_served();
    eventually("all are gone", || is_rid_of(&cluster, 0));
    assert_eq!(served(&address).len(), apis.len());
}

/// In memory every input can meet every API, in the same versions.
#[test]
fn what_fuzzers_found_worth_keeping_meets_every_api_in_memory() {
    use milena_testbroker::{Broker, BrokerConfig};
    let _alone = alone();
    let apis = served(&cluster().bootstrap());
    let now = Instant::now();
    let mut broker = Broker::new(BrokerConfig {
        auto_create_topics: true,
        ..BrokerConfig::default()
    });
    for (index, input) in corpora().iter().enumerate() {
        for (turn, (api, min, max)) in apis.iter().enumerate() {
            let versions = usize::try_from(max - min).unwrap() + 1;
            let version = min + i16::try_from((index + turn) % versions).unwrap();
            let conn = broker.connect(now, 1).unwrap();
            let body = [&[0][..index % 2], &input[..]].concat();
            broker.handle_bytes(now, conn, &request(*api, version, &body));
            while broker.poll_output().is_some() {}
            broker.handle_disconnect(now, conn);
        }
    }
    assert_eq!(broker.connections(), 0);
}

#[test]
fn noise_and_frames_that_never_end_hold_nobody_up() {
    let _alone = alone();
    let cluster = cluster();
    let address = cluster.bootstrap();
    let neighbour = Neighbour::of(&cluster);
    let mut random = fastrand::Rng::with_seed(11);
    let mut held = Vec::new();
    for length in [1, 3, 4, 7, 64, 4_096, 300_000] {
        for _ in 0..10 {
            let noise: Vec<u8> = (0..length).map(|_| random.u8(..)).collect();
            // It may be cut off while it still speaks.
            let mut stream = connect(&address);
            stream.write_all(&noise).ok();
            held.push(stream);
            // A frame of just under the limit of which little comes.
            let mut stream = connect(&address);
            stream.write_all(&(90_u32 << 20).to_be_bytes()).unwrap();
            stream.write_all(&noise).ok();
            held.push(stream);
        }
    }
    let mut slow = connect(&address);
    for byte in &versions_frame() {
        slow.write_all(&[*byte]).unwrap();
        thread::sleep(Duration::from_millis(2));
    }
    receive(&mut slow).unwrap();
    drop((held, slow));
    neighbour.assert_was_served();
    eventually("all are gone", || is_rid_of(&cluster, 0));
}

#[test]
fn who_does_not_read_is_waited_for_by_nobody_else() {
    let _alone = alone();
    let cluster = cluster();
    let address = cluster.bootstrap();
    let neighbour = Neighbour::of(&cluster);
    let frame = versions_frame();
    // Each asks for far more than the buffers between the two ends hold, and takes nothing of it.
    let questions = frame.repeat(20_000);
    let deaf: Vec<_> = (0..8)
        .map(|_| {
            let mut stream = connect(&address);
            stream
                .set_write_timeout(Some(Duration::from_millis(200)))
                .unwrap();
            for _ in 0..4 {
                if stream.write_all(&questions).is_err() {
                    break;
                }
            }
            stream
        })
        .collect();
    let mut other = connect(&address);
    other.write_all(&frame).unwrap();
    receive(&mut other).unwrap();
    drop((deaf, other));
    neighbour.assert_was_served();
    eventually("all are gone", || is_rid_of(&cluster, 0));
}
