//! What callers' tasks and the engine see of the queues.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use milena_wire::record::{BatchView, Stamp, batches};

use super::*;
use crate::batch::ClosedBatch;
use crate::error::{DeliveryErrorKind, Persistence};

const OPENED: i64 = 1_000;
const GENERATION: u64 = 7;

/// Clocks that count how often they are read.
struct TestClock {
    at: Instant,
    reads: AtomicU32,
}

impl Clock for TestClock {
    fn now(&self) -> Instant {
        self.reads.fetch_add(1, Ordering::Relaxed);
        self.at
    }

    fn wall_clock(&self) -> i64 {
        OPENED
    }
}

fn clock() -> TestClock {
    #[allow(clippy::disallowed_methods, reason = "where a test's time begins")]
    let at = Instant::now();
    TestClock {
        at,
        reads: AtomicU32::new(0),
    }
}

struct Rig {
    accumulator: Accumulator,
    queues: Vec<Arc<PartitionQueue>>,
    clock: TestClock,
}

impl Rig {
    fn with(config: AccumulatorConfig, transactional: bool, partitions: usize) -> Self {
        let accumulator = Accumulator::new(config, transactional);
        let queues = accumulator.publish_topic(&Arc::from("t"), partitions);
        Self {
            accumulator,
            queues,
            clock: clock(),
        }
    }

    /// Batches of one chunk, room for four; two a partition.
    fn small(partitions: usize) -> Self {
        let config = AccumulatorConfig {
            batch_bytes_max: CHUNK_BYTES,
            buffer_bytes_max: 4 * CHUNK_BYTES,
            ..AccumulatorConfig::default()
        };
        Self::with(config, false, partitions)
    }

    fn append(&self, record: &Record<'_>) -> Result<Appended, Refused> {
        self.append_with(record, &mut None)
    }

    fn append_with(
        &self,
        record: &Record<'_>,
        ticket: &mut Option<Ticket>,
    ) -> Result<Appended, Refused> {
        self.accumulator.append(&self.clock, record, 0, ticket)
    }

    fn fill(&self, partition: i32, batches: usize) {
        for _ in 0..batches {
            self.append(&large(partition)).unwrap();
        }
    }

    fn take(&self, partition: usize) -> Vec<ClosedBatch> {
        self.queues[partition].take(&self.accumulator, usize::MAX, true)
    }

    fn chunks(&self) -> usize {
        self.accumulator.buffered_bytes() / CHUNK_BYTES
    }
}

static LARGE: [u8; 12_000] = [0; 12_000];

/// One of them fits a batch of a chunk.
fn large(partition: i32) -> Record<'static> {
    Record::to("t").partition(partition).value(&LARGE)
}

fn small(partition: i32) -> Record<'static> {
    Record::to("t").partition(partition).value("v")
}

fn poll(delivery: &mut Delivery) -> Poll<Option<(DeliveryErrorKind, Persistence)>> {
    let mut cx = Context::from_waker(Waker::noop());
    Pin::new(delivery)
        .poll(&mut cx)
        .map(|told| told.err().map(|e| (e.kind().clone(), e.persistence())))
}

fn is_granted(ticket: &Ticket) -> bool {
    ticket
        .poll_granted(&mut Context::from_waker(Waker::noop()))
        .is_ready()
}

fn view(batch: ClosedBatch) -> BatchView {
    let sealed = batch.payload.seal();
    let bytes = sealed.stamp(&Stamp::NONE).to_bytes();
    batches(bytes).next().unwrap().unwrap()
}

#[test]
fn a_batch_closes_when_it_is_full_and_the_next_one_is_announced() {
    let rig = Rig::small(1);
    assert!(rig.append(&large(0)).unwrap().wake);
    assert_eq!(rig.queues[0].visit().closed, 0);
    assert!(rig.append(&large(0)).unwrap().wake);
    let seen = rig.queues[0].visit();
    assert_eq!((seen.closed, seen.open_since), (1, Some(rig.clock.at)));
    let taken = rig.queues[0].take(&rig.accumulator, 5, false);
    assert_eq!(taken.len(), 1, "the open one stays");
    assert!(view(taken.into_iter().next().unwrap()).bytes().len() <= CHUNK_BYTES);
}

#[test]
fn one_announcement_is_outstanding() {
    let rig = Rig::small(2);
    assert!(rig.append(&small(0)).unwrap().wake);
    assert!(!rig.append(&small(0)).unwrap().wake);
    assert!(!rig.append(&large(0)).unwrap().wake);
    assert!(!rig.append(&large(0)).unwrap().wake, "full, but announced");
    assert!(rig.append(&small(1)).unwrap().wake, "each for itself");
    assert_eq!(rig.accumulator.take_announced(), [0, 1]);
    assert_eq!(rig.accumulator.take_announced(), [0; 0]);
    rig.queues[0].visit();
    drop(rig.queues[0].take(&rig.accumulator, 1, false));
    assert!(!rig.append(&small(0)).unwrap().wake, "nothing new");
    assert!(rig.append(&large(0)).unwrap().wake, "full");
}

#[test]
fn the_clocks_are_read_once_a_batch_and_give_the_records_their_time() {
    let rig = Rig::small(1);
    for _ in 0..10 {
        rig.append(&small(0)).unwrap();
    }
    rig.append(&small(0).timestamp(OPENED + 5)).unwrap();
    assert_eq!(rig.clock.reads.load(Ordering::Relaxed), 1);
    let batch = rig.take(0).pop().unwrap();
    let records = view(batch).into_records().unwrap();
    let times: Vec<_> = records.records().map(|record| record.timestamp()).collect();
    assert_eq!(
        (times[0], times[9], times[10]),
        (OPENED, OPENED, OPENED + 5)
    );
}

#[test]
fn a_record_larger_than_a_batch_is_refused_and_changes_nothing() {
    let rig = Rig::small(1);
    rig.append(&small(0)).unwrap();
    let value = vec![0; CHUNK_BYTES];
    let refused = rig.append(&Record::to("t").value(&value)).unwrap_err();
    assert!(matches!(refused, Refused::TooLarge { bytes, bytes_max } if bytes > bytes_max));
    assert_eq!((rig.chunks(), rig.queues[0].visit().closed), (1, 0));
}

#[test]
fn a_record_larger_than_a_batch_goes_alone_where_that_is_allowed() {
    let config = AccumulatorConfig {
        batch_bytes_max: 1_024,
        record_bytes_max: 3 * CHUNK_BYTES,
        ..AccumulatorConfig::default()
    };
    let rig = Rig::with(config, false, 1);
    let value = vec![7; 2 * CHUNK_BYTES];
    let large = Record::to("t").partition(0).value(&value);
    for record in [&small(0), &large, &small(0), &small(0)] {
        rig.append(record).unwrap();
    }
    let counts: Vec<u32> = rig
        .take(0)
        .into_iter()
        .map(|batch| u32::try_from(view(batch).header().record_count).unwrap())
        .collect();
    assert_eq!(counts, [1, 1, 2]);
    let value = vec![7; 3 * CHUNK_BYTES];
    let refused = rig.append(&Record::to("t").value(&value)).unwrap_err();
    let limit = 3 * CHUNK_BYTES - BATCH_HEADER_BYTES;
    assert!(matches!(refused, Refused::TooLarge { bytes_max, .. } if bytes_max == limit));
}

#[test]
fn a_record_from_before_1970_is_refused_and_takes_no_neighbour_along() {
    let rig = Rig::small(1);
    rig.append(&small(0)).unwrap();
    for before in [-1, i64::MIN] {
        let refused = rig.append(&small(0).timestamp(before)).unwrap_err();
        assert_eq!(refused, Refused::Timestamp(before));
    }
    rig.append(&small(0).timestamp(0)).unwrap();
    assert_eq!((rig.chunks(), rig.queues[0].visit().closed), (1, 0));
}

#[test]
fn unknown_topics_and_partitions_are_refused() {
    let rig = Rig::small(2);
    let refused = |record: Record<'_>| rig.append(&record).unwrap_err();
    assert_eq!(refused(Record::to("other")), Refused::UnknownTopic);
    assert_eq!(refused(small(2)), Refused::UnknownPartition);
    assert_eq!(refused(small(-1)), Refused::UnknownPartition);
}

#[test]
fn partitions_that_come_later_are_added_and_none_goes_away() {
    let rig = Rig::small(2);
    rig.append(&small(1)).unwrap();
    let topic: Arc<str> = Arc::from("t");
    assert_eq!(rig.accumulator.publish_topic(&topic, 1).len(), 0);
    let new = rig.accumulator.publish_topic(&topic, 3);
    assert_eq!((new.len(), new[0].partition(), new[0].slot()), (1, 2, 2));
    assert!(
        !rig.append(&small(1)).unwrap().wake,
        "its batch is still open"
    );
}

#[test]
fn keys_choose_the_partition_that_kafka_chooses() {
    let rig = Rig::with(AccumulatorConfig::default(), false, 7);
    for number in 0..50 {
        let key = format!("key-{number}");
        let appended = rig.append(&Record::to("t").key(&key).value("v")).unwrap();
        let chosen = partition_for_key(key.as_bytes(), 7);
        assert_eq!(appended.delivery.partition(), chosen.cast_signed());
    }
}

#[test]
fn records_without_a_key_stay_together_until_their_batch_is_gone() {
    let rig = Rig::small(3);
    let mut visited = Vec::new();
    for _ in 0..6 {
        let chosen: Vec<_> = (0..20)
            .map(|_| rig.append(&Record::to("t").value("v")).unwrap())
            .map(|appended| appended.delivery.partition())
            .collect();
        assert!(chosen.iter().all(|partition| *partition == chosen[0]));
        visited.push(chosen[0]);
        drop(rig.take(usize::try_from(chosen[0]).unwrap()));
    }
    assert_eq!(visited, [1, 2, 0, 1, 2, 0]);
}

#[test]
fn a_partition_holds_half_the_memory_at_most_and_the_others_go_on() {
    let rig = Rig::small(2);
    rig.fill(0, 2);
    let refused = rig.append(&large(0)).unwrap_err();
    assert!(matches!(refused, Refused::NoRoom { slot: 0, .. }));
    rig.fill(1, 2);
    assert_eq!(rig.chunks(), 4);
}

#[test]
fn a_refused_record_leaves_the_open_batch_open() {
    let rig = Rig::small(1);
    rig.fill(0, 2);
    rig.queues[0].visit();
    rig.append(&large(0)).unwrap_err();
    let seen = rig.queues[0].visit();
    assert_eq!(seen.closed, 1, "the engine has nothing to be told of");
    assert!(!rig.append(&small(0)).unwrap().wake);
}

#[test]
fn nobody_overtakes_a_sender_that_waits_for_room_even_with_a_record_that_fits() {
    let rig = Rig::small(2);
    rig.fill(0, 2);
    rig.queues[0].visit();
    let Err(Refused::NoRoom { slot, chunks }) = rig.append(&large(0)) else {
        panic!("full");
    };
    let (ticket, queue, wake) = rig.accumulator.wait_for_room("t", slot, chunks).unwrap();
    assert!(wake && queue.visit().waiting, "nothing lingers now");
    let refused = rig.append(&small(0)).unwrap_err();
    assert!(matches!(refused, Refused::NoRoom { .. }));
    assert!(rig.append(&small(1)).is_ok(), "another partition");
    assert!(!is_granted(&ticket));
    drop(rig.take(0));
    assert!(is_granted(&ticket));
    assert!(rig.append(&small(0)).is_err(), "the room is spoken for");
    let mut ticket = Some(ticket);
    rig.append_with(&large(0), &mut ticket).unwrap();
    assert!(ticket.is_none());
    Accumulator::stop_waiting(&queue);
    assert!(rig.append(&small(0)).is_ok());
    assert_eq!(
        rig.chunks(),
        2,
        "what the ticket did not need is free again"
    );
}

#[test]
fn of_those_that_wait_for_one_partition_a_small_record_does_not_overtake_a_large_one() {
    let rig = Rig::small(2);
    rig.fill(0, 2);
    let first = rig.accumulator.wait_for_room("t", 0, 2).unwrap().0;
    let second = rig.accumulator.wait_for_room("t", 0, 1).unwrap().0;
    drop(rig.queues[0].take(&rig.accumulator, 1, false));
    assert!(!is_granted(&first) && !is_granted(&second));
    drop(rig.take(0));
    assert!(is_granted(&first));
    assert!(!is_granted(&second), "two are granted, of two");
    drop(first);
    assert!(is_granted(&second));
}

#[test]
fn memory_is_charged_by_chunk_until_the_last_holder_is_gone() {
    let rig = Rig::with(AccumulatorConfig::default(), false, 1);
    let delivery = rig.append(&small(0)).unwrap().delivery;
    assert_eq!(rig.chunks(), 1);
    rig.append(&large(0)).unwrap();
    rig.append(&large(0)).unwrap();
    assert_eq!(rig.chunks(), 2);
    let batch = rig.take(0).pop().unwrap();
    assert_eq!(rig.chunks(), 2, "taken is not settled");
    let completion = batch.completion();
    let (low, high) = batch.share.split(1);
    drop(low);
    assert_eq!(rig.chunks(), 2);
    drop(high);
    assert_eq!(
        rig.chunks(),
        0,
        "who only waits for the outcome holds nothing"
    );
    drop((delivery, completion));
}

#[test]
fn the_chunks_of_a_batch_that_is_over_serve_the_next_one() {
    let rig = Rig::with(AccumulatorConfig::default(), false, 1);
    let idle = || rig.accumulator.chunks().idle();
    for _ in 0..3 {
        rig.append(&large(0)).unwrap();
        rig.append(&large(0)).unwrap();
        assert_eq!(idle(), 0, "both chunks are in the open batch");
        let sealed = rig.take(0).pop().unwrap().payload.seal();
        let (first, retry) = (sealed.stamp(&Stamp::NONE), sealed.stamp(&Stamp::NONE));
        drop((sealed, first));
        assert_eq!(idle(), 0, "an attempt still holds them");
        drop(retry);
        assert_eq!(idle(), 2);
    }
}

#[test]
fn a_closed_accumulator_refuses_and_what_it_held_is_not_in_the_log() {
    let rig = Rig::small(1);
    let mut deliveries = vec![rig.append(&large(0)).unwrap().delivery];
    deliveries.push(rig.append(&large(0)).unwrap().delivery);
    rig.accumulator.close();
    assert_eq!(rig.append(&small(0)).unwrap_err(), Refused::Closed);
    drop(rig.take(0));
    let closed = (DeliveryErrorKind::Closed, Persistence::NotPersisted);
    for delivery in &mut deliveries {
        assert_eq!(poll(delivery), Poll::Ready(Some(closed.clone())));
    }
}

#[test]
fn a_dropped_accumulator_settles_open_batches_too() {
    let rig = Rig::small(1);
    let mut delivery = rig.append(&small(0)).unwrap().delivery;
    assert!(poll(&mut delivery).is_pending());
    drop(rig);
    let closed = (DeliveryErrorKind::Closed, Persistence::NotPersisted);
    assert_eq!(poll(&mut delivery), Poll::Ready(Some(closed)));
}

#[test]
fn a_gate_admits_one_transaction_and_nothing_after_it_is_shut() {
    let rig = Rig::with(AccumulatorConfig::default(), true, 1);
    let append = |generation| {
        rig.accumulator
            .append(&rig.clock, &small(0), generation, &mut None)
            .map(|_| ())
    };
    assert_eq!(append(0), Err(Refused::Ended), "shut at first");
    rig.accumulator.open_gate(GENERATION);
    assert_eq!(append(GENERATION), Ok(()));
    assert_eq!(append(GENERATION - 1), Err(Refused::Ended));
    rig.accumulator.shut_gate(GENERATION - 1);
    assert_eq!(append(GENERATION), Ok(()), "an old call shuts nothing");
    rig.accumulator.shut_gate(GENERATION);
    assert_eq!(append(GENERATION), Err(Refused::Ended));
    let batch = rig.take(0).pop().unwrap();
    assert_eq!((batch.generation(), batch.payload.record_count()), (7, 2));
}

/// A commit sees a send or refuses it: threads append as fast as they can while the gate is shut and the queues are drained.
#[test]
fn every_record_accepted_while_the_gate_is_shut_is_in_the_closing_pass() {
    const THREADS: usize = 4;
    const ROUNDS: u64 = 100;
    let rig = Rig::with(AccumulatorConfig::default(), true, 2);
    let mut late = 0;
    for generation in 1..=ROUNDS {
        rig.accumulator.open_gate(generation);
        let accepted = AtomicU32::new(0);
        let drained: u32 = std::thread::scope(|scope| {
            let send = |thread: usize| {
                let partition = i32::try_from(thread % 2).unwrap();
                for _ in 0..100_000 {
                    let told = rig.accumulator.append(
                        &rig.clock,
                        &small(partition),
                        generation,
                        &mut None,
                    );
                    match told {
                        Ok(_) => accepted.fetch_add(1, Ordering::Relaxed),
                        Err(refused) => return assert_eq!(refused, Refused::Ended),
                    };
                }
            };
            let senders: Vec<_> = (0..THREADS)
                .map(|thread| scope.spawn(move || send(thread)))
                .collect();
            let wanted = u32::try_from(generation % 50).unwrap();
            while accepted.load(Ordering::Relaxed) < wanted {
                std::thread::yield_now();
            }
            rig.accumulator.shut_gate(generation);
            let before = accepted.load(Ordering::Relaxed);
            let taken: Vec<_> = (0..2).flat_map(|queue| rig.take(queue)).collect();
            senders
                .into_iter()
                .for_each(|sender| sender.join().unwrap());
            late += u32::from(accepted.load(Ordering::Relaxed) > before);
            assert!(taken.iter().all(|batch| batch.generation() == generation));
            taken.iter().map(|batch| batch.payload.record_count()).sum()
        });
        assert_eq!(drained, accepted.into_inner());
        assert!((0..2).all(|queue| rig.take(queue).is_empty()));
    }
    assert_eq!(rig.chunks(), 0, "{late} rounds had an append under way");
}
