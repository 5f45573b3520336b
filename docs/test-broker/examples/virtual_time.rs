//! The coordinator aborts a transaction that is left open for 60 seconds, which takes no time here.

use std::time::{Duration, Instant};

use milena_testbroker::{Broker, BrokerConfig, ConnectionId, Output, TransactionState};
use milena_wire::messages::{
    AddPartitionsToTxnRequest, AddPartitionsToTxnTopic, InitProducerIdRequest,
};
use milena_wire::{ApiVersion, CorrelationId, Request, decode_response, encode_request};

/// Sends a request and reads its answer, which is there at once: no socket, no thread, no clock.
fn ask<R: Request, T>(
    (broker, now, conn): (&mut Broker, Instant, ConnectionId),
    version: i16,
    request: &R,
    read: impl for<'a> FnOnce(R::Response<'a>) -> T,
) -> T {
    let version = ApiVersion(version);
    let frame = encode_request(request, version, CorrelationId(1), Some("example"));
    let frame = frame.expect("the request fits its version").to_bytes();
    broker.handle_bytes(now, conn, &frame);
    let mut answer = Vec::new();
    while let Some(output) = broker.poll_output() {
        if let Output::Bytes { bytes, .. } = output {
            answer.extend_from_slice(&bytes);
        }
    }
    let frame = answer.split_off(4).into();
    read(decode_response(&frame, version).expect("the answer can be read"))
}

/// Jumps from timer to timer.
fn pass(broker: &mut Broker, now: &mut Instant, time: Duration) {
    let end = *now + time;
    while let Some(timer) = broker.poll_timeout().filter(|timer| *timer <= end) {
        *now = timer;
        broker.handle_timeout(timer);
    }
    *now = end;
}

#[test]
fn a_transaction_is_aborted_after_its_60_seconds_and_not_before() {
    let mut now = Instant::now();
    let mut broker = Broker::new(BrokerConfig::default());
    broker.create_topic("payments", 1);
    let conn = broker.connect(now, 1).expect("node 1 is up");

    let init = InitProducerIdRequest {
        transactional_id: Some("bank-1"),
        transaction_timeout_ms: 60_000,
        ..Default::default()
    };
    let (id, epoch) = ask((&mut broker, now, conn), 4, &init, |answer| {
        (answer.producer_id, answer.producer_epoch)
    });
    let begin = AddPartitionsToTxnRequest {
        v3_and_below_transactional_id: "bank-1",
        v3_and_below_producer_id: id,
        v3_and_below_producer_epoch: epoch,
        v3_and_below_topics: vec![AddPartitionsToTxnTopic {
            name: "payments",
            partitions: vec![0].into(),
        }],
        ..Default::default()
    };
    ask((&mut broker, now, conn), 3, &begin, |_| ());

    let state = |broker: &Broker| broker.transaction_state("bank-1").map(|view| view.state);
    pass(&mut broker, &mut now, Duration::from_millis(59_999));
    assert_eq!(state(&broker), Some(TransactionState::Ongoing));
    pass(&mut broker, &mut now, Duration::from_millis(2));
    assert_eq!(state(&broker), Some(TransactionState::CompleteAbort));
}
