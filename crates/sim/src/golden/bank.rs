//! A transactional producer: a transaction with offsets, one that is aborted, another with offsets, and one by closure. What a
//! drop has aborted is done again, so the end is the same whatever was dropped.

use std::sync::{Arc, Mutex};

use milena_engine::ClientHandle;
use milena_engine::handles::{
    CommitError, GroupMetadata, OffsetsError, Position, Record, Transaction, TransactionError,
    TransactionOutcome, TransactionSender, TransactionalProducer,
};

use super::hands::{GivenUp, Hands, again};
use super::{BATCH_BYTES_MAX, LINGER};
use crate::driver::lock;
use crate::failure::Check;
use crate::ledger::{self, Ending};
use crate::plan::{BANK, MANUAL, ORDERS};

const BANK_ID: &str = "bank-1";

/// Two of them fill a batch, and a partition has room for two batches: the third send waits for room.
const LARGE: usize = 600;
const SMALL: usize = 8;

/// One transaction of the script.
#[derive(Clone, Copy, Debug)]
struct Work {
    /// The partition and size of each record.
    records: &'static [(i32, usize)],
    /// The group's position in the first partition of the orders.
    offset: Option<i64>,
    /// Offsets that were dropped are sent again.
    insists: bool,
    end: End,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Commit,
    Abort,
    Closure,
}

static WORKS: [Work; 4] = [
    Work {
        records: &[(0, LARGE), (0, LARGE), (0, LARGE), (1, SMALL)],
        offset: Some(1),
        insists: true,
        end: End::Commit,
    },
    Work {
        records: &[(0, SMALL), (1, SMALL)],
        offset: None,
        insists: true,
        end: End::Abort,
    },
    Work {
        records: &[(1, SMALL)],
        offset: Some(2),
        insists: false,
        end: End::Commit,
    },
    Work {
        records: &[(0, SMALL), (1, SMALL)],
        offset: None,
        insists: true,
        end: End::Closure,
    },
];

/// Records that are committed in the end.
pub(super) const COMMITTED_RECORDS: usize = 4 + 1 + 2;

/// What came of an attempt at a transaction.
enum Came {
    ToItsEnd,
    /// It is aborted, or never began.
    ToNothing,
}

pub(super) async fn run(mut hands: Hands, client: ClientHandle) -> Result<(), GivenUp> {
    let mut done = 0;
    loop {
        match work(&mut hands, &client, &mut done).await {
            Err(GivenUp) if hands.starts_over() => {
                // What was open was never committed, and the next instance aborts it.
                let mut ledger = hands.app.ledger();
                let open = |entry: &&mut ledger::Transaction| entry.ending == Ending::Open;
                for entry in ledger.transactions.iter_mut().filter(open) {
                    entry.ending = Ending::Aborted("ousted".to_owned());
                }
            }
            ended => return ended,
        }
        hands.pause().await;
    }
}

/// One transaction after the other, from the first that is not done.
async fn work(hands: &mut Hands, client: &ClientHandle, done: &mut usize) -> Result<(), GivenUp> {
    let mut producer = build(hands, client).await?;
    while let Some(work) = WORKS.get(*done) {
        let came = match work.end {
            End::Closure => by_itself(hands, &mut producer, work).await?,
            End::Commit | End::Abort => attempt(hands, client, &mut producer, work).await?,
        };
        if let Came::ToItsEnd = came {
            *done += 1;
        }
    }
    give_back(hands, &mut producer).await
}

async fn build(hands: &Hands, client: &ClientHandle) -> Result<TransactionalProducer, GivenUp> {
    again!(
        hands,
        "transactional producer build",
        client
            .transactional_producer(BANK_ID)
            .linger(LINGER)
            .batch_bytes_max(BATCH_BYTES_MAX)
            .buffer_bytes_max(0)
            .operation_timeout(hands.app.plan.operation_timeout)
            .build()
    )
}

/// A transaction begins only once nothing of the last one is left: no memory is in use then.
async fn give_back(hands: &Hands, producer: &mut TransactionalProducer) -> Result<(), GivenUp> {
    drop(again!(hands, "begin", producer.begin())?);
    let bytes = producer.buffered_bytes();
    if bytes > 0 && !hands.manners.forgiving {
        let text = format!("{bytes} bytes are still charged to the transactional producer");
        hands.app.ledger().violated(Check::LeftOver, text);
    }
    Ok(())
}

async fn attempt(
    hands: &mut Hands,
    client: &ClientHandle,
    producer: &mut TransactionalProducer,
    work: &Work,
) -> Result<Came, GivenUp> {
    // One that began unseen is aborted by the next begin.
    let Some(begun) = hands.run("begin", producer.begin()).await else {
        return Ok(Came::ToNothing);
    };
    let transaction = begun.map_err(|error| hands.refused("begin", error))?;
    let entry = hands.app.ledger().begin();
    fill(hands, &transaction.sender(), work, entry).await?;
    let offsets_dropped = match work.offset {
        Some(offset) => send_offsets(hands, &transaction, work, offset, entry).await?,
        None => false,
    };
    if work.end == End::Abort {
        // Dropped, it goes on: nothing of it will be seen either way.
        if let Some(Err(error)) = hands.run("abort", transaction.abort()).await {
            return Err(hands.refused("abort", error));
        }
        hands.app.ledger().transactions[entry].ending = Ending::Aborted("as asked".to_owned());
        return Ok(Came::ToItsEnd);
    }
    let came = commit(hands, transaction, entry).await?;
    let ending = match came {
        Some(ending) => ending,
        None => {
            let told = resolve(hands, producer).await?;
            if hands.manners.takes_dropped_for_aborted {
                Ending::Aborted("says a script that does not listen".to_owned())
            } else {
                told
            }
        }
    };
    let committed = ending == Ending::Committed;
    hands.app.ledger().transactions[entry].ending = ending;
    if !committed {
        return Ok(Came::ToNothing);
    }
    if offsets_dropped {
        ask_for_offset(hands, client, entry).await?;
    }
    // It can be asked for at any time, and the answer stays the same.
    if resolve(hands, producer).await? != Ending::Committed {
        let text = format!("transaction {entry} was committed, and resolves to something else");
        hands.app.ledger().violated(Check::Torn, text);
    }
    Ok(Came::ToItsEnd)
}

/// Sends all records of a transaction; those that are dropped, again.
async fn fill(
    hands: &mut Hands,
    sender: &TransactionSender,
    work: &Work,
    entry: usize,
) -> Result<(), GivenUp> {
    for (number, (partition, size)) in work.records.iter().enumerate() {
        for attempt in 0.. {
            let value = format!("bank-{entry}-{number}-{attempt}-{}", "y".repeat(*size));
            let record = Record::to(BANK).partition(*partition).value(&value);
            let line = hands.app.ledger().send(
                BANK,
                *partition,
                value.clone(),
                1_000 + entry as u64,
                Some(entry),
            );
            let sent = hands.run("transaction send", sender.send(record)).await;
            if hands.sent(line, sent)? {
                break;
            }
        }
    }
    Ok(())
}

/// Whether the last attempt was dropped: the offset is in the transaction then or it is not.
async fn send_offsets(
    hands: &Hands,
    transaction: &Transaction<'_>,
    work: &Work,
    offset: i64,
    entry: usize,
) -> Result<bool, GivenUp> {
    hands.app.ledger().transactions[entry].offset = Some(offset);
    let group = GroupMetadata::assigned(MANUAL);
    loop {
        let positions = [Position::new(ORDERS, 0, offset)];
        let sent = transaction.send_offsets(&group, positions);
        let sent: Option<Result<(), OffsetsError>> = hands.run("send_offsets", sent).await;
        match sent {
            Some(Ok(())) => return Ok(false),
            Some(Err(error)) => return Err(hands.refused("send_offsets", error)),
            None if work.insists => {}
            None => return Ok(true),
        }
    }
}

/// After a commit it is settled whether offsets whose call was dropped are in it, and the group can be asked.
async fn ask_for_offset(hands: &Hands, client: &ClientHandle, entry: usize) -> Result<(), GivenUp> {
    let consumer = again!(
        hands,
        "consumer build",
        client.consumer(MANUAL).assign([(ORDERS, 0)]).build()
    )?;
    let committed = again!(hands, "committed", consumer.committed())?;
    let found = committed.first().map(Position::offset);
    let mut ledger = hands.app.ledger();
    if found != ledger.transactions[entry].offset {
        ledger.transactions[entry].offset = None;
    }
    Ok(())
}

/// How it ended; `None` if that must be asked for.
async fn commit(
    hands: &Hands,
    transaction: Transaction<'_>,
    entry: usize,
) -> Result<Option<Ending>, GivenUp> {
    match hands.run("commit", transaction.commit()).await {
        Some(Ok(())) => {
            hands.app.ledger().transactions[entry].commit_answered = true;
            Ok(Some(Ending::Committed))
        }
        Some(Err(CommitError::Unknown)) | None => Ok(None),
        Some(Err(error)) => Err(hands.refused("commit", error)),
    }
}

/// Asks until it is known.
async fn resolve(hands: &Hands, producer: &mut TransactionalProducer) -> Result<Ending, GivenUp> {
    loop {
        let outcome = again!(hands, "resolve", producer.resolve())?;
        hands.app.shared.say(|| format!("resolved: {outcome:?}"));
        match outcome {
            TransactionOutcome::Committed => return Ok(Ending::Committed),
            TransactionOutcome::Aborted(cause) => return Ok(Ending::Aborted(cause.to_string())),
            _ => hands.pause().await,
        }
    }
}

/// The transaction that begins, ends and repeats itself.
async fn by_itself(
    hands: &mut Hands,
    producer: &mut TransactionalProducer,
    work: &'static Work,
) -> Result<Came, GivenUp> {
    let attempts = Arc::new(Mutex::new(Vec::new()));
    let mut forked = hands.fork();
    let closure = |sender: TransactionSender| {
        let entry = forked.app.ledger().begin();
        lock(&attempts).push(entry);
        let mut hands = forked.fork();
        async move { fill(&mut hands, &sender, work, entry).await }
    };
    let outcome = hands
        .run("transaction", producer.transaction(closure))
        .await;
    let attempts = std::mem::take(&mut *lock(&attempts));
    // It is run again only after a definite abort.
    for entry in &attempts {
        let mut ledger = hands.app.ledger();
        ledger.transactions[*entry].ending = Ending::Aborted("by the closure".to_owned());
        // A send that was dropped with its closure has accepted nothing.
        ledger.forget_sends_of(*entry);
    }
    let ending = match outcome {
        Some(Ok(())) => Ending::Committed,
        Some(Err(TransactionError::Work(given_up))) => return Err(given_up),
        Some(Err(error)) => return Err(hands.refused("transaction", error)),
        // Never begun, so never run.
        None if attempts.is_empty() => return Ok(Came::ToNothing),
        None => resolve(hands, producer).await?,
    };
    let came = match ending {
        Ending::Committed => Came::ToItsEnd,
        _ => Came::ToNothing,
    };
    if let Some(last) = attempts.last() {
        hands.app.ledger().transactions[*last].ending = ending;
    }
    Ok(came)
}
