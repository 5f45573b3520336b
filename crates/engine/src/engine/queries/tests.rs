use milena_consumer::IsolationLevel;
use milena_wire::messages::{
    ListOffsetsPartitionResponse, ListOffsetsTopicResponse, OffsetFetchResponseGroup,
    OffsetFetchResponsePartition, OffsetFetchResponsePartitions, OffsetFetchResponseTopic,
    OffsetFetchResponseTopics,
};

use super::*;
use crate::config::EngineConfig;
use crate::reply::reply;

fn engine() -> Engine {
    Engine::new(EngineConfig::default(), Arc::default(), 1)
}

fn partitions() -> [TopicPartition; 2] {
    [0, 1].map(|partition| TopicPartition::new("t", partition))
}

/// As from version 8 on: partition and offset, of one group.
fn group(
    group_id: &str,
    rows: impl IntoIterator<Item = (i32, i64)>,
) -> OffsetFetchResponseGroup<'_> {
    let rows = rows.into_iter();
    let partitions =
        rows.map(
            |(partition_index, committed_offset)| OffsetFetchResponsePartitions {
                partition_index,
                committed_offset,
                ..Default::default()
            },
        );
    OffsetFetchResponseGroup {
        group_id,
        topics: vec![OffsetFetchResponseTopics {
            name: "t",
            partitions: partitions.collect(),
            ..Default::default()
        }],
        ..Default::default()
    }
}

fn judged(response: &OffsetFetchResponse<'_>) -> Verdict {
    engine().judge_committed(&"g".into(), &partitions(), response)
}

fn answered(verdict: Verdict) -> Vec<Option<i64>> {
    let Verdict::Answered(QueryAnswer::Committed(found)) = verdict else {
        panic!("not taken for an answer");
    };
    let position = |position: Option<CommittedPosition>| Some(position?.cursor.position);
    let found = found.into_iter();
    found.map(|(_, committed)| position(committed)).collect()
}

#[test]
fn a_group_that_has_committed_nothing_has_no_position() {
    let response = OffsetFetchResponse {
        groups: vec![group("g", [(0, 7), (1, -1)])],
        ..Default::default()
    };
    assert_eq!(answered(judged(&response)), [Some(7), None]);
}

#[test]
fn a_partition_that_is_left_out_of_the_answer_is_asked_for_again() {
    let newer = OffsetFetchResponse {
        groups: vec![group("g", [(0, 7)])],
        ..Default::default()
    };
    assert!(matches!(judged(&newer), Verdict::Again(_)));
    let row = OffsetFetchResponsePartition {
        partition_index: 1,
        committed_offset: 7,
        ..Default::default()
    };
    let older = OffsetFetchResponse {
        topics: vec![OffsetFetchResponseTopic {
            name: "t",
            partitions: vec![row],
        }],
        ..Default::default()
    };
    assert!(matches!(judged(&older), Verdict::Again(_)));
    assert!(matches!(
        judged(&OffsetFetchResponse::default()),
        Verdict::Again(_)
    ));
}

#[test]
fn what_another_group_has_committed_is_no_answer() {
    let both = || [(0, 7), (1, 7)];
    let other = OffsetFetchResponse {
        groups: vec![group("h", both())],
        ..Default::default()
    };
    assert!(matches!(judged(&other), Verdict::Again(_)));
    let beside = OffsetFetchResponse {
        groups: vec![group("h", both()), group("g", [(0, 3), (1, 4)])],
        ..Default::default()
    };
    assert_eq!(answered(judged(&beside)), [Some(3), Some(4)]);
}

#[test]
fn an_end_that_no_log_can_have_is_no_answer() {
    #[allow(clippy::disallowed_methods, reason = "where the test's time begins")]
    let now = Instant::now();
    let mut engine = engine();
    let (reply, _answer) = reply();
    let kind = QueryKind::ListOffsets {
        isolation: IsolationLevel::ReadCommitted,
        timestamp: -1,
        partitions: partitions().to_vec(),
    };
    engine.queries.ask(kind, now, reply);
    let row = |partition_index, offset| ListOffsetsPartitionResponse {
        partition_index,
        offset,
        ..Default::default()
    };
    let answer = |rows| ListOffsetsResponse {
        topics: vec![ListOffsetsTopicResponse {
            name: "t",
            partitions: rows,
        }],
        ..Default::default()
    };
    let first = answer(vec![row(0, 5), row(1, -1)]);
    let verdict = engine.judge_offsets(1, &partitions(), &first);
    assert!(matches!(verdict, Verdict::Next), "the rest is asked for");
    let second = answer(vec![row(1, -1)]);
    let verdict = engine.judge_offsets(1, &partitions(), &second);
    assert!(matches!(verdict, Verdict::Again(_)));
}
