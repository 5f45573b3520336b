//! What is written is read back, and is what the protocol says.

use bytes::Bytes;
use proptest::prelude::{ProptestConfig, any};
use proptest::test_runner::{RngAlgorithm, TestCaseError, TestRng, TestRunner};

use crate::coverage::Coverage;
use crate::support::*;

/// Bytes by the protocol's rules must be read as the value they were made from, every field under its own name, and be written again byte
/// for byte.
pub(crate) fn round_trip(message: &Message, version: i16, value: &Value) -> Result<(), String> {
    let encoded = encode(model(), &message.name, version, value);
    assert!(encoded.losses.is_empty(), "{:?}", encoded.losses);
    let body = Bytes::from(encoded.bytes);
    let decoded =
        Decoded::decode(message, version, &body).map_err(|error| format!("{error}; {body:?}"))?;
    let (read, meant) = (decoded.text(), value.text(model(), &message.name));
    if read != meant {
        return Err(format!("read {read}\nfor {meant}"));
    }
    match decoded.encode(message, version) {
        Ok(again) if again == body => Ok(()),
        Ok(again) => Err(format!("wrote {again:02x?}\nfor {body:02x?}: {read}")),
        Err(error) => Err(format!("{error}: {read}")),
    }
}

#[test]
fn random_values_of_every_message_round_trip_in_every_version() {
    for (message, version) in every_version() {
        let config = ProptestConfig {
            cases: u32::try_from(cases(50)).expect("few"),
            failure_persistence: None,
            ..ProptestConfig::default()
        };
        let random = TestRng::deterministic_rng(RngAlgorithm::XorShift);
        let mut runner = TestRunner::new_with_rng(config, random);
        let choices = proptest::collection::vec(any::<u8>(), 0..200);
        let outcome = runner.run(&choices, |bytes| {
            let mut choices = Choices::from_bytes(&bytes);
            let value = generate(model(), &message.name, version, &mut choices);
            round_trip(message, version, &value).map_err(TestCaseError::fail)
        });
        outcome.unwrap_or_else(|error| panic!("{} v{version}: {error}", message.name));
    }
}

/// Each field is seen away from its default, null where it may be, tagged and not, in lists of none and of several.
#[test]
fn every_field_round_trips_in_all_its_forms() {
    for (message, version) in every_version() {
        let mut coverage = Coverage::default();
        let mut missing = vec![String::new()];
        for seed in 0..cases(2000) as u64 {
            if missing.is_empty() && seed >= cases(20) as u64 {
                break;
            }
            let value = generate(model(), &message.name, version, &mut Choices::seeded(seed));
            round_trip(message, version, &value)
                .unwrap_or_else(|error| panic!("{} v{version}: {error}", message.name));
            coverage.add(model(), &message.name, &value);
            missing = coverage.missing(model(), &message.name, version);
        }
        assert!(
            missing.is_empty(),
            "{} v{version}: {missing:?}",
            message.name
        );
    }
}

/// Were the values tame, the tests above would say little.
#[test]
fn random_values_stand_on_the_edges_of_what_can_be_written() {
    let mut wild = Wild::default();
    for (message, version) in every_version() {
        for seed in 0..40 {
            let value = generate(model(), &message.name, version, &mut Choices::seeded(seed));
            wild.look(model(), &message.name, &value);
        }
    }
    for length in 125..=129 {
        assert!(wild.texts.contains(&length), "{:?}", wild.texts);
        assert!(wild.bytes.contains(&length), "{:?}", wild.bytes);
        assert!(wild.lists.contains(&length), "{:?}", wild.lists);
    }
    let edges = [
        i8::MIN.into(),
        i16::MIN.into(),
        i32::MIN.into(),
        i64::MIN,
        u16::MAX.into(),
    ];
    for number in edges.iter().chain(&[i64::MAX, i32::MAX.into(), 0, -1]) {
        assert!(wild.numbers.contains(number), "{number}");
    }
}

#[derive(Default)]
struct Wild {
    texts: std::collections::BTreeSet<usize>,
    bytes: std::collections::BTreeSet<usize>,
    lists: std::collections::BTreeSet<usize>,
    numbers: std::collections::BTreeSet<i64>,
}

impl Wild {
    fn look(&mut self, model: &Model, name: &str, value: &Value) {
        for (field, value) in model.fields(name).iter().zip(value.values()) {
            match value {
                Value::Text(text) => _ = self.texts.insert(text.len()),
                Value::Bytes(bytes) => _ = self.bytes.insert(bytes.len()),
                Value::Int(number) => _ = self.numbers.insert(*number),
                Value::List(items) => {
                    self.lists.insert(items.len());
                    if let Kind::Struct(inner) = &field.kind {
                        items.iter().for_each(|item| self.look(model, inner, item));
                    }
                }
                _ => (),
            }
        }
    }
}

#[test]
fn defaults_are_those_declared_and_can_be_sent_where_the_version_can_carry_them() {
    let mut refused = Vec::new();
    for message in &model().messages {
        let default = Decoded::default_of(message);
        let declared = model().default_struct(&message.name);
        assert_eq!(default.text(), declared.text(model(), &message.name));
        for version in message.versions.iter() {
            let expected = encode(model(), &message.name, version, &declared);
            match default.encode(message, version) {
                Ok(bytes) => {
                    assert_eq!(bytes, expected.bytes, "{} v{version}", message.name);
                    assert!(expected.losses.is_empty(), "{:?}", expected.losses);
                    let body = Bytes::from(bytes);
                    let read = Decoded::decode(message, version, &body);
                    assert_eq!(read.as_ref(), Ok(&default), "{} v{version}", message.name);
                }
                Err(error) => {
                    assert!(!expected.losses.is_empty(), "{error}");
                    refused.push(error.to_string());
                }
            }
        }
    }
    // A default of null where an older version has no null.
    let nulls = refused.iter().filter(|error| error.contains("null"));
    assert_eq!(nulls.count(), refused.len(), "{refused:?}");
}

/// Numbers that lie in the frame are equal to the same numbers in a list, so a message that was read equals one that was made.
#[test]
fn what_was_read_equals_what_was_read_from_elsewhere() {
    for (message, version) in every_version() {
        let value = generate(model(), &message.name, version, &mut Choices::seeded(3));
        let body = Bytes::from(encode(model(), &message.name, version, &value).bytes);
        let elsewhere = Bytes::copy_from_slice(&body);
        let one = Decoded::decode(message, version, &body);
        let other = Decoded::decode(message, version, &elsewhere);
        assert_eq!(one, other);
    }
}
