//! Many seeded steps: what a read_committed reader gets is what the markers say, and no bytes of
//! one client hurt the cluster or another client.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use milena_testbroker::{BrokerConfig, CoordinatorKind, TransactionState};
use milena_wire::messages::{FetchResponse, MetadataRequest};
use milena_wire::record::{ControlRecord, batches};
use milena_wire::{ErrorCode, Payload};

use crate::harness::{Cluster, Id, ms, plain, transactional};
use crate::requests::{
    Asking, END_TV2, PRODUCE_TV2, end_request, fetch_request, offset_commit_request,
    produce_request,
};

const IDS: [&str; 3] = ["x", "y", "z"];
const PARTITIONS: i32 = 2;

/// A producer as its client believes it to be.
struct Writer {
    id: &'static str,
    identity: Option<Id>,
    sequences: BTreeMap<i32, i32>,
    /// Values written since the last end; the broker acknowledged them.
    open: Vec<(i32, String)>,
}

/// Values whose transaction was answered as committed, by partition, in the order of writing.
type Truth = BTreeMap<i32, Vec<String>>;

struct World {
    cluster: Cluster,
    writers: Vec<Writer>,
    truth: Truth,
    random: fastrand::Rng,
    values: u32,
}

impl World {
    fn new(seed: u64) -> Self {
        let config = BrokerConfig {
            nodes: 3,
            marker_delay: ms(5),
            // The records of these tests are of 1970, and this one takes days.
            wall_clock_start: 0,
            seed,
            ..BrokerConfig::default()
        };
        let mut cluster = Cluster::new(config);
        assert!(cluster.broker.create_topic("t", PARTITIONS));
        let writer = |id| Writer {
            id,
            identity: None,
            sequences: BTreeMap::new(),
            open: Vec::new(),
        };
        Self {
            cluster,
            writers: IDS.into_iter().map(writer).collect(),
            truth: Truth::new(),
            random: fastrand::Rng::with_seed(seed),
            values: 0,
        }
    }

    fn step(&mut self) {
        let which = self.random.usize(..self.writers.len());
        match self.random.u32(..100) {
            0..50 => self.write(which),
            50..65 => self.end(which, true),
            65..75 => self.end(which, false),
            75..80 => self.init(which),
            80..84 => {
                let partition = self.random.i32(0..PARTITIONS);
                let node = self.random.i32(1..=3);
                self.cluster.broker.move_leader("t", partition, node);
            }
            84..88 => {
                let node = self.random.i32(1..=3);
                let id = self.writers[which].id;
                self.cluster
                    .broker
                    .move_coordinator(CoordinatorKind::Transaction, id, node);
            }
            88..90 => {
                let node = self.random.i32(1..=3);
                self.cluster.broker.stop_node(node);
                self.cluster.broker.start_node(node);
            }
            90..92 => self.plain(),
            92..93 => self.cluster.advance(Duration::from_secs(61)),
            _ => self.cluster.advance(ms(self.random.u64(..10))),
        }
    }

    fn value(&mut self) -> String {
        self.values += 1;
        format!("v{}", self.values)
    }

    fn plain(&mut self) {
        let partition = self.random.i32(0..PARTITIONS);
        let value = self.value();
        let leader = self.cluster.broker.leader("t", partition);
        self.cluster
            .produce(leader, 9, None, partition, plain(&[&value]))
            .unwrap();
    }

    fn init(&mut self, which: usize) {
        let id = self.writers[which].id;
        match self.cluster.init(Some(id), None) {
            Ok(identity) => self.begin(which, Some(identity)),
            Err(ErrorCode::CONCURRENT_TRANSACTIONS) => {
                // Its transaction, if any, is being aborted.
                self.begin(which, None);
            }
            Err(error) => panic!("{error}\n{}", self.cluster.broker),
        }
    }

    fn begin(&mut self, which: usize, identity: Option<Id>) {
        let writer = &mut self.writers[which];
        writer.identity = identity;
        writer.sequences.clear();
        writer.open.clear();
    }

    fn write(&mut self, which: usize) {
        let partition = self.random.i32(0..PARTITIONS);
        let Some(identity) = self.writers[which].identity else {
            return self.init(which);
        };
        let value = self.value();
        let leader = self.cluster.broker.leader("t", partition);
        let writer = &mut self.writers[which];
        let sequence = *writer.sequences.get(&partition).unwrap_or(&0);
        let batch = transactional(identity, sequence, &[&value]);
        let id = Some(writer.id);
        match self
            .cluster
            .produce(leader, PRODUCE_TV2, id, partition, batch)
        {
            Ok(_) => {
                let writer = &mut self.writers[which];
                writer.sequences.insert(partition, sequence + 1);
                writer.open.push((partition, value));
            }
            // Timed out: its records are aborted, and it has to start anew.
            Err(ErrorCode::INVALID_PRODUCER_EPOCH) => self.begin(which, None),
            Err(error) => panic!("{error}\n{}", self.cluster.broker),
        }
    }

    fn end(&mut self, which: usize, committed: bool) {
        let writer = &self.writers[which];
        let Some(identity) = writer.identity.filter(|_| !writer.open.is_empty()) else {
            return;
        };
        let id = writer.id;
        let node = self
            .cluster
            .broker
            .coordinator(CoordinatorKind::Transaction, id);
        let mut request = end_request(identity, committed);
        request.transactional_id = id;
        let answer = self.cluster.ask(node, END_TV2, &request, |response| {
            let next = Id {
                id: response.producer_id,
                epoch: response.producer_epoch,
            };
            if response.error_code.is_ok() {
                Ok(next)
            } else {
                Err(response.error_code)
            }
        });
        match answer {
            Ok(next) => {
                let open = std::mem::take(&mut self.writers[which].open);
                // An abort that timed out first is answered as the retry it looks like.
                for (partition, value) in open.into_iter().filter(|_| committed) {
                    self.truth.entry(partition).or_default().push(value);
                }
                self.begin(which, Some(next));
            }
            Err(ErrorCode::INVALID_TXN_STATE | ErrorCode::PRODUCER_FENCED) => {
                self.begin(which, None);
            }
            Err(error) => panic!("{error}\n{}", self.cluster.broker),
        }
    }

    /// Ends what is open, then holds reader, markers and answers against each other.
    fn check(&mut self) {
        for which in 0..self.writers.len() {
            self.end(which, true);
        }
        self.cluster.advance(Duration::from_secs(120));
        for id in IDS {
            if let Some(view) = self.cluster.broker.transaction_state(id) {
                assert!(!view.state.is_prepared() && view.state != TransactionState::Ongoing);
            }
        }
        for partition in 0..PARTITIONS {
            let read = read_committed(&mut self.cluster, partition, &mut self.random);
            let markers = self.cluster.committed_values("t", partition);
            assert_eq!(read, markers, "{}", self.cluster.broker);
            let acknowledged: BTreeSet<_> = self
                .truth
                .get(&partition)
                .into_iter()
                .flatten()
                .cloned()
                .collect();
            let transactional: BTreeSet<_> = self.in_transactions(partition);
            assert_eq!(transactional, acknowledged, "{}", self.cluster.broker);
        }
    }

    fn in_transactions(&self, partition: i32) -> BTreeSet<String> {
        let log = self.cluster.broker.log("t", partition).unwrap();
        let records = log.committed_records().unwrap().into_iter();
        let values = records
            .filter(|record| record.transactional)
            .map(|record| record.value);
        values
            .map(|value| String::from_utf8(value.unwrap().to_vec()).unwrap())
            .collect()
    }
}

/// What a client reads that filters by the aborted list of each answer alone, in small bites.
fn read_committed(
    cluster: &mut Cluster,
    partition: i32,
    random: &mut fastrand::Rng,
) -> Vec<String> {
    let mut values = Vec::new();
    let mut offset = 0;
    loop {
        let leader = cluster.broker.leader("t", partition);
        let asking = Asking {
            committed: true,
            offset,
            partition_max_bytes: random.i32(1..2_000),
            ..Asking::default()
        };
        let request = fetch_request(asking, partition);
        let next = cluster.ask(leader, 12, &request, |response| {
            filter(&response, offset, &mut values)
        });
        if next == offset {
            return values;
        }
        offset = next;
    }
}

/// The records of one answer that are not aborted, and the offset behind them.
fn filter(response: &FetchResponse<'_>, from: i64, values: &mut Vec<String>) -> i64 {
    let data = &response.responses[0].partitions[0];
    assert_eq!(data.error_code, ErrorCode::NONE);
    let mut to_come: Vec<_> = data
        .aborted_transactions
        .iter()
        .flatten()
        .map(|aborted| (aborted.first_offset, aborted.producer_id))
        .collect();
    let mut aborted = BTreeSet::new();
    let mut offset = from;
    for batch in batches(
        data.records
            .as_ref()
            .map(Payload::to_bytes)
            .unwrap_or_default(),
    ) {
        let batch = batch.unwrap();
        let producer_id = batch.header().producer_id;
        to_come.retain(|(first, producer_id)| {
            let begun = *first <= batch.last_offset();
            if begun {
                aborted.insert(*producer_id);
            }
            !begun
        });
        offset = batch.next_offset();
        if let Some(control) = batch.control().unwrap() {
            if matches!(control, ControlRecord::Abort { .. }) {
                aborted.remove(&producer_id);
            }
        } else if !(batch.is_transactional() && aborted.contains(&producer_id)) {
            for record in batch.into_records().unwrap().records() {
                values.push(String::from_utf8(record.value().unwrap().to_vec()).unwrap());
            }
        }
    }
    offset
}

#[test]
fn readers_markers_and_answers_agree() {
    for seed in 0..40 {
        println!("seed {seed}");
        let mut world = World::new(seed);
        for _ in 0..400 {
            world.step();
        }
        world.check();
        assert!(!world.truth.is_empty());
    }
}

/// A whole frame of each kind that changes something.
fn frames() -> Vec<Vec<u8>> {
    use milena_wire::{ApiVersion, CorrelationId, Request, encode_request};
    fn frame<R: Request>(version: i16, request: &R) -> Vec<u8> {
        let version = ApiVersion(version);
        let frame = encode_request(request, version, CorrelationId(1), Some("c")).unwrap();
        frame.to_bytes().to_vec()
    }
    let producer = Id {
        id: 1_000,
        epoch: 0,
    };
    let topics = vec![milena_wire::messages::CreatableTopic {
        name: "u",
        num_partitions: 2,
        replication_factor: 1,
        ..Default::default()
    }];
    vec![
        frame(9, &produce_request(None, 0, plain(&["a"]))),
        frame(
            12,
            &produce_request(Some("x"), 0, transactional(producer, 0, &["a"])),
        ),
        frame(12, &fetch_request(Asking::default(), 0)),
        frame(
            4,
            &fetch_request(
                Asking {
                    committed: true,
                    ..Asking::default()
                },
                0,
            ),
        ),
        frame(5, &end_request(producer, true)),
        frame(3, &offset_commit_request(producer, "g", 7)),
        frame(9, &MetadataRequest::default()),
        frame(1, &MetadataRequest::default()),
        frame(
            7,
            &milena_wire::messages::CreateTopicsRequest {
                topics,
                ..Default::default()
            },
        ),
    ]
}

#[test]
fn hostile_bytes_neither_stop_the_cluster_nor_reach_another_client() {
    let mut random = fastrand::Rng::with_seed(7);
    let mut cluster = Cluster::with_topic(BrokerConfig::default());
    cluster.init(Some("x"), None).unwrap();
    let frames = frames();
    let good = cluster.connect(1);
    for round in 0..20_000 {
        let mut bytes = frames[random.usize(..frames.len())].clone();
        for _ in 0..random.usize(1..4) {
            let at = random.usize(..bytes.len());
            match random.u32(..4) {
                0 => bytes[at] = random.u8(..),
                1 => bytes[at] ^= 1 << random.u32(..8),
                2 => bytes.truncate(at.max(4)),
                _ => bytes.insert(at, random.u8(..)),
            }
        }
        if random.bool() && bytes.len() > 4 {
            // A frame that is whole again, so that its inside is looked at.
            let len = u32::try_from(bytes.len() - 4).unwrap();
            bytes[..4].copy_from_slice(&len.to_be_bytes());
        }
        let conn = cluster.connect(1);
        cluster.send_bytes(conn, &bytes);
        cluster.disconnect(conn);
        if round % 100 == 0 {
            cluster.send(good, 9, &MetadataRequest::default());
            assert!(cluster.receive(good).is_some(), "round {round}");
            cluster.advance(ms(10));
        }
    }
}
