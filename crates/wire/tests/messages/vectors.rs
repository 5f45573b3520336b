//! Checked-in bytes of each message (`tests/vectors`): they catch a change that reader, writer and declarations make together, and need
//! neither Java nor another implementation. Three lines an entry: message and version, bytes, fields as `{:?}` prints them.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::PathBuf;

use bytes::Bytes;

use crate::coverage::Coverage;
use crate::support::*;

/// An entry's bytes; the fields are some five times as long.
const BYTES_MAX: usize = 260;

fn directory() -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "tests", "vectors"]
        .iter()
        .collect()
}

/// A file an API, and one for each schema that belongs to none.
fn file_of(message: &Message) -> String {
    let api = message.name.strip_suffix(match message.response {
        Some(_) => "Request",
        None => "Response",
    });
    let name = api.filter(|_| message.key.is_some());
    format!("{}.txt", name.unwrap_or(&message.name))
}

/// The lowest version, the highest, and the first of the compact form.
fn versions_of(message: &Message) -> BTreeSet<i16> {
    let range = message.versions;
    let mut versions = BTreeSet::from([range.min, range.max.expect("an end")]);
    versions.extend(message.flexible.map(|since| since.max(range.min)));
    versions
}

/// Of many values the one that shows the most fields away from their defaults, and is small.
fn telling_value(message: &Message, version: i16) -> Value {
    let values = (0..150).map(|seed| {
        let value = generate(model(), &message.name, version, &mut Choices::seeded(seed));
        let encoded = encode(model(), &message.name, version, &value);
        let mut coverage = Coverage::default();
        coverage.add(model(), &message.name, &value);
        let long = encoded.bytes.len() / BYTES_MAX;
        (
            long,
            usize::MAX - coverage.others(),
            encoded.bytes.len(),
            value,
        )
    });
    let best = values.min_by_key(|(long, dull, len, _)| (*long, *dull, *len));
    best.expect("some value").3
}

fn to_hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").expect("memory");
        text
    })
}

fn from_hex(text: &str) -> Bytes {
    let digits = |at: usize| u8::from_str_radix(&text[at..at + 2], 16).expect("hex");
    (0..text.len()).step_by(2).map(digits).collect()
}

fn record() {
    let mut files: BTreeMap<String, String> = BTreeMap::new();
    for message in &model().messages {
        let text = files.entry(file_of(message)).or_default();
        for version in versions_of(message) {
            let value = telling_value(message, version);
            let bytes = to_hex(&encode(model(), &message.name, version, &value).bytes);
            let fields = value.text(model(), &message.name);
            writeln!(text, "{} v{version}\n{bytes}\n{fields}", message.name).expect("memory");
        }
    }
    for entry in std::fs::read_dir(directory()).expect("a whole checkout") {
        std::fs::remove_file(entry.expect("readable").path()).expect("a writable checkout");
    }
    for (name, text) in files {
        std::fs::write(directory().join(name), text).expect("a writable checkout");
    }
}

/// After a version was added, `MILENA_BLESS=1` records them all anew.
#[test]
fn messages_have_the_bytes_on_record() {
    if std::env::var_os("MILENA_BLESS").is_some() {
        record();
    }
    let mut size = 0;
    let mut on_record: BTreeMap<String, BTreeSet<i16>> = BTreeMap::new();
    let files: BTreeSet<String> = model().messages.iter().map(file_of).collect();
    for entry in std::fs::read_dir(directory()).expect("a whole checkout") {
        let path = entry.expect("readable").path();
        let name = path.file_name().expect("a file").to_string_lossy();
        assert!(files.contains(&*name), "{name} belongs to no message");
        let text = std::fs::read_to_string(&path).expect("text");
        size += text.len();
        let lines: Vec<&str> = text.lines().collect();
        for entry in lines.chunks(3) {
            let [title, bytes, fields] = entry else {
                panic!("{name}: three lines an entry")
            };
            let (message, version) = title.split_once(" v").expect("message and version");
            let (message, version) = (model().message(message), version.parse().expect("number"));
            assert_eq!(file_of(message), name);
            compare(message, version, &from_hex(bytes), fields);
            on_record
                .entry(message.name.clone())
                .or_default()
                .insert(version);
        }
    }
    for message in &model().messages {
        let versions = on_record.remove(&message.name).unwrap_or_default();
        let missing: Vec<i16> = versions_of(message)
            .difference(&versions)
            .copied()
            .collect();
        assert!(
            missing.is_empty(),
            "{} {missing:?}: set MILENA_BLESS=1",
            message.name
        );
    }
    assert!(size < 600 << 10, "{size} bytes are too many to keep");
}

fn compare(message: &Message, version: i16, bytes: &Bytes, fields: &str) {
    let decoded = match Decoded::decode(message, version, bytes) {
        Ok(decoded) => decoded,
        Err(error) => panic!("{error}"),
    };
    assert_eq!(decoded.text(), fields, "{} v{version}", message.name);
    let again = decoded.encode(message, version);
    assert_eq!(
        again.as_deref(),
        Ok(&bytes[..]),
        "{} v{version}",
        message.name
    );
}
