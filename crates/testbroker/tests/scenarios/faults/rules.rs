//! Which requests rules meet, how rules act together, and that each must act.

use std::panic::{AssertUnwindSafe, catch_unwind};

use milena_testbroker::{Action, BrokerConfig, HoldId, Level, Rule, RuleId};
use milena_wire::messages::{AnyRequest, FetchRequest, ListOffsetsRequest, MetadataRequest};
use milena_wire::{ApiKey, ApiVersion, ErrorCode};

use super::{LOST, outcome, written};
use crate::harness::{Cluster, ms, plain};
use crate::requests::{Asking, fetch_request, produce_request};

fn refuse(cluster: &mut Cluster, rule: Rule) -> RuleId {
    cluster.broker.faults().add(rule, Action::Error(LOST))
}

fn produce() -> Rule {
    Rule::on(ApiKey::PRODUCE)
}

/// Which of these many writes were refused.
fn refused(cluster: &mut Cluster, writes: usize) -> Vec<usize> {
    let writes = 1..=writes;
    writes
        .filter(|_| cluster.write(plain(&["a"])).is_err())
        .collect()
}

#[test]
fn counts_choose_the_requests() {
    for (rule, expected) in [
        (produce(), vec![1]),
        (produce().nth(3), vec![3]),
        (produce().times(2), vec![1, 2]),
        (produce().after(2, 2), vec![3, 4]),
        (produce().every(3), vec![3, 6]),
        (produce().always(), vec![1, 2, 3, 4, 5, 6]),
        (produce().probability(1.0), vec![1, 2, 3, 4, 5, 6]),
        (produce().probability(0.0), vec![]),
    ] {
        let mut cluster = Cluster::single();
        refuse(&mut cluster, rule);
        assert_eq!(refused(&mut cluster, 6), expected);
    }
}

#[test]
fn a_rule_acts_until_its_barrier_falls_or_it_is_ended() {
    let hold = HoldId(7);
    let mut cluster = Cluster::single();
    let until = refuse(&mut cluster, produce().until(hold));
    assert_eq!(refused(&mut cluster, 2), [1, 2]);
    cluster.broker.release(hold);
    assert_eq!(refused(&mut cluster, 2), []);
    let always = refuse(&mut cluster, produce().always());
    assert_eq!(refused(&mut cluster, 1), [1]);
    assert!(cluster.broker.faults().end(always));
    assert_eq!(refused(&mut cluster, 1), []);
    let fired = [until, always].map(|rule| cluster.broker.faults().fired(rule));
    assert_eq!(fired, [2, 1], "their counts stay");
}

#[test]
fn rules_look_at_the_header_and_at_the_body() {
    let node = produce().node(1);
    let version = produce().versions(8..=9);
    let exact = produce().version(ApiVersion(9));
    let client = produce().client_id("harness");
    let partition = produce().topic_partition("t", 0);
    let topic = produce().topic("t");
    for rule in [
        node,
        version,
        exact,
        client,
        partition,
        topic,
        Rule::on_any(),
    ] {
        let mut cluster = Cluster::single();
        refuse(&mut cluster, rule);
        let conn = cluster.connect(1);
        cluster.send(conn, 9, &produce_request(None, 0, plain(&["a"])));
        assert_eq!(outcome(&cluster.receive(conn).unwrap()), LOST);
    }
    for rule in [
        produce().node(2),
        produce().versions(10..=13),
        produce().client_id("other"),
        produce().topic_partition("t", 1),
        produce().topic("u"),
        produce().transactional_id("x"),
        produce().group("g"),
        Rule::on(ApiKey::FETCH),
    ] {
        let mut cluster = Cluster::single();
        refuse(&mut cluster, rule.optional());
        let conn = cluster.connect(1);
        cluster.send(conn, 9, &produce_request(None, 0, plain(&["a"])));
        assert_eq!(outcome(&cluster.receive(conn).unwrap()), ErrorCode::NONE);
    }
}

#[test]
fn a_rule_can_be_about_one_connection() {
    let mut cluster = Cluster::single();
    let (one, other) = (cluster.connect(1), cluster.connect(1));
    refuse(&mut cluster, produce().connection(other).always());
    let mut ask = |conn| {
        cluster.send(conn, 9, &produce_request(None, 0, plain(&["a"])));
        outcome(&cluster.receive(conn).unwrap())
    };
    assert_eq!((ask(one), ask(other)), (ErrorCode::NONE, LOST));
}

#[test]
fn rules_that_take_different_things_act_on_one_request() {
    let mut cluster = Cluster::single();
    let error = refuse(&mut cluster, produce());
    let faults = cluster.broker.faults();
    let late = faults.add(produce(), Action::DelayAnswer(ms(50)));
    let throttled = faults.add(produce(), Action::Throttle(ms(9)));
    let second = faults.add(produce(), Action::Error(ErrorCode::REQUEST_TIMED_OUT));
    let dropped = faults.add(produce(), Action::DropBeforeApply);
    let conn = cluster.connect(1);
    cluster.send(conn, 9, &produce_request(None, 0, plain(&["a"])));
    assert_eq!(cluster.receive(conn), None);
    cluster.advance(ms(50));
    assert_eq!(outcome(&cluster.receive(conn).unwrap()), LOST);
    let fired =
        [error, late, throttled, second, dropped].map(|it| cluster.broker.faults().fired(it));
    assert_eq!(
        fired,
        [1, 1, 1, 0, 0],
        "two errors have no room in one answer"
    );
    assert_eq!(cluster.broker.faults().met(second), 0);
    assert_eq!(
        cluster.write(plain(&["a"])),
        Err(ErrorCode::REQUEST_TIMED_OUT)
    );
    let conn = cluster.connect(1);
    cluster.send(conn, 9, &produce_request(None, 0, plain(&["a"])));
    assert!(cluster.is_closed(conn));
    assert_eq!(written(&cluster), 0);
}

#[test]
fn an_error_stands_at_its_level() {
    let mut cluster = Cluster::new(BrokerConfig::default());
    cluster.broker.create_topic("t", 2);
    let at = |cluster: &mut Cluster, rule: Rule, level| {
        cluster
            .broker
            .faults()
            .add(rule, Action::ErrorAt(level, LOST));
    };
    let fetch = |cluster: &mut Cluster| {
        let request: FetchRequest<'_> = fetch_request(Asking::default(), 1);
        cluster.ask(1, 12, &request, |response| {
            let topics = response.responses.iter();
            let partitions = topics.flat_map(|topic| &topic.partitions);
            let codes: Vec<_> = partitions.map(|data| data.error_code).collect();
            (response.error_code, codes)
        })
    };
    at(&mut cluster, Rule::on(ApiKey::FETCH), Level::Top);
    assert_eq!(fetch(&mut cluster), (LOST, vec![]));
    at(&mut cluster, Rule::on(ApiKey::FETCH), Level::Partition);
    assert_eq!(fetch(&mut cluster), (ErrorCode::NONE, vec![LOST]));

    let metadata = |cluster: &mut Cluster| {
        let all = MetadataRequest {
            topics: None,
            ..Default::default()
        };
        cluster.ask(1, 9, &all, |response| {
            let topic = &response.topics[0];
            let partitions = topic.partitions.iter();
            let codes: Vec<_> = partitions.map(|data| data.error_code).collect();
            (topic.error_code, codes)
        })
    };
    at(&mut cluster, Rule::on(ApiKey::METADATA), Level::Topic);
    assert_eq!(metadata(&mut cluster), (LOST, vec![]));
    at(&mut cluster, Rule::on(ApiKey::METADATA), Level::Partition);
    assert_eq!(metadata(&mut cluster), (ErrorCode::NONE, vec![LOST, LOST]));

    at(&mut cluster, produce(), Level::Record(1));
    let request = produce_request(None, 0, plain(&["a", "b"]));
    let blamed = cluster.ask(1, 9, &request, |response| {
        let answer = &response.responses[0].partition_responses[0];
        let records = answer.record_errors.iter().map(|it| it.batch_index);
        (answer.error_code, records.collect::<Vec<_>>())
    });
    assert_eq!(blamed, (LOST, vec![1]));
    assert_eq!(written(&cluster), 0);
}

/// What a broker says when it is dropped with these rules after one Produce.
fn dropped_with(rule: Rule) -> Result<(), String> {
    let mut cluster = Cluster::single();
    cluster
        .broker
        .faults()
        .add(rule, Action::ApplyThenError(LOST));
    let _ = cluster.write(plain(&["a"]));
    catch_unwind(AssertUnwindSafe(|| drop(cluster)))
        .map_err(|panic| *panic.downcast::<String>().expect("a message"))
}

#[test]
fn a_test_whose_fault_did_not_happen_fails() {
    let message = dropped_with(produce().nth(2).topic_partition("t", 0)).unwrap_err();
    assert!(message.contains("1 fault(s) never happened"), "{message}");
    assert!(
        message.contains("Produce (0) about t-0, number 2 of them: ApplyThenError")
            || message.contains("about t-0, number 2 of them"),
        "{message}"
    );
    assert!(message.contains("(1 requests matched)"), "{message}");
    for never in [
        Rule::on(ApiKey::FETCH),
        Rule::on(ApiKey::FETCH).always(),
        Rule::on(ApiKey::FETCH).until(HoldId(1)),
        Rule::on(ApiKey::FETCH).probability(0.5).required(),
    ] {
        assert!(dropped_with(never).is_err());
    }
    for fine in [
        produce(),
        produce().nth(2).optional(),
        Rule::on(ApiKey::FETCH).probability(0.5),
    ] {
        assert_eq!(dropped_with(fine), Ok(()));
    }
}

#[test]
fn a_rule_that_was_taken_away_is_not_missed() {
    let mut cluster = Cluster::single();
    let gone = refuse(&mut cluster, Rule::on(ApiKey::FETCH));
    assert_eq!(cluster.broker.faults().check().unwrap_err().rules.len(), 1);
    cluster.broker.faults().remove(gone);
    assert!(cluster.broker.faults().check().is_ok());
    refuse(&mut cluster, Rule::on(ApiKey::FETCH));
    cluster.broker.faults().clear();
}

#[test]
fn an_ended_rule_must_have_acted() {
    let mut cluster = Cluster::single();
    let idle = refuse(&mut cluster, produce().always());
    cluster.broker.faults().end(idle);
    assert!(cluster.broker.faults().check().is_err());
    cluster.broker.faults().clear();
}

#[test]
fn the_history_has_requests_and_answers_to_look_into() {
    let mut cluster = Cluster::single();
    let rule = refuse(&mut cluster, produce());
    let _ = cluster.write(plain(&["a"]));
    cluster.write(plain(&["b", "c"])).unwrap();
    let history = cluster.broker.history();
    let sizes: Vec<_> = history
        .requests_of(ApiKey::PRODUCE)
        .map(|(_, request)| match request {
            AnyRequest::Produce(request) => {
                let data = &request.topic_data[0].partition_data[0];
                data.records.as_ref().unwrap().len()
            }
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(sizes.len(), 2, "each request once");
    assert!(sizes[0] < sizes[1]);
    assert_eq!(history.answers_of(ApiKey::PRODUCE).count(), 2);
    assert_eq!(history.of_rule(rule).count(), 1);
    assert!(history.of_client("harness").count() >= 4);
    let (entry, _) = history.requests_of(ApiKey::PRODUCE).nth(1).unwrap();
    let told = entry.describe();
    assert!(
        told.contains("t-0: [0..=1 producer -1/-1 sequence -1]"),
        "{told}"
    );
    let dump = cluster.broker.dump();
    for part in [
        "node 1",
        "t-0 leader 1",
        "in sync [1]",
        "fired 1",
        &told,
        "=> ",
    ] {
        assert!(dump.contains(part), "no {part:?} in\n{dump}");
    }
}

#[test]
fn the_history_keeps_no_more_bytes_than_it_may() {
    let mut cluster = Cluster::with_topic(BrokerConfig {
        history_bytes_max: 1_000,
        history_frame_bytes_max: 300,
        ..Default::default()
    });
    for _ in 0..20 {
        cluster.write(plain(&["a"])).unwrap();
    }
    cluster.write(plain(&[&"x".repeat(300)])).unwrap();
    let history = cluster.broker.history();
    let kept = |entry: &&milena_testbroker::Entry| entry.frame.is_some();
    let bytes: usize = history
        .entries()
        .map(|entry| {
            let frames = [&entry.frame, &entry.answer];
            frames
                .iter()
                .map(|it| it.as_ref().map_or(0, bytes::Bytes::len))
                .sum::<usize>()
        })
        .sum();
    assert!(
        bytes <= 1_000 && history.entries().filter(kept).count() > 0,
        "{bytes}"
    );
    assert_eq!(history.applied(ApiKey::PRODUCE), 21);
    let large = history.of_api(ApiKey::PRODUCE).next_back().unwrap();
    assert!(
        large.describe().contains("not kept"),
        "{}",
        large.describe()
    );
}

/// Whether a rule has acted once its request has been answered as far as it ever is.
fn acts(acks: i16, action: Action) -> bool {
    let mut cluster = Cluster::single();
    let rule = cluster.broker.faults().add(produce(), action);
    let conn = cluster.connect(1);
    let mut request = produce_request(None, 0, plain(&["a"]));
    request.acks = acks;
    cluster.send(conn, 9, &request);
    cluster.advance(ms(60_000));
    let acted = cluster.broker.faults().fired(rule) == 1;
    assert_eq!(cluster.broker.faults().check().is_ok(), acted);
    cluster.broker.faults().clear();
    acted
}

#[test]
fn what_is_done_to_an_answer_does_not_happen_where_there_is_none() {
    for action in [
        Action::DelayAnswer(ms(1)),
        Action::HoldAnswer(HoldId(1)),
        Action::SlowAnswer(1_000),
        Action::FlipBit(None),
        Action::CorruptAnswer(5),
        Action::Throttle(ms(5)),
        Action::HalfClose,
    ] {
        assert!(acts(-1, action), "{action:?}");
        assert!(!acts(0, action), "{action:?} without an answer");
    }
    assert!(acts(0, Action::Duplicate(ms(1))));
    assert!(acts(0, Action::Error(LOST)), "that closes the connection");
}

#[test]
fn an_error_without_a_place_in_the_answer_has_not_happened() {
    let mut cluster = Cluster::single();
    let rule = refuse(&mut cluster, Rule::on(ApiKey::LIST_OFFSETS));
    cluster.ask(1, 5, &ListOffsetsRequest::default(), |_| ());
    let faults = cluster.broker.faults();
    assert_eq!((faults.met(rule), faults.fired(rule)), (1, 0));
    faults.remove(rule);
}

#[test]
fn a_read_is_answered_with_an_error_whether_it_is_applied_or_not() {
    let mut cluster = Cluster::single();
    let rule = Rule::on(ApiKey::FETCH);
    let action = Action::ApplyThenError(LOST);
    cluster.broker.faults().add(rule, action);
    let error = cluster.ask(1, 12, &fetch_request(Asking::default(), 0), |answer| {
        answer.responses[0].partitions[0].error_code
    });
    assert_eq!(error, LOST);
}

#[test]
fn the_history_does_not_say_that_a_refused_request_was_applied() {
    let mut cluster = Cluster::single();
    refuse(&mut cluster, produce());
    assert_eq!(refused(&mut cluster, 2), [1]);
    assert_eq!(cluster.broker.history().applied(ApiKey::PRODUCE), 1);
}
