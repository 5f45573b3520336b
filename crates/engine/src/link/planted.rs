//! What a link does wrong on demand.

use std::collections::{BTreeSet, VecDeque};
use std::time::Instant;

use bytes::{Bytes, BytesMut};
use milena_cluster::plants::{Plant, is_planted};
use milena_wire::{CorrelationId, Frame};

use super::{Expected, Link};
use crate::router::CallId;

const HEADER_LEN: usize = 61;
/// Of a batch's header: what its checksum is over begins here.
const CHECKED_FROM: usize = 21;
/// Producer id, epoch and first sequence.
const STAMP: std::ops::Range<usize> = 43..57;
/// How many records there are.
const COUNT: std::ops::Range<usize> = 57..61;

#[derive(Debug, Default)]
pub(super) struct State {
    /// Frames whose batch's memory went back to the pool.
    freed: BTreeSet<CallId>,
    /// A request has timed out, and no answer has come since.
    timed_out: bool,
    /// Requests that timed out on this link.
    by_order: bool,
}

impl Link {
    /// [`Plant::BufferReusedInLink`]: the batch has timed out, so its memory is free. True if its frame is here, and begun.
    pub(crate) fn free_batch(&mut self, call: CallId) -> bool {
        let here = |frame: &super::Outgoing| frame.call == call && frame.started;
        let freed = self.outgoing.iter().any(here);
        if freed {
            self.planted.freed.insert(call);
        }
        freed
    }

    /// The next batch, in `frame`, is written into memory that is free: where a batch of the same length is still to be
    /// written to the socket, its records are another's. The checksum is added up on the way out, so it holds.
    pub(crate) fn write_into_freed(&mut self, frame: &Frame) {
        let next: VecDeque<Bytes> = frame.clone().into_parts().into();
        let Some(from) = batch_at(&next, 0) else {
            return;
        };
        let freed = &mut self.planted.freed;
        for frame in &mut self.outgoing {
            let mut place = 0;
            while freed.contains(&frame.call)
                && let Some(to) = batch_at(&frame.parts, place)
            {
                place = to.end;
                let same_length = length(&frame.parts, &to) == length(&next, &from);
                if same_length
                    && frame.parts[to.start][COUNT] == next[from.start][COUNT]
                    && to.len() == from.len()
                {
                    let records: Vec<Bytes> = next.range(from.clone()).cloned().collect();
                    let records = restamped(records, &frame.parts[to.start]);
                    frame
                        .parts
                        .iter_mut()
                        .skip(to.start)
                        .zip(records)
                        .for_each(|(part, records)| *part = records);
                    freed.remove(&frame.call);
                }
            }
        }
    }

    /// [`Plant::AnswerMatchedByOrderAfterTimeOut`]: the requests that are given up while the link stays. `None` if it does not.
    pub(crate) fn give_up(&mut self, now: Instant) -> Option<Vec<CallId>> {
        if std::mem::replace(&mut self.planted.timed_out, true) {
            return None;
        }
        self.planted.by_order = true;
        let (late, waiting): (VecDeque<Expected>, VecDeque<Expected>) = self
            .expected
            .drain(..)
            .partition(|expected| expected.deadline <= now);
        self.expected = waiting;
        Some(late.into_iter().map(|expected| expected.call).collect())
    }

    /// The correlation id that an answer is taken to have; `None` if nothing is waited for and it is dropped.
    pub(super) fn by_order(&mut self, correlation: CorrelationId) -> Option<CorrelationId> {
        if !is_planted(Plant::AnswerMatchedByOrderAfterTimeOut) || !self.planted.by_order {
            return Some(correlation);
        }
        self.planted.timed_out = false;
        self.expected.front().map(|expected| expected.correlation)
    }
}

/// The parts of the next batch that no byte of is written.
fn batch_at(parts: &VecDeque<Bytes>, from: usize) -> Option<std::ops::Range<usize>> {
    let start = (from..parts.len()).find(|index| {
        let part = &parts[*index];
        part.len() == HEADER_LEN && part[16] == 2
    })?;
    let length = i32::from_be_bytes(parts[start][8..12].try_into().ok()?);
    let length = usize::try_from(length).ok()? + 12;
    let mut sum = 0;
    let end = (start..parts.len()).find(|index| {
        sum += parts[*index].len();
        sum >= length
    })?;
    (sum == length).then_some(start..end + 1)
}

fn length(parts: &VecDeque<Bytes>, of: &std::ops::Range<usize>) -> usize {
    parts.range(of.clone()).map(Bytes::len).sum()
}

/// The batch in `parts` with the stamp of the one whose header this is.
fn restamped(mut parts: Vec<Bytes>, header: &Bytes) -> Vec<Bytes> {
    let mut own = BytesMut::from(&parts[0][..]);
    own[STAMP].copy_from_slice(&header[STAMP]);
    let rest = parts[1..].iter().flatten();
    let crc = crc32c(own[CHECKED_FROM..].iter().chain(rest));
    own[17..21].copy_from_slice(&crc.to_be_bytes());
    parts[0] = own.freeze();
    parts
}

fn crc32c<'a>(bytes: impl Iterator<Item = &'a u8>) -> u32 {
    !bytes.fold(u32::MAX, |mut crc, byte| {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = (crc >> 1) ^ (0x82f6_3b78 & (crc & 1).wrapping_neg());
        }
        crc
    })
}
