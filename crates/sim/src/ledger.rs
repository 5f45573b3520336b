//! What the application was told, record by record and transaction by transaction: the checkers hold it against the logs.

use std::collections::BTreeMap;

use milena_engine::handles::Persistence;

use crate::driver::HostId;
use crate::failure::{Check, Failure};
use crate::faults::{Fault, Tally};

/// What the application knows of a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// The send is under way, or the run ended in it.
    Sending,
    /// The send failed or was dropped: the record was not accepted.
    NotAccepted,
    /// Accepted, and nobody heard what became of it.
    Unheard,
    /// Acknowledged, with its offset if the broker told it.
    Acknowledged(Option<i64>),
    /// Failed, with what may be in the log.
    Failed(Persistence),
}

/// One record that the application tried to send. Its value is unique in the run.
#[derive(Clone, Debug)]
pub(crate) struct Sent {
    pub(crate) topic: &'static str,
    pub(crate) partition: i32,
    pub(crate) value: String,
    /// Who sent it: records of one sender and partition keep their order.
    pub(crate) sender: u64,
    pub(crate) transaction: Option<usize>,
    pub(crate) fate: Fate,
}

/// What the application knows of a transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// It is open, or nobody has resolved it yet.
    Open,
    /// For certain.
    Committed,
    /// For certain, and why.
    Aborted(String),
    /// Nobody can tell (a fenced producer).
    Unknown,
}

/// One transaction.
#[derive(Clone, Debug)]
pub(crate) struct Transaction {
    pub(crate) ending: Ending,
    /// A newer instance was there before the commit was called.
    pub(crate) fenced: bool,
    /// The commit was called, and answered with success itself.
    pub(crate) commit_answered: bool,
    /// A send of it failed, or its delivery did: commit must not succeed.
    pub(crate) failed_send: Option<String>,
    /// The offset that it carries for the group `manual`.
    pub(crate) offset: Option<i64>,
}

/// A record as a reader got it.
pub(crate) type Read = (i64, Vec<u8>);

/// A reader's name, a topic, a partition.
pub(crate) type Reading = (&'static str, String, i32);

/// What a reader got of one partition from one seek to the next.
#[derive(Clone, Debug, Default)]
pub(crate) struct Stretch {
    pub(crate) from: i64,
    pub(crate) records: Vec<Read>,
}

/// Everything that the application was told.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    pub(crate) sent: Vec<Sent>,
    pub(crate) transactions: Vec<Transaction>,
    /// What each reader got of each partition, seek by seek.
    pub(crate) reads: BTreeMap<Reading, Vec<Stretch>>,
    /// Where each reader was told to stand last.
    pub(crate) positions: BTreeMap<Reading, i64>,
    pub(crate) tally: Tally,
    /// Workloads that are done with sending.
    pub(crate) senders_left: usize,
    /// Their engines. One may send on after the last delivery is heard of: a batch whose caller was told of its time-out.
    pub(crate) sending_hosts: Vec<HostId>,
    pub(crate) pipeline_commits: u64,
    /// The faults are over; nobody drops anything any more.
    pub(crate) calm: bool,
    /// Everything is sent and piped: pipelines end.
    pub(crate) winding_down: bool,
    /// Promises broken, as the workloads themselves noticed.
    pub(crate) violations: Vec<Failure>,
}

impl Ledger {
    pub(crate) fn send(
        &mut self,
        topic: &'static str,
        partition: i32,
        value: String,
        sender: u64,
        transaction: Option<usize>,
    ) -> usize {
        self.sent.push(Sent {
            topic,
            partition,
            value,
            sender,
            transaction,
            fate: Fate::Sending,
        });
        self.sent.len() - 1
    }

    pub(crate) fn begin(&mut self) -> usize {
        self.transactions.push(Transaction {
            ending: Ending::Open,
            fenced: false,
            commit_answered: false,
            failed_send: None,
            offset: None,
        });
        self.transactions.len() - 1
    }

    pub(crate) fn read(&mut self, reading: Reading, records: impl Iterator<Item = Read>) {
        let stretches = self.reads.entry(reading).or_default();
        if stretches.is_empty() {
            stretches.push(Stretch::default());
        }
        if let Some(last) = stretches.last_mut() {
            last.records.extend(records);
        }
    }

    pub(crate) fn seek(&mut self, reading: Reading, from: i64) {
        let records = Vec::new();
        self.positions.insert(reading.clone(), from);
        self.reads
            .entry(reading)
            .or_default()
            .push(Stretch { from, records });
    }

    pub(crate) fn forget_sends_of(&mut self, transaction: usize) {
        let of_it =
            |sent: &&mut Sent| sent.transaction == Some(transaction) && sent.fate == Fate::Sending;
        self.sent
            .iter_mut()
            .filter(of_it)
            .for_each(|sent| sent.fate = Fate::NotAccepted);
    }

    pub(crate) fn fired(&mut self, fault: Fault) {
        self.tally.add(fault, 1);
    }

    /// A promise was broken, as a workload noticed.
    pub(crate) fn violated(&mut self, check: Check, text: impl Into<String>) {
        self.violations.push(check.failed(text));
    }

    pub(crate) fn accepted(&self) -> usize {
        self.sent
            .iter()
            .filter(|sent| !matches!(sent.fate, Fate::Sending | Fate::NotAccepted))
            .count()
    }
}
