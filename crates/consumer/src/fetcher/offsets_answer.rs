//! What an answer to a ListOffsets means.

use std::time::Instant;

use milena_cluster::recovery::Operation;
use milena_cluster::{LeaderEpoch, Outcome, TopicPartition};
use milena_wire::messages::{ListOffsetsPartitionResponse, ListOffsetsResponse};

use super::partition::Stage;
use super::retry::{Remedy, Waits};
use super::{FetchEvent, FetchId, Fetcher};
use crate::Cursor;

impl Fetcher {
    /// Takes what became of the ListOffsets `id`.
    pub fn handle_list_offsets(
        &mut self,
        now: Instant,
        id: FetchId,
        outcome: Outcome<&ListOffsetsResponse<'_>>,
    ) {
        let Some(mut asked) = self.lists.remove(&id) else {
            return;
        };
        let mut waits = Waits::new(now);
        let response = match outcome {
            Outcome::Answered(response) => response,
            Outcome::NotSent(failure) | Outcome::Unsure(failure) => {
                return self.lose_all(&mut waits, asked, &failure);
            }
        };
        for topic in &response.topics {
            for data in &topic.partitions {
                let tp = TopicPartition {
                    topic: topic.name.into(),
                    partition: data.partition_index,
                };
                if asked
                    .remove(&tp)
                    .is_some_and(|version| self.is_current(&tp, version))
                {
                    self.take_offset(&mut waits, &tp, data);
                }
            }
        }
        for (tp, version) in asked {
            if self.is_current(&tp, version) {
                self.back_off(&mut waits, &tp);
            }
        }
    }

    fn take_offset(
        &mut self,
        waits: &mut Waits,
        tp: &TopicPartition,
        data: &ListOffsetsPartitionResponse,
    ) {
        match Remedy::of(Operation::ListOffsets, data.error_code) {
            Remedy::Ok if data.offset >= 0 => self.start_at(tp, data),
            Remedy::Ok | Remedy::Wait | Remedy::Reset => self.back_off(waits, tp),
            Remedy::Refresh => {
                self.refresh_wanted = true;
                self.back_off(waits, tp);
            }
            Remedy::Fail(error) => self.fail(tp, error),
        }
    }

    /// `attempt` stays: only records, or none, from here show that the position is good.
    fn start_at(&mut self, tp: &TopicPartition, data: &ListOffsetsPartitionResponse) {
        let Some(partition) = self.partitions.get_mut(tp) else {
            return;
        };
        let cursor = Cursor {
            position: data.offset,
            leader_epoch: LeaderEpoch(data.leader_epoch.max(-1)),
        };
        partition.cursor = cursor;
        partition.stage = Stage::Resolved;
        self.idle.insert(tp.clone());
        self.events.push_back(FetchEvent::Position {
            tp: tp.clone(),
            cursor,
        });
    }
}
