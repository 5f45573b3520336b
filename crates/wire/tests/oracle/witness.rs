//! The crate `kafka-protocol`, generated from Kafka's schemas by other people, as second witness, which needs no Java: it must read the bytes
//! to the end, find the same values under the same names, and write the same bytes again.

use bytes::{Bytes, BytesMut};
use kafka_protocol::messages as theirs;
use kafka_protocol::protocol::{Decodable, Encodable, Message as TheirMessage};

use crate::coverage::Missing;
use crate::support::{Choices, Decoded, Field, Kind, Message, Model, Value, encode, generate};

/// Values of each message in each version.
const VALUES: usize = 200;
/// Every so many values are compared field by field, too.
const SHOWN: usize = 4;

/// What it does not know: it was made from the schemas of Kafka 4.1.
const UNKNOWN: [&str; 5] = [
    "ControlRecordTypeSchema",
    "StreamsGroupDescribeRequest",
    "StreamsGroupDescribeResponse",
    "StreamsGroupHeartbeatRequest",
    "StreamsGroupHeartbeatResponse",
];

/// One message, as the witness has it.
struct Known {
    min: i16,
    max: i16,
    read: fn(Bytes, i16) -> Result<Read, String>,
}

struct Read {
    written: BytesMut,
    shown: String,
}

fn read<M: TheirMessage + Encodable + Decodable + std::fmt::Debug>(
    mut bytes: Bytes,
    version: i16,
) -> Result<Read, String> {
    let message = M::decode(&mut bytes, version).map_err(|error| error.to_string())?;
    if !bytes.is_empty() {
        return Err(format!("{} bytes left over", bytes.len()));
    }
    let mut written = BytesMut::new();
    let encoded = message.encode(&mut written, version);
    encoded.map_err(|error| error.to_string())?;
    let shown = format!("{message:?}");
    Ok(Read { written, shown })
}

macro_rules! known {
    ($($name:ident)*) => {
        fn known(name: &str) -> Option<Known> {
            match name {
                $(stringify!($name) => Some(Known {
                    min: theirs::$name::VERSIONS.min,
                    max: theirs::$name::VERSIONS.max,
                    read: read::<theirs::$name>,
                }),)*
                _ => None,
            }
        }
    };
}

known! {
    AddOffsetsToTxnRequest AddOffsetsToTxnResponse
    AddPartitionsToTxnRequest AddPartitionsToTxnResponse
    AddRaftVoterRequest AddRaftVoterResponse
    AlterClientQuotasRequest AlterClientQuotasResponse
    AlterConfigsRequest AlterConfigsResponse
    AlterPartitionReassignmentsRequest AlterPartitionReassignmentsResponse
    AlterReplicaLogDirsRequest AlterReplicaLogDirsResponse
    AlterShareGroupOffsetsRequest AlterShareGroupOffsetsResponse
    AlterUserScramCredentialsRequest AlterUserScramCredentialsResponse
    ApiVersionsRequest ApiVersionsResponse
    ConsumerGroupDescribeRequest ConsumerGroupDescribeResponse
    ConsumerGroupHeartbeatRequest ConsumerGroupHeartbeatResponse
    ConsumerProtocolAssignment
    ConsumerProtocolSubscription
    CreateAclsRequest CreateAclsResponse
    CreateDelegationTokenRequest CreateDelegationTokenResponse
    CreatePartitionsRequest CreatePartitionsResponse
    CreateTopicsRequest CreateTopicsResponse
    DefaultPrincipalData
    DeleteAclsRequest DeleteAclsResponse
    DeleteGroupsRequest DeleteGroupsResponse
    DeleteRecordsRequest DeleteRecordsResponse
    DeleteShareGroupOffsetsRequest DeleteShareGroupOffsetsResponse
    DeleteTopicsRequest DeleteTopicsResponse
    DescribeAclsRequest DescribeAclsResponse
    DescribeClientQuotasRequest DescribeClientQuotasResponse
    DescribeClusterRequest DescribeClusterResponse
    DescribeConfigsRequest DescribeConfigsResponse
    DescribeDelegationTokenRequest DescribeDelegationTokenResponse
    DescribeGroupsRequest DescribeGroupsResponse
    DescribeLogDirsRequest DescribeLogDirsResponse
    DescribeProducersRequest DescribeProducersResponse
    DescribeQuorumRequest DescribeQuorumResponse
    DescribeShareGroupOffsetsRequest DescribeShareGroupOffsetsResponse
    DescribeTopicPartitionsRequest DescribeTopicPartitionsResponse
    DescribeTransactionsRequest DescribeTransactionsResponse
    DescribeUserScramCredentialsRequest DescribeUserScramCredentialsResponse
    ElectLeadersRequest ElectLeadersResponse
    EndTxnMarker
    EndTxnRequest EndTxnResponse
    ExpireDelegationTokenRequest ExpireDelegationTokenResponse
    FetchRequest FetchResponse
    FindCoordinatorRequest FindCoordinatorResponse
    GetTelemetrySubscriptionsRequest GetTelemetrySubscriptionsResponse
    HeartbeatRequest HeartbeatResponse
    IncrementalAlterConfigsRequest IncrementalAlterConfigsResponse
    InitProducerIdRequest InitProducerIdResponse
    JoinGroupRequest JoinGroupResponse
    KRaftVersionRecord
    LeaderChangeMessage
    LeaveGroupRequest LeaveGroupResponse
    ListConfigResourcesRequest ListConfigResourcesResponse
    ListGroupsRequest ListGroupsResponse
    ListOffsetsRequest ListOffsetsResponse
    ListPartitionReassignmentsRequest ListPartitionReassignmentsResponse
    ListTransactionsRequest ListTransactionsResponse
    MetadataRequest MetadataResponse
    OffsetCommitRequest OffsetCommitResponse
    OffsetDeleteRequest OffsetDeleteResponse
    OffsetFetchRequest OffsetFetchResponse
    OffsetForLeaderEpochRequest OffsetForLeaderEpochResponse
    ProduceRequest ProduceResponse
    PushTelemetryRequest PushTelemetryResponse
    RemoveRaftVoterRequest RemoveRaftVoterResponse
    RenewDelegationTokenRequest RenewDelegationTokenResponse
    SaslAuthenticateRequest SaslAuthenticateResponse
    SaslHandshakeRequest SaslHandshakeResponse
    ShareAcknowledgeRequest ShareAcknowledgeResponse
    ShareFetchRequest ShareFetchResponse
    ShareGroupDescribeRequest ShareGroupDescribeResponse
    ShareGroupHeartbeatRequest ShareGroupHeartbeatResponse
    SnapshotFooterRecord
    SnapshotHeaderRecord
    SyncGroupRequest SyncGroupResponse
    TxnOffsetCommitRequest TxnOffsetCommitResponse
    UnregisterBrokerRequest UnregisterBrokerResponse
    UpdateFeaturesRequest UpdateFeaturesResponse
    VotersRecord
    WriteTxnMarkersRequest WriteTxnMarkersResponse
}

#[test]
fn another_implementation_reads_and_writes_the_same_bytes() {
    let model = Model::load();
    let mut versions = 0;
    let mut differences = Vec::new();
    for message in &model.messages {
        let Some(known) = known(&message.name) else {
            assert!(
                UNKNOWN.contains(&message.name.as_str()),
                "{} belongs into the list of this file",
                message.name
            );
            continue;
        };
        let within = message
            .versions
            .iter()
            .filter(|v| known.min <= *v && *v <= known.max);
        for version in within {
            versions += 1;
            if let Err(what) = check(&model, message, version, &known) {
                differences.push(format!("{} v{version}: {what}", message.name));
            }
        }
    }
    assert!(
        differences.is_empty(),
        "the witness differs:\n{}",
        differences.join("\n")
    );
    // All but what came with Kafka 4.2 and 4.3.
    assert_eq!(versions, 536);
}

fn check(model: &Model, message: &Message, version: i16, known: &Known) -> Result<(), String> {
    let name = &message.name;
    let mut missing = Missing::all_of(model, name, version);
    for index in 0..VALUES {
        let seed = (version as u64) << 32 | index as u64;
        let value = generate(model, name, version, &mut Choices::seeded(seed));
        missing.take(name, &value);
        let value = without_confusion(model, message, version, value);
        let bytes = Bytes::from(encode(model, name, version, &value).bytes);
        let ours = Decoded::decode(message, version, &bytes).map_err(|error| error.to_string())?;
        let ours = ours
            .encode(message, version)
            .map_err(|error| error.to_string())?;
        let theirs = (known.read)(bytes.clone(), version)?;
        if ours != bytes || theirs.written != bytes {
            return Err(format!(
                "ours writes\n{ours:02x?}, it\n{:02x?}, the rules say\n{:02x?}",
                &theirs.written[..],
                &bytes[..]
            ));
        }
        if index % SHOWN == 0 {
            compare(
                &expected(model, name, version, &value),
                &fields(&theirs.shown),
            )?;
        }
    }
    match missing.is_none() {
        true => Ok(()),
        false => Err(format!("never seen: {missing:?}")),
    }
}

/// Control records say their version in a field, too. The witness takes that for the version it was asked to read, from that field on.
fn without_confusion(model: &Model, message: &Message, version: i16, value: Value) -> Value {
    let Value::Struct(mut values) = value else {
        panic!("messages are structs");
    };
    for (field, value) in model.fields(&message.name).iter().zip(&mut values) {
        if field.name == "version" {
            *value = Value::Int(version.into());
        }
    }
    Value::Struct(values)
}

/// A field and the plain values in it; none of a kind that is shown differently there.
#[derive(Debug)]
struct Shown {
    name: String,
    values: Option<Vec<String>>,
}

/// The fields of the version must be among theirs in the same order. Theirs has more: what other versions have, and unknown tagged fields.
fn compare(expected: &[Shown], theirs: &[Shown]) -> Result<(), String> {
    let mut rest = theirs.iter();
    for field in expected {
        let mut is_it = |their: &Shown| {
            their.name == field.name && (field.values.is_none() || field.values == their.values)
        };
        if !rest.any(&mut is_it) {
            return Err(format!("{field:?} is not in {theirs:?}"));
        }
    }
    Ok(())
}

/// The fields of the version, those of structs behind the field that holds them.
fn expected(model: &Model, name: &str, version: i16, value: &Value) -> Vec<Shown> {
    let mut shown = Vec::new();
    add_expected(model, name, version, value, &mut shown);
    shown
}

fn add_expected(model: &Model, name: &str, version: i16, value: &Value, shown: &mut Vec<Shown>) {
    for (field, value) in model.fields(name).iter().zip(value.values()) {
        if !field.versions.contains(version) {
            continue;
        }
        shown.push(Shown {
            name: field.name.clone(),
            values: plain(field, value),
        });
        let Kind::Struct(inner) = &field.kind else {
            continue;
        };
        match value {
            Value::Null => {}
            Value::List(items) => {
                for item in items {
                    add_expected(model, inner, version, item, shown);
                }
            }
            one => add_expected(model, inner, version, one, shown),
        }
    }
}

fn plain(field: &Field, value: &Value) -> Option<Vec<String>> {
    match (&field.kind, value) {
        (_, Value::Null) => Some(vec!["None".to_owned()]),
        (Kind::Uuid | Kind::Bytes | Kind::Records | Kind::F64, _) => None,
        (Kind::Struct(_), _) => Some(Vec::new()),
        (_, Value::List(items)) => Some(items.iter().map(token).collect()),
        (_, one) => Some(vec![token(one)]),
    }
}

fn token(value: &Value) -> String {
    match value {
        Value::Bool(value) => value.to_string(),
        Value::Int(number) => number.to_string(),
        Value::Text(text) => format!("{text:?}"),
        other => panic!("{other:?} is not plain"),
    }
}

/// The fields in a debug text, in order, each with the plain values up to the next field. Names of types are left out.
fn fields(text: &str) -> Vec<Shown> {
    let mut fields: Vec<Shown> = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let len = match first {
            '"' => string_len(rest),
            c if is_word(c) => rest.find(|c| !is_word(c)).unwrap_or(rest.len()),
            c => c.len_utf8(),
        };
        let (token, after) = rest.split_at(len);
        let is_type = after.starts_with([' ', '(']) && after.trim_start().starts_with(['{', '(']);
        if after.starts_with(':') {
            fields.push(Shown {
                // Words that Rust keeps for itself are called `_type` there.
                name: token.trim_start_matches('_').to_owned(),
                values: Some(Vec::new()),
            });
        } else if (first == '"' || is_word(first)) && !is_type {
            let field = fields.last_mut().expect("values belong to a field");
            field.values.get_or_insert_default().push(token.to_owned());
        }
        rest = after;
    }
    fields
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_' || c == '-'
}

fn string_len(text: &str) -> usize {
    let mut escaped = false;
    for (index, c) in text.char_indices().skip(1) {
        match c {
            '"' if !escaped => return index + 1,
            _ => escaped = c == '\\' && !escaped,
        }
    }
    text.len()
}
