//! The bank: a pipeline that turns orders into debits and credits, and is dropped, restarted and fenced on the way.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use hdrhistogram::Histogram;
use milena::{Client, Compression, Delivery, Pipeline, PipelineError, Record, SendError, Step};
use tokio::time::timeout;

use super::chaos::{Chaos, Order};
use super::ledger::Entry;
use super::names::{Names, PAYMENTS_PARTITIONS, partitions_of};
use super::payment::{Payment, is_refused};
use super::plan::{Fired, Kind};
use super::report::Transactions;
use crate::failure::Failure;

/// A step holds at most so many orders.
const STEP_RECORDS_MAX: u64 = 50;
/// Small runs take smaller steps, so that the faults still fall between many transactions.
const STEPS_MIN: u64 = 400;
/// Few, for many commits to strike at; an ordinary program would leave it at its default.
const TRANSACTION_STEPS_MAX: usize = 2;
/// No step, commit or start takes so long, whatever fails meanwhile: faults here last a second at most.
const STALL: Duration = Duration::from_secs(30);
/// Pipelines that end with an error which was not asked for are started again, but not for ever.
const RECOVERIES_MAX: u64 = 20;

/// What the bank has done.
pub(crate) struct Books {
    pub transactions: Transactions,
    pub commits: Histogram<u64>,
    pub fired: Fired,
    /// Pipelines started again after an error of their own.
    pub recoveries: u64,
}

/// The run so far.
pub(crate) struct Bank<'a> {
    client: &'a Client,
    names: &'a Names,
    seed: u64,
    payments: u64,
    compression: Compression,
    chaos: Chaos,
    /// The group's committed position of each partition, as far as it is known here.
    committed: BTreeMap<i32, i64>,
    transactions: Transactions,
    commits: Histogram<u64>,
    recoveries: u64,
    keep_old_due: bool,
    transaction_open: Arc<AtomicBool>,
}

/// One pipeline from its start to its end: what a process would be.
struct Life {
    pipeline: Pipeline,
    /// The bank's decisions. They live as long as the pipeline; the next one decides again, by another abort.
    refused: BTreeSet<u64>,
    /// Positions behind the done steps of the open transaction.
    pending: BTreeMap<i32, i64>,
    /// The last record handed to the producer.
    last: Option<Delivery>,
    committed_seen: u64,
    aborted_seen: u64,
}

/// How far a step's orders were carried out.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Written {
    All,
    /// An order was refused, or a record not accepted: the step must not be done.
    Partly,
}

impl<'a> Bank<'a> {
    pub(crate) fn new(
        client: &'a Client,
        names: &'a Names,
        seed: u64,
        (payments, compression): (u64, Compression),
        chaos: Chaos,
        transaction_open: Arc<AtomicBool>,
    ) -> Self {
        Self {
            client,
            names,
            seed,
            payments,
            compression,
            chaos,
            committed: BTreeMap::new(),
            transactions: Transactions::default(),
            commits: Histogram::new(3).expect("three significant digits are in range"),
            recoveries: 0,
            keep_old_due: false,
            transaction_open,
        }
    }

    /// Moves all payments. `progress` hears how many are committed.
    pub(crate) async fn run(mut self, progress: impl Fn(u64)) -> Result<Books, Failure> {
        let mut life = self.start().await?;
        loop {
            let next = within("the next step", life.pipeline.next()).await?;
            self.settle(&mut life);
            progress(self.progress());
            let step = match next {
                Ok(Some(step)) => step,
                Ok(None) if self.progress() == self.payments => break,
                // It ends at the ends it saw when it was built; not being there is a miscount of ours at worst.
                Ok(None) => {
                    life = self.recover("it ended early".to_owned()).await?;
                    continue;
                }
                Err(error) => {
                    drop(life);
                    life = self.recover_from(&error).await?;
                    continue;
                }
            };
            self.transaction_open.store(true, Ordering::Relaxed);
            self.correct(&life, &step);
            life = match self.next_order() {
                Some(Order::Drop) => self.drop_in_mid_transaction(life, step).await?,
                Some(Order::KeepOld) => self.keep_old(life, step).await?,
                None => {
                    self.carry_out(&mut life, step).await?;
                    life
                }
            };
        }
        let committed = self.progress();
        Ok(Books {
            transactions: self.transactions,
            commits: self.commits,
            fired: self.chaos.finish(committed),
            recoveries: self.recoveries,
        })
    }

    fn progress(&self) -> u64 {
        let sum: i64 = self.committed.values().sum();
        u64::try_from(sum).unwrap_or(0)
    }

    fn next_order(&mut self) -> Option<Order> {
        let order = self.chaos.advance(self.progress());
        match order {
            None if self.keep_old_due => {
                self.keep_old_due = false;
                Some(Order::KeepOld)
            }
            order => order,
        }
    }

    async fn start(&self) -> Result<Life, Failure> {
        let records_max = (self.payments / STEPS_MIN).clamp(1, STEP_RECORDS_MAX);
        let build = self
            .client
            .exactly_once(&self.names.group)
            .from_partitions(partitions_of(&self.names.payments, PAYMENTS_PARTITIONS))
            .transactional_id(&self.names.transactional_id)
            .step_records_max(records_max as usize)
            .transaction_steps_max(TRANSACTION_STEPS_MAX)
            .compression(self.compression)
            .until_end()
            .build();
        let pipeline = within("the pipeline's start", build)
            .await?
            .map_err(|error| Failure::Broken(format!("the pipeline does not start: {error}")))?;
        Ok(Life {
            pipeline,
            refused: BTreeSet::new(),
            pending: BTreeMap::new(),
            last: None,
            committed_seen: 0,
            aborted_seen: 0,
        })
    }

    /// Takes over what the pipeline has committed and aborted since the last look.
    fn settle(&mut self, life: &mut Life) {
        let metrics = life.pipeline.metrics();
        for latency in life.pipeline.take_commit_latencies() {
            let microseconds = u64::try_from(latency.as_micros()).unwrap_or(u64::MAX);
            self.commits
                .record(microseconds)
                .expect("the histogram grows with its values");
        }
        let (committed, aborted) = (
            metrics.committed - life.committed_seen,
            metrics.aborted - life.aborted_seen,
        );
        life.committed_seen = metrics.committed;
        life.aborted_seen = metrics.aborted;
        self.transactions.committed += committed;
        self.transactions.aborted += aborted;
        if committed > 0 {
            self.committed.append(&mut life.pending);
        } else if aborted > 0 {
            life.pending.clear();
        }
        if life.pending.is_empty() {
            self.transaction_open.store(false, Ordering::Relaxed);
        }
    }

    /// A step of a partition without done steps in the open transaction begins at the committed position. That is how a
    /// commit becomes known whose answer the pipeline did not live to see.
    fn correct(&mut self, life: &Life, step: &Step) {
        if life.pending.contains_key(&step.partition()) {
            return;
        }
        if let Some(first) = step.records().next() {
            self.committed.insert(step.partition(), first.offset());
        }
    }

    /// The ordinary way: all orders of the step, then done.
    async fn carry_out(&self, life: &mut Life, step: Step) -> Result<(), Failure> {
        if self.write(life, &step, usize::MAX).await? == Written::All {
            finish(life, step);
        }
        // Else the step is dropped here without `done`, and the transaction aborts.
        Ok(())
    }

    /// Writes what the first `orders` of the step ask for.
    async fn write(&self, life: &mut Life, step: &Step, orders: usize) -> Result<Written, Failure> {
        for record in step.records().take(orders) {
            let order = record.value().and_then(Payment::parse).ok_or_else(|| {
                Failure::Broken(format!(
                    "what stands in {} is no order",
                    self.names.payments
                ))
            })?;
            match within("a record", self.decide(life, step, &order)).await? {
                Ok(Written::All) => {}
                // A record that was not accepted spoils the transaction; `next` says whether the pipeline, too.
                Ok(Written::Partly) | Err(_) => return Ok(Written::Partly),
            }
        }
        Ok(Written::All)
    }

    /// Applies an order, or refuses it.
    ///
    /// The refusal comes when its debit is already in the log: only the abort keeps it from the readers.
    async fn decide(
        &self,
        life: &mut Life,
        step: &Step,
        order: &Payment,
    ) -> Result<Written, SendError> {
        if life.refused.contains(&order.id) {
            let record = Record::to(&self.names.refused);
            life.last = Some(
                step.send(record.key(&order.key()).value(&order.value()))
                    .await?,
            );
            return Ok(Written::All);
        }
        let debit = self.enter(step, Entry::debit(order)).await?;
        if is_refused(self.seed, order.id) {
            // Whether the debit arrived matters to nobody any more; that it is on the way must be over.
            let _ = debit.await;
            life.refused.insert(order.id);
            return Ok(Written::Partly);
        }
        life.last = Some(self.enter(step, Entry::credit(order)).await?);
        Ok(Written::All)
    }

    async fn enter(&self, step: &Step, entry: Entry) -> Result<Delivery, SendError> {
        let record = Record::to(&self.names.ledger);
        step.send(record.key(&entry.key()).value(&entry.value()))
            .await
    }

    /// Drops the pipeline while records of an open transaction are in the log, and starts it again.
    async fn drop_in_mid_transaction(
        &mut self,
        mut life: Life,
        step: Step,
    ) -> Result<Life, Failure> {
        let half = step.records().len().div_ceil(2);
        self.write(&mut life, &step, half).await?;
        let arrived = self.arrived(&mut life).await?;
        drop(step);
        drop(life);
        self.transaction_open.store(false, Ordering::Relaxed);
        // Without a record in the log there was no transaction to be in the middle of.
        if arrived {
            self.transactions.aborted += 1;
            self.chaos.note(Kind::PipelineDropped, self.progress());
        }
        self.start().await
    }

    /// Starts a new pipeline while the old one has an open transaction that is ready to commit, and lets it try.
    async fn keep_old(&mut self, mut old: Life, step: Step) -> Result<Life, Failure> {
        if self.write(&mut old, &step, usize::MAX).await? == Written::Partly {
            // An order was refused: there is nothing to commit. The next step is as good.
            self.keep_old_due = true;
            return Ok(old);
        }
        self.arrived(&mut old).await?;
        // The step is not done yet, so the old pipeline cannot have committed before the new one takes over.
        let new = self.start().await?;
        finish(&mut old, step);
        match within("the old pipeline's commit", old.pipeline.stop()).await? {
            Err(error) if error.is_fenced() => {
                self.transactions.fenced += 1;
                self.transactions.aborted += 1;
            }
            // The report misses the fenced commit then, and the audit shows what came of it.
            Ok(()) | Err(_) => {}
        }
        self.transaction_open.store(false, Ordering::Relaxed);
        Ok(new)
    }

    /// Waits until the last record written is in its log; false if there is none, or it did not get there.
    async fn arrived(&self, life: &mut Life) -> Result<bool, Failure> {
        match life.last.take() {
            Some(delivery) => Ok(within("a delivery", delivery).await?.is_ok()),
            None => Ok(false),
        }
    }

    async fn recover_from(&mut self, error: &PipelineError) -> Result<Life, Failure> {
        if error.is_fenced() {
            return Err(Failure::Broken(format!(
                "another program uses the transactional id {}: {error}",
                self.names.transactional_id
            )));
        }
        self.recover(error.to_string()).await
    }

    /// What an application would do about an error that ended its pipeline: start it again.
    async fn recover(&mut self, reason: String) -> Result<Life, Failure> {
        self.recoveries += 1;
        if self.recoveries > RECOVERIES_MAX {
            return Err(Failure::Broken(format!(
                "the pipeline ended {RECOVERIES_MAX} times, at last because {reason}"
            )));
        }
        self.start().await
    }
}

fn finish(life: &mut Life, step: Step) {
    if let Some(last) = step.records().last() {
        life.pending.insert(step.partition(), last.offset() + 1);
    }
    step.done();
}

async fn within<T>(what: &str, future: impl Future<Output = T>) -> Result<T, Failure> {
    timeout(STALL, future).await.map_err(|_| {
        let seconds = STALL.as_secs();
        Failure::Broken(format!("{what} did not come within {seconds} s"))
    })
}
