//! Requests to the state machine itself: bytes in, bytes out, on this thread.

use std::time::Instant;

use bytes::Bytes;
use milena_testbroker::{Broker, BrokerConfig, ConnectionId, Output};
use milena_wire::messages::{
    FetchPartition, FetchRequest, FetchTopic, InitProducerIdRequest, InitProducerIdResponse,
    PartitionProduceData, ProduceRequest, ProduceResponse, TopicProduceData,
};
use milena_wire::record::{BatchBuilder, RecordFields, Stamp};
use milena_wire::{
    ApiVersion, CorrelationId, ErrorCode, Payload, Request, decode_response, encode_request,
};

use crate::Failure;
use crate::meter::now;

/// The newest version in which a topic goes by its name.
const PRODUCE_VERSION: i16 = 12;
const FETCH_VERSION: i16 = 12;
const TOPIC: &str = "bench";

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Producer {
    Plain,
    Idempotent,
    Transactional,
}

/// A broker of one node and a connection to it.
struct Bench {
    broker: Broker,
    conn: ConnectionId,
    now: Instant,
}

impl Bench {
    fn new() -> Result<Self, Failure> {
        let mut broker = Broker::new(BrokerConfig::default());
        let now = now();
        broker.handle_timeout(now);
        if !broker.create_topic(TOPIC, 1) {
            return Err("no topic".into());
        }
        let conn = broker.connect(now, 1).ok_or("no connection")?;
        Ok(Self { broker, conn, now })
    }

    /// Sends a frame and takes everything that comes back; how many bytes that was.
    fn serve(&mut self, frame: &[u8]) -> usize {
        self.broker.handle_bytes(self.now, self.conn, frame);
        let mut answered = 0;
        while let Some(output) = self.broker.poll_output() {
            if let Output::Bytes { bytes, .. } = output {
                answered += bytes.len();
            }
        }
        answered
    }

    /// The same, for what is only needed before the measuring.
    fn ask(&mut self, frame: &[u8]) -> Bytes {
        self.broker.handle_bytes(self.now, self.conn, frame);
        let mut answer = Vec::new();
        while let Some(output) = self.broker.poll_output() {
            if let Output::Bytes { bytes, .. } = output {
                answer.extend_from_slice(&bytes);
            }
        }
        Bytes::from(answer).slice(4..)
    }

    /// Serves all frames; how many a second. An answer to each is worth more than its speed.
    fn time(&mut self, frames: &[Bytes]) -> Result<f64, Failure> {
        let begun = now();
        let mut unanswered = 0_usize;
        for frame in frames {
            unanswered += usize::from(self.serve(frame) == 0);
        }
        let elapsed = begun.elapsed();
        match unanswered {
            0 => Ok(frames.len() as f64 / elapsed.as_secs_f64()),
            _ => Err(format!("{unanswered} requests had no answer").into()),
        }
    }
}

/// Produce requests a second: one record of 100 bytes each.
pub(super) fn produce(producer: Producer, requests: u32) -> Result<f64, Failure> {
    let mut bench = Bench::new()?;
    let transactional_id = (producer == Producer::Transactional).then_some("bench");
    let mut stamp = Stamp::NONE;
    if producer != Producer::Plain {
        let request = InitProducerIdRequest {
            transactional_id,
            transaction_timeout_ms: 60_000,
            producer_id: -1,
            producer_epoch: -1,
        };
        let answer = bench.ask(&encoded(&request, 4)?);
        let answer: InitProducerIdResponse = decode_response(&answer, ApiVersion(4))?;
        stamp.producer_id = answer.producer_id;
        stamp.producer_epoch = answer.producer_epoch;
        stamp.transactional = transactional_id.is_some();
    }
    let mut frames = Vec::new();
    for sequence in 0..i32::try_from(requests)? {
        if producer != Producer::Plain {
            stamp.base_sequence = sequence;
        }
        frames.push(produce_frame(transactional_id, &stamp)?);
    }
    // The first says whether they are taken at all.
    let first = bench.ask(&frames[0]);
    let first: ProduceResponse<'_> = decode_response(&first, ApiVersion(PRODUCE_VERSION))?;
    let error = first.responses[0].partition_responses[0].error_code;
    if error != ErrorCode::NONE {
        return Err(format!("produce is refused: {error}").into());
    }
    let a_second = bench.time(&frames[1..])?;
    let log = bench.broker.log(TOPIC, 0).ok_or("no log")?;
    match log.log_end_offset() == i64::from(requests) {
        true => Ok(a_second),
        false => Err("not all was appended".into()),
    }
}

/// Fetch requests a second, each of which finds one batch of one record.
pub(super) fn fetch(requests: u32) -> Result<f64, Failure> {
    let mut bench = Bench::new()?;
    let batches = 1_000;
    let frame = produce_frame(None, &Stamp::NONE)?;
    for _ in 0..batches {
        bench.serve(&frame);
    }
    let frames: Vec<Bytes> = (0..batches)
        .map(|fetch_offset| {
            let partition = FetchPartition {
                partition: 0,
                current_leader_epoch: -1,
                fetch_offset,
                last_fetched_epoch: -1,
                log_start_offset: -1,
                partition_max_bytes: 1,
                ..Default::default()
            };
            let request = FetchRequest {
                replica_id: -1,
                max_wait_ms: 500,
                min_bytes: 1,
                max_bytes: 1,
                session_epoch: -1,
                topics: vec![FetchTopic {
                    topic: TOPIC,
                    partitions: vec![partition],
                    ..Default::default()
                }],
                ..Default::default()
            };
            encoded(&request, FETCH_VERSION)
        })
        .collect::<Result<_, _>>()?;
    if bench.serve(&frames[0]) < 100 {
        return Err("a fetch finds nothing".into());
    }
    let all: Vec<Bytes> = frames
        .iter()
        .cycle()
        .take(requests as usize)
        .cloned()
        .collect();
    bench.time(&all)
}

/// A request that appends one record of 100 bytes.
pub(super) fn produce_frame(
    transactional_id: Option<&str>,
    stamp: &Stamp,
) -> Result<Bytes, Failure> {
    let request = ProduceRequest {
        transactional_id,
        acks: -1,
        timeout_ms: 30_000,
        topic_data: vec![TopicProduceData {
            name: TOPIC,
            partition_data: vec![PartitionProduceData {
                index: 0,
                records: Some(batch(stamp)),
            }],
            ..Default::default()
        }],
    };
    encoded(&request, PRODUCE_VERSION)
}

fn batch(stamp: &Stamp) -> Payload {
    let mut builder = BatchBuilder::new();
    builder.append(&RecordFields {
        timestamp: 1_750_000_000_000,
        key: None,
        value: Some(&[b'x'; 100]),
        headers: &[],
    });
    builder.finish().seal().stamp(stamp)
}

fn encoded<R: Request>(request: &R, version: i16) -> Result<Bytes, Failure> {
    let frame = encode_request(
        request,
        ApiVersion(version),
        CorrelationId(1),
        Some("bench"),
    )?;
    Ok(frame.to_bytes())
}
