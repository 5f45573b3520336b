use std::time::Duration;

use milena_wire::{ApiKey, ApiVersion, VersionRange};

use super::*;

fn call(router: &mut Router, now: Instant) -> Call {
    Call {
        id: router.next_call(),
        key: ApiKey::METADATA,
        versions: VersionRange {
            min: ApiVersion(4),
            max: ApiVersion(13),
        },
        encode: Box::new(|version, correlation, client_id| {
            let request = milena_wire::messages::MetadataRequest::default();
            milena_wire::encode_request(&request, version, correlation, Some(client_id))
        }),
        timeout: Duration::from_secs(30),
        deadline: now + Duration::from_secs(30),
    }
}

fn router() -> Router {
    let mut router = Router::new(EngineConfig::default(), 7);
    let address = milena_cluster::BrokerAddress::new("broker", 9092);
    router.set_nodes([(NodeId(1), address)].into_iter());
    router
}

fn connect(router: &mut Router) -> LinkId {
    match router.poll_action() {
        Some(Action::Connect { link, .. }) => link,
        other => panic!("no connection is wanted but {other:?}"),
    }
}

const NODE: Target = Target::Node(NodeId(1));

#[test]
fn who_waits_for_a_broker_that_is_gone_is_told_at_once() {
    #[allow(clippy::disallowed_methods, reason = "a test's time")]
    let now = Instant::now();
    let mut router = router();
    let first = call(&mut router, now);
    router.submit(now, NODE, Purpose::Rest, first);
    let link = connect(&mut router);
    router.handle_closed(now, link, &CloseReason::ConnectFailed("refused".into()));
    let _ = router.poll_outcome();
    // The next one waits for the second attempt, which will never come.
    let second = call(&mut router, now);
    let id = second.id;
    router.submit(now, NODE, Purpose::Rest, second);
    assert!(router.poll_outcome().is_none());
    router.set_nodes(std::iter::empty());
    let outcome = router.poll_outcome();
    assert!(
        matches!(&outcome, Some((told, Outcome::NotSent(SendFailure::NoRoute))) if *told == id),
        "{outcome:?}"
    );
}

#[test]
fn a_consumer_that_closes_leaves_no_call_behind_and_no_blame_on_the_broker() {
    #[allow(clippy::disallowed_methods, reason = "a test's time")]
    let now = Instant::now();
    let mut router = router();
    let fetch = call(&mut router, now);
    let id = fetch.id;
    let purpose = Purpose::Fetch {
        consumer: 1,
        slot: 0,
    };
    router.submit(now, NODE, purpose, fetch);
    let link = connect(&mut router);
    router.close_fetches(now, 1);
    assert!(matches!(router.poll_action(), Some(Action::Close { link: closed }) if closed == link));
    let outcome = router.poll_outcome();
    assert!(
        matches!(&outcome, Some((told, Outcome::NotSent(_))) if *told == id),
        "{outcome:?}"
    );
    // Others may connect at once.
    let other = call(&mut router, now);
    router.submit(now, NODE, Purpose::Rest, other);
    let _ = connect(&mut router);
}
