//! A consumer's partitions: from the fetcher to links, to decode jobs, and to the user's queue.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use milena_cluster::{Outcome, TopicName, TopicPartition};
use milena_consumer::{
    Cursor, DecodedFetch, FetchConfig, FetchEvent, FetchId, Fetcher, FetcherRequest, StartPosition,
};
use milena_wire::Uuid;
use milena_wire::messages::{FetchResponse, ListOffsetsResponse};

use super::{Engine, Owner, REST, requests};
use crate::driver::Action;
use crate::job::Job;
use crate::reply::Reply;
use crate::router::{CallOutcome, Purpose};
use crate::shared::ConsumerQueue;

/// A Fetch in flight.
#[derive(Debug)]
pub(super) struct AskedFetch {
    consumer: usize,
    id: FetchId,
    /// The ids it used, to read the answer by.
    topics: Vec<(Uuid, TopicName)>,
}

#[derive(Debug)]
pub(super) struct ConsumerCore {
    fetcher: Fetcher,
    queue: Arc<ConsumerQueue>,
    /// The seek that each partition's output belongs to; what the queue knows to be older, it drops.
    versions: BTreeMap<TopicPartition, u64>,
}

impl Engine {
    pub(super) fn open_consumer(
        &mut self,
        index: usize,
        config: FetchConfig,
        partitions: Vec<(TopicPartition, StartPosition)>,
        queue: Arc<ConsumerQueue>,
        reply: Reply<()>,
    ) {
        let mut fetcher = Fetcher::new(config, self.seeds.u64(..));
        let mut versions = BTreeMap::new();
        for (partition, start) in partitions {
            self.metadata.want_topic(&partition.topic);
            let cursor = match start {
                StartPosition::Offset(position) => Some(Cursor::at(position)),
                StartPosition::Cursor(cursor) => Some(cursor),
                StartPosition::Earliest | StartPosition::Latest => None,
            };
            versions.insert(partition.clone(), queue.seek(&partition, cursor).0);
            fetcher.assign(partition, start);
        }
        self.consumers.insert(
            index,
            ConsumerCore {
                fetcher,
                queue,
                versions,
            },
        );
        reply.send(());
    }

    pub(super) fn close_consumer(&mut self, now: Instant, consumer: usize) {
        self.consumers.remove(&consumer);
        self.router.close_fetches(now, consumer);
    }

    pub(super) fn advance_consumers(&mut self, now: Instant) -> bool {
        let mut moved = false;
        let indexes: Vec<usize> = self.consumers.keys().copied().collect();
        for index in indexes {
            moved |= self.drain_fetch_events(index);
            while let Some(request) = self.next_fetch(now, index) {
                moved = true;
                self.send_fetch(now, index, request);
            }
            while let Some(job) = self
                .consumers
                .get_mut(&index)
                .and_then(|core| core.fetcher.poll_decode())
            {
                moved = true;
                let job = Job::decode(index, job, &self.contexts);
                self.router.push_action(Action::Run(job));
            }
            moved |= self.drain_fetch_events(index);
        }
        moved
    }

    fn drain_fetch_events(&mut self, index: usize) -> bool {
        let mut moved = false;
        while let Some(core) = self.consumers.get_mut(&index) {
            let Some(event) = core.fetcher.poll_event() else {
                break;
            };
            moved = true;
            match event {
                FetchEvent::RefreshMetadata => self.metadata.request_refresh(),
                FetchEvent::LeaderHint {
                    tp,
                    node,
                    epoch,
                    endpoint,
                } => {
                    self.metadata.handle_leader_hint(&tp, node, epoch, endpoint);
                    self.router.set_nodes(
                        self.metadata
                            .nodes()
                            .map(|(node, address)| (node, address.clone())),
                    );
                }
                event => core.show(event),
            }
        }
        moved
    }

    fn next_fetch(&mut self, now: Instant, index: usize) -> Option<FetcherRequest> {
        let metadata = &self.metadata;
        // A leader whose address is not known cannot be asked yet.
        let leader = |partition: &TopicPartition| {
            metadata
                .leader(partition)
                .filter(|(node, _)| metadata.address(*node).is_some())
        };
        self.consumers
            .get_mut(&index)?
            .fetcher
            .poll_request(now, &leader)
    }

    fn send_fetch(&mut self, now: Instant, index: usize, request: FetcherRequest) {
        let Some(core) = self.consumers.get(&index) else {
            return;
        };
        let isolation = core.fetcher.config().isolation;
        let node = request.node();
        let target = crate::router::Target::Node(node);
        match &request {
            FetcherRequest::Fetch {
                id,
                slot,
                partitions,
                wait_max,
                ..
            } => {
                let (id, slot, wait) = (*id, *slot, *wait_max);
                let mut topics: Vec<(Uuid, TopicName)> = Vec::new();
                for part in partitions {
                    if !topics.iter().any(|(_, name)| *name == part.tp.topic) {
                        let topic_id = self
                            .metadata
                            .topic(&part.tp.topic)
                            .map(|topic| topic.topic_id)
                            .unwrap_or_default();
                        topics.push((topic_id, Arc::clone(&part.tp.topic)));
                    }
                }
                let asked = AskedFetch {
                    consumer: index,
                    id,
                    topics: topics.clone(),
                };
                let call = self.call_with(
                    now,
                    requests::fetch(request, isolation, topics),
                    wait,
                    Owner::Fetch(asked),
                );
                self.router.submit(
                    now,
                    target,
                    Purpose::Fetch {
                        consumer: index,
                        slot,
                    },
                    call,
                );
            }
            FetcherRequest::ListOffsets { id, .. } => {
                let owner = Owner::ListOffsets {
                    consumer: index,
                    id: *id,
                };
                let call = self.call_with(
                    now,
                    requests::fetcher_offsets(request, isolation),
                    Duration::ZERO,
                    owner,
                );
                self.router.submit(now, target, REST, call);
            }
        }
    }

    pub(super) fn handle_fetch(&mut self, now: Instant, asked: &AskedFetch, outcome: &CallOutcome) {
        let decoded = self
            .decode::<FetchResponse<'_>>(now, outcome)
            .map(|(_, response)| response);
        let Some(core) = self.consumers.get_mut(&asked.consumer) else {
            return;
        };
        core.fetcher
            .handle_fetch(now, asked.id, by_reference(&decoded), &asked.topics);
    }

    pub(super) fn handle_list_offsets(
        &mut self,
        now: Instant,
        consumer: usize,
        id: FetchId,
        outcome: &CallOutcome,
    ) {
        let decoded = self
            .decode::<ListOffsetsResponse<'_>>(now, outcome)
            .map(|(_, response)| response);
        let Some(core) = self.consumers.get_mut(&consumer) else {
            return;
        };
        core.fetcher
            .handle_list_offsets(now, id, by_reference(&decoded));
    }
}

impl ConsumerCore {
    pub(super) fn uses(&self, topic: &str) -> bool {
        let mut assigned = self.versions.keys();
        assigned.any(|partition| &*partition.topic == topic)
    }

    pub(super) fn handle_decoded(&mut self, now: Instant, fetch: DecodedFetch) {
        self.fetcher.handle_decoded(now, fetch);
    }

    pub(super) fn seek(&mut self, partition: &TopicPartition, cursor: Cursor, version: u64) {
        self.versions.insert(partition.clone(), version);
        self.fetcher.seek(partition, cursor);
    }

    pub(super) fn release(&mut self, partition: &TopicPartition, bytes: usize) {
        self.fetcher.release(partition, bytes);
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.fetcher.poll_timeout()
    }

    fn show(&mut self, event: FetchEvent) {
        let version = |core: &Self, partition: &TopicPartition| {
            core.versions.get(partition).copied().unwrap_or_default()
        };
        match event {
            FetchEvent::Batches { tp, batches } => {
                let version = version(self, &tp);
                for batch in batches {
                    let bytes = batch.bytes;
                    if !self.queue.push_batch(version, batch) {
                        self.fetcher.release(&tp, bytes);
                    }
                }
            }
            FetchEvent::Position { tp, cursor } => {
                let version = version(self, &tp);
                self.queue.push_position(tp, version, cursor);
            }
            FetchEvent::Failed { tp, error } => {
                let version = version(self, &tp);
                self.queue.push_failure(tp, version, error);
            }
            _ => {}
        }
    }
}

impl Drop for ConsumerCore {
    fn drop(&mut self) {
        self.queue.close();
    }
}

fn by_reference<R>(outcome: &Outcome<R>) -> Outcome<&R> {
    match outcome {
        Outcome::Answered(response) => Outcome::Answered(response),
        Outcome::NotSent(failure) => Outcome::NotSent(failure.clone()),
        Outcome::Unsure(failure) => Outcome::Unsure(failure.clone()),
    }
}
