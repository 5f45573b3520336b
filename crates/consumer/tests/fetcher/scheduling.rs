//! When what is asked, of whom, in which slot, and how much memory it may take.

use milena_cluster::{LeaderEpoch, TopicPartition};
use milena_consumer::{Cursor, FetchConfig, FetchEvent, StartPosition};

use crate::batch::Spec;
use crate::world::{World, data, ms, refused, tp};
use milena_wire::ErrorCode;

fn world(leaders: &[i32]) -> World {
    World::reading(FetchConfig::default(), leaders)
}

/// A batch of one record at `base`, a good `len` bytes long.
fn large(base: i64, len: usize) -> bytes::Bytes {
    Spec::data(base, &[&"x".repeat(len)]).bytes()
}

#[test]
fn all_partitions_of_a_node_go_in_one_long_poll() {
    let mut world = world(&[1, 2, 1, 2, 1]);
    let (first, second) = (world.fetch(), world.fetch());
    assert_eq!((first.node, first.indexes()), (1, vec![0, 2, 4]));
    assert_eq!((second.node, second.indexes()), (2, vec![1, 3]));
    assert_eq!((first.wait, second.wait, first.slot), (ms(500), ms(500), 0));
    world.assert_quiet();
}

#[test]
fn a_request_says_position_and_epochs() {
    let mut world = world(&[1]);
    world.lead(0, 1, 9);
    world.fetcher.seek(
        &tp(0),
        Cursor {
            position: 42,
            leader_epoch: LeaderEpoch(6),
        },
    );
    let asked = world.fetch().partitions.remove(0);
    assert_eq!(
        (
            asked.position,
            asked.leader_epoch,
            asked.current_leader_epoch
        ),
        (42, LeaderEpoch(6), LeaderEpoch(9))
    );
}

#[test]
fn a_partition_that_becomes_fetchable_is_asked_at_once_beside_a_long_poll() {
    let mut world = world(&[1]);
    assert_eq!(world.fetch().slot, 0);
    world.lead(1, 1, 0);
    world.fetcher.assign(tp(1), StartPosition::Offset(0));
    let beside = world.fetch();
    assert_eq!(
        (beside.slot, beside.indexes(), beside.node),
        (1, vec![1], 1)
    );
    assert_eq!(
        beside.wait,
        ms(500),
        "nothing of the node is left that could become fetchable"
    );
    world.assert_quiet();
}

#[test]
fn a_busy_partition_is_read_without_waiting_for_an_idle_one() {
    let mut world = world(&[1, 1]);
    let both = world.fetch();
    world.answer(
        both.id,
        vec![data(0, &[Spec::data(0, &["a"]).bytes()]), data(1, &[])],
    );
    let idle = world.fetch();
    assert_eq!(idle.indexes(), [1], "it hangs from here on");
    for base in 1..50 {
        world.decode();
        let busy = world.fetch();
        assert_eq!(
            (busy.indexes(), busy.slot),
            (vec![0], 1 - idle.slot),
            "at once, without time passing"
        );
        world.answer(busy.id, vec![data(0, &[Spec::data(base, &["x"]).bytes()])]);
    }
    world.decode();
    assert_eq!(world.offsets().len(), 50);
}

#[test]
fn an_idle_partition_waits_for_a_decode_job_rather_than_take_the_last_slot() {
    let mut world = world(&[1, 1, 1]);
    let first = world.fetch();
    world.answer(
        first.id,
        vec![
            data(0, &[Spec::data(0, &["a"]).bytes()]),
            data(1, &[]),
            data(2, &[]),
        ],
    );
    // Slot 0 hangs with the idle ones; partition 0 is being decoded.
    let idle = world.fetch();
    assert_eq!(idle.indexes(), [1, 2]);
    world.decode();
    let busy = world.fetch();
    assert_eq!((busy.indexes(), busy.slot), (vec![0], 1));
    // Slot 0 comes back with records of 1; 2 would now hang in the last slot while 1 is decoded.
    world.answer(
        idle.id,
        vec![data(1, &[Spec::data(0, &["b"]).bytes()]), data(2, &[])],
    );
    world.assert_quiet();
    world.decode();
    assert_eq!(
        world.fetch().indexes(),
        [2, 1],
        "the one that had nothing comes first"
    );
}

#[test]
fn beside_a_long_poll_a_fetch_is_short_while_another_partition_is_blocked() {
    let config = FetchConfig {
        partition_bytes_max: 1_000,
        ..FetchConfig::default()
    };
    let mut world = World::reading(config, &[1, 1, 1]);
    // Partition 2 is full: its user takes nothing.
    let first = world.fetch();
    world.answer(
        first.id,
        vec![
            data(2, &[large(0, 1_000)]),
            data(0, &[]),
            data(1, &[Spec::data(0, &["a"]).bytes()]),
        ],
    );
    let hanging = world.fetch();
    assert_eq!((hanging.indexes(), hanging.wait), (vec![0], ms(500)));
    world.decode();
    // Partition 1 may go into the other slot, but must not block it: 2 may become fetchable at any moment.
    let mut waits = Vec::new();
    for _ in 0..12 {
        let short = world.fetch();
        assert_eq!((short.indexes(), short.slot), (vec![1], 1));
        waits.push(short.wait.as_millis());
        world.advance(short.wait);
        world.answer(short.id, vec![data(1, &[])]);
    }
    assert_eq!(
        waits,
        [0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 500, 500],
        "short at first, and no loop"
    );
    // Records make it short again.
    let short = world.fetch();
    world.answer(short.id, vec![data(1, &[Spec::data(1, &["b"]).bytes()])]);
    world.decode();
    assert_eq!(world.fetch().wait, ms(0));
}

#[test]
fn a_partition_whose_batches_are_taken_is_asked_at_once() {
    let config = FetchConfig {
        partition_bytes_max: 1_000,
        ..FetchConfig::default()
    };
    let mut world = World::reading(config, &[1, 1]);
    let first = world.fetch();
    world.answer(
        first.id,
        vec![data(0, &[large(0, 600), large(1, 600)]), data(1, &[])],
    );
    world.decode();
    let hanging = world.fetch();
    assert_eq!(hanging.indexes(), [1], "partition 0 is full");
    world.assert_quiet();
    let told = world.take(|event| matches!(event, FetchEvent::Batches { .. }));
    let [FetchEvent::Batches { batches, .. }] = &told[..] else {
        panic!("{told:?}")
    };
    world.fetcher.release(&tp(0), batches[0].bytes);
    assert_eq!(world.fetch().indexes(), [0]);
}

#[test]
fn a_node_has_at_most_two_fetches_in_flight() {
    let mut world = World::new(FetchConfig::default());
    let mut slots = Vec::new();
    for partition in 0..5 {
        world.lead(partition, 1, 0);
        world
            .fetcher
            .assign(tp(partition), StartPosition::Offset(0));
        slots.extend(world.try_fetch().map(|fetch| fetch.slot));
    }
    assert_eq!(slots, [0, 1]);
    world.assert_quiet();
}

#[test]
fn one_silent_node_does_not_delay_another() {
    let mut world = world(&[1, 2]);
    let (_silent, mut live) = (world.fetch(), world.fetch());
    for base in 0..10 {
        world.answer(live.id, vec![data(1, &[Spec::data(base, &["x"]).bytes()])]);
        world.decode();
        live = world.fetch();
        assert_eq!(live.node, 2);
    }
}

#[test]
fn partitions_take_turns_at_the_front_of_the_answer() {
    let mut world = world(&[1, 1, 1]);
    let mut bases = [0_i64; 3];
    let mut served = Vec::new();
    for _ in 0..6 {
        let fetch = world.fetch();
        let front = fetch.indexes()[0];
        served.push(front);
        // The broker fills its answer with the first partition alone.
        let base = &mut bases[front as usize];
        let answers = fetch.indexes().into_iter().map(|index| {
            if index == front {
                data(index, &[Spec::data(*base, &["x"]).bytes()])
            } else {
                data(index, &[])
            }
        });
        let answers = answers.collect();
        *base += 1;
        world.answer(fetch.id, answers);
        world.decode();
        world.records();
    }
    assert_eq!(served, [0, 1, 2, 0, 1, 2]);
}

#[test]
fn a_seek_makes_the_answer_on_its_way_void() {
    let mut world = world(&[1]);
    let old = world.fetch();
    world.fetcher.seek(&tp(0), Cursor::at(50));
    let new = world.fetch();
    assert_eq!(
        (new.partitions[0].position, new.slot),
        (50, 1),
        "at once, beside the old one"
    );
    world.answer(old.id, vec![data(0, &[Spec::data(0, &["old"]).bytes()])]);
    world.decode();
    assert_eq!(
        (
            world.offsets(),
            world.position(0),
            world.fetcher.poll_timeout()
        ),
        (vec![], 50, None)
    );
    world.answer(new.id, vec![data(0, &[Spec::data(50, &["new"]).bytes()])]);
    world.decode();
    assert_eq!(world.offsets(), [50]);
    assert_eq!(world.fetcher.buffered_bytes(), 0);
}

#[test]
fn a_seek_makes_errors_and_lost_answers_from_before_void() {
    let mut world = world(&[1]);
    let old = world.fetch();
    world.fetcher.seek(&tp(0), Cursor::at(50));
    world.answer(old.id, vec![refused(0, ErrorCode::OFFSET_OUT_OF_RANGE)]);
    assert_eq!(world.failures(), []);
    let old = world.fetch();
    world.fetcher.seek(&tp(0), Cursor::at(60));
    world.lose(old.id);
    assert_eq!(
        world.fetch().partitions[0].position,
        60,
        "no wait for what does not matter any more"
    );
}

#[test]
fn a_seek_makes_decode_jobs_and_their_results_void() {
    let mut world = world(&[1]);
    let fetch = world.fetch();
    world.answer(fetch.id, vec![data(0, &[Spec::data(0, &["old"]).bytes()])]);
    world.fetcher.seek(&tp(0), Cursor::at(50));
    assert!(
        world.fetcher.poll_decode().is_none(),
        "it need not even run"
    );
    let fetch = world.fetch();
    world.answer(fetch.id, vec![data(0, &[Spec::data(50, &["old"]).bytes()])]);
    let running = world.job();
    world.fetcher.seek(&tp(0), Cursor::at(0));
    world.finish(running);
    assert_eq!((world.offsets(), world.position(0)), (vec![], 0));
    assert_eq!(world.fetcher.buffered_bytes(), 0);
}

#[test]
fn a_seek_takes_back_what_was_not_told_yet() {
    let mut world = world(&[1]);
    let fetch = world.fetch();
    world.answer(fetch.id, vec![data(0, &[Spec::data(0, &["old"]).bytes()])]);
    let done = world.job().run();
    world.fetcher.handle_decoded(world.now, done);
    world.fetcher.seek(&tp(0), Cursor::at(9));
    world.collect();
    assert_eq!(
        (world.offsets(), world.fetcher.buffered_bytes()),
        (vec![], 0)
    );
}

#[test]
fn a_partition_assigned_anew_takes_nothing_of_its_former_assignment() {
    let mut world = world(&[1]);
    let old = world.fetch();
    world.fetcher.unassign(&tp(0));
    world.fetcher.assign(tp(0), StartPosition::Offset(7));
    world.answer(old.id, vec![data(0, &[Spec::data(0, &["old"]).bytes()])]);
    world.decode();
    assert_eq!((world.offsets(), world.position(0)), (vec![], 7));
}

#[test]
fn an_unassigned_partition_is_neither_asked_nor_told_about() {
    let mut world = world(&[1]);
    let fetch = world.fetch();
    world.fetcher.unassign(&tp(0));
    world.answer(fetch.id, vec![data(0, &[Spec::data(0, &["x"]).bytes()])]);
    world.assert_quiet();
    assert!(world.events.is_empty() && world.fetcher.poll_decode().is_none());
    assert_eq!(
        (
            world.fetcher.position(&tp(0)),
            world.fetcher.poll_timeout(),
            world.fetcher.buffered_bytes()
        ),
        (None, None, 0)
    );
    // Commands for what is not assigned change nothing.
    world.fetcher.seek(&tp(0), Cursor::at(3));
    world.fetcher.retry(&tp(0));
    world.fetcher.release(&tp(0), 1_000);
    world.assert_quiet();
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
    let mut world = world(&[1, 1]);
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
    let mut world = world(&leaders);
    for node in &leaders {
        assert_eq!(world.fetch().node, *node, "each has its long poll");
    }
    assert!(world.fetcher.buffered_bytes() <= world.fetcher.config().buffered_bytes_max);
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

#[test]
fn a_partition_follows_its_leader() {
    let mut world = world(&[1]);
    let fetch = world.fetch();
    world.lead(0, 2, 1);
    world.answer(fetch.id, vec![data(0, &[Spec::data(0, &["a"]).bytes()])]);
    world.decode();
    let moved = world.fetch();
    assert_eq!(
        (moved.node, moved.partitions[0].current_leader_epoch),
        (2, LeaderEpoch(1))
    );
}

#[test]
fn topics_are_told_apart() {
    let mut world = world(&[1]);
    let other = TopicPartition::new("u", 0);
    world
        .leaders
        .insert(other.clone(), (milena_cluster::NodeId(1), LeaderEpoch(0)));
    world
        .fetcher
        .assign(other.clone(), StartPosition::Offset(5));
    let fetch = world.fetch();
    assert_eq!(fetch.partitions.len(), 2);
    world.answer(fetch.id, vec![data(0, &[Spec::data(0, &["a"]).bytes()])]);
    world.decode();
    assert_eq!(
        (world.position(0), world.fetcher.position(&other)),
        (1, Some(Cursor::at(5)))
    );
}
