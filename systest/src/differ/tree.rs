//! Any answer as a tree of named fields, read from its `Debug` text: every field that a message declares is compared, also those
//! that are declared after this was written.

use std::collections::VecDeque;
use std::fmt;

use bytes::Bytes;
use milena_wire::messages::AnyResponse;
use milena_wire::record::{BatchView, TimestampType, batches};

/// A message, one of its parts or one value. `Some(x)` is `x`: nothing else looks like the text `None`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    Leaf(String),
    List(Vec<Self>),
    Record(Vec<(String, Self)>),
}

impl Value {
    /// An answer with what its record batches hold in the place of their bytes.
    pub(crate) fn of(answer: &AnyResponse<'_>) -> Self {
        let records = records_of(answer).into_iter().map(log).collect();
        let text = format!("{answer:?}");
        Parser {
            rest: &text,
            records,
        }
        .value()
    }

    pub(crate) fn leaf(value: impl fmt::Display) -> Self {
        Self::Leaf(value.to_string())
    }

    /// A field of a record.
    pub(crate) fn get(&self, name: &str) -> Option<&Self> {
        match self {
            Self::Record(fields) => fields
                .iter()
                .find(|(field, _)| field == name)
                .map(|(_, value)| value),
            _ => None,
        }
    }

    pub(crate) fn get_mut(&mut self, name: &str) -> Option<&mut Self> {
        match self {
            Self::Record(fields) => fields
                .iter_mut()
                .find(|(field, _)| field == name)
                .map(|(_, value)| value),
            _ => None,
        }
    }

    /// A record with one field less.
    pub(crate) fn without(&self, name: &str) -> Self {
        let mut copy = self.clone();
        if let Self::Record(fields) = &mut copy {
            fields.retain(|(field, _)| field != name);
        }
        copy
    }

    /// The items of a list; none of anything else.
    pub(crate) fn items(&self) -> &[Self] {
        match self {
            Self::List(items) => items,
            _ => &[],
        }
    }

    /// The text of a leaf, without the quotation marks of a string.
    pub(crate) fn text(&self) -> &str {
        match self {
            Self::Leaf(text) => text.trim_matches('"'),
            _ => "",
        }
    }

    pub(crate) fn number(&self, field: &str) -> Option<i64> {
        self.get(field)?.text().parse().ok()
    }

    pub(crate) fn string(&self, field: &str) -> &str {
        self.get(field).map_or("", Self::text)
    }

    /// The code in `error_code`; 0 without one.
    pub(crate) fn error(&self) -> i64 {
        self.error_in("error_code")
    }

    pub(crate) fn error_in(&self, field: &str) -> i64 {
        code_of(self.string(field))
    }

    /// Whether there is an error code in it other than none.
    pub(crate) fn has_error(&self) -> bool {
        match self {
            Self::Leaf(_) => false,
            Self::List(items) => items.iter().any(Self::has_error),
            Self::Record(fields) => fields.iter().any(|(name, value)| match value {
                Self::Leaf(text) => name.ends_with("error_code") && text != "NONE (0)",
                other => other.has_error(),
            }),
        }
    }

    /// Whether an error code anywhere in it is this one.
    pub(crate) fn mentions(&self, name: &str) -> bool {
        match self {
            Self::Leaf(text) => text
                .strip_prefix(name)
                .is_some_and(|rest| rest.starts_with(" (")),
            Self::List(items) => items.iter().any(|item| item.mentions(name)),
            Self::Record(fields) => fields.iter().any(|(_, value)| value.mentions(name)),
        }
    }
}

/// The number in `NAME (number)`.
fn code_of(text: &str) -> i64 {
    let number = text.rsplit_once('(').map(|(_, rest)| rest);
    let number = number.and_then(|rest| rest.strip_suffix(')'));
    number.and_then(|text| text.parse().ok()).unwrap_or(0)
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Leaf(text) => f.write_str(text),
            Self::List(items) => {
                f.write_str("[")?;
                for (index, item) in items.iter().enumerate() {
                    let comma = if index == 0 { "" } else { ", " };
                    write!(f, "{comma}{item}")?;
                }
                f.write_str("]")
            }
            Self::Record(fields) => {
                f.write_str("{")?;
                for (index, (name, value)) in fields.iter().enumerate() {
                    let comma = if index == 0 { "" } else { ", " };
                    write!(f, "{comma}{name}: {value}")?;
                }
                f.write_str("}")
            }
        }
    }
}

/// The record fields of an answer in the order in which its text mentions them.
fn records_of(answer: &AnyResponse<'_>) -> Vec<Bytes> {
    let AnyResponse::Fetch(fetch) = answer else {
        return Vec::new();
    };
    fetch
        .responses
        .iter()
        .flat_map(|topic| &topic.partitions)
        .filter_map(|partition| partition.records.as_ref())
        .map(milena_wire::Payload::to_bytes)
        .collect()
}

/// What a piece of a log holds.
fn log(records: Bytes) -> Value {
    let whole = records.len();
    let mut log = Vec::new();
    let mut used = 0;
    for batch in batches(records) {
        match batch {
            Ok(view) => {
                used += usize::try_from(view.header().length).unwrap_or(0) + 12;
                log.push(batch_value(view));
            }
            Err(error) => {
                log.push(Value::leaf(format!("unreadable: {error}")));
                break;
            }
        }
    }
    if used < whole {
        log.push(Value::leaf(format!(
            "{} bytes of a cut batch",
            whole - used
        )));
    }
    Value::List(log)
}

fn batch_value(view: BatchView) -> Value {
    let header = *view.header();
    let crc = if view.verify_crc().is_ok() {
        "right"
    } else {
        "wrong"
    };
    // What the broker wrote at the time of its own clock is compared with a tolerance.
    let by_broker = header.timestamp_type() == TimestampType::LogAppendTime;
    let (base_name, max_name) = match (header.is_control(), by_broker) {
        (true, _) => ("base_time_of_broker", "max_time_of_broker"),
        (false, true) => ("base_timestamp", "max_time_of_broker"),
        (false, false) => ("base_timestamp", "max_timestamp"),
    };
    let fields = [
        ("base_offset", Value::leaf(header.base_offset)),
        ("length", Value::leaf(header.length)),
        (
            "partition_leader_epoch",
            Value::leaf(header.partition_leader_epoch),
        ),
        ("crc", Value::leaf(crc)),
        ("attributes", Value::leaf(header.attributes)),
        ("last_offset_delta", Value::leaf(header.last_offset_delta)),
        (base_name, Value::leaf(header.base_timestamp)),
        (max_name, Value::leaf(header.max_timestamp)),
        ("producer_id", Value::leaf(header.producer_id)),
        ("producer_epoch", Value::leaf(header.producer_epoch)),
        ("base_sequence", Value::leaf(header.base_sequence)),
        ("record_count", Value::leaf(header.record_count)),
        ("records", records_value(view)),
    ];
    Value::Record(
        fields
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value))
            .collect(),
    )
}

fn records_value(view: BatchView) -> Value {
    match view.into_records() {
        Ok(batch) => {
            let records = batch.records().map(|record| {
                let text = |bytes: Option<&[u8]>| bytes.map_or_else(|| "null".to_owned(), short);
                Value::leaf(format!(
                    "{} {}={}",
                    record.offset(),
                    text(record.key()),
                    text(record.value())
                ))
            });
            Value::List(records.collect())
        }
        Err(error) => Value::leaf(format!("unreadable: {error}")),
    }
}

/// Bytes as text; of many, the first, their number and their sum.
fn short(bytes: &[u8]) -> String {
    const SHOWN: usize = 24;
    if bytes.len() <= SHOWN {
        return bytes.escape_ascii().to_string();
    }
    let sum = bytes.iter().fold(0_u64, |sum, byte| {
        sum.wrapping_mul(31).wrapping_add(u64::from(*byte))
    });
    let first = bytes[..8].escape_ascii();
    format!("{first}..({} bytes, {sum:x})", bytes.len())
}

/// Reads `Debug` text.
struct Parser<'a> {
    rest: &'a str,
    records: VecDeque<Value>,
}

impl Parser<'_> {
    fn value(&mut self) -> Value {
        self.space();
        if self.take("[") {
            return Value::List(self.list("]"));
        }
        if self.rest.starts_with('"') {
            return self.string();
        }
        let name_len = self
            .rest
            .find(|c: char| !c.is_alphanumeric() && c != '_')
            .unwrap_or(self.rest.len());
        let (name, behind) = self.rest.split_at(name_len);
        if !name.is_empty() && behind.starts_with('(') {
            self.rest = &behind[1..];
            return self.wrapped(name == "Payload");
        }
        if !name.is_empty() && behind.starts_with(" {") {
            self.rest = &behind[2..];
            return Value::Record(self.fields());
        }
        self.plain()
    }

    /// What is inside `Some(..)`, `Produce(..)` or `Payload(..)`.
    fn wrapped(&mut self, is_payload: bool) -> Value {
        let mut inside = self.list(")");
        match self.records.pop_front() {
            Some(records) if is_payload => records,
            other => {
                if let Some(records) = other {
                    self.records.push_front(records);
                }
                inside.pop().unwrap_or(Value::List(Vec::new()))
            }
        }
    }

    fn list(&mut self, end: &str) -> Vec<Value> {
        let mut items = Vec::new();
        while !self.rest.is_empty() {
            self.space();
            if self.take(end) {
                break;
            }
            items.push(self.value());
            self.space();
            self.take(",");
        }
        items
    }

    fn fields(&mut self) -> Vec<(String, Value)> {
        let mut fields = Vec::new();
        while !self.rest.is_empty() {
            self.space();
            if self.take("}") {
                break;
            }
            let Some((name, rest)) = self.rest.split_once(':') else {
                break;
            };
            let name = name.trim().to_owned();
            self.rest = rest;
            let value = self.value();
            fields.push((name, value));
            self.space();
            self.take(",");
        }
        fields
    }

    fn string(&mut self) -> Value {
        let mut escaped = false;
        let end = self.rest.char_indices().skip(1).find(|(_, c)| {
            let ends = *c == '"' && !escaped;
            escaped = *c == '\\' && !escaped;
            ends
        });
        let end = end.map_or(self.rest.len(), |(at, _)| at + 1);
        let (text, rest) = self.rest.split_at(end);
        self.rest = rest;
        Value::Leaf(text.to_owned())
    }

    /// A number, an id, or an error code with its number in brackets.
    fn plain(&mut self) -> Value {
        let mut depth = 0;
        let end = self.rest.find(|c| match c {
            '(' => {
                depth += 1;
                false
            }
            ')' if depth > 0 => {
                depth -= 1;
                false
            }
            ',' | ')' | ']' | '}' => depth == 0,
            _ => false,
        });
        let (text, rest) = self.rest.split_at(end.unwrap_or(self.rest.len()));
        self.rest = rest;
        Value::Leaf(text.trim().to_owned())
    }

    fn space(&mut self) {
        self.rest = self.rest.trim_start();
    }

    fn take(&mut self, token: &str) -> bool {
        match self.rest.strip_prefix(token) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use milena_wire::ErrorCode;
    use milena_wire::messages::{
        FetchResponse, FetchableTopicResponse, InitProducerIdResponse, JoinGroupResponse,
        PartitionData,
    };

    use super::*;

    #[test]
    fn fields_and_codes_are_found_by_their_names() {
        let answer = InitProducerIdResponse {
            error_code: ErrorCode::INVALID_PRODUCER_EPOCH,
            producer_id: -7,
            ..Default::default()
        };
        let value = Value::of(&answer.into());
        assert_eq!(value.error(), 47);
        assert_eq!(value.number("producer_id"), Some(-7));
        assert!(value.mentions("INVALID_PRODUCER_EPOCH"));
        assert!(!value.mentions("INVALID_PRODUCER"));
    }

    #[test]
    fn text_with_marks_of_the_notation_stays_one_value() {
        let answer = JoinGroupResponse {
            member_id: "a\"b, c: {d] \\",
            protocol_name: None,
            ..Default::default()
        };
        let value = Value::of(&answer.into());
        assert_eq!(value.string("member_id"), "a\\\"b, c: {d] \\\\");
        assert_eq!(value.string("protocol_name"), "None");
        assert_eq!(value.get("members"), Some(&Value::List(Vec::new())));
    }

    #[test]
    fn what_is_no_batch_is_told_by_its_length() {
        let partition = PartitionData {
            records: Some(Bytes::from_static(b"half").into()),
            ..Default::default()
        };
        let answer = FetchResponse {
            responses: vec![FetchableTopicResponse {
                topic: "t",
                partitions: vec![partition],
                ..Default::default()
            }],
            ..Default::default()
        };
        let value = Value::of(&answer.into());
        let topic = &value.get("responses").expect("there").items()[0];
        let partition = &topic.get("partitions").expect("there").items()[0];
        let records = partition.get("records").expect("there");
        assert_eq!(records.items(), [Value::leaf("4 bytes of a cut batch")]);
    }
}
