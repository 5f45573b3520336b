//! A value that came in one version goes out in another: it arrives but for what that version has no room for, or it is refused because
//! that would change its meaning.

use bytes::Bytes;
use milena_wire::{ApiVersion, DecodeErrorKind, EncodeError, EncodeErrorKind};

use crate::support::*;

/// Messages that are plain but for one field, each away from its default or null, however deep it is.
fn spotlights(name: &str, version: i16, choices: &mut Choices<'_>) -> Vec<Value> {
    let plain = generate(model(), name, version, &mut Choices::from_bytes(&[]));
    let mut found = Vec::new();
    for (index, field) in model().fields(name).iter().enumerate() {
        if !field.versions.contains(version) {
            continue;
        }
        let mut light = |value| {
            let mut values = plain.values().to_vec();
            values[index] = value;
            found.push(Value::Struct(values));
        };
        light(sample(model(), field, version, choices));
        if field.is_nullable(version) && model().default_of(field) != Value::Null {
            light(Value::Null);
        }
        if let Kind::Struct(inner) = &field.kind {
            for value in spotlights(inner, version, choices) {
                light(if field.list {
                    Value::List(vec![value])
                } else {
                    value
                });
            }
        }
    }
    found
}

#[derive(Default)]
struct Outcomes {
    arrived: usize,
    arrived_in_part: usize,
    not_in_version: usize,
    null_not_allowed: usize,
}

impl Outcomes {
    /// `value`, decoded from `from`, is sent in `to`.
    fn send(&mut self, message: &Message, decoded: &Decoded<'_>, value: &Value, to: i16) {
        let name = &message.name;
        let expected = encode(model(), name, to, value);
        let bytes = match decoded.encode(message, to) {
            Ok(bytes) => bytes,
            Err(error) => return self.refused(message, &error, &expected, to),
        };
        assert!(
            expected.losses.is_empty(),
            "{name} v{to}: {:?}",
            expected.losses
        );
        assert_eq!(bytes, expected.bytes, "{name} v{to}");
        let left = carry(model(), name, to, value);
        self.arrived += 1;
        self.arrived_in_part += usize::from(left != *value);
        let body = Bytes::from(bytes);
        let read = Decoded::decode(message, to, &body).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(read.text(), left.text(model(), name), "{name} v{to}");
    }

    fn refused(&mut self, message: &Message, error: &EncodeError, expected: &Encoded, to: i16) {
        let kind = match error.kind {
            EncodeErrorKind::NotInVersion => LossKind::NotInVersion,
            EncodeErrorKind::NullNotAllowed => LossKind::NullNotAllowed,
            _ => panic!("{error}"),
        };
        let found = expected.losses.iter();
        let mut found = found.filter(|loss| loss.kind == kind && loss.field == error.field);
        assert!(found.next().is_some(), "{error}: {:?}", expected.losses);
        assert_eq!(error.message, message.name);
        assert_eq!(error.version, ApiVersion(to));
        match kind {
            LossKind::NotInVersion => self.not_in_version += 1,
            LossKind::NullNotAllowed => self.null_not_allowed += 1,
        }
    }
}

fn send_to_all_versions(outcomes: &mut Outcomes, message: &Message, from: i16, value: &Value) {
    let body = Bytes::from(encode(model(), &message.name, from, value).bytes);
    let decoded = Decoded::decode(message, from, &body).unwrap_or_else(|error| panic!("{error}"));
    for to in message.versions.iter() {
        outcomes.send(message, &decoded, value, to);
    }
}

#[test]
fn one_field_alone_arrives_or_is_refused_in_every_other_version() {
    let mut outcomes = Outcomes::default();
    for (message, from) in every_version() {
        let mut choices = Choices::seeded(from.unsigned_abs().into());
        for value in spotlights(&message.name, from, &mut choices) {
            send_to_all_versions(&mut outcomes, message, from, &value);
        }
    }
    // None of these outcomes may become so rare that it is tested no longer.
    assert!(outcomes.arrived > 10_000, "{}", outcomes.arrived);
    assert!(
        outcomes.arrived_in_part > 1_000,
        "{}",
        outcomes.arrived_in_part
    );
    assert!(
        outcomes.not_in_version > 1_000,
        "{}",
        outcomes.not_in_version
    );
    assert!(
        outcomes.null_not_allowed > 20,
        "{}",
        outcomes.null_not_allowed
    );
}

#[test]
fn random_values_arrive_or_are_refused_in_every_other_version() {
    let mut outcomes = Outcomes::default();
    for (message, from) in every_version() {
        for seed in 0..cases(2) as u64 {
            let value = generate(model(), &message.name, from, &mut Choices::seeded(seed));
            send_to_all_versions(&mut outcomes, message, from, &value);
        }
    }
    assert!(outcomes.arrived > 500 && outcomes.not_in_version > 500);
}

#[test]
fn versions_out_of_range_are_refused_both_ways_and_named() {
    for message in &model().messages {
        let (min, max) = (message.versions.min, message.versions.max.expect("an end"));
        for version in [min - 1, max + 1, i16::MAX, i16::MIN] {
            let body = Bytes::from_static(&[0; 100]);
            let error = Decoded::decode(message, version, &body);
            let error = error.expect_err("not in range");
            assert!(
                matches!(error.kind, DecodeErrorKind::UnsupportedVersion(range)
                if (range.min.0, range.max.0) == (min, max))
            );
            assert_eq!(error.message, Some(&*message.name));
            assert_eq!(error.version.0, version);
            let error = Decoded::default_of(message).encode(message, version);
            let error = error.expect_err("not in range");
            assert!(matches!(error.kind, EncodeErrorKind::UnsupportedVersion(_)));
            assert_eq!((error.message, error.version.0), (&*message.name, version));
        }
    }
}
