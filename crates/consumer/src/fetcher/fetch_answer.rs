//! What an answer to a Fetch means.

use std::time::Instant;

#[cfg(feature = "plants")]
use milena_cluster::plants::{Plant, is_planted};
use milena_cluster::recovery::{FatalCause, Operation, Recovery, recover};
use milena_cluster::{
    BrokerAddress, LeaderEpoch, NodeId, Outcome, SendFailure, TopicName, TopicPartition,
};
use milena_wire::messages::{FetchResponse, FetchableTopicResponse, PartitionData};
use milena_wire::{ErrorCode, Uuid};

use super::partition::{Stage, Start};
use super::retry::{Remedy, Waits};
use super::{FetchEvent, FetchId, FetchInFlight, Fetcher};
use crate::cursor::LogEnd;
use crate::{AbortedTransactions, Cursor, DecodeJob, FetchError, IsolationLevel, OutOfRange};

/// How many long polls in a row may come back empty before their time. A broker has few reasons for that; without a limit
/// one that never waits would be asked in a loop.
const EMPTY_EARLY_MAX: u32 = 3;

/// What an answer has for one partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Got {
    Records,
    Nothing,
    Error,
}

impl Fetcher {
    /// Takes what became of the Fetch `id`. `topics` names the topics of the ids that it asked for (version 13 and later).
    pub fn handle_fetch(
        &mut self,
        now: Instant,
        id: FetchId,
        outcome: Outcome<&FetchResponse<'_>>,
        topics: &[(Uuid, TopicName)],
    ) {
        let Some(mut flight) = self.fetches.remove(&id) else {
            return;
        };
        self.budget.cancel(flight.reserved);
        if let Some(node) = self.nodes.get_mut(&flight.node) {
            node.slots[usize::from(flight.slot)] = None;
        }
        let mut waits = Waits::new(now);
        match outcome {
            Outcome::Answered(response) if response.error_code.is_ok() => {
                let got = self.take_response(&mut waits, &mut flight, response, topics);
                self.pace(now, &mut waits, &flight, got);
            }
            Outcome::Answered(response) => {
                self.refuse_all(&mut waits, &flight, response.error_code)
            }
            // Asking for records changes nothing at the broker: it does not matter whether it saw the request.
            Outcome::NotSent(failure) | Outcome::Unsure(failure) => {
                self.lose_all(&mut waits, flight.partitions, &failure)
            }
        }
    }

    /// Goes through the answer, and leaves in `flight` the partitions that it has with nothing.
    fn take_response(
        &mut self,
        waits: &mut Waits,
        flight: &mut FetchInFlight,
        response: &FetchResponse<'_>,
        topics: &[(Uuid, TopicName)],
    ) -> Got {
        let mut got = Got::Nothing;
        let mut asked = std::mem::take(&mut flight.partitions);
        for topic in &response.responses {
            let Some(name) = topic_name(topic, topics) else {
                continue;
            };
            for data in &topic.partitions {
                let tp = TopicPartition {
                    topic: name.clone(),
                    partition: data.partition_index,
                };
                // Not asked for, or here for the second time: the first one counts.
                let Some(version) = asked.remove(&tp) else {
                    continue;
                };
                if !self.is_current(&tp, version) {
                    continue;
                }
                self.hint_leader(&tp, data, response);
                match self.take_partition(waits, &tp, topic.topic_id, data) {
                    Got::Nothing => {
                        flight.partitions.insert(tp, version);
                    }
                    other => got = other,
                }
            }
        }
        // A broker answers for each partition it was asked for; if not, asking again at once would be a loop.
        for (tp, version) in asked {
            if self.is_current(&tp, version) {
                got = Got::Error;
                self.back_off(waits, &tp);
            }
        }
        got
    }

    fn take_partition(
        &mut self,
        waits: &mut Waits,
        tp: &TopicPartition,
        topic_id: Uuid,
        data: &PartitionData,
    ) -> Got {
        if let Some(error) = self.recreated(tp, topic_id, data.error_code) {
            self.reset(waits, tp, error);
            return Got::Error;
        }
        if !data.error_code.is_ok() {
            self.refuse(waits, tp, data);
            return Got::Error;
        }
        self.note_watermarks(tp, data);
        if data.diverging_epoch.epoch >= 0 {
            self.diverge(waits, tp, data);
            return Got::Error;
        }
        let isolation = self.config.isolation;
        let Some(partition) = self.partitions.get_mut(tp) else {
            return Got::Nothing;
        };
        let Some(records) = data.records.as_ref().filter(|records| !records.is_empty()) else {
            if data.preferred_read_replica >= 0 {
                // It sends us away to a follower, though we named no rack, and does not wait before it does.
                self.back_off(waits, tp);
                return Got::Error;
            }
            partition.attempt = 0;
            partition.stage = Stage::Resolved;
            self.idle.insert(tp.clone());
            return Got::Nothing;
        };
        partition.stage = Stage::ExpectDecoded;
        let stable_below = match isolation {
            IsolationLevel::ReadCommitted if data.last_stable_offset >= 0 => {
                data.last_stable_offset
            }
            _ => i64::MAX,
        };
        #[cfg(feature = "plants")]
        let stable_below = match is_planted(Plant::LastStableOffsetIgnored) {
            true => i64::MAX,
            false => stable_below,
        };
        let aborted = data
            .aborted_transactions
            .iter()
            .flatten()
            .map(|aborted| (aborted.producer_id, aborted.first_offset));
        let aborted = match isolation {
            IsolationLevel::ReadCommitted => Some(AbortedTransactions::new(aborted)),
            IsolationLevel::ReadUncommitted => None,
        };
        let (version, cursor, records) = (partition.version, partition.cursor, records.to_bytes());
        self.budget.charge_undecoded(tp, records.len());
        self.jobs.push_back(DecodeJob::new(
            (tp.clone(), version),
            cursor,
            (aborted, stable_below),
            records,
            self.config.decompressed_bytes_max,
        ));
        Got::Records
    }

    /// Slows down what would otherwise be asked in a loop.
    fn pace(&mut self, now: Instant, waits: &mut Waits, flight: &FetchInFlight, got: Got) {
        let Some(node) = self.nodes.get_mut(&flight.node) else {
            return;
        };
        if got != Got::Nothing {
            (node.empty_early, node.empty_short) = (0, 0);
            return;
        }
        if !flight.long {
            node.empty_short = node.empty_short.saturating_add(1);
            return;
        }
        let early = now.saturating_duration_since(flight.sent_at) < flight.wait_max / 2;
        node.empty_early = if early {
            node.empty_early.saturating_add(1)
        } else {
            0
        };
        if node.empty_early > EMPTY_EARLY_MAX {
            for tp in flight.partitions.keys() {
                self.back_off(waits, tp);
            }
        }
    }

    /// The whole Fetch was refused.
    fn refuse_all(&mut self, waits: &mut Waits, flight: &FetchInFlight, code: ErrorCode) {
        let remedy = Remedy::of(Operation::Fetch, code);
        self.refresh_wanted |= remedy == Remedy::Refresh;
        let failure = match remedy {
            Remedy::Fail(error)
                if matches!(
                    recover(Operation::Fetch, code),
                    Recovery::Fatal(FatalCause::Authorization)
                ) =>
            {
                Some(error)
            }
            // Of the whole request, whatever else it is, it may pass: what it asks for was asked for a thousand times.
            _ => None,
        };
        for (tp, version) in &flight.partitions {
            match &failure {
                _ if !self.is_current(tp, *version) => {}
                Some(error) => self.fail(tp, error.clone()),
                None => self.back_off(waits, tp),
            }
        }
    }

    /// The request or its answer was lost.
    pub(super) fn lose_all(
        &mut self,
        waits: &mut Waits,
        asked: impl IntoIterator<Item = (TopicPartition, u64)>,
        failure: &SendFailure,
    ) {
        // The node may be gone, and another one lead by now.
        self.refresh_wanted = true;
        for (tp, version) in asked {
            if !self.is_current(&tp, version) {
                continue;
            }
            match failure {
                SendFailure::Unsupported(_) | SendFailure::Encode(_) => self.fail(
                    &tp,
                    FetchError::Broker {
                        code: ErrorCode::UNSUPPORTED_VERSION,
                    },
                ),
                _ => self.back_off(waits, &tp),
            }
        }
    }

    /// The partition was refused.
    fn refuse(&mut self, waits: &mut Waits, tp: &TopicPartition, data: &PartitionData) {
        match Remedy::of(Operation::Fetch, data.error_code) {
            Remedy::Ok | Remedy::Wait => self.back_off(waits, tp),
            Remedy::Refresh => {
                self.refresh_wanted = true;
                self.back_off(waits, tp);
            }
            Remedy::Reset => {
                self.note_watermarks(tp, data);
                let Some(partition) = self.partitions.get(tp) else {
                    return;
                };
                let error = FetchError::OffsetOutOfRange {
                    requested: partition.cursor.position,
                    log_start_offset: partition.log_start_offset,
                    high_watermark: partition.high_watermark,
                };
                self.reset(waits, tp, error);
            }
            Remedy::Fail(error) => self.fail(tp, error),
        }
    }

    /// The position means nothing (any more): `error`, or the start that the settings name.
    fn reset(&mut self, waits: &mut Waits, tp: &TopicPartition, error: FetchError) {
        let end = match self.config.out_of_range {
            OutOfRange::Fail => return self.fail(tp, error),
            OutOfRange::Earliest => LogEnd::Earliest,
            OutOfRange::Latest => LogEnd::Latest,
        };
        let version = self.next_number();
        let Some(partition) = self.partitions.get_mut(tp) else {
            return;
        };
        (partition.version, partition.topic_id) = (version, Uuid::ZERO);
        partition.stage = Start::Find(end).stage();
        // Once at once. A broker whose log start is out of its own range must not be asked in a loop.
        self.back_off_if_repeated(waits, tp);
    }

    /// The topic was deleted and created anew since the position was reached.
    fn recreated(
        &mut self,
        tp: &TopicPartition,
        topic_id: Uuid,
        code: ErrorCode,
    ) -> Option<FetchError> {
        let partition = self.partitions.get_mut(tp)?;
        // A refusal that only repeats the id we asked for says nothing about the topic.
        let echo = [
            ErrorCode::UNKNOWN_TOPIC_ID,
            ErrorCode::INCONSISTENT_TOPIC_ID,
            ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
        ]
        .contains(&code);
        if topic_id == Uuid::ZERO || echo {
            return None;
        }
        if partition.topic_id == Uuid::ZERO {
            partition.topic_id = topic_id;
        }
        let was = partition.topic_id;
        (was != topic_id).then_some(FetchError::TopicRecreated { was, now: topic_id })
    }

    /// The log was cut below the position and written anew (KIP-320): what was read is not what it holds.
    fn diverge(&mut self, waits: &mut Waits, tp: &TopicPartition, data: &PartitionData) {
        let Some(partition) = self.partitions.get_mut(tp) else {
            return;
        };
        let Cursor {
            position,
            leader_epoch,
        } = partition.cursor;
        let diverging_epoch = LeaderEpoch(data.diverging_epoch.epoch);
        let end_offset = data.diverging_epoch.end_offset;
        // Each step back has to go back, or two brokers that disagree would send us round in a circle.
        if end_offset < 0 || (end_offset >= position && diverging_epoch >= leader_epoch) {
            return self.back_off(waits, tp);
        }
        if self.config.out_of_range == OutOfRange::Fail {
            return self.fail(
                tp,
                FetchError::Truncated {
                    position,
                    leader_epoch,
                    diverging_epoch,
                    end_offset,
                },
            );
        }
        partition.cursor = Cursor {
            position: end_offset.min(position),
            leader_epoch: diverging_epoch,
        };
        partition.stage = Stage::Resolved;
        let cursor = partition.cursor;
        self.idle.insert(tp.clone());
        self.events.push_back(FetchEvent::Position {
            tp: tp.clone(),
            cursor,
        });
    }

    fn note_watermarks(&mut self, tp: &TopicPartition, data: &PartitionData) {
        let Some(partition) = self.partitions.get_mut(tp) else {
            return;
        };
        let known =
            |offset: i64, before: Option<i64>| if offset >= 0 { Some(offset) } else { before };
        let before = (partition.high_watermark, partition.last_stable_offset);
        partition.high_watermark = known(data.high_watermark, partition.high_watermark);
        partition.last_stable_offset = known(data.last_stable_offset, partition.last_stable_offset);
        partition.log_start_offset = known(data.log_start_offset, partition.log_start_offset);
        if before != (partition.high_watermark, partition.last_stable_offset)
            && let Some(high_watermark) = partition.high_watermark
        {
            let last_stable_offset = partition.last_stable_offset;
            self.events.push_back(FetchEvent::HighWatermark {
                tp: tp.clone(),
                high_watermark,
                last_stable_offset,
            });
        }
    }

    /// Passes on a new leader that the broker names in its refusal (KIP-951).
    fn hint_leader(
        &mut self,
        tp: &TopicPartition,
        data: &PartitionData,
        response: &FetchResponse<'_>,
    ) {
        let leader = &data.current_leader;
        if data.error_code.is_ok() || leader.leader_id < 0 || leader.leader_epoch < 0 {
            return;
        }
        let endpoint = response
            .node_endpoints
            .iter()
            .find(|endpoint| endpoint.node_id == leader.leader_id);
        self.events.push_back(FetchEvent::LeaderHint {
            tp: tp.clone(),
            node: NodeId(leader.leader_id),
            epoch: LeaderEpoch(leader.leader_epoch),
            endpoint: endpoint
                .and_then(|endpoint| BrokerAddress::advertised(endpoint.host, endpoint.port)),
        });
    }
}

/// The topic of an answer: by name until version 12, by id after.
fn topic_name(
    topic: &FetchableTopicResponse<'_>,
    topics: &[(Uuid, TopicName)],
) -> Option<TopicName> {
    if topic.topic_id == Uuid::ZERO {
        return (!topic.topic.is_empty()).then(|| topic.topic.into());
    }
    topics
        .iter()
        .find(|(id, _)| *id == topic.topic_id)
        .map(|(_, name)| name.clone())
}
