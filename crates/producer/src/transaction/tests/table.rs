//! What every event does in every state: the whole table, held against `table.txt`.
//!
//! `MILENA_BLESS=1` writes the file anew; read the difference before you commit it.

use std::fmt::Write as _;

use milena_wire::ErrorCode;

use super::rig::{Rig, answer, failed_send, not_sent, offsets, partition, unsure};
use crate::transaction::{
    Ending, Event, Failure, FatalCause, Generation, Request, RequestId, State,
};

const TABLE: &str = include_str!("table.txt");

#[test]
fn every_event_in_every_state_does_what_the_table_says() {
    let told = table();
    if std::env::var_os("MILENA_BLESS").is_some_and(|value| value == "1") {
        let path = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/src/transaction/tests/table.txt"
        );
        std::fs::write(path, &told).unwrap();
        return;
    }
    for (line, (is, was)) in told.lines().zip(TABLE.lines()).enumerate() {
        assert_eq!(
            is,
            was,
            "line {}; MILENA_BLESS=1 writes the table anew",
            line + 1
        );
    }
    assert_eq!(told.len(), TABLE.len());
}

#[test]
fn the_table_covers_every_state() {
    let states: Vec<State> = situations(1)
        .into_iter()
        .map(|(_, build)| build().rig.state())
        .collect();
    for state in [
        State::Uninitialized,
        State::Initializing,
        State::Ready,
        State::InTransaction,
        State::Committing,
        State::Aborting,
        State::AbortableError,
        State::FatalError,
    ] {
        assert!(states.contains(&state), "{state:?}");
    }
}

/// A manager, and the request it waits for.
struct Situation {
    rig: Rig,
    waiting: Option<(RequestId, Request)>,
}

type Build = Box<dyn Fn() -> Situation>;

fn table() -> String {
    let mut out = String::new();
    for version in [1, 2] {
        for (name, build) in situations(version) {
            let state = build().rig.state();
            let _ = writeln!(out, "TV{version} {name} ({state:?})");
            let mut without = Vec::new();
            for (event, act) in EVENTS {
                let mut situation = build();
                let result = act(&mut situation);
                match describe(&mut situation, state, &result) {
                    Some(effect) => {
                        let _ = writeln!(out, "  {event:<24}{effect}");
                    }
                    None => without.push(event),
                }
            }
            let _ = writeln!(out, "  without effect: {}\n", without.join(", "));
        }
    }
    out
}

/// The result, the new state if it is one, what was told, and what is asked for next.
fn describe(situation: &mut Situation, before: State, result: &str) -> Option<String> {
    let rig = &mut situation.rig;
    let mut told: Vec<String> = Vec::new();
    if !result.is_empty() {
        told.push(result.to_owned());
    }
    if rig.state() != before {
        told.push(format!("-> {:?}", rig.state()));
    }
    told.extend(
        rig.events()
            .iter()
            .map(|event| format!("{{{}}}", short(event))),
    );
    if let Some((_, request)) = rig.try_request() {
        told.push(format!("asks {}", name(&request)));
    }
    (!told.is_empty()).then(|| told.join(" "))
}

fn short(event: &Event) -> String {
    match event {
        Event::Ended(Ending::Aborted(_)) => "Ended Aborted".to_owned(),
        Event::Ended(ending) => format!("Ended {ending:?}"),
        Event::Resolved(Ending::Aborted(_)) => "Resolved Aborted".to_owned(),
        Event::Resolved(ending) => format!("Resolved {ending:?}"),
        event => {
            let full = format!("{event:?}");
            full.split(['(', ' ']).next().unwrap_or_default().to_owned()
        }
    }
}

fn name(request: &Request) -> &'static str {
    match request {
        Request::InitProducerId { expected } if expected.is_some() => "InitProducerId(bump)",
        Request::InitProducerId { .. } => "InitProducerId(first)",
        Request::AddPartitions { .. } => "AddPartitions",
        Request::AddOffsets { .. } => "AddOffsets",
        Request::TxnOffsetCommit { .. } => "TxnOffsetCommit",
        Request::EndTxn {
            committing: true, ..
        } => "EndTxn(commit)",
        Request::EndTxn {
            committing: false, ..
        } => "EndTxn(abort)",
    }
}

fn situations(version: i16) -> Vec<(&'static str, Build)> {
    let mut all = before_the_end(version);
    all.extend(committing(version));
    all.extend(aborting(version));
    if version == 1 {
        all.extend(registering());
    }
    all
}

fn before_the_end(version: i16) -> Vec<(&'static str, Build)> {
    let initializing = move || {
        let mut rig = Rig::new(version);
        rig.manager.initialize(rig.now).unwrap();
        rig
    };
    let bumping = move || {
        let mut rig = Rig::started(version);
        rig.manager.set_transaction_version(3 - version);
        rig.manager.abort(rig.now).unwrap();
        rig.manager.handle_drained(rig.now);
        rig.succeed();
        rig
    };
    let sending_offsets = move || {
        let mut rig = Rig::started(version);
        rig.manager.send_offsets(rig.now, offsets("g", 5)).unwrap();
        if version == 1 {
            rig.succeed();
        }
        rig
    };
    let failed = move |failure: Failure| {
        let mut rig = Rig::started(version);
        rig.manager.fail(rig.now, rig.manager.generation(), failure);
        rig
    };
    vec![
        ("new", plain(move || Rig::new(version))),
        ("initializing", asking(initializing)),
        ("bumping", asking(bumping)),
        ("ready", plain(move || Rig::ready(version))),
        ("nothing in it", plain(move || Rig::begun(version))),
        ("records in it", plain(move || Rig::started(version))),
        ("offsets on their way", asking(sending_offsets)),
        ("a send failed", plain(move || failed(failed_send()))),
        (
            "failed for good",
            plain(move || failed(Failure::Fatal(FatalCause::Fenced))),
        ),
    ]
}

fn committing(version: i16) -> Vec<(&'static str, Build)> {
    let waiting = move || {
        let mut rig = Rig::started(version);
        rig.manager.commit(rig.now).unwrap();
        rig
    };
    let given_up = move || {
        let mut situation = handed_over(version);
        situation.rig.manager.give_up(situation.rig.now);
        situation.rig.events();
        situation
    };
    let unanswered = move || {
        let (mut rig, id, _) = Rig::ending(version, true);
        rig.complete(id, unsure());
        rig
    };
    vec![
        ("commit, batches on their way", plain(waiting)),
        (
            "commit, EndTxn polled",
            Box::new(move || ending(version, true)),
        ),
        (
            "commit, EndTxn handed over",
            Box::new(move || handed_over(version)),
        ),
        ("commit, given up", Box::new(given_up)),
        ("commit, a copy unanswered", asking(unanswered)),
    ]
}

fn aborting(version: i16) -> Vec<(&'static str, Build)> {
    let waiting = move || {
        let mut rig = Rig::started(version);
        rig.manager.abort(rig.now).unwrap();
        rig
    };
    let taken_back = move || {
        let mut situation = ending(version, true);
        situation.rig.manager.abort(situation.rig.now).unwrap();
        situation
    };
    let fencing = move || {
        let mut rig = Rig::started(version);
        rig.manager.fence_unresolved();
        rig.manager.abort(rig.now).unwrap();
        rig
    };
    vec![
        ("abort, batches on their way", plain(waiting)),
        (
            "abort, EndTxn polled",
            Box::new(move || ending(version, false)),
        ),
        ("abort, a commit comes back", Box::new(taken_back)),
        ("abort, fencing", asking(fencing)),
    ]
}

fn registering() -> Vec<(&'static str, Build)> {
    let adding = || {
        let mut rig = Rig::begun(1);
        let _ = rig.manager.add_partition(&partition(1));
        rig
    };
    let aborting = move || {
        let mut rig = adding();
        let waiting = Some(rig.hand_over());
        rig.manager.abort(rig.now).unwrap();
        Situation { rig, waiting }
    };
    vec![
        ("a partition on its way", asking(adding)),
        ("abort, a partition on its way", Box::new(aborting)),
    ]
}

fn plain(build: impl Fn() -> Rig + 'static) -> Build {
    Box::new(move || {
        let mut rig = build();
        rig.events();
        Situation { rig, waiting: None }
    })
}

fn asking(build: impl Fn() -> Rig + 'static) -> Build {
    Box::new(move || {
        let mut rig = build();
        let waiting = Some(rig.hand_over());
        rig.events();
        Situation { rig, waiting }
    })
}

fn ending(version: i16, committing: bool) -> Situation {
    let (rig, id, request) = Rig::ending(version, committing);
    Situation {
        rig,
        waiting: Some((id, request)),
    }
}

fn handed_over(version: i16) -> Situation {
    let (mut rig, id, request) = Rig::ending(version, true);
    rig.manager.handle_handed_over(id);
    Situation {
        rig,
        waiting: Some((id, request)),
    }
}

type Act = fn(&mut Situation) -> String;

const EVENTS: [(&str, Act); 28] = [
    ("initialize", |s| told(s.rig.manager.initialize(s.rig.now))),
    ("begin", |s| {
        told(s.rig.manager.begin(s.rig.now).map(|_| ()))
    }),
    ("other version", |s| {
        let version = if s.rig.manager.transaction_version == 2 {
            1
        } else {
            2
        };
        s.rig.manager.set_transaction_version(version);
        String::new()
    }),
    ("add known partition", |s| {
        format!("{:?}", s.rig.manager.add_partition(&partition(0)))
    }),
    ("add new partition", |s| {
        format!("{:?}", s.rig.manager.add_partition(&partition(5)))
    }),
    ("send offsets", |s| {
        told(s.rig.manager.send_offsets(s.rig.now, offsets("h", 1)))
    }),
    ("commit", |s| told(s.rig.manager.commit(s.rig.now))),
    ("abort", |s| told(s.rig.manager.abort(s.rig.now))),
    ("a send fails", |s| fail(s, 0, failed_send())),
    ("an old send fails", |s| fail(s, 1, failed_send())),
    ("a send is fatal", |s| {
        fail(s, 0, Failure::Fatal(FatalCause::MappingLost))
    }),
    ("a batch is unresolved", |s| {
        s.rig.manager.fence_unresolved();
        String::new()
    }),
    ("give up", |s| {
        format!("{:?}", s.rig.manager.give_up(s.rig.now))
    }),
    ("drained", |s| {
        s.rig.manager.handle_drained(s.rig.now);
        String::new()
    }),
    ("handed over", |s| {
        if let Some((id, _)) = &s.waiting {
            s.rig.manager.handle_handed_over(*id);
        }
        String::new()
    }),
    ("answered", |s| answered(s, ErrorCode::NONE)),
    ("busy", |s| answered(s, ErrorCode::CONCURRENT_TRANSACTIONS)),
    ("loading", |s| {
        answered(s, ErrorCode::COORDINATOR_LOAD_IN_PROGRESS)
    }),
    ("elsewhere", |s| answered(s, ErrorCode::NOT_COORDINATOR)),
    ("abortable", |s| {
        answered(s, ErrorCode::TRANSACTION_ABORTABLE)
    }),
    ("unknown producer", |s| {
        answered(s, ErrorCode::UNKNOWN_PRODUCER_ID)
    }),
    ("server error", |s| {
        answered(s, ErrorCode::UNKNOWN_SERVER_ERROR)
    }),
    ("fenced", |s| answered(s, ErrorCode::PRODUCER_FENCED)),
    ("wrong state", |s| answered(s, ErrorCode::INVALID_TXN_STATE)),
    ("mapping lost", |s| {
        answered(s, ErrorCode::INVALID_PRODUCER_ID_MAPPING)
    }),
    ("not allowed", |s| {
        answered(s, ErrorCode::TRANSACTIONAL_ID_AUTHORIZATION_FAILED)
    }),
    ("not sent", |s| {
        if let Some((id, _)) = s.waiting.take() {
            s.rig.complete(id, not_sent());
        }
        String::new()
    }),
    ("answer lost", |s| {
        if let Some((id, _)) = s.waiting.take() {
            s.rig.complete(id, unsure());
        }
        String::new()
    }),
];

fn told<E: std::fmt::Debug>(result: Result<(), E>) -> String {
    match result {
        Ok(()) => "ok".to_owned(),
        Err(error) => format!("refused: {error:?}"),
    }
}

fn fail(situation: &mut Situation, ago: u64, failure: Failure) -> String {
    let rig = &mut situation.rig;
    let generation = Generation(rig.manager.generation().0.wrapping_sub(ago));
    rig.manager.fail(rig.now, generation, failure);
    String::new()
}

fn answered(situation: &mut Situation, error: ErrorCode) -> String {
    if let Some((id, request)) = situation.waiting.take() {
        situation.rig.complete(id, answer(&request, error));
    }
    String::new()
}
