//! The end of requests and connections.

use milena_wire::ApiKey;

use crate::broker::Broker;
use crate::connection::{ConnectionId, Output};
use crate::faults::Action;
use crate::history::{Entry, Outcome};
use crate::request::{InFlight, Stage};

impl Broker {
    /// Ends a request without an answer and closes its connection.
    pub(super) fn drop_request(&mut self, id: u64) {
        let conn = self
            .in_flight
            .get(&id)
            .and_then(|request| request.connection);
        self.finish(id);
        if let Some(conn) = conn {
            self.close(conn, "a fault wants it");
        }
    }

    /// A request is over: its connection may go on with the next.
    pub(super) fn finish(&mut self, id: u64) {
        let Some(conn) = self.forget(id).and_then(|request| request.connection) else {
            return;
        };
        if let Some(connection) = self.connections.get_mut(&conn) {
            connection.busy = None;
            self.ready.insert(conn);
        }
    }

    /// The throttle time of a connection is over.
    pub(super) fn unmute(&mut self, conn: ConnectionId) {
        if let Some(connection) = self.connections.get_mut(&conn) {
            connection.muted = false;
            self.ready.insert(conn);
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
        self.cluster.end_sasl(conn);
        // It left before as many bytes as the rule lets in.
        if let Some(Some((rule, _))) = connection.cut {
            self.faults.missed(rule);
        }
        if let Some(id) = connection.busy {
            let fetch = self
                .in_flight
                .get(&id)
                .is_some_and(|it| it.name.api == ApiKey::FETCH);
            if fetch {
                self.leave_unanswered(id);
                self.forget(id);
            } else if let Some(request) = self.in_flight.get_mut(&id) {
                request.connection = None;
                if matches!(request.stage, Stage::Stuck) {
                    self.forget(id);
                }
            }
        }
        if let Some(at) = self.cluster.now() {
            let entry = Entry::of_connection(at, connection.node, conn, outcome);
            self.history.push(entry);
        }
        true
    }

    /// The rules that wanted something of an answer nobody waits for any more.
    fn leave_unanswered(&mut self, id: u64) {
        match self.in_flight.get(&id).map(|request| &request.stage) {
            Some(Stage::Unapplied) => self.miss_the_answer(id, |_| true),
            Some(Stage::Answered(_)) => {
                self.miss_the_answer(id, |action| !action.is_over_before_the_answer());
            }
            Some(Stage::Leaving(_)) => self.miss_the_answer(id, Action::is_behind_the_answer),
            Some(Stage::Stuck) | None => {}
        }
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
            self.forget(id);
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
}
