use std::time::{Duration, Instant};

use milena_cluster::{ProducerEpoch, ProducerId};
use milena_wire::record::{BatchBuilder, RecordFields};

use super::*;
use crate::budget::Budget;

const TIMEOUT: Duration = Duration::from_secs(1);

fn start() -> Instant {
    #[allow(clippy::disallowed_methods, reason = "where a test's time begins")]
    Instant::now()
}

fn batch(now: Instant) -> ClosedBatch {
    let mut builder = BatchBuilder::new();
    builder.append(&RecordFields {
        timestamp: 0,
        key: None,
        value: Some(b"v"),
        headers: &[],
    });
    let budget = Budget::new(4);
    let slot = budget.register();
    assert!(budget.try_take(slot, 1));
    ClosedBatch {
        share: Share::new(Completion::new(0), 1, budget.charge(slot, 1)),
        payload: builder.finish(),
        opened_at: now,
        generation: 1,
    }
}

fn sender(now: Instant) -> PartitionSender {
    let mut sender = PartitionSender::new(true, TIMEOUT, Backoff::default(), 1);
    let job = sender.push(batch(now));
    sender.handle_sealed(job.run());
    sender
}

fn identity() -> ProducerIdentity {
    ProducerIdentity {
        producer_id: ProducerId(7),
        epoch: ProducerEpoch(0),
    }
}

#[test]
fn a_sender_is_not_drained_before_it_has_told_that_a_send_expired() {
    let now = start();
    let mut sender = sender(now);
    sender.handle_timeout(now + TIMEOUT);
    assert!(!sender.is_drained());
    let expired = SenderFailure::Abortable(DeliveryErrorKind::TimedOut);
    assert_eq!(sender.poll_event(), Some(SenderEvent::Failed(expired)));
    assert!(sender.is_drained());
}

#[test]
fn a_sender_is_not_drained_before_it_has_told_that_a_send_was_refused() {
    let now = start();
    let mut sender = sender(now);
    let sent = sender
        .poll_send(now, 1, identity())
        .expect("a sealed batch");
    sender.handle_started(sent.id);
    let answer = ProduceAnswer {
        error: ErrorCode::INVALID_RECORD,
        base_offset: -1,
        log_append_time: -1,
    };
    sender.handle_outcome(now, sent.id, Outcome::Answered(answer));
    assert!(!sender.is_drained());
    assert!(sender.poll_event().is_some());
    assert!(sender.is_drained());
}
