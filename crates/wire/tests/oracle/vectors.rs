//! The bytes on record in `tests/vectors`, which machines without Java check: Kafka reads them to the end and writes them again.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use crate::java::Java;
use crate::session::{self, Answer, Written};
use crate::support::Model;

/// One entry: a line with message and version, one with the bytes, one with the fields.
struct Entry {
    name: String,
    version: i16,
    bytes: Vec<u8>,
}

#[test]
fn kafka_reads_and_writes_the_bytes_on_record() {
    let Some(java) = Java::find() else { return };
    let entries = entries();
    let found = session::answers(java, &entries, 1, |questions, entry| {
        questions.message(&entry.name, entry.version, &[entry.version], &entry.bytes)
    });
    for (entry, answer) in entries.iter().zip(found) {
        let of = format!("{} v{}", entry.name, entry.version);
        match answer {
            Answer::Read { written, .. } => match &*written {
                [Written::Bytes(bytes)] => assert_eq!(*bytes, entry.bytes, "{of}"),
                other => panic!("{of}: {other:?}"),
            },
            Answer::Unreadable(why) => panic!("{of}: {why}"),
        }
    }
    let names: BTreeSet<&str> = entries.iter().map(|entry| entry.name.as_str()).collect();
    let model = Model::load();
    for message in &model.messages {
        assert!(
            names.contains(message.name.as_str()),
            "no bytes of {} on record",
            message.name
        );
    }
}

fn entries() -> Vec<Entry> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors");
    let mut entries = Vec::new();
    for file in fs::read_dir(folder).expect("a whole checkout") {
        let path = file.expect("a readable folder").path();
        let text = fs::read_to_string(&path).expect("a readable file");
        let lines: Vec<&str> = text.lines().collect();
        for entry in lines.chunks(3) {
            let [title, bytes, _] = entry else {
                panic!("{}: three lines an entry", path.display());
            };
            let (name, version) = title.split_once(" v").expect("a message and its version");
            entries.push(Entry {
                name: name.to_owned(),
                version: version.parse().expect("a number"),
                bytes: from_hex(bytes),
            });
        }
    }
    entries
}

fn from_hex(text: &str) -> Vec<u8> {
    let digits = |at: usize| u8::from_str_radix(&text[at..at + 2], 16).expect("hexadecimal");
    (0..text.len()).step_by(2).map(digits).collect()
}
