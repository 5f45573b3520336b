//! Several tasks share one idempotent producer; each sends its own sequence to several partitions.

use std::time::Duration;

use milena_engine::handles::{Compression, Delivery, Producer, Record, TrySendError};

use crate::app::App;
use crate::failure::Check;
use crate::faults::Fault;
use crate::ledger::Fate;
use crate::plan::{ORDERS, ORDERS_PARTITIONS};

const PACE: Duration = Duration::from_millis(45);

pub(crate) async fn run(mut app: App) {
    let client = app.sending_client();
    let producer = client
        .producer()
        .linger(app.plan.linger)
        .compression(app.plan.codecs.orders)
        .batch_bytes_max(app.plan.batch_bytes_max)
        .buffer_bytes_max(app.plan.buffer_bytes_max)
        .delivery_timeout(app.plan.delivery_timeout)
        .send_timeout(app.plan.operation_timeout)
        .build()
        .await
        .expect("the client is there");
    let senders: Vec<_> = (0..app.plan.senders)
        .map(|sender| {
            let name = format!("orders sender {sender}");
            let producer = producer.clone();
            app.spawn(name, |hands| send_all(hands, producer, sender))
        })
        .collect();
    for sender in senders {
        sender.await;
    }
    if let Err(error) = producer.flush().await {
        let violation = format!("flush failed on an open client: {error}");
        app.ledger().violated(Check::Refused, violation);
    }
    // A batch whose caller was told of its time-out may still be sent; its memory goes with its frame. What never comes back
    // makes this a run that does not end.
    while producer.buffered_bytes() > 0 {
        app.pause(PACE).await;
    }
    app.ledger().senders_left -= 1;
}

async fn send_all(mut app: App, producer: Producer, sender: u64) {
    for number in 0..app.plan.records_each {
        app.pause(PACE).await;
        let partition = app.rng.i32(0..ORDERS_PARTITIONS);
        let padding = app.rng.usize(0..=app.plan.record_bytes);
        let padding = padding_of(&mut app, padding);
        let value = format!("order-{sender}-{number}-{padding}");
        let entry = app
            .ledger()
            .send(ORDERS, partition, value.clone(), sender, None);
        let key = format!("{sender}");
        let record = Record::to(ORDERS)
            .partition(partition)
            .key(&key)
            .value(&value);
        let sent = if app.rng.u32(0..8) == 0 {
            // At once or not at all; an order that finds no room is not taken.
            let tried = producer.try_send(&record);
            if let Err(TrySendError::Refused(error)) = &tried {
                let violation = format!("a good record is refused: {error}");
                app.ledger().violated(Check::Refused, violation);
            }
            tried.ok().map(Ok)
        } else if app.strikes(0.2) {
            let patience = app.duration(Duration::from_millis(4));
            app.drop_after(Fault::SendDropped, patience, producer.send(record))
                .await
        } else {
            Some(producer.send(record).await)
        };
        let fate = match sent {
            Some(Ok(delivery)) => {
                await_delivery(&mut app, delivery, entry);
                continue;
            }
            Some(Err(_)) | None => Fate::NotAccepted,
        };
        app.ledger().sent[entry].fate = fate;
    }
}

/// Letters that no codec shortens by more than a half: batches are to be too large when they are compressed as well.
fn padding_of(app: &mut App, len: usize) -> String {
    if app.plan.codecs.orders == Compression::None {
        return "x".repeat(len);
    }
    (0..len).map(|_| app.rng.alphanumeric()).collect()
}

/// Hears of the delivery in a task of its own, or drops it.
pub(crate) fn await_delivery(app: &mut App, delivery: Delivery, entry: usize) {
    app.ledger().sent[entry].fate = Fate::Unheard;
    let patience = app
        .strikes(0.1)
        .then(|| app.duration(Duration::from_millis(20)));
    let heard = move |mut hands: App| async move {
        let outcome = match patience {
            None => Some(delivery.await),
            Some(patience) => {
                hands
                    .drop_after(Fault::DeliveryDropped, patience, delivery)
                    .await
            }
        };
        let fate = match outcome {
            None => return,
            Some(Ok(acknowledged)) => Fate::Acknowledged(acknowledged.offset()),
            Some(Err(error)) => Fate::Failed(error.persistence()),
        };
        let mut ledger = hands.ledger();
        if let (Fate::Failed(_), Some(transaction)) = (&fate, ledger.sent[entry].transaction) {
            let value = ledger.sent[entry].value.clone();
            ledger.transactions[transaction]
                .failed_send
                .get_or_insert(value);
        }
        ledger.sent[entry].fate = fate;
    };
    // Named, so that a run that does not end can say which delivery never came.
    drop(app.spawn(format!("delivery {entry}"), heard));
}
