//! The idempotent producer's handle, and how a record is accepted.

use std::future::poll_fn;
use std::sync::Arc;
use std::time::Duration;

use milena_producer::transaction::TransactionConfig;
use milena_producer::{
    Accumulator, AccumulatorConfig, Delivery, PartitionQueue, Record, Refused, Ticket,
};

use milena_wire::ErrorCode;
use milena_wire::compress::Codec;
use milena_wire::record::Compression;

use super::client::ClientHandle;
use super::error::{FlushError, InitError, SendError, TrySendError};
use super::names::is_topic_name;
use super::wait::until;
use crate::command::{Command, ProducerSettings};
use crate::reply::reply;
use crate::shared::ProducerShared;

/// Settings of a producer. Each has a good default.
#[derive(Clone, Debug)]
pub struct ProducerBuilder {
    client: ClientHandle,
    settings: Settings,
}

#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) linger: Duration,
    pub(crate) compression: Compression,
    pub(crate) compression_level: Option<i32>,
    pub(crate) batch_bytes_max: usize,
    pub(crate) record_bytes_max: usize,
    pub(crate) buffer_bytes_max: usize,
    pub(crate) request_bytes_max: usize,
    pub(crate) delivery_timeout: Duration,
    pub(crate) send_timeout: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        let AccumulatorConfig {
            linger,
            batch_bytes_max,
            record_bytes_max,
            buffer_bytes_max,
        } = AccumulatorConfig::default();
        Self {
            linger,
            compression: Compression::None,
            compression_level: None,
            batch_bytes_max,
            record_bytes_max,
            buffer_bytes_max,
            request_bytes_max: 8 << 20,
            delivery_timeout: Duration::from_secs(120),
            send_timeout: Duration::from_secs(60),
        }
    }
}

macro_rules! producer_settings {
    ($builder:ident) => {
        impl $builder {
            /// How long an open batch may wait for more records. Longer means larger batches and later acknowledgements; a
            /// batch leaves earlier when it is full, on a flush or commit, or when a sender waits for room. Default 5 ms.
            #[must_use]
            pub fn linger(mut self, linger: Duration) -> Self {
                self.settings.linger = $crate::config::bounded(linger);
                self
            }

            /// The largest batch. Default 1 MiB, the brokers' own default for what they take; WARNING: a batch that a broker
            /// finds too large is split and sent again, which costs round trips. At least 1 KiB.
            #[must_use]
            pub fn batch_bytes_max(mut self, bytes: usize) -> Self {
                self.settings.batch_bytes_max = bytes.clamp(1 << 10, 1 << 30);
                self
            }

            /// With small batches: a record that none of them could hold goes in one of its own, up to this size. Default 0: such
            /// a record is refused. WARNING: brokers refuse what is larger than their `message.max.bytes`, 1 MiB by default.
            #[must_use]
            pub fn record_bytes_max(mut self, bytes: usize) -> Self {
                self.settings.record_bytes_max = bytes.min(1 << 30);
                self
            }

            /// All memory for records that are not acknowledged. Sends wait when it is used up; one partition gets at most
            /// half. Default 64 MiB; at least four batches.
            #[must_use]
            pub fn buffer_bytes_max(mut self, bytes: usize) -> Self {
                self.settings.buffer_bytes_max = bytes;
                self
            }

            /// How batches are compressed; records that do not get smaller are sent as they are. Default: not at all. Building
            /// refuses a codec that this program was built without (the features of `milena`). Costs CPU on other threads than
            /// the caller's, some 2 us for a KiB with lz4 and snappy, 7 with zstd, 20 with gzip; larger batches, by a longer
            /// [`Self::linger`], compress better.
            #[must_use]
            pub fn compression(mut self, compression: Compression) -> Self {
                self.settings.compression = compression;
                self
            }

            /// How hard the codec tries, in its own numbers. Default: what Kafka's own clients take. Building refuses a level
            /// that the codec does not have, or not in this program's build.
            #[must_use]
            pub fn compression_level(mut self, level: i32) -> Self {
                self.settings.compression_level = Some(level);
                self
            }

            /// How long a record may take from its acceptance to its acknowledgement. WARNING: keep it below the brokers'
            /// `producer.id.expiration.ms`: past that they no longer recognise a repeated batch. Default 120 s.
            #[must_use]
            pub fn delivery_timeout(mut self, timeout: Duration) -> Self {
                self.settings.delivery_timeout = $crate::config::bounded(timeout);
                self
            }

            /// How long a send may wait for room or for the topic's metadata. Default 60 s.
            #[must_use]
            pub fn send_timeout(mut self, timeout: Duration) -> Self {
                self.settings.send_timeout = $crate::config::bounded(timeout);
                self
            }
        }
    };
}
pub(crate) use producer_settings;
producer_settings!(ProducerBuilder);

impl ProducerBuilder {
    pub(crate) fn new(client: ClientHandle) -> Self {
        Self {
            client,
            settings: Settings::default(),
        }
    }

    /// Makes the producer. Nothing is asked of the cluster yet.
    ///
    /// # Errors
    /// [`InitError::Invalid`] if there is no such compression here, [`InitError::Closed`] if the client is gone.
    pub async fn build(self) -> Result<Producer, InitError> {
        let shared = open(&self.client, &self.settings, None).await?;
        Ok(Producer { shared })
    }
}

pub(crate) async fn open(
    client: &ClientHandle,
    settings: &Settings,
    transactional: Option<TransactionConfig>,
) -> Result<Arc<ProducerShared>, InitError> {
    let codec = Codec::new(settings.compression, settings.compression_level)
        .map_err(|invalid| InitError::Invalid(invalid.to_string().into()))?;
    let (reply, answer) = reply();
    let accumulator = AccumulatorConfig {
        linger: settings.linger,
        batch_bytes_max: settings.batch_bytes_max,
        record_bytes_max: settings.record_bytes_max,
        buffer_bytes_max: settings.buffer_bytes_max,
    };
    let command_settings = ProducerSettings {
        accumulator,
        codec,
        delivery_timeout: settings.delivery_timeout,
        request_bytes_max: settings.request_bytes_max,
    };
    let seat = client
        .core
        .seat(|producer| Command::CloseProducer { producer });
    client.core.send(Command::OpenProducer {
        producer: seat.index(),
        settings: command_settings,
        transactional,
        reply,
    });
    let accumulator = answer.await.map_err(|_| InitError::Closed)?;
    Ok(Arc::new(ProducerShared {
        core: Arc::clone(&client.core),
        seat,
        accumulator,
        send_timeout: settings.send_timeout,
    }))
}

/// An idempotent producer: acks=all, nothing lost, doubled or reordered within a partition.
///
/// Clones share everything. When the last one is dropped, what was accepted still goes out, unless the client is dropped too:
/// then at most five seconds are spent on it. [`Producer::flush`] first, to be sure.
#[derive(Clone, Debug)]
pub struct Producer {
    shared: Arc<ProducerShared>,
}

impl Producer {
    /// Accepts a record, in the order of calls, and returns its acknowledgement to come. Waits for room and for the topic's
    /// metadata, at most the send time-out.
    ///
    /// # Errors
    /// [`SendError`]: the record was not accepted and nothing of it is kept.
    ///
    /// # Cancel safety
    /// Dropped before it resolves, the record was not accepted.
    pub async fn send(&self, record: Record<'_>) -> Result<Delivery, SendError> {
        send(&self.shared, &record, 0).await
    }

    /// Accepts a record at once or not at all. It never overtakes a [`Producer::send`] that waits for room.
    ///
    /// # Errors
    /// [`TrySendError`]: the record was not accepted.
    pub fn try_send(&self, record: &Record<'_>) -> Result<Delivery, TrySendError> {
        match append(&self.shared, record, 0, &mut None) {
            Ok(delivery) => Ok(delivery),
            Err(Refused::UnknownTopic) if !is_topic_name(record.topic()) => {
                Err(TrySendError::Refused(no_such_name(record)))
            }
            Err(Refused::UnknownTopic) => {
                let (reply, _) = reply();
                self.shared.core.send(Command::WantTopic {
                    producer: self.shared.seat.index(),
                    topic: record.topic().into(),
                    reply,
                });
                Err(TrySendError::NotReady)
            }
            Err(Refused::NoRoom { .. }) => Err(TrySendError::Full),
            Err(refused) => Err(TrySendError::Refused(refusal(record, refused))),
        }
    }

    /// How much memory accepted records take that are not settled yet, of what
    /// [`ProducerBuilder::buffer_bytes_max`] allows.
    #[must_use]
    pub fn buffered_bytes(&self) -> usize {
        self.shared.accumulator.buffered_bytes()
    }

    /// Sends what waits, and waits until every record accepted so far is settled, well or not. Records accepted later are not
    /// waited for. At most the delivery time-out and a little: nothing stays unsettled longer.
    ///
    /// # Errors
    /// [`FlushError::Closed`] if the client is gone.
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub async fn flush(&self) -> Result<(), FlushError> {
        let (reply, answer) = reply();
        self.shared.core.send(Command::Flush {
            producer: self.shared.seat.index(),
            reply,
        });
        let completions = answer.await.map_err(|_| FlushError::Closed)?;
        for completion in completions {
            completion.settled().await;
        }
        Ok(())
    }
}

/// Accepts `record` for the transaction `generation`, or for none (0).
pub(crate) async fn send(
    shared: &ProducerShared,
    record: &Record<'_>,
    generation: u64,
) -> Result<Delivery, SendError> {
    match append(shared, record, generation, &mut None) {
        Ok(delivery) => Ok(delivery),
        Err(refused) => send_slowly(shared, record, generation, refused).await,
    }
}

#[inline]
fn append(
    shared: &ProducerShared,
    record: &Record<'_>,
    generation: u64,
    ticket: &mut Option<Ticket>,
) -> Result<Delivery, Refused> {
    let appended = shared
        .accumulator
        .append(&*shared.core, record, generation, ticket)?;
    if appended.wake {
        shared.core.driver().wake_engine();
    }
    Ok(appended.delivery)
}

/// The sender waits here; a queue with somebody waiting lets nobody overtake.
struct InLine(Arc<PartitionQueue>);

impl Drop for InLine {
    fn drop(&mut self) {
        Accumulator::stop_waiting(&self.0);
    }
}

#[cold]
async fn send_slowly(
    shared: &ProducerShared,
    record: &Record<'_>,
    generation: u64,
    mut refused: Refused,
) -> Result<Delivery, SendError> {
    let deadline = shared.core.driver().now() + shared.send_timeout;
    let timed_out = |missing| SendError::TimedOut {
        waited: shared.send_timeout,
        missing,
    };
    let mut ticket = None;
    let mut in_line: Option<InLine> = None;
    loop {
        match refused {
            Refused::UnknownTopic if !is_topic_name(record.topic()) => {
                return Err(no_such_name(record));
            }
            Refused::UnknownTopic => {
                let (reply, mut answer) = reply();
                shared.core.send(Command::WantTopic {
                    producer: shared.seat.index(),
                    topic: record.topic().into(),
                    reply,
                });
                match until(&shared.core, deadline, &mut answer).await {
                    None => return Err(timed_out("no metadata of the topic")),
                    Some(Err(_)) => return Err(SendError::Closed),
                    Some(Ok(Err(unavailable))) => {
                        return Err(SendError::Topic {
                            topic: record.topic().to_owned(),
                            error: unavailable.0,
                        });
                    }
                    Some(Ok(Ok(()))) => {}
                }
            }
            Refused::NoRoom { slot, chunks } => {
                let Some((line, queue, wake)) =
                    shared
                        .accumulator
                        .wait_for_room(record.topic(), slot, chunks)
                else {
                    return Err(SendError::Closed);
                };
                in_line = Some(InLine(queue));
                if wake {
                    shared.core.driver().wake_engine();
                }
                let mut granted = std::pin::pin!(poll_fn(|cx| line.poll_granted(cx)));
                if until(&shared.core, deadline, &mut granted).await.is_none() {
                    return Err(timed_out("no room"));
                }
                ticket = Some(line);
            }
            refused => return Err(refusal(record, refused)),
        }
        match append(shared, record, generation, &mut ticket) {
            Ok(delivery) => {
                drop(in_line);
                return Ok(delivery);
            }
            Err(again) => refused = again,
        }
        // Its place in line goes with the ticket.
        ticket = None;
        in_line = None;
    }
}

fn no_such_name(record: &Record<'_>) -> SendError {
    SendError::Topic {
        topic: record.topic().to_owned(),
        error: ErrorCode::INVALID_TOPIC_EXCEPTION,
    }
}

fn refusal(record: &Record<'_>, refused: Refused) -> SendError {
    let topic = || record.topic().to_owned();
    match refused {
        Refused::UnknownPartition => SendError::NoPartition {
            topic: topic(),
            partition: record.wanted_partition().unwrap_or(-1),
        },
        Refused::TooLarge { bytes, bytes_max } => SendError::TooLarge { bytes, bytes_max },
        Refused::Timestamp(timestamp_ms) => SendError::NegativeTimestamp { timestamp_ms },
        Refused::Ended => SendError::TransactionOver,
        Refused::UnknownTopic | Refused::NoRoom { .. } | Refused::Closed => SendError::Closed,
    }
}
