//! A partition's sender in virtual time: every outcome of every attempt, by behaviour.

mod answers;
mod ending;
mod epoch;
mod model;
mod order;
mod split;
mod time;

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use milena_cluster::{ProducerEpoch, SendFailure};
use milena_wire::compress::{Codec, Compressor};
use milena_wire::record::{BatchBuilder, BatchHeader, RecordFields, batches};

use super::*;
use crate::budget::Budget;
use crate::completion::Delivery;
use crate::error::{Acknowledged, DeliveryError};

const TIMEOUT: Duration = Duration::from_secs(10);
const LINK: u64 = 1;
const PRODUCER: ProducerId = ProducerId(7);

type Told = Option<Result<Acknowledged, DeliveryError>>;

/// A sender, its clock, and the deliveries of what was pushed.
struct Harness {
    now: Instant,
    sender: PartitionSender,
    identity: ProducerIdentity,
    budget: Arc<Budget>,
    slot: usize,
    deliveries: Vec<Vec<Delivery>>,
    records: u32,
}

fn start() -> Instant {
    #[allow(clippy::disallowed_methods, reason = "where a test's time begins")]
    Instant::now()
}

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

fn identity(epoch: i16) -> ProducerIdentity {
    ProducerIdentity {
        producer_id: PRODUCER,
        epoch: ProducerEpoch(epoch),
    }
}

fn answer(error: ErrorCode, base_offset: i64) -> Outcome<ProduceAnswer> {
    Outcome::Answered(ProduceAnswer {
        error,
        base_offset,
        log_append_time: -1,
    })
}

fn unsure() -> Outcome<ProduceAnswer> {
    Outcome::Unsure(SendFailure::ConnectionClosed)
}

fn not_sent() -> Outcome<ProduceAnswer> {
    Outcome::NotSent(SendFailure::ConnectionClosed)
}

fn header(sent: &SendBatch) -> BatchHeader {
    let view = batches(sent.payload.to_bytes())
        .next()
        .expect("a batch")
        .expect("a sound one");
    view.verify_crc().expect("its own checksum");
    *view.header()
}

/// Epoch and first sequence.
fn stamp(sent: &SendBatch) -> (i16, i32) {
    (header(sent).producer_epoch, header(sent).base_sequence)
}

impl Harness {
    /// A sender whose broker knows nothing of it yet.
    fn cold(transactional: bool) -> Self {
        let retry = Backoff {
            jitter: 0.0,
            ..Backoff::default()
        };
        let budget = Budget::new(1 << 20);
        Self {
            now: start(),
            sender: PartitionSender::new(transactional, TIMEOUT, retry, 1),
            identity: identity(0),
            slot: budget.register(),
            budget,
            deliveries: Vec::new(),
            records: 0,
        }
    }

    /// A sender whose broker has acknowledged sequence 0; what comes next is batch 0 of the test, from sequence 1 on.
    fn warm(transactional: bool) -> Self {
        let mut harness = Self::cold(transactional);
        harness.push(1);
        let first = harness.send();
        harness.outcome(&first, answer(ErrorCode::NONE, 0));
        harness.deliveries.clear();
        harness
    }

    /// Batches of one record in flight, begun and unanswered.
    fn in_flight(transactional: bool, count: usize) -> (Self, Vec<SendBatch>) {
        let mut harness = Self::warm(transactional);
        (0..count).for_each(|_| harness.push(1));
        let sent = (0..count).map(|_| harness.send()).collect();
        (harness, sent)
    }

    fn idempotent(count: usize) -> (Self, Vec<SendBatch>) {
        Self::in_flight(false, count)
    }

    fn transactional(count: usize) -> (Self, Vec<SendBatch>) {
        Self::in_flight(true, count)
    }

    fn close(&mut self, records: u32) -> ClosedBatch {
        let mut builder = BatchBuilder::new();
        for _ in 0..records {
            self.records += 1;
            builder.append(&RecordFields {
                timestamp: 0,
                key: None,
                value: Some(&self.records.to_be_bytes()),
                headers: &[],
            });
        }
        assert!(self.budget.try_take(self.slot, 1));
        let completion = Completion::new(0);
        let deliveries = (0..records).map(|index| Delivery::new(Arc::clone(&completion), index));
        self.deliveries.push(deliveries.collect());
        ClosedBatch {
            share: Share::new(completion, records, self.budget.charge(self.slot, 1)),
            payload: builder.finish(),
            opened_at: self.now,
            generation: 1,
        }
    }

    /// A closed and sealed batch.
    fn push(&mut self, records: u32) {
        let batch = self.close(records);
        let job = self.sender.push(batch);
        self.sender.handle_sealed(seal(job));
    }

    fn poll(&mut self) -> Option<SendBatch> {
        self.sender.poll_send(self.now, LINK, self.identity)
    }

    /// The next batch, handed to the link and begun.
    fn send(&mut self) -> SendBatch {
        let sent = self.poll().expect("a batch to send");
        self.sender.handle_started(sent.id);
        sent
    }

    /// The next batch, now or when the sender's own timer says so.
    fn send_later(&mut self) -> SendBatch {
        let sent = self.poll().or_else(|| {
            self.now = self.sender.poll_timeout(self.now).expect("a timer");
            self.poll()
        });
        let sent = sent.expect("a batch to send");
        self.sender.handle_started(sent.id);
        sent
    }

    fn outcome(&mut self, sent: &SendBatch, outcome: Outcome<ProduceAnswer>) {
        self.sender.handle_outcome(self.now, sent.id, outcome);
    }

    fn refuse(&mut self, sent: &SendBatch, error: ErrorCode) {
        self.outcome(sent, answer(error, -1));
    }

    fn accept(&mut self, sent: &SendBatch) {
        let offset = i64::from(header(sent).base_sequence);
        self.outcome(sent, answer(ErrorCode::NONE, offset));
    }

    fn pass(&mut self, time: Duration) {
        self.now += time;
        self.sender.handle_timeout(self.now);
    }

    fn bump(&mut self) {
        assert!(self.sender.poll_bump(), "a new epoch is wanted");
        assert!(!self.sender.poll_bump(), "once");
        self.identity.epoch.0 += 1;
    }

    fn told_of(&mut self, batch: usize, record: usize) -> Told {
        let delivery = &mut self.deliveries[batch][record];
        match Pin::new(delivery).poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(told) => Some(told),
            Poll::Pending => None,
        }
    }

    /// What the sender of the batch's first record was told.
    fn told(&mut self, batch: usize) -> Told {
        self.told_of(batch, 0)
    }

    fn offset(&mut self, batch: usize) -> Option<i64> {
        let told = self.told(batch).expect("settled");
        told.expect("acknowledged").offset()
    }

    fn failure(&mut self, batch: usize) -> (DeliveryErrorKind, Persistence) {
        let told = self.told(batch).expect("settled");
        let error = told.expect_err("failed");
        (error.kind().clone(), error.persistence())
    }

    fn events(&mut self) -> Vec<SenderEvent> {
        std::iter::from_fn(|| self.sender.poll_event()).collect()
    }
}

fn refused(error: ErrorCode) -> DeliveryErrorKind {
    DeliveryErrorKind::Refused(error)
}

fn abortable(kind: DeliveryErrorKind) -> SenderEvent {
    SenderEvent::Failed(SenderFailure::Abortable(kind))
}

/// Does the work of `job`, without compression: sequences and outcomes do not depend on it.
fn seal(job: SealJob) -> SealedJob {
    job.run(Codec::NONE, &mut Compressor::default())
}
