//! Who holds a partition, who is in sync, who leads (`Partition`, `ReplicaManager` and the
//! controller's `PartitionChangeBuilder`, simply modelled).
//!
//! A partition has one log, its leader's. A follower holds a prefix of it, known by its end: that of
//! the log itself, unless it cannot copy because it is paused, its node is down, or nobody leads.
//! Followers that can copy do so at once.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Instant;

use milena_wire::ErrorCode;

use super::{Cluster, Partition};
use crate::log::epochs;
use crate::timers::Timer;

/// What a node's logs still hold after it crashed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    /// All that was written: the process died, the machine did not.
    All,
    /// What all replicas in sync had.
    HighWatermark,
    /// What was written below this offset; a batch that reaches over it is gone.
    Offset(i64),
}

/// What keeps followers from being like their leader.
#[derive(Clone, Debug, Default)]
pub(crate) struct Followers {
    /// Those that cannot copy now.
    behind: BTreeMap<i32, Behind>,
    paused: BTreeSet<i32>,
    /// Put out of the ISR by command.
    kept_out: BTreeSet<i32>,
}

#[derive(Clone, Copy, Debug)]
struct Behind {
    start: i64,
    end: i64,
    /// When the first record came that it does not have.
    since: Option<Instant>,
}

impl Partition {
    /// Where a replica's copy ends.
    pub(crate) fn replica_end(&self, node: i32) -> Option<i64> {
        let end = self.log.log_end_offset();
        let copy = self.followers.behind.get(&node).map(|behind| behind.end);
        match self.replicas.contains(&node) {
            true if node == self.leader => Some(end),
            true => Some(copy.map_or(end, |copy| copy.min(end))),
            false => None,
        }
    }

    /// The log starts at `offset`, or where it does already if that is behind it.
    pub(crate) fn delete_until(&mut self, offset: i64) {
        self.log.delete_until(offset);
        epochs::truncate_start(&mut self.epoch_starts, self.log.log_start_offset());
    }

    /// Drops the oldest batches beyond `bytes_max`.
    pub(crate) fn retain_bytes(&mut self, bytes_max: u64) {
        let start = self.log.log_start_offset();
        self.log.retain_bytes(bytes_max);
        if self.log.log_start_offset() != start {
            epochs::truncate_start(&mut self.epoch_starts, self.log.log_start_offset());
        }
    }

    /// The replicas that cannot copy, and where their copies end.
    pub(crate) fn behind(&self) -> impl Iterator<Item = (i32, i64)> {
        let behind = self.followers.behind.iter();
        behind.map(|(node, behind)| (*node, behind.end))
    }

    /// Whether somebody cannot copy.
    pub(crate) fn lags(&self) -> bool {
        !self.followers.behind.is_empty()
    }

    /// Where the replica starts that has dropped least, of those whose nodes are up.
    pub(crate) fn low_watermark(&self, is_up: impl Fn(i32) -> bool) -> i64 {
        let others = self.followers.behind.iter();
        let starts = others.filter(|(node, _)| is_up(**node));
        let start = self.log.log_start_offset();
        starts.fold(start, |low, (_, behind)| low.min(behind.start))
    }

    /// Fewer in sync than `min.insync.replicas` wants, which counts no more than there are replicas
    /// (`Partition.effectiveMinIsr`).
    pub(crate) fn is_under_min_isr(&self, min: usize) -> bool {
        self.isr.len() < min.min(self.replicas.len())
    }

    /// Lets everybody copy who can, and works out the ISR and the high watermark from that.
    pub(crate) fn settle(&mut self, is_up: impl Fn(i32) -> bool, min_isr: usize) {
        let led = is_up(self.leader);
        let (start, end) = (self.log.log_start_offset(), self.log.log_end_offset());
        for node in &self.replicas {
            let copies = led && is_up(*node) && !self.followers.paused.contains(node);
            if copies || *node == self.leader {
                self.followers.behind.remove(node);
            } else {
                let now_behind = Behind {
                    start,
                    end,
                    since: None,
                };
                let behind = self.followers.behind.entry(*node).or_insert(now_behind);
                // What it lacked may have been truncated: its time begins with the next record.
                if behind.end >= end {
                    behind.since = None;
                }
            }
        }
        let Followers {
            behind, kept_out, ..
        } = &self.followers;
        let stays = |node: i32| self.isr.contains(&node) && is_up(node);
        let in_sync = |node: i32| {
            let copies = !behind.contains_key(&node) && !kept_out.contains(&node);
            node == self.leader || copies || stays(node)
        };
        let isr: Vec<i32> = if led {
            let replicas = self.replicas.iter().copied();
            replicas.filter(|node| in_sync(*node)).collect()
        } else {
            self.isr
                .iter()
                .copied()
                .filter(|node| stays(*node))
                .collect()
        };
        // The last one stays though it is down: only it can lead without a loss.
        if !isr.is_empty() {
            self.isr = isr;
        }
        self.limit_high_watermark(led, min_isr);
    }

    fn limit_high_watermark(&mut self, led: bool, min_isr: usize) {
        let reached = self.log.high_watermark();
        let behind = &self.followers.behind;
        let ends = self.isr.iter().filter_map(|node| behind.get(node));
        let least = ends.map(|behind| behind.end).min();
        // Kafka keeps it where it is while too few are in sync (KIP-966).
        let limit = if led && !self.is_under_min_isr(min_isr) {
            least.map(|least| least.max(reached))
        } else {
            Some(reached)
        };
        self.log.limit_high_watermark(limit);
    }

    /// Makes a node the leader of a new epoch. What it does not have is gone from every replica.
    fn lead(&mut self, node: i32) {
        if !self.replicas.contains(&node) {
            // It gets a copy first, as in a reassignment.
            self.replicas.push(node);
            self.isr.push(node);
        }
        let end = self.replica_end(node).unwrap_or_default();
        self.truncate(end);
        if !self.isr.contains(&node) {
            self.isr = vec![node];
        }
        self.followers.behind.remove(&node);
        self.followers.kept_out.remove(&node);
        if self.leader != node {
            self.led_since = self.leader_epoch + 1;
        }
        self.leader = node;
        self.next_epoch();
    }

    fn next_epoch(&mut self) {
        self.leader_epoch += 1;
        let end = self.log.log_end_offset();
        epochs::assign(&mut self.epoch_starts, self.leader_epoch, end);
        self.log.producers_mut().forget_verifications();
    }

    fn truncate(&mut self, end: i64) {
        if end >= self.log.log_end_offset() {
            return;
        }
        self.log.truncate_to(end);
        let end = self.log.log_end_offset();
        epochs::truncate_end(&mut self.epoch_starts, end);
        for behind in self.followers.behind.values_mut() {
            behind.end = behind.end.min(end);
        }
    }

    /// The next leader without a loss: the first replica that is in sync and up.
    fn candidate(&self, is_up: impl Fn(i32) -> bool) -> Option<i32> {
        let mut replicas = self.replicas.iter().copied();
        replicas.find(|node| self.isr.contains(node) && is_up(*node))
    }

    /// A leader for a partition that has lost its own; -1 if there is none.
    fn elect(&mut self, is_up: impl Fn(i32) -> bool, unclean: bool) {
        let any = || self.replicas.iter().copied().find(|node| is_up(*node));
        let elected = self.candidate(&is_up).or_else(|| any().filter(|_| unclean));
        match elected {
            Some(node) => self.lead(node),
            None if self.leader >= 0 => self.lose_leader(),
            None => {}
        }
    }

    fn lose_leader(&mut self) {
        self.leader = -1;
        self.leader_epoch += 1;
    }
}

impl Cluster {
    /// Changes a partition's replicas and does what follows: who copies, the high watermark, the
    /// requests that wait for either. `None` without such a partition.
    fn change<T>(
        &mut self,
        topic: &str,
        index: i32,
        act: impl FnOnce(&mut Partition, &dyn Fn(i32) -> bool) -> T,
    ) -> Option<T> {
        let nodes = &self.nodes;
        let is_up = |id: i32| nodes.iter().any(|node| node.id == id && node.up);
        let min_isr = self.topics.get(topic)?.config.min_insync_replicas;
        let partition = self.topics.partition_mut(topic, index)?;
        let before = partition.log.bytes();
        let made = act(partition, &is_up);
        partition.settle(is_up, min_isr);
        let freed = before - partition.log.bytes();
        self.topics.log_bytes -= freed;
        self.wake(topic, index);
        Some(made)
    }

    /// An empty partition on these nodes, led by the first of them that is up.
    pub(crate) fn new_partition(&self, replicas: Vec<i32>, min_isr: usize) -> Partition {
        let up = replicas.iter().copied().filter(|id| self.is_up(*id));
        let isr: Vec<i32> = up.collect();
        let mut partition = Partition::new(isr.first().copied().unwrap_or(-1), replicas, isr);
        partition.settle(|id| self.is_up(id), min_isr);
        partition
    }

    fn every_partition(&self) -> Vec<(Arc<str>, i32)> {
        let all = self.topics.partitions();
        all.map(|(topic, index, _)| (topic.clone(), index))
            .collect()
    }

    /// Makes `leader` (-1: nobody) the leader and raises the leader epoch, even if it was it before.
    /// A leader that does not have everything takes the rest from all replicas.
    /// False without such a partition or node.
    pub(crate) fn set_leader(&mut self, topic: &str, index: i32, leader: i32) -> bool {
        if leader != -1 && self.node(leader).is_none() {
            return false;
        }
        let made = self.change(topic, index, |partition, _| match leader {
            -1 => partition.lose_leader(),
            leader => partition.lead(leader),
        });
        made.is_some()
    }

    /// Moves a partition to these nodes at once (a reassignment that is over). False without such a
    /// partition or without nodes.
    pub(crate) fn set_replicas(&mut self, topic: &str, index: i32, replicas: Vec<i32>) -> bool {
        if replicas.is_empty() {
            return false;
        }
        let unclean = self.is_unclean(topic);
        let made = self.change(topic, index, |partition, is_up| {
            let leaves = |node: &i32| !replicas.contains(node);
            let removed = partition.replicas.iter().any(leaves);
            let led = is_up(partition.leader);
            for node in &replicas {
                // A new replica copies before the old ones go.
                if !partition.replicas.contains(node) && led && is_up(*node) {
                    partition.isr.push(*node);
                } else if !partition.replicas.contains(node) {
                    let start = partition.log.log_start_offset();
                    let nothing = Behind {
                        start,
                        end: start,
                        since: None,
                    };
                    partition.followers.behind.insert(*node, nothing);
                }
            }
            let stays = |node: &i32| replicas.contains(node);
            partition.isr.retain(stays);
            partition.followers.behind.retain(|node, _| stays(node));
            partition.followers.paused.retain(stays);
            partition.followers.kept_out.retain(stays);
            let leader_stays = replicas.contains(&partition.leader);
            partition.replicas = replicas;
            if !leader_stays {
                partition.elect(is_up, unclean);
            } else if removed {
                partition.next_epoch();
            }
        });
        made.is_some()
    }

    /// Gives a partition back to its first replica.
    pub(crate) fn elect_preferred(&mut self, topic: &str, index: i32) -> Result<(), ErrorCode> {
        let Some(partition) = self.topics.partition(topic, index) else {
            return Err(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
        };
        let preferred = partition.replicas.first().copied().unwrap_or(-1);
        if partition.leader == preferred {
            return Err(ErrorCode::ELECTION_NOT_NEEDED);
        }
        if !partition.isr.contains(&preferred) || !self.is_up(preferred) {
            return Err(ErrorCode::PREFERRED_LEADER_NOT_AVAILABLE);
        }
        self.set_leader(topic, index, preferred);
        Ok(())
    }

    /// Gives a partition without a leader to a replica that may not have everything.
    pub(crate) fn elect_unclean(&mut self, topic: &str, index: i32) -> Result<(), ErrorCode> {
        let Some(partition) = self.topics.partition(topic, index) else {
            return Err(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
        };
        if self.is_up(partition.leader) {
            return Err(ErrorCode::ELECTION_NOT_NEEDED);
        }
        if !partition.replicas.iter().any(|node| self.is_up(*node)) {
            return Err(ErrorCode::ELIGIBLE_LEADERS_NOT_AVAILABLE);
        }
        self.change(topic, index, |partition, is_up| {
            partition.elect(is_up, true)
        });
        Ok(())
    }

    /// Lets everybody of a topic copy and be counted anew: after its `min.insync.replicas` changed.
    pub(crate) fn settle_topic(&mut self, topic: &str) {
        let partitions = self.topics.get(topic).map_or(0, |it| it.partitions.len());
        for index in 0..i32::try_from(partitions).unwrap_or(i32::MAX) {
            self.change(topic, index, |_, _| ());
        }
        self.write_due_markers();
    }

    /// A node has stopped or started: who leads, copies and is in sync follows from that. Partitions
    /// that `stopped` led stay without a leader where `BrokerConfig::elect_on_stop` is off.
    pub(super) fn replicas_after(&mut self, stopped: Option<i32>) {
        let elects = stopped.is_none() || self.config.elect_on_stop;
        for (topic, index) in self.every_partition() {
            let unclean = self.is_unclean(&topic);
            self.change(&topic, index, |partition, is_up| {
                let orphan = partition.leader < 0 || Some(partition.leader) == stopped;
                if orphan && elects {
                    partition.elect(is_up, unclean);
                }
            });
        }
    }

    /// What a crashed node's logs lose. Called before it counts as down.
    pub(super) fn lose_tail(&mut self, node: i32, keep: Keep) {
        for (topic, index) in self.every_partition() {
            let Some(partition) = self.topics.partition_mut(&topic, index) else {
                continue;
            };
            let Some(end) = partition.replica_end(node) else {
                continue;
            };
            let kept = match keep {
                Keep::All => end,
                Keep::HighWatermark => end.min(partition.log.high_watermark()),
                Keep::Offset(offset) => end.min(partition.log.boundary_below(offset)),
            };
            let lost = Behind {
                start: partition.log.log_start_offset().min(kept),
                end: kept,
                since: None,
            };
            partition.followers.behind.insert(node, lost);
            // Its own log is the partition's while nobody else can lead.
            let alone = partition.isr.iter().all(|other| *other == node);
            let waits = partition.leader == node && !self.config.elect_on_stop;
            if alone || waits {
                let before = partition.log.bytes();
                partition.truncate(kept);
                let freed = before - partition.log.bytes();
                self.topics.log_bytes -= freed;
            }
        }
    }

    fn is_unclean(&self, topic: &str) -> bool {
        let topic = self.topics.get(topic);
        topic.is_some_and(|topic| topic.config.unclean_leader_election)
    }

    /// Stops (or lets go on) the copying of one follower; false without such a replica.
    pub(crate) fn pause_replica(
        &mut self,
        topic: &str,
        index: i32,
        node: i32,
        paused: bool,
    ) -> bool {
        let made = self.change(topic, index, |partition, _| {
            if !partition.replicas.contains(&node) {
                return false;
            }
            if paused {
                partition.followers.paused.insert(node);
            } else {
                partition.followers.paused.remove(&node);
            }
            true
        });
        self.write_due_markers();
        made.unwrap_or(false)
    }

    /// Takes a follower out of the ISR until it is put back in or leads; false if it is not in it,
    /// leads, or nobody does.
    pub(crate) fn shrink_isr(&mut self, topic: &str, index: i32, node: i32) -> bool {
        let made = self.change(topic, index, |partition, is_up| {
            // Only a leader can say who is not in sync with it.
            let led = is_up(partition.leader);
            if !led || partition.leader == node || !partition.isr.contains(&node) {
                return false;
            }
            partition.isr.retain(|other| *other != node);
            partition.followers.kept_out.insert(node)
        });
        self.write_due_markers();
        made.unwrap_or(false)
    }

    /// Puts a follower back into the ISR; false if it does not have everything.
    pub(crate) fn expand_isr(&mut self, topic: &str, index: i32, node: i32) -> bool {
        let made = self.change(topic, index, |partition, is_up| {
            let end = partition.log.log_end_offset();
            if partition.replica_end(node) != Some(end) || !is_up(node) {
                return false;
            }
            partition.followers.kept_out.remove(&node);
            if !partition.isr.contains(&node) {
                partition.isr.push(node);
            }
            true
        });
        made.unwrap_or(false)
    }

    /// Followers in sync that lack something leave the ISR `replica.lag.time.max.ms` after it came.
    pub(super) fn watch_lag(&mut self, topic: &str, index: i32) {
        let (Some(now), Some(partition)) = (self.now(), self.topics.partition_mut(topic, index))
        else {
            return;
        };
        let end = partition.log.log_end_offset();
        let mut fell_behind = false;
        for (node, behind) in &mut partition.followers.behind {
            if behind.since.is_none() && behind.end < end && partition.isr.contains(node) {
                behind.since = Some(now);
                fell_behind = true;
            }
        }
        if fell_behind {
            let at = now + self.config.replica_lag_max;
            self.timers.set(at, Timer::Isr(topic.into(), index));
        }
    }

    /// The time of some follower is over, perhaps.
    pub(crate) fn check_isr(&mut self, topic: &str, index: i32) {
        let Some(now) = self.now() else {
            return;
        };
        let lag_max = self.config.replica_lag_max;
        self.change(topic, index, |partition, is_up| {
            if !is_up(partition.leader) {
                return;
            }
            let Followers { behind, .. } = &partition.followers;
            let late = |node: &i32| {
                let since = behind.get(node).and_then(|behind| behind.since);
                since.is_some_and(|since| now.saturating_duration_since(since) >= lag_max)
            };
            partition.isr.retain(|node| !late(node));
        });
        self.write_due_markers();
    }
}
