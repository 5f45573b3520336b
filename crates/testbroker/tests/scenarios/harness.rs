//! A client that speaks bytes to the state machine in virtual time, with as little of its own as
//! possible.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use milena_testbroker::{Broker, BrokerConfig, ConnectionId, Output};
use milena_wire::compress::{Codec, Compressor};
use milena_wire::record::{BatchBuilder, BatchPayload, Compression, RecordFields, Stamp};
use milena_wire::{
    ApiVersion, CorrelationId, Payload, Request, decode_response, encode_request,
    peek_correlation_id, take_frame,
};

/// How long an answer may take in virtual time before a test fails.
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) struct Cluster {
    pub(crate) broker: Broker,
    pub(crate) now: Instant,
    correlation: i32,
    /// The connection of `ask`, by node.
    connections: BTreeMap<i32, ConnectionId>,
    received: BTreeMap<ConnectionId, BytesMut>,
    closed: BTreeSet<ConnectionId>,
    pub(crate) half_closed: BTreeSet<ConnectionId>,
}

/// A producer id and epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Id {
    pub(crate) id: i64,
    pub(crate) epoch: i16,
}

pub(crate) fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// A batch of these values without identity.
pub(crate) fn plain(values: &[&str]) -> Payload {
    batch(&Stamp::NONE, values)
}

/// A batch of an idempotent producer.
pub(crate) fn idempotent(producer: Id, sequence: i32, values: &[&str]) -> Payload {
    batch(&stamp(producer, sequence, false), values)
}

/// A batch in a transaction.
pub(crate) fn transactional(producer: Id, sequence: i32, values: &[&str]) -> Payload {
    batch(&stamp(producer, sequence, true), values)
}

/// A batch with some bytes changed and its checksum made right again.
pub(crate) fn patched(records: Payload, at: usize, bytes: &[u8]) -> Payload {
    let mut batch = records.to_bytes().to_vec();
    batch[at..at + bytes.len()].copy_from_slice(bytes);
    let checksum = crc32c::crc32c(&batch[21..]).to_be_bytes();
    batch[17..21].copy_from_slice(&checksum);
    Payload::new(vec![batch.into()])
}

fn stamp(producer: Id, base_sequence: i32, transactional: bool) -> Stamp {
    Stamp {
        producer_id: producer.id,
        producer_epoch: producer.epoch,
        base_sequence,
        transactional,
    }
}

fn batch(stamp: &Stamp, values: &[&str]) -> Payload {
    filled(values).seal().stamp(stamp)
}

/// A batch without a producer, compressed.
pub(crate) fn compressed(compression: Compression, values: &[&str]) -> Payload {
    let codec = Codec::new(compression, None).unwrap();
    let sealed = filled(values).seal_with(codec, &mut Compressor::default());
    assert_eq!(sealed.compression(), compression, "it gets smaller");
    sealed.stamp(&Stamp::NONE)
}

/// Records with time-stamps from 1,000 on.
fn filled(values: &[&str]) -> BatchPayload {
    let mut builder = BatchBuilder::new();
    for (timestamp, value) in (1_000..).zip(values) {
        let value = Some(value.as_bytes());
        builder.append(&RecordFields {
            timestamp,
            key: None,
            value,
            headers: &[],
        });
    }
    builder.finish()
}

impl Cluster {
    #[expect(
        clippy::disallowed_methods,
        reason = "virtual time has to start somewhere"
    )]
    pub(crate) fn new(config: BrokerConfig) -> Self {
        let now = Instant::now();
        let mut broker = Broker::new(config);
        broker.handle_timeout(now);
        Self {
            broker,
            now,
            correlation: 0,
            connections: BTreeMap::new(),
            received: BTreeMap::new(),
            closed: BTreeSet::new(),
            half_closed: BTreeSet::new(),
        }
    }

    /// One node with topic `t` of one partition.
    pub(crate) fn single() -> Self {
        Self::with_topic(BrokerConfig::default())
    }

    /// Topic `t` of one partition, led by node 1.
    pub(crate) fn with_topic(config: BrokerConfig) -> Self {
        let mut cluster = Self::new(config);
        assert!(cluster.broker.create_topic("t", 1));
        cluster
    }

    pub(crate) fn connect(&mut self, node: i32) -> ConnectionId {
        let connected = self.broker.connect(self.now, node);
        connected.unwrap_or_else(|| {
            panic!(
                "node {node} refuses
{}",
                self.broker
            )
        })
    }

    /// Sends a request without waiting for its answer.
    pub(crate) fn send<R: Request>(
        &mut self,
        conn: ConnectionId,
        version: i16,
        request: &R,
    ) -> CorrelationId {
        self.correlation += 1;
        let correlation = CorrelationId(self.correlation);
        let frame = encode_request(request, ApiVersion(version), correlation, Some("harness"))
            .expect("the request fits its version");
        self.send_bytes(conn, &frame.to_bytes());
        correlation
    }

    pub(crate) fn send_bytes(&mut self, conn: ConnectionId, bytes: &[u8]) {
        self.broker.handle_bytes(self.now, conn, bytes);
        self.drain();
    }

    /// The next frame on a connection, if it is there.
    pub(crate) fn receive(&mut self, conn: ConnectionId) -> Option<Bytes> {
        self.drain();
        let buffer = self.received.get_mut(&conn)?;
        take_frame(buffer, usize::MAX).expect("the broker frames its answers")
    }

    /// Bytes that make no whole frame yet.
    pub(crate) fn leftover(&mut self, conn: ConnectionId) -> usize {
        self.drain();
        self.received.get(&conn).map_or(0, BytesMut::len)
    }

    pub(crate) fn is_closed(&mut self, conn: ConnectionId) -> bool {
        self.drain();
        self.closed.contains(&conn)
    }

    /// Sends a request to a node and waits for the answer, letting virtual time pass.
    pub(crate) fn ask<R: Request, T>(
        &mut self,
        node: i32,
        version: i16,
        request: &R,
        read: impl for<'a> FnOnce(R::Response<'a>) -> T,
    ) -> T {
        let conn = self.connection(node);
        let correlation = self.send(conn, version, request);
        let frame = self.await_frame(conn);
        assert_eq!(peek_correlation_id(&frame), Ok(correlation));
        read(decode_response(&frame, ApiVersion(version)).expect("the answer can be read"))
    }

    /// Waits for the next frame, letting virtual time pass.
    pub(crate) fn await_frame(&mut self, conn: ConnectionId) -> Bytes {
        let deadline = self.now + PATIENCE;
        loop {
            if let Some(frame) = self.receive(conn) {
                return frame;
            }
            let closed = self.is_closed(conn);
            let next = self
                .broker
                .poll_timeout()
                .filter(|at| *at <= deadline && !closed);
            let Some(next) = next else {
                panic!("no answer (closed: {closed})\n{}", self.broker);
            };
            self.now = next.max(self.now);
            self.broker.handle_timeout(self.now);
        }
    }

    /// Lets virtual time pass, timer by timer.
    pub(crate) fn advance(&mut self, by: Duration) {
        let end = self.now + by;
        while let Some(next) = self.broker.poll_timeout().filter(|next| *next <= end) {
            self.now = next.max(self.now);
            self.broker.handle_timeout(self.now);
        }
        self.now = end;
        self.broker.handle_timeout(end);
        self.drain();
    }

    pub(crate) fn disconnect(&mut self, conn: ConnectionId) {
        self.broker.handle_disconnect(self.now, conn);
        self.drain();
    }

    /// The connection `ask` uses; a new one if the last was closed.
    pub(crate) fn connection(&mut self, node: i32) -> ConnectionId {
        self.drain();
        match self.connections.get(&node) {
            Some(conn) if !self.closed.contains(conn) => *conn,
            _ => {
                let conn = self.connect(node);
                self.connections.insert(node, conn);
                conn
            }
        }
    }

    /// The values of a partition that a read_committed reader should see.
    pub(crate) fn committed_values(&self, topic: &str, partition: i32) -> Vec<String> {
        let log = self
            .broker
            .log(topic, partition)
            .expect("the partition exists");
        let records = log.committed_records().expect("every codec is built in");
        let text = |value: Option<Bytes>| String::from_utf8(value.unwrap_or_default().to_vec());
        records
            .into_iter()
            .map(|record| text(record.value).expect("text"))
            .collect()
    }

    fn drain(&mut self) {
        while let Some(output) = self.broker.poll_output() {
            match output {
                Output::Bytes { conn, bytes } => {
                    assert!(
                        !self.closed.contains(&conn),
                        "bytes behind the end of {conn}"
                    );
                    self.received
                        .entry(conn)
                        .or_default()
                        .extend_from_slice(&bytes);
                }
                Output::HalfClose { conn } => {
                    assert!(self.half_closed.insert(conn), "{conn} half closed twice");
                }
                Output::Close { conn } => {
                    assert!(self.closed.insert(conn), "{conn} closed twice");
                }
            }
        }
    }
}
