//! Order is kept: the records of one sender lie in each partition as they were sent.

use std::collections::BTreeMap;

use super::{Truth, named, value};
use crate::failure::{Check, Failure};
use crate::ledger::Ledger;

pub(super) fn check(truth: &Truth, ledger: &Ledger, wrong: &mut Vec<Failure>) {
    let sent: BTreeMap<&[u8], usize> = ledger
        .sent
        .iter()
        .enumerate()
        .map(|(number, sent)| (sent.value.as_bytes(), number))
        .collect();
    for ((topic, partition), records) in &truth.all {
        let mut last: BTreeMap<u64, usize> = BTreeMap::new();
        for record in records {
            // What nobody sent is the pipeline's own.
            let Some(number) = sent.get(value(record)).copied() else {
                continue;
            };
            let sender = ledger.sent[number].sender;
            if let Some(before) = last.insert(sender, number)
                && before > number
            {
                let (first, then) = (
                    named(ledger.sent[before].value.as_bytes()),
                    named(value(record)),
                );
                wrong.push(
                    Check::Order
                        .failed(format!("{then} lies behind {first} in {topic}-{partition}")),
                );
            }
        }
    }
}
