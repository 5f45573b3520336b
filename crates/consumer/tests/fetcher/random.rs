//! Many small worlds by seed: whatever is lost, late, refused or moved, a reader sees each visible record once, in order.

use std::collections::BTreeMap;

use milena_consumer::{Cursor, DecodedFetch, FetchConfig, FetchEvent, IsolationLevel, OutOfRange};
use milena_wire::ErrorCode;
use milena_wire::messages::PartitionData;

use crate::log::Log;
use crate::world::{Fetch, World, ms, refused, run, tp};

const PARTITIONS: i32 = 3;

struct Run {
    rng: fastrand::Rng,
    world: World,
    logs: Vec<Log>,
    flying: Vec<Fetch>,
    decoded: Vec<DecodedFetch>,
    seen: BTreeMap<i32, Vec<(i64, String)>>,
    isolation: IsolationLevel,
    faults: bool,
}

impl Run {
    fn new(seed: u64) -> Self {
        let mut rng = fastrand::Rng::with_seed(seed);
        let isolation = if rng.bool() {
            IsolationLevel::ReadCommitted
        } else {
            IsolationLevel::ReadUncommitted
        };
        let config = FetchConfig {
            isolation,
            partition_bytes_max: rng.usize(100..3_000),
            fetch_bytes_max: rng.usize(200..9_000),
            buffered_bytes_max: rng.usize(3_000..30_000),
            out_of_range: OutOfRange::Fail,
            ..FetchConfig::default()
        };
        let leaders: Vec<i32> = (0..PARTITIONS).map(|_| rng.i32(1..=2)).collect();
        let world = World::reading(config, &leaders);
        let logs = vec![Log::default(); PARTITIONS as usize];
        Self {
            rng,
            world,
            logs,
            flying: Vec::new(),
            decoded: Vec::new(),
            seen: BTreeMap::new(),
            isolation,
            faults: true,
        }
    }

    fn write(&mut self) {
        let value = self.rng.u32(..).to_string();
        let log = &mut self.logs[self.rng.usize(..PARTITIONS as usize)];
        let producer = self.rng.i64(1..4);
        let values = &vec![value.as_str(); self.rng.usize(1..4)][..];
        match self.rng.u8(..10) {
            0..=1 => drop(log.append(values)),
            2 => drop(log.append_by(producer, values)),
            3..=6 => drop(log.transact(producer, values)),
            7 => log.commit(producer),
            8 => log.abort(producer),
            _ => log.gap(self.rng.i64(1..3)),
        }
        if self.rng.u8(..20) == 0 {
            log.epoch += 1;
        }
    }

    /// One thing that may happen.
    fn step(&mut self) {
        while let Some(fetch) = self.world.try_fetch() {
            self.flying.push(fetch);
        }
        match self.rng.u8(..10) {
            0..=3 if !self.flying.is_empty() => self.answer(),
            4..=5 => {
                while let Some(job) = self.world.fetcher.poll_decode() {
                    self.decoded.push(run(job));
                }
            }
            6..=7 if !self.decoded.is_empty() => {
                let done = self
                    .decoded
                    .swap_remove(self.rng.usize(..self.decoded.len()));
                self.world.fetcher.handle_decoded(self.world.now, done);
                self.world.collect();
            }
            8 => self.take(),
            _ if self.faults && self.rng.u8(..8) == 0 => self.disturb(),
            _ => self.world.advance(ms(self.rng.u64(..200))),
        }
    }

    fn answer(&mut self) {
        let fetch = self.flying.swap_remove(self.rng.usize(..self.flying.len()));
        if self.faults && self.rng.u8(..10) == 0 {
            return self.world.lose(fetch.id);
        }
        let answers = fetch.partitions.iter().map(|asked| {
            let partition = asked.tp.partition;
            if self.faults && self.rng.u8(..10) == 0 {
                return refused(
                    partition,
                    *self
                        .rng
                        .choice(&[
                            ErrorCode::NOT_LEADER_OR_FOLLOWER,
                            ErrorCode::UNKNOWN_SERVER_ERROR,
                            ErrorCode::UNKNOWN_TOPIC_ID,
                        ])
                        .expect("not empty"),
                );
            }
            let data = self.logs[partition as usize].read(
                asked.position,
                self.rng.usize(1..2_000),
                self.isolation,
            );
            PartitionData {
                partition_index: partition,
                ..data
            }
        });
        let answers = answers.collect();
        self.world.answer(fetch.id, answers);
    }

    /// The user takes what there is.
    fn take(&mut self) {
        for event in std::mem::take(&mut self.world.events) {
            match event {
                FetchEvent::Batches { tp, batches } => {
                    for batch in batches {
                        self.world.fetcher.release(&tp, batch.bytes);
                        let shown = batch
                            .records
                            .records()
                            .filter(|record| record.offset() >= batch.first_position);
                        let seen = self.seen.entry(tp.partition).or_default();
                        seen.extend(shown.map(|record| {
                            (
                                record.offset(),
                                String::from_utf8_lossy(record.value().unwrap_or_default())
                                    .into_owned(),
                            )
                        }));
                    }
                }
                FetchEvent::Failed { tp, error } => panic!("{tp}: {error}"),
                _ => {}
            }
        }
    }

    fn disturb(&mut self) {
        let partition = self.rng.i32(0..PARTITIONS);
        match self.rng.u8(..2) {
            0 => self.world.lead(partition, self.rng.i32(1..=3), 1),
            _ => {
                // Back, or to where the user is: what was seen from there on is seen again.
                let position = self.rng.i64(0..=self.world.position(partition));
                self.take();
                self.world
                    .fetcher
                    .seek(&tp(partition), Cursor::at(position));
                self.seen
                    .entry(partition)
                    .or_default()
                    .retain(|(offset, _)| *offset < position);
            }
        }
    }
}

#[test]
fn whatever_happens_each_visible_record_is_seen_once_and_in_order() {
    for seed in 0..200 {
        let mut run = Run::new(seed);
        for _ in 0..300 {
            if run.rng.u8(..3) == 0 {
                run.write();
            }
            run.step();
        }
        run.faults = false;
        for _ in 0..3_000 {
            run.step();
        }
        run.take();
        for partition in 0..PARTITIONS {
            let seen = run.seen.remove(&partition).unwrap_or_default();
            assert_eq!(
                seen,
                run.logs[partition as usize].expected(run.isolation),
                "seed {seed}, partition {partition}"
            );
        }
    }
}

#[test]
fn the_same_seed_gives_the_same_run() {
    let history = |seed| {
        let mut run = Run::new(seed);
        let mut history = Vec::new();
        for _ in 0..200 {
            run.write();
            run.step();
            history.push(format!(
                "{:?} {:?}",
                run.flying.last().map(|fetch| (fetch.id, fetch.indexes())),
                run.world
                    .fetcher
                    .poll_timeout()
                    .map(|at| at - run.world.now)
            ));
        }
        history
    };
    assert_eq!(history(5), history(5));
    assert_ne!(history(5), history(6));
}
