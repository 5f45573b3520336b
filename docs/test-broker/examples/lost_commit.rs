//! A payment is booked once, though the answer to its commit is lost.

use std::error::Error;

use milena::{Client, Record};
use milena_testbroker::{Action, ApiKey, Rule, TestBroker};

/// The code under test: books a payment in a transaction of its own.
async fn book(bootstrap: &str, payment: &str) -> Result<(), Box<dyn Error>> {
    let client = Client::connect(bootstrap).await?;
    let mut producer = client.transactional_producer("bank-1").build().await?;
    let transaction = producer.begin().await?;
    drop(
        transaction
            .send(Record::to("payments").value(payment))
            .await?,
    );
    transaction.commit().await?;
    Ok(())
}

#[tokio::test]
async fn a_payment_whose_commit_is_answered_by_nobody_is_booked_once() -> Result<(), Box<dyn Error>>
{
    let cluster = TestBroker::builder().nodes(3).start()?;
    cluster.with(|broker| broker.create_topic("payments", 1));

    // The transaction is committed, but the connection breaks before its answer leaves.
    let commit = Rule::on(ApiKey::END_TXN).transactional_id("bank-1");
    cluster.with(|broker| broker.faults().add(commit, Action::ApplyThenDrop));

    book(&cluster.bootstrap(), "42 to Ada").await?;

    // What is in the log counts, not what the client was told.
    let booked = cluster.with(|broker| {
        let log = broker.log("payments", 0).ok_or("no such partition")?;
        log.committed_records().map_err(|error| error.to_string())
    })?;
    assert_eq!(booked.len(), 1);
    assert_eq!(booked[0].value.as_deref(), Some(&b"42 to Ada"[..]));
    // If the fault had not happened, dropping the cluster would fail the test.
    Ok(())
}
