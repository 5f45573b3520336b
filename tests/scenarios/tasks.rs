//! One transaction, many tasks: each task's records keep their order, and all become visible together.

use milena::Record;
use milena_tests::{Failure, Log, Outcome, World, scenarios, spawn};

scenarios!(many_tasks_share_one_transaction);

async fn many_tasks_share_one_transaction(world: &World) -> Outcome {
    let topic = world.topic("ledger", 2).await?;
    let mut payments = world
        .client()
        .await?
        .transactional_producer(&world.name("payments"))
        .build()
        .await?;
    let tx = payments.begin().await?;
    let mut tasks = Vec::new();
    for task in 0..TASKS {
        let (sender, topic) = (tx.sender(), topic.name.clone());
        tasks.push(spawn(async move {
            for number in 0..RECORDS {
                let value = format!("{task} {number:03}");
                drop(
                    sender
                        .send(Record::to(&topic).partition(task % 2).value(&value))
                        .await?,
                );
            }
            Ok::<_, Failure>(())
        }));
    }
    for task in tasks {
        task.await??;
    }
    let log = Log::of(world, &topic).await?;
    assert_eq!(log.visible().await?.len(), 0);
    tx.commit().await?;

    let seen = log.committed().await?;
    assert_eq!(seen.len(), usize::try_from(TASKS * RECORDS)?);
    for task in 0..TASKS {
        let prefix = format!("{task} ");
        let values = seen
            .iter()
            .filter_map(|record| record.value.as_deref())
            .filter(|value| value.starts_with(&prefix));
        let sent: Vec<_> = (0..RECORDS)
            .map(|number| format!("{task} {number:03}"))
            .collect();
        assert!(values.eq(sent.iter().map(String::as_str)), "task {task}");
    }
    Ok(())
}

const TASKS: i32 = 8;
const RECORDS: i32 = 100;
