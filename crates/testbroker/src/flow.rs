//! How a request goes through the broker: frame, fault, handler, answer.

use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use milena_wire::{ApiKey, Frame, Reader, decode_request_header, take_frame};

use crate::api;
use crate::broker::Broker;
use crate::connection::{ConnectionId, Output};
use crate::faults::{Action, Decision, HoldId, Subject, Touched};
use crate::history::{Entry, Outcome, RequestName};
use crate::request::{After, Context, Forced, InFlight, Reply, Stage, WaitOn, peek_name};
use crate::timers::Timer;

impl Broker {
    /// Lets everything held under a barrier go on; how many requests that was.
    pub fn release(&mut self, hold: HoldId) -> usize {
        let held: Vec<u64> = self
            .in_flight
            .iter()
            .filter(|(_, request)| request.held_by == Some(hold))
            .map(|(id, _)| *id)
            .collect();
        for id in &held {
            if let Some(request) = self.in_flight.get_mut(id) {
                request.held_by = None;
            }
            self.cluster.woken.insert(*id);
        }
        self.pump();
        held.len()
    }

    /// How many requests and answers a barrier holds.
    pub fn held(&self, hold: HoldId) -> usize {
        self.in_flight
            .values()
            .filter(|request| request.held_by == Some(hold))
            .count()
    }

    /// Does all that can be done now.
    pub(crate) fn pump(&mut self) {
        loop {
            if let Some(id) = self.cluster.woken.pop_first() {
                self.go_on(id);
            } else if let Some(conn) = self.ready.pop_first() {
                self.take_request(conn);
            } else {
                return;
            }
        }
    }

    pub(crate) fn fire_timers(&mut self, now: Instant) {
        while let Some(timer) = self.cluster.timers.pop_due(now) {
            match timer {
                Timer::Request(id) => {
                    if let Some(request) = self.in_flight.get_mut(&id) {
                        request.timer = None;
                    }
                    self.go_on(id);
                }
                Timer::Markers(id) => self.cluster.write_markers(&id),
                Timer::TransactionTimeout(id) => self.cluster.time_out_transaction(&id),
                Timer::Group(id) => self.cluster.handle_group_timeout(&id),
                Timer::Isr(topic, index) => self.cluster.check_isr(&topic, index),
                Timer::Housekeeping => self.cluster.keep_house(),
            }
            // In between, so that what one timer set free is not overtaken by the next.
            self.pump();
        }
    }

    /// The next frame of a connection, if it is complete and nothing is being served.
    fn take_request(&mut self, conn: ConnectionId) {
        let frame_bytes_max = self.cluster.config.frame_bytes_max;
        let Some(connection) = self.connections.get_mut(&conn) else {
            return;
        };
        if connection.is_waiting() {
            return;
        }
        let frame = match take_frame(&mut connection.buffer, frame_bytes_max) {
            Ok(Some(frame)) => frame,
            Ok(None) => return,
            Err(error) => return self.close(conn, &error.to_string()),
        };
        let node = connection.node;
        let Some(name) = peek_name(&frame) else {
            return self.close(conn, "the frame is too short for a request");
        };
        let decision = self.decide(node, name, &frame);
        let id = self.admit(Some(conn), node, name, frame);
        if let Some(connection) = self.connections.get_mut(&conn) {
            connection.busy = Some(id);
        }
        self.start(id, decision);
    }

    fn admit(
        &mut self,
        connection: Option<ConnectionId>,
        node: i32,
        name: RequestName,
        frame: Bytes,
    ) -> u64 {
        self.requests_seen += 1;
        let id = self.requests_seen;
        self.in_flight
            .insert(id, InFlight::new(connection, node, name, frame));
        id
    }

    /// What the rules say of a request.
    fn decide(&mut self, node: i32, name: RequestName, frame: &Bytes) -> Option<Decision> {
        if self.faults.is_empty() {
            return None;
        }
        let mut reader = Reader::new(frame);
        let header = decode_request_header(&mut reader);
        let client_id = header.as_ref().ok().and_then(|header| header.client_id);
        let subject = Subject {
            api: name.api,
            version: name.version,
            node,
            client_id,
        };
        if !self.faults.watches(&subject) {
            return None;
        }
        let touched = match header {
            Ok(_) => api::touched(&self.cluster, name, &mut reader),
            Err(_) => Touched::default(),
        };
        self.faults.decide(&subject, &touched)
    }

    /// Sets a new request going as the rules want it.
    fn start(&mut self, id: u64, decision: Option<Decision>) {
        let Some(decision) = decision else {
            return self.apply(id);
        };
        self.note(id, Outcome::Fault(decision.rule));
        let forced = Forced::of(&decision);
        let Some(request) = self.in_flight.get_mut(&id) else {
            return;
        };
        request.forced = forced;
        match decision.action {
            Action::Error(_) | Action::ApplyThenError(_) | Action::LeaveOut => {}
            Action::DropBeforeApply | Action::CutConnection => return self.drop_request(id),
            Action::ApplyThenDrop => request.after = After::Close,
            Action::DropThenApply(delay) => return self.detach(id, delay),
            Action::Duplicate(delay) => request.after = After::Repeat(delay),
            Action::Ignore => {
                request.stage = Stage::Stuck;
                return;
            }
            Action::ApplyThenIgnore => request.after = After::Ignore,
            Action::Delay(delay) => return self.set_timer(id, delay),
            Action::DelayAnswer(delay) => request.after = After::Delay(delay),
            Action::HoldRequest(hold) => {
                request.held_by = Some(hold);
                return;
            }
            Action::HoldAnswer(hold) => request.after = After::Hold(hold),
            Action::CutAnswer(bytes) => request.after = After::Cut(bytes),
            Action::CorruptAnswer(position) => request.after = After::Corrupt(position),
            Action::CorruptRecords(position) => {
                request.after = After::CorruptRecords(decision.rule, position);
            }
            Action::Throttle(throttle) => request.throttle = throttle,
        }
        self.apply(id);
    }

    /// A timer fired, a barrier fell, or what a request waits for happened.
    fn go_on(&mut self, id: u64) {
        let Some(request) = self.in_flight.get_mut(&id) else {
            return;
        };
        if request.held_by.is_some() {
            return;
        }
        match std::mem::replace(&mut request.stage, Stage::Unapplied) {
            Stage::Unapplied => self.apply(id),
            Stage::Answered(frame) => self.send(id, frame),
            Stage::Stuck => request.stage = Stage::Stuck,
        }
    }

    fn apply(&mut self, id: u64) {
        self.stop_waiting(id);
        let Some(now) = self.cluster.now() else {
            return;
        };
        let Some(request) = self.in_flight.get_mut(&id) else {
            return;
        };
        if !self.cluster.is_up(request.node) {
            self.in_flight.remove(&id);
            return;
        }
        let received = *request.received.get_or_insert(now);
        let frame = request.frame.clone();
        let forced = request.forced.clone();
        let context = Context {
            now,
            received,
            request: id,
            connection: request.connection,
            client_id: None,
            node: request.node,
            version: request.name.version.0,
            correlation_id: request.name.correlation_id,
            throttle_time_ms: i32::try_from(request.throttle.as_millis()).unwrap_or(i32::MAX),
            forced: forced.as_ref(),
        };
        match api::handle(&mut self.cluster, &context, request.name, &frame) {
            Reply::Answer(frame) => {
                self.note(id, Outcome::Applied);
                self.answered(id, frame);
            }
            Reply::Nothing => {
                self.note(id, Outcome::Applied);
                self.finish(id);
            }
            Reply::Wait { until, on } => {
                // Once, not at every look.
                if received == now {
                    self.note(id, Outcome::Waiting);
                }
                self.wait(id, until, on);
            }
            Reply::Close(reason) => {
                let conn = self
                    .in_flight
                    .remove(&id)
                    .and_then(|request| request.connection);
                if let Some(conn) = conn {
                    self.close(conn, &reason);
                }
            }
        }
    }

    /// The handler is done; the answer goes the way the rules want it.
    fn answered(&mut self, id: u64, frame: Frame) {
        let Some(request) = self.in_flight.get_mut(&id) else {
            return;
        };
        match request.after {
            After::Send => self.send(id, frame),
            After::Close => self.drop_request(id),
            After::Ignore => request.stage = Stage::Stuck,
            After::Delay(delay) => {
                request.stage = Stage::Answered(frame);
                self.set_timer(id, delay);
            }
            After::Hold(hold) => {
                request.held_by = Some(hold);
                request.stage = Stage::Answered(frame);
            }
            After::Cut(bytes) => {
                let whole = frame.to_bytes();
                let cut = whole.slice(..bytes.min(whole.len()));
                let conn = request.connection;
                self.drop_request_after(id, conn, cut);
            }
            After::Corrupt(position) => {
                let mut whole = BytesMut::from(&frame.to_bytes()[..]);
                if let Some(byte) = whole.get_mut(position) {
                    *byte = !*byte;
                }
                let conn = request.connection;
                self.emit(id, conn, whole.len(), [whole.freeze()]);
                self.finish(id);
            }
            After::CorruptRecords(rule, position) => {
                let (len, conn) = (frame.len(), request.connection);
                let mut parts = frame.into_parts();
                match parts.iter_mut().rev().find(|part| is_batch(part)) {
                    Some(batch) => *batch = with_corrupt_records(batch, position),
                    None => self.faults.missed(rule),
                }
                self.emit(id, conn, len, parts);
                self.finish(id);
            }
            After::Repeat(delay) => {
                let (node, name, bytes) = (request.node, request.name, request.frame.clone());
                self.send(id, frame);
                let copy = self.admit(None, node, name, bytes);
                self.set_timer(copy, delay);
            }
        }
    }

    fn send(&mut self, id: u64, frame: Frame) {
        let conn = self
            .in_flight
            .get(&id)
            .and_then(|request| request.connection);
        self.emit(id, conn, frame.len(), frame.into_parts());
        self.finish(id);
    }

    fn emit(
        &mut self,
        id: u64,
        conn: Option<ConnectionId>,
        len: usize,
        parts: impl IntoIterator<Item = Bytes>,
    ) {
        let Some(conn) = conn else {
            return self.note(id, Outcome::AnswerLost);
        };
        self.note(id, Outcome::Answered(len));
        if let Some(connection) = self.connections.get_mut(&conn) {
            connection.unpolled += len;
        }
        for bytes in parts {
            self.outputs.push_back(Output::Bytes { conn, bytes });
        }
    }

    fn drop_request_after(&mut self, id: u64, conn: Option<ConnectionId>, bytes: Bytes) {
        self.emit(id, conn, bytes.len(), [bytes]);
        self.drop_request(id);
    }

    /// Ends a request without an answer and closes its connection.
    fn drop_request(&mut self, id: u64) {
        let conn = self
            .in_flight
            .get(&id)
            .and_then(|request| request.connection);
        self.finish(id);
        if let Some(conn) = conn {
            self.close(conn, "a fault wants it");
        }
    }

    /// Closes the connection of a request and applies it later.
    fn detach(&mut self, id: u64, delay: Duration) {
        let Some(request) = self.in_flight.get_mut(&id) else {
            return;
        };
        if let Some(conn) = request.connection.take() {
            self.close(conn, "a fault wants it");
        }
        self.set_timer(id, delay);
    }

    /// A request is over: its connection may go on with the next.
    fn finish(&mut self, id: u64) {
        self.stop_waiting(id);
        let Some(request) = self.in_flight.remove(&id) else {
            return;
        };
        let Some(conn) = request.connection else {
            return;
        };
        if let Some(connection) = self.connections.get_mut(&conn) {
            connection.busy = None;
            self.ready.insert(conn);
        }
    }

    fn wait(&mut self, id: u64, until: Instant, on: Vec<WaitOn>) {
        for thing in &on {
            match thing {
                WaitOn::Partition(topic, index) => {
                    if let Some(partition) = self.cluster.topics.partition_mut(topic, *index) {
                        partition.waiting.insert(id);
                    }
                }
                WaitOn::Group(group) => self.cluster.groups.wait(group, id),
            }
        }
        // Never at once: a timer that is due already would be looked at again without end.
        let soon = self.cluster.now().map(|now| now + Duration::from_millis(1));
        let until = soon.map_or(until, |soon| until.max(soon));
        let timer = self.cluster.timers.set(until, Timer::Request(id));
        if let Some(request) = self.in_flight.get_mut(&id) {
            request.waiting_on = on;
            request.timer = Some(timer);
        }
    }

    fn stop_waiting(&mut self, id: u64) {
        let Some(request) = self.in_flight.get_mut(&id) else {
            return;
        };
        if let Some(timer) = request.timer.take() {
            self.cluster.timers.cancel(timer);
        }
        for thing in std::mem::take(&mut request.waiting_on) {
            match thing {
                WaitOn::Partition(topic, index) => {
                    if let Some(partition) = self.cluster.topics.partition_mut(&topic, index) {
                        partition.waiting.remove(&id);
                    }
                }
                WaitOn::Group(group) => self.cluster.groups.stop_waiting(&group, id),
            }
        }
    }

    fn set_timer(&mut self, id: u64, delay: Duration) {
        let Some(now) = self.cluster.now() else {
            return;
        };
        let timer = self.cluster.timers.set(now + delay, Timer::Request(id));
        if let Some(request) = self.in_flight.get_mut(&id) {
            request.timer = Some(timer);
        }
    }

    /// The broker closes a connection.
    pub(crate) fn close(&mut self, conn: ConnectionId, reason: &str) {
        if self.drop_connection(conn, Outcome::Closed(reason.to_owned())) {
            self.outputs.push_back(Output::Close { conn });
        }
    }

    /// Forgets a connection. What it asked for is still applied, but a Fetch that waits is not
    /// worth going on with.
    pub(crate) fn drop_connection(&mut self, conn: ConnectionId, outcome: Outcome) -> bool {
        let Some(connection) = self.connections.remove(&conn) else {
            return false;
        };
        self.ready.remove(&conn);
        if let Some(id) = connection.busy {
            let fetch = self
                .in_flight
                .get(&id)
                .is_some_and(|it| it.name.api == ApiKey::FETCH);
            if fetch {
                self.stop_waiting(id);
                self.in_flight.remove(&id);
            } else if let Some(request) = self.in_flight.get_mut(&id) {
                request.connection = None;
                if matches!(request.stage, Stage::Stuck) {
                    self.in_flight.remove(&id);
                }
            }
        }
        if let Some(at) = self.cluster.now() {
            let node = connection.node;
            let connection = Some(conn);
            self.history.push(Entry {
                at,
                node,
                connection,
                request: None,
                outcome,
            });
        }
        true
    }

    /// The requests of a node that stops are lost with it.
    pub(crate) fn forget_requests_of(&mut self, node: i32) {
        let here = |request: &InFlight| request.node == node && !request.is_under_way();
        let lost: Vec<u64> = self
            .in_flight
            .iter()
            .filter(|(_, request)| here(request))
            .map(|(id, _)| *id)
            .collect();
        for id in lost {
            self.stop_waiting(id);
            self.in_flight.remove(&id);
        }
    }

    /// A client that sends on and on behind a request that is not answered is cut off: one whole
    /// frame of the largest size may wait, no more.
    pub(crate) fn close_if_flooded(&mut self, conn: ConnectionId) {
        let room = self
            .cluster
            .config
            .frame_bytes_max
            .saturating_add(1024 * 1024);
        if self.backlog(conn) > room {
            self.close(conn, "too many bytes wait behind an unanswered request");
        }
    }

    fn note(&mut self, id: u64, outcome: Outcome) {
        let (Some(at), Some(request)) = (self.cluster.now(), self.in_flight.get(&id)) else {
            return;
        };
        let (node, connection, request) = (request.node, request.connection, Some(request.name));
        self.history.push(Entry {
            at,
            node,
            connection,
            request,
            outcome,
        });
    }
}

/// What comes before the bytes that a batch's checksum is over: offset, length, leader epoch, magic, and the checksum.
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
