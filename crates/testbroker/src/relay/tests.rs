//! The relay against a scripted broker: plain sockets, one frame answered at a time, like Kafka.

use std::{
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    sync::Mutex,
    thread,
    time::Duration,
};

use super::*;

const WAIT: Duration = Duration::from_millis(200);

/// A broker that notes each request's correlation id and answers with that id and a body of its own.
struct Script {
    port: u16,
    seen: Arc<Mutex<Vec<i32>>>,
}

impl Script {
    fn start() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let noted = Arc::clone(&seen);
        thread::spawn(move || {
            for socket in listener.incoming() {
                let (mut socket, noted) = (socket.unwrap(), Arc::clone(&noted));
                thread::spawn(move || {
                    while let Some(frame) = read_frame(&mut socket) {
                        let id = i32::from_be_bytes(frame[4..8].try_into().unwrap());
                        noted.lock().unwrap().push(id);
                        // Twice as long as the request, so that large requests have large answers.
                        let mut body = id.to_be_bytes().to_vec();
                        body.resize(frame.len() * 2, 7);
                        if socket.write_all(&prefixed(&body)).is_err() {
                            return;
                        }
                    }
                });
            }
        });
        Self { port, seen }
    }

    fn seen(&self) -> Vec<i32> {
        self.seen.lock().unwrap().clone()
    }
}

struct World {
    script: Script,
    relay: Relay,
}

impl World {
    fn start() -> Self {
        Self {
            script: Script::start(),
            relay: Relay::start().unwrap(),
        }
    }

    fn client(&self) -> TcpStream {
        let (host, port) = self.relay.route("127.0.0.1", self.script.port);
        TcpStream::connect((host, port)).unwrap()
    }

    fn seen_within(&self, wait: Duration, wanted: &[i32]) -> bool {
        until(wait, || self.script.seen() == wanted)
    }
}

fn until(wait: Duration, mut holds: impl FnMut() -> bool) -> bool {
    let step = Duration::from_millis(5);
    for _ in 0..wait.as_millis() / step.as_millis() {
        if holds() {
            return true;
        }
        pause(step);
    }
    holds()
}

#[expect(
    clippy::disallowed_methods,
    reason = "real sockets are waited for in real time"
)]
fn pause(by: Duration) {
    thread::sleep(by);
}

fn prefixed(body: &[u8]) -> Vec<u8> {
    let mut frame = i32::try_from(body.len()).unwrap().to_be_bytes().to_vec();
    frame.extend_from_slice(body);
    frame
}

fn request(api: ApiKey, id: i32, body_bytes: usize) -> Vec<u8> {
    let mut body = api.0.to_be_bytes().to_vec();
    body.extend_from_slice(&[0, 0]);
    body.extend_from_slice(&id.to_be_bytes());
    body.resize(8 + body_bytes, 1);
    prefixed(&body)
}

/// A frame without its prefix; `None` once the connection is closed.
fn read_frame(socket: &mut TcpStream) -> Option<Vec<u8>> {
    let mut prefix = [0; 4];
    socket.read_exact(&mut prefix).ok()?;
    let mut frame = vec![0; usize::try_from(i32::from_be_bytes(prefix)).unwrap()];
    socket.read_exact(&mut frame).ok()?;
    Some(frame)
}

fn read_answer(socket: &mut TcpStream) -> Option<i32> {
    socket
        .set_read_timeout(Some(Duration::from_secs(5)))
        .unwrap();
    read_frame(socket).map(|frame| i32::from_be_bytes(frame[..4].try_into().unwrap()))
}

/// Whether nothing arrives for a while though the connection stands.
fn is_silent(socket: &TcpStream) -> bool {
    socket.set_read_timeout(Some(WAIT)).unwrap();
    matches!(socket.peek(&mut [0]), Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut))
}

#[test]
fn frames_pass_unchanged_whatever_their_size_and_are_counted_by_api() {
    let world = World::start();
    let mut client = world.client();
    for (id, body_bytes) in [(1, 0), (2, 10), (3, 3_000_000)] {
        client
            .write_all(&request(ApiKey::FETCH, id, body_bytes))
            .unwrap();
        let answer = read_frame(&mut client).unwrap();
        assert_eq!(
            (answer.len(), answer[3]),
            ((8 + body_bytes) * 2, u8::try_from(id).unwrap())
        );
    }
    assert_eq!(
        (
            world.relay.requests(ApiKey::FETCH),
            world.relay.requests(ApiKey::PRODUCE)
        ),
        (3, 0)
    );
}

#[test]
fn a_lost_answer_closes_the_connection_after_the_broker_has_acted() {
    let world = World::start();
    let lost = world.relay.add(
        RelayRule::on(ApiKey::END_TXN).nth(1),
        RelayAction::LoseAnswer,
    );
    let mut client = world.client();
    client.write_all(&request(ApiKey::PRODUCE, 1, 5)).unwrap();
    client.write_all(&request(ApiKey::END_TXN, 2, 5)).unwrap();
    assert_eq!(
        (read_answer(&mut client), read_answer(&mut client)),
        (Some(1), None)
    );
    assert_eq!(
        (world.script.seen(), world.relay.fired(lost)),
        (vec![1, 2], 1)
    );

    let mut again = world.client();
    again.write_all(&request(ApiKey::END_TXN, 3, 5)).unwrap();
    assert_eq!(
        (read_answer(&mut again), world.relay.fired(lost)),
        (Some(3), 1)
    );
}

#[test]
fn a_lost_request_and_a_torn_one_never_count_at_the_broker() {
    for action in [RelayAction::LoseRequest, RelayAction::CutNow] {
        let world = World::start();
        let lost = world
            .relay
            .add(RelayRule::on(ApiKey::PRODUCE).nth(2), action);
        let mut client = world.client();
        client.write_all(&request(ApiKey::PRODUCE, 1, 5)).unwrap();
        assert_eq!(read_answer(&mut client), Some(1));
        client.write_all(&request(ApiKey::PRODUCE, 2, 5)).unwrap();
        assert_eq!(
            (read_answer(&mut client), world.relay.fired(lost)),
            (None, 1)
        );
        assert!(!world.seen_within(WAIT, &[1, 2]), "{action:?}");
    }
}

#[test]
fn held_answers_come_in_order_once_released() {
    let world = World::start();
    let token = HoldToken(7);
    let held = world.relay.add(
        RelayRule::on(ApiKey::PRODUCE).always(),
        RelayAction::HoldAnswers(token),
    );
    let mut client = world.client();
    for id in 1..=5 {
        client.write_all(&request(ApiKey::PRODUCE, id, 5)).unwrap();
    }
    assert!(world.seen_within(WAIT * 10, &[1, 2, 3, 4, 5]));
    assert!(is_silent(&client));
    assert_eq!(
        (
            world.relay.pending(ApiKey::PRODUCE),
            world.relay.fired(held)
        ),
        (5, 5)
    );

    world.relay.release(token);
    assert_eq!(
        [(); 5].map(|()| read_answer(&mut client)),
        [1, 2, 3, 4, 5].map(Some)
    );
    client.write_all(&request(ApiKey::PRODUCE, 6, 5)).unwrap();
    assert_eq!(
        (
            read_answer(&mut client),
            world.relay.pending(ApiKey::PRODUCE)
        ),
        (Some(6), 0)
    );
}

#[test]
fn a_delayed_answer_comes_later() {
    let world = World::start();
    let delayed = world.relay.add(
        RelayRule::on(ApiKey::FETCH).times(1),
        RelayAction::Delay(WAIT * 2),
    );
    let mut client = world.client();
    client.write_all(&request(ApiKey::FETCH, 1, 5)).unwrap();
    assert!(is_silent(&client));
    assert_eq!(
        (read_answer(&mut client), world.relay.fired(delayed)),
        (Some(1), 1)
    );
}

#[test]
fn a_late_copy_reaches_the_broker_after_the_original() {
    let world = World::start();
    let end_txn = || RelayRule::on(ApiKey::END_TXN).nth(1);
    world.relay.add(end_txn(), RelayAction::LoseAnswer);
    let late = world
        .relay
        .add(end_txn(), RelayAction::ResendLater { after: WAIT });
    let mut client = world.client();
    client.write_all(&request(ApiKey::END_TXN, 1, 500)).unwrap();
    assert_eq!(
        (
            read_answer(&mut client),
            world.script.seen(),
            world.relay.fired(late)
        ),
        (None, vec![1], 0)
    );
    assert!(world.seen_within(WAIT * 10, &[1, 1]));
    assert!(until(WAIT * 10, || world.relay.fired(late) == 1));
}

#[test]
fn a_copy_leaves_when_it_is_released() {
    let world = World::start();
    let token = HoldToken(1);
    let late = world.relay.add(
        RelayRule::on(ApiKey::END_TXN).nth(1),
        RelayAction::ResendOnRelease(token),
    );
    let mut client = world.client();
    for id in [1, 2] {
        client.write_all(&request(ApiKey::END_TXN, id, 5)).unwrap();
        assert_eq!(read_answer(&mut client), Some(id));
    }
    assert!(!world.seen_within(WAIT, &[1, 2, 1]));
    world.relay.release(token);
    assert!(world.seen_within(WAIT * 10, &[1, 2, 1]));
    assert!(until(WAIT * 10, || world.relay.fired(late) == 1));
}

#[test]
fn a_lost_request_can_still_arrive_late() {
    let world = World::start();
    world
        .relay
        .add(RelayRule::any().nth(1), RelayAction::LoseRequest);
    let late = world.relay.add(
        RelayRule::any().nth(1),
        RelayAction::ResendLater { after: WAIT },
    );
    let mut client = world.client();
    client
        .write_all(&request(ApiKey::PRODUCE, 1, 200_000))
        .unwrap();
    assert_eq!(
        (read_answer(&mut client), world.script.seen()),
        (None, vec![])
    );
    assert!(world.seen_within(WAIT * 10, &[1]));
    assert!(until(WAIT * 10, || world.relay.fired(late) == 1));
}

#[test]
fn cutting_closes_every_connection_and_new_ones_are_served() {
    let world = World::start();
    let mut clients = [world.client(), world.client()];
    for client in &mut clients {
        client.write_all(&request(ApiKey::PRODUCE, 1, 5)).unwrap();
        assert_eq!(read_answer(client), Some(1));
    }
    assert_eq!((world.relay.cut_all(), world.relay.cut_all()), (2, 0));
    assert_eq!(clients.each_mut().map(read_answer), [None, None]);
    let mut again = world.client();
    again.write_all(&request(ApiKey::PRODUCE, 2, 5)).unwrap();
    assert_eq!(read_answer(&mut again), Some(2));
}

#[test]
fn answers_are_matched_past_requests_that_are_never_answered() {
    let mut state = State::default();
    let token = HoldToken(1);
    state
        .rules
        .add(RelayRule::any().nth(2), RelayAction::HoldAnswers(token));
    let route = Arc::new(Route::new(("127.0.0.1".into(), 1), 2));
    let (id, _cut, _born) = state.open(route);
    for correlation in 1..=3 {
        state.enter(id, ApiKey::PRODUCE, milena_wire::CorrelationId(correlation));
    }
    assert_eq!(state.pending(ApiKey::PRODUCE), 1);
    let (verdict, second) = state.answer(id, milena_wire::CorrelationId(3));
    assert!(verdict.is_empty() && second.is_none());
    assert_eq!(state.pending(ApiKey::PRODUCE), 0);
}

#[test]
fn a_broker_has_one_address_and_the_relays_own_addresses_stay() {
    let relay = Relay::start().unwrap();
    let (host, port) = relay.route("127.0.0.1", 1);
    assert_eq!(relay.route("127.0.0.1", 1), (host.clone(), port));
    assert_eq!(relay.route(&host, port), (host.clone(), port));
    assert_ne!(relay.route("127.0.0.1", 2), (host, port));
}

#[test]
fn the_last_handle_dropped_closes_the_connections() {
    let world = World::start();
    let mut client = world.client();
    client.write_all(&request(ApiKey::PRODUCE, 1, 5)).unwrap();
    assert_eq!(read_answer(&mut client), Some(1));
    drop(world);
    assert_eq!(read_answer(&mut client), None);
}

#[test]
fn bytes_that_are_not_kafka_end_the_connection() {
    let world = World::start();
    let mut client = world.client();
    client.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
    assert_eq!(read_answer(&mut client), None);
}

mod paths;
