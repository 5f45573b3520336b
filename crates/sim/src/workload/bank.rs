//! Branches of a bank: each a transactional producer whose transactions several tasks share; commits, aborts, and everything
//! dropped midway. They write into the same partitions, so one's transactions lie between another's.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use milena_engine::handles::{
    BeginError, CommitError, GroupMetadata, InitError, Position, Record, Transaction,
    TransactionError, TransactionOutcome, TransactionSender, TransactionalProducer,
};

use super::orders::await_delivery;
use crate::app::App;
use crate::driver::lock;
use crate::failure::Check;
use crate::faults::Fault;
use crate::ledger::{Ending, Fate};
use crate::plan::{BANK, BANK_PARTITIONS, BRANCHES, Branch, MANUAL, ORDERS, ORDERS_PARTITIONS};

const PACE: Duration = Duration::from_millis(60);
const TASKS: u64 = 3;
/// The numbers of a branch's senders begin here.
const SENDERS_OF_BRANCH: u64 = 100_000;
/// And those of senders that are closures here.
const SENDERS_OF_CLOSURES: u64 = 1_000_000;
/// Longer than any run.
const FOREVER: Duration = Duration::from_secs(1_000_000);

/// What becomes of the producer after a transaction.
enum Next {
    GoOn,
    /// It is of no more use: another is built.
    Rebuild,
}

pub(crate) async fn run(mut app: App, branch: usize) {
    let branch = BRANCHES[branch];
    let mut producer = build(&mut app, branch).await;
    for number in 0..app.plan.transactions {
        app.pause(PACE).await;
        let zombie = branch.has_zombie && app.plan.bank_zombie_at == Some(number);
        let by_closure = !zombie && app.rng.u32(0..5) == 0;
        let next = if by_closure {
            by_itself(&mut app, &mut producer, branch).await
        } else {
            one(&mut app, &mut producer, branch, number).await
        };
        if let Next::Rebuild = next {
            producer = build(&mut app, branch).await;
        }
    }
    give_back(&mut app, &mut producer).await;
    app.ledger().senders_left -= 1;
}

/// A transaction begins only once nothing of the last one is left: no memory is in use then.
async fn give_back(app: &mut App, producer: &mut TransactionalProducer) {
    let begun = producer.begin().await.is_ok();
    let bytes = producer.buffered_bytes();
    if begun && bytes > 0 {
        let violation = format!("{bytes} bytes are still charged to the transactional producer");
        app.ledger().violated(Check::LeftOver, violation);
    }
}

async fn build(app: &mut App, branch: Branch) -> TransactionalProducer {
    loop {
        let client = app.sending_client();
        let built = client
            .transactional_producer(branch.transactional_id)
            .linger(app.plan.linger)
            .compression(app.plan.codecs.bank)
            .batch_bytes_max(app.plan.batch_bytes_max)
            .buffer_bytes_max(app.plan.buffer_bytes_max)
            .delivery_timeout(app.plan.delivery_timeout)
            .send_timeout(app.plan.operation_timeout)
            .transaction_timeout(app.plan.transaction_timeout)
            .operation_timeout(app.plan.operation_timeout)
            .build()
            .await;
        match built {
            Ok(producer) => return producer,
            Err(InitError::TimedOut { .. }) => {}
            Err(error) => {
                let calm = app.ledger().calm;
                if calm {
                    let violation = format!("no transactional producer: {error}");
                    app.ledger().violated(Check::Refused, violation);
                }
            }
        }
        app.pause(PACE).await;
    }
}

async fn one(
    app: &mut App,
    producer: &mut TransactionalProducer,
    branch: Branch,
    number: u64,
) -> Next {
    let Some(transaction) = begin(app, producer).await else {
        return Next::Rebuild;
    };
    let entry = app.ledger().begin();
    fill(app, &transaction, branch, number, entry).await;
    let mut newer = None;
    if branch.has_zombie && app.plan.bank_zombie_at == Some(number) {
        app.ledger().fired(Fault::Zombie);
        newer = Some(build(app, branch).await);
        app.ledger().transactions[entry].fenced = true;
    }
    let heard = end(app, transaction, entry).await;
    app.shared
        .say(|| format!("bank transaction {entry}: {heard:?}"));
    let next = match heard {
        Heard::Ended(ending) => {
            app.ledger().transactions[entry].ending = ending;
            Next::GoOn
        }
        Heard::Nothing => resolve(app, producer, entry).await,
    };
    match newer {
        Some(newer) => {
            *producer = newer;
            Next::GoOn
        }
        None => next,
    }
}

/// A transaction that begins, ends and repeats itself: the work is a closure.
async fn by_itself(app: &mut App, producer: &mut TransactionalProducer, branch: Branch) -> Next {
    let attempts = Arc::new(Mutex::new(Vec::new()));
    let fails = app.rng.u32(0..4) == 0;
    let mut hands = app.fork();
    let work = |sender: TransactionSender| {
        let entry = hands.ledger().begin();
        lock(&attempts).push(entry);
        let who = SENDERS_OF_CLOSURES + entry as u64;
        let sent = send_some(hands.fork(), sender, branch, who, entry);
        async move {
            sent.await;
            if fails { Err(()) } else { Ok(()) }
        }
    };
    let patience = if app.strikes(0.5) {
        app.duration(Duration::from_millis(40))
    } else {
        FOREVER
    };
    let transaction = producer.transaction(work);
    let outcome = app
        .drop_after(Fault::ClosureDropped, patience, transaction)
        .await;
    app.shared
        .say(|| format!("bank closure {attempts:?}: {outcome:?}"));
    let attempts = std::mem::take(&mut *lock(&attempts));
    // It is run again only after a definite abort.
    for entry in &attempts {
        let mut ledger = app.ledger();
        ledger.transactions[*entry].ending = Ending::Aborted("by the closure".to_owned());
        // A send that was dropped with its closure has accepted nothing.
        ledger.forget_sends_of(*entry);
    }
    let Some(last) = attempts.last().copied() else {
        return match outcome {
            None | Some(Ok(())) => Next::GoOn,
            Some(Err(_)) => Next::Rebuild,
        };
    };
    match outcome {
        Some(Ok(())) => {
            let mut ledger = app.ledger();
            ledger.transactions[last].commit_answered = true;
            ledger.transactions[last].ending = Ending::Committed;
            Next::GoOn
        }
        Some(Err(TransactionError::Work(()))) => Next::GoOn,
        Some(Err(TransactionError::Begin(_))) => Next::Rebuild,
        Some(Err(TransactionError::Commit(error))) => {
            if !matches!(error, CommitError::Aborted { .. }) {
                let violation = format!("a closure's commit: {error}");
                app.ledger().violated(Check::Refused, violation);
            }
            Next::Rebuild
        }
        Some(Err(_)) | None => resolve(app, producer, last).await,
    }
}

/// A transaction, whatever it takes; `None` if this producer begins none any more.
async fn begin<'p>(
    app: &mut App,
    producer: &'p mut TransactionalProducer,
) -> Option<Transaction<'p>> {
    // One that began and is dropped unseen is aborted by the next begin, and that is what this looks at.
    while app.strikes(0.4) {
        // A begin with nothing to settle takes one turn of the engine: what is to hit it must be quick.
        let most = [Duration::from_micros(100), Duration::from_millis(8)][app.rng.usize(0..2)];
        let patience = app.duration(most);
        let begin = producer.begin();
        let _ = app.drop_after(Fault::BeginDropped, patience, begin).await;
    }
    match producer.begin().await {
        Ok(transaction) => Some(transaction),
        Err(error) => {
            let pending = matches!(error, BeginError::OutcomePending);
            let late = matches!(error, BeginError::TimedOut { .. }) && app.is_long_calm();
            if pending || late {
                let violation = format!("begin is refused without reason: {error}");
                app.ledger().violated(Check::Liveness, violation);
            }
            None
        }
    }
}

/// Several tasks write into the transaction, and perhaps an offset joins it.
async fn fill(
    app: &mut App,
    transaction: &Transaction<'_>,
    branch: Branch,
    number: u64,
    entry: usize,
) {
    let tasks: Vec<_> = (0..TASKS)
        .map(|task| {
            let who = branch.number * SENDERS_OF_BRANCH + number * TASKS + task;
            let sender = transaction.sender();
            app.spawn(format!("bank sender {who}"), move |hands| {
                send_some(hands, sender, branch, who, entry)
            })
        })
        .collect();
    if branch.sends_offsets && app.rng.u32(0..3) == 0 {
        let offset = i64::try_from(entry).unwrap_or(i64::MAX) + 1;
        app.ledger().transactions[entry].offset = Some(offset);
        let positions = [Position::new(ORDERS, 0, offset)];
        let group = GroupMetadata::assigned(MANUAL);
        if let Err(error) = transaction.send_offsets(&group, positions).await {
            app.ledger().transactions[entry]
                .failed_send
                .get_or_insert_with(|| format!("offsets: {error}"));
        }
    }
    // Most commits come after the sends; some shut the gate before them.
    if app.rng.u32(0..5) > 0 {
        for task in tasks {
            task.await;
        }
    }
}

async fn send_some(
    mut app: App,
    sender: TransactionSender,
    branch: Branch,
    who: u64,
    entry: usize,
) {
    for number in 0..app.rng.u64(1..8) {
        app.pause(Duration::from_millis(6)).await;
        let (topic, partitions) = match branch.orders && app.rng.u32(0..4) == 0 {
            true => (ORDERS, ORDERS_PARTITIONS),
            false => (BANK, BANK_PARTITIONS),
        };
        let partition = app.rng.i32(0..partitions);
        let padding = app.rng.usize(0..=app.plan.record_bytes);
        let value = format!("bank-{who}-{number}-{entry}-{}", "y".repeat(padding));
        let record = Record::to(topic).partition(partition).value(&value);
        let line = app
            .ledger()
            .send(topic, partition, value.clone(), who, Some(entry));
        let sent = if app.strikes(0.1) {
            let patience = app.duration(Duration::from_millis(4));
            app.drop_after(Fault::SendDropped, patience, sender.send(record))
                .await
        } else {
            Some(sender.send(record).await)
        };
        match sent {
            Some(Ok(delivery)) => await_delivery(&mut app, delivery, line),
            Some(Err(_)) | None => app.ledger().sent[line].fate = Fate::NotAccepted,
        }
    }
}

/// What the end of a transaction told.
#[derive(Debug)]
enum Heard {
    Ended(Ending),
    /// The outcome must be asked for.
    Nothing,
}

async fn end(app: &mut App, transaction: Transaction<'_>, entry: usize) -> Heard {
    let requested = || Heard::Ended(Ending::Aborted("as asked".to_owned()));
    match app.rng.u32(0..100) {
        0..55 => {
            let mut commit = transaction.commit();
            // Time-outs around a commit that is waited for again change nothing.
            while app.strikes(0.3) {
                let patience = app.duration(Duration::from_millis(4));
                if let Some(answer) = app.wait(patience, &mut commit).await {
                    return heard(app, entry, answer);
                }
            }
            let answer = commit.await;
            heard(app, entry, answer)
        }
        55..75 => {
            let patience = app.duration(Duration::from_millis(12));
            let commit = transaction.commit();
            match app.drop_after(Fault::CommitDropped, patience, commit).await {
                Some(answer) => heard(app, entry, answer),
                None => Heard::Nothing,
            }
        }
        75..84 => {
            // Whatever it answers, nothing of it will be committed.
            let _ = transaction.abort().await;
            requested()
        }
        84..93 => {
            let patience = app.duration(Duration::from_millis(4));
            let abort = transaction.abort();
            let _ = app.drop_after(Fault::AbortDropped, patience, abort).await;
            requested()
        }
        _ => {
            app.ledger().fired(Fault::TransactionDropped);
            drop(transaction);
            requested()
        }
    }
}

fn heard(app: &App, entry: usize, answer: Result<(), CommitError>) -> Heard {
    let mut ledger = app.ledger();
    match answer {
        Ok(()) => {
            ledger.transactions[entry].commit_answered = true;
            Heard::Ended(Ending::Committed)
        }
        Err(CommitError::Aborted { cause }) => Heard::Ended(Ending::Aborted(cause.to_string())),
        Err(CommitError::Unknown) => Heard::Nothing,
        Err(error) => {
            ledger.violated(
                Check::Refused,
                format!("commit of an open transaction: {error}"),
            );
            Heard::Nothing
        }
    }
}

/// Asks until it is known, or known that nobody will know.
async fn resolve(app: &mut App, producer: &mut TransactionalProducer, entry: usize) -> Next {
    loop {
        let ending = match producer.resolve().await {
            Ok(TransactionOutcome::Committed) => Ending::Committed,
            Ok(TransactionOutcome::Aborted(cause)) => Ending::Aborted(cause.to_string()),
            Ok(_) => Ending::Unknown,
            Err(error) => {
                let violation = format!("resolve of an open client: {error}");
                app.ledger().violated(Check::Refused, violation);
                return Next::Rebuild;
            }
        };
        app.shared
            .say(|| format!("bank transaction {entry} resolved: {ending:?}"));
        if ending != Ending::Unknown {
            app.ledger().transactions[entry].ending = ending;
            return Next::GoOn;
        }
        // Unknown for good is what a fenced producer may say; otherwise it is known in the end.
        let fenced = matches!(producer.begin().await, Err(BeginError::Fatal(_)));
        if fenced {
            app.ledger().transactions[entry].ending = Ending::Unknown;
            return Next::Rebuild;
        }
        app.pause(PACE).await;
    }
}
