//! The records that everybody writes, and the lines by which they are told to other programs.

use std::fmt;
use std::fmt::Write as _;

use crate::failure::{Failure, Result};

/// One record: partition, key, value and headers, parted by tabs, in hexadecimal; `-` is null.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) partition: usize,
    pub(crate) key: Option<Vec<u8>>,
    pub(crate) value: Option<Vec<u8>>,
    pub(crate) headers: Vec<(String, Option<Vec<u8>>)>,
}

/// So many records for each partition: null, empty, small and large keys and values, headers of the same name, bytes that no codec makes
/// smaller among text that all do. Some values are longer than the blocks of snappy (32 KiB) and of lz4 (64 KiB).
pub(crate) fn lines(partitions: usize, each: usize) -> Vec<Line> {
    let mut random = fastrand::Rng::with_seed(5);
    let mut lines = Vec::with_capacity(partitions * each);
    for partition in 0..partitions {
        for number in 0..each {
            lines.push(Line {
                partition,
                key: match number % 5 {
                    0 => None,
                    1 => Some(Vec::new()),
                    _ => Some(format!("key-{partition}-{number}").into_bytes()),
                },
                value: value(&mut random, number),
                headers: headers(number),
            });
        }
    }
    lines
}

fn value(random: &mut fastrand::Rng, number: usize) -> Option<Vec<u8>> {
    let text = |repeated: usize| {
        let event = format!("{{\"event\":\"payment\",\"number\":{number},\"amount\":12.50}}");
        Some(event.repeat(repeated).into_bytes())
    };
    match number % 11 {
        3 => None,
        4 => Some(Vec::new()),
        5 => Some((0..random.usize(..300)).map(|_| random.u8(..)).collect()),
        // Once in a while.
        6 if number % 50 == 6 => text(3_000),
        _ => text(random.usize(1..20)),
    }
}

fn headers(number: usize) -> Vec<(String, Option<Vec<u8>>)> {
    let header = |name: &str, value: Option<&str>| {
        let value = value.map(|value| value.as_bytes().to_vec());
        (name.to_owned(), value)
    };
    match number % 4 {
        0 => vec![
            header("twice", Some("one")),
            header("twice", Some("two")),
            header("null", None),
            header("empty", Some("")),
        ],
        1 => vec![header("trace-ü", Some("7f3a"))],
        _ => Vec::new(),
    }
}

impl Line {
    /// Reads a line.
    ///
    /// # Errors
    /// It is not one.
    pub(crate) fn parse(text: &str) -> Result<Self> {
        let malformed = || Failure::new(format!("not a record: {text:?}"));
        let fields: Vec<&str> = text.split('\t').collect();
        let [partition, key, value, headers] = fields[..] else {
            return Err(malformed());
        };
        let named = headers.split(';').filter(|header| !header.is_empty());
        let named = named.map(|header| {
            let (name, value) = header.split_once('=')?;
            Some((String::from_utf8(bytes(name)?).ok()?, nullable(value)?))
        });
        Ok(Self {
            partition: partition.parse().map_err(|_| malformed())?,
            key: nullable(key).ok_or_else(malformed)?,
            value: nullable(value).ok_or_else(malformed)?,
            headers: named.collect::<Option<_>>().ok_or_else(malformed)?,
        })
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (key, value) = (hex(self.key.as_deref()), hex(self.value.as_deref()));
        let headers = self.headers.iter();
        let headers = headers.map(|(name, value)| {
            format!("{}={}", hex(Some(name.as_bytes())), hex(value.as_deref()))
        });
        let headers: Vec<String> = headers.collect();
        write!(
            f,
            "{}\t{key}\t{value}\t{}",
            self.partition,
            headers.join(";")
        )
    }
}

fn hex(bytes: Option<&[u8]>) -> String {
    let Some(bytes) = bytes else {
        return "-".to_owned();
    };
    let mut text = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        let _ = write!(text, "{byte:02x}");
    }
    text
}

/// `Some(None)` is null.
fn nullable(field: &str) -> Option<Option<Vec<u8>>> {
    match field {
        "-" => Some(None),
        _ => bytes(field).map(Some),
    }
}

fn bytes(hex: &str) -> Option<Vec<u8>> {
    let pairs = hex.as_bytes().chunks(2);
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    if !hex.len().is_multiple_of(2) {
        return None;
    }
    pairs.map(byte).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read_back_as_they_were_written_and_hold_every_kind_of_record() {
        let lines = lines(2, 60);
        for line in &lines {
            assert_eq!(&Line::parse(&line.to_string()).expect("a line"), line);
        }
        let any = |found: fn(&Line) -> bool| lines.iter().any(found);
        assert!(any(|line| line.key.is_none()) && any(|line| line.key == Some(Vec::new())));
        assert!(any(|line| line.value.is_none()) && any(|line| line.value == Some(Vec::new())));
        assert!(any(|line| line
            .value
            .as_ref()
            .is_some_and(|value| value.len() > 65_536)));
        assert!(any(|line| line.headers.len() == 4));
    }

    #[test]
    fn what_is_no_line_is_refused() {
        for text in [
            "",
            "0\t00\t00",
            "x\t-\t-\t",
            "0\t0\t-\t",
            "0\t-\tzz\t",
            "0\t-\t-\t61",
        ] {
            assert!(Line::parse(text).is_err(), "{text:?}");
        }
    }
}
