//! The messages as a list that generic checks run over.

use std::fmt::Debug;

use bytes::{Buf, Bytes};
use kafka_protocol::messages as theirs;
use kafka_protocol::protocol::{Decodable, Encodable, Message as TheirMessage};
use milena_wire::messages as ours;
use milena_wire::{
    ApiMessage, ApiVersion, CorrelationId, Decode, DecodeError, Encode, Reader, encode_response,
};

use crate::random::Random;

/// One message, and what the witness calls it.
pub(crate) trait Kind {
    type Of<'a>: ApiMessage + Encode + Decode<'a> + Random + Default + PartialEq + Debug;
    type Theirs: TheirMessage + Encodable + Decodable + Debug;
}

/// Something to do with every message.
pub(crate) trait Check {
    fn check<K: Kind>(&mut self);
}

macro_rules! kinds {
    ($($name:ident $(<$life:lifetime>)?;)*) => {
        $(
            struct $name;
            impl Kind for $name {
                type Of<'a> = ours::$name $(<$life>)?;
                type Theirs = theirs::$name;
            }
        )*

        /// Runs `check` over all messages.
        pub(crate) fn for_each_kind(check: &mut impl Check) {
            $(check.check::<$name>();)*
        }
    };
}

kinds! {
    ProduceRequest<'a>;
    ProduceResponse<'a>;
    FetchRequest<'a>;
    FetchResponse<'a>;
    ListOffsetsRequest<'a>;
    ListOffsetsResponse<'a>;
    MetadataRequest<'a>;
    MetadataResponse<'a>;
    OffsetFetchRequest<'a>;
    OffsetFetchResponse<'a>;
    FindCoordinatorRequest<'a>;
    FindCoordinatorResponse<'a>;
    ApiVersionsRequest<'a>;
    ApiVersionsResponse<'a>;
    CreateTopicsRequest<'a>;
    CreateTopicsResponse<'a>;
    DeleteTopicsRequest<'a>;
    DeleteTopicsResponse<'a>;
    InitProducerIdRequest<'a>;
    InitProducerIdResponse;
    AddPartitionsToTxnRequest<'a>;
    AddPartitionsToTxnResponse<'a>;
    AddOffsetsToTxnRequest<'a>;
    AddOffsetsToTxnResponse;
    TxnOffsetCommitRequest<'a>;
    TxnOffsetCommitResponse<'a>;
    EndTxnRequest<'a>;
    EndTxnResponse;
}

/// A message's bytes without frame and header.
pub(crate) fn encode_body<M: ApiMessage + Encode>(message: &M, version: ApiVersion) -> Bytes {
    let frame = encode_response(message, version, CorrelationId(0));
    let mut bytes = frame.unwrap_or_else(|error| panic!("{error}")).to_bytes();
    let flexible = M::FLEXIBLE_SINCE.is_some_and(|since| version >= since);
    let header = if flexible && M::NAME != "ApiVersionsResponse" && M::NAME != "ApiVersionsRequest"
    {
        5
    } else {
        4
    };
    bytes.advance(4 + header);
    bytes
}

/// The message of these bytes, all of which must be used.
pub(crate) fn decode_body<'a, M: Decode<'a>>(
    bytes: &'a Bytes,
    version: ApiVersion,
) -> Result<M, DecodeError> {
    let mut reader = Reader::new(bytes);
    let message = M::decode(&mut reader, version)?;
    reader.finish()?;
    Ok(message)
}
