//! The APIs, one a file. Each file says which versions it serves and what it leaves out.

mod add_offsets_to_txn;
mod add_partitions_to_txn;
mod api_versions;
mod create_topics;
mod delete_topics;
mod end_txn;
mod fetch;
mod find_coordinator;
mod init_producer_id;
mod list_offsets;
mod metadata;
mod offset_fetch;
mod produce;
mod touched;
mod txn_offset_commit;

use bytes::Bytes;
use milena_wire::{
    ApiKey, ApiVersion, Decode, DecodeError, Message, Reader, VersionRange, decode_request_header,
    messages as wire,
};

pub(crate) use touched::touched;

use crate::cluster::Cluster;
use crate::config::{BrokerConfig, Emulate};
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

fn dispatch(
    cluster: &mut Cluster,
    context: &Context<'_>,
    name: RequestName,
    frame: &Bytes,
) -> Result<Reply, DecodeError> {
    let mut reader = Reader::new(frame);
    decode_request_header(&mut reader)?;
    let body = Body {
        reader,
        version: name.version,
        exact: cluster.config.refuse_trailing_bytes,
    };
    Ok(match name.api {
        ApiKey::PRODUCE => produce::handle(cluster, context, &body.read()?),
        ApiKey::FETCH => fetch::handle(cluster, context, &body.read()?),
        ApiKey::LIST_OFFSETS => list_offsets::handle(cluster, context, &body.read()?),
        ApiKey::METADATA => metadata::handle(cluster, context, &body.read()?),
        ApiKey::OFFSET_FETCH => offset_fetch::handle(cluster, context, &body.read()?),
        ApiKey::FIND_COORDINATOR => find_coordinator::handle(cluster, context, &body.read()?),
        ApiKey::API_VERSIONS => api_versions::handle(cluster, context, &body.read()?),
        ApiKey::CREATE_TOPICS => create_topics::handle(cluster, context, &body.read()?),
        ApiKey::DELETE_TOPICS => delete_topics::handle(cluster, context, &body.read()?),
        ApiKey::INIT_PRODUCER_ID => init_producer_id::handle(cluster, context, &body.read()?),
        ApiKey::ADD_PARTITIONS_TO_TXN => {
            add_partitions_to_txn::handle(cluster, context, &body.read()?)
        }
        ApiKey::ADD_OFFSETS_TO_TXN => add_offsets_to_txn::handle(cluster, context, &body.read()?),
        ApiKey::END_TXN => end_txn::handle(cluster, context, &body.read()?),
        ApiKey::TXN_OFFSET_COMMIT => txn_offset_commit::handle(cluster, context, &body.read()?),
        other => Reply::Close(format!("{other} is not served")),
    })
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

/// Every API served, in the order of its key.
const SERVED: [ApiKey; 14] = [
    ApiKey::PRODUCE,
    ApiKey::FETCH,
    ApiKey::LIST_OFFSETS,
    ApiKey::METADATA,
    ApiKey::OFFSET_FETCH,
    ApiKey::FIND_COORDINATOR,
    ApiKey::API_VERSIONS,
    ApiKey::CREATE_TOPICS,
    ApiKey::DELETE_TOPICS,
    ApiKey::INIT_PRODUCER_ID,
    ApiKey::ADD_PARTITIONS_TO_TXN,
    ApiKey::ADD_OFFSETS_TO_TXN,
    ApiKey::END_TXN,
    ApiKey::TXN_OFFSET_COMMIT,
];

/// The versions of an API that this cluster serves and advertises.
pub(crate) fn versions(config: &BrokerConfig, api: ApiKey) -> Option<VersionRange> {
    let ours = ours(api)?;
    let mut max = ours.max;
    if config.emulate == Emulate::V3_9 {
        max = max.min(max_of_3_9(api));
    }
    if let Some(cap) = config.version_caps.get(&api) {
        max = max.min(ApiVersion(*cap));
    }
    (max >= ours.min).then_some(VersionRange { min: ours.min, max })
}

/// What our definitions can read and write, which is what Kafka 4.3 serves.
fn ours(api: ApiKey) -> Option<VersionRange> {
    Some(match api {
        ApiKey::PRODUCE => wire::ProduceRequest::VERSIONS,
        ApiKey::FETCH => wire::FetchRequest::VERSIONS,
        ApiKey::LIST_OFFSETS => wire::ListOffsetsRequest::VERSIONS,
        ApiKey::METADATA => wire::MetadataRequest::VERSIONS,
        ApiKey::OFFSET_FETCH => wire::OffsetFetchRequest::VERSIONS,
        ApiKey::FIND_COORDINATOR => wire::FindCoordinatorRequest::VERSIONS,
        ApiKey::API_VERSIONS => wire::ApiVersionsRequest::VERSIONS,
        ApiKey::CREATE_TOPICS => wire::CreateTopicsRequest::VERSIONS,
        ApiKey::DELETE_TOPICS => wire::DeleteTopicsRequest::VERSIONS,
        ApiKey::INIT_PRODUCER_ID => wire::InitProducerIdRequest::VERSIONS,
        ApiKey::ADD_PARTITIONS_TO_TXN => wire::AddPartitionsToTxnRequest::VERSIONS,
        ApiKey::ADD_OFFSETS_TO_TXN => wire::AddOffsetsToTxnRequest::VERSIONS,
        ApiKey::END_TXN => wire::EndTxnRequest::VERSIONS,
        ApiKey::TXN_OFFSET_COMMIT => wire::TxnOffsetCommitRequest::VERSIONS,
        _ => return None,
    })
}

/// The highest versions of Kafka 3.9.
fn max_of_3_9(api: ApiKey) -> ApiVersion {
    ApiVersion(match api {
        ApiKey::PRODUCE => 11,
        ApiKey::FETCH => 17,
        ApiKey::LIST_OFFSETS | ApiKey::OFFSET_FETCH => 9,
        ApiKey::METADATA => 12,
        ApiKey::END_TXN | ApiKey::TXN_OFFSET_COMMIT => 4,
        _ => i16::MAX,
    })
}
