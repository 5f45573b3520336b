//! Everything that a seed decides before a run begins.

use std::time::Duration;

use milena_engine::EngineConfig;
use milena_engine::handles::{BrokerAddress, Compression, ErrorCode};
use milena_testbroker::{Action, ApiKey, BrokerConfig, Emulate, Rule};

use crate::driver::WALL_CLOCK_START;
use crate::faults::Fault;
use crate::network::{Way, Weather};

pub(crate) const ORDERS: &str = "orders";
pub(crate) const ORDERS_PARTITIONS: i32 = 3;
pub(crate) const BANK: &str = "bank";
pub(crate) const BANK_PARTITIONS: i32 = 3;
pub(crate) const INVOICES: &str = "invoices";
/// The group of the pipeline.
pub(crate) const BILLING: &str = "billing";
/// The group that transactions commit offsets for by hand.
pub(crate) const MANUAL: &str = "manual";
pub(crate) const BILLING_ID: &str = "billing-1";

/// One of the producers of transactions.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Branch {
    pub(crate) transactional_id: &'static str,
    pub(crate) number: u64,
    /// Another instance takes over in one of its transactions, in runs that have that.
    pub(crate) has_zombie: bool,
    /// Offsets for the group `manual` join its transactions.
    pub(crate) sends_offsets: bool,
    /// Some of its records are orders: what the pipeline reads has markers and aborted records in it.
    pub(crate) orders: bool,
}

pub(crate) const BRANCHES: [Branch; 2] = [
    Branch {
        transactional_id: "bank-1",
        number: 1,
        has_zombie: true,
        sends_offsets: true,
        orders: false,
    },
    Branch {
        transactional_id: "bank-2",
        number: 2,
        has_zombie: false,
        sends_offsets: false,
        orders: true,
    },
];

const NODES: i32 = 3;
const MS: Duration = Duration::from_millis(1);

/// Something that happens to the cluster or the network at its time.
#[derive(Clone, Debug)]
pub(crate) enum Blow {
    Rule(Fault, Rule, Action),
    Cut(Way, usize),
    /// The next socket that is written to takes a part of a frame, and then nothing for so long. True: of one with batches.
    FillSocket(Duration, bool),
    MoveLeader,
    MoveCoordinator(Duration),
    StopNode(Duration),
    HoldMarkers(Duration),
    /// The cluster finalizes the newer transaction protocol.
    RaiseProtocol,
    /// The id stands so many epochs before its last.
    UseUpEpochs(&'static str, i16),
}

/// Which transaction protocol the cluster speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Protocol {
    Old,
    New,
    /// The old one first, as after an upgrade of the brokers.
    Raised,
}

impl Protocol {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Old => "TV1",
            Self::New => "TV2",
            Self::Raised => "TV1-TV2",
        }
    }
}

/// How each workload compresses its batches: in half of the runs none does.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Codecs {
    pub(crate) orders: Compression,
    pub(crate) bank: Compression,
    pub(crate) billing: Compression,
}

impl Codecs {
    /// From a generator of its own: the runs without compression are what they were before there was any.
    fn new(seed: u64) -> Self {
        let mut rng = fastrand::Rng::with_seed(seed);
        let compressed = rng.bool();
        let mut draw = || match rng.usize(0..5) {
            _ if !compressed => Compression::None,
            0 => Compression::Gzip,
            1 => Compression::Snappy,
            2 => Compression::Lz4,
            3 => Compression::Zstd,
            _ => Compression::None,
        };
        Self {
            orders: draw(),
            bank: draw(),
            billing: draw(),
        }
    }
}

/// A run, as its seed has drawn it.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) protocol: Protocol,
    pub(crate) broker: BrokerConfig,
    pub(crate) weather: Weather,
    pub(crate) blows: Vec<(Duration, Blow)>,
    /// From now on nothing goes wrong any more.
    pub(crate) calm_at: Duration,
    pub(crate) request_timeout: Duration,
    pub(crate) operation_timeout: Duration,
    pub(crate) delivery_timeout: Duration,
    pub(crate) transaction_timeout: Duration,
    pub(crate) linger: Duration,
    pub(crate) batch_bytes_max: usize,
    pub(crate) buffer_bytes_max: usize,
    pub(crate) record_bytes: usize,
    pub(crate) codecs: Codecs,
    pub(crate) senders: u64,
    pub(crate) records_each: u64,
    pub(crate) transactions: u64,
    /// The senders share one client.
    pub(crate) one_client: bool,
    /// The transaction in which another instance takes over.
    pub(crate) bank_zombie_at: Option<u64>,
    /// After so many steps another pipeline takes over while this one goes on.
    pub(crate) pipeline_zombie_at: Option<u64>,
}

impl Plan {
    pub(crate) fn new(rng: &mut fastrand::Rng) -> Self {
        let protocols = [
            Protocol::Old,
            Protocol::New,
            Protocol::Raised,
            Protocol::Raised,
            Protocol::Raised,
        ];
        let protocol = protocols[rng.usize(..protocols.len())];
        let calm_at = MS * rng.u32(3_000..5_000);
        let broker = BrokerConfig {
            nodes: NODES,
            addresses: (1..=NODES).map(|node| (host(node), 9_092)).collect(),
            emulate: match protocol {
                Protocol::Old => Emulate::V3_9,
                Protocol::New | Protocol::Raised => Emulate::V4_3,
            },
            transaction_version: Some(if protocol == Protocol::New { 2 } else { 0 }),
            marker_delay: [Duration::ZERO, MS * rng.u32(1..15), MS * rng.u32(15..80)]
                [rng.usize(0..3)],
            // Batches larger than that are split.
            message_bytes_max: [1 << 20, 5_000][rng.usize(0..2)],
            coordinator_load: Duration::ZERO,
            wall_clock_start: WALL_CLOCK_START,
            seed: rng.u64(..),
            ..BrokerConfig::default()
        };
        let slow = rng.u32(0..4) == 0;
        let weather = Weather {
            latency_min: Duration::from_micros(rng.u64(20..200)),
            latency_max: if slow {
                MS * rng.u32(5..30)
            } else {
                Duration::from_micros(rng.u64(300..3_000))
            },
            fragments: [0.05, 0.2, 0.5][rng.usize(0..3)],
            connect_failures: 0.08,
        };
        let senders = rng.u64(3..6);
        let codecs = Codecs::new(broker.seed);
        let batch_bytes_max = [1 << 10, 2 << 10, 16 << 10, 64 << 10][rng.usize(0..4)];
        Self {
            protocol,
            broker,
            weather,
            blows: blows(rng, calm_at, protocol),
            calm_at,
            request_timeout: MS * rng.u32(250..1_500),
            // With a short one, commits are unknown.
            operation_timeout: if rng.u32(0..4) == 0 {
                MS * rng.u32(200..800)
            } else {
                MS * rng.u32(3_000..8_000)
            },
            delivery_timeout: MS * [200, 1_000, 4_000, 20_000][rng.usize(0..4)],
            transaction_timeout: MS * [700, 3_000, 60_000, 60_000][rng.usize(0..4)],
            linger: MS * rng.u32(0..8),
            batch_bytes_max,
            buffer_bytes_max: if rng.bool() { 0 } else { 1 << 20 },
            // Records of one length fit into each other's places.
            record_bytes: match rng.u32(0..4) {
                0 => 0,
                _ => rng.usize(0..batch_bytes_max.min(2_000) / 2),
            },
            codecs,
            senders,
            records_each: 560 / senders + rng.u64(0..40),
            transactions: rng.u64(14..22),
            one_client: rng.bool(),
            bank_zombie_at: rng.bool().then(|| rng.u64(3..9)),
            pipeline_zombie_at: rng.bool().then(|| rng.u64(3..12)),
        }
    }

    /// The settings of every client of the run.
    pub(crate) fn engine(&self) -> EngineConfig {
        EngineConfig {
            bootstrap: (1..=NODES)
                .map(|node| BrokerAddress {
                    host: host(node).into(),
                    port: 9_092,
                })
                .collect(),
            connect_timeout: self.request_timeout,
            request_timeout: self.request_timeout,
            metadata_age_max: Duration::from_secs(3),
            ..EngineConfig::default()
        }
    }
}

fn host(node: i32) -> String {
    format!("node-{node}")
}

/// The node that an address belongs to.
pub(crate) fn node_of(host: &str) -> Option<i32> {
    host.strip_prefix("node-")?.parse().ok()
}

struct Blows {
    calm_at: Duration,
    blows: Vec<(Duration, Blow)>,
}

impl Blows {
    fn add(&mut self, rng: &mut fastrand::Rng, blow: Blow) {
        let at = self.calm_at.mul_f64(rng.f64() * 0.95);
        self.blows.push((at, blow));
    }
}

fn blows(rng: &mut fastrand::Rng, calm_at: Duration, protocol: Protocol) -> Vec<(Duration, Blow)> {
    let mut blows = Blows {
        calm_at,
        blows: Vec::new(),
    };
    if protocol == Protocol::Raised {
        blows.add(rng, Blow::RaiseProtocol);
    }
    let storm = [1, 1, 2, 4][rng.usize(0..4)];
    for _ in 0..storm {
        lost(rng, &mut blows, protocol);
        answered(rng, &mut blows);
        puzzling(rng, &mut blows, protocol);
        moved(rng, &mut blows);
    }
    let mut blows = blows.blows;
    blows.sort_by_key(|(at, _)| *at);
    blows
}

/// Answers, requests and connections are lost.
fn lost(rng: &mut fastrand::Rng, blows: &mut Blows, protocol: Protocol) {
    for (api, fault, most) in lost_answers(protocol) {
        for _ in 0..rng.u32(1..=most) {
            let blow = Blow::Rule(fault, Rule::on(api), Action::ApplyThenDrop);
            blows.add(rng, blow);
        }
    }
    if rng.bool() {
        // The first of all: later ones come only with a new producer.
        let rule = Rule::on(ApiKey::INIT_PRODUCER_ID).times(rng.u64(1..=3));
        let blow = Blow::Rule(Fault::InitAnswerLost, rule, Action::ApplyThenDrop);
        blows.blows.push((Duration::ZERO, blow));
    }
    for _ in 0..rng.u32(1..6) {
        let rule = Rule::on(any_api(rng));
        blows.add(
            rng,
            Blow::Rule(Fault::RequestLost, rule, Action::DropBeforeApply),
        );
    }
    for _ in 0..rng.u32(0..4) {
        let late = MS * rng.u32(1..900);
        let rule = Rule::on(writing_api(rng));
        let action = Action::DropThenApply(late);
        blows.add(rng, Blow::Rule(Fault::LateCopy, rule, action));
    }
    for _ in 0..rng.u32(0..3) {
        let late = MS * rng.u32(1..900);
        // Only where sequences tell: no network repeats a request that was answered, and under TV1 a coordinator could not
        // tell an EndTxn that was from the next transaction's.
        let rule = Rule::on(ApiKey::PRODUCE).topic(ORDERS);
        blows.add(
            rng,
            Blow::Rule(Fault::Repeated, rule, Action::Duplicate(late)),
        );
    }
    for _ in 0..rng.u32(0..3) {
        let action = [Action::Ignore, Action::ApplyThenIgnore][rng.usize(0..2)];
        let rule = Rule::on(any_api(rng));
        blows.add(rng, Blow::Rule(Fault::Unanswered, rule, action));
    }
    for _ in 0..rng.u32(0..8) {
        let full = MS * rng.u32(5..1_200);
        let of_batches = rng.u32(0..3) > 0;
        blows.add(rng, Blow::FillSocket(full, of_batches));
    }
    for _ in 0..rng.u32(3..20) {
        let way = [Way::ToBroker, Way::ToClient][rng.usize(0..2)];
        let most = [30, 300, 3_000][rng.usize(0..3)];
        let after = rng.usize(0..most);
        blows.add(rng, Blow::Cut(way, after));
    }
}

/// Answers are errors, or late.
fn answered(rng: &mut fastrand::Rng, blows: &mut Blows) {
    for _ in 0..rng.u32(0..3) {
        let topic = [BANK, ORDERS, INVOICES][rng.usize(0..3)];
        let rule = Rule::on(ApiKey::PRODUCE).topic(topic);
        let action = Action::Error(ErrorCode::INVALID_RECORD);
        blows.add(rng, Blow::Rule(Fault::SendRefused, rule, action));
    }
    for _ in 0..rng.u32(2..10) {
        let (api, code) = retriable(rng);
        let rule = Rule::on(api).times(rng.u64(1..3));
        blows.add(
            rng,
            Blow::Rule(Fault::ErrorAnswered, rule, Action::Error(code)),
        );
    }
    for _ in 0..rng.u32(0..3) {
        let action = Action::ApplyThenError(ErrorCode::REQUEST_TIMED_OUT);
        let rule = Rule::on(ApiKey::PRODUCE);
        blows.add(rng, Blow::Rule(Fault::ErrorAfterApply, rule, action));
    }
    for _ in 0..rng.u32(0..4) {
        let action = Action::CorruptRecords(rng.usize(0..2_000));
        let rule = Rule::on(ApiKey::FETCH);
        blows.add(rng, Blow::Rule(Fault::RecordsDamaged, rule, action));
    }
    for _ in 0..rng.u32(0..4) {
        let action = Action::DelayAnswer(MS * rng.u32(5..2_500));
        let rule = Rule::on(any_api(rng));
        blows.add(rng, Blow::Rule(Fault::AnswerDelayed, rule, action));
    }
}

/// What other clients have drawn the wrong conclusion from.
fn puzzling(rng: &mut fastrand::Rng, blows: &mut Blows, protocol: Protocol) {
    for _ in 0..rng.u32(1..4) {
        let error = ErrorCode::UNKNOWN_SERVER_ERROR;
        let action = [Action::Error(error), Action::ApplyThenError(error)][rng.usize(0..2)];
        let rule = Rule::on(ApiKey::END_TXN);
        blows.add(rng, Blow::Rule(Fault::EndFailed, rule, action));
    }
    for _ in 0..rng.u32(1..4) {
        let topic = [BANK, ORDERS, INVOICES][rng.usize(0..3)];
        let rule = Rule::on(ApiKey::PRODUCE).topic_partition(topic, rng.i32(0..BANK_PARTITIONS));
        blows.add(rng, Blow::Rule(Fault::LeftOut, rule, Action::LeaveOut));
    }
    if protocol == Protocol::New {
        return;
    }
    for _ in 0..rng.u32(2..8) {
        // One partition: seldom the first that a transaction asks for.
        let rule = Rule::on(ApiKey::ADD_PARTITIONS_TO_TXN)
            .topic_partition(BANK, rng.i32(0..BANK_PARTITIONS));
        let action = Action::Error(ErrorCode::TOPIC_AUTHORIZATION_FAILED);
        blows.add(rng, Blow::Rule(Fault::PartitionsRefused, rule, action));
    }
    // In some runs so many that one meets the next transaction in its middle, which has the same epoch if nothing is done about it.
    let most = [6, 40][rng.usize(0..2)];
    for _ in 0..rng.u32(1..most) {
        // Not before the client has asked again, which it does after 50 ms.
        let late = MS * rng.u32(60..500);
        let rule = Rule::on(ApiKey::END_TXN);
        let action = Action::DropThenApply(late);
        blows.add(rng, Blow::Rule(Fault::LateCopy, rule, action));
    }
}

/// Leaders, coordinators, nodes, epochs and markers.
fn moved(rng: &mut fastrand::Rng, blows: &mut Blows) {
    for _ in 0..rng.u32(0..2) {
        let id = transactional_id(rng);
        let left = rng.i16(1..5);
        blows.add(rng, Blow::UseUpEpochs(id, left));
    }
    for _ in 0..rng.u32(1..6) {
        blows.add(rng, Blow::MoveLeader);
    }
    for _ in 0..rng.u32(1..5) {
        let load = MS * rng.u32(0..200);
        blows.add(rng, Blow::MoveCoordinator(load));
    }
    for _ in 0..rng.u32(0..3) {
        let down = MS * rng.u32(50..1_200);
        blows.add(rng, Blow::StopNode(down));
    }
    for _ in 0..rng.u32(0..3) {
        let held = MS * rng.u32(20..600);
        blows.add(rng, Blow::HoldMarkers(held));
    }
}

pub(crate) fn transactional_id(rng: &mut fastrand::Rng) -> &'static str {
    let branch = BRANCHES.get(rng.usize(0..=BRANCHES.len()));
    branch.map_or(BILLING_ID, |branch| branch.transactional_id)
}

fn lost_answers(protocol: Protocol) -> Vec<(ApiKey, Fault, u32)> {
    let mut lost = vec![
        (ApiKey::PRODUCE, Fault::ProduceAnswerLost, 4),
        (ApiKey::END_TXN, Fault::EndAnswerLost, 3),
        (ApiKey::TXN_OFFSET_COMMIT, Fault::OffsetsAnswerLost, 2),
    ];
    if protocol != Protocol::New {
        lost.push((
            ApiKey::ADD_PARTITIONS_TO_TXN,
            Fault::PartitionsAnswerLost,
            3,
        ));
    }
    lost
}

/// One whose requests change something when they are applied.
fn writing_api(rng: &mut fastrand::Rng) -> ApiKey {
    let all = [
        ApiKey::PRODUCE,
        ApiKey::PRODUCE,
        ApiKey::END_TXN,
        ApiKey::END_TXN,
        ApiKey::TXN_OFFSET_COMMIT,
        ApiKey::ADD_PARTITIONS_TO_TXN,
        ApiKey::ADD_OFFSETS_TO_TXN,
        ApiKey::INIT_PRODUCER_ID,
    ];
    all[rng.usize(..all.len())]
}

fn any_api(rng: &mut fastrand::Rng) -> ApiKey {
    let all = [
        ApiKey::PRODUCE,
        ApiKey::PRODUCE,
        ApiKey::FETCH,
        ApiKey::METADATA,
        ApiKey::FIND_COORDINATOR,
        ApiKey::END_TXN,
        ApiKey::TXN_OFFSET_COMMIT,
        ApiKey::OFFSET_FETCH,
        ApiKey::API_VERSIONS,
    ];
    all[rng.usize(..all.len())]
}

fn retriable(rng: &mut fastrand::Rng) -> (ApiKey, ErrorCode) {
    let all = [
        (ApiKey::PRODUCE, ErrorCode::NOT_LEADER_OR_FOLLOWER),
        (ApiKey::PRODUCE, ErrorCode::NOT_ENOUGH_REPLICAS),
        (ApiKey::PRODUCE, ErrorCode::KAFKA_STORAGE_ERROR),
        (ApiKey::PRODUCE, ErrorCode::UNKNOWN_TOPIC_OR_PARTITION),
        (ApiKey::FETCH, ErrorCode::NOT_LEADER_OR_FOLLOWER),
        (ApiKey::FETCH, ErrorCode::KAFKA_STORAGE_ERROR),
        (
            ApiKey::FIND_COORDINATOR,
            ErrorCode::COORDINATOR_NOT_AVAILABLE,
        ),
        (
            ApiKey::INIT_PRODUCER_ID,
            ErrorCode::COORDINATOR_LOAD_IN_PROGRESS,
        ),
        (ApiKey::END_TXN, ErrorCode::NOT_COORDINATOR),
        (ApiKey::END_TXN, ErrorCode::CONCURRENT_TRANSACTIONS),
        (ApiKey::END_TXN, ErrorCode::COORDINATOR_LOAD_IN_PROGRESS),
        (
            ApiKey::TXN_OFFSET_COMMIT,
            ErrorCode::COORDINATOR_NOT_AVAILABLE,
        ),
        (ApiKey::TXN_OFFSET_COMMIT, ErrorCode::NOT_COORDINATOR),
        (
            ApiKey::ADD_PARTITIONS_TO_TXN,
            ErrorCode::CONCURRENT_TRANSACTIONS,
        ),
        (ApiKey::ADD_OFFSETS_TO_TXN, ErrorCode::NOT_COORDINATOR),
        (ApiKey::OFFSET_FETCH, ErrorCode::UNSTABLE_OFFSET_COMMIT),
        (ApiKey::OFFSET_FETCH, ErrorCode::NOT_COORDINATOR),
        (ApiKey::LIST_OFFSETS, ErrorCode::NOT_LEADER_OR_FOLLOWER),
        (ApiKey::METADATA, ErrorCode::UNKNOWN_SERVER_ERROR),
    ];
    all[rng.usize(..all.len())]
}
