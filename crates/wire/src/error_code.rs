//! The broker's error codes.

use std::fmt;

/// What a broker answers in an `errorCode` field. Codes of later brokers are kept as they are.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct ErrorCode(pub i16);

impl ErrorCode {
    /// Whether this is [`ErrorCode::NONE`].
    pub const fn is_ok(self) -> bool {
        self.0 == 0
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.name(), self.0)
    }
}

impl fmt::Debug for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

macro_rules! error_codes {
    ($($constant:ident = $number:literal, $text:literal;)*) => {
        impl ErrorCode {
            $(
                #[doc = concat!("Code ", $number, ": ", $text, ".")]
                pub const $constant: Self = Self($number);
            )*

            /// The name Kafka gives the code, or `UNKNOWN_CODE` for one of a later Kafka.
            pub const fn name(self) -> &'static str {
                match self.0 {
                    $($number => stringify!($constant),)*
                    _ => "UNKNOWN_CODE",
                }
            }

            /// The meaning in a few words.
            pub const fn description(self) -> &'static str {
                match self.0 {
                    $($number => $text,)*
                    _ => "a code of a later Kafka",
                }
            }
        }
    };
}

// Those of Kafka 4.3.
error_codes! {
    UNKNOWN_SERVER_ERROR = -1, "something unexpected went wrong in the broker";
    NONE = 0, "no error";
    OFFSET_OUT_OF_RANGE = 1, "the position lies outside of the partition";
    CORRUPT_MESSAGE = 2, "a batch fails its checksum or makes no sense";
    UNKNOWN_TOPIC_OR_PARTITION = 3, "the broker knows no such partition";
    INVALID_FETCH_SIZE = 4, "a fetch of a size that cannot be";
    LEADER_NOT_AVAILABLE = 5, "the partition has no leader for the moment";
    NOT_LEADER_OR_FOLLOWER = 6, "the broker does not lead, or hold, the partition";
    REQUEST_TIMED_OUT = 7, "the broker ran out of time";
    BROKER_NOT_AVAILABLE = 8, "the broker is not there";
    REPLICA_NOT_AVAILABLE = 9, "the replica is not there";
    MESSAGE_TOO_LARGE = 10, "a batch is larger than the broker takes";
    STALE_CONTROLLER_EPOCH = 11, "another controller took over";
    OFFSET_METADATA_TOO_LARGE = 12, "the note with a position is too long";
    NETWORK_EXCEPTION = 13, "the connection between brokers broke";
    COORDINATOR_LOAD_IN_PROGRESS = 14, "the coordinator is still loading its state";
    COORDINATOR_NOT_AVAILABLE = 15, "there is no coordinator for the moment";
    NOT_COORDINATOR = 16, "another broker coordinates this key";
    INVALID_TOPIC_EXCEPTION = 17, "not a topic one may use, or not a name";
    RECORD_LIST_TOO_LARGE = 18, "a batch is larger than a log segment";
    NOT_ENOUGH_REPLICAS = 19, "too few replicas are in sync to accept the batch";
    NOT_ENOUGH_REPLICAS_AFTER_APPEND = 20, "the batch is written, but to too few replicas";
    INVALID_REQUIRED_ACKS = 21, "acks are neither 0, 1 nor -1";
    ILLEGAL_GENERATION = 22, "the group has moved on to another generation";
    INCONSISTENT_GROUP_PROTOCOL = 23, "the member speaks no protocol of the group";
    INVALID_GROUP_ID = 24, "not a group name";
    UNKNOWN_MEMBER_ID = 25, "the group has no such member";
    INVALID_SESSION_TIMEOUT = 26, "a session time-out the broker does not allow";
    REBALANCE_IN_PROGRESS = 27, "the group is dealing out its partitions anew";
    INVALID_COMMIT_OFFSET_SIZE = 28, "the position to commit is too large";
    TOPIC_AUTHORIZATION_FAILED = 29, "no right to the topic";
    GROUP_AUTHORIZATION_FAILED = 30, "no right to the group";
    CLUSTER_AUTHORIZATION_FAILED = 31, "no right to the cluster";
    INVALID_TIMESTAMP = 32, "a record's timestamp is too far off";
    UNSUPPORTED_SASL_MECHANISM = 33, "the broker does not know the SASL mechanism";
    ILLEGAL_SASL_STATE = 34, "not what SASL expects at this point";
    UNSUPPORTED_VERSION = 35, "the broker does not know the version";
    TOPIC_ALREADY_EXISTS = 36, "there is a topic of that name";
    INVALID_PARTITIONS = 37, "fewer than one partition";
    INVALID_REPLICATION_FACTOR = 38, "no copy at all, or more copies than brokers";
    INVALID_REPLICA_ASSIGNMENT = 39, "replicas cannot be placed like that";
    INVALID_CONFIG = 40, "a setting is wrong";
    NOT_CONTROLLER = 41, "another broker is the controller";
    INVALID_REQUEST = 42, "the request makes no sense to the broker";
    UNSUPPORTED_FOR_MESSAGE_FORMAT = 43, "the topic's message format is too old for this";
    POLICY_VIOLATION = 44, "a policy of the cluster forbids it";
    OUT_OF_ORDER_SEQUENCE_NUMBER = 45, "a batch does not follow the one before";
    DUPLICATE_SEQUENCE_NUMBER = 46, "a batch was written before";
    INVALID_PRODUCER_EPOCH = 47, "a newer epoch of the producer exists";
    INVALID_TXN_STATE = 48, "not what the transaction allows at this point";
    INVALID_PRODUCER_ID_MAPPING = 49, "the transactional id belongs to another producer id";
    INVALID_TRANSACTION_TIMEOUT = 50, "a transaction time-out the broker does not allow";
    CONCURRENT_TRANSACTIONS = 51, "the former transaction is still being ended";
    TRANSACTION_COORDINATOR_FENCED = 52, "another transaction coordinator took over";
    TRANSACTIONAL_ID_AUTHORIZATION_FAILED = 53, "no right to the transactional id";
    SECURITY_DISABLED = 54, "the broker runs without security";
    OPERATION_NOT_ATTEMPTED = 55, "skipped because another part of the request failed";
    KAFKA_STORAGE_ERROR = 56, "the broker's disk fails";
    LOG_DIR_NOT_FOUND = 57, "the broker has no such log directory";
    SASL_AUTHENTICATION_FAILED = 58, "wrong credentials";
    UNKNOWN_PRODUCER_ID = 59, "the broker forgot the producer";
    REASSIGNMENT_IN_PROGRESS = 60, "the partition is moving";
    DELEGATION_TOKEN_AUTH_DISABLED = 61, "the broker takes no delegation tokens";
    DELEGATION_TOKEN_NOT_FOUND = 62, "no such delegation token";
    DELEGATION_TOKEN_OWNER_MISMATCH = 63, "the delegation token is another's";
    DELEGATION_TOKEN_REQUEST_NOT_ALLOWED = 64, "delegation tokens need a safer connection";
    DELEGATION_TOKEN_AUTHORIZATION_FAILED = 65, "no right to the delegation token";
    DELEGATION_TOKEN_EXPIRED = 66, "the delegation token is too old";
    INVALID_PRINCIPAL_TYPE = 67, "not a kind of principal";
    NON_EMPTY_GROUP = 68, "the group has members";
    GROUP_ID_NOT_FOUND = 69, "no such group";
    FETCH_SESSION_ID_NOT_FOUND = 70, "the broker forgot the fetch session";
    INVALID_FETCH_SESSION_EPOCH = 71, "not the fetch session's next request";
    LISTENER_NOT_FOUND = 72, "the leader has no such listener";
    TOPIC_DELETION_DISABLED = 73, "the cluster deletes no topics";
    FENCED_LEADER_EPOCH = 74, "the client knows an older leader than the broker";
    UNKNOWN_LEADER_EPOCH = 75, "the client knows a newer leader than the broker";
    UNSUPPORTED_COMPRESSION_TYPE = 76, "the client cannot read the compression";
    STALE_BROKER_EPOCH = 77, "the broker was restarted since";
    OFFSET_NOT_AVAILABLE = 78, "the new leader does not know its high watermark yet";
    MEMBER_ID_REQUIRED = 79, "join again with the member id given";
    PREFERRED_LEADER_NOT_AVAILABLE = 80, "the preferred leader is not there";
    GROUP_MAX_SIZE_REACHED = 81, "the group is full";
    FENCED_INSTANCE_ID = 82, "another took over as this static member";
    ELIGIBLE_LEADERS_NOT_AVAILABLE = 83, "nobody can lead the partition";
    ELECTION_NOT_NEEDED = 84, "the partition has the leader asked for";
    NO_REASSIGNMENT_IN_PROGRESS = 85, "the partition is not moving";
    GROUP_SUBSCRIBED_TO_TOPIC = 86, "the group is reading the topic";
    INVALID_RECORD = 87, "a record is not what the broker takes";
    UNSTABLE_OFFSET_COMMIT = 88, "an open transaction holds positions of the group";
    THROTTLING_QUOTA_EXCEEDED = 89, "too many changes in too short a time";
    PRODUCER_FENCED = 90, "another producer took over the transactional id";
    RESOURCE_NOT_FOUND = 91, "no such resource";
    DUPLICATE_RESOURCE = 92, "the same resource twice";
    UNACCEPTABLE_CREDENTIAL = 93, "the credential is too weak";
    INCONSISTENT_VOTER_SET = 94, "one of the two is not a voter";
    INVALID_UPDATE_VERSION = 95, "not a version to update to";
    FEATURE_UPDATE_FAILED = 96, "the features could not be changed";
    PRINCIPAL_DESERIALIZATION_FAILURE = 97, "the brokers disagree about who asks";
    SNAPSHOT_NOT_FOUND = 98, "no such snapshot";
    POSITION_OUT_OF_RANGE = 99, "the position lies outside of the snapshot";
    UNKNOWN_TOPIC_ID = 100, "the broker knows no topic of this id";
    DUPLICATE_BROKER_REGISTRATION = 101, "there is a broker of this id";
    BROKER_ID_NOT_REGISTERED = 102, "no such broker";
    INCONSISTENT_TOPIC_ID = 103, "the log is one of another topic id";
    INCONSISTENT_CLUSTER_ID = 104, "the broker is of another cluster";
    TRANSACTIONAL_ID_NOT_FOUND = 105, "no such transactional id";
    FETCH_SESSION_TOPIC_ID_ERROR = 106, "the fetch session mixes names and ids";
    INELIGIBLE_REPLICA = 107, "a replica may not be in sync";
    NEW_LEADER_ELECTED = 108, "done, but the leader has changed";
    OFFSET_MOVED_TO_TIERED_STORAGE = 109, "the records are in tiered storage";
    FENCED_MEMBER_EPOCH = 110, "the member must join anew";
    UNRELEASED_INSTANCE_ID = 111, "the former static member has not left";
    UNSUPPORTED_ASSIGNOR = 112, "the group has no such assignor";
    STALE_MEMBER_EPOCH = 113, "the member's epoch is old";
    MISMATCHED_ENDPOINT_TYPE = 114, "meant for a broker or a controller, sent to the other";
    UNSUPPORTED_ENDPOINT_TYPE = 115, "not a kind of endpoint";
    UNKNOWN_CONTROLLER_ID = 116, "no such controller";
    UNKNOWN_SUBSCRIPTION_ID = 117, "the telemetry subscription is old";
    TELEMETRY_TOO_LARGE = 118, "more telemetry than the broker takes";
    INVALID_REGISTRATION = 119, "the controller refuses the broker";
    TRANSACTION_ABORTABLE = 120, "the transaction must be aborted, then all is well";
    INVALID_RECORD_STATE = 121, "the record cannot be acknowledged like that";
    SHARE_SESSION_NOT_FOUND = 122, "the broker forgot the share session";
    INVALID_SHARE_SESSION_EPOCH = 123, "not the share session's next request";
    FENCED_STATE_EPOCH = 124, "the state moved on";
    INVALID_VOTER_KEY = 125, "the voter is another than expected";
    DUPLICATE_VOTER = 126, "a voter already";
    VOTER_NOT_FOUND = 127, "no such voter";
    INVALID_REGULAR_EXPRESSION = 128, "the regular expression is wrong";
    REBOOTSTRAP_REQUIRED = 129, "the client must start from its bootstrap addresses again";
    STREAMS_INVALID_TOPOLOGY = 130, "the topology is wrong";
    STREAMS_INVALID_TOPOLOGY_EPOCH = 131, "not an epoch of the topology";
    STREAMS_TOPOLOGY_FENCED = 132, "the topology's epoch is old";
    SHARE_SESSION_LIMIT_REACHED = 133, "the broker takes no more share sessions";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_shows_its_name_and_number() {
        assert_eq!(
            ErrorCode::PRODUCER_FENCED.to_string(),
            "PRODUCER_FENCED (90)"
        );
        assert_eq!(ErrorCode(-1).name(), "UNKNOWN_SERVER_ERROR");
        assert_eq!(ErrorCode(999).to_string(), "UNKNOWN_CODE (999)");
        assert!(ErrorCode::default().is_ok() && !ErrorCode(1).is_ok());
    }

    #[test]
    fn every_code_from_the_first_to_the_last_is_known() {
        assert!((-1..=133).all(|code| ErrorCode(code).name() != "UNKNOWN_CODE"));
    }
}
