//! The exactly-once pipeline over restarts and faults: each record of the input shows in the output once, in order.

use std::time::Duration;

use milena::{Client, Pipeline, Record, Step};
use milena_testbroker::relay::{ApiKey, RelayAction, RelayRule};
use milena_tests::{Failure, Log, Outcome, Topic, World, scenarios, values};
use tokio::time::sleep;

scenarios!(
    stopped_and_started_again_it_bills_each_order_once,
    dropped_in_mid_transaction_and_started_again_it_bills_each_order_once,
    an_undone_step_comes_again,
    an_older_pipeline_is_fenced,
    lost_answers_and_cuts_bill_each_order_once,
);

/// Orders in two partitions, and as many partitions of invoices.
struct Billing {
    orders: Topic,
    invoices: Topic,
    name: String,
}

impl Billing {
    async fn with_orders(world: &World, client: &Client) -> Result<Self, Failure> {
        let (orders, invoices) = (
            world.topic("orders", 2).await?,
            world.topic("invoices", 2).await?,
        );
        let producer = client.producer().build().await?;
        for number in 0..ORDERS {
            let value = format!("{number:04}");
            drop(producer.send(orders.record(number % 2, &value)).await?);
        }
        producer.flush().await?;
        Ok(Self {
            orders,
            invoices,
            name: world.name("billing"),
        })
    }

    async fn pipeline(&self, client: &Client) -> Result<Pipeline, Failure> {
        let pipeline = client
            .exactly_once(&self.name)
            .from_partitions(self.orders.assignment());
        let pipeline = pipeline
            .transactional_id(&self.name)
            .step_records_max(10)
            .commit_interval(COMMIT_INTERVAL);
        Ok(pipeline.until_end().build().await?)
    }

    /// Writes the invoices of a step, and sees them in the log: if they go, they go from there.
    async fn bill(&self, step: &Step) -> Outcome {
        let mut deliveries = Vec::new();
        for order in step.records() {
            let invoice = Record::to(&self.invoices.name)
                .partition(step.partition())
                .value(order.value());
            deliveries.push(step.send(invoice).await?);
        }
        for delivery in deliveries {
            delivery.await?;
        }
        Ok(())
    }

    /// Every order has its invoice: once, and in the orders' order.
    async fn check(&self, world: &World) -> Outcome {
        let seen = Log::of(world, &self.invoices).await?.committed().await?;
        let orders = |parity| {
            (0..ORDERS)
                .filter(move |number| number % 2 == parity)
                .map(|number| format!("{number:04}"))
        };
        assert_eq!(
            values(&seen),
            orders(0).chain(orders(1)).collect::<Vec<_>>()
        );
        Ok(())
    }
}

async fn stopped_and_started_again_it_bills_each_order_once(world: &World) -> Outcome {
    let client = world.client().await?;
    let billing = Billing::with_orders(world, &client).await?;

    let mut first = billing.pipeline(&client).await?;
    for _ in 0..4 {
        let step = first.next().await?.ok_or("there are more orders")?;
        billing.bill(&step).await?;
        step.done();
    }
    first.stop().await?;
    drop(first);
    let billed = Log::of(world, &billing.invoices)
        .await?
        .committed()
        .await?
        .len();
    assert!(
        (1..=40).contains(&billed),
        "four steps of at most ten: {billed}"
    );

    let mut second = billing.pipeline(&world.client().await?).await?;
    let mut steps = 0;
    while let Some(step) = second.next().await? {
        billing.bill(&step).await?;
        steps += step.records().len();
        step.done();
    }
    assert_eq!(
        steps + billed,
        usize::try_from(ORDERS)?,
        "stop commits what is done"
    );
    billing.check(world).await
}

async fn dropped_in_mid_transaction_and_started_again_it_bills_each_order_once(
    world: &World,
) -> Outcome {
    let client = world.client().await?;
    let billing = Billing::with_orders(world, &client).await?;
    for steps in [1, 3, 6] {
        let mut pipeline = billing.pipeline(&client).await?;
        for _ in 0..steps {
            let step = pipeline.next().await?.ok_or("there are more orders")?;
            billing.bill(&step).await?;
            step.done();
        }
        let open = pipeline.next().await?.ok_or("there are more orders")?;
        billing.bill(&open).await?;
        drop(pipeline);
        drop(open);
    }
    let mut last = billing.pipeline(&client).await?;
    while let Some(step) = last.next().await? {
        billing.bill(&step).await?;
        step.done();
    }
    billing.check(world).await
}

async fn an_undone_step_comes_again(world: &World) -> Outcome {
    let client = world.client().await?;
    let billing = Billing::with_orders(world, &client).await?;
    let mut pipeline = billing.pipeline(&client).await?;
    let (mut steps, mut refused) = (0, 0);
    while let Some(step) = pipeline.next().await? {
        steps += 1;
        billing.bill(&step).await?;
        if steps % 4 == 0 && refused < 5 {
            // Its records are written already; with the step they go, and come again.
            refused += 1;
            drop(step);
        } else {
            step.done();
        }
    }
    assert_eq!(refused, 5);
    assert!(pipeline.metrics().aborted >= 5, "{:?}", pipeline.metrics());
    billing.check(world).await
}

async fn an_older_pipeline_is_fenced(world: &World) -> Outcome {
    let client = world.client().await?;
    let billing = Billing::with_orders(world, &client).await?;
    let mut older = billing.pipeline(&client).await?;
    let step = older.next().await?.ok_or("there are orders")?;
    billing.bill(&step).await?;

    let mut newer = billing.pipeline(&world.client().await?).await?;
    step.done();
    let fenced = loop {
        match older.next().await {
            Ok(Some(step)) => {
                // Its sends may fail already; the pipeline says why at its next step.
                let _ = billing.bill(&step).await;
                step.done();
            }
            Ok(None) => return Err("an older pipeline came to its end".into()),
            Err(error) => break error,
        }
    };
    assert!(fenced.is_fenced(), "{fenced:?}");
    while let Some(step) = newer.next().await? {
        billing.bill(&step).await?;
        step.done();
    }
    billing.check(world).await
}

async fn lost_answers_and_cuts_bill_each_order_once(world: &World) -> Outcome {
    let client = world.client().await?;
    let billing = Billing::with_orders(world, &client).await?;
    let relay = world.relay();
    let lose_each = |api, n| relay.add(RelayRule::on(api).every(n), RelayAction::LoseAnswer);
    let lost = [
        (ApiKey::END_TXN, 3),
        (ApiKey::PRODUCE, 5),
        (ApiKey::TXN_OFFSET_COMMIT, 4),
    ]
    .map(|(api, n)| lose_each(api, n));

    let mut pipeline = billing.pipeline(&client).await?;
    let (mut steps, mut cut) = (0, 0);
    while let Some(step) = pipeline.next().await? {
        steps += 1;
        // A send may be told of the abort that a cut led to; the step then comes again.
        if billing.bill(&step).await.is_ok() {
            step.done();
        }
        if steps % 8 == 0 {
            cut += relay.cut_all();
        }
        // A transaction ends here and there: faults for its end need many of them.
        sleep(COMMIT_INTERVAL / 2).await;
    }
    assert!(
        cut > 0 && lost.iter().all(|&rule| relay.fired(rule) > 0),
        "{cut}, {:?}",
        lost.map(|rule| relay.fired(rule))
    );
    billing.check(world).await
}

const ORDERS: i32 = 200;

/// Short, so that a run has many transactions.
const COMMIT_INTERVAL: Duration = Duration::from_millis(20);
