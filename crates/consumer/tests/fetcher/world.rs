//! A fetcher in virtual time, with everything it gave out written down.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use bytes::Bytes;
use milena_cluster::{LeaderEpoch, NodeId, Outcome, SendFailure, TopicName, TopicPartition};
use milena_consumer::{
    Cursor, DecodeJob, DecodedFetch, FetchConfig, FetchError, FetchEvent, FetchId, FetchPartition,
    Fetcher, FetcherRequest, StartPosition,
};
use milena_wire::compress::Decompressor;
use milena_wire::messages::{
    AbortedTransaction, FetchResponse, FetchableTopicResponse, ListOffsetsPartitionResponse,
    ListOffsetsResponse, ListOffsetsTopicResponse, PartitionData,
};
use milena_wire::{ErrorCode, Payload, Uuid};

use crate::log::Log;

/// Does the work of `job`.
pub(crate) fn run(job: DecodeJob) -> DecodedFetch {
    job.run(&mut Decompressor::default())
}

pub(crate) struct World {
    pub(crate) fetcher: Fetcher,
    pub(crate) now: Instant,
    pub(crate) leaders: BTreeMap<TopicPartition, (NodeId, LeaderEpoch)>,
    pub(crate) events: VecDeque<FetchEvent>,
}

/// A Fetch as it was given out.
#[derive(Clone, Debug)]
pub(crate) struct Fetch {
    pub(crate) id: FetchId,
    pub(crate) node: i32,
    pub(crate) slot: u8,
    pub(crate) wait: Duration,
    pub(crate) bytes_max: usize,
    pub(crate) partitions: Vec<FetchPartition>,
}

/// A ListOffsets as it was given out.
#[derive(Clone, Debug)]
pub(crate) struct List {
    pub(crate) id: FetchId,
    pub(crate) partitions: Vec<(TopicPartition, i64)>,
}

/// Partition `partition` of the topic that most tests use.
pub(crate) fn tp(partition: i32) -> TopicPartition {
    TopicPartition::new("t", partition)
}

pub(crate) fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// An answer for one partition: these bytes, everything stable.
pub(crate) fn data(partition: i32, records: &[Bytes]) -> PartitionData {
    PartitionData {
        partition_index: partition,
        high_watermark: 1_000_000,
        last_stable_offset: 1_000_000,
        log_start_offset: 0,
        records: Some(Payload::new(vec![records.concat().into()])),
        ..PartitionData::default()
    }
}

pub(crate) fn aborted(listed: &[(i64, i64)], data: PartitionData) -> PartitionData {
    let listed = listed
        .iter()
        .map(|(producer_id, first_offset)| AbortedTransaction {
            producer_id: *producer_id,
            first_offset: *first_offset,
        });
    PartitionData {
        aborted_transactions: Some(listed.collect()),
        ..data
    }
}

pub(crate) fn refused(partition: i32, code: ErrorCode) -> PartitionData {
    PartitionData {
        partition_index: partition,
        error_code: code,
        high_watermark: -1,
        ..PartitionData::default()
    }
}

pub(crate) fn response(partitions: Vec<PartitionData>) -> FetchResponse<'static> {
    FetchResponse {
        responses: vec![FetchableTopicResponse {
            topic: "t",
            partitions,
            ..Default::default()
        }],
        ..Default::default()
    }
}

impl World {
    pub(crate) fn new(config: FetchConfig) -> Self {
        #[allow(
            clippy::disallowed_methods,
            reason = "some origin of virtual time; only differences to it count"
        )]
        let now = Instant::now();
        Self {
            fetcher: Fetcher::new(config, 7),
            now,
            leaders: BTreeMap::new(),
            events: VecDeque::new(),
        }
    }

    /// Partitions 0.. of topic `t`, each from offset 0, led by these nodes.
    pub(crate) fn reading(config: FetchConfig, leaders: &[i32]) -> Self {
        let mut world = Self::new(config);
        for (partition, node) in (0..).zip(leaders) {
            world.lead(partition, *node, 0);
            world
                .fetcher
                .assign(tp(partition), StartPosition::Offset(0));
        }
        world
    }

    pub(crate) fn lead(&mut self, partition: i32, node: i32, epoch: i32) {
        self.leaders
            .insert(tp(partition), (NodeId(node), LeaderEpoch(epoch)));
    }

    pub(crate) fn advance(&mut self, by: Duration) {
        self.now += by;
    }

    /// Goes on to when the fetcher wants to be asked.
    pub(crate) fn advance_to_timeout(&mut self) -> Duration {
        let at = self
            .fetcher
            .poll_timeout()
            .expect("the fetcher waits for a time");
        let by = at.saturating_duration_since(self.now);
        self.now = self.now.max(at);
        by
    }

    pub(crate) fn request(&mut self) -> Option<FetcherRequest> {
        let leaders = &self.leaders;
        self.fetcher
            .poll_request(self.now, &|tp| leaders.get(tp).copied())
    }

    /// The next request, which must be a Fetch.
    pub(crate) fn fetch(&mut self) -> Fetch {
        self.try_fetch().expect("the fetcher wants to fetch")
    }

    pub(crate) fn try_fetch(&mut self) -> Option<Fetch> {
        match self.request()? {
            FetcherRequest::Fetch {
                id,
                node,
                slot,
                partitions,
                wait_max,
                bytes_max,
                ..
            } => Some(Fetch {
                id,
                node: node.0,
                slot,
                wait: wait_max,
                bytes_max,
                partitions,
            }),
            other @ FetcherRequest::ListOffsets { .. } => panic!("not a Fetch: {other:?}"),
        }
    }

    /// The next request, which must be a ListOffsets.
    pub(crate) fn list(&mut self) -> List {
        match self.request().expect("the fetcher wants to list offsets") {
            FetcherRequest::ListOffsets { id, partitions, .. } => List {
                id,
                partitions: partitions
                    .into_iter()
                    .map(|(tp, timestamp, _)| (tp, timestamp))
                    .collect(),
            },
            other @ FetcherRequest::Fetch { .. } => panic!("not a ListOffsets: {other:?}"),
        }
    }

    pub(crate) fn assert_quiet(&mut self) {
        let request = self.request();
        assert!(request.is_none(), "nothing should be asked: {request:?}");
    }

    pub(crate) fn answer(&mut self, id: FetchId, partitions: Vec<PartitionData>) {
        self.answer_with(id, &response(partitions), &[]);
    }

    pub(crate) fn answer_with(
        &mut self,
        id: FetchId,
        response: &FetchResponse<'_>,
        topics: &[(Uuid, TopicName)],
    ) {
        self.fetcher
            .handle_fetch(self.now, id, Outcome::Answered(response), topics);
        self.collect();
    }

    pub(crate) fn lose(&mut self, id: FetchId) {
        self.fetcher.handle_fetch(
            self.now,
            id,
            Outcome::Unsure(SendFailure::RequestTimedOut),
            &[],
        );
        self.collect();
    }

    /// Answers a ListOffsets with one partition's result.
    pub(crate) fn listed(
        &mut self,
        id: FetchId,
        partition: i32,
        error_code: ErrorCode,
        offset: i64,
        leader_epoch: i32,
    ) {
        let result = ListOffsetsPartitionResponse {
            partition_index: partition,
            error_code,
            offset,
            leader_epoch,
            ..Default::default()
        };
        let topics = vec![ListOffsetsTopicResponse {
            name: "t",
            partitions: vec![result],
        }];
        self.fetcher.handle_list_offsets(
            self.now,
            id,
            Outcome::Answered(&ListOffsetsResponse {
                topics,
                ..Default::default()
            }),
        );
        self.collect();
    }

    /// Runs every decode job there is.
    pub(crate) fn decode(&mut self) {
        while let Some(job) = self.fetcher.poll_decode() {
            self.finish(job);
        }
    }

    pub(crate) fn job(&mut self) -> DecodeJob {
        self.fetcher
            .poll_decode()
            .expect("something is to be decoded")
    }

    pub(crate) fn finish(&mut self, job: DecodeJob) {
        self.fetcher.handle_decoded(self.now, run(job));
        self.collect();
    }

    /// Fetches once from partition 0, answers, and decodes.
    pub(crate) fn step(&mut self, answer: PartitionData) {
        let fetch = self.fetch();
        self.answer(fetch.id, vec![answer]);
        self.decode();
    }

    /// Reads partition 0 of `log` until it has no more.
    pub(crate) fn read_log(&mut self, log: &Log, bytes_max: usize) -> Vec<(i64, String)> {
        let mut seen = Vec::new();
        for _ in 0..10_000 {
            let fetch = self.fetch();
            let before = fetch.partitions[0].position;
            let answer = log.read(before, bytes_max, self.fetcher.config().isolation);
            self.answer(fetch.id, vec![answer]);
            self.decode();
            seen.extend(self.records());
            if self.position(0) == before {
                return seen;
            }
        }
        panic!("no end in sight");
    }

    pub(crate) fn position(&self, partition: i32) -> i64 {
        self.cursor(partition).position
    }

    pub(crate) fn cursor(&self, partition: i32) -> Cursor {
        self.fetcher
            .position(&tp(partition))
            .expect("the partition has a position")
    }

    /// Takes every batch, and gives its memory back: offset and value of the records a user would see.
    pub(crate) fn records(&mut self) -> Vec<(i64, String)> {
        let mut seen = Vec::new();
        for event in std::mem::take(&mut self.events) {
            let FetchEvent::Batches { tp, batches } = event else {
                self.events.push_back(event);
                continue;
            };
            for batch in batches {
                assert_eq!(batch.tp, tp);
                self.fetcher.release(&tp, batch.bytes);
                let shown = batch
                    .records
                    .records()
                    .filter(|record| record.offset() >= batch.first_position);
                seen.extend(shown.map(|record| {
                    (
                        record.offset(),
                        String::from_utf8_lossy(record.value().unwrap_or_default()).into_owned(),
                    )
                }));
            }
        }
        seen
    }

    pub(crate) fn offsets(&mut self) -> Vec<i64> {
        self.records()
            .into_iter()
            .map(|(offset, _)| offset)
            .collect()
    }

    pub(crate) fn values(&mut self) -> Vec<String> {
        self.records().into_iter().map(|(_, value)| value).collect()
    }

    /// The failures told since the last call.
    pub(crate) fn failures(&mut self) -> Vec<FetchError> {
        let told = self.take(|event| matches!(event, FetchEvent::Failed { .. }));
        told.into_iter()
            .filter_map(|event| {
                if let FetchEvent::Failed { error, .. } = event {
                    Some(error)
                } else {
                    None
                }
            })
            .collect()
    }

    /// The moves without records told since the last call.
    pub(crate) fn moves(&mut self) -> Vec<Cursor> {
        let told = self.take(|event| matches!(event, FetchEvent::Position { .. }));
        told.into_iter()
            .filter_map(|event| {
                if let FetchEvent::Position { cursor, .. } = event {
                    Some(cursor)
                } else {
                    None
                }
            })
            .collect()
    }

    /// How often new metadata were wanted since the last call.
    pub(crate) fn refreshes(&mut self) -> usize {
        self.collect();
        self.take(|event| matches!(event, FetchEvent::RefreshMetadata))
            .len()
    }

    pub(crate) fn take(&mut self, wanted: impl Fn(&FetchEvent) -> bool) -> Vec<FetchEvent> {
        let (taken, left): (VecDeque<_>, VecDeque<_>) = std::mem::take(&mut self.events)
            .into_iter()
            .partition(|event| wanted(event));
        self.events = left;
        taken.into()
    }

    pub(crate) fn collect(&mut self) {
        while let Some(event) = self.fetcher.poll_event() {
            self.events.push_back(event);
        }
    }
}

impl Fetch {
    pub(crate) fn indexes(&self) -> Vec<i32> {
        self.partitions
            .iter()
            .map(|asked| asked.tp.partition)
            .collect()
    }
}
