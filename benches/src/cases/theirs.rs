//! The same by the crate kafka-protocol.

use std::hint::black_box;

use bytes::{Bytes, BytesMut};
use kafka_protocol::indexmap::IndexMap;
use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use kafka_protocol::messages::{MetadataResponse, ProduceRequest, RequestHeader};
use kafka_protocol::protocol::{Decodable, Encodable, StrBytes};
use kafka_protocol::records::{
    Compression, Record, RecordBatchDecoder, RecordBatchEncoder, RecordEncodeOptions, TimestampType,
};

use super::batch::{Digest, STAMP};
use super::message::PRODUCE_VERSION;
use super::records::{HEADERS, Records};

/// Builds batches from the bytes of an application. What can be kept from batch to batch is kept.
#[derive(Debug, Default)]
pub struct Encoder {
    records: Vec<Record>,
    out: BytesMut,
}

impl Encoder {
    /// One that has built nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// A batch of all `records`.
    ///
    /// # Panics
    /// If it cannot be built.
    pub fn encode(&mut self, records: &Records) -> &[u8] {
        self.records.clear();
        self.out.clear();
        for (number, record) in (0..).zip(records.iter()) {
            let mut headers = IndexMap::new();
            if records.shape().headers {
                headers.extend(HEADERS.map(|(key, value)| {
                    (
                        StrBytes::from_static_str(key),
                        Some(Bytes::copy_from_slice(value)),
                    )
                }));
            }
            self.records.push(Record {
                transactional: false,
                control: false,
                delete_horizon: false,
                partition_leader_epoch: -1,
                producer_id: STAMP.producer_id,
                producer_epoch: STAMP.producer_epoch,
                timestamp_type: TimestampType::Creation,
                offset: i64::from(number),
                sequence: STAMP.base_sequence + number,
                timestamp: record.timestamp,
                key: Some(Bytes::copy_from_slice(record.key)),
                value: Some(Bytes::copy_from_slice(record.value)),
                headers,
            });
        }
        let options = RecordEncodeOptions {
            version: 2,
            compression: Compression::None,
        };
        RecordBatchEncoder::encode(&mut self.out, &self.records, &options).expect("encodes");
        &self.out
    }
}

/// Reads a batch; see [`super::batch::decode`].
///
/// # Panics
/// If the batch is not one.
pub fn decode(batch: &Bytes) -> Digest {
    let mut digest = 0;
    let set = RecordBatchDecoder::decode(&mut batch.clone()).expect("well formed");
    for record in &set.records {
        let key = record.key.as_deref().unwrap_or_default();
        let value = record.value.as_deref().unwrap_or_default();
        digest += u64::from(key.first().copied().unwrap_or_default());
        digest += (key.len() + value.len()) as u64;
        for (key, value) in &record.headers {
            digest += (key.len() + value.as_deref().unwrap_or_default().len()) as u64;
        }
        black_box(record.offset + record.timestamp);
    }
    digest
}

/// Reads a metadata response without its header.
///
/// # Panics
/// If it is none.
pub fn decode_metadata(body: &Bytes, version: i16) -> MetadataResponse {
    MetadataResponse::decode(&mut body.clone(), version).expect("well formed")
}

/// A request for one batch; see [`super::message::produce_request`].
pub fn produce_request(batch: &Bytes) -> ProduceRequest {
    let partition = PartitionProduceData::default()
        .with_index(3)
        .with_records(Some(batch.clone()));
    let topic = TopicProduceData::default()
        .with_name(StrBytes::from_static_str("payments").into())
        .with_partition_data(vec![partition]);
    ProduceRequest::default()
        .with_acks(-1)
        .with_timeout_ms(30_000)
        .with_topic_data(vec![topic])
}

/// The request's header and body, without the length in front.
///
/// # Panics
/// If it cannot be written.
pub fn encode_produce(request: &ProduceRequest, out: &mut BytesMut) {
    let header = RequestHeader::default()
        .with_request_api_key(0)
        .with_request_api_version(PRODUCE_VERSION.0)
        .with_correlation_id(7)
        .with_client_id(Some(StrBytes::from_static_str("milena")));
    header.encode(out, 2).expect("fits the version");
    request
        .encode(out, PRODUCE_VERSION.0)
        .expect("fits the version");
}
