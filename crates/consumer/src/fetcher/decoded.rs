//! What a decode job found.

use std::time::Instant;

use milena_cluster::TopicPartition;
#[cfg(feature = "plants")]
use milena_cluster::plants::{Plant, is_planted};

use super::partition::Stage;
use super::retry::Waits;
use super::{FetchEvent, Fetcher};
use crate::decode::DecodeEnd;
use crate::{DecodedFetch, FetchError};

/// How many answers in a row may hold bytes and not move the position.
const STALLS_MAX: u32 = 3;

impl Fetcher {
    /// Takes the result of a decode job.
    pub fn handle_decoded(&mut self, now: Instant, decoded: DecodedFetch) {
        let DecodedFetch {
            tp,
            version,
            charged,
            allowance,
            rest,
            batches,
            cursor,
            end,
        } = decoded;
        self.budget.disallow(allowance);
        self.budget.release_undecoded(&tp, charged);
        let current = self.is_current(&tp, version);
        let Some(partition) = self.partitions.get_mut(&tp).filter(|_| current) else {
            if let Some(rest) = rest {
                self.budget.release_undecoded(&tp, rest.records.len());
            }
            return;
        };
        let before = std::mem::replace(&mut partition.cursor, cursor);
        if rest.is_none() {
            partition.stage = Stage::Resolved;
        }
        // Before those of other partitions: what it holds undecoded was asked for first.
        if let Some(rest) = rest {
            self.jobs.push_front(*rest);
        }
        let shown = batches.last().map(|batch| batch.cursor);
        if shown.is_some() {
            let bytes = batches.iter().map(|batch| batch.bytes).sum();
            self.budget.charge(&tp, bytes);
            self.events.push_back(FetchEvent::Batches {
                tp: tp.clone(),
                batches,
            });
        }
        #[cfg(feature = "plants")]
        let before = match is_planted(Plant::PositionIsLastRecordPlusOne) {
            true => cursor,
            false => before,
        };
        #[cfg(feature = "plants")]
        let shown = shown.filter(|_| !is_planted(Plant::PositionIsLastRecordPlusOne));
        if shown.unwrap_or(before) != cursor {
            self.events.push_back(FetchEvent::Position {
                tp: tp.clone(),
                cursor,
            });
        }
        self.go_on(now, &tp, end, charged);
    }

    fn go_on(&mut self, now: Instant, tp: &TopicPartition, end: DecodeEnd, fetched: usize) {
        let turn = self.next_number();
        let partition_bytes_max = self.config.partition_bytes_max;
        let Some(partition) = self.partitions.get_mut(tp) else {
            return;
        };
        let position = partition.cursor.position;
        match end {
            DecodeEnd::Moved => {
                (partition.attempt, partition.stalls) = (0, 0);
                partition.turn = turn;
                self.idle.insert(tp.clone());
            }
            DecodeEnd::Paused => {}
            DecodeEnd::Failed(error) => self.fail(tp, error),
            DecodeEnd::Unstable => self.back_off_if_repeated(&mut Waits::new(now), tp),
            DecodeEnd::Incomplete | DecodeEnd::Behind => {
                partition.stalls += 1;
                if partition.stalls < STALLS_MAX {
                    return self.back_off_if_repeated(&mut Waits::new(now), tp);
                }
                let error = match end {
                    DecodeEnd::Incomplete => FetchError::RecordTooLarge {
                        position,
                        fetched,
                        partition_bytes_max,
                    },
                    _ => FetchError::NoProgress { position, fetched },
                };
                self.fail(tp, error);
            }
        }
    }
}
