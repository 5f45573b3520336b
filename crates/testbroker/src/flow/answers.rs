//! Answers on their way out: late, damaged, slow, in part, or not at all.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use milena_wire::Frame;

use super::way::with_bit_flipped;
use crate::broker::Broker;
use crate::connection::{ConnectionId, Output};
use crate::faults::{Action, Change, End};
use crate::history::{Entry, Outcome};
use crate::request::Stage;
use crate::timers::Timer;

/// How often a part of a slow answer leaves.
const TRICKLE_EVERY: Duration = Duration::from_millis(10);

impl Broker {
    /// The handler is done; the answer goes the way the rules want it.
    pub(super) fn answered(&mut self, id: u64, frame: Frame) {
        let Some(request) = self.in_flight.get_mut(&id) else {
            return;
        };
        let gate = request.course.answer_gate.take();
        let Some(gate) = gate else {
            return self.depart(id, frame);
        };
        request.stage = Stage::Answered(frame);
        self.close_gate(id, gate);
    }

    /// Nothing holds the answer any more.
    pub(super) fn depart(&mut self, id: u64, frame: Frame) {
        let Some(request) = self.in_flight.get_mut(&id) else {
            return;
        };
        let (node, conn) = (request.node, request.connection);
        let (end, change) = (request.course.end, request.course.change.take());
        match end {
            End::Close => return self.drop_request(id),
            End::StopNode(stop) => return self.stop_for(node, stop),
            End::Ignore => return self.stick(id),
            End::Send | End::Last | End::Cut(_) | End::HalfClose => {}
        }
        let pace = request.course.pace;
        if !self.is_open(conn) {
            self.miss_the_answer(id, |action| !action.is_over_before_the_answer());
            self.note(id, Outcome::AnswerLost);
            return self.left(id);
        }
        let mut parts = match change {
            Some(change) => self.changed(change, frame),
            None => frame.into_parts(),
        };
        if let End::Cut(bytes) = end {
            let whole = join(&parts);
            parts = vec![whole.slice(..bytes.min(whole.len()))];
        }
        if let (Some(pace), Some(_)) = (pace, conn) {
            let whole = join(&parts);
            let kept = self.history.keep_parts(&parts, whole.len());
            return self.trickle(id, Trickle::new(whole, kept, pace));
        }
        self.emit(id, conn, parts);
        self.left(id);
    }

    /// A part of a slow answer leaves.
    pub(super) fn trickle(&mut self, id: u64, mut slow: Trickle) {
        let Some(request) = self.in_flight.get_mut(&id) else {
            return;
        };
        let Some(conn) = request.connection else {
            // It did not wait for the end, but the copy does not know that.
            self.miss_the_answer(id, Action::is_behind_the_answer);
            self.note(id, Outcome::AnswerLost);
            self.send_copy(id);
            return self.finish(id);
        };
        let part = slow.next();
        let done = slow.rest.is_empty();
        let pause = slow.pause();
        if done {
            let (length, kept) = (slow.length, slow.kept);
            self.put_out(conn, [part]);
            self.note_answer(id, Outcome::Answered(length), kept);
            return self.left(id);
        }
        request.stage = Stage::Leaving(slow);
        self.put_out(conn, [part]);
        self.set_timer(id, pause);
    }

    /// The last byte of an answer has left.
    fn left(&mut self, id: u64) {
        let Some(request) = self.in_flight.get(&id) else {
            return;
        };
        let (conn, end) = (request.connection, request.course.end);
        let throttle = request.course.throttle;
        self.send_copy(id);
        if let (Some(conn), true, Some(now)) = (conn, throttle > Duration::ZERO, self.cluster.now())
            && let Some(connection) = self.connections.get_mut(&conn)
        {
            connection.muted = true;
            self.cluster.timers.set(now + throttle, Timer::Unmute(conn));
        }
        match (end, conn) {
            (End::Cut(_), _) => return self.drop_request(id),
            (End::Last, Some(conn)) => {
                self.finish(id);
                return self.close(conn, "it was refused");
            }
            (End::HalfClose, Some(conn)) => {
                if let Some(connection) = self.connections.get_mut(&conn)
                    && !connection.half_closed
                {
                    connection.half_closed = true;
                    self.outputs.push_back(Output::HalfClose { conn });
                }
            }
            _ => {}
        }
        self.finish(id);
    }

    /// Admits the copy of a request that a rule wants.
    pub(super) fn send_copy(&mut self, id: u64) {
        let Some(request) = self.in_flight.get_mut(&id) else {
            return;
        };
        if let Some((gate, rule)) = request.course.copy.take() {
            let (node, name, bytes) = (request.node, request.name, request.frame.clone());
            let copy = self.admit(None, node, name, bytes);
            if let Some(copy) = self.in_flight.get_mut(&copy) {
                copy.course.late_for = Some(rule);
            }
            self.close_gate(copy, gate);
        }
    }

    fn changed(&mut self, change: Change, frame: Frame) -> Vec<Bytes> {
        let mut parts = frame.into_parts();
        match change {
            Change::Byte(place) => {
                let mut whole = BytesMut::from(&join(&parts)[..]);
                if let Some(byte) = whole.get_mut(place) {
                    *byte = !*byte;
                }
                vec![whole.freeze()]
            }
            Change::Bit(bit) => {
                let whole = join(&parts);
                let bits = whole.len() * 8;
                let bit = bit.unwrap_or_else(|| self.faults.place(bits)) % bits.max(1);
                vec![with_bit_flipped(&whole, bit)]
            }
            Change::Records(rule, place) => {
                match parts.iter_mut().rev().find(|part| is_batch(part)) {
                    Some(batch) => *batch = with_corrupt_records(batch, place),
                    None => self.faults.missed(rule),
                }
                parts
            }
        }
    }

    /// Whether answers can still leave on a connection.
    fn is_open(&self, conn: Option<ConnectionId>) -> bool {
        let connection = conn.and_then(|conn| self.connections.get(&conn));
        connection.is_some_and(|connection| !connection.half_closed)
    }

    fn emit(&mut self, id: u64, conn: Option<ConnectionId>, parts: Vec<Bytes>) {
        let Some(conn) = conn.filter(|conn| self.is_open(Some(*conn))) else {
            return self.note(id, Outcome::AnswerLost);
        };
        let length = parts.iter().map(Bytes::len).sum();
        let answer = self.history.keep_parts(&parts, length);
        self.note_answer(id, Outcome::Answered(length), answer);
        self.put_out(conn, parts);
    }

    pub(super) fn put_out(&mut self, conn: ConnectionId, parts: impl IntoIterator<Item = Bytes>) {
        for bytes in parts {
            if let Some(connection) = self.connections.get_mut(&conn) {
                connection.unpolled += bytes.len();
            }
            self.outputs.push_back(Output::Bytes { conn, bytes });
        }
    }

    pub(super) fn note(&mut self, id: u64, outcome: Outcome) {
        self.note_answer(id, outcome, None);
    }

    fn note_answer(&mut self, id: u64, outcome: Outcome, answer: Option<Bytes>) {
        let (Some(at), Some(request)) = (self.cluster.now(), self.in_flight.get(&id)) else {
            return;
        };
        self.history.push(Entry {
            at,
            node: request.node,
            connection: request.connection,
            number: id,
            request: Some(request.name),
            outcome,
            frame: request.kept.clone(),
            answer,
        });
    }
}

/// An answer that leaves slowly.
#[derive(Debug)]
pub(crate) struct Trickle {
    rest: Bytes,
    length: usize,
    /// For the history.
    kept: Option<Bytes>,
    /// Bytes a second.
    pace: u64,
}

impl Trickle {
    fn new(bytes: Bytes, kept: Option<Bytes>, pace: u64) -> Self {
        Self {
            kept,
            length: bytes.len(),
            rest: bytes,
            pace,
        }
    }

    /// What leaves at once: so many bytes as fit between two looks, at least one.
    fn step(&self) -> u64 {
        let looks_a_second = u64::try_from(1_000 / TRICKLE_EVERY.as_millis()).unwrap_or(1);
        (self.pace / looks_a_second).max(1)
    }

    fn next(&mut self) -> Bytes {
        let step = usize::try_from(self.step()).unwrap_or(usize::MAX);
        self.rest.split_to(step.min(self.rest.len()))
    }

    fn pause(&self) -> Duration {
        Duration::from_nanos(self.step().saturating_mul(1_000_000_000) / self.pace)
    }
}

fn join(parts: &[Bytes]) -> Bytes {
    match parts {
        [whole] => whole.clone(),
        parts => parts.concat().into(),
    }
}

/// What comes before the bytes that a batch's checksum is over: offset, length, leader epoch,
/// magic, and the checksum.
const UNCHECKED_LEN: usize = 21;

/// Whether a part of an answer is a record batch: one of format 2 that is as long as it says.
fn is_batch(part: &Bytes) -> bool {
    let length = part.get(8..12).and_then(|bytes| bytes.try_into().ok());
    let length = length.map(|bytes| i64::from(i32::from_be_bytes(bytes)) + 12);
    part.len() > UNCHECKED_LEN && part[16] == 2 && length == i64::try_from(part.len()).ok()
}

fn with_corrupt_records(batch: &Bytes, position: usize) -> Bytes {
    let mut bytes = BytesMut::from(&batch[..]);
    let place = bytes.len() - 1 - position % (bytes.len() - UNCHECKED_LEN);
    bytes[place] = !bytes[place];
    bytes.freeze()
}
