//! When a decode job may begin, and what it found.

use std::time::Instant;

use milena_cluster::TopicPartition;
#[cfg(feature = "plants")]
use milena_cluster::plants::{Plant, is_planted};

use super::partition::Stage;
use super::retry::Waits;
use super::{FetchEvent, Fetcher};
use crate::decode::DecodeEnd;
use crate::{DecodeJob, DecodedFetch, FetchError};

/// How many answers in a row may hold bytes and not move the position.
const STALLS_MAX: u32 = 3;

impl Fetcher {
    /// Work to be done by [`DecodeJob::run`], anywhere; the result comes back through [`Fetcher::handle_decoded`]. There may be
    /// more after batches were released.
    pub fn poll_decode(&mut self) -> Option<DecodeJob> {
        // The one that waits longest of those that may begin: none is kept waiting by what another partition holds, and none
        // waits for ever, since whether there is room is the same question for all.
        let at = self.jobs.iter().position(|job| self.may_begin(job))?;
        let mut job = self.jobs.remove(at)?;
        job.one_batch = !self.budget.has_room();
        self.budget.allow(job.allowance);
        Some(job)
    }

    /// What came plain needs no memory beside that in which it came. What is to be decompressed needs room, except that a
    /// partition of which nothing is held always gets a batch shown. One such job at a time: the allowances of many at once
    /// would be without bound.
    fn may_begin(&self, job: &DecodeJob) -> bool {
        job.allowance == 0
            || self.budget.has_room() && !self.is_parked(job)
            || self.budget.is_none_allowed() && self.budget.shown_of(&job.tp) == 0
    }

    /// Whether so much is held of the partition that `job` cannot begin before batches of it are released, for however long
    /// that takes.
    pub(super) fn is_parked(&self, job: &DecodeJob) -> bool {
        let shown = self.budget.shown_of(&job.tp);
        job.allowance > 0 && shown >= self.config.partition_bytes_max
    }

    /// Drops the jobs of `tp` that are void.
    pub(super) fn forget_jobs(&mut self, tp: &TopicPartition) {
        let mut jobs = std::mem::take(&mut self.jobs);
        jobs.retain(|job| {
            let stays = job.tp != *tp || self.is_current(tp, job.version);
            if !stays {
                self.budget.release_undecoded(tp, job.records.len());
            }
            stays
        });
        self.jobs = jobs;
    }

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
        // Behind those of other partitions, which have their turn first. Its own partition is not asked before it is done.
        if let Some(rest) = rest {
            self.jobs.push_back(*rest);
        }
        let shown = batches.last().map(|batch| batch.cursor);
        if shown.is_some() {
            let bytes = batches.iter().map(|batch| batch.bytes).sum();
            self.budget.charge_shown(&tp, bytes);
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
