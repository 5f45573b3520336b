//! Bytes between the engines and the brokers.

use std::io::IoSlice;

use bytes::{Bytes, BytesMut};
use milena_engine::driver::{CloseReason, LinkId};
use milena_engine::handles::BrokerAddress;
use milena_testbroker::{ConnectionId, Output};

use super::{Event, HostId, World, lock};
use crate::faults::Fault;
use crate::network::{Piece, Way};
use crate::plan::node_of;

impl World {
    pub(super) fn connect(&mut self, id: HostId, link: LinkId, address: &BrokerAddress) {
        let (at, now) = (self.elapsed(), self.shared.now());
        let wanted = self
            .hosts
            .get(&id)
            .is_some_and(|host| host.links.contains(&link));
        if !wanted {
            return;
        }
        let fails = !self.calm && self.rng.f64() < self.plan.weather.connect_failures;
        if fails {
            lock(&self.ledger).fired(Fault::ConnectFailed);
            if self.rng.u32(0..4) == 0 {
                // Never answered at all: the engine's own time-out ends it.
                return;
            }
        }
        let connection = match node_of(&address.host) {
            Some(node) if !fails => self.broker.connect(now, node),
            _ => None,
        };
        let answered = connection.is_some();
        self.trace
            .event(at, "connect", link.0, &[u8::from(answered)]);
        self.trace.say(at, || {
            let how = if answered { "connected" } else { "refused" };
            format!("engine {} {link:?} {how}", id.0)
        });
        let Some(host) = self.hosts.get_mut(&id) else {
            return;
        };
        match connection {
            Some(connection) => {
                self.network.open(id, link, connection);
                host.engine.handle_connected(now, link);
            }
            None => {
                host.links.remove(&link);
                let reason = CloseReason::ConnectFailed("connection refused".to_owned());
                host.engine.handle_closed(now, link, &reason);
            }
        }
        self.visit_soon(id);
        self.serve();
    }

    pub(super) fn write(&mut self, id: HostId, link: LinkId) {
        let (at, now) = (self.elapsed(), self.shared.now());
        let Some(connection) = self.network.of_link(id, link) else {
            return;
        };
        if let Some(until) = self.network.full_until(at, connection) {
            self.put(until, Event::Write(id, link));
            return;
        }
        let Some(host) = self
            .hosts
            .get_mut(&id)
            .filter(|host| host.links.contains(&link))
        else {
            return;
        };
        let mut slices = Vec::new();
        host.engine.write_slices(link, &mut slices);
        let offered = slices.iter().map(|slice| slice.len()).sum();
        let batches = slices.first().is_some_and(|slice| is_produce(slice));
        let filled = self.network.fills(at, connection, offered, batches);
        if filled.is_some() {
            lock(&self.ledger).fired(Fault::SocketFull);
        }
        let taken = filled.unwrap_or_else(|| self.network.takes(offered));
        let bytes = gather(&slices, taken);
        drop(slices);
        host.engine.handle_written(now, link, taken);
        self.trace.event(at, "write", link.0, &bytes);
        self.trace.say(at, || {
            format!("engine {} {link:?} wrote {taken} of {offered}", id.0)
        });
        self.network.send(at, connection, Way::ToBroker, bytes);
        self.schedule_arrivals();
        self.visit_soon(id);
    }

    pub(super) fn arrive(&mut self, id: ConnectionId, way: Way) {
        let (at, now) = (self.elapsed(), self.shared.now());
        let Some(connection) = self.network.connection(id) else {
            return;
        };
        let (host_id, link, open) = (connection.host, connection.link, connection.client_open);
        let Some(piece) = self.network.arrive(id, way) else {
            return;
        };
        match (way, piece) {
            (Way::ToBroker, Piece::Bytes(bytes)) => {
                self.trace.event(at, "to broker", id.0, &bytes);
                self.broker.handle_bytes(now, id, &bytes);
            }
            (Way::ToBroker, Piece::Close) => {
                self.trace.event(at, "broker hears close", id.0, &[]);
                self.broker.handle_disconnect(now, id);
            }
            (Way::ToClient, piece) => {
                let Some(host) = self
                    .hosts
                    .get_mut(&host_id)
                    .filter(|host| open && host.links.contains(&link))
                else {
                    return;
                };
                match piece {
                    Piece::Bytes(bytes) => {
                        self.trace.event(at, "to client", id.0, &bytes);
                        if let Some(buffer) = host.engine.read_buffer(link) {
                            buffer.extend_from_slice(&bytes);
                            host.engine.handle_read(now, link);
                        }
                    }
                    Piece::Close => {
                        self.trace.event(at, "client hears close", id.0, &[]);
                        self.trace
                            .say(at, || format!("engine {} loses {link:?}", host_id.0));
                        host.links.remove(&link);
                        let reason = CloseReason::Closed("connection reset".to_owned());
                        host.engine.handle_closed(now, link, &reason);
                    }
                }
                self.visit_soon(host_id);
            }
        }
        self.serve();
    }

    /// Takes what the brokers have to say, and arms their timer.
    pub(crate) fn serve(&mut self) {
        let at = self.elapsed();
        if self.trace.is_in_words() {
            self.tell_history();
        }
        while let Some(output) = self.broker.poll_output() {
            match output {
                Output::Bytes { conn, bytes } => self.network.send(at, conn, Way::ToClient, bytes),
                // A client that reads the end of the stream is done with the connection.
                Output::HalfClose { conn } | Output::Close { conn } => {
                    self.network.close(at, conn, Way::ToClient);
                }
            }
        }
        self.schedule_arrivals();
        let wanted = self
            .broker
            .poll_timeout()
            .map(|at| self.shared.since_start(at));
        if wanted != self.broker_at {
            self.broker_timer += 1;
            self.broker_at = wanted;
            if let Some(due) = wanted {
                let timer = self.broker_timer;
                self.put(due.max(at), Event::Broker(timer));
            }
        }
    }

    /// What the brokers were asked and did since, for a reader.
    fn tell_history(&mut self) {
        let total = self.broker.history().total();
        let news = usize::try_from(total - self.told).unwrap_or(usize::MAX);
        self.told = total;
        let at = self.shared.elapsed();
        let entries: Vec<_> = self.broker.history().entries().rev().take(news).collect();
        for entry in entries.into_iter().rev() {
            let Some(request) = entry.request else {
                continue;
            };
            let connection = entry.connection.map_or(0, |connection| connection.0);
            self.trace.say(at, || {
                format!(
                    "  node {} conn {connection} {} v{} #{} {:?}",
                    entry.node,
                    request.api,
                    request.version,
                    request.correlation_id.0,
                    entry.outcome
                )
            });
        }
    }

    pub(super) fn schedule_arrivals(&mut self) {
        for (at, id, way) in self.network.take_arrivals() {
            self.put(at, Event::Arrive(id, way));
        }
        for fault in self.network.take_cuts() {
            let at = self.elapsed();
            self.trace.say(at, || format!("FAULT {}", fault.name()));
            lock(&self.ledger).fired(fault);
        }
    }
}

/// Whether a request begins here that carries batches: the key of Produce is 0.
fn is_produce(bytes: &[u8]) -> bool {
    bytes.get(4..6) == Some(&[0, 0])
}

fn gather(slices: &[IoSlice<'_>], mut bytes: usize) -> Bytes {
    let mut gathered = BytesMut::with_capacity(bytes);
    for slice in slices {
        let taken = bytes.min(slice.len());
        gathered.extend_from_slice(&slice[..taken]);
        bytes -= taken;
    }
    gathered.freeze()
}
