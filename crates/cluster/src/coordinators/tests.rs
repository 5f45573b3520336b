use std::time::Duration;

use milena_wire::messages::Coordinator;

use super::*;

struct Harness {
    coordinators: Coordinators,
    now: Instant,
}

#[expect(
    clippy::disallowed_methods,
    reason = "an Instant has no other beginning; the tests move it by hand"
)]
fn start() -> Instant {
    Instant::now()
}

impl Harness {
    fn new() -> Self {
        let retry = Backoff {
            jitter: 0.0,
            ..Backoff::default()
        };
        Self {
            coordinators: Coordinators::new(retry, 1),
            now: start(),
        }
    }

    fn wait(&mut self, ms: u64) {
        self.now += Duration::from_millis(ms);
    }

    fn ask(&mut self) -> Option<CoordinatorKey> {
        self.coordinators.poll_request(self.now)
    }

    fn answer(
        &mut self,
        key: &CoordinatorKey,
        response: &FindCoordinatorResponse<'_>,
    ) -> Option<ErrorCode> {
        self.coordinators.handle_response(self.now, key, response)
    }

    /// Waits for the next look-up and answers it with `node`.
    fn look_up(&mut self, key: &CoordinatorKey, node: i32) {
        self.coordinators.want(key);
        if let Some(at) = self.coordinators.poll_timeout() {
            self.now = self.now.max(at);
        }
        assert_eq!(self.ask().as_ref(), Some(key));
        assert_eq!(self.answer(key, &found(node)), None);
    }
}

fn key() -> CoordinatorKey {
    CoordinatorKey::Transaction("payments-1".into())
}

fn found(node: i32) -> FindCoordinatorResponse<'static> {
    FindCoordinatorResponse {
        node_id: node,
        host: "b",
        port: 9092,
        ..Default::default()
    }
}

fn failed(error_code: ErrorCode) -> FindCoordinatorResponse<'static> {
    FindCoordinatorResponse {
        error_code,
        node_id: -1,
        port: -1,
        ..Default::default()
    }
}

fn listed(key: &'static str, node: i32, error_code: ErrorCode) -> FindCoordinatorResponse<'static> {
    let coordinator = Coordinator {
        key,
        node_id: node,
        host: "c",
        port: 9093,
        error_code,
        ..Default::default()
    };
    FindCoordinatorResponse {
        coordinators: vec![coordinator],
        ..Default::default()
    }
}

#[test]
fn a_wanted_key_is_looked_up_once_and_then_known() {
    let mut h = Harness::new();
    h.coordinators.want(&key());
    h.coordinators.want(&key());
    assert_eq!(h.ask(), Some(key()));
    assert_eq!(h.ask(), None, "one look-up a key");
    assert_eq!(h.coordinators.node(&key()), None);
    assert_eq!(h.answer(&key(), &found(2)), None);
    assert_eq!(h.coordinators.node(&key()), Some(NodeId(2)));
    assert_eq!(
        h.coordinators.address(&key()),
        Some(&BrokerAddress::new("b", 9092))
    );
    h.coordinators.want(&key());
    h.wait(60_000);
    assert_eq!((h.ask(), h.coordinators.poll_timeout()), (None, None));
}

#[test]
fn keys_are_looked_up_beside_each_other_and_a_group_is_not_a_transactional_id() {
    let mut h = Harness::new();
    let group = CoordinatorKey::Group("payments-1".into());
    h.coordinators.want(&key());
    h.coordinators.want(&group);
    let asked: Vec<_> = [h.ask(), h.ask(), h.ask()].into_iter().flatten().collect();
    assert_eq!(asked, [key(), group.clone()]);
    h.answer(&group, &found(3));
    assert_eq!(
        (h.coordinators.node(&key()), h.coordinators.node(&group)),
        (None, Some(NodeId(3)))
    );
}

#[test]
fn the_list_of_newer_versions_is_searched_for_the_key() {
    let mut h = Harness::new();
    h.coordinators.want(&key());
    h.ask();
    assert_eq!(
        h.answer(&key(), &listed("payments-1", 5, ErrorCode::NONE)),
        None
    );
    assert_eq!(h.coordinators.node(&key()), Some(NodeId(5)));
    let mut h = Harness::new();
    h.coordinators.want(&key());
    h.ask();
    assert_eq!(
        h.answer(&key(), &listed("somebody-else", 5, ErrorCode::NONE)),
        None
    );
    assert_eq!(h.coordinators.node(&key()), None);
    h.wait(100);
    assert_eq!(h.ask(), Some(key()), "an answer about another key is none");
}

#[test]
fn failures_are_retried_with_growing_waits() {
    let mut h = Harness::new();
    h.coordinators.want(&key());
    for wait in [100, 200, 400, 800, 1000, 1000] {
        assert_eq!(h.ask(), Some(key()));
        if wait % 400 == 0 {
            h.coordinators.handle_failure(h.now, &key());
        } else {
            assert_eq!(
                h.answer(&key(), &failed(ErrorCode::COORDINATOR_NOT_AVAILABLE)),
                None
            );
        }
        assert_eq!(
            h.coordinators.poll_timeout(),
            Some(h.now + Duration::from_millis(wait))
        );
        h.wait(wait - 1);
        assert_eq!(h.ask(), None);
        h.wait(1);
    }
}

#[test]
fn a_refusal_is_told_once_and_rests_until_wanted_again() {
    for error in [
        ErrorCode::TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
        ErrorCode::GROUP_AUTHORIZATION_FAILED,
    ] {
        let mut h = Harness::new();
        h.coordinators.want(&key());
        h.ask();
        assert_eq!(h.answer(&key(), &failed(error)), Some(error));
        h.wait(60_000);
        assert_eq!((h.ask(), h.coordinators.poll_timeout()), (None, None));
        h.coordinators.want(&key());
        assert_eq!(h.ask(), Some(key()));
    }
}

#[test]
fn an_address_where_nothing_can_listen_counts_as_not_available() {
    for response in [
        FindCoordinatorResponse::default(),
        FindCoordinatorResponse {
            node_id: -1,
            ..found(0)
        },
        FindCoordinatorResponse {
            host: "",
            ..found(1)
        },
        FindCoordinatorResponse {
            port: 0,
            ..found(1)
        },
        FindCoordinatorResponse {
            port: 70_000,
            ..found(1)
        },
    ] {
        let mut h = Harness::new();
        h.coordinators.want(&key());
        h.ask();
        assert_eq!(h.answer(&key(), &response), None);
        assert_eq!(h.coordinators.node(&key()), None, "{response:?}");
        h.wait(100);
        assert_eq!(h.ask(), Some(key()));
    }
}

#[test]
fn only_the_node_that_is_still_known_can_be_invalidated() {
    let mut h = Harness::new();
    h.look_up(&key(), 1);
    h.coordinators.invalidate(&key(), NodeId(1));
    assert_eq!(h.coordinators.node(&key()), None);
    h.look_up(&key(), 2);
    h.coordinators.invalidate(&key(), NodeId(1));
    assert_eq!(
        h.coordinators.node(&key()),
        Some(NodeId(2)),
        "a late complaint about the node before"
    );
}

#[test]
fn brokers_that_pass_the_client_on_for_ever_are_asked_at_the_pace_of_the_backoff() {
    let mut h = Harness::new();
    let start = h.now;
    for round in 0..10_000 {
        let node = round % 2 + 1;
        h.look_up(&key(), node);
        h.coordinators.invalidate(&key(), NodeId(node));
        assert_eq!(h.ask(), None, "at once after round {round}");
    }
    assert!(
        h.now - start > Duration::from_secs(9_000),
        "10,000 look-ups in {:?}",
        h.now - start
    );
}

#[test]
fn a_coordinator_that_held_for_a_while_is_replaced_without_a_wait() {
    let mut h = Harness::new();
    for _ in 0..5 {
        h.look_up(&key(), 1);
        h.coordinators.invalidate(&key(), NodeId(1));
    }
    h.look_up(&key(), 1);
    h.wait(10_000);
    h.coordinators.invalidate(&key(), NodeId(1));
    assert_eq!(h.ask(), Some(key()));
    h.answer(&key(), &found(2));
    h.coordinators.invalidate(&key(), NodeId(2));
    assert_eq!(
        h.coordinators.poll_timeout(),
        Some(h.now + Duration::from_millis(100)),
        "the waits start again"
    );
}

#[test]
fn answers_that_nobody_waits_for_change_nothing() {
    let mut h = Harness::new();
    assert_eq!(h.answer(&key(), &found(1)), None);
    h.coordinators.handle_failure(h.now, &key());
    h.coordinators.invalidate(&key(), NodeId(1));
    assert_eq!((h.coordinators.node(&key()), h.ask()), (None, None));
    h.look_up(&key(), 1);
    h.answer(&key(), &found(2));
    h.coordinators.handle_failure(h.now, &key());
    assert_eq!(h.coordinators.node(&key()), Some(NodeId(1)));
}

#[test]
fn the_key_not_wanted_for_longest_makes_room_for_a_new_one() {
    let mut h = Harness::new();
    let name = |n: usize| CoordinatorKey::Group(format!("g{n}").into());
    (0..KEYS_MAX).for_each(|n| h.coordinators.want(&name(n)));
    let asked = h.ask().expect("all are due");
    assert_eq!(asked, name(0));
    h.coordinators.want(&name(KEYS_MAX));
    assert_eq!(h.coordinators.entries.len(), KEYS_MAX);
    assert!(
        h.coordinators.entries.contains_key(&name(0)),
        "its look-up is outstanding"
    );
    assert!(!h.coordinators.entries.contains_key(&name(1)));
}

#[test]
fn a_coordinator_that_has_proved_good_is_looked_up_again_at_once_and_one_that_has_not_is_waited_for()
 {
    let mut h = Harness::new();
    h.look_up(&key(), 1);
    h.coordinators.invalidate(&key(), NodeId(1));
    assert_eq!(
        h.ask(),
        None,
        "it never did anything: no second look-up at once"
    );

    h.look_up(&key(), 2);
    h.coordinators.confirm(&key());
    h.coordinators.invalidate(&key(), NodeId(2));
    assert_eq!(h.ask(), Some(key()));
}
