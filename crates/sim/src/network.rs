//! Connections between clients and brokers: latency, pieces of any size, and cuts at any byte.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use bytes::Bytes;
use milena_engine::driver::LinkId;
use milena_testbroker::ConnectionId;

use crate::driver::HostId;
use crate::faults::Fault;

mod at_byte;

pub(crate) use at_byte::{AtByte, Break};
use at_byte::{Bytewise, Verdict, flipped};

/// A handshake is shorter: sockets are filled by frames that matter.
const FILLED_MIN: usize = 150;

/// Which way bytes go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    ToBroker,
    ToClient,
}

/// What arrives at an end of a connection.
#[derive(Debug)]
pub(crate) enum Piece {
    Bytes(Bytes),
    /// The other end closed, or the network did.
    Close,
}

/// How the network of a run behaves.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Weather {
    pub(crate) latency_min: Duration,
    pub(crate) latency_max: Duration,
    /// The share of reads and writes that are cut into pieces.
    pub(crate) fragments: f64,
    /// The share of connection attempts that fail while the faults last.
    pub(crate) connect_failures: f64,
}

#[derive(Debug, Default)]
struct Direction {
    pieces: VecDeque<Piece>,
    last_arrival: Duration,
    /// So many bytes still pass, then the connection is dead.
    cut_after: Option<usize>,
    /// Nothing arrives any more.
    stalled: bool,
    /// What is sent arrives so much later.
    late: Duration,
}

/// One connection.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) host: HostId,
    pub(crate) link: LinkId,
    pub(crate) broker: ConnectionId,
    /// The client still wants to hear of it.
    pub(crate) client_open: bool,
    broker_open: bool,
    /// In the order of opening.
    number: usize,
    to_broker: Direction,
    to_client: Direction,
    /// The client's socket takes nothing until then.
    full_until: Duration,
}

/// All connections of a run.
#[derive(Debug)]
pub(crate) struct Network {
    pub(crate) weather: Weather,
    pub(crate) bytewise: Bytewise,
    rng: fastrand::Rng,
    connections: BTreeMap<ConnectionId, Connection>,
    by_link: BTreeMap<(HostId, LinkId), ConnectionId>,
    /// Arrivals to put on the agenda.
    arrivals: Vec<(Duration, ConnectionId, Way)>,
    /// Cuts that have happened.
    cuts: Vec<Fault>,
    /// For how long the next sockets that are written to will be full.
    to_fill: [VecDeque<Duration>; 2],
}

impl Network {
    pub(crate) fn new(weather: Weather, seed: u64) -> Self {
        Self {
            weather,
            bytewise: Bytewise::default(),
            rng: fastrand::Rng::with_seed(seed),
            connections: BTreeMap::new(),
            by_link: BTreeMap::new(),
            arrivals: Vec::new(),
            cuts: Vec::new(),
            to_fill: Default::default(),
        }
    }

    pub(crate) fn latency(&mut self) -> Duration {
        let (min, max) = (self.weather.latency_min, self.weather.latency_max);
        min + (max - min).mul_f64(self.rng.f64().powi(2))
    }

    pub(crate) fn open(&mut self, host: HostId, link: LinkId, broker: ConnectionId) {
        self.by_link.insert((host, link), broker);
        self.connections.insert(
            broker,
            Connection {
                host,
                link,
                broker,
                client_open: true,
                broker_open: true,
                number: self.bytewise.open(),
                to_broker: Direction::default(),
                to_client: Direction::default(),
                full_until: Duration::ZERO,
            },
        );
    }

    pub(crate) fn connection(&self, id: ConnectionId) -> Option<&Connection> {
        self.connections.get(&id)
    }

    pub(crate) fn of_link(&self, host: HostId, link: LinkId) -> Option<ConnectionId> {
        self.by_link.get(&(host, link)).copied()
    }

    /// How many bytes of `offered` a socket takes now; zero is a full one.
    pub(crate) fn takes(&mut self, offered: usize) -> usize {
        if offered == 0 || !self.rng_bool(self.weather.fragments) {
            return offered;
        }
        match self.rng.u32(0..10) {
            0 => 0,
            1..=3 => self.rng.usize(1..=offered.min(16)),
            _ => self.rng.usize(1..=offered),
        }
    }

    /// The next socket that is offered more than a few bytes takes some, and then nothing for so long.
    /// With `of_batches`, it is one that a Produce request goes out of.
    pub(crate) fn fill_next(&mut self, full: Duration, of_batches: bool) {
        self.to_fill[usize::from(of_batches)].push_back(full);
    }

    /// Whether the socket is to be full now, with how many of `offered` bytes taken.
    pub(crate) fn fills(
        &mut self,
        now: Duration,
        id: ConnectionId,
        offered: usize,
        batches: bool,
    ) -> Option<usize> {
        if offered < FILLED_MIN {
            return None;
        }
        let connection = self.connections.get_mut(&id)?;
        let full = self.to_fill[usize::from(batches)].pop_front()?;
        connection.full_until = now + full;
        Some(self.rng.usize(1..offered))
    }

    /// Until when the socket takes nothing, if it does not.
    pub(crate) fn full_until(&self, now: Duration, id: ConnectionId) -> Option<Duration> {
        let until = self.connections.get(&id)?.full_until;
        (until > now).then_some(until)
    }

    /// Bytes go on their way, in one piece or several.
    pub(crate) fn send(&mut self, now: Duration, id: ConnectionId, way: Way, mut bytes: Bytes) {
        while !bytes.is_empty() {
            let fragment = self.rng_bool(self.weather.fragments);
            let size = if fragment {
                let tiny = self.rng.bool();
                self.rng
                    .usize(1..=bytes.len().min(if tiny { 12 } else { 4_096 }))
            } else {
                bytes.len()
            };
            let piece = bytes.split_to(size);
            if !self.pass(now, id, way, piece) {
                return;
            }
        }
    }

    /// One end closes: the other learns of it behind what is under way.
    pub(crate) fn close(&mut self, now: Duration, id: ConnectionId, by: Way) {
        let Some(connection) = self.connections.get_mut(&id) else {
            return;
        };
        match by {
            // Bytes that a client has no ears for any more go nowhere.
            Way::ToBroker => connection.client_open = false,
            Way::ToClient => connection.broker_open = false,
        }
        self.enqueue(now, id, by, Piece::Close);
    }

    /// The next piece that has arrived.
    pub(crate) fn arrive(&mut self, id: ConnectionId, way: Way) -> Option<Piece> {
        let connection = self.connections.get_mut(&id)?;
        let direction = connection.direction(way);
        let piece = direction.pieces.pop_front()?;
        if matches!(piece, Piece::Close) {
            match way {
                Way::ToBroker => connection.broker_open = false,
                Way::ToClient => connection.client_open = false,
            }
        }
        let gone = !connection.client_open
            && !connection.broker_open
            && connection.to_broker.pieces.is_empty()
            && connection.to_client.pieces.is_empty();
        if gone {
            let key = (connection.host, connection.link);
            self.connections.remove(&id);
            self.by_link.remove(&key);
        }
        Some(piece)
    }

    /// Some connection dies once so many more bytes have passed one way. False if there is none.
    pub(crate) fn cut_somewhere(&mut self, way: Way, after: usize) -> bool {
        let open: Vec<ConnectionId> = self
            .connections
            .values()
            .filter(|connection| connection.client_open && connection.broker_open)
            .map(|connection| connection.broker)
            .collect();
        if open.is_empty() {
            return false;
        }
        let id = open[self.rng.usize(..open.len())];
        if let Some(connection) = self.connections.get_mut(&id) {
            connection.direction(way).cut_after = Some(after);
        }
        true
    }

    /// No cut that has not happened happens any more, and no socket is full.
    pub(crate) fn calm_down(&mut self) {
        for connection in self.connections.values_mut() {
            connection.to_broker.cut_after = None;
            connection.to_client.cut_after = None;
            connection.full_until = Duration::ZERO;
        }
        self.to_fill = Default::default();
    }

    pub(crate) fn take_arrivals(&mut self) -> Vec<(Duration, ConnectionId, Way)> {
        std::mem::take(&mut self.arrivals)
    }

    pub(crate) fn take_cuts(&mut self) -> Vec<Fault> {
        std::mem::take(&mut self.cuts)
    }

    /// Connections that some client still holds.
    pub(crate) fn open_count(&self) -> usize {
        self.connections
            .values()
            .filter(|connection| connection.client_open)
            .count()
    }

    /// Lets one piece through, unless the connection is to be cut in it. False once the connection is dead.
    fn pass(&mut self, now: Duration, id: ConnectionId, way: Way, mut piece: Bytes) -> bool {
        let Some(connection) = self.connections.get_mut(&id) else {
            return false;
        };
        let direction = connection.direction(way);
        let mut cut = false;
        if let Some(left) = &mut direction.cut_after {
            cut = piece.len() > *left;
            piece.truncate(*left);
            *left -= piece.len();
        }
        let number = connection.number;
        match self.bytewise.pass(number, way, piece) {
            Verdict::Passes(piece) => self.enqueue_bytes(now, id, way, piece),
            Verdict::Strikes(head, tail, what) => {
                self.enqueue_bytes(now, id, way, head);
                return self.strike(now, id, way, tail, what);
            }
        }
        if cut {
            self.cuts.push(match way {
                Way::ToBroker => Fault::CutToBroker,
                Way::ToClient => Fault::CutToClient,
            });
            self.sever(now, id);
        }
        !cut
    }

    /// The fault of this run. False once the connection is dead.
    fn strike(
        &mut self,
        now: Duration,
        id: ConnectionId,
        way: Way,
        tail: Bytes,
        what: Break,
    ) -> bool {
        let Some(connection) = self.connections.get_mut(&id) else {
            return false;
        };
        match what {
            Break::Close => self.sever(now, id),
            Break::Reset => {
                connection.to_broker.pieces.clear();
                connection.to_client.pieces.clear();
                self.sever(now, id);
            }
            Break::Stall => connection.direction(way).stalled = true,
            Break::Late(late) => {
                connection.direction(way).late = late;
                self.enqueue_bytes(now, id, way, tail);
            }
            Break::Flip(mask) => self.enqueue_bytes(now, id, way, flipped(&tail, mask)),
        }
        !matches!(what, Break::Close | Break::Reset)
    }

    fn enqueue_bytes(&mut self, now: Duration, id: ConnectionId, way: Way, piece: Bytes) {
        if !piece.is_empty() {
            self.enqueue(now, id, way, Piece::Bytes(piece));
        }
    }

    /// Both ends see the connection die, each after its own while.
    fn sever(&mut self, now: Duration, id: ConnectionId) {
        for way in [Way::ToBroker, Way::ToClient] {
            if let Some(connection) = self.connections.get_mut(&id) {
                connection.direction(way).cut_after = None;
            }
            self.enqueue(now, id, way, Piece::Close);
        }
    }

    fn enqueue(&mut self, now: Duration, id: ConnectionId, way: Way, piece: Piece) {
        let latency = self.latency();
        let Some(connection) = self.connections.get_mut(&id) else {
            return;
        };
        let direction = connection.direction(way);
        if direction.stalled {
            return;
        }
        // In order: nothing overtakes on a connection.
        let at =
            (now + latency + direction.late).max(direction.last_arrival + Duration::from_nanos(1));
        direction.last_arrival = at;
        direction.pieces.push_back(piece);
        self.arrivals.push((at, id, way));
    }

    fn rng_bool(&mut self, probability: f64) -> bool {
        self.rng.f64() < probability
    }
}

impl Connection {
    fn direction(&mut self, way: Way) -> &mut Direction {
        match way {
            Way::ToBroker => &mut self.to_broker,
            Way::ToClient => &mut self.to_client,
        }
    }
}
