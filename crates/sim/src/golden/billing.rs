//! An exactly-once pipeline over the orders, until all of them are invoices; then it is stopped.

use milena_engine::ClientHandle;
use milena_engine::handles::{Pipeline, Record, Step};

use super::hands::{GivenUp, Hands, again};
use super::{COMMIT_INTERVAL, LINGER, PARTITIONS, orders};
use crate::plan::{BILLING, BILLING_ID, INVOICES, ORDERS};

pub(super) async fn run(hands: Hands, client: ClientHandle) -> Result<(), GivenUp> {
    loop {
        match pipe(&hands, &client).await {
            Err(GivenUp) if hands.starts_over() => hands.pause().await,
            ended => return ended,
        }
    }
}

async fn pipe(hands: &Hands, client: &ClientHandle) -> Result<(), GivenUp> {
    loop {
        let mut pipeline = build(hands, client).await?;
        work(hands, &mut pipeline).await?;
        again!(hands, "pipeline stop", pipeline.stop())?;
        hands.app.ledger().pipeline_commits += pipeline.metrics().committed;
        // Stopped in an abort it leaves the rest to the next instance.
        if committed(hands, client).await? == i64::from(orders::EACH * PARTITIONS) {
            return Ok(());
        }
    }
}

async fn build(hands: &Hands, client: &ClientHandle) -> Result<Pipeline, GivenUp> {
    again!(
        hands,
        "pipeline build",
        client
            .exactly_once(BILLING)
            .from_partitions((0..PARTITIONS).map(|partition| (ORDERS, partition)))
            .transactional_id(BILLING_ID)
            .step_records_max(2)
            .transaction_steps_max(2)
            .commit_interval(COMMIT_INTERVAL)
            .linger(LINGER)
            .operation_timeout(hands.app.plan.operation_timeout)
            .build()
    )
}

/// Step after step, until the last order of each partition is done.
async fn work(hands: &Hands, pipeline: &mut Pipeline) -> Result<(), GivenUp> {
    // After an abort it goes back, and what was done is not.
    let all_done = |pipeline: &Pipeline| {
        (0..PARTITIONS).all(|partition| {
            let position = pipeline.position(ORDERS, partition);
            position.is_some_and(|position| position >= i64::from(orders::EACH))
        })
    };
    let mut last = [0_i64; PARTITIONS as usize];
    loop {
        let step = again!(hands, "pipeline next", pipeline.next())?;
        let Some(step) = step else {
            return Err(hands.refused("pipeline next", "ended without being stopped"));
        };
        let end = bill(hands, &step).await?;
        if let Some(last) = usize::try_from(step.partition())
            .ok()
            .and_then(|partition| last.get_mut(partition))
        {
            *last = end;
        }
        step.done();
        let handed_out = last.iter().all(|last| *last == i64::from(orders::EACH));
        if handed_out && all_done(pipeline) {
            return Ok(());
        }
    }
}

/// An invoice for each order. Where the step ends.
async fn bill(hands: &Hands, step: &Step) -> Result<i64, GivenUp> {
    let mut end = 0;
    for record in step.records() {
        end = record.offset() + 1;
        let partition = step.partition();
        let mut value = format!("{partition}/{}/", record.offset()).into_bytes();
        value.extend_from_slice(record.value().unwrap_or_default());
        hands.app.shared.say(|| {
            let name = String::from_utf8_lossy(&value);
            format!("billing {name}")
        });
        // A send that was dropped was not accepted: the same invoice again is the only one.
        let send = || {
            let invoice = Record::to(INVOICES).partition(partition).value(&value);
            step.send(invoice)
        };
        drop(again!(hands, "step send", send())?);
    }
    Ok(end)
}

/// How many orders the group has behind it: no marker lies between them.
async fn committed(hands: &Hands, client: &ClientHandle) -> Result<i64, GivenUp> {
    let partitions = (0..PARTITIONS).map(|partition| (ORDERS, partition));
    let consumer = again!(
        hands,
        "consumer build",
        client.consumer(BILLING).assign(partitions.clone()).build()
    )?;
    let committed = again!(hands, "committed", consumer.committed())?;
    Ok(committed.iter().map(|position| position.offset()).sum())
}
