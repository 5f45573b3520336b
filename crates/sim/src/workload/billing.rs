//! The pipeline: every order becomes an invoice, exactly once, through restarts and a second instance.

use std::time::Duration;

use milena_engine::ClientHandle;
use milena_engine::handles::{Pipeline, PipelineError, Record, Step};

use crate::app::{App, Join};
use crate::failure::Check;
use crate::faults::Fault;
use crate::plan::{BILLING, BILLING_ID, INVOICES, ORDERS, ORDERS_PARTITIONS};

const PACE: Duration = Duration::from_millis(40);

/// How an instance came to its end.
enum Ended {
    /// Stopped: everything is committed.
    Stopped,
    /// Dropped, or of no more use.
    Gone,
}

pub(crate) async fn run(mut app: App) {
    let mut old: Option<Join<()>> = None;
    let mut zombie_left = app.plan.pipeline_zombie_at;
    loop {
        let client = app.client();
        let Some(pipeline) = build(&mut app, &client).await else {
            app.pause(PACE).await;
            continue;
        };
        app.stops().push(pipeline.stop_handle());
        if app.ledger().winding_down {
            pipeline.stop_handle().stop();
        }
        if let Some(steps) = zombie_left.take() {
            // This one goes on by itself; the next one fences it.
            let name = "older pipeline".to_owned();
            old = Some(app.spawn(name, |hands| outlive(hands, pipeline)));
            let wait = PACE * u32::try_from(steps).unwrap_or(1);
            app.pause(wait).await;
            app.ledger().fired(Fault::Zombie);
            continue;
        }
        if let Ended::Stopped = work(&mut app, pipeline).await {
            break;
        }
    }
    if let Some(old) = old {
        old.await;
    }
}

async fn build(app: &mut App, client: &ClientHandle) -> Option<Pipeline> {
    let partitions = (0..ORDERS_PARTITIONS).map(|partition| (ORDERS, partition));
    let built = client
        .exactly_once(BILLING)
        .from_partitions(partitions)
        .transactional_id(BILLING_ID)
        .step_records_max(app.rng.usize(1..30))
        .transaction_steps_max(app.rng.usize(4..16))
        .commit_interval(app.duration(Duration::from_millis(60)))
        .linger(app.plan.linger)
        .compression(app.plan.codecs.billing)
        .delivery_timeout(app.plan.delivery_timeout)
        .transaction_timeout(app.plan.transaction_timeout)
        .operation_timeout(app.plan.operation_timeout)
        .build()
        .await;
    match built {
        Ok(pipeline) => Some(pipeline),
        Err(error) => {
            if app.is_long_stable() {
                let violation = format!("no pipeline: {error}");
                app.ledger().violated(Check::Liveness, violation);
            }
            None
        }
    }
}

/// Works until the pipeline is stopped, fails for good, or is dropped midway.
async fn work(app: &mut App, mut pipeline: Pipeline) -> Ended {
    loop {
        if app.strikes(0.015) {
            app.ledger().fired(Fault::PipelineDropped);
            return Ended::Gone;
        }
        let next = if app.strikes(0.1) {
            let patience = app.duration(Duration::from_millis(10));
            match app
                .drop_after(Fault::NextDropped, patience, pipeline.next())
                .await
            {
                Some(next) => next,
                None => continue,
            }
        } else {
            pipeline.next().await
        };
        if !matches!(next, Ok(Some(_))) {
            app.shared.say(|| format!("billing: {next:?}"));
        }
        match next {
            Ok(Some(step)) => bill(app, step).await,
            Ok(None) => {
                app.ledger().pipeline_commits += pipeline.metrics().committed;
                return Ended::Stopped;
            }
            Err(PipelineError::OutcomeUnknown | PipelineError::Stalled { .. }) => {
                app.pause(PACE).await;
            }
            Err(PipelineError::Consume(error)) => {
                if app.is_long_stable() {
                    let violation = format!("the pipeline cannot read: {error}");
                    app.ledger().violated(Check::Liveness, violation);
                }
                app.pause(PACE).await;
            }
            Err(_) => {
                app.ledger().pipeline_commits += pipeline.metrics().committed;
                return Ended::Gone;
            }
        }
    }
}

/// The older instance: it works on until it is told that it was fenced.
async fn outlive(mut app: App, mut pipeline: Pipeline) {
    loop {
        match pipeline.next().await {
            Ok(Some(step)) => bill(&mut app, step).await,
            Ok(None) => return,
            Err(
                PipelineError::OutcomeUnknown
                | PipelineError::Stalled { .. }
                | PipelineError::Consume(_),
            ) => app.pause(PACE).await,
            Err(_) => return,
        }
    }
}

async fn bill(app: &mut App, step: Step) {
    let first = step.records().next().map(|record| record.offset());
    app.shared.say(|| {
        let partition = step.partition();
        format!("billing step of {partition}: {} from {first:?}", step.len())
    });
    let sleepy = app.rng.u32(0..4) == 0;
    let unlucky = app.strikes(0.05).then(|| app.rng.usize(0..step.len()));
    for (place, record) in step.records().enumerate() {
        if unlucky == Some(place) {
            app.ledger().fired(Fault::StepDropped);
            return;
        }
        if sleepy {
            app.pause(Duration::from_millis(2)).await;
        }
        let partition = step.partition();
        let order = record.value().unwrap_or_default();
        let mut value = format!("{partition}/{}/", record.offset()).into_bytes();
        value.extend_from_slice(order);
        let invoice = Record::to(INVOICES).partition(partition).value(&value);
        let sent = if app.strikes(0.01) {
            let patience = app.duration(Duration::from_millis(3));
            app.drop_after(Fault::SendDropped, patience, step.send(invoice))
                .await
        } else {
            Some(step.send(invoice).await)
        };
        // Not accepted, so the step is not done: its records come again.
        if !matches!(sent, Some(Ok(_))) {
            app.shared.say(|| format!("billing step fails: {sent:?}"));
            return;
        }
    }
    step.done();
}
