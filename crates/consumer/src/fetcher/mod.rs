//! The core: assigned partitions, what to ask of whom, and what the answers mean.
//!
//! Each partition is in exactly one stage (`partition::Stage`): it waits to be asked, or for one answer, or for one decode
//! job, or for the user after a failure. `plan` makes requests of those that wait to be asked, `fetch_answer`,
//! `offsets_answer` and `decoded` take what comes back.

mod budget;
mod config;
mod decoded;
mod event;
mod fetch_answer;
mod offsets_answer;
mod partition;
mod plan;
mod request;
mod retry;

pub use config::FetchConfig;
pub use event::FetchEvent;
pub use request::{FetchId, FetchPartition, FetcherRequest};

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::{Duration, Instant};

#[cfg(feature = "plants")]
use milena_cluster::plants::{Plant, is_planted};
use milena_cluster::{NodeId, TopicPartition};
use milena_wire::Uuid;

use crate::{Cursor, DecodeJob, FetchError, StartPosition};
use budget::Budget;
use partition::{Partition, Stage, Start};

/// The fetch core over assigned partitions.
///
/// Outputs are to be drained in this order after every command and input: [`Fetcher::poll_event`], [`Fetcher::poll_decode`],
/// [`Fetcher::poll_request`], each until it answers `None`, then [`Fetcher::poll_timeout`]. `poll_request` is also to be
/// called when that time has come, and when the leaders changed.
#[derive(Debug)]
pub struct Fetcher {
    config: FetchConfig,
    rng: fastrand::Rng,
    partitions: BTreeMap<TopicPartition, Partition>,
    /// The partitions that wait to be asked, so that a visit while all are in flight costs nothing.
    idle: BTreeSet<TopicPartition>,
    /// The partitions that are not to be asked before a time.
    timers: BTreeSet<(Instant, TopicPartition)>,
    /// When the metadata are to be asked for again because a partition has no leader.
    leaderless: Option<Leaderless>,
    nodes: BTreeMap<NodeId, Node>,
    fetches: BTreeMap<FetchId, FetchInFlight>,
    lists: BTreeMap<FetchId, BTreeMap<TopicPartition, u64>>,
    budget: Budget,
    /// At most one of each partition, and none that a seek made void.
    jobs: VecDeque<DecodeJob>,
    events: VecDeque<FetchEvent>,
    refresh_wanted: bool,
    /// The last number given out: versions, request ids and turns grow from here.
    last_number: u64,
}

/// A node's two slots.
#[derive(Debug, Default)]
struct Node {
    slots: [Option<FetchId>; 2],
    /// Nodes asked longest ago come first when memory is short.
    turn: u64,
    /// How many short Fetches in a row were answered with nothing: each waits longer than the one before.
    empty_short: u32,
    /// How many long Fetches in a row were answered with nothing well before their time.
    empty_early: u32,
}

/// A Fetch that was given out.
#[derive(Debug)]
struct FetchInFlight {
    node: NodeId,
    slot: u8,
    sent_at: Instant,
    wait_max: Duration,
    /// Whether it may stay at the broker for the whole of `fetch_wait_max`.
    long: bool,
    reserved: usize,
    /// What was asked, and in which version.
    partitions: BTreeMap<TopicPartition, u64>,
}

#[derive(Clone, Copy, Debug)]
struct Leaderless {
    refresh_at: Instant,
    attempt: u32,
}

impl Fetcher {
    /// A fetcher of nothing yet. Limits in `config` that do not fit each other are lowered.
    #[must_use]
    pub fn new(config: FetchConfig, seed: u64) -> Self {
        let config = config.normalized();
        Self {
            rng: fastrand::Rng::with_seed(seed),
            partitions: BTreeMap::new(),
            idle: BTreeSet::new(),
            timers: BTreeSet::new(),
            leaderless: None,
            nodes: BTreeMap::new(),
            fetches: BTreeMap::new(),
            lists: BTreeMap::new(),
            budget: Budget::new(config.buffered_bytes_max),
            jobs: VecDeque::new(),
            events: VecDeque::new(),
            refresh_wanted: false,
            last_number: 0,
            config,
        }
    }

    /// Reads `tp` from now on. A partition that is assigned already starts anew.
    pub fn assign(&mut self, tp: TopicPartition, start: StartPosition) {
        self.unassign(&tp);
        let partition = Partition::new(self.next_number(), start);
        self.idle.insert(tp.clone());
        self.partitions.insert(tp, partition);
    }

    /// Reads `tp` no more. Its batches that were given out stay charged until they are released.
    pub fn unassign(&mut self, tp: &TopicPartition) {
        if let Some(partition) = self.partitions.remove(tp) {
            self.idle.remove(tp);
            self.clear_timer(tp, partition.retry_at);
            self.forget_output(tp);
        }
    }

    /// Goes on reading at `cursor`. Everything asked for before is void, a failure is over.
    pub fn seek(&mut self, tp: &TopicPartition, cursor: Cursor) {
        if let Some(partition) = self.restart(tp) {
            partition.cursor = cursor;
            if let Stage::Failed(_) = partition.stage {
                // Perhaps because the topic was re-created: who seeks then means the topic there is now.
                partition.topic_id = Uuid::ZERO;
            }
            partition.stage = Stage::Resolved;
            self.forget_output(tp);
        }
    }

    /// Tries a partition again that failed, where it stopped.
    pub fn retry(&mut self, tp: &TopicPartition) {
        if let Some(Stage::Failed(start)) = self.partitions.get(tp).map(|partition| partition.stage)
            && let Some(partition) = self.restart(tp)
        {
            partition.stage = start.stage();
        }
    }

    /// The user took or dropped batches of that many bytes: there is room for more.
    pub fn release(&mut self, tp: &TopicPartition, bytes: usize) {
        self.budget.release_shown(tp, bytes);
    }

    /// What is to be told, oldest first.
    pub fn poll_event(&mut self) -> Option<FetchEvent> {
        let refresh =
            std::mem::take(&mut self.refresh_wanted).then_some(FetchEvent::RefreshMetadata);
        refresh.or_else(|| self.events.pop_front())
    }

    /// When [`Fetcher::poll_request`] is to be called even if nothing happens.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        let retry = self.timers.first().map(|(at, _)| *at);
        retry
            .into_iter()
            .chain(self.leaderless.map(|leaderless| leaderless.refresh_at))
            .min()
    }

    /// The settings, limits lowered where they did not fit each other.
    #[must_use]
    pub const fn config(&self) -> &FetchConfig {
        &self.config
    }

    /// Where the next Fetch of `tp` reads, behind everything that was given out; `None` while a start is being looked for.
    #[must_use]
    pub fn position(&self, tp: &TopicPartition) -> Option<Cursor> {
        let partition = self.partitions.get(tp)?;
        (partition.start() == Start::At).then_some(partition.cursor)
    }

    /// The end of `tp` for readers of everything, as last heard.
    #[must_use]
    pub fn high_watermark(&self, tp: &TopicPartition) -> Option<i64> {
        self.partitions.get(tp)?.high_watermark
    }

    /// The end of `tp` for readers of committed records, as last heard.
    #[must_use]
    pub fn last_stable_offset(&self, tp: &TopicPartition) -> Option<i64> {
        self.partitions.get(tp)?.last_stable_offset
    }

    /// The first offset of `tp`, as last heard.
    #[must_use]
    pub fn log_start_offset(&self, tp: &TopicPartition) -> Option<i64> {
        self.partitions.get(tp)?.log_start_offset
    }

    /// Bytes that are asked for, being decoded, or given out and not released.
    #[must_use]
    pub const fn buffered_bytes(&self) -> usize {
        self.budget.used()
    }

    /// Makes `tp` fetchable at once under a new version. The caller sets its stage.
    fn restart(&mut self, tp: &TopicPartition) -> Option<&mut Partition> {
        let version = self.next_number();
        let retry_at = self.partitions.get_mut(tp)?.retry_at.take();
        self.clear_timer(tp, retry_at);
        self.idle.insert(tp.clone());
        let partition = self.partitions.get_mut(tp)?;
        #[cfg(feature = "plants")]
        let version = match is_planted(Plant::StaleFetchAfterSeekDelivered) {
            true => partition.version,
            false => version,
        };
        (partition.version, partition.attempt, partition.stalls) = (version, 0, 0);
        Some(partition)
    }

    /// Takes back what was not given out yet: it is from before a seek.
    fn forget_output(&mut self, tp: &TopicPartition) {
        self.forget_jobs(tp);
        let budget = &mut self.budget;
        self.events.retain(|event| match event {
            FetchEvent::Batches { tp: of, batches } if of == tp => {
                budget.release_shown(tp, batches.iter().map(|batch| batch.bytes).sum());
                false
            }
            FetchEvent::Position { tp: of, .. } | FetchEvent::Failed { tp: of, .. } => of != tp,
            _ => true,
        });
    }

    fn is_current(&self, tp: &TopicPartition, version: u64) -> bool {
        self.partitions
            .get(tp)
            .is_some_and(|partition| partition.version == version)
    }

    fn fail(&mut self, tp: &TopicPartition, error: FetchError) {
        let Some(partition) = self.partitions.get_mut(tp) else {
            return;
        };
        partition.stage = Stage::Failed(partition.start());
        self.idle.remove(tp);
        self.events.push_back(FetchEvent::Failed {
            tp: tp.clone(),
            error,
        });
    }

    const fn next_number(&mut self) -> u64 {
        self.last_number += 1;
        self.last_number
    }
}
