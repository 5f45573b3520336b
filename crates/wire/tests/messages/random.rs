//! Random values of every message in every version. The versions here come from Kafka's schemas a second time, apart from the declarations
//! under test: a wrong one there makes round trips fail.

use bytes::Bytes;
use fastrand::Rng;
use milena_wire::messages::*;
use milena_wire::{ErrorCode, Number, Numbers, Payload, Uuid};

/// Can be made up, such that `version` can carry it.
pub(crate) trait Random {
    fn random(random: &mut Rng, version: i16) -> Self;
}

macro_rules! numbers {
    ($($ty:ident)*) => {$(
        impl Random for $ty {
            fn random(random: &mut Rng, _: i16) -> Self {
                match random.u8(..8) {
                    0 => $ty::MIN,
                    1 => $ty::MAX,
                    2 => -1,
                    3 => 0,
                    _ => random.$ty(..),
                }
            }
        }
    )*};
}

numbers!(i8 i16 i32 i64);

impl Random for bool {
    fn random(random: &mut Rng, _: i16) -> Self {
        random.bool()
    }
}

impl Random for ErrorCode {
    fn random(random: &mut Rng, _: i16) -> Self {
        Self(random.i16(-1..=140))
    }
}

impl Random for Uuid {
    fn random(random: &mut Rng, _: i16) -> Self {
        Self(random.u128(..).to_be_bytes())
    }
}

/// Lengths around those at which a compact length gets longer.
static LONG: &str = "................................................................................................................................";

impl Random for &str {
    fn random(random: &mut Rng, _: i16) -> Self {
        match random.u8(..6) {
            0 => "",
            1 => &LONG[..random.usize(120..=LONG.len())],
            2 => "\u{fc}\u{f1}\u{ef}\u{1f980}",
            3 => "payments",
            4 => "broker-1.example",
            _ => "a",
        }
    }
}

impl Random for Payload {
    fn random(random: &mut Rng, _: i16) -> Self {
        let parts = random.usize(..4);
        let part = |random: &mut Rng| {
            Bytes::from(
                (0..random.usize(..90))
                    .map(|_| random.u8(..))
                    .collect::<Vec<_>>(),
            )
        };
        Self::new((0..parts).map(|_| part(random)).collect())
    }
}

impl<T: Random> Random for Vec<T> {
    fn random(random: &mut Rng, version: i16) -> Self {
        (0..random.usize(..4))
            .map(|_| T::random(random, version))
            .collect()
    }
}

impl<T: Random + Number> Random for Numbers<'_, T> {
    fn random(random: &mut Rng, version: i16) -> Self {
        Vec::random(random, version).into()
    }
}

impl<T: Random> Random for Option<T> {
    fn random(random: &mut Rng, version: i16) -> Self {
        (random.u8(..4) > 0).then(|| T::random(random, version))
    }
}

macro_rules! structs {
    ($($ty:ident $(<$life:lifetime>)? { $($field:ident: $versions:expr $(, null $nullable:expr)?;)* })*) => {$(
        impl $(<$life>)? Random for $ty $(<$life>)? {
            fn random(random: &mut Rng, version: i16) -> Self {
                let mut value = Self::default();
                $(
                    if ($versions).contains(&version) {
                        value.$field = Random::random(random, version);
                        $(
                            if value.$field.is_none() && !($nullable).contains(&version) {
                                value.$field = Some(Random::random(random, version));
                            }
                        )?
                    }
                )*
                value
            }
        }
    )*};
}

structs! {
    ProduceRequest<'a> {
        transactional_id: 3.., null 3..;
        acks: 0..;
        timeout_ms: 0..;
        topic_data: 0..;
    }
    TopicProduceData<'a> {
        name: 0..=12;
        topic_id: 13..;
        partition_data: 0..;
    }
    PartitionProduceData {
        index: 0..;
        records: 0.., null 0..;
    }
    ProduceResponse<'a> {
        responses: 0..;
        throttle_time_ms: 1..;
        node_endpoints: 10..;
    }
    TopicProduceResponse<'a> {
        name: 0..=12;
        topic_id: 13..;
        partition_responses: 0..;
    }
    PartitionProduceResponse<'a> {
        index: 0..;
        error_code: 0..;
        base_offset: 0..;
        log_append_time_ms: 2..;
        log_start_offset: 5..;
        record_errors: 8..;
        error_message: 8.., null 8..;
        current_leader: 10..;
    }
    BatchIndexAndErrorMessage<'a> {
        batch_index: 8..;
        batch_index_error_message: 8.., null 8..;
    }
    ProduceLeaderIdAndEpoch {
        leader_id: 10..;
        leader_epoch: 10..;
    }
    ProduceNodeEndpoint<'a> {
        node_id: 10..;
        host: 10..;
        port: 10..;
        rack: 10.., null 10..;
    }
    FetchRequest<'a> {
        cluster_id: 12.., null 12..;
        replica_id: 0..=14;
        replica_state: 15..;
        max_wait_ms: 0..;
        min_bytes: 0..;
        max_bytes: 3..;
        isolation_level: 4..;
        session_id: 7..;
        session_epoch: 7..;
        topics: 0..;
        forgotten_topics_data: 7..;
        rack_id: 11..;
    }
    ReplicaState {
        replica_id: 15..;
        replica_epoch: 15..;
    }
    FetchTopic<'a> {
        topic: 0..=12;
        topic_id: 13..;
        partitions: 0..;
    }
    FetchPartition {
        partition: 0..;
        current_leader_epoch: 9..;
        fetch_offset: 0..;
        last_fetched_epoch: 12..;
        log_start_offset: 5..;
        partition_max_bytes: 0..;
        replica_directory_id: 17..;
        high_watermark: 18..;
    }
    ForgottenTopic<'a> {
        topic: 7..=12;
        topic_id: 13..;
        partitions: 7..;
    }
    FetchResponse<'a> {
        throttle_time_ms: 1..;
        error_code: 7..;
        session_id: 7..;
        responses: 0..;
        node_endpoints: 16..;
    }
    FetchableTopicResponse<'a> {
        topic: 0..=12;
        topic_id: 13..;
        partitions: 0..;
    }
    PartitionData {
        partition_index: 0..;
        error_code: 0..;
        high_watermark: 0..;
        last_stable_offset: 4..;
        log_start_offset: 5..;
        diverging_epoch: 12..;
        current_leader: 12..;
        snapshot_id: 12..;
        aborted_transactions: 4.., null 4..;
        preferred_read_replica: 11..;
        records: 0.., null 0..;
    }
    EpochEndOffset {
        epoch: 12..;
        end_offset: 12..;
    }
    FetchLeaderIdAndEpoch {
        leader_id: 12..;
        leader_epoch: 12..;
    }
    SnapshotId {
        end_offset: 0..;
        epoch: 0..;
    }
    AbortedTransaction {
        producer_id: 4..;
        first_offset: 4..;
    }
    FetchNodeEndpoint<'a> {
        node_id: 16..;
        host: 16..;
        port: 16..;
        rack: 16.., null 16..;
    }
    ListOffsetsRequest<'a> {
        replica_id: 0..;
        isolation_level: 2..;
        topics: 0..;
        timeout_ms: 10..;
    }
    ListOffsetsTopic<'a> {
        name: 0..;
        partitions: 0..;
    }
    ListOffsetsPartition {
        partition_index: 0..;
        current_leader_epoch: 4..;
        timestamp: 0..;
    }
    ListOffsetsResponse<'a> {
        throttle_time_ms: 2..;
        topics: 0..;
    }
    ListOffsetsTopicResponse<'a> {
        name: 0..;
        partitions: 0..;
    }
    ListOffsetsPartitionResponse {
        partition_index: 0..;
        error_code: 0..;
        timestamp: 1..;
        offset: 1..;
        leader_epoch: 4..;
    }
    MetadataRequest<'a> {
        topics: 0.., null 1..;
        allow_auto_topic_creation: 4..;
        include_cluster_authorized_operations: 8..=10;
        include_topic_authorized_operations: 8..;
    }
    MetadataRequestTopic<'a> {
        topic_id: 10..;
        name: 0.., null 10..;
    }
    MetadataResponse<'a> {
        throttle_time_ms: 3..;
        brokers: 0..;
        cluster_id: 2.., null 2..;
        controller_id: 1..;
        topics: 0..;
        cluster_authorized_operations: 8..=10;
        error_code: 13..;
    }
    MetadataResponseBroker<'a> {
        node_id: 0..;
        host: 0..;
        port: 0..;
        rack: 1.., null 1..;
    }
    MetadataResponseTopic<'a> {
        error_code: 0..;
        name: 0.., null 12..;
        topic_id: 10..;
        is_internal: 1..;
        partitions: 0..;
        topic_authorized_operations: 8..;
    }
    MetadataResponsePartition<'a> {
        error_code: 0..;
        partition_index: 0..;
        leader_id: 0..;
        leader_epoch: 7..;
        replica_nodes: 0..;
        isr_nodes: 0..;
        offline_replicas: 5..;
    }
    OffsetFetchRequest<'a> {
        group_id: 0..=7;
        topics: 0..=7, null 2..=7;
        groups: 8..;
        require_stable: 7..;
    }
    OffsetFetchRequestTopic<'a> {
        name: 0..=7;
        partition_indexes: 0..=7;
    }
    OffsetFetchRequestGroup<'a> {
        group_id: 8..;
        member_id: 9.., null 9..;
        member_epoch: 9..;
        topics: 8.., null 8..;
    }
    OffsetFetchRequestTopics<'a> {
        name: 8..=9;
        topic_id: 10..;
        partition_indexes: 8..;
    }
    OffsetFetchResponse<'a> {
        throttle_time_ms: 3..;
        topics: 0..=7;
        error_code: 2..=7;
        groups: 8..;
    }
    OffsetFetchResponseTopic<'a> {
        name: 0..=7;
        partitions: 0..=7;
    }
    OffsetFetchResponsePartition<'a> {
        partition_index: 0..=7;
        committed_offset: 0..=7;
        committed_leader_epoch: 5..=7;
        metadata: 0..=7, null 0..=7;
        error_code: 0..=7;
    }
    OffsetFetchResponseGroup<'a> {
        group_id: 8..;
        topics: 8..;
        error_code: 8..;
    }
    OffsetFetchResponseTopics<'a> {
        name: 8..=9;
        topic_id: 10..;
        partitions: 8..;
    }
    OffsetFetchResponsePartitions<'a> {
        partition_index: 8..;
        committed_offset: 8..;
        committed_leader_epoch: 8..;
        metadata: 8.., null 8..;
        error_code: 8..;
    }
    FindCoordinatorRequest<'a> {
        key: 0..=3;
        key_type: 1..;
        coordinator_keys: 4..;
    }
    FindCoordinatorResponse<'a> {
        throttle_time_ms: 1..;
        error_code: 0..=3;
        error_message: 1..=3, null 1..=3;
        node_id: 0..=3;
        host: 0..=3;
        port: 0..=3;
        coordinators: 4..;
    }
    Coordinator<'a> {
        key: 4..;
        node_id: 4..;
        host: 4..;
        port: 4..;
        error_code: 4..;
        error_message: 4.., null 4..;
    }
    ApiVersionsRequest<'a> {
        client_software_name: 3..;
        client_software_version: 3..;
    }
    ApiVersionsResponse<'a> {
        error_code: 0..;
        api_keys: 0..;
        throttle_time_ms: 1..;
        supported_features: 3..;
        finalized_features_epoch: 3..;
        finalized_features: 3..;
        zk_migration_ready: 3..;
    }
    ApiVersionsApiVersion {
        api_key: 0..;
        min_version: 0..;
        max_version: 0..;
    }
    SupportedFeatureKey<'a> {
        name: 3..;
        min_version: 3..;
        max_version: 3..;
    }
    FinalizedFeatureKey<'a> {
        name: 3..;
        max_version_level: 3..;
        min_version_level: 3..;
    }
    CreateTopicsRequest<'a> {
        topics: 0..;
        timeout_ms: 0..;
        validate_only: 1..;
    }
    CreatableTopic<'a> {
        name: 0..;
        num_partitions: 0..;
        replication_factor: 0..;
        assignments: 0..;
        configs: 0..;
    }
    CreatableReplicaAssignment<'a> {
        partition_index: 0..;
        broker_ids: 0..;
    }
    CreatableTopicConfig<'a> {
        name: 0..;
        value: 0.., null 0..;
    }
    CreateTopicsResponse<'a> {
        throttle_time_ms: 2..;
        topics: 0..;
    }
    CreatableTopicResult<'a> {
        name: 0..;
        topic_id: 7..;
        error_code: 0..;
        error_message: 1.., null 0..;
        topic_config_error_code: 5..;
        num_partitions: 5..;
        replication_factor: 5..;
        configs: 5.., null 5..;
    }
    CreatableTopicConfigs<'a> {
        name: 5..;
        value: 5.., null 5..;
        read_only: 5..;
        config_source: 5..;
        is_sensitive: 5..;
    }
    DeleteTopicsRequest<'a> {
        topics: 6..;
        topic_names: 0..=5;
        timeout_ms: 0..;
    }
    DeleteTopicState<'a> {
        name: 6.., null 6..;
        topic_id: 6..;
    }
    DeleteTopicsResponse<'a> {
        throttle_time_ms: 1..;
        responses: 0..;
    }
    DeletableTopicResult<'a> {
        name: 0.., null 6..;
        topic_id: 6..;
        error_code: 0..;
        error_message: 5.., null 5..;
    }
    InitProducerIdRequest<'a> {
        transactional_id: 0.., null 0..;
        transaction_timeout_ms: 0..;
        producer_id: 3..;
        producer_epoch: 3..;
    }
    InitProducerIdResponse {
        throttle_time_ms: 0..;
        error_code: 0..;
        producer_id: 0..;
        producer_epoch: 0..;
    }
    AddPartitionsToTxnRequest<'a> {
        transactions: 4..;
        v3_and_below_transactional_id: 0..=3;
        v3_and_below_producer_id: 0..=3;
        v3_and_below_producer_epoch: 0..=3;
        v3_and_below_topics: 0..=3;
    }
    AddPartitionsToTxnTransaction<'a> {
        transactional_id: 4..;
        producer_id: 4..;
        producer_epoch: 4..;
        verify_only: 4..;
        topics: 4..;
    }
    AddPartitionsToTxnTopic<'a> {
        name: 0..;
        partitions: 0..;
    }
    AddPartitionsToTxnResponse<'a> {
        throttle_time_ms: 0..;
        error_code: 4..;
        results_by_transaction: 4..;
        results_by_topic_v3_and_below: 0..=3;
    }
    AddPartitionsToTxnResult<'a> {
        transactional_id: 4..;
        topic_results: 4..;
    }
    AddPartitionsToTxnTopicResult<'a> {
        name: 0..;
        results_by_partition: 0..;
    }
    AddPartitionsToTxnPartitionResult {
        partition_index: 0..;
        partition_error_code: 0..;
    }
    AddOffsetsToTxnRequest<'a> {
        transactional_id: 0..;
        producer_id: 0..;
        producer_epoch: 0..;
        group_id: 0..;
    }
    AddOffsetsToTxnResponse {
        throttle_time_ms: 0..;
        error_code: 0..;
    }
    TxnOffsetCommitRequest<'a> {
        transactional_id: 0..;
        group_id: 0..;
        producer_id: 0..;
        producer_epoch: 0..;
        generation_id: 3..;
        member_id: 3..;
        group_instance_id: 3.., null 3..;
        topics: 0..;
    }
    TxnOffsetCommitRequestTopic<'a> {
        name: 0..;
        partitions: 0..;
    }
    TxnOffsetCommitRequestPartition<'a> {
        partition_index: 0..;
        committed_offset: 0..;
        committed_leader_epoch: 2..;
        committed_metadata: 0.., null 0..;
    }
    TxnOffsetCommitResponse<'a> {
        throttle_time_ms: 0..;
        topics: 0..;
    }
    TxnOffsetCommitResponseTopic<'a> {
        name: 0..;
        partitions: 0..;
    }
    TxnOffsetCommitResponsePartition {
        partition_index: 0..;
        error_code: 0..;
    }
    EndTxnRequest<'a> {
        transactional_id: 0..;
        producer_id: 0..;
        producer_epoch: 0..;
        committed: 0..;
    }
    EndTxnResponse {
        throttle_time_ms: 0..;
        error_code: 0..;
        producer_id: 5..;
        producer_epoch: 5..;
    }
}
