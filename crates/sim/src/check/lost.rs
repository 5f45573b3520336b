//! Nothing acknowledged is lost: it is in the log of its partition, at the offset that was told.

use std::collections::BTreeMap;

use super::{Truth, named, value};
use crate::failure::{Check, Failure};
use crate::ledger::{Fate, Ledger};

pub(super) fn check(truth: &Truth, ledger: &Ledger, wrong: &mut Vec<Failure>) {
    let mut places: BTreeMap<(&str, i32, &[u8]), i64> = BTreeMap::new();
    for ((topic, partition), records) in &truth.all {
        for record in records {
            places.insert((topic, *partition, value(record)), record.offset);
        }
    }
    for sent in &ledger.sent {
        let Fate::Acknowledged(offset) = sent.fate else {
            continue;
        };
        let name = named(sent.value.as_bytes());
        let (topic, partition) = (sent.topic, sent.partition);
        match places.get(&(topic, partition, sent.value.as_bytes())) {
            None => wrong.push(Check::Lost.failed(format!(
                "{name} of {topic}-{partition} was acknowledged"
            ))),
            Some(found) if offset.is_some_and(|offset| offset != *found) => wrong.push(Check::Lost.failed(format!(
                "{name} of {topic}-{partition} was acknowledged at {offset:?} and lies at {found}"
            ))),
            Some(_) => {}
        }
    }
}
