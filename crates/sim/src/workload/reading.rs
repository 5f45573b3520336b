//! Readers beside the writers: what they get is held against the logs.

use milena_engine::handles::{ConsumeError, IsolationLevel};

use crate::app::App;
use crate::failure::Check;
use crate::plan::{BANK, BANK_PARTITIONS, INVOICES, ORDERS_PARTITIONS};

pub(crate) async fn run(mut app: App, name: &'static str, isolation: IsolationLevel) {
    let client = app.client();
    let bank = (0..BANK_PARTITIONS).map(|partition| (BANK, partition));
    let invoices = (0..ORDERS_PARTITIONS).map(|partition| (INVOICES, partition));
    let mut reader = client
        .reader()
        .assign(bank.chain(invoices))
        .isolation(isolation)
        .build()
        .await
        .expect("a reader asks nothing of the cluster to be built");
    loop {
        match reader.next_batch().await {
            Ok(batch) => {
                let key = (name, batch.topic().to_owned(), batch.partition());
                let records = batch.records().map(|record| {
                    let value = record.value().unwrap_or_default().to_vec();
                    (record.offset(), value)
                });
                app.ledger().reads.entry(key).or_default().extend(records);
            }
            Err(ConsumeError::Closed) => return,
            Err(error) => {
                app.ledger().violated(
                    Check::Readers,
                    format!("{name}: a healthy log cannot be read: {error}"),
                );
                return;
            }
        }
    }
}
