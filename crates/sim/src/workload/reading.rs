//! Readers beside the writers: what they get is held against the logs.

use std::pin::pin;
use std::time::Duration;

use milena_engine::handles::{ConsumeError, Consumer, FetchError, IsolationLevel};

use crate::app::App;
use crate::failure::Check;
use crate::plan::{BANK, BANK_PARTITIONS, INVOICES, ORDERS_PARTITIONS};

/// How long a reader waits before it looks where it stands.
const GLANCE: Duration = Duration::from_millis(250);
/// Between the seeks of one that wanders.
const PACE: Duration = Duration::from_millis(25);
/// Offsets that one that wanders has seen last are sought most.
const RECENT: i64 = 12;

/// Whether a reader may be asked for more.
enum Next {
    GoOn,
    Closed,
}

/// One that reads from the beginning to the end.
pub(crate) async fn run(mut app: App, name: &'static str, isolation: IsolationLevel) {
    let mut reader = build(&mut app, isolation).await;
    while let Next::GoOn = read(&mut app, name, &mut reader, GLANCE).await {}
}

/// One that goes here and there, also while it waits for records from elsewhere, until everything is written. Then it goes
/// somewhere once more, and reads to the end.
pub(crate) async fn wander(mut app: App, name: &'static str, isolation: IsolationLevel) {
    let mut reader = build(&mut app, isolation).await;
    let mut winding_down = false;
    while !winding_down {
        winding_down = app.ledger().winding_down;
        for (topic, partition) in partitions() {
            if winding_down || app.rng.u32(0..3) == 0 {
                seek(&mut app, name, &mut reader, topic, partition);
            }
        }
        // With a little patience, answers to the old position are under way at the next seek.
        let patience = [2, 20, 200][app.rng.usize(0..3)];
        for _ in 0..app.rng.u32(0..6) {
            let patience = app.duration(Duration::from_millis(patience));
            if let Next::Closed = read(&mut app, name, &mut reader, patience).await {
                return;
            }
        }
        // Without faults there is less to see.
        let calm = app.ledger().calm;
        app.pause(if calm { GLANCE } else { PACE }).await;
    }
    while let Next::GoOn = read(&mut app, name, &mut reader, GLANCE).await {}
}

fn partitions() -> impl Iterator<Item = (&'static str, i32)> {
    let bank = (0..BANK_PARTITIONS).map(|partition| (BANK, partition));
    bank.chain((0..ORDERS_PARTITIONS).map(|partition| (INVOICES, partition)))
}

async fn build(app: &mut App, isolation: IsolationLevel) -> Consumer {
    let client = app.client();
    client
        .reader()
        .assign(partitions())
        .isolation(isolation)
        .build()
        .await
        .expect("a reader asks nothing of the cluster to be built")
}

/// Goes to an offset that there is, mostly to one not long ago.
fn seek(app: &mut App, name: &'static str, reader: &mut Consumer, topic: &str, partition: i32) {
    let Some(position) = reader.position(topic, partition) else {
        return;
    };
    let first = match app.rng.u32(0..10) {
        0 => 0,
        _ => (position - RECENT).max(0),
    };
    let offset = app.rng.i64(first..=position);
    reader.seek(topic, partition, offset);
    app.ledger()
        .seek((name, topic.to_owned(), partition), offset);
}

/// Waits for a batch for so long, and notes it, and where the reader stands now.
async fn read(
    app: &mut App,
    name: &'static str,
    reader: &mut Consumer,
    patience: Duration,
) -> Next {
    let next = {
        let mut next = pin!(reader.next_batch());
        app.wait(patience, &mut next).await
    };
    match next {
        None => {}
        Some(Ok(batch)) => {
            let records = batch.records().map(|record| {
                let value = record.value().unwrap_or_default().to_vec();
                (record.offset(), value)
            });
            let reading = (name, batch.topic().to_owned(), batch.partition());
            app.ledger().read(reading, records);
        }
        Some(Err(ConsumeError::Closed)) => return Next::Closed,
        Some(Err(error)) => go_on(app, name, reader, &error),
    }
    for (topic, partition) in partitions() {
        if let Some(position) = reader.position(topic, partition) {
            let reading = (name, topic.to_owned(), partition);
            app.ledger().positions.insert(reading, position);
        }
    }
    Next::GoOn
}

/// A partition whose bytes arrived damaged is read again from where it stands; nothing else is wrong with a healthy log.
fn go_on(app: &mut App, name: &'static str, reader: &mut Consumer, error: &ConsumeError) {
    let excused = !app.is_long_calm();
    match error {
        ConsumeError::Fetch {
            topic,
            partition,
            error: FetchError::Corrupt(_),
        } if excused => {
            let position = reader.position(topic, *partition).unwrap_or_default();
            reader.seek(topic, *partition, position);
        }
        _ => app.ledger().violated(
            Check::Readers,
            format!("{name}: a healthy log cannot be read: {error}"),
        ),
    }
}
