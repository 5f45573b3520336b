//! The actions that tear, repeat and swallow, and the paths between relay and broker.

use super::*;

fn request_on(client: &mut TcpStream, id: i32) {
    client
        .write_all(&request(ApiKey::PRODUCE, id, 100))
        .unwrap();
}

fn fault(world: &World, nth: u64, action: RelayAction) -> RelayRuleId {
    world
        .relay
        .add(RelayRule::on(ApiKey::PRODUCE).nth(nth), action)
}

#[test]
fn an_answer_cut_in_the_middle_comes_after_the_broker_has_acted() {
    let world = World::start();
    let cut = fault(&world, 1, RelayAction::CutAnswer);
    let mut client = world.client();
    request_on(&mut client, 1);
    let mut torn = Vec::new();
    client.read_to_end(&mut torn).unwrap();
    // 108 bytes of request, so 216 of answer.
    assert_eq!(torn.len(), (216 + 4) / 2);
    assert_eq!((world.script.seen(), world.relay.fired(cut)), (vec![1], 1));
}

#[test]
fn a_duplicate_reaches_the_broker_twice_and_is_answered_once() {
    let world = World::start();
    let twice = fault(&world, 1, RelayAction::Duplicate);
    let mut client = world.client();
    for id in 1..=3 {
        request_on(&mut client, id);
    }
    assert_eq!(
        [(); 3].map(|()| read_answer(&mut client)),
        [1, 2, 3].map(Some)
    );
    assert_eq!(
        (world.script.seen(), world.relay.fired(twice)),
        (vec![1, 1, 2, 3], 1)
    );
    assert!(is_silent(&client));
}

#[test]
fn a_swallowed_request_leaves_the_connection_standing_and_arrives_after_later_ones() {
    let world = World::start();
    let first = RelayRule::on(ApiKey::PRODUCE).nth(1);
    let actions = [
        RelayAction::Swallow,
        RelayAction::ResendAfter { requests: 2 },
    ];
    let rules = world.relay.add_all(&first, &actions);
    let (swallowed, late) = (rules[0], rules[1]);
    let mut client = world.client();
    request_on(&mut client, 1);
    request_on(&mut client, 2);
    assert!(is_silent(&client));
    assert_eq!(
        (world.script.seen(), world.relay.fired(swallowed)),
        (vec![], 1)
    );

    let mut other = world.client();
    request_on(&mut other, 3);
    assert_eq!(read_answer(&mut other), Some(3));
    // The second request on the swallowed connection never came to the relay's notice: one more is needed.
    assert!(!world.seen_within(WAIT, &[3, 1]));
    request_on(&mut other, 4);
    assert_eq!(read_answer(&mut other), Some(4));
    assert!(until(WAIT * 10, || world.relay.fired(late) == 1));
    let seen = world.script.seen();
    assert!(seen.contains(&1) && seen.len() == 3, "{seen:?}");
}

#[test]
fn a_delayed_request_comes_to_the_broker_later() {
    let world = World::start();
    let delayed = fault(&world, 1, RelayAction::DelayRequest(WAIT * 2));
    let mut client = world.client();
    request_on(&mut client, 1);
    assert!(!world.seen_within(WAIT, &[1]));
    assert_eq!(
        (read_answer(&mut client), world.relay.fired(delayed)),
        (Some(1), 1)
    );
}

#[test]
fn a_fixed_port_leads_to_its_broker_and_rules_tell_brokers_apart() {
    let (first, second) = (Script::start(), Script::start());
    let relay = Relay::start().unwrap();
    let (free, port) = listen(0).unwrap();
    drop(free);
    assert_eq!(relay.listen(port, "127.0.0.1", first.port).unwrap(), port);
    let other = relay.listen(0, "127.0.0.1", second.port).unwrap();
    let lost = relay.add(
        RelayRule::any().to_broker(second.port),
        RelayAction::LoseRequest,
    );
    let mut clients = [port, other].map(|port| TcpStream::connect(("127.0.0.1", port)).unwrap());
    for client in &mut clients {
        request_on(client, 1);
    }
    assert_eq!(clients.each_mut().map(read_answer), [Some(1), None]);
    assert_eq!(
        (relay.fired(lost), first.seen(), second.seen()),
        (1, vec![1], vec![])
    );
}

#[test]
fn a_black_hole_takes_everything_and_closes_nothing_and_later_connections_are_served() {
    let world = World::start();
    let mut before = world.client();
    request_on(&mut before, 1);
    assert_eq!(read_answer(&mut before), Some(1));

    let port = world.script.port;
    let path = |path| world.relay.set_path("127.0.0.1", port, path);
    assert_eq!(path(RelayPath::BlackHole), Some(1));
    let mut within = world.client();
    request_on(&mut within, 2);
    request_on(&mut before, 3);
    assert!(is_silent(&before) && is_silent(&within));

    path(RelayPath::Open);
    request_on(&mut before, 4);
    assert!(is_silent(&before));
    let mut after = world.client();
    request_on(&mut after, 5);
    assert_eq!(read_answer(&mut after), Some(5));
    assert_eq!(world.script.seen(), [1, 5]);
}

#[test]
fn a_black_hole_that_came_and_went_at_once_still_swallowed_what_stood() {
    for _ in 0..20 {
        let world = World::start();
        let mut before = world.client();
        request_on(&mut before, 1);
        assert_eq!(read_answer(&mut before), Some(1));
        for path in [RelayPath::BlackHole, RelayPath::Open] {
            world.relay.set_path("127.0.0.1", world.script.port, path);
        }
        request_on(&mut before, 2);
        let mut after = world.client();
        request_on(&mut after, 3);
        assert_eq!(read_answer(&mut after), Some(3));
        assert_eq!(world.script.seen(), [1, 3]);
    }
}

#[test]
fn a_refused_path_closes_what_stands_and_listens_again_on_the_same_port() {
    let world = World::start();
    let mut before = world.client();
    request_on(&mut before, 1);
    assert_eq!(read_answer(&mut before), Some(1));
    let (host, port) = world.relay.route("127.0.0.1", world.script.port);
    let connects = || TcpStream::connect((host.as_str(), port)).is_ok();

    let path = |path| world.relay.set_path("127.0.0.1", world.script.port, path);
    assert_eq!(path(RelayPath::Refused), Some(1));
    assert_eq!(read_answer(&mut before), None);
    assert!(until(WAIT * 10, || !connects()));

    path(RelayPath::Open);
    assert!(until(WAIT * 10, connects));
    let mut after = world.client();
    request_on(&mut after, 2);
    assert_eq!(read_answer(&mut after), Some(2));
    assert_eq!(
        world.relay.set_path("127.0.0.1", 1, RelayPath::Refused),
        None
    );
}

#[test]
#[expect(clippy::disallowed_methods, reason = "a rate is measured in real time")]
fn a_throttled_path_is_as_slow_as_it_was_made() {
    let world = World::start();
    let path = RelayPath::Throttled {
        bytes_per_second: 20_000,
    };
    let mut client = world.client();
    request_on(&mut client, 1);
    assert_eq!(read_answer(&mut client), Some(1));
    assert_eq!(
        world.relay.set_path("127.0.0.1", world.script.port, path),
        Some(1)
    );
    let started = std::time::Instant::now();
    client
        .write_all(&request(ApiKey::PRODUCE, 2, 10_000))
        .unwrap();
    assert_eq!(read_answer(&mut client), Some(2));
    // Half a second there; an answer twice as long, one second back.
    assert!(started.elapsed() >= Duration::from_millis(1400));
}
