//! The promises, one a file, each held against the brokers' own logs.

use std::collections::{BTreeMap, BTreeSet};

use milena_testbroker::{Broker, StoredRecord};

use crate::failure::Failure;
use crate::ledger::Ledger;
use crate::plan::{BANK, BANK_PARTITIONS, INVOICES, ORDERS, ORDERS_PARTITIONS};

mod doubled;
mod lost;
mod order;
mod persistence;
mod pipeline;
pub(crate) mod readers;
mod transactions;

/// The logs at the end of a run.
pub(crate) struct Truth {
    /// Every data record, aborted ones too.
    pub(crate) all: BTreeMap<(String, i32), Vec<StoredRecord>>,
    /// What a read_committed reader must get, worked out from the markers.
    pub(crate) committed: BTreeMap<(String, i32), Vec<StoredRecord>>,
    /// What the groups have committed.
    pub(crate) offsets: BTreeMap<(String, String, i32), i64>,
    /// Where each log ends.
    pub(crate) ends: BTreeMap<(String, i32), i64>,
    /// Where it ends for read_committed readers.
    pub(crate) stable: BTreeMap<(String, i32), i64>,
    /// How batches are compressed.
    pub(crate) codecs: BTreeSet<String>,
}

impl Truth {
    pub(crate) fn of(broker: &Broker) -> Self {
        let mut truth = Self {
            all: BTreeMap::new(),
            committed: BTreeMap::new(),
            offsets: BTreeMap::new(),
            ends: BTreeMap::new(),
            stable: BTreeMap::new(),
            codecs: BTreeSet::new(),
        };
        let orders = (0..ORDERS_PARTITIONS).flat_map(|index| [(ORDERS, index), (INVOICES, index)]);
        let bank = (0..BANK_PARTITIONS).map(|index| (BANK, index));
        for (topic, index) in orders.chain(bank) {
            let log = broker.log(topic, index).expect("the run's own topic");
            let key = || (topic.to_owned(), index);
            let readable = "the client's batches are readable";
            truth.all.insert(key(), log.records().expect(readable));
            truth
                .committed
                .insert(key(), log.committed_records().expect(readable));
            let codecs = log.batches().map(|batch| batch.compression().to_string());
            truth.codecs.extend(codecs);
            truth.ends.insert(key(), log.high_watermark());
            truth.stable.insert(key(), log.last_stable_offset());
            for group in [crate::plan::BILLING, crate::plan::MANUAL] {
                if let Some(offset) = broker.committed_offset(group, topic, index) {
                    truth
                        .offsets
                        .insert((group.to_owned(), topic.to_owned(), index), offset);
                }
            }
        }
        truth
    }

    /// All records of a topic, with their partitions.
    pub(crate) fn records(&self, topic: &str) -> impl Iterator<Item = (i32, &StoredRecord)> {
        of_topic(&self.all, topic)
    }

    /// The committed records of a topic, with their partitions.
    pub(crate) fn committed(&self, topic: &str) -> impl Iterator<Item = (i32, &StoredRecord)> {
        of_topic(&self.committed, topic)
    }
}

fn of_topic<'a>(
    logs: &'a BTreeMap<(String, i32), Vec<StoredRecord>>,
    topic: &str,
) -> impl Iterator<Item = (i32, &'a StoredRecord)> {
    logs.iter()
        .filter(move |((name, _), _)| name == topic)
        .flat_map(|((_, index), records)| records.iter().map(|record| (*index, record)))
}

pub(crate) fn value(record: &StoredRecord) -> &[u8] {
    record.value.as_deref().unwrap_or_default()
}

/// A value as it is told in messages: without its padding.
pub(crate) fn named(value: &[u8]) -> String {
    let text = String::from_utf8_lossy(value);
    let end = text.trim_end_matches(['x', 'y', '-']).len();
    text[..end].to_owned()
}

/// What is wrong however far the run came.
pub(crate) fn at_any_time(truth: &Truth, ledger: &Ledger) -> Vec<Failure> {
    let mut wrong = Vec::new();
    doubled::check(truth, ledger, &mut wrong);
    lost::check(truth, ledger, &mut wrong);
    order::check(truth, ledger, &mut wrong);
    wrong
}

/// What is wrong with what was written.
pub(crate) fn written(truth: &Truth, ledger: &Ledger) -> Vec<Failure> {
    let mut wrong = ledger.violations.clone();
    wrong.extend(at_any_time(truth, ledger));
    persistence::check(truth, ledger, &mut wrong);
    transactions::check(truth, ledger, &mut wrong);
    pipeline::check(truth, &mut wrong);
    wrong
}

/// Everything that is wrong.
pub(crate) fn all(truth: &Truth, ledger: &Ledger) -> Vec<Failure> {
    let mut wrong = written(truth, ledger);
    readers::check(truth, ledger, &mut wrong);
    wrong
}
