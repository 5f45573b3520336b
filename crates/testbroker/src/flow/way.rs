//! The way of a request: what it waits for, what rules do to it before it is applied, applying it.

use std::cell::Cell;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use milena_wire::ApiKey;

use crate::api;
use crate::broker::Broker;
use crate::faults::{Action, Before, Course, End, Forced, Gate, Named, Stop};
use crate::history::Outcome;
use crate::request::{Context, InFlight, Reply, Stage, WaitOn, peek_name};
use crate::timers::Timer;

impl Broker {
    /// Sets a new request going as the rules want it.
    pub(super) fn start(&mut self, id: u64, mut course: Course, swapped: Option<u64>) {
        let gate = course.request_gate.take();
        if let Some(request) = self.in_flight.get_mut(&id) {
            request.course = course;
            request.overtakes = swapped;
        }
        match gate {
            Some(gate) => self.close_gate(id, gate),
            None => self.proceed(id),
        }
    }

    /// From now on this request waits.
    pub(super) fn close_gate(&mut self, id: u64, gate: Gate) {
        if matches!(gate, Gate::Applied(_, 0)) {
            self.cluster.woken.insert(id);
            return;
        }
        let Some(request) = self.in_flight.get_mut(&id) else {
            return;
        };
        request.gate = Some(gate);
        match gate {
            Gate::Time(delay) => self.set_timer(id, delay),
            // It has acted once the other request is there.
            Gate::Swap(rule) => self.faults.missed(rule),
            Gate::Applied(..) => self.counting += 1,
            Gate::Hold(_) => {}
        }
    }

    pub(super) fn open_gate(&mut self, id: u64) {
        if let Some(request) = self.in_flight.get_mut(&id) {
            request.gate = None;
            self.cluster.woken.insert(id);
        }
    }

    /// A timer fired, a barrier fell, or what a request waits for happened.
    pub(super) fn go_on(&mut self, id: u64) {
        let Some(request) = self.in_flight.get_mut(&id) else {
            return;
        };
        if request.gate.is_some() {
            return;
        }
        match std::mem::replace(&mut request.stage, Stage::Unapplied) {
            Stage::Unapplied => self.proceed(id),
            Stage::Answered(frame) => self.depart(id, frame),
            Stage::Leaving(rest) => self.trickle(id, rest),
            Stage::Stuck => request.stage = Stage::Stuck,
        }
    }

    /// What rules do just before a request is looked at; then it is.
    fn proceed(&mut self, id: u64) {
        let Some(request) = self.in_flight.get_mut(&id) else {
            return;
        };
        if let Some((partitions, node)) = request.course.leaders.take() {
            self.move_leaders(&partitions, node);
        }
        let Some(request) = self.in_flight.get_mut(&id) else {
            return;
        };
        if let Some(bit) = request.course.request_bit.take() {
            let bits = request.frame.len() * 8;
            let bit = bit.unwrap_or_else(|| self.faults.place(bits)) % bits.max(1);
            request.frame = with_bit_flipped(&request.frame, bit);
            // The history shows what is looked at; what was sent is in the entry of the fault.
            request.kept = self.history.keep(&request.frame);
            // What it asks for now, if it can be told at all.
            request.name = peek_name(&request.frame).unwrap_or(request.name);
        }
        match request.course.before.take() {
            None => self.apply(id),
            Some(Before::Close) => self.drop_request(id),
            Some(Before::Stick) => self.stick(id),
            Some(Before::BlackHole) => {
                let conn = request.connection;
                if let Some(connection) = conn.and_then(|conn| self.connections.get_mut(&conn)) {
                    connection.is_hole = true;
                    connection.buffer.clear();
                }
                self.finish(id);
            }
            Some(Before::StopNode(stop)) => {
                let node = request.node;
                self.stop_for(node, stop);
            }
            Some(Before::Detach(gate, rule)) => {
                request.course.late_for = Some(rule);
                if let Some(conn) = request.connection.take() {
                    self.close(conn, "a fault wants it");
                }
                self.close_gate(id, gate);
            }
        }
    }

    /// Nothing more happens to a request, as long as anybody waits for it.
    pub(super) fn stick(&mut self, id: u64) {
        match self.in_flight.get_mut(&id) {
            Some(request) if request.connection.is_some() => request.stage = Stage::Stuck,
            _ => drop(self.forget(id)),
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
            self.forget(id);
            return;
        }
        let received = *request.received.get_or_insert(now);
        if let Some(rule) = request.course.late_for.take() {
            self.faults.arrived(rule);
        }
        let frame = request.frame.clone();
        let forced = request.course.forced.take();
        let is_shown = Cell::new(request.course.is_shown);
        let throttle = request.course.throttle.as_millis();
        let context = Context {
            now,
            received,
            request: id,
            connection: request.connection,
            client_id: None,
            node: request.node,
            version: request.name.version.0,
            correlation_id: request.name.correlation_id,
            throttle_time_ms: i32::try_from(throttle).unwrap_or(i32::MAX),
            forced: forced.as_ref(),
            is_shown: &is_shown,
        };
        let reply = api::handle(&mut self.cluster, &context, request.name, &frame);
        let over = !matches!(reply, Reply::Wait { .. });
        self.looked_at(id, forced, is_shown.get(), over);
        match reply {
            Reply::Answer(frame) => {
                self.applied(id);
                self.answered(id, frame);
            }
            Reply::Last(frame) => {
                self.applied(id);
                if let Some(request) = self.in_flight.get_mut(&id)
                    && request.course.end == End::Send
                {
                    request.course.end = End::Last;
                }
                self.answered(id, frame);
            }
            Reply::Nothing => {
                self.applied(id);
                self.finish_silent(id);
            }
            Reply::Wait { until, on } => {
                // Once, not at every look.
                if received == now {
                    self.note(id, Outcome::Waiting);
                }
                self.wait(id, until, on);
            }
            Reply::Close(reason) => {
                self.miss_the_answer(id, |_| true);
                let conn = self.forget(id).and_then(|request| request.connection);
                if let Some(conn) = conn {
                    self.close(conn, &reason);
                }
            }
        }
    }

    /// Keeps what became of the error that a rule wants: has it a place in the answer?
    fn looked_at(&mut self, id: u64, forced: Option<Forced>, is_shown: bool, over: bool) {
        if over
            && !is_shown
            && let Some(rule) = forced.as_ref().and_then(|forced| forced.rule)
        {
            self.faults.missed(rule);
        }
        let Some(request) = self.in_flight.get_mut(&id) else {
            return;
        };
        // Refused as a whole, and nothing was done.
        let whole = forced
            .as_ref()
            .is_some_and(|forced| !forced.apply && forced.is_top());
        request.course.is_refused = is_shown && whole;
        request.course.is_shown = is_shown;
        request.course.forced = forced;
    }

    /// A request was applied, or refused as a rule wants it: others may have waited for that.
    fn applied(&mut self, id: u64) {
        let Some(request) = self.in_flight.get_mut(&id) else {
            return;
        };
        let (api, refused) = (request.name.api, request.course.is_refused);
        let overtaken = request.overtakes.take();
        if !refused {
            self.note(id, Outcome::Applied);
        }
        if let Some(overtaken) = overtaken {
            self.let_pass(overtaken);
        }
        if self.counting > 0 && !refused {
            self.count_applied(id, api);
        }
    }

    fn count_applied(&mut self, applied: u64, api: ApiKey) {
        let mut open = Vec::new();
        for (id, request) in &mut self.in_flight {
            if let Some(Gate::Applied(counted, left)) = &mut request.gate
                && *counted == api
                && *id != applied
            {
                *left -= 1;
                if *left == 0 {
                    open.push(*id);
                }
            }
        }
        for id in open {
            self.counting -= 1;
            self.open_gate(id);
        }
    }

    /// The request that waited to be overtaken has been.
    pub(super) fn let_pass(&mut self, id: u64) {
        let gate = self.in_flight.get(&id).and_then(|request| request.gate);
        if let Some(Gate::Swap(rule)) = gate {
            self.faults.happened(rule);
            self.open_gate(id);
        }
    }

    /// Acks=0: there is no answer, but the rules may still want something.
    fn finish_silent(&mut self, id: u64) {
        let course = self.in_flight.get(&id).map(|request| &request.course);
        let end = course.map_or(End::Send, |course| course.end);
        match end {
            End::Close | End::Cut(_) | End::Last => self.drop_request(id),
            End::StopNode(stop) => {
                let node = self.in_flight.get(&id).map(|request| request.node);
                self.stop_for(node.unwrap_or(-1), stop);
            }
            _ => {
                self.miss_the_answer(id, |_| true);
                self.send_copy(id);
                self.finish(id);
            }
        }
    }

    /// These of the rules that want something of the answer to this request get none.
    pub(super) fn miss_the_answer(&mut self, id: u64, which: impl Fn(Action) -> bool) {
        if let Some(request) = self.in_flight.get_mut(&id) {
            for (rule, action) in std::mem::take(&mut request.course.of_the_answer) {
                if which(action) {
                    self.faults.missed(rule);
                }
            }
        }
    }

    pub(super) fn stop_for(&mut self, node: i32, stop: Stop) {
        match stop.crash {
            Some(keep) => self.crash_node(node, keep),
            None => self.stop_node(node),
        }
        if let (Some(now), Some(restart)) = (self.cluster.now(), stop.restart) {
            let at = now + restart;
            self.cluster.timers.set(at, Timer::StartNode(node));
        }
    }

    fn move_leaders(&mut self, partitions: &Named, node: Option<i32>) {
        let mut moves = Vec::new();
        for (topic, index) in partitions {
            for (name, at, partition) in self.cluster.topics.partitions() {
                if **name != **topic || index.is_some_and(|index| index != at) {
                    continue;
                }
                let place = partition.isr.iter().position(|id| *id == partition.leader);
                let after = place.map_or(0, |place| place + 1);
                let ring = partition.isr.iter().cycle().skip(after);
                let next = ring
                    .take(partition.isr.len())
                    .find(|id| self.cluster.is_up(**id));
                let to = node.or_else(|| next.copied()).unwrap_or(partition.leader);
                moves.push((name.clone(), at, to));
            }
        }
        for (topic, index, to) in moves {
            self.move_leader(&topic, index, to);
        }
    }

    fn wait(&mut self, id: u64, until: Instant, on: Vec<WaitOn>) {
        for WaitOn::Partition(topic, index) in &on {
            if let Some(partition) = self.cluster.topics.partition_mut(topic, *index) {
                partition.waiting.insert(id);
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

    pub(super) fn stop_waiting(&mut self, id: u64) {
        let Some(request) = self.in_flight.get_mut(&id) else {
            return;
        };
        if let Some(timer) = request.timer.take() {
            self.cluster.timers.cancel(timer);
        }
        for WaitOn::Partition(topic, index) in std::mem::take(&mut request.waiting_on) {
            if let Some(partition) = self.cluster.topics.partition_mut(&topic, index) {
                partition.waiting.remove(&id);
            }
        }
    }

    pub(super) fn set_timer(&mut self, id: u64, delay: Duration) {
        let Some(now) = self.cluster.now() else {
            return;
        };
        let timer = self.cluster.timers.set(now + delay, Timer::Request(id));
        if let Some(request) = self.in_flight.get_mut(&id) {
            request.timer = Some(timer);
        }
    }

    /// Takes a request out, whatever became of it.
    pub(crate) fn forget(&mut self, id: u64) -> Option<InFlight> {
        self.stop_waiting(id);
        self.cluster.groups.forget_request(id);
        let request = self.in_flight.remove(&id)?;
        self.cluster.fetch_sessions.forget_request(id);
        if let Some(Gate::Applied(..)) = request.gate {
            self.counting -= 1;
        }
        if let Some(overtaken) = request.overtakes {
            self.let_pass(overtaken);
        }
        Some(request)
    }
}

pub(super) fn with_bit_flipped(bytes: &[u8], bit: usize) -> Bytes {
    let mut bytes = BytesMut::from(bytes);
    if let Some(byte) = bytes.get_mut(bit / 8) {
        *byte ^= 0x80 >> (bit % 8);
    }
    bytes.freeze()
}
