//! Fetch sessions (KIP-227).

use milena_testbroker::{Action, ApiKey, BrokerConfig, ConnectionId, Rule};
use milena_wire::messages::{
    FetchPartition, FetchRequest, FetchResponse, FetchTopic, ForgottenTopic,
};
use milena_wire::{ApiVersion, ErrorCode, Payload, Uuid, decode_response};

use crate::harness::{Cluster, ms, plain};

/// What an answer says: error, session, and by partition its error and whether it has records.
type Said = (ErrorCode, i32, Vec<(i32, ErrorCode, bool)>);

/// One node with topic `t` of three partitions.
fn cluster() -> Cluster {
    let mut cluster = Cluster::new(BrokerConfig::default());
    cluster.broker.create_topic("t", 3);
    cluster
}

fn request(session: i32, epoch: i32, offsets: &[(i32, i64)]) -> FetchRequest<'static> {
    let partitions = offsets
        .iter()
        .map(|(partition, fetch_offset)| FetchPartition {
            partition: *partition,
            fetch_offset: *fetch_offset,
            partition_max_bytes: 1 << 20,
            ..Default::default()
        });
    let partitions: Vec<_> = partitions.collect();
    let topic = FetchTopic {
        topic: "t",
        partitions,
        ..Default::default()
    };
    FetchRequest {
        session_id: session,
        session_epoch: epoch,
        topics: vec![topic]
            .into_iter()
            .filter(|topic| !topic.partitions.is_empty())
            .collect(),
        ..Default::default()
    }
}

fn said(response: &FetchResponse<'_>) -> Said {
    let partitions = response
        .responses
        .iter()
        .flat_map(|topic| &topic.partitions);
    let partitions = partitions.map(|data| {
        let records = data.records.as_ref().map_or(0, Payload::len);
        (data.partition_index, data.error_code, records > 0)
    });
    (
        response.error_code,
        response.session_id,
        partitions.collect(),
    )
}

fn ask(cluster: &mut Cluster, request: &FetchRequest<'_>) -> Said {
    cluster.ask(1, 12, request, |response| said(&response))
}

fn write(cluster: &mut Cluster, partition: i32) {
    cluster
        .produce(1, 11, None, partition, plain(&["a"]))
        .unwrap();
}

/// A session that knows all three partitions, empty.
fn session(cluster: &mut Cluster) -> i32 {
    let all = request(0, 0, &[(0, 0), (1, 0), (2, 0)]);
    let (error, session, told) = ask(cluster, &all);
    assert_eq!((error, told.len()), (ErrorCode::NONE, 3));
    assert_ne!(session, 0);
    session
}

const OK: ErrorCode = ErrorCode::NONE;

#[test]
fn an_incremental_answer_tells_only_what_has_changed() {
    let mut cluster = cluster();
    let id = session(&mut cluster);
    assert_eq!(ask(&mut cluster, &request(id, 1, &[])), (OK, id, vec![]));
    write(&mut cluster, 1);
    let news = ask(&mut cluster, &request(id, 2, &[]));
    assert_eq!(news, (OK, id, vec![(1, OK, true)]));
    let again = ask(&mut cluster, &request(id, 3, &[]));
    assert_eq!(again, news, "its position has not moved");
    let moved = ask(&mut cluster, &request(id, 4, &[(1, 1)]));
    assert_eq!(moved, (OK, id, vec![]));
    cluster.broker.delete_records("t", 1, 1);
    let start = ask(&mut cluster, &request(id, 5, &[]));
    assert_eq!(
        start,
        (OK, id, vec![(1, OK, false)]),
        "the log start has moved"
    );
}

#[test]
fn a_partition_with_an_error_is_told_until_it_is_well_again_and_once_more_then() {
    let mut cluster = cluster();
    let id = session(&mut cluster);
    let bad = (0, ErrorCode::OFFSET_OUT_OF_RANGE, false);
    let out_of_range = ask(&mut cluster, &request(id, 1, &[(0, 9)]));
    assert_eq!(out_of_range, (OK, id, vec![bad]));
    assert_eq!(ask(&mut cluster, &request(id, 2, &[])), (OK, id, vec![bad]));
    let well = ask(&mut cluster, &request(id, 3, &[(0, 0)]));
    assert_eq!(well, (OK, id, vec![(0, OK, false)]));
    assert_eq!(ask(&mut cluster, &request(id, 4, &[])), (OK, id, vec![]));
}

#[test]
fn a_partition_that_had_data_goes_behind_the_others() {
    let mut cluster = cluster();
    for partition in 0..3 {
        write(&mut cluster, partition);
        write(&mut cluster, partition);
    }
    let id = session(&mut cluster);
    // Room for one batch: each time another partition is first.
    let mut firsts = Vec::new();
    for epoch in 1..=6 {
        let mut one = request(id, epoch, &[]);
        one.max_bytes = 1;
        let (_, _, told) = ask(&mut cluster, &one);
        firsts.extend(
            told.iter()
                .filter(|(_, _, data)| *data)
                .map(|(index, _, _)| *index),
        );
    }
    assert_eq!(firsts, [0, 1, 2, 0, 1, 2]);
}

#[test]
fn a_session_must_exist_and_its_epoch_must_be_right() {
    let mut cluster = cluster();
    let id = session(&mut cluster);
    let unknown = ask(&mut cluster, &request(id + 1, 1, &[]));
    assert_eq!(unknown, (ErrorCode::FETCH_SESSION_ID_NOT_FOUND, 0, vec![]));
    for epoch in [2, 7] {
        let wrong = ask(&mut cluster, &request(id, epoch, &[]));
        assert_eq!(wrong, (ErrorCode::INVALID_FETCH_SESSION_EPOCH, 0, vec![]));
    }
    assert_eq!(ask(&mut cluster, &request(id, 1, &[])), (OK, id, vec![]));
    let repeated = ask(&mut cluster, &request(id, 1, &[]));
    assert_eq!(repeated.0, ErrorCode::INVALID_FETCH_SESSION_EPOCH);
    let by_id = cluster.ask(1, 13, &request(id, 2, &[]), |response| said(&response));
    assert_eq!(by_id.0, ErrorCode::FETCH_SESSION_TOPIC_ID_ERROR);
}

#[test]
fn a_full_request_ends_the_session_it_names_and_the_final_epoch_leaves_none() {
    let mut cluster = cluster();
    let id = session(&mut cluster);
    let (error, other, _) = ask(&mut cluster, &request(id, 0, &[(0, 0)]));
    assert_eq!(error, OK);
    assert_ne!(other, id);
    let gone = ask(&mut cluster, &request(id, 1, &[]));
    assert_eq!(gone.0, ErrorCode::FETCH_SESSION_ID_NOT_FOUND);
    let last = ask(&mut cluster, &request(other, -1, &[(0, 0)]));
    assert_eq!(last, (OK, 0, vec![(0, OK, false)]));
    let gone = ask(&mut cluster, &request(other, 1, &[]));
    assert_eq!(gone.0, ErrorCode::FETCH_SESSION_ID_NOT_FOUND);
}

#[test]
fn forgotten_partitions_are_told_no_more_and_the_last_ends_the_session() {
    let mut cluster = cluster();
    let id = session(&mut cluster);
    let forget = |indexes: Vec<i32>, epoch| {
        let mut without = request(id, epoch, &[]);
        without.forgotten_topics_data = vec![ForgottenTopic {
            topic: "t",
            partitions: indexes.into(),
            ..Default::default()
        }];
        without
    };
    assert_eq!(ask(&mut cluster, &forget(vec![0, 1], 1)), (OK, id, vec![]));
    write(&mut cluster, 0);
    write(&mut cluster, 2);
    let rest = ask(&mut cluster, &request(id, 2, &[]));
    assert_eq!(rest, (OK, id, vec![(2, OK, true)]));
    assert_eq!(ask(&mut cluster, &forget(vec![2], 3)), (OK, 0, vec![]));
    let gone = ask(&mut cluster, &request(id, 4, &[]));
    assert_eq!(gone.0, ErrorCode::FETCH_SESSION_ID_NOT_FOUND);
}

#[test]
fn a_session_by_topic_id_notices_that_its_topic_was_made_anew() {
    let mut cluster = cluster();
    let by_id = |cluster: &mut Cluster, request: &FetchRequest<'_>| {
        cluster.ask(1, 13, request, |response| said(&response))
    };
    let mut full = request(0, 0, &[(0, 0)]);
    full.topics[0].topic = "";
    full.topics[0].topic_id = cluster.topic_id("t");
    let (_, id, _) = by_id(&mut cluster, &full);
    cluster.broker.delete_topic("t");
    let gone = by_id(&mut cluster, &request(id, 1, &[]));
    let unknown = (0, ErrorCode::UNKNOWN_TOPIC_OR_PARTITION, false);
    assert_eq!(gone, (OK, id, vec![unknown]));
    cluster.broker.create_topic("t", 1);
    let anew = by_id(&mut cluster, &request(id, 2, &[]));
    let inconsistent = (0, ErrorCode::INCONSISTENT_TOPIC_ID, false);
    assert_eq!(anew, (OK, id, vec![inconsistent]));
    assert_eq!(
        by_id(&mut cluster, &full).2,
        [(0, ErrorCode::UNKNOWN_TOPIC_ID, false)],
        "without a session the old id is simply unknown"
    );
}

#[test]
fn a_topic_id_that_was_unknown_is_found_once_its_topic_is_there() {
    let mut cluster = cluster();
    let mut full = request(0, 0, &[(0, 0)]);
    full.topics[0].topic = "";
    full.topics[0].topic_id = Uuid([9; 16]);
    let (error, id, told) = cluster.ask(1, 13, &full, |response| said(&response));
    assert_eq!(
        (error, told),
        (OK, vec![(0, ErrorCode::UNKNOWN_TOPIC_ID, false)])
    );
    let again = cluster.ask(1, 13, &request(id, 1, &[]), |response| said(&response));
    assert_eq!(again.2, [(0, ErrorCode::UNKNOWN_TOPIC_ID, false)]);
}

#[test]
fn topic_ids_that_nothing_has_are_told_before_partitions_that_are_not_there() {
    let mut cluster = cluster();
    let mut both = request(0, 0, &[(0, 0), (9, 0)]);
    both.topics[0].topic = "";
    both.topics[0].topic_id = cluster.topic_id("t");
    let mut nowhere = request(0, 0, &[(1, 0)]);
    nowhere.topics[0].topic = "";
    nowhere.topics[0].topic_id = Uuid([9; 16]);
    both.topics.append(&mut nowhere.topics);
    let (error, _, told) = cluster.ask(1, 13, &both, |response| said(&response));
    let wanted = vec![
        (0, OK, false),
        (1, ErrorCode::UNKNOWN_TOPIC_ID, false),
        (9, ErrorCode::UNKNOWN_TOPIC_OR_PARTITION, false),
    ];
    assert_eq!((error, told), (OK, wanted));
}

#[test]
fn a_full_cache_makes_room_for_larger_or_later_sessions_only() {
    let mut cluster = Cluster::new(BrokerConfig {
        fetch_session_slots: 1,
        ..Default::default()
    });
    cluster.broker.create_topic("t", 3);
    let make = |cluster: &mut Cluster, offsets: &[(i32, i64)]| {
        let (error, id, _) = ask(cluster, &request(0, 0, offsets));
        assert_eq!(error, OK);
        id
    };
    let two = make(&mut cluster, &[(0, 0), (1, 0)]);
    assert_ne!(two, 0);
    assert_eq!(
        make(&mut cluster, &[(0, 0), (1, 0), (2, 0)]),
        0,
        "it is young"
    );
    cluster.advance(ms(119_000));
    assert_eq!(ask(&mut cluster, &request(two, 1, &[])), (OK, two, vec![]));
    cluster.advance(ms(2_000));
    assert_eq!(make(&mut cluster, &[(0, 0)]), 0, "it is larger, and used");
    let three = make(&mut cluster, &[(0, 0), (1, 0), (2, 0)]);
    assert_ne!(three, 0);
    let evicted = ask(&mut cluster, &request(two, 2, &[]));
    assert_eq!(evicted.0, ErrorCode::FETCH_SESSION_ID_NOT_FOUND);
    cluster.advance(ms(121_000));
    assert_ne!(make(&mut cluster, &[(0, 0)]), 0, "nobody has used it");
}

#[test]
fn a_node_that_stops_forgets_its_sessions() {
    let mut cluster = cluster();
    let id = session(&mut cluster);
    cluster.broker.stop_node(1);
    cluster.broker.start_node(1);
    let gone = ask(&mut cluster, &request(id, 1, &[]));
    assert_eq!(gone.0, ErrorCode::FETCH_SESSION_ID_NOT_FOUND);
}

/// A request of a session that waits for data, and where its answer comes.
fn waiting(cluster: &mut Cluster, id: i32, epoch: i32) -> ConnectionId {
    let conn = cluster.connect(1);
    let mut long = request(id, epoch, &[]);
    long.min_bytes = 1;
    long.max_wait_ms = 1_000;
    cluster.send(conn, 12, &long);
    conn
}

fn received(cluster: &mut Cluster, conn: ConnectionId) -> Option<Said> {
    let frame = cluster.receive(conn)?;
    let response: FetchResponse<'_> = decode_response(&frame, ApiVersion(12)).unwrap();
    Some(said(&response))
}

#[test]
fn a_long_poll_of_a_session_counts_its_epoch_once() {
    let mut cluster = cluster();
    let id = session(&mut cluster);
    let conn = waiting(&mut cluster, id, 1);
    cluster.advance(ms(10));
    assert_eq!(received(&mut cluster, conn), None);
    write(&mut cluster, 2);
    assert_eq!(
        received(&mut cluster, conn),
        Some((OK, id, vec![(2, OK, true)]))
    );
    let next = ask(&mut cluster, &request(id, 2, &[(2, 1)]));
    assert_eq!(next, (OK, id, vec![]));
}

#[test]
fn a_waiting_request_that_another_has_overtaken_is_told_so() {
    let mut cluster = cluster();
    let id = session(&mut cluster);
    let conn = waiting(&mut cluster, id, 1);
    assert_eq!(ask(&mut cluster, &request(id, 2, &[])), (OK, id, vec![]));
    write(&mut cluster, 0);
    let late = received(&mut cluster, conn).expect("it looks again");
    assert_eq!(late.0, ErrorCode::INVALID_FETCH_SESSION_EPOCH);
}

#[test]
fn a_rule_about_a_partition_meets_the_sessions_that_read_it() {
    let mut cluster = cluster();
    let id = session(&mut cluster);
    let error = ErrorCode::KAFKA_STORAGE_ERROR;
    let rule = Rule::on(ApiKey::FETCH).topic_partition("t", 1);
    cluster.broker.faults().add(rule, Action::Error(error));
    let told = ask(&mut cluster, &request(id, 1, &[]));
    assert_eq!(told, (OK, id, vec![(1, error, false)]));
    let rule = Rule::on(ApiKey::FETCH).topic("u").optional();
    cluster.broker.faults().add(rule, Action::DropBeforeApply);
    let again = ask(&mut cluster, &request(id, 2, &[]));
    assert_eq!(again, (OK, id, vec![(1, OK, false)]));
}
