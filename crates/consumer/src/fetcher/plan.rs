//! Which request to send next.
//!
//! A node serves one request per connection at a time, and a Fetch that finds nothing stays at the broker for as long as
//! `fetch_wait_max`. So a node has two slots, each on a connection of its own. As a rule at most one of them *hangs* (its
//! Fetch may stay for the whole time): the other one is free for a partition that becomes fetchable in the meantime. Both may
//! hang when they cover every partition of the node, since nothing is left then that could become fetchable.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use milena_cluster::{LeaderEpoch, NodeId, TopicPartition};

use super::partition::Stage;
use super::{FetchId, FetchInFlight, FetchPartition, Fetcher, FetcherRequest};
use crate::DecodeJob;
use crate::cursor::LogEnd;

/// Who leads a partition, as far as is known.
type Leader<'a> = &'a dyn Fn(&TopicPartition) -> Option<(NodeId, LeaderEpoch)>;

/// The partitions that can be asked now, by node.
#[derive(Debug, Default)]
struct Askable {
    lists: BTreeMap<NodeId, Vec<(TopicPartition, LogEnd, LeaderEpoch)>>,
    fetches: BTreeMap<NodeId, Vec<Candidate>>,
}

/// A partition that can be put into a Fetch.
#[derive(Debug)]
struct Candidate {
    turn: u64,
    asked: FetchPartition,
    version: u64,
}

/// What a node has beside the partitions that are asked or about to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Uncovered {
    Nothing,
    /// Partitions in a decode job, which will be over in an instant.
    Decoding,
    /// Partitions whose batches are not taken, or that wait after an error: it can last.
    Blocked,
}

impl Fetcher {
    /// The next request to be sent, if there is one. `leader` says who leads a partition now.
    pub fn poll_request(&mut self, now: Instant, leader: Leader<'_>) -> Option<FetcherRequest> {
        self.expire_waits(now);
        let askable = self.askable(now, leader);
        if let Some((node, partitions)) = askable.lists.into_iter().next() {
            return Some(self.list_offsets(node, partitions));
        }
        let nodes = self.nodes.iter().filter(|(id, node)| {
            node.slots.iter().any(Option::is_some) && !askable.fetches.contains_key(id)
        });
        let share =
            self.config.buffered_bytes_max / (2 * (nodes.count() + askable.fetches.len())).max(1);
        let mut by_turn: Vec<_> = askable.fetches.into_iter().collect();
        by_turn.sort_by_key(|(node, _)| self.nodes.get(node).map_or(0, |node| node.turn));
        by_turn
            .into_iter()
            .find_map(|(node, candidates)| self.fetch(now, node, candidates, share.max(1), leader))
    }

    fn askable(&mut self, now: Instant, leader: Leader<'_>) -> Askable {
        let mut askable = Askable::default();
        let mut leaderless = false;
        for tp in &self.idle {
            let Some(partition) = self.partitions.get(tp) else {
                continue;
            };
            if partition.stage == Stage::Resolved && self.is_full(tp) {
                continue;
            }
            let Some((node, epoch)) = leader(tp) else {
                leaderless = true;
                continue;
            };
            // Whatever it was that the last leader refused, or never answered: this is another one.
            if partition.retry_at.is_some() && epoch <= partition.asked_epoch {
                continue;
            }
            if let Stage::Unresolved(end) = partition.stage {
                askable
                    .lists
                    .entry(node)
                    .or_default()
                    .push((tp.clone(), end, epoch));
                continue;
            }
            askable.fetches.entry(node).or_default().push(Candidate {
                // Some brokers cut a batch short that is not the answer's first: the next time this one is.
                turn: if partition.stalls > 0 {
                    0
                } else {
                    partition.turn + 1
                },
                version: partition.version,
                asked: FetchPartition {
                    tp: tp.clone(),
                    position: partition.cursor.position,
                    leader_epoch: partition.cursor.leader_epoch,
                    current_leader_epoch: epoch,
                },
            });
        }
        self.note_leaderless(now, leaderless);
        askable
    }

    /// Whether so much of `tp` is buffered that it is not asked again.
    fn is_full(&self, tp: &TopicPartition) -> bool {
        self.budget.held_by(tp) >= self.config.partition_bytes_max
    }

    fn list_offsets(
        &mut self,
        node: NodeId,
        partitions: Vec<(TopicPartition, LogEnd, LeaderEpoch)>,
    ) -> FetcherRequest {
        let id = FetchId(self.next_number());
        let mut versions = BTreeMap::new();
        for (tp, end, epoch) in &partitions {
            self.expect(tp, Stage::ExpectOffset(*end), *epoch);
            versions.extend(
                self.partitions
                    .get(tp)
                    .map(|partition| (tp.clone(), partition.version)),
            );
        }
        self.lists.insert(id, versions);
        let partitions = partitions
            .into_iter()
            .map(|(tp, end, epoch)| (tp, end.timestamp(), epoch))
            .collect();
        FetcherRequest::ListOffsets {
            id,
            node,
            partitions,
        }
    }

    /// A Fetch of all of `candidates`, if the node has a slot and the budget has room.
    fn fetch(
        &mut self,
        now: Instant,
        node: NodeId,
        mut candidates: Vec<Candidate>,
        share: usize,
        leader: Leader<'_>,
    ) -> Option<FetcherRequest> {
        // No node may reserve so much for its long polls that the others wait for them.
        let partition_bytes_max = self.config.partition_bytes_max.min(share);
        if self.budget.room() < partition_bytes_max {
            return None;
        }
        let (slot, wait_max, long) = self.slot(node, &candidates, leader)?;
        candidates.sort_by_key(|candidate| candidate.turn);
        let wanted = partition_bytes_max.saturating_mul(candidates.len());
        let bytes_max = wanted
            .min(self.config.fetch_bytes_max)
            .min(share)
            .min(self.budget.room());
        self.budget.reserve(bytes_max);

        let id = FetchId(self.next_number());
        let turn = self.next_number();
        let state = self.nodes.entry(node).or_default();
        state.slots[usize::from(slot)] = Some(id);
        state.turn = turn;
        let mut partitions = Vec::with_capacity(candidates.len());
        let mut versions = BTreeMap::new();
        for Candidate { asked, version, .. } in candidates {
            self.expect(&asked.tp, Stage::ExpectRecords, asked.current_leader_epoch);
            versions.insert(asked.tp.clone(), version);
            partitions.push(asked);
        }
        let flight = FetchInFlight {
            node,
            slot,
            sent_at: now,
            wait_max,
            long,
            reserved: bytes_max,
            partitions: versions,
        };
        self.fetches.insert(id, flight);
        Some(FetcherRequest::Fetch {
            id,
            node,
            slot,
            partitions,
            wait_max,
            bytes_max,
            partition_bytes_max,
        })
    }

    /// Notes that `tp` was asked of the leader of `epoch`.
    fn expect(&mut self, tp: &TopicPartition, stage: Stage, epoch: LeaderEpoch) {
        self.idle.remove(tp);
        if let Some(partition) = self.partitions.get_mut(tp) {
            (partition.stage, partition.asked_epoch) = (stage, epoch);
            let retry_at = partition.retry_at.take();
            self.clear_timer(tp, retry_at);
        }
    }

    /// The slot for a Fetch of `candidates`, how long it may wait at the broker, and whether that makes it hang.
    fn slot(
        &mut self,
        node: NodeId,
        candidates: &[Candidate],
        leader: Leader<'_>,
    ) -> Option<(u8, Duration, bool)> {
        let slots = self.nodes.entry(node).or_default().slots;
        let free: u8 = match slots {
            [None, _] => 0,
            [_, None] => 1,
            _ => return None,
        };
        let other = slots[usize::from(1 - free)].and_then(|id| self.fetches.get(&id));
        let hangs = other.is_some_and(|fetch| fetch.long);
        let long = Some((free, self.config.fetch_wait_max, true));
        if !hangs {
            return long;
        }
        match self.uncovered(node, candidates, leader) {
            Uncovered::Nothing => {
                self.nodes.entry(node).or_default().empty_short = 0;
                long
            }
            // They all go together in a moment, in one request instead of two.
            Uncovered::Decoding => None,
            Uncovered::Blocked => {
                // Each empty answer doubles the wait: a user who takes no batch for a second must not cause a thousand
                // requests, and a partition that was blocked for a while waits at most about as long again.
                let empty = self.nodes.get(&node).map_or(0, |node| node.empty_short);
                let wait = Duration::from_millis((1 << empty.min(12)) >> 1);
                Some((free, wait.min(self.config.fetch_wait_max), false))
            }
        }
    }

    fn uncovered(&self, node: NodeId, candidates: &[Candidate], leader: Leader<'_>) -> Uncovered {
        let asked: BTreeSet<&TopicPartition> = candidates
            .iter()
            .map(|candidate| &candidate.asked.tp)
            .collect();
        let parked = self.jobs.iter().filter(|job| self.is_parked(job));
        let parked: BTreeSet<&TopicPartition> = parked.map(DecodeJob::topic_partition).collect();
        let mut uncovered = Uncovered::Nothing;
        for (tp, partition) in &self.partitions {
            let covered = matches!(partition.stage, Stage::ExpectRecords | Stage::Failed(_))
                || asked.contains(tp);
            if covered || leader(tp).is_none_or(|(of, _)| of != node) {
                continue;
            }
            match partition.stage {
                Stage::ExpectDecoded if !parked.contains(tp) => return Uncovered::Decoding,
                _ => uncovered = Uncovered::Blocked,
            }
        }
        uncovered
    }
}
