//! How a request goes through the broker: frame, fault, handler, answer.
//!
//! ```text
//!  bytes -> frame -> decide -> start -> gate -> proceed -> apply -> answered -> gate -> depart
//!           (here)   (faults)  `------- way.rs --------'   (api)    `---- answers.rs ----'
//! ```

mod answers;
mod connections;
mod tokens;
mod way;

pub(crate) use answers::Trickle;

use std::time::Instant;

use bytes::Bytes;
use milena_wire::{Reader, decode_request_header, take_frame};

use crate::api;
use crate::broker::Broker;
use crate::connection::ConnectionId;
use crate::faults::{Course, Gate, HoldId, RuleId, Subject, Touched};
use crate::history::{Entry, Outcome, RequestName};
use crate::request::{InFlight, peek_name};
use crate::sasl::Admission;
use crate::timers::Timer;

/// How much of a request has to be there before its header can be looked at.
const LENGTH_PREFIX: usize = 4;

impl Broker {
    /// Lets everything held under a barrier go on, and ends the rules that act until it falls; how
    /// many requests and answers were held.
    pub fn release(&mut self, hold: HoldId) -> usize {
        self.faults.release(hold);
        let held: Vec<u64> = self
            .in_flight
            .iter()
            .filter(|(_, request)| request.gate == Some(Gate::Hold(hold)))
            .map(|(id, _)| *id)
            .collect();
        for id in &held {
            self.open_gate(*id);
        }
        self.pump();
        held.len()
    }

    /// How many requests and answers a barrier holds.
    pub fn held(&self, hold: HoldId) -> usize {
        self.in_flight
            .values()
            .filter(|request| request.gate == Some(Gate::Hold(hold)))
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
                        if matches!(request.gate, Some(Gate::Time(_))) {
                            request.gate = None;
                        }
                    }
                    self.go_on(id);
                }
                Timer::Markers(id) => self.cluster.write_markers(&id),
                Timer::Loaded => self.cluster.write_due_markers(),
                Timer::TransactionTimeout(id) => self.cluster.time_out_transaction(&id),
                Timer::Group(id) => self.cluster.handle_group_timeout(&id),
                Timer::GroupCheck => self.cluster.check_groups(),
                Timer::Isr(topic, index) => self.cluster.check_isr(&topic, index),
                Timer::Cleaner => self.cluster.run_cleaner(),
                Timer::Housekeeping => self.cluster.keep_house(),
                Timer::Unmute(conn) => self.unmute(conn),
                Timer::StartNode(node) => self.start_node(node),
            }
            // In between, so that what one timer set free is not overtaken by the next.
            self.pump();
        }
    }

    /// The next frame of a connection, if it is complete and nothing is being served.
    fn take_request(&mut self, conn: ConnectionId) {
        let frame_bytes_max = self.cluster.frame_bytes_max(conn);
        let Some(connection) = self.connections.get(&conn) else {
            return;
        };
        if connection.is_waiting() || self.is_cut_early(conn) {
            return;
        }
        let Some(connection) = self.connections.get_mut(&conn) else {
            return;
        };
        let frame = match take_frame(&mut connection.buffer, frame_bytes_max) {
            Ok(Some(frame)) => frame,
            Ok(None) => return,
            Err(error) => return self.close(conn, &error.to_string()),
        };
        connection.cut = None;
        let node = connection.node;
        let name = peek_name(&frame);
        let admission = self.cluster.admit(conn, name);
        match admission {
            Admission::Token => return self.take_token(conn, &frame),
            Admission::Close(reason) => return self.close(conn, reason),
            Admission::Request | Admission::Refuse(_) => {}
        }
        let Some(name) = name else {
            return self.close(conn, "the frame is too short for a request");
        };
        let (course, rules, swapped) = match admission {
            Admission::Refuse(error) => (Course::refusal(error), Vec::new(), None),
            _ => self.decide(conn, node, name, &frame),
        };
        let id = self.admit(Some(conn), node, name, frame);
        if let Some(connection) = self.connections.get_mut(&conn) {
            connection.busy = Some(id);
        }
        for rule in rules {
            self.note(id, Outcome::Fault(rule));
        }
        self.start(id, course, swapped);
    }

    pub(crate) fn admit(
        &mut self,
        connection: Option<ConnectionId>,
        node: i32,
        name: RequestName,
        frame: Bytes,
    ) -> u64 {
        self.requests_seen += 1;
        let id = self.requests_seen;
        let mut request = InFlight::new(connection, node, name, frame);
        request.kept = self.history.keep(&request.frame);
        self.in_flight.insert(id, request);
        id
    }

    /// What the rules say of a request: its way, the rules that act, and the request that changes
    /// places with it.
    fn decide(
        &mut self,
        conn: ConnectionId,
        node: i32,
        name: RequestName,
        frame: &Bytes,
    ) -> (Course, Vec<RuleId>, Option<u64>) {
        let nothing = (Course::default(), Vec::new(), None);
        if self.faults.is_empty() {
            return nothing;
        }
        let mut reader = Reader::new(frame);
        let header = decode_request_header(&mut reader);
        let subject = Subject {
            api: name.api,
            version: name.version,
            node,
            client_id: header.as_ref().ok().and_then(|header| header.client_id),
            connection: Some(conn),
        };
        if !self.faults.watches(&subject) {
            return nothing;
        }
        let touched = match header {
            Ok(_) => api::touched(&self.cluster, node, name, &mut reader),
            Err(_) => Touched::default(),
        };
        let swapped = self.swap_partner(conn, &subject, &touched);
        let except = swapped.map(|(_, rule)| rule);
        let decisions = self.faults.decide(&subject, &touched, except);
        let rules = decisions.iter().map(|decision| decision.rule).chain(except);
        let rules = rules.collect();
        let mut course = Course::of(name.api, &decisions);
        if let Some((named, _)) = course
            .leaders
            .as_mut()
            .filter(|(named, _)| named.is_empty())
        {
            named.extend(
                touched
                    .partitions
                    .iter()
                    .map(|(topic, index)| (topic.clone(), Some(*index))),
            );
        }
        (course, rules, swapped.map(|(id, _)| id))
    }

    /// The request of another connection that waits for one like this to overtake it.
    fn swap_partner(
        &self,
        conn: ConnectionId,
        subject: &Subject<'_>,
        touched: &Touched,
    ) -> Option<(u64, RuleId)> {
        self.in_flight.iter().find_map(|(id, request)| {
            let Some(Gate::Swap(rule)) = request.gate else {
                return None;
            };
            // On whichever node: the rule waits for this one and must not hold it as well.
            let other = request.connection != Some(conn);
            let meets = other && self.faults.meets(rule, subject, touched);
            meets.then_some((*id, rule))
        })
    }

    /// Closes a connection of whose request as many bytes are there as a rule lets in.
    fn is_cut_early(&mut self, conn: ConnectionId) -> bool {
        if !self.faults.has_early() {
            return false;
        }
        let Some(connection) = self.connections.get_mut(&conn) else {
            return false;
        };
        let Some(body) = connection.buffer.get(LENGTH_PREFIX..) else {
            return false;
        };
        if connection.cut.is_none() {
            let start = Bytes::copy_from_slice(&body[..body.len().min(HEADER_BYTES_MAX)]);
            let (Some(name), Ok(header)) = (
                peek_name(&start),
                decode_request_header(&mut Reader::new(&start)),
            ) else {
                return false;
            };
            let subject = Subject {
                api: name.api,
                version: name.version,
                node: connection.node,
                client_id: header.client_id,
                connection: Some(conn),
            };
            connection.cut = Some(self.faults.decide_early(&subject));
        }
        let Some(Some((rule, bytes))) = connection.cut else {
            return false;
        };
        let length = connection.buffer.first_chunk().copied();
        let length = u32::from_be_bytes(length.unwrap_or_default()) as usize + LENGTH_PREFIX;
        if connection.buffer.len() < bytes.min(length) {
            return false;
        }
        let (node, buffered) = (connection.node, connection.buffer.len());
        // It has happened.
        connection.cut = None;
        let request = connection.buffer.get(LENGTH_PREFIX..).and_then(peek_name);
        if let Some(at) = self.cluster.now() {
            let outcome = Outcome::Fault(rule);
            self.history.push(Entry {
                request,
                ..Entry::of_connection(at, node, conn, outcome)
            });
        }
        let read = bytes.min(buffered);
        self.close(
            conn,
            &format!("a fault wants it behind {read} bytes of a request"),
        );
        true
    }
}

/// A client id is at most a `STRING`: two bytes of length; headers hold little else.
const HEADER_BYTES_MAX: usize = 33 * 1024;
