//! The requests as Kafka reads them.

use std::time::Duration;

use milena_cluster::{LeaderEpoch, NodeId, TopicPartition};
use milena_consumer::{FetchId, FetchPartition, FetcherRequest, IsolationLevel};
use milena_wire::messages::{FetchRequest, ListOffsetsRequest};
use milena_wire::{
    ApiVersion, CorrelationId, Decode, Reader, Uuid, decode_request_header, encode_request,
};

fn asked(topic: &str, partition: i32) -> FetchPartition {
    FetchPartition {
        tp: TopicPartition::new(topic, partition),
        position: 42,
        leader_epoch: LeaderEpoch(6),
        current_leader_epoch: LeaderEpoch(7),
    }
}

fn fetch() -> FetcherRequest {
    FetcherRequest::Fetch {
        id: FetchId(1),
        node: NodeId(1),
        slot: 0,
        partitions: vec![asked("a", 0), asked("a", 1), asked("b", 0)],
        wait_max: Duration::from_millis(500),
        bytes_max: 1 << 33,
        partition_bytes_max: 1_000,
    }
}

fn topic_id(name: &str) -> Uuid {
    Uuid([name.as_bytes()[0]; 16])
}

#[test]
fn a_fetch_can_be_written_in_every_version() {
    for version in (4..=18).map(ApiVersion) {
        let request = fetch();
        let message = request
            .to_fetch(IsolationLevel::ReadCommitted, version, &topic_id)
            .expect("a Fetch");
        let frame = encode_request(&message, version, CorrelationId(1), None)
            .expect("every field fits")
            .to_bytes()
            .slice(4..);
        let mut reader = Reader::new(&frame);
        decode_request_header(&mut reader).expect("its header");
        let read = FetchRequest::decode(&mut reader, version).expect("its body");
        assert_eq!(
            (
                read.isolation_level,
                read.session_id,
                read.session_epoch,
                read.min_bytes,
                read.max_wait_ms
            ),
            (1, 0, -1, 1, 500)
        );
        assert_eq!(
            (read.max_bytes, read.forgotten_topics_data.len()),
            (i32::MAX, 0)
        );
        assert_eq!(read.topics.len(), 2, "one entry a topic");
        let part = &read.topics[0].partitions[1];
        assert_eq!(
            (part.partition, part.fetch_offset, part.partition_max_bytes),
            (1, 42, 1_000)
        );
        let epochs = (
            if version.0 >= 9 { 7 } else { -1 },
            if version.0 >= 12 { 6 } else { -1 },
        );
        assert_eq!(
            (part.current_leader_epoch, part.last_fetched_epoch),
            epochs,
            "{version}"
        );
        let named = if version.0 >= 13 {
            ("", topic_id("b"))
        } else {
            ("b", Uuid::ZERO)
        };
        assert_eq!((read.topics[1].topic, read.topics[1].topic_id), named);
    }
}

#[test]
fn a_list_offsets_says_the_isolation_level() {
    let request = FetcherRequest::ListOffsets {
        id: FetchId(1),
        node: NodeId(1),
        partitions: vec![
            (TopicPartition::new("a", 0), -1, LeaderEpoch(3)),
            (TopicPartition::new("a", 2), -2, LeaderEpoch(4)),
        ],
    };
    for (isolation, code) in [
        (IsolationLevel::ReadUncommitted, 0),
        (IsolationLevel::ReadCommitted, 1),
    ] {
        let message = request.to_list_offsets(isolation).expect("a ListOffsets");
        encode_request(&message, ApiVersion(9), CorrelationId(1), None).expect("every field fits");
        assert_eq!((message.replica_id, message.isolation_level), (-1, code));
        let [topic] = &message.topics[..] else {
            panic!("one entry a topic")
        };
        let parts: Vec<_> = topic
            .partitions
            .iter()
            .map(|part| {
                (
                    part.partition_index,
                    part.timestamp,
                    part.current_leader_epoch,
                )
            })
            .collect();
        assert_eq!((topic.name, parts), ("a", vec![(0, -1, 3), (2, -2, 4)]));
    }
    assert!(
        request
            .to_fetch(IsolationLevel::ReadCommitted, ApiVersion(12), &topic_id)
            .is_none()
    );
    assert!(
        fetch()
            .to_list_offsets(IsolationLevel::ReadCommitted)
            .is_none()
    );
    let _: Option<ListOffsetsRequest<'_>> = request.to_list_offsets(IsolationLevel::ReadCommitted);
}
