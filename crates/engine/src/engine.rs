//! The engine: owns every core, moves what they put out to where it belongs, and decides nothing about Kafka's semantics.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use milena_cluster::{
    CoordinatorKey, Coordinators, FinalizedFeatures, Metadata, MetadataConfig, Outcome, SendFailure,
};
use milena_wire::messages::{FindCoordinatorResponse, MetadataResponse};
use milena_wire::{ApiMessage, ApiVersion, Decode, DecodeError, decode_response};
use rustc_hash::FxHashMap;

use crate::command::Command;
use crate::config::EngineConfig;
use crate::driver::{Action, CloseReason, LinkId};
use crate::job::{Contexts, Done, JobDone};
use crate::router::{Answer, Call, CallId, CallOutcome, EncodeCall, Purpose, Router, Target};
use crate::shared::Inbox;

mod consuming;
mod producing;
mod queries;
mod requests;
mod transactions;

use consuming::ConsumerCore;
use producing::{Part, ProducerCore};
use queries::Queries;

/// How often the cores are asked for more before the driver gets a turn: a bound on a loop that ends by itself, unless a
/// core of ours has a bug.
const ROUNDS_MAX: usize = 1_000;
/// How long a dropped client may go on to deliver what was accepted and to abort what was open.
const SHUT_DOWN_GRACE: Duration = Duration::from_secs(5);

/// The cores and links of one client, to be turned by a [`crate::driver::Driver`].
///
/// Inputs: `handle_*`, each with the time first. Outputs: after any input call [`Engine::poll_action`] until it returns
/// `None`, then [`Engine::poll_timeout`].
#[derive(Debug)]
pub struct Engine {
    pub(crate) router: Router,
    config: EngineConfig,
    inbox: Arc<Inbox>,
    seeds: fastrand::Rng,
    metadata: Metadata,
    coordinators: Coordinators,
    features: FinalizedFeatures,
    calls: FxHashMap<CallId, Owner>,
    producers: BTreeMap<usize, ProducerCore>,
    consumers: BTreeMap<usize, ConsumerCore>,
    queries: Queries,
    contexts: Arc<Contexts>,
    seen: Seen,
    shut_down_at: Option<Instant>,
    finished: bool,
}

/// What the senders and fetchers have seen of the world; when it grows, those that wait look again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Seen {
    metadata: u64,
    router: u64,
}

/// Who asked.
#[derive(Debug)]
enum Owner {
    Metadata,
    Coordinator(CoordinatorKey),
    Identity {
        producer: usize,
    },
    Produce {
        producer: usize,
        parts: Vec<Part>,
    },
    Transaction(transactions::Asked),
    Fetch(consuming::AskedFetch),
    ListOffsets {
        consumer: usize,
        id: milena_consumer::FetchId,
    },
    Query {
        id: u64,
    },
}

impl Engine {
    pub(crate) fn new(config: EngineConfig, inbox: Arc<Inbox>, seed: u64) -> Self {
        let config = config.bounded();
        let mut seeds = fastrand::Rng::with_seed(seed);
        let metadata = MetadataConfig {
            refresh_age: config.metadata_age_max,
            retry: config.retry,
        };
        Self {
            router: Router::new(config.clone(), seeds.u64(..)),
            inbox,
            metadata: Metadata::new(metadata, seeds.u64(..)),
            coordinators: Coordinators::new(config.retry, seeds.u64(..)),
            features: FinalizedFeatures::default(),
            calls: FxHashMap::default(),
            producers: BTreeMap::new(),
            consumers: BTreeMap::new(),
            queries: Queries::new(config.retry, seeds.u64(..)),
            contexts: Arc::default(),
            seeds,
            config,
            seen: Seen::default(),
            shut_down_at: None,
            finished: false,
        }
    }

    /// Takes what the handles have asked for since.
    pub fn handle_inbox(&mut self, now: Instant) {
        for command in self.inbox.take() {
            self.handle_command(now, command);
        }
    }

    /// The connection that [`Action::Connect`] asked for is there.
    pub fn handle_connected(&mut self, now: Instant, link: LinkId) {
        self.router.handle_connected(now, link);
    }

    /// The connection could not be made, or is gone.
    pub fn handle_closed(&mut self, now: Instant, link: LinkId, reason: &CloseReason) {
        self.router.handle_closed(now, link, reason);
    }

    /// Bytes were appended to the link's [`Engine::read_buffer`].
    pub fn handle_read(&mut self, now: Instant, link: LinkId) {
        self.router.handle_read(now, link);
    }

    /// This many of the bytes offered were written.
    pub fn handle_written(&mut self, _now: Instant, link: LinkId, bytes: usize) {
        self.router.handle_written(link, bytes);
    }

    /// A job that [`Action::Run`] asked for is done.
    pub fn handle_job(&mut self, now: Instant, done: JobDone) {
        match done.0 {
            Done::Sealed {
                producer,
                slot,
                job,
            } => {
                if let Some(core) = self.producers.get_mut(&producer) {
                    core.handle_sealed(slot, job);
                }
            }
            Done::Decoded { consumer, fetch } => {
                if let Some(core) = self.consumers.get_mut(&consumer) {
                    core.handle_decoded(now, fetch);
                }
            }
        }
    }

    /// The time that [`Engine::poll_timeout`] named has come.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.router.handle_timeout(now);
        for core in self.producers.values_mut() {
            core.handle_timeout(now);
        }
        if self.shut_down_at.is_some_and(|at| at <= now) {
            // What was offered to a socket, or answered, up to now must not be told as never sent.
            self.dispatch_outcomes(now);
            self.producers.clear();
        }
    }

    /// What the driver is to do next. Call it until it returns `None`.
    pub fn poll_action(&mut self, now: Instant) -> Option<Action> {
        if let Some(action) = self.router.poll_action() {
            return Some(action);
        }
        if self.finished {
            return None;
        }
        self.advance(now);
        self.finish(now);
        self.router.poll_action()
    }

    /// When to call [`Engine::handle_timeout`] at the latest.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        if self.finished {
            return None;
        }
        let cores = [
            self.router.poll_timeout(),
            self.metadata.poll_timeout(),
            self.coordinators.poll_timeout(),
            self.queries.poll_timeout(),
            self.shut_down_at,
        ];
        let producers = self
            .producers
            .values()
            .filter_map(ProducerCore::poll_timeout);
        let consumers = self
            .consumers
            .values()
            .filter_map(ConsumerCore::poll_timeout);
        cores
            .into_iter()
            .flatten()
            .chain(producers)
            .chain(consumers)
            .min()
    }

    fn handle_command(&mut self, now: Instant, command: Command) {
        match command {
            Command::OpenProducer {
                producer,
                settings,
                transactional,
                reply,
            } => self.open_producer(producer, settings, transactional, reply),
            Command::CloseProducer { producer } => self.close_producer(now, producer),
            Command::WantTopic {
                producer,
                topic,
                reply,
            } => self.want_topic(producer, topic, reply),
            Command::Flush { producer, reply } => self.flush(now, producer, reply),
            Command::Transaction { producer, command } => {
                self.handle_transaction_command(now, producer, command)
            }
            Command::OpenConsumer {
                consumer,
                config,
                partitions,
                queue,
                reply,
            } => self.open_consumer(consumer, config, partitions, queue, reply),
            Command::CloseConsumer { consumer } => self.close_consumer(now, consumer),
            Command::Seek {
                consumer,
                partition,
                cursor,
                version,
            } => {
                if let Some(core) = self.consumers.get_mut(&consumer) {
                    core.seek(&partition, cursor, version);
                }
            }
            Command::Release {
                consumer,
                partition,
                bytes,
            } => {
                if let Some(core) = self.consumers.get_mut(&consumer) {
                    core.release(&partition, bytes);
                }
            }
            Command::Query {
                kind,
                deadline,
                reply,
            } => self.queries.ask(kind, deadline, reply),
            Command::ShutDown => self.shut_down(now),
        }
    }

    /// Lets every core put out what it has, until none has more.
    fn advance(&mut self, now: Instant) {
        for _ in 0..ROUNDS_MAX {
            let mut moved = self.dispatch_outcomes(now);
            moved |= self.ask_metadata(now);
            moved |= self.ask_coordinators(now);
            let seen = Seen {
                metadata: self.metadata.revision(),
                router: self.router.revision(),
            };
            let fresh = seen != std::mem::replace(&mut self.seen, seen);
            moved |= self.advance_producers(now, fresh);
            moved |= self.advance_consumers(now);
            moved |= self.advance_queries(now);
            if !moved && !fresh {
                return;
            }
        }
        debug_assert!(false, "the cores keep each other busy");
    }

    fn dispatch_outcomes(&mut self, now: Instant) -> bool {
        let mut moved = false;
        while let Some(call) = self.router.poll_started() {
            moved = true;
            self.handle_started(now, call);
        }
        while let Some(versions) = self.router.poll_learnt() {
            moved = true;
            if self.features.merge(versions.features()) {
                self.features_changed();
            }
        }
        while let Some((call, outcome)) = self.router.poll_outcome() {
            moved = true;
            if let Some(owner) = self.calls.remove(&call) {
                self.dispatch(now, owner, outcome);
            }
        }
        if self.router.take_lost() {
            // The broker behind a dead connection may lead and coordinate no more.
            self.metadata.request_refresh();
        }
        moved
    }

    fn handle_started(&mut self, now: Instant, call: CallId) {
        match self.calls.get(&call) {
            Some(Owner::Produce { producer, parts }) => {
                if let Some(core) = self.producers.get_mut(producer) {
                    core.handle_started(now, parts);
                }
            }
            Some(Owner::Transaction(asked)) => {
                if let Some(core) = self.producers.get_mut(&asked.producer) {
                    core.handle_handed_over(asked.id);
                }
            }
            _ => {}
        }
    }

    fn dispatch(&mut self, now: Instant, owner: Owner, outcome: CallOutcome) {
        match owner {
            Owner::Metadata => self.handle_metadata(now, &outcome),
            Owner::Coordinator(key) => self.handle_coordinator(now, &key, &outcome),
            Owner::Identity { producer } => self.handle_identity(now, producer, &outcome),
            Owner::Produce { producer, parts } => {
                self.handle_produce(now, producer, parts, &outcome)
            }
            Owner::Transaction(asked) => self.handle_transaction_answer(now, &asked, &outcome),
            Owner::Fetch(asked) => self.handle_fetch(now, &asked, &outcome),
            Owner::ListOffsets { consumer, id } => {
                self.handle_list_offsets(now, consumer, id, &outcome)
            }
            Owner::Query { id } => self.handle_query(now, id, &outcome),
        }
    }

    fn ask_metadata(&mut self, now: Instant) -> bool {
        let Some(topics) = self.metadata.poll_request(now) else {
            return false;
        };
        let call = self.call(now, requests::metadata(topics), Owner::Metadata);
        self.router.submit_any(now, call);
        true
    }

    fn ask_coordinators(&mut self, now: Instant) -> bool {
        let mut moved = false;
        while let Some(key) = self.coordinators.poll_request(now) {
            moved = true;
            let call = self.call(
                now,
                requests::find_coordinator(key.clone()),
                Owner::Coordinator(key),
            );
            self.router.submit_any(now, call);
        }
        moved
    }

    fn handle_metadata(&mut self, now: Instant, outcome: &CallOutcome) {
        match self.decode::<MetadataResponse<'_>>(now, outcome) {
            Outcome::Answered((_, response)) => {
                self.metadata.handle_response(now, &response);
                self.router.set_nodes(
                    self.metadata
                        .nodes()
                        .map(|(node, address)| (node, address.clone())),
                );
                self.publish_topics();
                let (producers, consumers) = (&self.producers, &self.consumers);
                self.metadata.forget_idle_topics(now, |topic| {
                    producers.values().any(|core| core.uses(topic))
                        || consumers.values().any(|core| core.uses(topic))
                });
            }
            Outcome::NotSent(_) | Outcome::Unsure(_) => self.metadata.handle_failure(now),
        }
    }

    fn handle_coordinator(&mut self, now: Instant, key: &CoordinatorKey, outcome: &CallOutcome) {
        match self.decode::<FindCoordinatorResponse<'_>>(now, outcome) {
            Outcome::Answered((_, response)) => {
                if let Some(error) = self.coordinators.handle_response(now, key, &response) {
                    self.refuse_parked(now, key, error);
                    self.queries.refuse(key, error);
                } else if self
                    .coordinators
                    .node(key)
                    .is_some_and(|node| self.metadata.address(node).is_none())
                {
                    // A coordinator that metadata does not name yet.
                    self.metadata.request_refresh();
                }
            }
            Outcome::NotSent(_) | Outcome::Unsure(_) => self.coordinators.handle_failure(now, key),
        }
    }

    /// Decodes an answer. One that makes no sense counts as lost, and ends the link that brought it.
    fn decode<'a, R: ApiMessage + Decode<'a>>(
        &mut self,
        now: Instant,
        outcome: &'a CallOutcome,
    ) -> Outcome<(ApiVersion, R)> {
        match outcome {
            Outcome::NotSent(failure) => Outcome::NotSent(failure.clone()),
            Outcome::Unsure(failure) => Outcome::Unsure(failure.clone()),
            Outcome::Answered(Answer {
                version,
                frame,
                link,
            }) => match decode_answer(frame, *version) {
                Ok(response) => Outcome::Answered((*version, response)),
                Err(_) => {
                    self.router.distrust(now, *link);
                    Outcome::Unsure(SendFailure::BadAnswer)
                }
            },
        }
    }

    /// A call for `owner`, with the client's own time-outs.
    fn call(&mut self, now: Instant, request: requests::Prepared, owner: Owner) -> Call {
        self.call_with(now, request, Duration::ZERO, owner)
    }

    /// The same, for a request that the broker may keep for `wait` before it answers.
    fn call_with(
        &mut self,
        now: Instant,
        request: requests::Prepared,
        wait: Duration,
        owner: Owner,
    ) -> Call {
        let requests::Prepared {
            key,
            versions,
            encode,
        } = request;
        let encode: EncodeCall = encode;
        let id = self.router.next_call();
        self.calls.insert(id, owner);
        Call {
            id,
            key,
            versions,
            encode,
            timeout: self.config.request_timeout + wait,
            deadline: now + self.config.request_timeout,
        }
    }

    fn node_target(&self, node: milena_cluster::NodeId) -> Option<Target> {
        self.metadata
            .address(node)
            .is_some()
            .then_some(Target::Node(node))
    }

    /// The coordinator of `key` and the way there. One whose address nobody tells is asked for anew: metadata may never name
    /// it, because it has stopped, and then another one coordinates.
    fn coordinator_target(
        &mut self,
        key: &CoordinatorKey,
    ) -> Option<(milena_cluster::NodeId, Target)> {
        let node = self.coordinators.node(key)?;
        let target = self.node_target(node);
        if target.is_none() {
            self.coordinators.invalidate(key, node);
            self.metadata.request_refresh();
        }
        Some((node, target?))
    }

    fn shut_down(&mut self, now: Instant) {
        self.shut_down_at = Some(now + SHUT_DOWN_GRACE);
        self.consumers.clear();
        self.queries.clear();
        let open: Vec<usize> = self.producers.keys().copied().collect();
        for producer in open {
            self.close_producer(now, producer);
        }
    }

    /// Ends the engine once a dropped client has nothing left to do.
    fn finish(&mut self, now: Instant) {
        if self.shut_down_at.is_some() && self.producers.is_empty() {
            self.finished = true;
            self.inbox.close();
            self.router.shut_down(now);
            self.router.push_action(Action::Finished);
        }
    }
}

/// Whatever waits is told, whichever way the engine goes: finished, dropped with its runtime, or unwound by a panic. The
/// cores tell their own waiters as they are dropped.
impl Drop for Engine {
    fn drop(&mut self) {
        self.inbox.close();
    }
}

fn decode_answer<'a, R: ApiMessage + Decode<'a>>(
    frame: &'a Bytes,
    version: ApiVersion,
) -> Result<R, DecodeError> {
    decode_response::<R>(frame, version)
}

/// Rest is where everything goes that a broker answers at once.
const REST: Purpose = Purpose::Rest;
