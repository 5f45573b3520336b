//! Tagged fields: those of later versions are passed over wherever they stand, and what cannot be is refused (W6).

use bytes::Bytes;
use milena_wire::DecodeErrorKind;

use crate::support::*;

fn every_flexible_version() -> impl Iterator<Item = (&'static Message, i16)> {
    every_version().filter(|(message, version)| message.is_flexible(*version))
}

/// A message with two unknown fields at the end of every struct.
fn with_two_unknown(message: &Message, version: i16, seed: u64) -> (Value, Encoded) {
    let value = generate(model(), &message.name, version, &mut Choices::seeded(seed));
    let encoded = encode_with_unknown_tags(model(), &message.name, version, &value, 2);
    (value, encoded)
}

#[test]
fn tagged_fields_of_later_versions_are_skipped_on_every_level() {
    let mut deepest = 0;
    for (message, version) in every_flexible_version() {
        for seed in 0..3 {
            let (value, encoded) = with_two_unknown(message, version, seed);
            deepest = encoded
                .marks
                .iter()
                .fold(deepest, |d, mark| d.max(mark.depth));
            let known = encode(model(), &message.name, version, &value);
            assert!(encoded.bytes.len() > known.bytes.len());
            let body = Bytes::from(encoded.bytes);
            let decoded =
                Decoded::decode(message, version, &body).unwrap_or_else(|error| panic!("{error}"));
            assert_eq!(decoded.text(), value.text(model(), &message.name));
            assert_eq!(decoded.encode(message, version), Ok(known.bytes));
        }
    }
    assert!(deepest >= 4, "{deepest}");
}

/// The places of two tags of the same struct, one after the other.
fn neighbours(encoded: &Encoded) -> Vec<(&Mark, &Mark)> {
    let tags = encoded
        .marks
        .iter()
        .filter(|mark| mark.kind == MarkKind::Tag);
    let tags: Vec<&Mark> = tags.collect();
    let unknown = |mark: &Mark| mark.value >= 10_000;
    let pairs = tags.windows(2).map(|pair| (pair[0], pair[1]));
    pairs
        .filter(|(one, next)| unknown(one) && unknown(next) && one.value < next.value)
        .collect()
}

fn refused(message: &Message, version: i16, bytes: Vec<u8>) -> DecodeErrorKind {
    let body = Bytes::from(bytes);
    let error = Decoded::decode(message, version, &body).expect_err("must be refused");
    assert_eq!(error.message, Some(&*message.name));
    assert_eq!(error.version.0, version);
    error.kind
}

/// W6: the same tag twice, and tags that fall.
#[test]
fn tags_that_repeat_or_fall_are_refused_on_every_level() {
    let mut levels = std::collections::BTreeSet::new();
    for (message, version) in every_flexible_version() {
        let (_, encoded) = with_two_unknown(message, version, 1);
        for (one, next) in neighbours(&encoded) {
            levels.insert(one.depth);
            for tag in [one.value, one.value - 1] {
                let mut bytes = encoded.bytes.clone();
                bytes.splice(next.at.clone(), next.say(tag));
                let kind = refused(message, version, bytes);
                assert_eq!(kind, DecodeErrorKind::TagOrder { tag }, "{}", message.name);
            }
        }
    }
    assert!(levels.len() >= 4, "{levels:?}");
}

/// W6: 2^31 tagged fields, and sizes beyond the end.
#[test]
fn tagged_fields_without_number_or_size_are_refused_on_every_level() {
    for (message, version) in every_flexible_version() {
        let (_, encoded) = with_two_unknown(message, version, 2);
        for mark in &encoded.marks {
            let (lies, kind): (&[u32], _) = match mark.kind {
                MarkKind::TagCount => (&[1 << 31, u32::MAX], "elements announced"),
                MarkKind::TagSize => (&[1 << 31, u32::MAX], "the bytes end here"),
                _ => continue,
            };
            for lie in lies {
                let mut bytes = encoded.bytes.clone();
                bytes.splice(mark.at.clone(), mark.say(*lie));
                let found = refused(message, version, bytes).to_string();
                assert!(found.contains(kind), "{}: {found}", message.name);
            }
        }
    }
}

/// A field that is read but not to its end, or beyond it, would shift all that follows.
#[test]
fn known_tagged_fields_must_fill_their_size() {
    let mut tried = 0;
    for (message, version) in every_flexible_version() {
        let value = generate(model(), &message.name, version, &mut Choices::seeded(5));
        let encoded = encode(model(), &message.name, version, &value);
        for mark in encoded
            .marks
            .iter()
            .filter(|mark| mark.kind == MarkKind::TagSize)
        {
            for size in [mark.value + 1, mark.value - 1] {
                let mut bytes = encoded.bytes.clone();
                // Enough that the size does not reach beyond the end.
                bytes.extend([0; 4]);
                bytes.splice(mark.at.clone(), mark.say(size));
                let kind = refused(message, version, bytes);
                assert!(
                    matches!(kind, DecodeErrorKind::TaggedFieldSize { .. }),
                    "{kind}"
                );
                tried += 1;
            }
        }
    }
    assert!(tried > 50, "{tried}");
}

/// The default of a tagged field may be written out: it is read all the same, and left out again.
#[test]
fn a_tagged_field_that_says_its_default_is_read() {
    let message = model().message("ApiVersionsResponse");
    // Error 0, no APIs, no throttling, then two fields: epoch -1 and migration not ready.
    let mut bytes = vec![0, 0, 1, 0, 0, 0, 0, 2, 1, 8];
    bytes.extend([0xff; 8]);
    bytes.extend([3, 1, 0]);
    let body = Bytes::from(bytes);
    let decoded = Decoded::decode(message, 3, &body).expect("well formed");
    assert_eq!(decoded, Decoded::default_of(message));
    assert_eq!(decoded.encode(message, 3), Ok(vec![0, 0, 1, 0, 0, 0, 0, 0]));
}
