//! An idempotent producer: some records to two partitions, every delivery awaited, flushed, closed.

use std::time::Duration;

use milena_engine::ClientHandle;
use milena_engine::handles::{Producer, Record};

use super::hands::{GivenUp, Hands, again};
use super::{BATCH_BYTES_MAX, LINGER, PARTITIONS};
use crate::plan::ORDERS;

/// Orders of each partition.
pub(super) const EACH: i32 = 3;
/// Each is the one sender of the run, so that the order is checked over all of them.
const SENDER: u64 = 0;

pub(super) async fn run(mut hands: Hands, client: ClientHandle) -> Result<(), GivenUp> {
    let patience = Duration::from_secs(10);
    again!(hands, "connect", client.connect("the brokers", patience))?;
    let producer = again!(
        hands,
        "producer build",
        client
            .producer()
            .linger(LINGER)
            .batch_bytes_max(BATCH_BYTES_MAX)
            .buffer_bytes_max(0)
            .build()
    )?;
    for number in 0..EACH {
        for partition in 0..PARTITIONS {
            send(&mut hands, &producer, partition, number).await?;
        }
        if number == 0 {
            flush(&hands, &producer).await?;
        }
    }
    flush(&hands, &producer).await?;
    // Memory goes with its frame; what never comes back makes this a run that does not end.
    while producer.buffered_bytes() > 0 {
        hands.pause().await;
    }
    Ok(())
}

async fn flush(hands: &Hands, producer: &Producer) -> Result<(), GivenUp> {
    again!(hands, "flush", producer.flush())
}

/// Sends until one attempt is accepted; each attempt is a record of its own.
async fn send(
    hands: &mut Hands,
    producer: &Producer,
    partition: i32,
    number: i32,
) -> Result<(), GivenUp> {
    for attempt in 0.. {
        let value = format!("order-{partition}-{number}-{attempt}");
        let line = hands
            .app
            .ledger()
            .send(ORDERS, partition, value.clone(), SENDER, None);
        let record = Record::to(ORDERS).partition(partition).value(&value);
        let sent = hands.run("send", producer.send(record)).await;
        if hands.sent(line, sent)? {
            break;
        }
    }
    Ok(())
}
