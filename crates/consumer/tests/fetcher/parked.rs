//! Answers that become more than may be held of their partition: the rest waits, and keeps no other partition waiting.

use bytes::Bytes;
use milena_cluster::TopicPartition;
use milena_consumer::{Cursor, FetchConfig, FetchEvent, StartPosition};
use milena_wire::compress::Decompressor;
use milena_wire::record::Compression;

use crate::batch::Spec;
use crate::compressed::{blank, squeezed};
use crate::world::{World, data, tp};

const PARTITION_BYTES_MAX: usize = 64 << 10;
const ALLOWANCE: usize = 256 << 10;

fn config(buffered_bytes_max: usize) -> FetchConfig {
    FetchConfig {
        partition_bytes_max: PARTITION_BYTES_MAX,
        buffered_bytes_max,
        ..FetchConfig::default()
    }
}

/// Batches of one record each, which hardly take anything before they are decompressed.
fn series(batches: i64, len: usize) -> Vec<Bytes> {
    (0..batches)
        .map(|base| squeezed(blank(base, len), Compression::Gzip))
        .collect()
}

/// A user who keeps every batch until told otherwise.
#[derive(Default)]
struct User {
    held: Vec<(TopicPartition, usize)>,
    seen: Vec<(i32, i64)>,
}

impl User {
    fn take(&mut self, world: &mut World) {
        for event in std::mem::take(&mut world.events) {
            if let FetchEvent::Batches { batches, .. } = event {
                for batch in batches {
                    let offset = batch.records.header().base_offset;
                    self.seen.push((batch.tp.partition, offset));
                    self.held.push((batch.tp, batch.bytes));
                }
            }
        }
    }

    fn decode(&mut self, world: &mut World) {
        world.decode();
        self.take(world);
    }

    fn holds(&self, partition: i32) -> usize {
        let of = self.held.iter().filter(|(of, _)| *of == tp(partition));
        of.map(|(_, bytes)| bytes).sum()
    }

    fn offsets(&self, partition: i32) -> Vec<i64> {
        let of = self.seen.iter().filter(|(of, _)| *of == partition);
        of.map(|(_, offset)| *offset).collect()
    }

    fn release(&mut self, world: &mut World, partition: i32) {
        for (of, bytes) in self.held.extract_if(.., |(of, _)| *of == tp(partition)) {
            world.fetcher.release(&of, bytes);
        }
    }
}

#[test]
fn one_partition_that_becomes_much_leaves_the_others_their_room() {
    let (mut world, mut user) = (World::reading(config(4 << 20), &[1, 1, 1]), User::default());
    let fetch = world.fetch();
    let small = |base| {
        [
            squeezed(blank(base, 300), Compression::Gzip),
            Spec::data(base, &["plain"]).bytes(),
        ]
    };
    let [packed, plain] = small(0);
    world.answer(
        fetch.id,
        vec![
            data(0, &series(60, 200_000)),
            data(1, &[packed]),
            data(2, &[plain]),
        ],
    );
    user.decode(&mut world);
    for round in 1..20 {
        let held = user.holds(0);
        assert!(
            (1..PARTITION_BYTES_MAX + ALLOWANCE).contains(&held),
            "{held}"
        );
        assert_eq!(user.offsets(1), (0..round).collect::<Vec<_>>());
        assert_eq!(user.offsets(2), (0..round).collect::<Vec<_>>());
        let fetch = world.fetch();
        assert_eq!(fetch.indexes(), [1, 2], "there is a rest of partition 0");
        let [packed, plain] = small(round);
        world.answer(fetch.id, vec![data(1, &[packed]), data(2, &[plain])]);
        user.decode(&mut world);
    }
    for _ in 0..60 {
        user.release(&mut world, 0);
        user.decode(&mut world);
    }
    assert_eq!(user.offsets(0), (0..60).collect::<Vec<_>>());
    (0..3).for_each(|partition| user.release(&mut world, partition));
    assert_eq!(world.fetcher.buffered_bytes(), 0);
    assert_eq!(world.fetch().indexes(), [1, 2, 0]);
}

#[test]
fn what_came_plain_is_shown_whatever_others_hold() {
    // A budget that the first batch fills.
    let (mut world, mut user) = (World::reading(config(100_000), &[1, 1]), User::default());
    let fetch = world.fetch();
    let plain = Spec::data(0, &["plain"]).bytes();
    world.answer(
        fetch.id,
        vec![data(0, &series(3, 200_000)), data(1, &[plain])],
    );
    user.decode(&mut world);
    assert_eq!(user.seen, [(0, 0), (1, 0)]);
}

#[test]
fn a_full_budget_still_shows_one_batch_of_each_partition_that_holds_none() {
    let (mut world, mut user) = (World::reading(config(100_000), &[1, 1, 1]), User::default());
    let fetch = world.fetch();
    world.answer(
        fetch.id,
        vec![
            data(0, &series(5, 200_000)),
            data(1, &series(5, 1_000)),
            data(2, &series(5, 1_000)),
        ],
    );
    let first = world.job();
    assert!(
        world.fetcher.poll_decode().is_none(),
        "one job at a time, and it may become as much as there is"
    );
    world.finish(first);
    user.decode(&mut world);
    assert_eq!(user.seen, [(0, 0), (1, 0), (2, 0)]);
    user.release(&mut world, 2);
    user.decode(&mut world);
    assert_eq!(user.seen[3..], [(2, 1)]);
    user.release(&mut world, 0);
    user.decode(&mut world);
    assert_eq!(
        user.seen[4..],
        [(0, 1)],
        "it waited longest, and fills what there is"
    );
    while user.seen.len() < 15 {
        (0..3).for_each(|partition| user.release(&mut world, partition));
        user.decode(&mut world);
    }
    for partition in 0..3 {
        assert_eq!(user.offsets(partition), [0, 1, 2, 3, 4]);
        user.release(&mut world, partition);
    }
    assert_eq!(world.fetcher.buffered_bytes(), 0);
}

#[test]
fn the_rest_of_an_answer_waits_for_its_turn_behind_other_partitions() {
    let (mut world, mut user) = (World::reading(config(4 << 20), &[1, 1]), User::default());
    let fetch = world.fetch();
    let answers = (0..2).map(|partition| data(partition, &series(3, 200_000)));
    world.answer(fetch.id, answers.collect());
    while user.seen.len() < 6 {
        let job = world.job();
        let partition = job.topic_partition().clone();
        world.finish(job);
        user.take(&mut world);
        user.release(&mut world, partition.partition);
    }
    assert_eq!(user.seen, [(0, 0), (1, 0), (0, 1), (1, 1), (0, 2), (1, 2)]);
}

#[test]
fn a_partition_has_one_job_at_a_time_however_much_is_released() {
    let (mut world, mut user) = (World::reading(config(4 << 20), &[1]), User::default());
    let fetch = world.fetch();
    world.answer(fetch.id, vec![data(0, &series(4, 200_000))]);
    for offset in 0..4 {
        let job = world.job();
        user.release(&mut world, 0);
        assert!(world.fetcher.poll_decode().is_none());
        world.finish(job);
        user.take(&mut world);
        assert_eq!(user.seen.last(), Some(&(0, offset)));
        assert!(world.fetcher.poll_decode().is_none(), "all of it is held");
        user.release(&mut world, 0);
    }
    assert_eq!(world.fetcher.buffered_bytes(), 0);
}

#[test]
fn others_of_the_node_are_asked_beside_a_long_poll_while_a_rest_waits() {
    let (mut world, mut user) = (World::reading(config(4 << 20), &[1, 1, 1]), User::default());
    let fetch = world.fetch();
    world.answer(
        fetch.id,
        vec![
            data(0, &series(3, 200_000)),
            data(1, &[blank(0, 100_000).bytes()]),
            data(2, &[]),
        ],
    );
    user.decode(&mut world);
    assert_eq!(world.fetch().indexes(), [2], "it hangs from here on");
    user.release(&mut world, 1);
    assert_eq!(
        world.fetch().indexes(),
        [1],
        "partition 0 may wait for long"
    );
}

#[test]
fn a_rest_that_waits_is_given_back_at_once_by_what_makes_it_void() {
    let seek = |world: &mut World| world.fetcher.seek(&tp(0), Cursor::at(1));
    let unassign = |world: &mut World| world.fetcher.unassign(&tp(0));
    let assign = |world: &mut World| {
        let start = StartPosition::Offset(1);
        world.fetcher.assign(tp(0), start);
    };
    let ways: [&dyn Fn(&mut World); 3] = [&seek, &unassign, &assign];
    for make_void in ways {
        let (mut world, mut user) = (World::reading(config(4 << 20), &[1]), User::default());
        let fetch = world.fetch();
        world.answer(fetch.id, vec![data(0, &series(3, 200_000))]);
        user.decode(&mut world);
        assert!(world.fetcher.buffered_bytes() > user.holds(0), "a rest");
        make_void(&mut world);
        assert_eq!(world.fetcher.buffered_bytes(), user.holds(0));
        user.release(&mut world, 0);
        assert_eq!(world.fetcher.buffered_bytes(), 0);
        assert!(world.fetcher.poll_decode().is_none());
        if let Some(fetch) = world.try_fetch() {
            assert_eq!(fetch.partitions[0].position, 1);
        }
        assert_eq!(user.seen, [(0, 0)]);
    }
}

#[test]
fn giving_back_too_much_leaves_what_is_still_to_be_decoded_charged() {
    let (mut world, mut user) = (World::reading(config(4 << 20), &[1]), User::default());
    let fetch = world.fetch();
    world.answer(fetch.id, vec![data(0, &series(3, 200_000))]);
    let job = world.job();
    let before = world.fetcher.buffered_bytes();
    world.fetcher.release(&tp(0), usize::MAX);
    assert_eq!(world.fetcher.buffered_bytes(), before);
    let done = job.run(&mut Decompressor::default());
    world.fetcher.handle_decoded(world.now, done);
    world.collect();
    user.take(&mut world);
    while !user.held.is_empty() {
        user.release(&mut world, 0);
        user.decode(&mut world);
    }
    assert_eq!(user.offsets(0), [0, 1, 2]);
    assert_eq!(world.fetcher.buffered_bytes(), 0);
}
