//! What was said not to be in the log is not there: NotPersisted, and sends that were never accepted.

use std::collections::BTreeSet;

use milena_engine::handles::Persistence;

use super::{Truth, named, value};
use crate::failure::{Check, Failure};
use crate::ledger::{Fate, Ledger};
use crate::plan::{BANK, ORDERS};

pub(super) fn check(truth: &Truth, ledger: &Ledger, wrong: &mut Vec<Failure>) {
    let there: BTreeSet<&[u8]> = [ORDERS, BANK]
        .into_iter()
        .flat_map(|topic| truth.records(topic))
        .map(|(_, record)| value(record))
        .collect();
    for sent in &ledger.sent {
        let found = there.contains(sent.value.as_bytes());
        let claim = match &sent.fate {
            Fate::NotAccepted if found => "not accepted, and is in the log",
            Fate::Failed(Persistence::NotPersisted) if found => "not persisted, and is in the log",
            Fate::Failed(Persistence::Persisted) if !found => "persisted, and is not in the log",
            Fate::Sending => "never answered",
            _ => continue,
        };
        wrong.push(Check::Persistence.failed(format!(
            "{} was {claim} ({})",
            named(sent.value.as_bytes()),
            sent.topic
        )));
    }
}
