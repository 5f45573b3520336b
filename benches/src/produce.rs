//! Producing: one task sends as fast as it can.

use std::collections::VecDeque;
use std::future::Future;

use milena::{Client, Delivery, Producer, Record};

use crate::Failure;
use crate::meter::{Cost, Meter};
use crate::payload::Value;

/// Deliveries that are kept before the oldest is awaited: more than the batches in flight hold, so that nothing stalls.
const WINDOW: usize = 1 << 17;

/// What becomes of the deliveries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Deliveries {
    /// Each is dropped for the next of its partition; at the end the producer is flushed and the last ones are asked. What
    /// failed in between is noticed by whoever reads the topic back.
    Dropped,
    /// Each is awaited, the oldest first, a window behind the sends.
    Awaited,
}

impl Deliveries {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Dropped => "dropped",
            Self::Awaited => "awaited",
        }
    }
}

/// Sends records numbered `0..records` of `size` bytes and waits until all are acknowledged.
pub(crate) async fn produce(
    client: &Client,
    topic: &str,
    records: u64,
    size: usize,
    deliveries: Deliveries,
) -> Result<Cost, Failure> {
    let producer = client.producer().build().await?;
    let meter = Meter::start()?;
    match deliveries {
        Deliveries::Dropped => dropped(&producer, topic, records, size).await?,
        Deliveries::Awaited => awaited(&producer, topic, records, size).await?,
    }
    meter.stop()
}

async fn dropped(
    producer: &Producer,
    topic: &str,
    records: u64,
    size: usize,
) -> Result<(), Failure> {
    let mut value = Value::new(size);
    let mut newest: Vec<Option<Delivery>> = Vec::new();
    for number in 0..records {
        let delivery = send(producer, topic, value.numbered(number)).await?;
        let partition = usize::try_from(delivery.partition())?;
        if newest.len() <= partition {
            newest.resize_with(partition + 1, || None);
        }
        newest[partition] = Some(delivery);
    }
    producer.flush().await?;
    for delivery in newest.into_iter().flatten() {
        delivery.await?;
    }
    Ok(())
}

async fn awaited(
    producer: &Producer,
    topic: &str,
    records: u64,
    size: usize,
) -> Result<(), Failure> {
    let mut value = Value::new(size);
    let mut waiting = VecDeque::with_capacity(WINDOW);
    for number in 0..records {
        if waiting.len() == WINDOW
            && let Some(oldest) = waiting.pop_front()
        {
            settled(oldest).await?;
        }
        waiting.push_back(send(producer, topic, value.numbered(number)).await?);
    }
    for delivery in waiting {
        settled(delivery).await?;
    }
    Ok(())
}

fn send<'a>(
    producer: &'a Producer,
    topic: &'a str,
    value: &'a [u8],
) -> impl Future<Output = Result<Delivery, milena::SendError>> + use<'a> {
    producer.send(Record::to(topic).value(value))
}

async fn settled(delivery: Delivery) -> Result<(), Failure> {
    let acknowledged = delivery.await?;
    match acknowledged.offset() {
        Some(_) => Ok(()),
        None => Err("a record was acknowledged without an offset".into()),
    }
}
