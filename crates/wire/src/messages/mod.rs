//! The messages, one API a file, each struct and field named as in Kafka's schema. All of them are re-exported here.
//!
//! Where two schemas have a struct of the same name, ours are called after their API too. The defaults are those of the schema: a nullable
//! string is not null by default unless the schema says so.
//!
//! | key | API | versions | compact lengths since |
//! |---|---|---|---|
//! | 0 | [Produce](produce) | 3-13 | 9 |
//! | 1 | [Fetch](fetch) | 4-18 | 12 |
//! | 2 | [ListOffsets](list_offsets) | 1-11 | 6 |
//! | 3 | [Metadata](metadata) | 0-13 | 9 |
//! | 8 | [OffsetCommit](offset_commit) | 2-10 | 8 |
//! | 9 | [OffsetFetch](offset_fetch) | 1-10 | 6 |
//! | 10 | [FindCoordinator](find_coordinator) | 0-6 | 3 |
//! | 11 | [JoinGroup](join_group) | 0-9 | 6 |
//! | 12 | [Heartbeat](heartbeat) | 0-4 | 4 |
//! | 13 | [LeaveGroup](leave_group) | 0-5 | 4 |
//! | 14 | [SyncGroup](sync_group) | 0-5 | 4 |
//! | 15 | [DescribeGroups](describe_groups) | 0-6 | 5 |
//! | 16 | [ListGroups](list_groups) | 0-5 | 3 |
//! | 17 | [SaslHandshake](sasl_handshake) | 0-1 | - |
//! | 18 | [ApiVersions](api_versions) | 0-4 | 3 |
//! | 19 | [CreateTopics](create_topics) | 2-7 | 5 |
//! | 20 | [DeleteTopics](delete_topics) | 1-6 | 4 |
//! | 21 | [DeleteRecords](delete_records) | 0-2 | 2 |
//! | 22 | [InitProducerId](init_producer_id) | 0-5 | 2 |
//! | 23 | [OffsetForLeaderEpoch](offset_for_leader_epoch) | 2-4 | 4 |
//! | 24 | [AddPartitionsToTxn](add_partitions_to_txn) | 0-5 | 3 |
//! | 25 | [AddOffsetsToTxn](add_offsets_to_txn) | 0-4 | 3 |
//! | 26 | [EndTxn](end_txn) | 0-5 | 3 |
//! | 27 | [WriteTxnMarkers](write_txn_markers) | 1-2 | 1 |
//! | 28 | [TxnOffsetCommit](txn_offset_commit) | 0-5 | 3 |
//! | 29 | [DescribeAcls](describe_acls) | 1-3 | 2 |
//! | 30 | [CreateAcls](create_acls) | 1-3 | 2 |
//! | 31 | [DeleteAcls](delete_acls) | 1-3 | 2 |
//! | 32 | [DescribeConfigs](describe_configs) | 1-4 | 4 |
//! | 33 | [AlterConfigs](alter_configs) | 0-2 | 2 |
//! | 34 | [AlterReplicaLogDirs](alter_replica_log_dirs) | 1-2 | 2 |
//! | 35 | [DescribeLogDirs](describe_log_dirs) | 1-5 | 2 |
//! | 36 | [SaslAuthenticate](sasl_authenticate) | 0-2 | 2 |
//! | 37 | [CreatePartitions](create_partitions) | 0-3 | 2 |
//! | 38 | [CreateDelegationToken](create_delegation_token) | 1-3 | 2 |
//! | 39 | [RenewDelegationToken](renew_delegation_token) | 1-2 | 2 |
//! | 40 | [ExpireDelegationToken](expire_delegation_token) | 1-2 | 2 |
//! | 41 | [DescribeDelegationToken](describe_delegation_token) | 1-3 | 2 |
//! | 42 | [DeleteGroups](delete_groups) | 0-2 | 2 |
//! | 43 | [ElectLeaders](elect_leaders) | 0-2 | 2 |
//! | 44 | [IncrementalAlterConfigs](incremental_alter_configs) | 0-1 | 1 |
//! | 45 | [AlterPartitionReassignments](alter_partition_reassignments) | 0-1 | 0 |
//! | 46 | [ListPartitionReassignments](list_partition_reassignments) | 0 | 0 |
//! | 47 | [OffsetDelete](offset_delete) | 0 | - |
//! | 48 | [DescribeClientQuotas](describe_client_quotas) | 0-1 | 1 |
//! | 49 | [AlterClientQuotas](alter_client_quotas) | 0-1 | 1 |
//! | 50 | [DescribeUserScramCredentials](describe_user_scram_credentials) | 0 | 0 |
//! | 51 | [AlterUserScramCredentials](alter_user_scram_credentials) | 0 | 0 |
//! | 55 | [DescribeQuorum](describe_quorum) | 0-2 | 0 |
//! | 57 | [UpdateFeatures](update_features) | 0-2 | 0 |
//! | 60 | [DescribeCluster](describe_cluster) | 0-2 | 0 |
//! | 61 | [DescribeProducers](describe_producers) | 0 | 0 |
//! | 64 | [UnregisterBroker](unregister_broker) | 0 | 0 |
//! | 65 | [DescribeTransactions](describe_transactions) | 0 | 0 |
//! | 66 | [ListTransactions](list_transactions) | 0-2 | 0 |
//! | 68 | [ConsumerGroupHeartbeat](consumer_group_heartbeat) | 0-1 | 0 |
//! | 69 | [ConsumerGroupDescribe](consumer_group_describe) | 0-1 | 0 |
//! | 71 | [GetTelemetrySubscriptions](get_telemetry_subscriptions) | 0 | 0 |
//! | 72 | [PushTelemetry](push_telemetry) | 0 | 0 |
//! | 74 | [ListConfigResources](list_config_resources) | 0-1 | 0 |
//! | 75 | [DescribeTopicPartitions](describe_topic_partitions) | 0 | 0 |
//! | 76 | [ShareGroupHeartbeat](share_group_heartbeat) | 1 | 0 |
//! | 77 | [ShareGroupDescribe](share_group_describe) | 1 | 0 |
//! | 78 | [ShareFetch](share_fetch) | 1-2 | 0 |
//! | 79 | [ShareAcknowledge](share_acknowledge) | 1-2 | 0 |
//! | 80 | [AddRaftVoter](add_raft_voter) | 0-1 | 0 |
//! | 81 | [RemoveRaftVoter](remove_raft_voter) | 0 | 0 |
//! | 88 | [StreamsGroupHeartbeat](streams_group_heartbeat) | 0 | 0 |
//! | 89 | [StreamsGroupDescribe](streams_group_describe) | 0 | 0 |
//! | 90 | [DescribeShareGroupOffsets](describe_share_group_offsets) | 0-1 | 0 |
//! | 91 | [AlterShareGroupOffsets](alter_share_group_offsets) | 0 | 0 |
//! | 92 | [DeleteShareGroupOffsets](delete_share_group_offsets) | 0 | 0 |
//!
//! A broker, a proxy or a tool that takes any of them reads [`AnyRequest`] and [`AnyResponse`]. What stands inside fields and records:
//! [`consumer_protocol`], [`control_records`], [`default_principal_data`].

mod any;
pub mod consumer_protocol;
pub mod control_records;
pub mod default_principal_data;

pub use consumer_protocol::*;
pub use control_records::*;
pub use default_principal_data::*;

any::apis! {
    0, PRODUCE, Produce, produce, ProduceRequest<'a>, ProduceResponse<'a>;
    1, FETCH, Fetch, fetch, FetchRequest<'a>, FetchResponse<'a>;
    2, LIST_OFFSETS, ListOffsets, list_offsets, ListOffsetsRequest<'a>, ListOffsetsResponse<'a>;
    3, METADATA, Metadata, metadata, MetadataRequest<'a>, MetadataResponse<'a>;
    8, OFFSET_COMMIT, OffsetCommit, offset_commit, OffsetCommitRequest<'a>, OffsetCommitResponse<'a>;
    9, OFFSET_FETCH, OffsetFetch, offset_fetch, OffsetFetchRequest<'a>, OffsetFetchResponse<'a>;
    10, FIND_COORDINATOR, FindCoordinator, find_coordinator, FindCoordinatorRequest<'a>, FindCoordinatorResponse<'a>;
    11, JOIN_GROUP, JoinGroup, join_group, JoinGroupRequest<'a>, JoinGroupResponse<'a>;
    12, HEARTBEAT, Heartbeat, heartbeat, HeartbeatRequest<'a>, HeartbeatResponse;
    13, LEAVE_GROUP, LeaveGroup, leave_group, LeaveGroupRequest<'a>, LeaveGroupResponse<'a>;
    14, SYNC_GROUP, SyncGroup, sync_group, SyncGroupRequest<'a>, SyncGroupResponse<'a>;
    15, DESCRIBE_GROUPS, DescribeGroups, describe_groups, DescribeGroupsRequest<'a>, DescribeGroupsResponse<'a>;
    16, LIST_GROUPS, ListGroups, list_groups, ListGroupsRequest<'a>, ListGroupsResponse<'a>;
    17, SASL_HANDSHAKE, SaslHandshake, sasl_handshake, SaslHandshakeRequest<'a>, SaslHandshakeResponse<'a>;
    18, API_VERSIONS, ApiVersions, api_versions, ApiVersionsRequest<'a>, ApiVersionsResponse<'a>;
    19, CREATE_TOPICS, CreateTopics, create_topics, CreateTopicsRequest<'a>, CreateTopicsResponse<'a>;
    20, DELETE_TOPICS, DeleteTopics, delete_topics, DeleteTopicsRequest<'a>, DeleteTopicsResponse<'a>;
    21, DELETE_RECORDS, DeleteRecords, delete_records, DeleteRecordsRequest<'a>, DeleteRecordsResponse<'a>;
    22, INIT_PRODUCER_ID, InitProducerId, init_producer_id, InitProducerIdRequest<'a>, InitProducerIdResponse;
    23, OFFSET_FOR_LEADER_EPOCH, OffsetForLeaderEpoch, offset_for_leader_epoch, OffsetForLeaderEpochRequest<'a>, OffsetForLeaderEpochResponse<'a>;
    24, ADD_PARTITIONS_TO_TXN, AddPartitionsToTxn, add_partitions_to_txn, AddPartitionsToTxnRequest<'a>, AddPartitionsToTxnResponse<'a>;
    25, ADD_OFFSETS_TO_TXN, AddOffsetsToTxn, add_offsets_to_txn, AddOffsetsToTxnRequest<'a>, AddOffsetsToTxnResponse;
    26, END_TXN, EndTxn, end_txn, EndTxnRequest<'a>, EndTxnResponse;
    27, WRITE_TXN_MARKERS, WriteTxnMarkers, write_txn_markers, WriteTxnMarkersRequest<'a>, WriteTxnMarkersResponse<'a>;
    28, TXN_OFFSET_COMMIT, TxnOffsetCommit, txn_offset_commit, TxnOffsetCommitRequest<'a>, TxnOffsetCommitResponse<'a>;
    29, DESCRIBE_ACLS, DescribeAcls, describe_acls, DescribeAclsRequest<'a>, DescribeAclsResponse<'a>;
    30, CREATE_ACLS, CreateAcls, create_acls, CreateAclsRequest<'a>, CreateAclsResponse<'a>;
    31, DELETE_ACLS, DeleteAcls, delete_acls, DeleteAclsRequest<'a>, DeleteAclsResponse<'a>;
    32, DESCRIBE_CONFIGS, DescribeConfigs, describe_configs, DescribeConfigsRequest<'a>, DescribeConfigsResponse<'a>;
    33, ALTER_CONFIGS, AlterConfigs, alter_configs, AlterConfigsRequest<'a>, AlterConfigsResponse<'a>;
    34, ALTER_REPLICA_LOG_DIRS, AlterReplicaLogDirs, alter_replica_log_dirs, AlterReplicaLogDirsRequest<'a>, AlterReplicaLogDirsResponse<'a>;
    35, DESCRIBE_LOG_DIRS, DescribeLogDirs, describe_log_dirs, DescribeLogDirsRequest<'a>, DescribeLogDirsResponse<'a>;
    36, SASL_AUTHENTICATE, SaslAuthenticate, sasl_authenticate, SaslAuthenticateRequest<'a>, SaslAuthenticateResponse<'a>;
    37, CREATE_PARTITIONS, CreatePartitions, create_partitions, CreatePartitionsRequest<'a>, CreatePartitionsResponse<'a>;
    38, CREATE_DELEGATION_TOKEN, CreateDelegationToken, create_delegation_token, CreateDelegationTokenRequest<'a>, CreateDelegationTokenResponse<'a>;
    39, RENEW_DELEGATION_TOKEN, RenewDelegationToken, renew_delegation_token, RenewDelegationTokenRequest<'a>, RenewDelegationTokenResponse;
    40, EXPIRE_DELEGATION_TOKEN, ExpireDelegationToken, expire_delegation_token, ExpireDelegationTokenRequest<'a>, ExpireDelegationTokenResponse;
    41, DESCRIBE_DELEGATION_TOKEN, DescribeDelegationToken, describe_delegation_token, DescribeDelegationTokenRequest<'a>, DescribeDelegationTokenResponse<'a>;
    42, DELETE_GROUPS, DeleteGroups, delete_groups, DeleteGroupsRequest<'a>, DeleteGroupsResponse<'a>;
    43, ELECT_LEADERS, ElectLeaders, elect_leaders, ElectLeadersRequest<'a>, ElectLeadersResponse<'a>;
    44, INCREMENTAL_ALTER_CONFIGS, IncrementalAlterConfigs, incremental_alter_configs, IncrementalAlterConfigsRequest<'a>, IncrementalAlterConfigsResponse<'a>;
    45, ALTER_PARTITION_REASSIGNMENTS, AlterPartitionReassignments, alter_partition_reassignments, AlterPartitionReassignmentsRequest<'a>, AlterPartitionReassignmentsResponse<'a>;
    46, LIST_PARTITION_REASSIGNMENTS, ListPartitionReassignments, list_partition_reassignments, ListPartitionReassignmentsRequest<'a>, ListPartitionReassignmentsResponse<'a>;
    47, OFFSET_DELETE, OffsetDelete, offset_delete, OffsetDeleteRequest<'a>, OffsetDeleteResponse<'a>;
    48, DESCRIBE_CLIENT_QUOTAS, DescribeClientQuotas, describe_client_quotas, DescribeClientQuotasRequest<'a>, DescribeClientQuotasResponse<'a>;
    49, ALTER_CLIENT_QUOTAS, AlterClientQuotas, alter_client_quotas, AlterClientQuotasRequest<'a>, AlterClientQuotasResponse<'a>;
    50, DESCRIBE_USER_SCRAM_CREDENTIALS, DescribeUserScramCredentials, describe_user_scram_credentials, DescribeUserScramCredentialsRequest<'a>, DescribeUserScramCredentialsResponse<'a>;
    51, ALTER_USER_SCRAM_CREDENTIALS, AlterUserScramCredentials, alter_user_scram_credentials, AlterUserScramCredentialsRequest<'a>, AlterUserScramCredentialsResponse<'a>;
    55, DESCRIBE_QUORUM, DescribeQuorum, describe_quorum, DescribeQuorumRequest<'a>, DescribeQuorumResponse<'a>;
    57, UPDATE_FEATURES, UpdateFeatures, update_features, UpdateFeaturesRequest<'a>, UpdateFeaturesResponse<'a>;
    60, DESCRIBE_CLUSTER, DescribeCluster, describe_cluster, DescribeClusterRequest, DescribeClusterResponse<'a>;
    61, DESCRIBE_PRODUCERS, DescribeProducers, describe_producers, DescribeProducersRequest<'a>, DescribeProducersResponse<'a>;
    64, UNREGISTER_BROKER, UnregisterBroker, unregister_broker, UnregisterBrokerRequest, UnregisterBrokerResponse<'a>;
    65, DESCRIBE_TRANSACTIONS, DescribeTransactions, describe_transactions, DescribeTransactionsRequest<'a>, DescribeTransactionsResponse<'a>;
    66, LIST_TRANSACTIONS, ListTransactions, list_transactions, ListTransactionsRequest<'a>, ListTransactionsResponse<'a>;
    68, CONSUMER_GROUP_HEARTBEAT, ConsumerGroupHeartbeat, consumer_group_heartbeat, ConsumerGroupHeartbeatRequest<'a>, ConsumerGroupHeartbeatResponse<'a>;
    69, CONSUMER_GROUP_DESCRIBE, ConsumerGroupDescribe, consumer_group_describe, ConsumerGroupDescribeRequest<'a>, ConsumerGroupDescribeResponse<'a>;
    71, GET_TELEMETRY_SUBSCRIPTIONS, GetTelemetrySubscriptions, get_telemetry_subscriptions, GetTelemetrySubscriptionsRequest, GetTelemetrySubscriptionsResponse<'a>;
    72, PUSH_TELEMETRY, PushTelemetry, push_telemetry, PushTelemetryRequest<'a>, PushTelemetryResponse;
    74, LIST_CONFIG_RESOURCES, ListConfigResources, list_config_resources, ListConfigResourcesRequest<'a>, ListConfigResourcesResponse<'a>;
    75, DESCRIBE_TOPIC_PARTITIONS, DescribeTopicPartitions, describe_topic_partitions, DescribeTopicPartitionsRequest<'a>, DescribeTopicPartitionsResponse<'a>;
    76, SHARE_GROUP_HEARTBEAT, ShareGroupHeartbeat, share_group_heartbeat, ShareGroupHeartbeatRequest<'a>, ShareGroupHeartbeatResponse<'a>;
    77, SHARE_GROUP_DESCRIBE, ShareGroupDescribe, share_group_describe, ShareGroupDescribeRequest<'a>, ShareGroupDescribeResponse<'a>;
    78, SHARE_FETCH, ShareFetch, share_fetch, ShareFetchRequest<'a>, ShareFetchResponse<'a>;
    79, SHARE_ACKNOWLEDGE, ShareAcknowledge, share_acknowledge, ShareAcknowledgeRequest<'a>, ShareAcknowledgeResponse<'a>;
    80, ADD_RAFT_VOTER, AddRaftVoter, add_raft_voter, AddRaftVoterRequest<'a>, AddRaftVoterResponse<'a>;
    81, REMOVE_RAFT_VOTER, RemoveRaftVoter, remove_raft_voter, RemoveRaftVoterRequest<'a>, RemoveRaftVoterResponse<'a>;
    88, STREAMS_GROUP_HEARTBEAT, StreamsGroupHeartbeat, streams_group_heartbeat, StreamsGroupHeartbeatRequest<'a>, StreamsGroupHeartbeatResponse<'a>;
    89, STREAMS_GROUP_DESCRIBE, StreamsGroupDescribe, streams_group_describe, StreamsGroupDescribeRequest<'a>, StreamsGroupDescribeResponse<'a>;
    90, DESCRIBE_SHARE_GROUP_OFFSETS, DescribeShareGroupOffsets, describe_share_group_offsets, DescribeShareGroupOffsetsRequest<'a>, DescribeShareGroupOffsetsResponse<'a>;
    91, ALTER_SHARE_GROUP_OFFSETS, AlterShareGroupOffsets, alter_share_group_offsets, AlterShareGroupOffsetsRequest<'a>, AlterShareGroupOffsetsResponse<'a>;
    92, DELETE_SHARE_GROUP_OFFSETS, DeleteShareGroupOffsets, delete_share_group_offsets, DeleteShareGroupOffsetsRequest<'a>, DeleteShareGroupOffsetsResponse<'a>;
}
