//! A read_committed consumer, until everything that was committed is read.

use milena_engine::ClientHandle;
use milena_engine::handles::{Batch, ConsumeError, IsolationLevel};

use super::hands::{GivenUp, Hands, again};
use super::{COMMITTED_RECORDS, PARTITIONS};
use crate::app::App;
use crate::check::readers::COMMITTED;
use crate::failure::Check;
use crate::plan::{BANK, INVOICES};

pub(super) async fn run(hands: Hands, client: ClientHandle) -> Result<(), GivenUp> {
    let partitions =
        (0..PARTITIONS).flat_map(|partition| [(BANK, partition), (INVOICES, partition)]);
    let mut reader = again!(
        hands,
        "reader build",
        client
            .reader()
            .assign(partitions.clone())
            .isolation(IsolationLevel::ReadCommitted)
            .build()
    )?;
    let mut count = 0;
    while count < COMMITTED_RECORDS {
        let batch = again!(hands, "next_batch", reader.next_batch())?;
        count += read(&hands.app, &batch);
    }
    let ends = again!(hands, "end_offsets", reader.end_offsets())?;
    for end in ends {
        let read = reader.position(end.topic(), end.partition());
        if !hands.manners.forgiving && read.is_none_or(|read| read > end.offset()) {
            let text = format!("a reader stands at {read:?}, behind the end: {end:?}");
            hands.app.ledger().violated(Check::Readers, text);
        }
    }
    hands.app.ledger().senders_left -= 1;
    // Nothing more comes, or it is one too many: the world drops this when the run is over.
    loop {
        match reader.next_batch().await {
            Ok(batch) => read(&hands.app, &batch),
            Err(ConsumeError::Closed) => return Ok(()),
            Err(error) => return Err(hands.refused("next_batch", error)),
        };
    }
}

fn read(app: &App, batch: &Batch) -> usize {
    let key = (COMMITTED, batch.topic().to_owned(), batch.partition());
    let records = batch.records().map(|record| {
        let value = record.value().unwrap_or_default().to_vec();
        (record.offset(), value)
    });
    app.shared.say(|| {
        let (topic, partition) = (batch.topic(), batch.partition());
        format!("read {} of {topic}-{partition}", batch.len())
    });
    app.ledger().read(key, records);
    batch.len()
}
