//! Requests in short, their answers as plain values.

use milena_testbroker::CoordinatorKind;
use milena_wire::messages::{
    AddOffsetsToTxnRequest, AddPartitionsToTxnRequest, AddPartitionsToTxnTopic, EndTxnRequest,
    FetchPartition, FetchRequest, FetchTopic, InitProducerIdRequest, ListOffsetsPartition,
    ListOffsetsRequest, ListOffsetsTopic, OffsetFetchRequest, OffsetFetchRequestGroup,
    OffsetFetchRequestTopics, PartitionProduceData, ProduceRequest, TopicProduceData,
    TxnOffsetCommitRequest, TxnOffsetCommitRequestPartition, TxnOffsetCommitRequestTopic,
};
use milena_wire::record::batches;
use milena_wire::{ErrorCode, Payload};

use crate::harness::{Cluster, Id};

/// The version that adds partitions to transactions, and the last that does not.
pub(crate) const PRODUCE_TV2: i16 = 12;
pub(crate) const PRODUCE_TV1: i16 = 11;
pub(crate) const END_TV2: i16 = 5;
pub(crate) const END_TV1: i16 = 4;

/// What one partition of a Fetch answered.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Fetched {
    pub(crate) error: ErrorCode,
    pub(crate) values: Vec<String>,
    /// Producer id and first offset.
    pub(crate) aborted: Option<Vec<(i64, i64)>>,
    pub(crate) high_watermark: i64,
    pub(crate) last_stable_offset: i64,
    pub(crate) bytes: usize,
    pub(crate) leader: (i32, i32),
}

/// How a Fetch asks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asking {
    pub(crate) version: i16,
    pub(crate) offset: i64,
    pub(crate) committed: bool,
    pub(crate) leader_epoch: i32,
    pub(crate) min_bytes: i32,
    pub(crate) max_wait_ms: i32,
    pub(crate) max_bytes: i32,
    pub(crate) partition_max_bytes: i32,
}

impl Default for Asking {
    fn default() -> Self {
        Self {
            version: 12,
            offset: 0,
            committed: false,
            leader_epoch: -1,
            min_bytes: 0,
            max_wait_ms: 0,
            max_bytes: i32::MAX,
            partition_max_bytes: 1 << 20,
        }
    }
}

pub(crate) fn fetch_request(asking: Asking, partition: i32) -> FetchRequest<'static> {
    FetchRequest {
        replica_id: -1,
        max_wait_ms: asking.max_wait_ms,
        min_bytes: asking.min_bytes,
        max_bytes: asking.max_bytes,
        isolation_level: i8::from(asking.committed),
        topics: vec![FetchTopic {
            topic: "t",
            partitions: vec![FetchPartition {
                partition,
                fetch_offset: asking.offset,
                current_leader_epoch: asking.leader_epoch,
                partition_max_bytes: asking.partition_max_bytes,
                ..Default::default()
            }],
            ..Default::default()
        }],
        ..Default::default()
    }
}

/// What a Fetch answer says of its only partition.
pub(crate) fn fetched(response: &milena_wire::messages::FetchResponse<'_>) -> Fetched {
    let data = &response.responses[0].partitions[0];
    let records = data
        .records
        .as_ref()
        .map(Payload::to_bytes)
        .unwrap_or_default();
    let bytes = records.len();
    let mut values = Vec::new();
    for batch in batches(records) {
        let batch = batch.expect("whole batches can be read");
        batch
            .verify_crc()
            .expect("the checksum holds for what is fetched");
        if batch.is_control() {
            values.push(format!("{:?}", batch.control().expect("a control record")));
            continue;
        }
        for record in batch.into_records().expect("records can be read").records() {
            let value = record.value().expect("records of these tests have values");
            values.push(String::from_utf8(value.to_vec()).expect("text"));
        }
    }
    let pairs = |aborted: &Vec<milena_wire::messages::AbortedTransaction>| {
        aborted
            .iter()
            .map(|aborted| (aborted.producer_id, aborted.first_offset))
            .collect()
    };
    Fetched {
        error: data.error_code,
        values,
        aborted: data.aborted_transactions.as_ref().map(pairs),
        high_watermark: data.high_watermark,
        last_stable_offset: data.last_stable_offset,
        bytes,
        leader: (
            data.current_leader.leader_id,
            data.current_leader.leader_epoch,
        ),
    }
}

impl Cluster {
    /// Produces to `t`; the base offset or the error.
    pub(crate) fn produce(
        &mut self,
        node: i32,
        version: i16,
        id: Option<&str>,
        partition: i32,
        records: Payload,
    ) -> Result<i64, ErrorCode> {
        let request = produce_request(id, partition, records);
        self.ask(node, version, &request, |response| {
            let answer = &response.responses[0].partition_responses[0];
            if answer.error_code.is_ok() {
                Ok(answer.base_offset)
            } else {
                Err(answer.error_code)
            }
        })
    }

    /// To node 1, without a transactional id.
    pub(crate) fn write(&mut self, records: Payload) -> Result<i64, ErrorCode> {
        self.produce(1, 9, None, 0, records)
    }

    /// To node 1, in the transaction of `x` under TV2.
    pub(crate) fn write_tv2(&mut self, records: Payload) -> Result<i64, ErrorCode> {
        self.produce(1, PRODUCE_TV2, Some("x"), 0, records)
    }

    pub(crate) fn fetch(&mut self, node: i32, asking: Asking) -> Fetched {
        self.ask(
            node,
            asking.version,
            &fetch_request(asking, 0),
            |response| fetched(&response),
        )
    }

    pub(crate) fn init(&mut self, id: Option<&str>, expected: Option<Id>) -> Result<Id, ErrorCode> {
        let node = id.map_or(1, |id| {
            self.broker.coordinator(CoordinatorKind::Transaction, id)
        });
        self.init_at(node, 5, id, expected)
    }

    pub(crate) fn init_at(
        &mut self,
        node: i32,
        version: i16,
        id: Option<&str>,
        expected: Option<Id>,
    ) -> Result<Id, ErrorCode> {
        let request = InitProducerIdRequest {
            transactional_id: id,
            transaction_timeout_ms: 60_000,
            producer_id: expected.map_or(-1, |expected| expected.id),
            producer_epoch: expected.map_or(-1, |expected| expected.epoch),
        };
        self.ask(node, version, &request, |response| {
            let got = Id {
                id: response.producer_id,
                epoch: response.producer_epoch,
            };
            if response.error_code.is_ok() {
                Ok(got)
            } else {
                Err(response.error_code)
            }
        })
    }

    pub(crate) fn end(
        &mut self,
        version: i16,
        producer: Id,
        committed: bool,
    ) -> Result<Id, ErrorCode> {
        let node = self.broker.coordinator(CoordinatorKind::Transaction, "x");
        self.end_at(node, version, producer, committed)
    }

    pub(crate) fn end_at(
        &mut self,
        node: i32,
        version: i16,
        producer: Id,
        committed: bool,
    ) -> Result<Id, ErrorCode> {
        let request = end_request(producer, committed);
        self.ask(node, version, &request, |response| {
            let next = Id {
                id: response.producer_id,
                epoch: response.producer_epoch,
            };
            if response.error_code.is_ok() {
                Ok(next)
            } else {
                Err(response.error_code)
            }
        })
    }

    /// Adds partitions of `t` to the transaction of `x`.
    pub(crate) fn add_partitions(&mut self, producer: Id, partitions: &[i32]) -> Vec<ErrorCode> {
        let node = self.broker.coordinator(CoordinatorKind::Transaction, "x");
        let request = AddPartitionsToTxnRequest {
            v3_and_below_transactional_id: "x",
            v3_and_below_producer_id: producer.id,
            v3_and_below_producer_epoch: producer.epoch,
            v3_and_below_topics: vec![AddPartitionsToTxnTopic {
                name: "t",
                partitions: partitions.into(),
            }],
            ..Default::default()
        };
        self.ask(node, 3, &request, |response| {
            let results = &response.results_by_topic_v3_and_below[0].results_by_partition;
            results
                .iter()
                .map(|result| result.partition_error_code)
                .collect()
        })
    }

    pub(crate) fn add_offsets(&mut self, producer: Id, group: &str) -> ErrorCode {
        let node = self.broker.coordinator(CoordinatorKind::Transaction, "x");
        let request = AddOffsetsToTxnRequest {
            transactional_id: "x",
            producer_id: producer.id,
            producer_epoch: producer.epoch,
            group_id: group,
        };
        self.ask(node, 3, &request, |response| response.error_code)
    }

    /// Commits an offset of `t-0` for `group` in the transaction of `x`.
    pub(crate) fn commit_offset(
        &mut self,
        version: i16,
        producer: Id,
        group: &str,
        offset: i64,
    ) -> ErrorCode {
        let node = self.broker.coordinator(CoordinatorKind::Group, group);
        let request = offset_commit_request(producer, group, offset);
        self.ask(node, version, &request, |response| {
            response.topics[0].partitions[0].error_code
        })
    }

    /// The offset of `t-0` that `group` gets, or the error.
    pub(crate) fn fetch_offset(&mut self, group: &str, stable: bool) -> Result<i64, ErrorCode> {
        let node = self.broker.coordinator(CoordinatorKind::Group, group);
        let request = OffsetFetchRequest {
            groups: vec![OffsetFetchRequestGroup {
                group_id: group,
                topics: Some(vec![OffsetFetchRequestTopics {
                    name: "t",
                    partition_indexes: vec![0].into(),
                    ..Default::default()
                }]),
                ..Default::default()
            }],
            require_stable: stable,
            ..Default::default()
        };
        self.ask(node, 9, &request, |response| {
            let group = &response.groups[0];
            if !group.error_code.is_ok() {
                return Err(group.error_code);
            }
            let found = &group.topics[0].partitions[0];
            if found.error_code.is_ok() {
                Ok(found.committed_offset)
            } else {
                Err(found.error_code)
            }
        })
    }

    /// Offset and leader epoch of `t-0` for a time-stamp, or the error.
    pub(crate) fn list_offset(
        &mut self,
        timestamp: i64,
        committed: bool,
        leader_epoch: i32,
    ) -> Result<(i64, i32), ErrorCode> {
        let request = ListOffsetsRequest {
            replica_id: -1,
            isolation_level: i8::from(committed),
            topics: vec![ListOffsetsTopic {
                name: "t",
                partitions: vec![ListOffsetsPartition {
                    partition_index: 0,
                    current_leader_epoch: leader_epoch,
                    timestamp,
                }],
            }],
            ..Default::default()
        };
        self.ask(1, 7, &request, |response| {
            let found = &response.topics[0].partitions[0];
            if found.error_code.is_ok() {
                Ok((found.offset, found.leader_epoch))
            } else {
                Err(found.error_code)
            }
        })
    }
}

pub(crate) fn produce_request(
    id: Option<&str>,
    partition: i32,
    records: Payload,
) -> ProduceRequest<'_> {
    ProduceRequest {
        transactional_id: id,
        acks: -1,
        timeout_ms: 30_000,
        topic_data: vec![TopicProduceData {
            name: "t",
            partition_data: vec![PartitionProduceData {
                index: partition,
                records: Some(records),
            }],
            ..Default::default()
        }],
    }
}

pub(crate) fn end_request(producer: Id, committed: bool) -> EndTxnRequest<'static> {
    EndTxnRequest {
        transactional_id: "x",
        producer_id: producer.id,
        producer_epoch: producer.epoch,
        committed,
    }
}

pub(crate) fn offset_commit_request(
    producer: Id,
    group: &str,
    offset: i64,
) -> TxnOffsetCommitRequest<'_> {
    TxnOffsetCommitRequest {
        transactional_id: "x",
        group_id: group,
        producer_id: producer.id,
        producer_epoch: producer.epoch,
        generation_id: -1,
        topics: vec![TxnOffsetCommitRequestTopic {
            name: "t",
            partitions: vec![TxnOffsetCommitRequestPartition {
                partition_index: 0,
                committed_offset: offset,
                committed_leader_epoch: 0,
                committed_metadata: Some("m"),
            }],
        }],
        ..Default::default()
    }
}
