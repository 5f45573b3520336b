//! What the transaction coordinator answers: state x request x identity x release, from one table.
//!
//! A cell is an error, the state a request leads to, or both: `F` PRODUCER_FENCED, `M`
//! INVALID_PRODUCER_ID_MAPPING, `S` INVALID_TXN_STATE, `C` CONCURRENT_TRANSACTIONS, `A`
//! TRANSACTION_ABORTABLE; `E`mpty, `O`ngoing, `pC` and `pA` for Prepare*, `cC` and `cA` for
//! Complete*, with what the epoch grows by. `C:pA+1` answers an error and aborts all the same.

use milena_testbroker::{BrokerConfig, CoordinatorKind, Emulate, TransactionState};
use milena_wire::ErrorCode;
use milena_wire::messages::{
    AddOffsetsToTxnRequest, AddPartitionsToTxnRequest, AddPartitionsToTxnTopic,
    AddPartitionsToTxnTransaction, EndTxnRequest, InitProducerIdRequest,
};

use crate::harness::{Cluster, Id, ms};
use crate::requests::{END_TV1, END_TV2};

/// In which state a request finds the id, in the order of the columns. `Bumped` is Empty by the
/// owner's own InitProducerId, `Empty` by a new instance's.
const COLUMNS: [&str; 7] = [
    "Empty", "Bumped", "Ongoing", "prepC", "prepA", "complC", "complA",
];

/// Identities: the present one, epochs one and two before, one behind, another producer id, none.
/// Under TV2 the raised epoch of an end is the present one.
const TABLE: &str = "
request  identity  where  Empty Bumped Ongoing prepC prepA complC complA

init     none      any    E+1   E+1    C:pA+1  C     C     E+1    E+1
init     present   any    E+1   E+1    C:pA+1  C     C     E+1    E+1
init     before    tv2    F     E      C:pA+1  C     C     E      E
init     before    tv1    F     E      C:pA+1  C     C     F      F
init     before    3.9    F     E      C:pA+1  C     C     F      F
init     older     any    F     F      C:pA+1  C     C     F      F
init     behind    any    F     F      C:pA+1  C     C     F      F
init     stranger  any    F     F      F       C     C     F      F

add      present   any    O     O      O       C     C     O      O
add      before    4.3    F     F      F       C     C     F      F
add      older     4.3    F     F      F       C     C     F      F
add      behind    4.3    F     F      F       C     C     F      F
add      stranger  4.3    M     M      M       C     C     M      M
add      before    3.9    F     F      F       F     F     F      F
add      older     3.9    F     F      F       F     F     F      F
add      behind    3.9    F     F      F       F     F     F      F
add      stranger  3.9    M     M      M       M     M     M      M

verify   present   any    A     A      O       C     C     A      A
verify   before    any    F     F      F       F     F     F      F
verify   older     any    F     F      F       F     F     F      F
verify   behind    any    F     F      F       F     F     F      F
verify   stranger  any    M     M      M       M     M     M      M

commit4  present   any    S     S      pC      C     C     cC     S
commit4  before    any    F     F      F       F     F     F      F
commit4  older     any    F     F      F       F     F     F      F
commit4  behind    any    F     F      F       F     F     F      F
commit4  stranger  any    M     M      M       M     M     M      M
abort4   present   any    S     S      pA      C     C     S      cA
abort4   before    any    F     F      F       F     F     F      F
abort4   older     any    F     F      F       F     F     F      F
abort4   behind    any    F     F      F       F     F     F      F
abort4   stranger  any    M     M      M       M     M     M      M

commit5  present   4.3    S     S      pC+1    C     C     S      S
commit5  before    4.3    F     F      F       C     C     cC     S
commit5  older     4.3    F     F      F       C     C     F      F
commit5  behind    4.3    F     F      F       C     C     F      F
commit5  stranger  4.3    M     M      M       C     C     M      M
abort5   present   4.3    cA+1  cA+1   pA+1    C     C     cA+1   cA+1
abort5   before    4.3    F     F      F       C     C     S      cA
abort5   older     4.3    F     F      F       C     C     F      F
abort5   behind    4.3    F     F      F       C     C     F      F
abort5   stranger  4.3    M     M      M       C     C     M      M
";

/// The clusters that a row is about.
fn clusters(place: &str) -> &'static [&'static str] {
    match place {
        "any" => &["tv2", "tv1", "3.9"],
        "4.3" => &["tv2", "tv1"],
        "tv2" => &["tv2"],
        "tv1" => &["tv1"],
        "3.9" => &["3.9"],
        other => panic!("no such cluster: {other}"),
    }
}

fn cluster(kind: &str) -> Cluster {
    let mut cluster = Cluster::new(BrokerConfig {
        emulate: if kind == "3.9" {
            Emulate::V3_9
        } else {
            Emulate::V4_3
        },
        transaction_version: Some(if kind == "tv2" { 2 } else { 0 }),
        ..Default::default()
    });
    assert!(cluster.broker.create_topic("t", 2));
    cluster
}

/// Takes `x` to a state; the identity that owns it then.
fn reach(cluster: &mut Cluster, kind: &str, state: &str) -> Id {
    let version = if kind == "tv2" { END_TV2 } else { END_TV1 };
    cluster.broker.pause_markers(true);
    for _ in 0..5 {
        cluster.init(Some("x"), None).unwrap();
    }
    let owner = cluster.init(Some("x"), None).unwrap();
    if state == "Bumped" {
        return cluster.init(Some("x"), Some(owner)).unwrap();
    }
    if state != "Empty" {
        assert_eq!(cluster.add_partitions(owner, &[0]), [ErrorCode::NONE]);
    }
    if matches!(state, "prepC" | "complC" | "prepA" | "complA") {
        let committed = state.ends_with('C');
        cluster.end(version, owner, committed).unwrap();
    }
    if state.starts_with("compl") {
        cluster.broker.pause_markers(false);
        cluster.advance(ms(10));
        cluster.broker.pause_markers(true);
    }
    let view = cluster.broker.transaction_state("x").unwrap();
    Id {
        id: view.producer_id,
        epoch: view.producer_epoch,
    }
}

fn identity(owner: Id, which: &str) -> Option<Id> {
    let epoch = |by: i16| {
        Some(Id {
            epoch: owner.epoch + by,
            ..owner
        })
    };
    match which {
        "none" => None,
        "present" => epoch(0),
        "before" => epoch(-1),
        "older" => epoch(-2),
        "behind" => epoch(1),
        "stranger" => Some(Id {
            id: owner.id + 77,
            ..owner
        }),
        other => panic!("no such identity: {other}"),
    }
}

fn ask(cluster: &mut Cluster, request: &str, who: Option<Id>) -> ErrorCode {
    let of = |result: Result<Id, ErrorCode>| result.err().unwrap_or_default();
    let id = who.unwrap_or(Id { id: -1, epoch: -1 });
    match request {
        "init" => of(cluster.init(Some("x"), who)),
        "add" => cluster.add_partitions(id, &[1])[0],
        "verify" => verify(cluster, id, 0),
        "commit4" => of(cluster.end(END_TV1, id, true)),
        "abort4" => of(cluster.end(END_TV1, id, false)),
        "commit5" => of(cluster.end(END_TV2, id, true)),
        "abort5" => of(cluster.end(END_TV2, id, false)),
        other => panic!("no such request: {other}"),
    }
}

fn verify(cluster: &mut Cluster, who: Id, partition: i32) -> ErrorCode {
    let node = cluster
        .broker
        .coordinator(CoordinatorKind::Transaction, "x");
    let request = AddPartitionsToTxnRequest {
        transactions: vec![AddPartitionsToTxnTransaction {
            transactional_id: "x",
            producer_id: who.id,
            producer_epoch: who.epoch,
            verify_only: true,
            topics: vec![AddPartitionsToTxnTopic {
                name: "t",
                partitions: vec![partition].into(),
            }],
        }],
        ..Default::default()
    };
    cluster.ask(node, 4, &request, |response| {
        let topics = &response.results_by_transaction[0].topic_results;
        topics[0].results_by_partition[0].partition_error_code
    })
}

fn short(state: TransactionState) -> &'static str {
    match state {
        TransactionState::Empty => "E",
        TransactionState::Ongoing => "O",
        TransactionState::PrepareCommit => "pC",
        TransactionState::PrepareAbort => "pA",
        TransactionState::CompleteCommit => "cC",
        TransactionState::CompleteAbort => "cA",
        other => panic!("{other} is never seen"),
    }
}

fn letter(error: ErrorCode) -> &'static str {
    match error {
        ErrorCode::PRODUCER_FENCED => "F",
        ErrorCode::INVALID_PRODUCER_ID_MAPPING => "M",
        ErrorCode::INVALID_TXN_STATE => "S",
        ErrorCode::CONCURRENT_TRANSACTIONS => "C",
        ErrorCode::TRANSACTION_ABORTABLE => "A",
        other => panic!("{other} is in no cell"),
    }
}

/// What a request does to `x` in a state, written as a cell.
fn cell(kind: &str, state: &str, request: &str, which: &str) -> String {
    let mut cluster = cluster(kind);
    let owner = reach(&mut cluster, kind, state);
    let before = cluster.broker.transaction_state("x").unwrap();
    let error = ask(&mut cluster, request, identity(owner, which));
    let after = cluster.broker.transaction_state("x").unwrap();
    let raised = after.producer_epoch - before.producer_epoch;
    let mut led = short(after.state).to_owned();
    if raised != 0 {
        led = format!("{led}+{raised}");
    }
    let changed = before != after;
    match (error, changed) {
        (ErrorCode::NONE, _) => led,
        (error, false) => letter(error).to_owned(),
        (error, true) => format!("{}:{led}", letter(error)),
    }
}

#[test]
fn every_state_answers_every_request_as_the_table_says() {
    let mut cells = 0;
    let mut wrong = Vec::new();
    for row in TABLE.lines().skip(2).filter(|row| !row.is_empty()) {
        let words: Vec<&str> = row.split_whitespace().collect();
        let [request, which, place, expected @ ..] = words.as_slice() else {
            panic!("no row: {row}");
        };
        assert_eq!(expected.len(), COLUMNS.len(), "{row}");
        for kind in clusters(place) {
            for (state, expected) in COLUMNS.iter().zip(expected) {
                cells += 1;
                let found = cell(kind, state, request, which);
                if found != *expected {
                    wrong.push(format!(
                        "{kind} {state}: {request} {which}: {found}, not {expected}"
                    ));
                }
            }
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
    assert_eq!(cells, 686, "a row is missing");
}

#[test]
fn an_id_that_nobody_knows_is_a_wrong_mapping() {
    for kind in ["tv2", "tv1", "3.9"] {
        let mut cluster = cluster(kind);
        let id = Some(Id { id: 1, epoch: 0 });
        let mut requests = vec!["add", "verify", "commit4", "abort4"];
        if kind != "3.9" {
            requests.extend(["commit5", "abort5"]);
        }
        for request in requests {
            let answer = ask(&mut cluster, request, id);
            assert_eq!(
                answer,
                ErrorCode::INVALID_PRODUCER_ID_MAPPING,
                "{kind} {request}"
            );
        }
        assert!(cluster.init(Some("x"), id).is_ok(), "whatever it believes");
    }
}

#[test]
fn older_clients_are_told_an_older_error() {
    const NEW: ErrorCode = ErrorCode::PRODUCER_FENCED;
    const OLD: ErrorCode = ErrorCode::INVALID_PRODUCER_EPOCH;
    let mut cluster = cluster("tv1");
    let owner = reach(&mut cluster, "tv1", "Ongoing");
    let stale = Id {
        epoch: owner.epoch - 2,
        ..owner
    };
    for (version, expected) in [(0, OLD), (1, OLD), (2, NEW), (3, NEW), (4, NEW)] {
        let ended = cluster.end_at(1, version, stale, true);
        assert_eq!(ended, Err(expected), "EndTxn v{version}");
    }
    for (version, expected) in [(0, OLD), (1, OLD), (2, NEW), (3, NEW)] {
        let request = AddOffsetsToTxnRequest {
            transactional_id: "x",
            producer_id: stale.id,
            producer_epoch: stale.epoch,
            group_id: "g",
        };
        let answer = cluster.ask(1, version, &request, |response| response.error_code);
        assert_eq!(answer, expected, "AddOffsetsToTxn v{version}");
        let request = AddPartitionsToTxnRequest {
            v3_and_below_transactional_id: "x",
            v3_and_below_producer_id: stale.id,
            v3_and_below_producer_epoch: stale.epoch,
            v3_and_below_topics: vec![AddPartitionsToTxnTopic {
                name: "t",
                partitions: vec![1].into(),
            }],
            ..Default::default()
        };
        let answer = cluster.ask(1, version, &request, |response| {
            let topic = &response.results_by_topic_v3_and_below[0];
            topic.results_by_partition[0].partition_error_code
        });
        assert_eq!(answer, expected, "AddPartitionsToTxn v{version}");
    }
    // Of an id without a transaction: an open one would be aborted first.
    let mut cluster = self::cluster("tv1");
    let owner = reach(&mut cluster, "tv1", "Empty");
    let stale = Some(Id {
        epoch: owner.epoch - 2,
        ..owner
    });
    for (version, expected) in [(3, OLD), (4, NEW), (5, NEW)] {
        let answer = cluster.init_at(1, version, Some("x"), stale);
        assert_eq!(answer, Err(expected), "InitProducerId v{version}");
    }
}

#[test]
fn what_makes_no_sense_is_refused_before_anybody_is_asked() {
    const BAD: ErrorCode = ErrorCode::INVALID_REQUEST;
    const TIMEOUT: ErrorCode = ErrorCode::INVALID_TRANSACTION_TIMEOUT;
    let mut cluster = cluster("tv2");
    let mut init = |id: Option<&str>, timeout: i32, producer_id: i64, epoch: i16| {
        let request = InitProducerIdRequest {
            transactional_id: id,
            transaction_timeout_ms: timeout,
            producer_id,
            producer_epoch: epoch,
        };
        cluster.ask(1, 5, &request, |response| response.error_code)
    };
    assert_eq!(init(Some(""), 1, -1, -1), BAD);
    assert_eq!(init(Some("x"), 1, -1, 0), BAD);
    assert_eq!(init(Some("x"), 1, 0, -1), BAD);
    assert_eq!(init(None, 1, 7, -1), BAD);
    assert_eq!(init(Some("x"), 0, -1, -1), TIMEOUT);
    assert_eq!(init(Some("x"), -5, -1, -1), TIMEOUT);
    assert_eq!(init(Some("x"), 900_001, -1, -1), TIMEOUT);
    assert_eq!(init(Some("x"), 900_000, -1, -1), ErrorCode::NONE);
    assert_eq!(
        init(None, -5, -1, -1),
        ErrorCode::NONE,
        "no transaction, no time-out"
    );
    let end = EndTxnRequest {
        transactional_id: "",
        ..Default::default()
    };
    for version in [4, 5] {
        assert_eq!(
            cluster.ask(1, version, &end, |response| response.error_code),
            BAD
        );
    }
}
