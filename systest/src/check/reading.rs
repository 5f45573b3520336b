//! `milena consume` against Java's console consumer, record by record.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{Complaints, Wrong};

/// Between fields, records and headers, and for null, in what Java is asked to print.
pub(crate) const FIELD: char = '\u{1f}';
pub(crate) const RECORD: char = '\u{1e}';
pub(crate) const NULL: &str = "\u{1d}";
pub(crate) const HEADER: char = '\u{1c}';

/// A name, and a value that may be null.
type Header = (String, Option<String>);

/// Everything that both programs print of a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Read {
    pub(crate) timestamp: i64,
    pub(crate) key: Option<String>,
    pub(crate) value: Option<String>,
    pub(crate) headers: Vec<Header>,
}

/// Partition and offset.
pub(crate) type Place = (i32, i64);

/// Everything that differs between what ours wrote and what Java printed, and how many records Java has.
pub(crate) fn check(topic: &str, ours: &str, java: &str) -> (Complaints, usize) {
    let mut complaints = Complaints::default();
    let java = match java_records(java) {
        Ok(records) => records,
        Err(text) => {
            complaints.add(Wrong::Reader, text);
            return (complaints, 0);
        }
    };
    let mut theirs = java.clone();
    let mut last: BTreeMap<i32, i64> = BTreeMap::new();
    for line in ours.lines() {
        let Some((place, read)) = our_record(topic, line) else {
            complaints.add(Wrong::Lines, format!("no record of {topic}: {line}"));
            continue;
        };
        if last
            .insert(place.0, place.1)
            .is_some_and(|before| before >= place.1)
        {
            complaints.add(Wrong::Order, format!("{topic}: {place:?} came late"));
        }
        match theirs.remove(&place) {
            Some(expected) if expected == read => {}
            Some(expected) => complaints.add(
                Wrong::Reader,
                format!("{topic} {place:?}: {read:?}, Java has {expected:?}"),
            ),
            None => complaints.add(
                Wrong::Reader,
                format!("{topic} {place:?}: {read:?}, Java has none, or had it already"),
            ),
        }
    }
    for (place, read) in &theirs {
        complaints.add(Wrong::Missing, format!("{topic} {place:?}: {read:?}"));
    }
    (complaints, java.len())
}

fn our_record(topic: &str, line: &str) -> Option<(Place, Read)> {
    let object: Value = serde_json::from_str(line).ok()?;
    if object["topic"] != topic {
        return None;
    }
    let headers = object["headers"].as_array()?.iter().map(|header| {
        let name = header[0].as_str()?;
        Some((name.to_owned(), bytes(&header[1])?))
    });
    let place = (
        i32::try_from(object["partition"].as_i64()?).ok()?,
        object["offset"].as_i64()?,
    );
    let read = Read {
        timestamp: object["timestamp"].as_i64()?,
        key: bytes(object.get("key")?)?,
        value: bytes(object.get("value")?)?,
        headers: headers.collect::<Option<_>>()?,
    };
    Some((place, read))
}

/// Base64 to text; the outer `None` is for what is neither that nor null.
fn bytes(value: &Value) -> Option<Option<String>> {
    match value {
        Value::Null => Some(None),
        Value::String(text) => Some(Some(String::from_utf8(base64(text)?).ok()?)),
        _ => None,
    }
}

/// The standard alphabet with padding.
fn base64(text: &str) -> Option<Vec<u8>> {
    const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    if !text.len().is_multiple_of(4) {
        return None;
    }
    let digits = text.trim_end_matches('=');
    if text.len() - digits.len() > 2 {
        return None;
    }
    let (mut bytes, mut bits, mut held) = (Vec::new(), 0_u32, 0);
    for digit in digits.bytes() {
        let digit = ALPHABET.iter().position(|letter| *letter == digit)?;
        bits = (bits << 6) | u32::try_from(digit).ok()?;
        held += 6;
        if held >= 8 {
            held -= 8;
            bytes.push((bits >> held).to_le_bytes()[0]);
        }
    }
    Some(bytes)
}

/// `CreateTime:T|Partition:P|Offset:O|headers|key|value`, the bars being [`FIELD`].
pub(crate) fn java_records(text: &str) -> Result<BTreeMap<Place, Read>, String> {
    let mut records = BTreeMap::new();
    // What stands after the last record is what the console consumer logs when nothing more comes.
    let printed = text.rsplit_once(RECORD).map(|(text, _)| text.split(RECORD));
    for record in printed.into_iter().flatten() {
        let Some((place, read)) = java_record(record) else {
            return Err(format!(
                "Java printed something else than a record: {record:?}"
            ));
        };
        if records.insert(place, read).is_some() {
            return Err(format!("Java printed {place:?} twice"));
        }
    }
    Ok(records)
}

fn java_record(text: &str) -> Option<(Place, Read)> {
    let fields: Vec<&str> = text.split(FIELD).collect();
    let [timestamp, partition, offset, headers, key, value] = fields.as_slice() else {
        return None;
    };
    let (_, timestamp) = timestamp.split_once(':')?;
    let place = (
        partition.strip_prefix("Partition:")?.parse().ok()?,
        offset.strip_prefix("Offset:")?.parse().ok()?,
    );
    let text_of = |field: &str| (field != NULL).then(|| field.to_owned());
    let headers = match *headers {
        "NO_HEADERS" => Vec::new(),
        headers => {
            let header = |header: &str| {
                let (name, value) = header.split_once(':')?;
                Some((name.to_owned(), text_of(value)))
            };
            headers.split(HEADER).map(header).collect::<Option<_>>()?
        }
    };
    let read = Read {
        timestamp: timestamp.parse().ok()?,
        key: text_of(key),
        value: text_of(value),
        headers,
    };
    Some((place, read))
}

#[cfg(test)]
mod tests {
    use super::*;

    const JAVA: &str = "CreateTime:5\u{1f}Partition:0\u{1f}Offset:0\u{1f}a:x\u{1c}a:\u{1d}\u{1c}b:\u{1f}\u{1d}\u{1f}v\u{1e}\
                        CreateTime:6\u{1f}Partition:1\u{1f}Offset:4\u{1f}NO_HEADERS\u{1f}\u{1f}\u{1d}\u{1e}";
    const FIRST: &str = r#"{"topic":"t","partition":0,"offset":0,"timestamp":5,"key":null,"value":"dg==","headers":[["a","eA=="],["a",null],["b",""]]}"#;
    const SECOND: &str = r#"{"topic":"t","partition":1,"offset":4,"timestamp":6,"key":"","value":null,"headers":[]}"#;

    fn found(ours: &[&str]) -> Vec<Wrong> {
        check("t", &ours.join("\n"), JAVA).0.kinds()
    }

    #[test]
    fn the_same_records_in_any_order_of_partitions_are_right() {
        assert_eq!(found(&[FIRST, SECOND]), []);
        assert_eq!(found(&[SECOND, FIRST]), []);
    }

    #[test]
    fn a_missing_a_doubled_and_an_invented_record_are_found() {
        assert_eq!(found(&[FIRST]), [Wrong::Missing]);
        assert_eq!(
            found(&[FIRST, FIRST, SECOND]),
            [Wrong::Order, Wrong::Reader]
        );
        let invented = FIRST.replace(r#""offset":0"#, r#""offset":1"#);
        assert_eq!(found(&[FIRST, &invented, SECOND]), [Wrong::Reader]);
    }

    #[test]
    fn every_difference_in_a_record_is_found() {
        for (from, to) in [
            (r#""timestamp":5"#, r#""timestamp":6"#),
            (r#""key":null"#, r#""key":"""#),
            (r#""value":"dg==""#, r#""value":"dw==""#),
            (r#"["a",null]"#, r#"["a",""]"#),
            (r#"["a","eA=="],["a",null]"#, r#"["a",null],["a","eA=="]"#),
            (r#","headers":["#, r#","headers":[["b",""],"#),
        ] {
            let changed = FIRST.replace(from, to);
            assert_ne!(changed, FIRST, "{from}");
            assert_eq!(found(&[&changed, SECOND]), [Wrong::Reader], "{to}");
        }
        let stranger = FIRST.replace(r#""topic":"t""#, r#""topic":"u""#);
        assert_eq!(found(&[&stranger, SECOND]), [Wrong::Missing, Wrong::Lines]);
    }

    #[test]
    fn base64_is_read_with_every_padding() {
        for (text, bytes_) in [("", ""), ("Zg==", "f"), ("Zm8=", "fo"), ("Zm9v", "foo")] {
            assert_eq!(base64(text).as_deref(), Some(bytes_.as_bytes()));
        }
        for text in ["Zg", "Z===", "Zg=v", "Z*=="] {
            assert_eq!(base64(text), None, "{text}");
        }
    }
}
