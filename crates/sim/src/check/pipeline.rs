//! The pipeline's output is its input, exactly once and in order, and its offsets say so.

use super::{Truth, named, value};
use crate::failure::{Check, Failure};
use crate::plan::{BILLING, INVOICES, ORDERS, ORDERS_PARTITIONS};

pub(super) fn check(truth: &Truth, wrong: &mut Vec<Failure>) {
    for index in 0..ORDERS_PARTITIONS {
        let key = |topic: &str| (topic.to_owned(), index);
        let expected: Vec<Vec<u8>> = truth.committed[&key(ORDERS)]
            .iter()
            .map(|order| {
                let mut invoice = format!("{index}/{}/", order.offset).into_bytes();
                invoice.extend_from_slice(value(order));
                invoice
            })
            .collect();
        let found: Vec<&[u8]> = truth.committed[&key(INVOICES)].iter().map(value).collect();
        if let Some(place) = (0..expected.len().max(found.len()))
            .find(|place| expected.get(*place).map(Vec::as_slice) != found.get(*place).copied())
        {
            let name = |value: Option<&[u8]>| value.map_or_else(|| "nothing".to_owned(), named);
            wrong.push(Check::Pipeline.failed(format!(
                "invoices of partition {index}: {} where {} belongs ({} of {} are there)",
                name(found.get(place).copied()),
                name(expected.get(place).map(Vec::as_slice)),
                found.len(),
                expected.len()
            )));
        }
        // Behind the last record that it has read there may be markers and what was aborted: nothing to make a step of.
        let end = truth.ends[&key(ORDERS)];
        let last = truth.committed[&key(ORDERS)].last();
        let due = last.map_or(0, |order| order.offset + 1);
        let offset = truth
            .offsets
            .get(&(BILLING.to_owned(), ORDERS.to_owned(), index))
            .copied();
        if !(due..=end).contains(&offset.unwrap_or(0)) {
            wrong.push(Check::Pipeline.failed(format!(
                "the pipeline's group stands at {offset:?} of {ORDERS}-{index}, whose records end at {due} and log at {end}"
            )));
        }
    }
}
