//! How much memory what is asked and held may take.

use milena_consumer::{FetchConfig, FetchEvent, StartPosition};

use crate::batch::Spec;
use crate::world::{World, data, ms, tp};

/// A batch of one record at `base`, a good `len` bytes long.
fn large(base: i64, len: usize) -> bytes::Bytes {
    Spec::data(base, &[&"x".repeat(len)]).bytes()
}

#[test]
fn memory_is_reserved_before_it_is_asked_for() {
    let config = FetchConfig {
        partition_bytes_max: 1_000,
        fetch_bytes_max: 2_500,
        buffered_bytes_max: 100_000,
        ..FetchConfig::default()
    };
    let mut world = World::reading(config, &[1, 1, 2, 2, 2, 2]);
    let (first, second) = (world.fetch(), world.fetch());
    assert_eq!(
        (first.bytes_max, second.bytes_max),
        (2_000, 2_500),
        "1,000 a partition, and 2,500 in all"
    );
    assert_eq!(world.fetcher.buffered_bytes(), 4_500);
    let records = large(0, 700);
    world.answer(
        first.id,
        vec![data(0, std::slice::from_ref(&records)), data(1, &[])],
    );
    assert_eq!(
        world.fetcher.buffered_bytes(),
        2_500 + records.len(),
        "what came takes the place of what was reserved"
    );
    world.decode();
    world.lose(second.id);
    assert_eq!(world.fetcher.buffered_bytes(), records.len());
    world.records();
    assert_eq!(world.fetcher.buffered_bytes(), 0);
}

#[test]
fn without_room_nothing_is_asked_until_batches_are_taken() {
    let config = FetchConfig {
        partition_bytes_max: 1_000,
        fetch_bytes_max: 1_000,
        buffered_bytes_max: 2_500,
        ..FetchConfig::default()
    };
    let mut world = World::reading(config, &[1]);
    world.step(data(0, &[large(0, 900)]));
    world.step(data(0, &[large(1, 900)]));
    world.assert_quiet();
    assert!(
        world.fetcher.poll_timeout().is_none(),
        "and no clock is needed to wait for it"
    );
    assert_eq!(world.offsets(), [0, 1]);
    world.fetch();
}

#[test]
fn a_partition_is_not_asked_for_less_than_its_share() {
    let config = FetchConfig {
        partition_bytes_max: 1_000,
        fetch_bytes_max: 1_000,
        buffered_bytes_max: 2_500,
        ..FetchConfig::default()
    };
    let mut world = World::reading(config, &[1, 1, 1]);
    let fetch = world.fetch();
    world.answer(
        fetch.id,
        vec![
            data(0, &[large(0, 900)]),
            data(1, &[large(0, 900)]),
            data(2, &[]),
        ],
    );
    world.decode();
    // No partition is full, and some 500 bytes are left: an answer cut to them would be the rule from here on.
    world.assert_quiet();
    world.records();
    assert_eq!(world.fetch().bytes_max, 1_000);
}

#[test]
fn when_memory_is_short_the_nodes_take_turns() {
    let config = FetchConfig {
        partition_bytes_max: 1_000,
        fetch_bytes_max: 1_000,
        buffered_bytes_max: 4_000,
        ..FetchConfig::default()
    };
    let mut world = World::reading(config, &[1, 2, 1]);
    let (first, second) = (world.fetch(), world.fetch());
    world.answer(first.id, vec![data(0, &[]), data(2, &[large(0, 2_800)])]);
    world.answer(second.id, vec![data(1, &[])]);
    world.decode();
    // Room for one Fetch at a time.
    let mut nodes = Vec::new();
    for _ in 0..6 {
        let fetch = world.fetch();
        world.assert_quiet();
        nodes.push(fetch.node);
        world.advance(fetch.wait);
        let answers = fetch
            .indexes()
            .into_iter()
            .map(|index| data(index, &[]))
            .collect();
        world.answer(fetch.id, answers);
    }
    assert_eq!(nodes, [1, 2, 1, 2, 1, 2]);
}

#[test]
fn what_is_held_and_asked_stays_within_the_budget() {
    let mut rng = fastrand::Rng::with_seed(3);
    let config = FetchConfig {
        partition_bytes_max: 1_000,
        fetch_bytes_max: 3_000,
        buffered_bytes_max: 10_000,
        ..FetchConfig::default()
    };
    let mut world = World::reading(config, &[1, 1, 2, 2, 3, 3, 3, 3]);
    let mut bases = [0_i64; 8];
    let (mut flying, mut held, mut peak) = (Vec::new(), Vec::new(), 0);
    for _ in 0..3_000 {
        flying.extend(std::iter::from_fn(|| world.try_fetch()));
        peak = peak.max(world.fetcher.buffered_bytes());
        assert!(world.fetcher.buffered_bytes() <= 10_000);
        if !flying.is_empty() {
            let fetch = flying.swap_remove(rng.usize(..flying.len()));
            let mut room = fetch.bytes_max;
            let mut answers = Vec::new();
            for asked in &fetch.partitions {
                let base = &mut bases[asked.tp.partition as usize];
                let batch = large(*base, rng.usize(1..900));
                if batch.len() <= room {
                    room -= batch.len();
                    *base += 1;
                    answers.push(data(asked.tp.partition, &[batch]));
                } else {
                    answers.push(data(asked.tp.partition, &[]));
                }
            }
            world.answer(fetch.id, answers);
        }
        world.decode();
        for event in std::mem::take(&mut world.events) {
            if let FetchEvent::Batches { batches, .. } = event {
                held.extend(batches);
            }
        }
        while !held.is_empty() && rng.u8(..3) > 0 {
            let batch = held.swap_remove(rng.usize(..held.len()));
            world.fetcher.release(&batch.tp, batch.bytes);
        }
        world.advance(ms(300));
    }
    assert!(peak > 5_000, "the budget was used: {peak}");
    assert!(
        bases.iter().all(|base| *base > 20),
        "every partition was read: {bases:?}"
    );
}

#[test]
fn a_batch_larger_than_the_budget_is_read_all_the_same() {
    let config = FetchConfig {
        partition_bytes_max: 1_000,
        fetch_bytes_max: 1_000,
        buffered_bytes_max: 1_000,
        ..FetchConfig::default()
    };
    let mut world = World::reading(config, &[1]);
    world.step(data(0, &[large(0, 50_000)]));
    world.assert_quiet();
    assert_eq!(world.offsets(), [0]);
    world.fetch();
}

#[test]
fn giving_back_twice_makes_no_room_that_is_not_there() {
    let mut world = World::reading(FetchConfig::default(), &[1, 1]);
    let fetch = world.fetch();
    let records = large(0, 500);
    world.answer(
        fetch.id,
        vec![
            data(0, std::slice::from_ref(&records)),
            data(1, std::slice::from_ref(&records)),
        ],
    );
    world.decode();
    world.fetcher.release(&tp(0), usize::MAX);
    world.fetcher.release(&tp(0), 500);
    assert_eq!(
        world.fetcher.buffered_bytes(),
        records.len(),
        "partition 1 still holds its own"
    );
}

#[test]
fn batches_held_over_a_new_assignment_stay_charged() {
    let config = FetchConfig {
        partition_bytes_max: 500,
        ..FetchConfig::default()
    };
    let mut world = World::reading(config, &[1]);
    world.step(data(0, &[large(0, 500)]));
    world.fetcher.unassign(&tp(0));
    world.fetcher.assign(tp(0), StartPosition::Offset(0));
    world.assert_quiet();
    assert!(world.fetcher.buffered_bytes() > 500);
    world.records();
    world.fetch();
}

#[test]
fn many_idle_nodes_leave_room_for_each_other() {
    let leaders: Vec<i32> = (0..100).collect();
    let mut world = World::reading(FetchConfig::default(), &leaders);
    for node in &leaders {
        assert_eq!(world.fetch().node, *node, "each has its long poll");
    }
    assert!(world.fetcher.buffered_bytes() <= world.fetcher.config().buffered_bytes_max);
}

#[test]
fn nodes_with_many_partitions_leave_room_for_each_other() {
    // Each alone would take fetch_bytes_max, eight of them everything.
    let leaders: Vec<i32> = (0..400).map(|partition| partition % 20).collect();
    let mut world = World::reading(FetchConfig::default(), &leaders);
    let nodes: std::collections::BTreeSet<i32> = (0..20).map(|_| world.fetch().node).collect();
    assert_eq!(nodes.len(), 20);
    assert!(
        world.fetcher.buffered_bytes() <= world.fetcher.config().buffered_bytes_max / 2,
        "and for a second Fetch"
    );
}

#[test]
fn more_nodes_than_partitions_fit_the_budget_are_asked_for_less() {
    let config = FetchConfig {
        partition_bytes_max: 1_000,
        fetch_bytes_max: 1_000,
        buffered_bytes_max: 1_000,
        ..FetchConfig::default()
    };
    let mut world = World::reading(config, &[1, 2, 3, 4, 5]);
    assert_eq!(
        (0..5).map(|_| world.fetch().node).collect::<Vec<_>>(),
        [1, 2, 3, 4, 5]
    );
}

#[test]
fn limits_that_do_not_fit_each_other_are_lowered() {
    let config = FetchConfig {
        partition_bytes_max: usize::MAX,
        fetch_bytes_max: 0,
        buffered_bytes_max: 5_000,
        ..FetchConfig::default()
    };
    let mut world = World::reading(config, &[1]);
    assert_eq!(
        (
            world.fetcher.config().partition_bytes_max,
            world.fetcher.config().fetch_bytes_max
        ),
        (1, 1)
    );
    assert_eq!(world.fetch().bytes_max, 1);
    let config = FetchConfig {
        partition_bytes_max: usize::MAX,
        fetch_bytes_max: usize::MAX,
        buffered_bytes_max: usize::MAX,
        ..FetchConfig::default()
    };
    assert_eq!(
        World::new(config).fetcher.config().fetch_bytes_max,
        i32::MAX as usize
    );
}
