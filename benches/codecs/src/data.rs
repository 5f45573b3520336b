//! Events in JSON as a shop has them: keys that repeat, few kinds of words, and ids and amounts that do not repeat.

use fastrand::Rng;
use milena_wire::record::{BatchBuilder, BatchPayload, RecordFields};

const KINDS: [&str; 6] = [
    "page_view",
    "add_to_cart",
    "purchase",
    "refund",
    "login",
    "search",
];
const COUNTRIES: [&str; 8] = ["DE", "FR", "US", "BR", "IN", "JP", "PL", "ES"];
const AGENTS: [&str; 4] = [
    "Mozilla/5.0 (X11; Linux x86_64)",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_4)",
    "okhttp/4.12.0",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64)",
];
const WORDS: [&str; 24] = [
    "red", "green", "shoe", "lamp", "table", "wooden", "small", "large", "garden", "kitchen",
    "summer", "winter", "offer", "gift", "set", "glass", "steel", "cotton", "jacket", "shirt",
    "phone", "case", "cable", "paper",
];

/// One record.
pub(crate) struct Record {
    timestamp: i64,
    key: String,
    value: String,
}

/// A batch's records, of `record_bytes` each, until their batch would have more than `batch_bytes`.
pub(crate) fn records(record_bytes: usize, batch_bytes: usize, random: &mut Rng) -> Vec<Record> {
    let mut records = Vec::new();
    let mut timestamp = 1_760_000_000_000;
    let mut builder = BatchBuilder::new();
    loop {
        timestamp += random.i64(0..20);
        let record = Record {
            timestamp,
            key: format!("{:010}", random.u32(..2_000_000)),
            value: event(timestamp, record_bytes, random),
        };
        if builder.payload_len() + builder.encoded_len(&record.fields()) > batch_bytes {
            return records;
        }
        builder.append(&record.fields());
        records.push(record);
    }
}

/// The batch of them, built anew: sealing one takes it.
pub(crate) fn build(records: &[Record]) -> BatchPayload {
    let mut builder = BatchBuilder::new();
    let each = records.iter();
    each.for_each(|record| builder.append(&record.fields()));
    builder.finish()
}

impl Record {
    fn fields(&self) -> RecordFields<'_> {
        RecordFields {
            timestamp: self.timestamp,
            key: Some(self.key.as_bytes()),
            value: Some(self.value.as_bytes()),
            headers: &[],
        }
    }
}

fn event(timestamp: i64, len: usize, random: &mut Rng) -> String {
    let mut text = format!(
        "{{\"ts\":{timestamp},\"id\":\"{:016x}\",\"kind\":\"{}\",\"user\":{},\"country\":\"{}\",\"amount\":{}.{:02}",
        random.u64(..),
        KINDS[random.usize(..KINDS.len())],
        random.u32(..2_000_000),
        COUNTRIES[random.usize(..COUNTRIES.len())],
        random.u32(..900),
        random.u32(..100),
    );
    let mut field = 0;
    while text.len() + 40 < len {
        let word = WORDS[random.usize(..WORDS.len())];
        let more = match field % 4 {
            0 => format!(",\"agent\":\"{}\"", AGENTS[random.usize(..AGENTS.len())]),
            1 => {
                let words = (0..random.usize(3..9)).map(|_| WORDS[random.usize(..WORDS.len())]);
                format!(",\"title\":\"{}\"", words.collect::<Vec<_>>().join(" "))
            }
            2 => format!(
                ",\"item\":{{\"sku\":\"{:06}-{:04x}\",\"price\":{},\"qty\":{}}}",
                random.u32(..1_000_000),
                random.u16(..),
                random.u32(..300),
                random.u8(1..9)
            ),
            _ => format!(
                ",\"ref\":\"/shop/{word}/{}?t={:x}\"",
                random.u32(..100_000),
                random.u32(..)
            ),
        };
        text.push_str(&more);
        field += 1;
    }
    text.push('}');
    text
}
