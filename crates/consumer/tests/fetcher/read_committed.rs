//! What a reader sees of transactions. Each case is one that some client once got wrong.

use milena_cluster::LeaderEpoch;
use milena_consumer::{
    AbortedTransactions, Cursor, FetchConfig, FetchError, FetchEvent, IsolationLevel, Visibility,
};
use milena_wire::record::{Compression, batches};

use crate::batch::{ABORT, COMMIT, Spec, concat, marker, markers};
use crate::log::Log;
use crate::world::{World, aborted, data, ms, tp};

fn committed() -> World {
    World::reading(FetchConfig::default(), &[1])
}

fn uncommitted() -> World {
    World::reading(
        FetchConfig {
            isolation: IsolationLevel::ReadUncommitted,
            ..FetchConfig::default()
        },
        &[1],
    )
}

#[test]
fn aborted_records_are_skipped_and_the_position_moves_on() {
    let mut log = Log::default();
    log.transact(5, &["lost", "lost"]);
    log.abort(5);
    let mut world = committed();
    assert_eq!(world.read_log(&log, usize::MAX), []);
    assert_eq!(world.position(0), 3);
    // Without records there is still something to tell: whoever commits positions would else stand still.
    assert_eq!(
        world.moves(),
        [Cursor {
            position: 3,
            leader_epoch: LeaderEpoch(0)
        }]
    );
    assert_eq!(world.failures(), []);
    assert_eq!(
        world.fetcher.buffered_bytes(),
        0,
        "nothing was shown, so nothing is held"
    );
}

#[test]
fn committed_records_are_returned() {
    let mut log = Log::default();
    log.transact(5, &["a", "b"]);
    log.commit(5);
    let mut world = committed();
    assert_eq!(
        world.read_log(&log, usize::MAX),
        [(0, "a".into()), (1, "b".into())]
    );
    assert_eq!(world.position(0), 3, "the marker is behind us");
}

#[test]
fn interleaved_transactions_are_told_apart() {
    // Java's testReadCommittedWithCommittedAndAbortedTransactions.
    let mut log = Log::default();
    log.transact(1, &["abort1-1"]);
    log.transact(2, &["commit1-1"]);
    log.abort(1);
    log.append(&["plain"]);
    log.transact(2, &["commit1-2"]);
    log.commit(2);
    log.transact(1, &["commit2-1"]);
    log.transact(2, &["abort2-1"]);
    log.commit(1);
    log.abort(2);
    let mut world = committed();
    let seen = world.read_log(&log, usize::MAX);
    assert_eq!(
        seen.iter()
            .map(|(_, value)| value.as_str())
            .collect::<Vec<_>>(),
        ["commit1-1", "plain", "commit1-2", "commit2-1"]
    );
    assert_eq!(world.position(0), log.end);
}

#[test]
fn a_second_abort_marker_changes_nothing() {
    let mut log = Log::default();
    log.transact(1, &["lost"]);
    log.abort(1);
    log.abort(1);
    log.transact(1, &["kept"]);
    log.commit(1);
    assert_eq!(committed().read_log(&log, usize::MAX), [(3, "kept".into())]);
}

#[test]
fn an_abort_marker_without_data_hides_nothing_that_follows() {
    // The transaction wrote to other partitions only: no entry lists it here.
    let mut log = Log::default();
    log.abort(1);
    log.transact(1, &["kept"]);
    log.commit(1);
    assert_eq!(committed().read_log(&log, usize::MAX), [(1, "kept".into())]);
}

#[test]
fn an_entry_whose_transaction_begins_before_the_log_hides_the_rest_of_it() {
    // Java's testReadCommittedWithCompactedTopic: compaction took the beginning of the transaction, and some markers.
    let mut world = committed();
    let listed = [(1, -3), (2, 6), (1, 0)];
    let records = [
        Spec::data(3, &["3", "4"]).transactional(1).bytes(),
        Spec::data(5, &["5"]).transactional(3).bytes(),
        marker(6, 1, &ABORT),
        Spec::data(7, &["7", "8"]).transactional(2).bytes(),
        Spec::data(9, &["9"]).transactional(1).bytes(),
        marker(10, 3, &COMMIT),
        marker(11, 1, &COMMIT),
    ];
    world.step(aborted(&listed, data(0, &records)));
    assert_eq!(world.offsets(), [5, 9]);
    assert_eq!(world.position(0), 12);
}

#[test]
fn nothing_of_one_answer_is_carried_into_the_next() {
    let mut world = committed();
    // The abort marker was compacted away, so producer 1 ends this answer as an aborted one.
    world.step(aborted(
        &[(1, 0)],
        data(0, &[Spec::data(0, &["lost"]).transactional(1).bytes()]),
    ));
    world.step(aborted(
        &[],
        data(0, &[Spec::data(1, &["kept"]).transactional(1).bytes()]),
    ));
    assert_eq!(world.values(), ["kept"]);
}

#[test]
fn transactions_split_over_many_answers_stay_whole() {
    let mut log = Log::default();
    for round in 0..5 {
        log.transact(1, &["a", "b"]);
        log.transact(2, &["c"]);
        log.append(&["d"]);
        log.transact(1, &["e"]);
        if round % 2 == 0 {
            log.abort(1)
        } else {
            log.commit(1)
        }
        log.transact(2, &["f"]);
        if round % 3 == 0 {
            log.abort(2)
        } else {
            log.commit(2)
        }
    }
    for bytes_max in [1, 150, 300, 700, 5_000] {
        assert_eq!(
            committed().read_log(&log, bytes_max),
            log.expected(IsolationLevel::ReadCommitted),
            "{bytes_max}"
        );
    }
}

#[test]
fn an_open_transaction_stops_the_reader_until_it_is_decided() {
    let mut log = Log::default();
    log.append(&["before"]);
    log.transact(1, &["open"]);
    log.append(&["behind"]);
    let mut world = committed();
    assert_eq!(world.read_log(&log, usize::MAX), [(0, "before".into())]);
    assert_eq!(
        (
            world.position(0),
            world.fetcher.last_stable_offset(&tp(0)),
            world.fetcher.high_watermark(&tp(0))
        ),
        (1, Some(1), Some(3))
    );
    log.commit(1);
    assert_eq!(
        world.read_log(&log, usize::MAX),
        [(1, "open".into()), (2, "behind".into())]
    );
}

#[test]
fn a_broker_that_does_not_cut_at_the_last_stable_offset_shows_us_no_open_transaction() {
    let mut world = committed();
    let answer = |last_stable_offset| {
        let records = [
            Spec::data(0, &["plain"]).bytes(),
            Spec::data(1, &["open"]).transactional(1).bytes(),
            Spec::data(2, &["behind"]).bytes(),
        ];
        milena_wire::messages::PartitionData {
            last_stable_offset,
            ..data(0, &records)
        }
    };
    world.step(answer(1));
    assert_eq!((world.offsets(), world.position(0)), (vec![0], 1));
    // At once the first time: between a broker's reading of the two the transaction may have been committed.
    world.step(answer(1));
    world.step(answer(1));
    assert_eq!((world.offsets(), world.position(0)), (vec![], 1));
    world.assert_quiet();
    assert!(world.advance_to_timeout() >= ms(80), "and then it waits");
    world.step(answer(3));
    assert_eq!((world.offsets(), world.position(0)), (vec![1, 2], 3));
    assert_eq!(world.failures(), []);
}

#[test]
fn what_no_transaction_wrote_is_shown_wherever_the_last_stable_offset_is() {
    // A broker may have read its last stable offset a moment before it read the log.
    let mut world = committed();
    let records = [
        Spec::data(0, &["a"]).bytes(),
        Spec::data(1, &["b"]).by(4).bytes(),
    ];
    world.step(milena_wire::messages::PartitionData {
        last_stable_offset: 0,
        ..data(0, &records)
    });
    assert_eq!(world.offsets(), [0, 1]);
}

#[test]
fn an_abort_list_in_any_order_and_with_duplicates_hides_the_same() {
    // Redpanda does not sort it.
    let records = [
        Spec::data(0, &["0"]).transactional(1).bytes(),
        Spec::data(1, &["1"]).transactional(2).bytes(),
        marker(2, 1, &ABORT),
        marker(3, 2, &ABORT),
        Spec::data(4, &["4"]).transactional(1).bytes(),
        marker(5, 1, &COMMIT),
        Spec::data(6, &["6"]).transactional(1).bytes(),
        marker(7, 1, &ABORT),
        Spec::data(8, &["8"]).transactional(2).bytes(),
        marker(9, 2, &COMMIT),
    ];
    let orders: [&[(i64, i64)]; 4] = [
        &[(1, 0), (2, 1), (1, 6)],
        &[(1, 6), (2, 1), (1, 0)],
        &[(2, 1), (1, 6), (1, 0)],
        &[(1, 6), (1, 0), (1, 6), (2, 1), (1, 0), (2, 1)],
    ];
    for listed in orders {
        let mut world = committed();
        world.step(aborted(listed, data(0, &records)));
        assert_eq!(world.offsets(), [4, 8], "{listed:?}");
    }
}

#[test]
fn an_entry_for_a_transaction_that_is_not_here_is_tolerated() {
    let mut world = committed();
    let records = [
        Spec::data(0, &["0"]).transactional(1).bytes(),
        marker(1, 1, &COMMIT),
    ];
    world.step(aborted(
        &[(9, 0), (8, i64::MAX), (7, i64::MIN)],
        data(0, &records),
    ));
    assert_eq!((world.offsets(), world.failures()), (vec![0], vec![]));
}

#[test]
fn what_an_aborted_producer_wrote_outside_of_a_transaction_is_kept() {
    let mut world = committed();
    let records = [
        Spec::data(0, &["lost"]).transactional(1).bytes(),
        Spec::data(1, &["kept"]).by(1).bytes(),
        marker(2, 1, &ABORT),
    ];
    world.step(aborted(&[(1, 0)], data(0, &records)));
    assert_eq!(world.values(), ["kept"]);
}

#[test]
fn read_uncommitted_returns_aborted_and_open_records_but_no_markers() {
    let mut log = Log::default();
    log.transact(1, &["aborted"]);
    log.abort(1);
    log.transact(2, &["open"]);
    assert_eq!(
        uncommitted().read_log(&log, usize::MAX),
        [(0, "aborted".into()), (2, "open".into())]
    );
}

#[test]
fn control_records_are_hidden_whatever_they_say() {
    for mut world in [committed(), uncommitted()] {
        let kinds: [&[u8]; 4] = [
            &[0, 0, 0, 2],
            &[0, 9, 0, 1],
            &[0, 0, 0, 1, 5, 5],
            &[0x7f, 0xff, 0xff, 0xff],
        ];
        let mut records: Vec<_> = (0..)
            .zip(kinds)
            .map(|(base, key)| marker(base, 1, key))
            .collect();
        records.push(Spec::data(4, &["seen"]).bytes());
        world.step(data(0, &records));
        assert_eq!((world.offsets(), world.failures()), (vec![4], vec![]));
    }
}

#[test]
fn an_empty_control_batch_moves_the_position() {
    let mut world = committed();
    // Compaction took its marker; the transaction in front of it stays aborted to its end.
    let records = [
        Spec::data(0, &["lost"]).transactional(1).bytes(),
        markers(1, 1, &[]),
        Spec::data(2, &["kept"]).bytes(),
    ];
    world.step(aborted(&[(1, 0)], data(0, &records)));
    assert_eq!(
        (world.offsets(), world.position(0), world.failures()),
        (vec![2], 3, vec![])
    );
}

#[test]
fn a_control_batch_of_the_broker_itself_is_hidden() {
    let mut world = committed();
    world.step(data(
        0,
        &[marker(0, -1, &ABORT), Spec::data(1, &["seen"]).bytes()],
    ));
    assert_eq!(world.offsets(), [1]);
}

#[test]
fn an_empty_batch_kept_by_compaction_moves_the_position() {
    for mut world in [committed(), uncommitted()] {
        world.fetcher.seek(&tp(0), Cursor::at(37));
        world.step(data(
            0,
            &[Spec::compacted(37, 54, &[]).by(7).epoch(3).bytes()],
        ));
        assert_eq!(
            world.cursor(0),
            Cursor {
                position: 55,
                leader_epoch: LeaderEpoch(3)
            }
        );
        assert_eq!(
            (world.moves().len(), world.offsets(), world.failures()),
            (1, vec![], vec![])
        );
        assert_eq!(world.fetch().partitions[0].position, 55);
    }
}

#[test]
fn the_position_follows_the_batch_and_not_its_last_record() {
    // KAFKA-5443: else the same batch is fetched again and again.
    let mut world = committed();
    world.step(data(
        0,
        &[
            Spec::compacted(0, 9, &[(2, "2"), (5, "5")]).bytes(),
            Spec::compacted(20, 24, &[(21, "21")]).bytes(),
        ],
    ));
    assert_eq!((world.offsets(), world.position(0)), (vec![2, 5, 21], 25));
}

#[test]
fn a_batch_whose_records_at_the_position_are_gone_shows_nothing() {
    let mut world = committed();
    world.fetcher.seek(&tp(0), Cursor::at(6));
    world.step(data(
        0,
        &[Spec::compacted(0, 9, &[(2, "2"), (5, "5")]).bytes()],
    ));
    assert!(
        world
            .take(|event| matches!(event, FetchEvent::Batches { .. }))
            .is_empty(),
        "an empty batch is no news"
    );
    assert_eq!((world.position(0), world.moves().len()), (10, 1));
}

#[test]
fn a_marker_moves_the_position_with_its_own_leader_epoch() {
    // librdkafka #4384: stored without the marker's epoch, the position looks truncated after the next election.
    let mut world = committed();
    let marker = crate::batch::patched(&marker(1, 1, &COMMIT), 12, &4_i32.to_be_bytes());
    world.step(data(
        0,
        &[
            Spec::data(0, &["a"]).transactional(1).epoch(3).bytes(),
            marker,
        ],
    ));
    let after = Cursor {
        position: 2,
        leader_epoch: LeaderEpoch(4),
    };
    assert_eq!((world.cursor(0), world.moves()), (after, vec![after]));
    assert_eq!(world.fetch().partitions[0].leader_epoch, LeaderEpoch(4));
}

#[test]
fn a_batch_carries_the_position_after_it_and_over_what_shows_nothing_before_it() {
    let mut world = committed();
    let records = [
        Spec::data(0, &["lost"]).transactional(1).bytes(),
        marker(1, 1, &ABORT),
        Spec::data(2, &["a", "b"]).bytes(),
        Spec::data(4, &["c"]).bytes(),
    ];
    let total: usize = records.iter().map(bytes::Bytes::len).sum();
    world.step(aborted(&[(1, 0)], data(0, &records)));
    let told = world.take(|event| matches!(event, FetchEvent::Batches { .. }));
    let [FetchEvent::Batches { batches, .. }] = &told[..] else {
        panic!("{told:?}")
    };
    assert_eq!(
        batches
            .iter()
            .map(|batch| batch.cursor.position)
            .collect::<Vec<_>>(),
        [4, 5]
    );
    assert_eq!(
        batches.iter().map(|batch| batch.bytes).sum::<usize>(),
        total,
        "the frame lives while any of it does"
    );
    assert_eq!(world.fetcher.buffered_bytes(), total);
    assert_eq!(world.moves(), []);
}

#[test]
fn aborted_batches_are_skipped_without_being_decompressed() {
    // librdkafka #3020 leaked aborted records only when they were compressed.
    let mut world = committed();
    let squeezed = Spec::data(0, &["lost"])
        .transactional(1)
        .compressed(4)
        .around(b"not even zstd");
    world.step(aborted(
        &[(1, 0)],
        data(
            0,
            &[
                squeezed,
                marker(1, 1, &ABORT),
                Spec::data(2, &["kept"]).bytes(),
            ],
        ),
    ));
    assert_eq!(
        (world.values(), world.failures()),
        (vec!["kept".into()], vec![])
    );
}

#[test]
fn a_batch_of_no_known_codec_is_an_error_after_what_is_before_it() {
    let mut world = committed();
    let records = [
        Spec::data(0, &["seen"]).bytes(),
        Spec::data(1, &["squeezed"]).compressed(5).bytes(),
        Spec::data(2, &["behind"]).bytes(),
    ];
    world.step(data(0, &records));
    assert_eq!((world.offsets(), world.position(0)), (vec![0], 1));
    assert_eq!(
        world.failures(),
        [FetchError::UnsupportedCompression {
            offset: 1,
            compression: Compression::Unknown(5)
        }]
    );
}

#[test]
fn one_fetch_of_aborted_data_alone_is_no_error_however_much_it_is() {
    // librdkafka #2993 said the message was too large.
    let mut log = Log::default();
    for _ in 0..2_000 {
        log.transact(1, &["lost"]);
    }
    log.abort(1);
    let mut world = committed();
    assert_eq!(world.read_log(&log, 1_000), []);
    assert_eq!((world.position(0), world.failures()), (2_001, vec![]));
}

#[test]
fn the_log_ends_are_told_when_they_move() {
    let mut log = Log::default();
    log.append(&["a"]);
    log.transact(1, &["open"]);
    let mut world = committed();
    world.read_log(&log, usize::MAX);
    let told = |world: &mut World| {
        let events = world.take(|event| matches!(event, FetchEvent::HighWatermark { .. }));
        events
            .into_iter()
            .filter_map(|event| match event {
                FetchEvent::HighWatermark {
                    high_watermark,
                    last_stable_offset,
                    ..
                } => Some((high_watermark, last_stable_offset)),
                _ => None,
            })
            .collect::<Vec<_>>()
    };
    assert_eq!(
        told(&mut world),
        [(2, Some(1))],
        "once, though it was said twice"
    );
    log.abort(1);
    world.read_log(&log, usize::MAX);
    assert_eq!(told(&mut world), [(3, Some(3))]);
}

#[test]
fn a_broker_too_old_to_say_the_last_stable_offset_leaves_it_unknown() {
    let mut world = committed();
    let answer = milena_wire::messages::PartitionData {
        last_stable_offset: -1,
        log_start_offset: -1,
        ..data(0, &[Spec::data(0, &["a"]).transactional(1).bytes()])
    };
    world.step(answer);
    assert_eq!(
        (
            world.fetcher.last_stable_offset(&tp(0)),
            world.fetcher.log_start_offset(&tp(0))
        ),
        (None, None)
    );
    assert_eq!(world.offsets(), [0]);
}

#[test]
fn the_filter_alone_follows_the_batches_it_is_shown() {
    let all = concat(&[
        Spec::data(0, &["x"]).transactional(1).bytes(),
        marker(1, 1, &ABORT),
        Spec::data(2, &["y"]).transactional(1).bytes(),
    ]);
    let mut filter = AbortedTransactions::new([(1, 0)]);
    let seen: Vec<_> = batches(all)
        .map(|batch| filter.observe(&batch.expect("whole")).expect("readable"))
        .collect();
    assert_eq!(
        seen,
        [
            Visibility::Aborted,
            Visibility::Control,
            Visibility::Records
        ]
    );
}
