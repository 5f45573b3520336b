//! Replicas pause, nodes crash, leaders move: what was acknowledged by all stays.

use std::collections::BTreeMap;

use milena_testbroker::{BrokerConfig, ConnectionId, Keep};
use milena_wire::ErrorCode;

use crate::harness::{Cluster, ms, plain};

const NODES: i32 = 3;

struct World {
    cluster: Cluster,
    random: fastrand::Rng,
    /// Acknowledged values, by offset.
    acked: BTreeMap<i64, String>,
    waiting: Vec<(ConnectionId, String)>,
    values: u32,
}

impl World {
    fn new(seed: u64) -> Self {
        let config = BrokerConfig {
            nodes: NODES,
            replica_lag_max: ms(200),
            seed,
            ..Default::default()
        };
        Self {
            cluster: Cluster::replicated_as(config, &[]),
            random: fastrand::Rng::with_seed(seed),
            acked: BTreeMap::new(),
            waiting: Vec::new(),
            values: 0,
        }
    }

    fn write(&mut self) {
        let leader = self.cluster.broker.leader("t", 0);
        let up = self.cluster.broker.nodes().iter();
        if !up.clone().any(|node| node.id == leader && node.up) {
            return;
        }
        self.values += 1;
        let value = format!("v{}", self.values);
        if self.random.bool() {
            let conn = self.cluster.send_acks_all(leader, 500, plain(&[&value]));
            self.waiting.push((conn, value));
        } else {
            self.cluster.acks_one(leader, plain(&[&value])).unwrap();
        }
    }

    fn disturb(&mut self) {
        let node = self.random.i32(1..=NODES);
        let broker = &mut self.cluster.broker;
        let in_sync = broker.isr("t", 0).contains(&node);
        let up = broker.nodes().iter().any(|it| it.id == node && it.up);
        match self.random.u32(..7) {
            0 | 1 => {
                broker.pause_replica("t", 0, node);
            }
            2 => {
                broker.resume_replica("t", 0, node);
            }
            // Cleanly.
            3 if in_sync && up => {
                broker.move_leader("t", 0, node);
            }
            4 => {
                let keep = match broker.isr("t", 0) {
                    // What the last one loses, all lose.
                    [last] if *last == node => Keep::All,
                    _ if self.random.bool() => Keep::HighWatermark,
                    _ => Keep::All,
                };
                broker.crash_node(node, keep);
            }
            5 => broker.start_node(node),
            _ => {
                broker.shrink_isr("t", 0, node);
            }
        }
    }

    /// Takes the answers that are there.
    fn collect(&mut self) {
        for (conn, value) in std::mem::take(&mut self.waiting) {
            match self.cluster.acked(conn) {
                Some((ErrorCode::NONE, offset)) => {
                    self.acked.insert(offset, value);
                }
                Some(_) => {}
                None if self.cluster.is_closed(conn) => {}
                None => self.waiting.push((conn, value)),
            }
        }
    }

    /// Every acknowledged value is where it was said to be, and below the high watermark.
    fn check(&self) {
        let log = self.cluster.broker.log("t", 0).unwrap();
        let records = log.records().unwrap();
        let there: BTreeMap<i64, _> = records
            .iter()
            .map(|record| (record.offset, record.value.clone().unwrap()))
            .collect();
        for (offset, value) in &self.acked {
            let found = there.get(offset).map(|value| &value[..]);
            assert_eq!(found, Some(value.as_bytes()), "{}", self.cluster.broker);
            assert!(*offset < log.high_watermark());
        }
        let broker = &self.cluster.broker;
        for node in broker.isr("t", 0) {
            let end = broker.replica_end("t", 0, *node).unwrap();
            assert!(end >= log.high_watermark(), "{node} in sync: {broker}");
        }
        assert!(log.last_stable_offset() <= log.high_watermark());
    }
}

#[test]
fn nothing_acknowledged_by_all_is_lost_while_elections_are_clean() {
    let mut acked = 0;
    for seed in 0..30 {
        let mut world = World::new(seed);
        for _ in 0..300 {
            match world.random.u32(..10) {
                0..5 => world.write(),
                5..7 => world.disturb(),
                _ => {
                    let millis = world.random.u64(..60);
                    world.cluster.advance(ms(millis));
                }
            }
            world.collect();
            world.check();
        }
        acked += world.acked.len();
    }
    assert!(acked > 1_000, "{acked} acknowledged");
}

#[test]
fn an_unclean_election_loses_just_what_the_new_leader_lacked() {
    for seed in 0..100 {
        let mut world = World::new(seed);
        let broker = &mut world.cluster.broker;
        broker.pause_replica("t", 0, 3);
        for _ in 0..world.random.u32(1..20) {
            world.write();
            if world.random.u32(..5) == 0 {
                world.cluster.broker.resume_replica("t", 0, 3);
                world.cluster.broker.pause_replica("t", 0, 3);
            }
        }
        let broker = &mut world.cluster.broker;
        let before = broker.log("t", 0).unwrap().records().unwrap();
        let had = broker.replica_end("t", 0, 3).unwrap();
        world.cluster.advance(ms(1_000));
        let broker = &mut world.cluster.broker;
        broker.stop_node(2);
        broker.stop_node(1);
        let unclean = broker.leader("t", 0) < 0;
        if unclean {
            assert_eq!(broker.elect_unclean("t", 0), Ok(()));
        }
        let after = broker.log("t", 0).unwrap().records().unwrap();
        let kept = before.iter().filter(|record| record.offset < had);
        assert!(after.iter().eq(kept), "{broker}");
        broker.start_node(1);
        broker.start_node(2);
        let end = broker.log("t", 0).unwrap().log_end_offset();
        for node in 1..=NODES {
            assert_eq!(broker.replica_end("t", 0, node), Some(end));
        }
    }
}
