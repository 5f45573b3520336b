//! The ways to use milena inside `tokio::spawn` on a runtime of several threads: what these tests hold is first of all
//! that they compile.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use milena::{Client, Pipeline, Record, SendError, Step, StepHandler, TransactionSender};
use milena_tests::{Failure, Log, Outcome, Topic, World, scenarios, spawn, values};

scenarios!(
    a_spawned_pull_loop,
    a_spawned_run_with_a_closure,
    a_spawned_run_with_a_stateful_handler,
    a_spawned_transaction
);

async fn a_spawned_pull_loop(world: &World) -> Outcome {
    let (mut pipeline, output) = pipeline(world).await?;
    let to = output.name.clone();
    spawn(async move {
        while let Some(step) = pipeline.next().await? {
            for record in step.records() {
                drop(
                    step.send(Record::to(&to).partition(0).value(record.value()))
                        .await?,
                );
            }
            step.done();
        }
        Ok::<_, Failure>(())
    })
    .await??;
    check(world, &output).await
}

async fn a_spawned_run_with_a_closure(world: &World) -> Outcome {
    let (mut pipeline, output) = pipeline(world).await?;
    let (to, handled) = (output.name.clone(), Arc::new(Mutex::new(0)));
    let count = Arc::clone(&handled);
    spawn(async move {
        pipeline
            .run(move |step: Step| {
                let (to, handled) = (to.clone(), Arc::clone(&handled));
                async move {
                    for record in step.records() {
                        drop(
                            step.send(Record::to(&to).partition(0).value(record.value()))
                                .await?,
                        );
                    }
                    *handled.lock().unwrap_or_else(|error| error.into_inner()) +=
                        step.records().len();
                    Ok::<(), SendError>(())
                }
            })
            .await
    })
    .await??;
    assert_eq!(
        *count.lock().unwrap_or_else(|error| error.into_inner()),
        RECORDS
    );
    check(world, &output).await
}

/// Counts what it has written, in plain fields.
struct Copier {
    to: String,
    written: BTreeMap<i32, usize>,
}

impl StepHandler for Copier {
    type Error = SendError;

    async fn handle(&mut self, step: Step) -> Result<(), SendError> {
        for record in step.records() {
            drop(
                step.send(Record::to(&self.to).partition(0).value(record.value()))
                    .await?,
            );
            *self.written.entry(step.partition()).or_default() += 1;
        }
        Ok(())
    }
}

async fn a_spawned_run_with_a_stateful_handler(world: &World) -> Outcome {
    let (mut pipeline, output) = pipeline(world).await?;
    let copier = Copier {
        to: output.name.clone(),
        written: BTreeMap::new(),
    };
    spawn(async move { pipeline.run_handler(copier).await }).await??;
    check(world, &output).await
}

async fn a_spawned_transaction(world: &World) -> Outcome {
    let output = world.topic("output", 1).await?;
    let mut producer = world
        .client()
        .await?
        .transactional_producer(&world.name("writer"))
        .build()
        .await?;
    let to = output.name.clone();
    let written = spawn(async move {
        producer
            .transaction(|tx: TransactionSender| {
                let to = to.clone();
                async move {
                    for value in expected() {
                        drop(tx.send(Record::to(&to).partition(0).value(&value)).await?);
                    }
                    Ok::<_, SendError>(RECORDS)
                }
            })
            .await
    })
    .await??;
    assert_eq!(written, RECORDS);
    check(world, &output).await
}

/// A pipeline over a topic that holds the expected records, and the topic to copy them to.
async fn pipeline(world: &World) -> Result<(Pipeline, Topic), Failure> {
    let (input, output) = (
        world.topic("input", 1).await?,
        world.topic("output", 1).await?,
    );
    let client: Client = world.client().await?;
    let producer = client.producer().build().await?;
    for value in expected() {
        drop(producer.send(input.record(0, &value)).await?);
    }
    producer.flush().await?;
    let name = world.name("copier");
    let pipeline = client
        .exactly_once(&name)
        .from_partitions(input.assignment())
        .transactional_id(&name);
    Ok((
        pipeline.step_records_max(7).until_end().build().await?,
        output,
    ))
}

async fn check(world: &World, output: &Topic) -> Outcome {
    assert_eq!(
        values(&Log::of(world, output).await?.committed().await?),
        expected()
    );
    Ok(())
}

fn expected() -> Vec<String> {
    (0..RECORDS).map(|number| format!("{number:03}")).collect()
}

const RECORDS: usize = 50;
