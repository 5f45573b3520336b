//! `milena transactional-copier`: one partition, copied exactly once.

use std::time::Duration;

use milena::{
    AbortCause, Advice, BeginError, Client, CommitError, Delivery, GroupMetadata, OffsetsError,
    Record, SendError, Transaction, TransactionOutcome, TransactionalProducer,
};
use tokio::time::{Instant, sleep, timeout};

use super::settings::Settings;
use super::{PATIENCE, Stop, connect, wall_clock_ms};
use crate::args::TransactionalCopierArgs;
use crate::failure::{Failure, SUCCEEDED};
use crate::json_lines::Lines;
use input::{Chunk, Input};
use progress::Progress;
use watch::{Ended, Watch};

mod input;
mod progress;
mod watch;

/// Kafka's own copier sends batches so small that a transaction holds several, in flight at once.
const BATCH_BYTES: usize = 512;
/// How long one look for records waits.
const POLL: Duration = Duration::from_millis(200);
/// Between attempts that failed.
const PAUSE: Duration = Duration::from_millis(100);
/// Once asked to end: how long the abort may take.
const ABORT_GRACE: Duration = Duration::from_secs(15);

/// Runs the program until all is copied, or `stop` is heard.
///
/// # Errors
/// One sentence; started again, the program goes on where the group stands.
pub(crate) async fn run(args: TransactionalCopierArgs, stop: Stop) -> Result<u8, Failure> {
    if args.group_mode {
        return Err(Failure::Input(
            "--group-mode is not supported yet: partitions are assigned by hand".to_owned(),
        ));
    }
    let settings = Settings::read(args.command_config.as_deref())?;
    let progress = Progress::new(&args.transactional_id, args.max_messages);
    let mut watch = Watch::new(Lines::stdout(), progress, stop);
    match copy(&args, &settings, &mut watch).await {
        Ok(()) | Err(Ended::Stopped) => {
            watch.say("ShutdownComplete")?;
            Ok(SUCCEEDED)
        }
        // Whoever is fenced says nothing more: another one speaks for this transactional id.
        Err(Ended::Failed(failure)) => Err(failure),
    }
}

async fn copy(
    args: &TransactionalCopierArgs,
    settings: &Settings,
    watch: &mut Watch,
) -> Result<(), Ended> {
    let client = watch
        .until_stopped(connect(&args.broker_list, settings, PATIENCE))
        .await??;
    // Before anything is read: this fences the copier before us and settles its transaction, so that the group's position
    // is final when it is asked for.
    let producer = initialize(&client, args, settings, watch).await?;
    let mut input = Input::open(&client, args, settings, watch).await?;
    watch.start(input.left());
    let mut copier = Copier {
        args,
        producer,
        rng: fastrand::Rng::with_seed(
            wall_clock_ms().unsigned_abs() ^ u64::from(std::process::id()),
        ),
        progressed: Instant::now(),
    };
    while watch.progress.remaining() > 0 {
        watch.say("ProcessLoop")?;
        let size = u64::from(args.transaction_size).min(watch.progress.remaining());
        let chunk = watch.until_stopped(input.poll(size, POLL)).await??;
        let Some(chunk) = chunk else {
            if input.is_at_end() {
                watch.progress.reached_end();
            }
            copier.progressed = Instant::now();
            continue;
        };
        copier.copy(&chunk, &mut input, watch).await?;
    }
    Ok(())
}

/// Makes the producer, however long the cluster takes.
async fn initialize(
    client: &Client,
    args: &TransactionalCopierArgs,
    settings: &Settings,
    watch: &mut Watch,
) -> Result<TransactionalProducer, Ended> {
    let since = Instant::now();
    loop {
        let builder = client
            .transactional_producer(&args.transactional_id)
            .transaction_timeout(Duration::from_millis(args.transaction_timeout));
        let builder = settings.transactional_producer(builder, BATCH_BYTES);
        match watch.until_stopped(builder.build()).await? {
            Ok(producer) => return Ok(producer),
            Err(error) if error.advice() == Advice::Retry && since.elapsed() < PATIENCE => {
                watch.until_stopped(sleep(PAUSE)).await?;
            }
            Err(error) if error.advice() == Advice::Configure => {
                return Err(Failure::Input(error.to_string()).into());
            }
            Err(error) => return Err(broken(&error)),
        }
    }
}

/// What became of a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    Committed,
    Aborted,
    /// Only the group's position can tell.
    Unknown,
}

struct Copier<'a> {
    args: &'a TransactionalCopierArgs,
    producer: TransactionalProducer,
    rng: fastrand::Rng,
    /// When something was last committed, or there was nothing to do.
    progressed: Instant,
}

impl Copier<'_> {
    /// Copies `chunk` in one transaction; goes back to the group's position unless it was committed.
    async fn copy(
        &mut self,
        chunk: &Chunk,
        input: &mut Input,
        watch: &mut Watch,
    ) -> Result<(), Ended> {
        let wanted = !(self.args.enable_random_aborts && self.rng.u32(0..3) == 0);
        let outcome = match self.transact(chunk, wanted, watch).await? {
            Outcome::Unknown => self.settle(watch).await?,
            known => known,
        };
        if outcome == Outcome::Committed {
            watch.progress.committed(chunk.len());
            self.progressed = Instant::now();
            return Ok(());
        }
        self.still_here(watch).await?;
        let position = input.rewind(watch).await?;
        // The records and this position were in one transaction: where one is, the other is.
        if outcome == Outcome::Unknown && position == chunk.position().offset() {
            watch.progress.committed(chunk.len());
            self.progressed = Instant::now();
            return Ok(());
        }
        // Only another instance can have gone on in the meantime, and what it copied is not ours to count. Without this, a copier
        // that is paused until another has copied the rest wakes up, sees that all is done, and ends as if it had done it.
        if position > chunk.first_offset() {
            return Err(broken(
                &"the group's position was moved by another instance",
            ));
        }
        if wanted {
            if self.progressed.elapsed() > PATIENCE {
                return Err(broken(&format_args!(
                    "nothing could be committed for {PATIENCE:?}"
                )));
            }
            watch.until_stopped(sleep(PAUSE)).await?;
        }
        Ok(())
    }

    /// Whether the producer is of use: if it was fenced while it aborted, it says so at the next begin.
    async fn still_here(&mut self, watch: &mut Watch) -> Result<(), Ended> {
        match watch.finish(self.producer.begin()).await? {
            // The next turn asks again for what takes long.
            Ok(_) | Err(BeginError::OutcomePending | BeginError::TimedOut { .. }) => Ok(()),
            Err(error) => Err(broken(&error)),
        }
    }

    async fn transact(
        &mut self,
        chunk: &Chunk,
        commit: bool,
        watch: &mut Watch,
    ) -> Result<Outcome, Ended> {
        let transaction = match watch.until_stopped(self.producer.begin()).await? {
            Ok(transaction) => transaction,
            Err(BeginError::TimedOut { .. }) => return Ok(Outcome::Aborted),
            Err(BeginError::OutcomePending) => return Ok(Outcome::Unknown),
            Err(error) => return Err(broken(&error)),
        };
        match fill(&transaction, self.args, chunk, watch).await {
            Ok(Some(_last)) if commit => {}
            Ok(last) => {
                // Half of the aborts come when everything is in the log, the others while it is still on its way there.
                let settled = match last.filter(|_| self.rng.bool()) {
                    Some(last) => watch.until_stopped(last).await.map(drop),
                    None => Ok(()),
                };
                // However it ends, nothing of it will be committed; begin waits for it, and says if there is no going on.
                let _ = watch.finish(transaction.abort()).await?;
                return settled.map(|()| Outcome::Aborted);
            }
            Err(ended) => {
                let _ = timeout(ABORT_GRACE, transaction.abort()).await;
                return Err(ended);
            }
        }
        match watch.finish(transaction.commit()).await? {
            Ok(()) => Ok(Outcome::Committed),
            Err(CommitError::Unknown) => Ok(Outcome::Unknown),
            Err(error) if error.advice() == Advice::Retry => {
                crate::output::complain(&error.to_string());
                Ok(Outcome::Aborted)
            }
            Err(error) => Err(broken(&error)),
        }
    }

    /// Asks until it is known what became of the last transaction, or until only the group's position can tell.
    async fn settle(&mut self, watch: &mut Watch) -> Result<Outcome, Ended> {
        let since = Instant::now();
        while since.elapsed() < PATIENCE {
            match watch.finish(self.producer.resolve()).await? {
                Ok(TransactionOutcome::Committed) => return Ok(Outcome::Committed),
                Ok(TransactionOutcome::Aborted(cause @ AbortCause::Fatal(_))) => {
                    return Err(broken(&cause));
                }
                Ok(TransactionOutcome::Aborted(_)) => return Ok(Outcome::Aborted),
                Ok(_) => {}
                Err(error) => return Err(broken(&error)),
            }
            // A producer that is of no more use says so here.
            match watch.finish(self.producer.begin()).await? {
                Ok(_dropped) => return Ok(Outcome::Unknown),
                Err(BeginError::OutcomePending | BeginError::TimedOut { .. }) => {}
                Err(error) => return Err(broken(&error)),
            }
            watch.finish(sleep(PAUSE)).await?;
        }
        Err(broken(
            &"it could not be found out whether a transaction was committed",
        ))
    }
}

/// Puts the records and the position after them into the transaction; the acknowledgement of the last record, unless it can
/// only be aborted.
async fn fill(
    transaction: &Transaction<'_>,
    args: &TransactionalCopierArgs,
    chunk: &Chunk,
    watch: &mut Watch,
) -> Result<Option<Delivery>, Ended> {
    let mut last = None;
    for record in chunk.records() {
        let mut copy = Record::to(&args.output_topic)
            .partition(args.input_partition)
            .key(record.key())
            .value(record.value());
        // As in Kafka's program the copy has a time of its own: an old one would let the broker's retention take it away.
        for header in record.headers() {
            match std::str::from_utf8(header.key) {
                Ok(name) => copy = copy.header(name, header.value),
                // Kafka's program copies no headers; to end for this one, at each start again, would help nobody.
                Err(_) => crate::output::complain(&format!(
                    "a header of the record at offset {} is left out: its name is not UTF-8",
                    record.offset()
                )),
            }
        }
        // The commit sees to it that each of them was acknowledged.
        match watch.until_stopped(transaction.send(copy)).await? {
            Ok(delivery) => last = Some(delivery),
            Err(error @ (SendError::TooLarge { .. } | SendError::Closed)) => {
                return Err(broken(&error));
            }
            Err(error) => {
                crate::output::complain(&error.to_string());
                return Ok(None);
            }
        }
    }
    let group = GroupMetadata::assigned(&args.consumer_group);
    let offsets = transaction.send_offsets(group, [chunk.position()]);
    match watch.until_stopped(offsets).await? {
        Ok(()) => Ok(last),
        Err(error @ (OffsetsError::Fatal(_) | OffsetsError::Closed)) => Err(broken(&error)),
        Err(error) => {
            crate::output::complain(&error.to_string());
            Ok(None)
        }
    }
}

fn broken(reason: &dyn std::fmt::Display) -> Ended {
    Failure::Broken(reason.to_string()).into()
}
