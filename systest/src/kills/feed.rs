//! Writes the input of the pipeline, steadily, for as long as something is done to it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use milena::{Client, Delivery, Producer, Record};
use tokio::task::JoinHandle;

use crate::failure::{Context, Result};

/// How often a burst is written.
const TICK: Duration = Duration::from_millis(200);
/// Records of a burst, all to one partition: they become one batch, and so one step of the pipeline, which would not keep up
/// with a handful of records a step.
const BURST: u64 = 40;

/// The writer, at work until it is told to end.
#[derive(Debug)]
pub(super) struct Feed {
    ended: Arc<AtomicBool>,
    written: Arc<AtomicU64>,
    task: JoinHandle<Result<()>>,
}

/// What is written where.
#[derive(Clone, Debug)]
pub(super) struct FeedPlan {
    pub(super) topic: String,
    pub(super) partitions: i32,
    /// Records written before the feed counts as started.
    pub(super) beforehand: u64,
}

impl Feed {
    /// Writes the first records, and leaves a task behind that writes on.
    pub(super) async fn start(bootstrap: &str, plan: FeedPlan) -> Result<Self> {
        let client = Client::connect(bootstrap).await?;
        let producer = client.producer().build().await?;
        let mut writer = Writer {
            producer,
            plan,
            next: 0,
            written: Arc::default(),
        };
        writer.write(writer.plan.beforehand).await?;
        let ended = Arc::new(AtomicBool::new(false));
        let written = Arc::clone(&writer.written);
        let until = Arc::clone(&ended);
        // The runtime of this program and no driver's: it is a test that writes its input here.
        let task = tokio::runtime::Handle::current().spawn(async move {
            // The client lives as long as what is written with it.
            let _client = client;
            writer.run(&until).await
        });
        Ok(Self {
            ended,
            written,
            task,
        })
    }

    /// Whether it still writes: what is done to the pipeline now is done before its input ends.
    pub(super) fn is_running(&self) -> bool {
        !self.task.is_finished() && !self.ended.load(Ordering::Relaxed)
    }

    /// Ends the input, and waits until all of it is acknowledged; how many records there are.
    pub(super) async fn end(self) -> Result<u64> {
        self.ended.store(true, Ordering::Relaxed);
        self.task.await??;
        Ok(self.written.load(Ordering::Relaxed))
    }
}

#[derive(Debug)]
struct Writer {
    producer: Producer,
    plan: FeedPlan,
    next: u64,
    written: Arc<AtomicU64>,
}

impl Writer {
    async fn run(&mut self, ended: &AtomicBool) -> Result<()> {
        let mut ticks = tokio::time::interval(TICK);
        while !ended.load(Ordering::Relaxed) {
            ticks.tick().await;
            self.write(BURST).await?;
        }
        Ok(())
    }

    /// Writes records, burst by burst round the partitions, and waits until they are acknowledged.
    async fn write(&mut self, count: u64) -> Result<()> {
        let mut deliveries: Vec<Delivery> = Vec::new();
        for _ in 0..count {
            let burst = self.next / BURST;
            let partition = (burst % u64::from(self.plan.partitions.unsigned_abs())) as i32;
            let value = self.next.to_string();
            let record = Record::to(&self.plan.topic)
                .partition(partition)
                .value(&value);
            let sent = self.producer.send(record).await;
            deliveries.push(sent.context(|| "write the input".to_owned())?);
            self.next += 1;
        }
        for delivery in deliveries {
            delivery.await.context(|| "write the input".to_owned())?;
            self.written.fetch_add(1, Ordering::Relaxed);
        }
        Ok(())
    }
}
