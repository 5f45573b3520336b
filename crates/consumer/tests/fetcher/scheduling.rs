//! When what is asked, of whom, and in which slot.

use milena_cluster::{LeaderEpoch, TopicPartition};
use milena_consumer::{Cursor, FetchConfig, FetchEvent, StartPosition};

use crate::batch::Spec;
use crate::world::{World, data, ms, refused, run, tp};
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
fn a_new_block_begins_with_short_fetches_again() {
    let config = FetchConfig {
        partition_bytes_max: 1_000,
        ..FetchConfig::default()
    };
    let mut world = World::reading(config, &[1, 1, 1]);
    let first = world.fetch();
    world.answer(
        first.id,
        vec![
            data(2, &[large(0, 1_000)]),
            data(0, &[]),
            data(1, &[Spec::data(0, &["a"]).bytes()]),
        ],
    );
    world.fetch();
    world.decode();
    let mut last = ms(0);
    for _ in 0..8 {
        let short = world.fetch();
        last = short.wait;
        world.answer(short.id, vec![data(1, &[])]);
    }
    assert_eq!(last, ms(64));
    world.records();
    let both = world.fetch();
    assert_eq!((both.indexes(), both.wait), (vec![2, 1], ms(500)));
    world.advance(both.wait);
    world.answer(both.id, vec![data(1, &[]), data(2, &[])]);
    world.lead(3, 1, 0);
    world.fetcher.assign(tp(3), StartPosition::Earliest);
    world.list();
    let short = world.fetch();
    assert_eq!(
        (short.indexes(), short.wait),
        (vec![2, 1], ms(0)),
        "3 may become fetchable at any moment"
    );
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
    let done = run(world.job());
    world.fetcher.handle_decoded(world.now, done);
    world.fetcher.seek(&tp(0), Cursor::at(9));
    world.collect();
    assert_eq!(
        (world.offsets(), world.fetcher.buffered_bytes()),
        (vec![], 0)
    );
}

#[test]
fn an_unassigned_partition_takes_back_what_was_not_told_yet() {
    let mut world = world(&[1]);
    let fetch = world.fetch();
    world.answer(fetch.id, vec![data(0, &[Spec::data(0, &["old"]).bytes()])]);
    let done = run(world.job());
    world.fetcher.handle_decoded(world.now, done);
    world.fetcher.unassign(&tp(0));
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
