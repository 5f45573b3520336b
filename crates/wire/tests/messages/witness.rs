//! The crate `kafka-protocol`, generated from Kafka's schemas by other people, as second witness: it must read our bytes to the end, find the
//! same values under the same names, and write the same bytes again.

use bytes::{Bytes, BytesMut};
use fastrand::Rng;
use kafka_protocol::protocol::{Decodable, Encodable, Message as TheirMessage};
use milena_wire::Message;

use crate::kinds::{Check, Kind, encode_body, for_each_kind};
use crate::random::Random;

const ROUNDS: usize = 50;

/// What `kafka-protocol` has in addition: unknown tagged fields, and the fields of InitProducerId v6, which is not stable yet.
const NOT_OURS: [&str; 5] = [
    "unknown_tagged_fields",
    "enable_2_pc",
    "keep_prepared_txn",
    "ongoing_txn_producer_id",
    "ongoing_txn_producer_epoch",
];

struct Witness {
    random: Rng,
    versions: usize,
    values: usize,
}

impl Check for Witness {
    fn check<K: Kind>(&mut self) {
        let name = <K::Of<'_> as Message>::NAME;
        let known = K::Theirs::VERSIONS;
        for version in <K::Of<'_> as Message>::VERSIONS
            .iter()
            .filter(|v| known.min <= v.0 && v.0 <= known.max)
        {
            self.versions += 1;
            for _ in 0..ROUNDS {
                let message = K::Of::random(&mut self.random, version.0);
                let bytes = encode_body(&message, version);
                let mut rest = bytes.clone();
                let theirs = match K::Theirs::decode(&mut rest, version.0) {
                    Ok(theirs) if rest.is_empty() => theirs,
                    Ok(_) => panic!("{name} {version}: {} bytes left over", rest.len()),
                    Err(error) => panic!("{name} {version}: {error}"),
                };
                self.values += compare(&format!("{message:?}"), &format!("{theirs:?}"), name);
                let mut again = BytesMut::new();
                theirs
                    .encode(&mut again, version.0)
                    .unwrap_or_else(|error| panic!("{name} {version}: {error}"));
                assert_eq!(Bytes::from(again), bytes, "{name} {version}");
            }
        }
    }
}

#[test]
fn another_implementation_reads_and_writes_the_same_bytes() {
    let mut witness = Witness {
        random: Rng::with_seed(9),
        versions: 0,
        values: 0,
    };
    for_each_kind(&mut witness);
    // All but ListOffsets v11 and OffsetFetch v10, of which it does not know.
    assert!(
        witness.versions > 200 && witness.values > 100_000,
        "{} {}",
        witness.versions,
        witness.values
    );
}

/// Compares names and values in two debug texts, as far as both implementations show them alike.
fn compare(ours: &str, theirs: &str, name: &str) -> usize {
    let (ours, theirs) = (fields(ours), fields(theirs));
    let names = |fields: &[Field]| {
        fields
            .iter()
            .map(|field| field.name.clone())
            .collect::<Vec<_>>()
    };
    assert_eq!(names(&ours), names(&theirs), "{name}");
    for (our, their) in ours.iter().zip(&theirs) {
        // Ids and records are shown differently; both were compared as bytes.
        let shown_alike =
            !["topic_id", "replica_directory_id", "records"].contains(&our.name.as_str());
        // What is null by default here is empty by default there.
        let default =
            our.values == ["None"] && (their.values.is_empty() || their.values == ["\"\""]);
        if shown_alike && !default {
            assert_eq!(our.values, their.values, "{name}.{}", our.name);
        }
    }
    ours.len()
}

struct Field {
    name: String,
    values: Vec<String>,
}

/// The fields in a debug text, in order, each with the plain values up to the next field. Names of types are left out.
fn fields(text: &str) -> Vec<Field> {
    let mut fields: Vec<Field> = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let len = match first {
            '"' => string_len(rest),
            c if is_word(c) => rest.find(|c| !is_word(c)).unwrap_or(rest.len()),
            c => c.len_utf8(),
        };
        let (token, after) = rest.split_at(len);
        let type_name = after.starts_with([' ', '(']) && after.trim_start().starts_with(['{', '(']);
        if after.starts_with(':') {
            fields.push(Field {
                name: token.to_owned(),
                values: Vec::new(),
            });
        } else if (first == '"' || is_word(first)) && !type_name {
            let field = fields.last_mut().expect("values belong to a field");
            field.values.push(token.to_owned());
        }
        rest = after;
    }
    fields.retain(|field| !NOT_OURS.contains(&field.name.as_str()));
    fields
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_' || c == '-'
}

fn string_len(text: &str) -> usize {
    let mut escaped = false;
    for (index, c) in text.char_indices().skip(1) {
        match c {
            '"' if !escaped => return index + 1,
            _ => escaped = c == '\\' && !escaped,
        }
    }
    text.len()
}
