//! A read_committed reader that runs all the time, through the relay, while the copiers write.

use std::time::Duration;

use milena::{Batch, Client, Consumer, IsolationLevel, Start};
use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};

use super::verify;
use super::world::{INPUT_PARTITIONS, World};
use crate::failure::{Failure, Result};
use crate::java::JavaRecord;

/// Positions are looked at so often: markers at the end move them and are no batch.
const LOOK_AGAIN: Duration = Duration::from_millis(50);
/// Once the copiers are done, it must come to the end within this time.
const CATCH_UP_MAX: Duration = Duration::from_secs(60);

/// The reader's task.
#[derive(Debug)]
pub(crate) struct Watcher {
    stop: oneshot::Sender<Vec<(i32, i64)>>,
    task: JoinHandle<Result<Vec<JavaRecord>>>,
}

impl Watcher {
    /// Starts reading both partitions of an output topic.
    pub(crate) async fn start(world: &World, topic: &str) -> Result<Self> {
        let client = world.relayed().await?;
        let reader = client
            .reader()
            .assign((0..INPUT_PARTITIONS).map(|partition| (topic, partition)))
            .isolation(IsolationLevel::ReadCommitted)
            .start(Start::Earliest)
            .build()
            .await?;
        let (stop, stopped) = oneshot::channel();
        let topic = topic.to_owned();
        let task = Handle::current().spawn(read(client, reader, topic, stopped));
        Ok(Self { stop, task })
    }

    /// Lets it read to these ends; what it saw, over all the time.
    pub(crate) async fn finish(self, ends: Vec<(i32, i64)>) -> Result<Vec<JavaRecord>> {
        // If it is not there to hear, its own error says why.
        let _ = self.stop.send(ends);
        self.task.await?
    }
}

async fn read(
    // The reader's connections are the client's.
    _client: Client,
    mut reader: Consumer,
    topic: String,
    mut stopped: oneshot::Receiver<Vec<(i32, i64)>>,
) -> Result<Vec<JavaRecord>> {
    let mut seen = Vec::new();
    let ends = loop {
        tokio::select! {
            ends = &mut stopped => match ends {
                Ok(ends) => break ends,
                Err(_) => return Ok(seen),
            },
            batch = reader.next_batch() => keep(&batch?, &mut seen),
        }
    };
    let started = Instant::now();
    let is_behind = |reader: &Consumer| {
        ends.iter().any(|(partition, end)| {
            let position = reader.position(&topic, *partition);
            *end > 0 && position.is_none_or(|position| position < *end)
        })
    };
    while is_behind(&reader) {
        match timeout(LOOK_AGAIN, reader.next_batch()).await {
            Ok(batch) => keep(&batch?, &mut seen),
            Err(_) if started.elapsed() > CATCH_UP_MAX => {
                let positions: Vec<_> = (0..INPUT_PARTITIONS)
                    .map(|partition| reader.position(&topic, partition))
                    .collect();
                let text = format!("it stands at {positions:?}, before the ends {ends:?}");
                return Err(Failure::new(text));
            }
            Err(_) => {}
        }
    }
    Ok(seen)
}

fn keep(batch: &Batch, seen: &mut Vec<JavaRecord>) {
    for record in batch.records() {
        seen.push(JavaRecord {
            partition: batch.partition(),
            offset: record.offset(),
            key: record.key().map(verify::text),
            value: record.value().map(verify::text),
        });
    }
}
