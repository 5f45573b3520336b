//! The table of errors by request (transactions.md 1.3), row by row, on TV1 and TV2: what the
//! manager does, not what the recovery table says of it.

use milena_cluster::{CoordinatorKey, Outcome};
use milena_wire::ErrorCode;

use super::rig::{Rig, answer, identity, offsets, partition};
use crate::transaction::{
    AbortCause, Ending, Event, FatalCause, Request, RequestKind, Response, State,
};

/// What an error of a request leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Then {
    /// The same request again, to the same coordinator.
    Again,
    /// Within milliseconds.
    Soon,
    /// The same request again, after the coordinator was looked up.
    Find,
    /// The transaction can only be aborted.
    Abort,
    /// So it is, and a new epoch comes before the next.
    Bump,
    /// The manager is done for, as fenced.
    Fenced,
    /// As forgotten.
    Lost,
    /// As not allowed.
    Denied,
    /// For whatever reason.
    Fatal,
    /// `initialize` fails, and may be called again.
    Refused,
}

use ErrorCode as E;
use RequestKind as R;
use Then::{Abort, Again, Bump, Denied, Fatal, Fenced, Find, Lost, Refused, Soon};

/// The requests, in the order of the columns.
const REQUESTS: [RequestKind; 6] = [
    R::InitProducerId,
    R::AddPartitions,
    R::AddOffsets,
    R::TxnOffsetCommit,
    R::Commit,
    R::Abort,
];

/// The rows of transactions.md 1.3 that concern these requests, in its order. EndTxn has two
/// columns, for TRANSACTION_ABORTABLE; UNKNOWN_SERVER_ERROR of EndTxn says nothing of the outcome
/// and is asked again, a decision of our own.
const TABLE: [(ErrorCode, [Then; 6]); 33] = [
    (E::NOT_COORDINATOR, [Find; 6]),
    (E::COORDINATOR_NOT_AVAILABLE, [Find; 6]),
    (
        E::REQUEST_TIMED_OUT,
        [Again, Again, Again, Find, Again, Again],
    ),
    (E::CONCURRENT_TRANSACTIONS, [Soon; 6]),
    (E::COORDINATOR_LOAD_IN_PROGRESS, [Again; 6]),
    (E::UNKNOWN_TOPIC_OR_PARTITION, [Again; 6]),
    (E::NOT_ENOUGH_REPLICAS, [Again; 6]),
    (E::NOT_ENOUGH_REPLICAS_AFTER_APPEND, [Again; 6]),
    (E::NOT_LEADER_OR_FOLLOWER, [Again; 6]),
    (E::KAFKA_STORAGE_ERROR, [Again; 6]),
    (E::NETWORK_EXCEPTION, [Again; 6]),
    (E::PRODUCER_FENCED, [Fenced; 6]),
    (E::INVALID_PRODUCER_EPOCH, [Fenced; 6]),
    (E::INVALID_TXN_STATE, [Fatal; 6]),
    (E::INVALID_PRODUCER_ID_MAPPING, [Lost; 6]),
    (E::UNKNOWN_PRODUCER_ID, [Lost, Bump, Bump, Lost, Bump, Bump]),
    (
        E::TRANSACTION_ABORTABLE,
        [Refused, Abort, Abort, Abort, Abort, Fatal],
    ),
    (
        E::TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
        [Refused, Denied, Denied, Denied, Denied, Denied],
    ),
    (
        E::CLUSTER_AUTHORIZATION_FAILED,
        [Refused, Abort, Denied, Denied, Denied, Denied],
    ),
    (
        E::TOPIC_AUTHORIZATION_FAILED,
        [Denied, Abort, Denied, Denied, Denied, Denied],
    ),
    (
        E::OPERATION_NOT_ATTEMPTED,
        [Fatal, Abort, Fatal, Fatal, Fatal, Fatal],
    ),
    (
        E::GROUP_AUTHORIZATION_FAILED,
        [Denied, Abort, Abort, Abort, Denied, Denied],
    ),
    (
        E::ILLEGAL_GENERATION,
        [Fatal, Abort, Fatal, Abort, Fatal, Fatal],
    ),
    (
        E::UNKNOWN_MEMBER_ID,
        [Fatal, Abort, Fatal, Abort, Fatal, Fatal],
    ),
    (
        E::GROUP_ID_NOT_FOUND,
        [Fatal, Abort, Fatal, Abort, Fatal, Fatal],
    ),
    (
        E::STALE_MEMBER_EPOCH,
        [Fatal, Abort, Fatal, Abort, Fatal, Fatal],
    ),
    (
        E::FENCED_INSTANCE_ID,
        [Fatal, Abort, Fatal, Abort, Fatal, Fatal],
    ),
    (
        E::UNSUPPORTED_FOR_MESSAGE_FORMAT,
        [Fatal, Abort, Fatal, Fatal, Fatal, Fatal],
    ),
    (E::UNSUPPORTED_VERSION, [Fatal; 6]),
    (
        E::INVALID_TRANSACTION_TIMEOUT,
        [Fatal, Abort, Fatal, Fatal, Fatal, Fatal],
    ),
    (
        E::UNKNOWN_SERVER_ERROR,
        [Fatal, Abort, Fatal, Fatal, Again, Again],
    ),
    (
        E::INVALID_REQUEST,
        [Fatal, Abort, Fatal, Fatal, Fatal, Fatal],
    ),
    (
        E::OFFSET_OUT_OF_RANGE,
        [Fatal, Abort, Fatal, Fatal, Fatal, Fatal],
    ),
];

#[test]
fn every_row_of_the_error_table_holds_on_tv1() {
    check_table(1);
}

#[test]
fn every_row_of_the_error_table_holds_on_tv2() {
    check_table(2);
}

/// Whatever a broker may come up with: the manager neither panics nor stands still.
#[test]
fn every_error_code_is_answered_by_a_retry_an_abort_or_the_end() {
    for version in [1, 2] {
        for kind in asked_on(version) {
            for code in -300..=300 {
                if code == 0 {
                    continue;
                }
                let (mut rig, id, request) = asking(version, kind);
                rig.complete(id, answer(&request, ErrorCode(code)));
                let again = rig.try_request().is_some_and(|(_, again)| again == request);
                let told = rig.news().iter().any(|event| {
                    matches!(
                        event,
                        Event::Failed(_) | Event::Fatal(_) | Event::InitializeFailed(_)
                    )
                });
                let fenced = rig.manager.state() == State::Aborting;
                assert!(again || told || fenced, "{kind} and {code} on TV{version}");
            }
        }
    }
}

#[test]
fn of_several_results_the_heaviest_decides() {
    let cases = [
        (
            [E::NONE, E::TOPIC_AUTHORIZATION_FAILED, E::PRODUCER_FENCED],
            State::FatalError,
        ),
        (
            [
                E::OPERATION_NOT_ATTEMPTED,
                E::TOPIC_AUTHORIZATION_FAILED,
                E::NONE,
            ],
            State::AbortableError,
        ),
        (
            [
                E::UNKNOWN_TOPIC_OR_PARTITION,
                E::TOPIC_AUTHORIZATION_FAILED,
                E::NONE,
            ],
            State::AbortableError,
        ),
        // What was not attempted only because of a passing error is no refusal.
        (
            [
                E::OPERATION_NOT_ATTEMPTED,
                E::UNKNOWN_TOPIC_OR_PARTITION,
                E::OPERATION_NOT_ATTEMPTED,
            ],
            State::InTransaction,
        ),
        (
            [E::CONCURRENT_TRANSACTIONS, E::NOT_COORDINATOR, E::NONE],
            State::InTransaction,
        ),
    ];
    for (codes, state) in cases {
        let mut rig = Rig::begun(1);
        for index in 0..3 {
            let _ = rig.manager.add_partition(&partition(index));
        }
        let (id, _) = rig.hand_over();
        let results = (0..3).map(partition).zip(codes).collect();
        rig.complete(id, Outcome::Answered(Response::AddPartitions { results }));
        assert_eq!(rig.state(), state, "{codes:?}");
    }
}

fn check_table(version: i16) {
    for (error, row) in TABLE {
        for (kind, then) in REQUESTS.into_iter().zip(row) {
            if asked_on(version).contains(&kind) {
                let (mut rig, id, request) = asking(version, kind);
                rig.complete(id, answer(&request, error));
                let context = format!("{kind} answered with {error} on TV{version}");
                check(&mut rig, version, (kind, &request, error), then, &context);
            }
        }
    }
}

/// TV2 registers nothing.
fn asked_on(version: i16) -> Vec<RequestKind> {
    let mut kinds = REQUESTS.to_vec();
    if version == 2 {
        kinds.retain(|kind| !matches!(kind, R::AddPartitions | R::AddOffsets));
    }
    kinds
}

/// A manager whose request of that kind was just handed over, for the first time.
fn asking(version: i16, kind: RequestKind) -> (Rig, crate::transaction::RequestId, Request) {
    let mut rig = match kind {
        R::InitProducerId => {
            let mut rig = Rig::new(version);
            rig.manager.initialize(rig.now).unwrap();
            rig
        }
        R::AddPartitions => {
            let mut rig = Rig::begun(version);
            let _ = rig.manager.add_partition(&partition(0));
            rig
        }
        R::AddOffsets | R::TxnOffsetCommit => {
            let mut rig = Rig::begun(version);
            rig.manager.send_offsets(rig.now, offsets("g", 5)).unwrap();
            if version == 1 && kind == R::TxnOffsetCommit {
                rig.succeed();
            }
            rig
        }
        R::Commit | R::Abort => {
            let (mut rig, id, request) = Rig::ending(version, kind == R::Commit);
            rig.manager.handle_handed_over(id);
            rig.events();
            return (rig, id, request);
        }
    };
    let (id, request) = rig.hand_over();
    rig.events();
    (rig, id, request)
}

fn check(
    rig: &mut Rig,
    version: i16,
    (kind, request, error): (RequestKind, &Request, ErrorCode),
    then: Then,
    context: &str,
) {
    match then {
        Again | Soon | Find => {
            let lost = match kind {
                R::TxnOffsetCommit => CoordinatorKey::Group("g".into()),
                _ => CoordinatorKey::Transaction("tid".into()),
            };
            let lost = (then == Find).then_some(Event::CoordinatorLost(lost, None));
            assert_eq!(rig.events(), Vec::from_iter(lost), "{context}");
            let before = rig.now;
            assert_eq!(&rig.request().1, request, "{context}");
            let waited = (rig.now - before).as_millis();
            let range = if then == Soon { 0..=2 } else { 80..=120 };
            assert!(range.contains(&waited), "{context}: waited {waited} ms");
        }
        Abort | Bump => check_abort(rig, version, kind, then == Bump, context),
        Refused => {
            assert_eq!(rig.events(), [Event::InitializeFailed(error)], "{context}");
            assert_eq!(rig.state(), State::Uninitialized, "{context}");
        }
        Fenced | Lost | Denied | Fatal => {
            let cause = rig
                .manager
                .fatal_cause()
                .unwrap_or_else(|| panic!("{context}"));
            let class = match cause {
                FatalCause::Fenced => Fenced,
                FatalCause::MappingLost => Lost,
                FatalCause::Unauthorized { .. } => Denied,
                _ => Fatal,
            };
            assert!(then == Fatal || class == then, "{context}: {cause}");
            let ended = rig
                .events()
                .iter()
                .any(|event| matches!(event, Event::Ended(Ending::Aborted(_))));
            assert_eq!(ended, kind != R::InitProducerId, "{context}");
            assert!(rig.try_request().is_none(), "{context}");
        }
    }
}

fn check_abort(rig: &mut Rig, version: i16, kind: RequestKind, bump: bool, context: &str) {
    if kind == R::Abort {
        // An abort that cannot be done is done by a new identity.
        assert!(
            matches!(rig.succeed(), Request::InitProducerId { .. }),
            "{context}"
        );
        assert_eq!(rig.state(), State::Ready, "{context}");
        return;
    }
    let failed = rig
        .events()
        .iter()
        .any(|event| matches!(event, Event::Failed(_)));
    assert!(failed, "{context}");
    let state = if kind == R::Commit {
        State::Aborting
    } else {
        State::AbortableError
    };
    assert_eq!(rig.state(), state, "{context}");
    rig.manager.abort(rig.now).unwrap();
    rig.manager.handle_drained(rig.now);
    if rig.manager.is_started() {
        assert!(
            matches!(
                rig.succeed(),
                Request::EndTxn {
                    committing: false,
                    ..
                }
            ),
            "{context}"
        );
    }
    let bumping = rig.state() == State::Initializing;
    assert_eq!(bumping, bump && version == 1, "{context}");
    let last = rig.events().pop();
    assert!(
        matches!(&last, Some(Event::Ended(Ending::Aborted(cause))) if !matches!(cause, AbortCause::Requested)),
        "{context}: {last:?}"
    );
    if bumping {
        assert_eq!(
            rig.succeed(),
            Request::InitProducerId {
                expected: identity(0)
            },
            "{context}"
        );
    }
    assert_eq!(rig.state(), State::Ready, "{context}");
}
