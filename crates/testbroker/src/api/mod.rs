//! The APIs, one a file. Each file says which versions it serves and what it leaves out.

mod acls;
mod add_offsets_to_txn;
mod add_partitions_to_txn;
mod alter_configs;
mod alter_partition_reassignments;
mod alter_replica_log_dirs;
mod api_versions;
mod client_quotas;
mod consumer_group_describe;
mod consumer_group_heartbeat;
mod create_partitions;
mod create_topics;
mod delegation_tokens;
mod delete_groups;
mod delete_records;
mod delete_topics;
mod describe_cluster;
mod describe_configs;
mod describe_groups;
mod describe_log_dirs;
mod describe_producers;
mod describe_quorum;
mod describe_topic_partitions;
mod describe_transactions;
mod elect_leaders;
mod end_txn;
mod fetch;
mod find_coordinator;
mod heartbeat;
mod incremental_alter_configs;
mod init_producer_id;
mod join_group;
mod leave_group;
mod list_config_resources;
mod list_groups;
mod list_offsets;
mod list_partition_reassignments;
mod list_transactions;
mod metadata;
mod offset_commit;
mod offset_delete;
mod offset_fetch;
mod offset_for_leader_epoch;
mod per_partition;
mod produce;
mod sasl_authenticate;
mod sasl_handshake;
mod scram_credentials;
mod sync_group;
mod touched;
mod txn_offset_commit;
mod unregister_broker;
mod update_features;
mod versions;
mod write_txn_markers;

use bytes::Bytes;
use milena_wire::{
    ApiKey, ApiVersion, Decode, DecodeError, Message, Reader, VersionRange, decode_request_header,
    messages as wire,
};

pub(crate) use delete_records::PendingDeletion;
pub(crate) use produce::PendingProduce;
pub(crate) use touched::touched;
pub(crate) use versions::{advertised, versions};
pub(crate) use write_txn_markers::PendingMarkers;

use crate::cluster::Cluster;
use crate::history::RequestName;
use crate::request::{Context, Reply};

/// Applies a request.
pub(crate) fn handle(
    cluster: &mut Cluster,
    context: &Context<'_>,
    name: RequestName,
    frame: &Bytes,
) -> Reply {
    let served = versions(&cluster.config, name.api);
    if served.is_none_or(|range| name.version < range.min || name.version > range.max) {
        if name.api == ApiKey::API_VERSIONS {
            return api_versions::unsupported(cluster, context);
        }
        // What Kafka does as well: there is no answer that a client could read.
        return Reply::Close(format!("{} {} is not served", name.api, name.version));
    }
    dispatch(cluster, context, name, frame).unwrap_or_else(Reply::from)
}

/// The APIs served, a line each in the order of their keys: key, module, request.
macro_rules! apis {
    ($($key:ident, $($module:ident)::+, $request:ty;)*) => {
        /// Every API served, in the order of its key.
        pub(crate) const SERVED: &[ApiKey] = &[$(ApiKey::$key),*];

        fn dispatch(
            cluster: &mut Cluster,
            context: &Context<'_>,
            name: RequestName,
            frame: &Bytes,
        ) -> Result<Reply, DecodeError> {
            let mut reader = Reader::new(frame);
            let header = decode_request_header(&mut reader)?;
            let context = &Context {
                client_id: header.client_id,
                ..*context
            };
            let body = Body {
                reader,
                version: name.version,
                exact: cluster.config.refuse_trailing_bytes,
            };
            Ok(match name.api {
                $(ApiKey::$key => $($module::)+handle(cluster, context, &body.read::<$request>()?),)*
                other => Reply::Close(format!("{other} is not served")),
            })
        }

        /// What our definitions can read and write.
        fn ours(api: ApiKey) -> Option<VersionRange> {
            Some(match api {
                $(ApiKey::$key => <$request>::VERSIONS,)*
                _ => return None,
            })
        }
    };
}

apis! {
    PRODUCE, produce, wire::ProduceRequest<'_>;
    FETCH, fetch, wire::FetchRequest<'_>;
    LIST_OFFSETS, list_offsets, wire::ListOffsetsRequest<'_>;
    METADATA, metadata, wire::MetadataRequest<'_>;
    OFFSET_COMMIT, offset_commit, wire::OffsetCommitRequest<'_>;
    OFFSET_FETCH, offset_fetch, wire::OffsetFetchRequest<'_>;
    FIND_COORDINATOR, find_coordinator, wire::FindCoordinatorRequest<'_>;
    JOIN_GROUP, join_group, wire::JoinGroupRequest<'_>;
    HEARTBEAT, heartbeat, wire::HeartbeatRequest<'_>;
    LEAVE_GROUP, leave_group, wire::LeaveGroupRequest<'_>;
    SYNC_GROUP, sync_group, wire::SyncGroupRequest<'_>;
    DESCRIBE_GROUPS, describe_groups, wire::DescribeGroupsRequest<'_>;
    LIST_GROUPS, list_groups, wire::ListGroupsRequest<'_>;
    SASL_HANDSHAKE, sasl_handshake, wire::SaslHandshakeRequest<'_>;
    API_VERSIONS, api_versions, wire::ApiVersionsRequest<'_>;
    CREATE_TOPICS, create_topics, wire::CreateTopicsRequest<'_>;
    DELETE_TOPICS, delete_topics, wire::DeleteTopicsRequest<'_>;
    DELETE_RECORDS, delete_records, wire::DeleteRecordsRequest<'_>;
    INIT_PRODUCER_ID, init_producer_id, wire::InitProducerIdRequest<'_>;
    OFFSET_FOR_LEADER_EPOCH, offset_for_leader_epoch, wire::OffsetForLeaderEpochRequest<'_>;
    ADD_PARTITIONS_TO_TXN, add_partitions_to_txn, wire::AddPartitionsToTxnRequest<'_>;
    ADD_OFFSETS_TO_TXN, add_offsets_to_txn, wire::AddOffsetsToTxnRequest<'_>;
    END_TXN, end_txn, wire::EndTxnRequest<'_>;
    WRITE_TXN_MARKERS, write_txn_markers, wire::WriteTxnMarkersRequest<'_>;
    TXN_OFFSET_COMMIT, txn_offset_commit, wire::TxnOffsetCommitRequest<'_>;
    DESCRIBE_ACLS, acls::describe, wire::DescribeAclsRequest<'_>;
    CREATE_ACLS, acls::create, wire::CreateAclsRequest<'_>;
    DELETE_ACLS, acls::delete, wire::DeleteAclsRequest<'_>;
    DESCRIBE_CONFIGS, describe_configs, wire::DescribeConfigsRequest<'_>;
    ALTER_CONFIGS, alter_configs, wire::AlterConfigsRequest<'_>;
    ALTER_REPLICA_LOG_DIRS, alter_replica_log_dirs, wire::AlterReplicaLogDirsRequest<'_>;
    DESCRIBE_LOG_DIRS, describe_log_dirs, wire::DescribeLogDirsRequest<'_>;
    SASL_AUTHENTICATE, sasl_authenticate, wire::SaslAuthenticateRequest<'_>;
    CREATE_PARTITIONS, create_partitions, wire::CreatePartitionsRequest<'_>;
    CREATE_DELEGATION_TOKEN, delegation_tokens::create, wire::CreateDelegationTokenRequest<'_>;
    RENEW_DELEGATION_TOKEN, delegation_tokens::renew, wire::RenewDelegationTokenRequest<'_>;
    EXPIRE_DELEGATION_TOKEN, delegation_tokens::expire, wire::ExpireDelegationTokenRequest<'_>;
    DESCRIBE_DELEGATION_TOKEN, delegation_tokens::describe, wire::DescribeDelegationTokenRequest<'_>;
    DELETE_GROUPS, delete_groups, wire::DeleteGroupsRequest<'_>;
    ELECT_LEADERS, elect_leaders, wire::ElectLeadersRequest<'_>;
    INCREMENTAL_ALTER_CONFIGS, incremental_alter_configs, wire::IncrementalAlterConfigsRequest<'_>;
    ALTER_PARTITION_REASSIGNMENTS, alter_partition_reassignments, wire::AlterPartitionReassignmentsRequest<'_>;
    LIST_PARTITION_REASSIGNMENTS, list_partition_reassignments, wire::ListPartitionReassignmentsRequest<'_>;
    OFFSET_DELETE, offset_delete, wire::OffsetDeleteRequest<'_>;
    DESCRIBE_CLIENT_QUOTAS, client_quotas::describe, wire::DescribeClientQuotasRequest<'_>;
    ALTER_CLIENT_QUOTAS, client_quotas::alter, wire::AlterClientQuotasRequest<'_>;
    DESCRIBE_USER_SCRAM_CREDENTIALS, scram_credentials::describe, wire::DescribeUserScramCredentialsRequest<'_>;
    ALTER_USER_SCRAM_CREDENTIALS, scram_credentials::alter, wire::AlterUserScramCredentialsRequest<'_>;
    DESCRIBE_QUORUM, describe_quorum, wire::DescribeQuorumRequest<'_>;
    UPDATE_FEATURES, update_features, wire::UpdateFeaturesRequest<'_>;
    DESCRIBE_CLUSTER, describe_cluster, wire::DescribeClusterRequest;
    DESCRIBE_PRODUCERS, describe_producers, wire::DescribeProducersRequest<'_>;
    UNREGISTER_BROKER, unregister_broker, wire::UnregisterBrokerRequest;
    DESCRIBE_TRANSACTIONS, describe_transactions, wire::DescribeTransactionsRequest<'_>;
    LIST_TRANSACTIONS, list_transactions, wire::ListTransactionsRequest<'_>;
    CONSUMER_GROUP_HEARTBEAT, consumer_group_heartbeat, wire::ConsumerGroupHeartbeatRequest<'_>;
    CONSUMER_GROUP_DESCRIBE, consumer_group_describe, wire::ConsumerGroupDescribeRequest<'_>;
    LIST_CONFIG_RESOURCES, list_config_resources, wire::ListConfigResourcesRequest<'_>;
    DESCRIBE_TOPIC_PARTITIONS, describe_topic_partitions, wire::DescribeTopicPartitionsRequest<'_>;
}

/// A request's body.
struct Body<'a> {
    reader: Reader<'a>,
    version: ApiVersion,
    /// Whether nothing may be left behind its last field.
    exact: bool,
}

impl<'a> Body<'a> {
    fn read<R: Decode<'a>>(mut self) -> Result<R, DecodeError> {
        let request = R::decode(&mut self.reader, self.version)?;
        if self.exact {
            self.reader.finish()?;
        }
        Ok(request)
    }
}
