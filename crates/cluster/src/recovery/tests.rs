//! The second witness of the table: the rows as the reference of Kafka's clients writes them, compared cell by cell.

use milena_wire::ErrorCode as E;

use super::*;

mod document;

/// Every code of the wire crate, and some that no Kafka has.
fn codes() -> impl Iterator<Item = E> {
    (-5..=200).chain([i16::MIN, i16::MAX]).map(E)
}

/// The code that Kafka calls `name`.
fn code(name: &str) -> E {
    codes()
        .find(|code| code.name() == name)
        .unwrap_or_else(|| panic!("no code is called {name}"))
}

/// The columns of [`TRANSACTION_ROWS`].
const COLUMNS: [Operation; 7] = [
    Operation::FindCoordinator,
    Operation::InitProducerId,
    Operation::AddPartitionsToTxn,
    Operation::AddOffsetsToTxn,
    Operation::TxnOffsetCommit,
    Operation::EndTxn { committing: true },
    Operation::Produce {
        transactional: true,
    },
];

/// Error | FindCoordinator | InitProducerId | AddPartitions | AddOffsets | TxnOffsetCommit | EndTxn (commit) | Produce.
///
/// OK; R retry here; S retry here within milliseconds; M retry after new metadata; C retry after a coordinator look-up; A abort;
/// A+b abort and bump; F: fatal, with the cause's first letters; Q the sequence rules; - not to be expected, so "anything else"
/// of that column.
const TRANSACTION_ROWS: &str = "
NONE                                 | OK     | OK     | OK      | OK      | OK     | OK     | OK
NOT_COORDINATOR                      | R      | C      | C       | C       | C      | C      | R
COORDINATOR_NOT_AVAILABLE            | R      | C      | C       | C       | C      | C      | R
REQUEST_TIMED_OUT                    | R      | R      | R       | R       | C      | R      | R
CONCURRENT_TRANSACTIONS              | S      | S      | S       | S       | S      | S      | S
COORDINATOR_LOAD_IN_PROGRESS         | R      | R      | R       | R       | R      | R      | R
NOT_ENOUGH_REPLICAS                  | R      | R      | R       | R       | R      | R      | R
NOT_ENOUGH_REPLICAS_AFTER_APPEND     | R      | R      | R       | R       | R      | R      | R
CORRUPT_MESSAGE                      | R      | R      | R       | R       | R      | R      | R
THROTTLING_QUOTA_EXCEEDED            | R      | R      | R       | R       | R      | R      | R
UNSTABLE_OFFSET_COMMIT               | R      | R      | R       | R       | R      | R      | R
UNKNOWN_TOPIC_OR_PARTITION           | R      | R      | R       | R       | R      | R      | M
UNKNOWN_TOPIC_ID                     | R      | R      | R       | R       | R      | R      | M
NOT_LEADER_OR_FOLLOWER               | R      | R      | R       | R       | R      | R      | M
LEADER_NOT_AVAILABLE                 | R      | R      | R       | R       | R      | R      | M
FENCED_LEADER_EPOCH                  | R      | R      | R       | R       | R      | R      | M
KAFKA_STORAGE_ERROR                  | R      | R      | R       | R       | R      | R      | M
NETWORK_EXCEPTION                    | R      | R      | R       | R       | R      | R      | M
PRODUCER_FENCED                      | F fen  | F fen  | F fen   | F fen   | F fen  | F fen  | F fen
INVALID_PRODUCER_EPOCH               | F fen  | F fen  | F fen   | F fen   | F fen  | F fen  | A+b
INVALID_TXN_STATE                    | F bug  | F bug  | F bug   | F bug   | F bug  | F bug  | A
INVALID_PRODUCER_ID_MAPPING          | F map  | F map  | F map   | F map   | F map  | F map  | F map
UNKNOWN_PRODUCER_ID                  | F map  | F map  | A+b     | A+b     | F map  | A+b    | Q
TRANSACTION_ABORTABLE                | A      | A      | A       | A       | A      | A      | A
TRANSACTIONAL_ID_AUTHORIZATION_FAILED| F auth | A      | F auth  | F auth  | F auth | F auth | F auth
CLUSTER_AUTHORIZATION_FAILED         | F auth | A      | A       | F auth  | F auth | F auth | F auth
TOPIC_AUTHORIZATION_FAILED           | F auth | F auth | A       | F auth  | F auth | F auth | A
OPERATION_NOT_ATTEMPTED              | F bug  | F bug  | A       | F bug   | F bug  | F bug  | A
GROUP_AUTHORIZATION_FAILED           | A      | F auth | A       | A       | A      | F auth | A
ILLEGAL_GENERATION                   | F fen  | F fen  | A       | F fen   | A      | F fen  | A
UNKNOWN_MEMBER_ID                    | F fen  | F fen  | A       | F fen   | A      | F fen  | A
GROUP_ID_NOT_FOUND                   | F conf | F conf | A       | F conf  | A      | F conf | A
STALE_MEMBER_EPOCH                   | F fen  | F fen  | A       | F fen   | A      | F fen  | A
FENCED_INSTANCE_ID                   | F fen  | F fen  | A       | F fen   | A      | F fen  | A
UNSUPPORTED_FOR_MESSAGE_FORMAT       | F uns  | F uns  | A       | F uns   | F uns  | F uns  | A
UNSUPPORTED_VERSION                  | F uns  | F uns  | F uns   | F uns   | F uns  | F uns  | F uns
OUT_OF_ORDER_SEQUENCE_NUMBER         | -      | -      | -       | -       | -      | -      | Q
DUPLICATE_SEQUENCE_NUMBER            | -      | -      | -       | -       | -      | -      | dup
MESSAGE_TOO_LARGE                    | F conf | F conf | A       | F conf  | F conf | F conf | split
INVALID_TRANSACTION_TIMEOUT          | F conf | F conf | A       | F conf  | F conf | F conf | A
UNKNOWN_SERVER_ERROR                 | -      | -      | -       | -       | -      | R      | -
INVALID_REQUEST                      | -      | -      | -       | -       | -      | -      | -
SNAPSHOT_NOT_FOUND                   | -      | -      | -       | -       | -      | -      | -
anything else                        | F bug  | F bug  | A       | F bug   | F bug  | F bug  | A
";

/// Error | Fetch | ListOffsets | OffsetFetch | Metadata | Admin | Produce (idempotent).
const OTHER_COLUMNS: [Operation; 6] = [
    Operation::Fetch,
    Operation::ListOffsets,
    Operation::OffsetFetch,
    Operation::Metadata,
    Operation::Admin,
    Operation::Produce {
        transactional: false,
    },
];

const OTHER_ROWS: &str = "
NONE                                 | OK     | OK     | OK      | OK      | OK     | OK
OFFSET_OUT_OF_RANGE                  | reset  | -      | -       | -       | -      | -
NOT_LEADER_OR_FOLLOWER               | M      | M      | R       | R       | M      | M
LEADER_NOT_AVAILABLE                 | M      | M      | R       | R       | M      | M
REPLICA_NOT_AVAILABLE                | M      | M      | R       | R       | M      | M
FENCED_LEADER_EPOCH                  | M      | M      | R       | R       | M      | M
UNKNOWN_LEADER_EPOCH                 | M      | M      | R       | R       | R      | R
OFFSET_NOT_AVAILABLE                 | M      | M      | R       | R       | R      | R
KAFKA_STORAGE_ERROR                  | M      | M      | R       | R       | M      | M
UNKNOWN_TOPIC_OR_PARTITION           | M      | M      | R       | R       | F conf | M
UNKNOWN_TOPIC_ID                     | M      | M      | R       | R       | F conf | M
INCONSISTENT_TOPIC_ID                | M      | M      | R       | R       | M      | M
REQUEST_TIMED_OUT                    | R      | R      | R       | R       | R      | R
NOT_ENOUGH_REPLICAS_AFTER_APPEND     | R      | R      | R       | R       | R      | R
THROTTLING_QUOTA_EXCEEDED            | R      | R      | R       | R       | R      | R
FETCH_SESSION_ID_NOT_FOUND           | R      | R      | R       | R       | R      | R
COORDINATOR_LOAD_IN_PROGRESS         | R      | R      | R       | R       | R      | R
NOT_COORDINATOR                      | -      | -      | C       | -       | -      | R
COORDINATOR_NOT_AVAILABLE            | -      | -      | C       | -       | -      | R
UNSTABLE_OFFSET_COMMIT               | R      | R      | R       | R       | R      | R
CONCURRENT_TRANSACTIONS              | R      | R      | S       | R       | R      | S
NOT_CONTROLLER                       | R      | R      | R       | R       | M      | R
CORRUPT_MESSAGE                      | F bug  | R      | R       | R       | R      | R
UNKNOWN_SERVER_ERROR                 | R      | R      | -       | R       | -      | -
REBOOTSTRAP_REQUIRED                 | -      | -      | -       | R       | -      | -
TOPIC_AUTHORIZATION_FAILED           | F auth | F auth | F auth  | F auth  | F auth | A+b
GROUP_AUTHORIZATION_FAILED           | F auth | F auth | F auth  | F auth  | F auth | A+b
CLUSTER_AUTHORIZATION_FAILED         | F auth | F auth | F auth  | F auth  | F auth | F auth
UNSUPPORTED_VERSION                  | F uns  | F uns  | F uns   | F uns   | F uns  | F uns
UNSUPPORTED_COMPRESSION_TYPE         | F uns  | F uns  | F uns   | F uns   | F uns  | A+b
UNSUPPORTED_FOR_MESSAGE_FORMAT       | F uns  | F uns  | F uns   | F uns   | F uns  | A+b
INVALID_TOPIC_EXCEPTION              | F conf | F conf | F conf  | F conf  | F conf | A+b
TOPIC_ALREADY_EXISTS                 | F conf | F conf | F conf  | F conf  | F conf | A+b
INVALID_REPLICATION_FACTOR           | F conf | F conf | F conf  | F conf  | F conf | A+b
INVALID_PARTITIONS                   | F conf | F conf | F conf  | F conf  | F conf | A+b
POLICY_VIOLATION                     | F conf | F conf | F conf  | F conf  | F conf | A+b
GROUP_ID_NOT_FOUND                   | F conf | F conf | F conf  | F conf  | F conf | A+b
UNKNOWN_MEMBER_ID                    | F fen  | F fen  | F fen   | F fen   | F fen  | A+b
PRODUCER_FENCED                      | F fen  | F fen  | F fen   | F fen   | F fen  | F fen
INVALID_PRODUCER_EPOCH               | F fen  | F fen  | F fen   | F fen   | F fen  | A+b
INVALID_PRODUCER_ID_MAPPING          | F map  | F map  | F map   | F map   | F map  | F map
OUT_OF_ORDER_SEQUENCE_NUMBER         | -      | -      | -       | -       | -      | Q
UNKNOWN_PRODUCER_ID                  | F map  | F map  | F map   | F map   | F map  | Q
DUPLICATE_SEQUENCE_NUMBER            | -      | -      | -       | -       | -      | dup
MESSAGE_TOO_LARGE                    | F conf | F conf | F conf  | F conf  | F conf | split
INVALID_RECORD                       | -      | -      | -       | -       | -      | -
anything else                        | F bug  | F bug  | F bug   | F bug   | F bug  | A+b
";

fn letters(text: &str) -> Recovery {
    match text {
        "OK" => Recovery::Ok,
        "R" => Recovery::Retry,
        "S" => Recovery::RetrySoon,
        "M" => Recovery::RefreshMetadata,
        "C" => Recovery::FindCoordinator,
        "A" => Recovery::Abort,
        "A+b" => Recovery::AbortAndBump,
        "Q" => Recovery::Sequence,
        "dup" => Recovery::Duplicate,
        "split" => Recovery::Split,
        "reset" => Recovery::Reset,
        "F fen" => Recovery::Fatal(FatalCause::Fenced),
        "F auth" => Recovery::Fatal(FatalCause::Authorization),
        "F map" => Recovery::Fatal(FatalCause::InvalidMapping),
        "F uns" => Recovery::Fatal(FatalCause::Unsupported),
        "F conf" => Recovery::Fatal(FatalCause::Configuration),
        "F bug" => Recovery::Fatal(FatalCause::Bug),
        _ => panic!("no such cell: {text}"),
    }
}

fn walk(rows: &str, columns: &[Operation]) {
    let rows: Vec<Vec<&str>> = rows
        .trim()
        .lines()
        .map(|row| row.split('|').map(str::trim).collect())
        .collect();
    let (otherwise, rows) = rows.split_last().expect("a last row");
    assert_eq!(otherwise[0], "anything else");
    for row in rows {
        assert_eq!(row.len(), columns.len() + 1, "{row:?}");
        for (operation, cell) in columns.iter().zip(1..) {
            let expected = if row[cell] == "-" {
                otherwise[cell]
            } else {
                row[cell]
            };
            assert_eq!(
                recover(*operation, code(row[0])),
                letters(expected),
                "{} of {operation}",
                row[0]
            );
        }
    }
    // A code of a Kafka to come.
    for (operation, cell) in columns.iter().zip(1..) {
        assert_eq!(
            recover(*operation, E(3_000)),
            letters(otherwise[cell]),
            "anything else of {operation}"
        );
    }
}

#[test]
fn every_cell_of_the_transaction_table_is_what_the_reference_says() {
    walk(TRANSACTION_ROWS, &COLUMNS);
}

#[test]
fn every_cell_outside_of_transactions_is_what_the_java_client_does() {
    walk(OTHER_ROWS, &OTHER_COLUMNS);
}

#[test]
fn an_abort_differs_from_a_commit_in_one_cell_only() {
    for code in codes() {
        let [commit, abort] =
            [true, false].map(|committing| recover(Operation::EndTxn { committing }, code));
        if code == E::TRANSACTION_ABORTABLE {
            assert_eq!(
                (commit, abort),
                (Recovery::Abort, Recovery::Fatal(FatalCause::Bug))
            );
        } else {
            assert_eq!(commit, abort, "{code}");
        }
    }
}

#[test]
fn no_error_of_end_txn_passes_for_success() {
    for committing in [true, false] {
        for code in codes().filter(|code| !code.is_ok()) {
            let recovery = recover(Operation::EndTxn { committing }, code);
            assert!(
                !matches!(recovery, Recovery::Ok | Recovery::Duplicate),
                "{code}"
            );
        }
    }
}

#[test]
fn each_recovery_appears_only_where_it_can_be_carried_out() {
    for operation in Operation::ALL {
        let produce = matches!(operation, Operation::Produce { .. });
        let coordinator = matches!(
            operation,
            Operation::InitProducerId
                | Operation::AddPartitionsToTxn
                | Operation::AddOffsetsToTxn
                | Operation::TxnOffsetCommit
                | Operation::EndTxn { .. }
                | Operation::OffsetFetch
        );
        for code in codes() {
            let recovery = recover(operation, code);
            let possible = match recovery {
                Recovery::Ok => code.is_ok(),
                Recovery::Retry | Recovery::RetrySoon | Recovery::Fatal(_) => !code.is_ok(),
                Recovery::RefreshMetadata => {
                    produce
                        || matches!(
                            operation,
                            Operation::Fetch | Operation::ListOffsets | Operation::Admin
                        )
                }
                Recovery::FindCoordinator => coordinator,
                Recovery::Split | Recovery::Sequence | Recovery::Duplicate => produce,
                Recovery::Abort => {
                    (produce
                        && operation
                            == Operation::Produce {
                                transactional: true,
                            })
                        || operation == Operation::FindCoordinator
                        || (coordinator && operation != Operation::OffsetFetch)
                }
                Recovery::AbortAndBump => {
                    produce || (coordinator && operation != Operation::OffsetFetch)
                }
                Recovery::Reset => operation == Operation::Fetch,
            };
            assert!(possible, "{recovery} of {code} in {operation}");
        }
    }
}

#[test]
fn fencing_and_refused_rights_are_never_retried() {
    for operation in Operation::ALL {
        for name in [
            "PRODUCER_FENCED",
            "INVALID_PRODUCER_EPOCH",
            "INVALID_PRODUCER_ID_MAPPING",
            "TOPIC_AUTHORIZATION_FAILED",
            "GROUP_AUTHORIZATION_FAILED",
            "CLUSTER_AUTHORIZATION_FAILED",
            "TRANSACTIONAL_ID_AUTHORIZATION_FAILED",
        ] {
            assert!(
                !recover(operation, code(name)).is_retry(),
                "{name} in {operation}"
            );
        }
    }
}

#[test]
fn an_error_that_leaves_the_append_open_is_never_a_definite_refusal_to_retry_elsewhere() {
    // Each of them is sent again with the same stamp, or fails with its outcome unknown; none is split or renumbered.
    for code in codes().filter(|code| may_have_appended(*code)) {
        let recovery = recover(
            Operation::Produce {
                transactional: true,
            },
            code,
        );
        assert!(
            recovery.is_retry() || recovery == Recovery::Abort,
            "{code}: {recovery}"
        );
    }
    for code in [
        E::MESSAGE_TOO_LARGE,
        E::NOT_ENOUGH_REPLICAS,
        E::INVALID_RECORD,
        E::OUT_OF_ORDER_SEQUENCE_NUMBER,
    ] {
        assert!(!may_have_appended(code), "{code}");
    }
}
