//! Bytes that no honest peer sends: errors that say where, never panics, never a value that was not sent.

use bytes::Bytes;
use fastrand::Rng;
use milena_wire::messages::{AnyRequest, AnyResponse};
use milena_wire::{
    ApiKey, ApiVersion, DecodeError, DecodeErrorKind, Reader, decode_any_request,
    decode_any_response,
};

use crate::forge::forgeries;
use crate::support::*;

/// An error of a message must name it, its version, a field and a place in the bytes.
pub(crate) fn check_error(error: &DecodeError, message: &Message, version: i16, len: usize) {
    assert_eq!(error.message, Some(&*message.name), "{error}");
    assert_eq!(error.version.0, version, "{error}");
    assert!(!error.field.is_empty() && error.position <= len, "{error}");
}

fn read(message: &Message, version: i16, body: &Bytes) -> Result<(), DecodeError> {
    let outcome = Decoded::decode(message, version, body).map(|_| ());
    if let Err(error) = &outcome {
        check_error(error, message, version, body.len());
    }
    outcome
}

/// A random message's bytes, not so many that the tests take long.
fn sample_bytes(message: &Message, version: i16, first_seed: u64) -> Encoded {
    let values = (first_seed..first_seed + 50).map(|seed| {
        let value = generate(model(), &message.name, version, &mut Choices::seeded(seed));
        encode(model(), &message.name, version, &value)
    });
    let best = |encoded: &Encoded| match encoded.bytes.len() {
        len @ 0..=250 => 250 - len,
        len => len,
    };
    values.min_by_key(best).expect("some")
}

/// Within a message all bytes count: there is no prefix of it that is a message too.
#[test]
fn every_truncation_of_every_message_is_an_error() {
    for (message, version) in every_version() {
        let body = Bytes::from(sample_bytes(message, version, 0).bytes);
        for len in 0..body.len() {
            let outcome = read(message, version, &body.slice(..len));
            assert!(
                outcome.is_err(),
                "{} v{version}: {len} of {}",
                message.name,
                body.len()
            );
        }
    }
}

/// W7, W8, and the lengths and counts of the table of what aborts others: each length, count, tag and size of each message in turn.
#[test]
fn a_lie_about_any_length_or_count_is_refused_where_it_stands() {
    let mut told = 0;
    for (message, version) in every_version() {
        let encoded = sample_bytes(message, version, 50);
        for mark in &encoded.marks {
            for (lie, expected) in forgeries(mark, encoded.bytes.len()) {
                let end = mark.at.start + lie.len();
                let mut bytes = encoded.bytes.clone();
                bytes.splice(mark.at.clone(), lie);
                // A tagged field around it must not become too long for the frame.
                bytes.extend([0; 8]);
                let error = read(message, version, &Bytes::from(bytes));
                let error = error.expect_err("a lie");
                assert!(expected.is(&error.kind), "{error}, not {expected:?}");
                assert_eq!(error.field, mark.field, "{error}");
                assert!((mark.at.start..=end).contains(&error.position), "{error}");
                told += 1;
            }
        }
    }
    assert!(told > 20_000, "{told}");
}

/// W8, to the item: a list that the bytes left could just hold is read until they end, one more is not begun.
#[test]
fn a_list_of_one_item_more_than_the_bytes_left_can_hold_is_refused() {
    let mut refused = 0;
    for (message, version) in every_version() {
        let encoded = sample_bytes(message, version, 50);
        for mark in &encoded.marks {
            let Some(of) = &mark.of else { continue };
            let room = encoded.bytes.len() - mark.at.end;
            let most = room / model().bytes_min(of, version, mark.compact);
            let count = u32::try_from(most + 1).expect("short");
            let mut bytes = encoded.bytes.clone();
            bytes.splice(mark.at.clone(), mark.say(count));
            let error = read(message, version, &Bytes::from(bytes)).expect_err("a lie");
            let too_large = DecodeErrorKind::CountTooLarge { count, room };
            assert_eq!(
                (error.kind, error.field),
                (too_large, &*mark.field),
                "{error}"
            );
            refused += 1;
        }
    }
    assert!(refused > 1_000, "{refused}");
}

/// W9: a byte that UTF-8 has not, at either end of any string.
#[test]
fn strings_that_are_not_utf_8_are_refused() {
    let mut tried = 0;
    for (message, version) in every_version() {
        let encoded = sample_bytes(message, version, 100);
        let texts = encoded
            .marks
            .iter()
            .filter(|mark| mark.kind == MarkKind::TextLength);
        for text in texts.filter(|text| text.value > 0) {
            let end = text.at.end + text.value as usize;
            for (at, byte) in [(text.at.end, 0xff), (end - 1, 0xc3)] {
                let mut bytes = encoded.bytes.clone();
                bytes[at] = byte;
                let error = read(message, version, &Bytes::from(bytes)).expect_err("no text");
                assert_eq!(error.kind, DecodeErrorKind::InvalidUtf8, "{error}");
                assert_eq!(
                    (error.field, error.position),
                    (&*text.field, end),
                    "{error}"
                );
                tried += 1;
            }
        }
    }
    assert!(tried > 1_000, "{tried}");
}

/// W5: bytes left over, in the frame of every message.
#[test]
fn bytes_left_over_are_refused() {
    for (message, version) in every_version() {
        let bytes = sample_bytes(message, version, 150).bytes;
        for left in [1, 5] {
            let mut longer = bytes.clone();
            longer.extend(vec![0; left]);
            let error = read(message, version, &Bytes::from(longer)).expect_err("too long");
            assert_eq!(error.kind, DecodeErrorKind::TrailingBytes(left), "{error}");
            assert_eq!(error.position, bytes.len(), "{error}");
        }
    }
}

/// W4: the right correlation id on another API's answer. Some small ones cannot be told apart; what is read then is what the bytes say.
#[test]
fn another_apis_body_is_refused_or_can_be_read_as_it_stands() {
    let responses = || {
        model()
            .messages
            .iter()
            .filter(|m| m.key.is_some() && m.response.is_none())
    };
    let (mut refused, mut read) = (0, 0);
    for sent in responses() {
        let version = sent.versions.max.expect("an end");
        let body = sample_bytes(sent, version, 200).bytes;
        for expected in responses().filter(|other| other.key != sent.key) {
            let version = expected.versions.max.expect("an end");
            let key = ApiKey(expected.key.expect("a response"));
            let flexible = expected.is_flexible(version) && key != ApiKey::API_VERSIONS;
            let mut frame = vec![0, 0, 0, 7];
            frame.extend(vec![0; usize::from(flexible)]);
            frame.extend(&body);
            match decode_any_response(&Bytes::from(frame.clone()), key, ApiVersion(version)) {
                Ok((correlation_id, _)) => {
                    assert_eq!(correlation_id.0, 7);
                    read += 1;
                }
                Err(error) => {
                    check_error(&error, expected, error.version.0, frame.len());
                    refused += 1;
                }
            }
        }
    }
    assert!(refused > 50 * read, "{refused} refused, {read} read");
}

#[test]
fn counts_and_lengths_of_any_size_at_any_place_are_survived() {
    // Were one believed, the test would ask for up to 2^31 structs at once.
    let lies: [&[u8]; 6] = [
        &[0x7f, 0xff, 0xff, 0xff],
        &[0xff, 0xff, 0xff, 0xff],
        &[0x80, 0, 0, 0],
        &[0xff, 0xff, 0xff, 0xff, 0x0f],
        &[0xff, 0xff, 0xff, 0x07],
        &[0xff, 0x7f],
    ];
    for (message, version) in every_version() {
        let bytes = sample_bytes(message, version, 250).bytes;
        for position in (0..bytes.len()).step_by(5) {
            for lie in lies {
                let mut forged = bytes.clone();
                let end = bytes.len().min(position + lie.len());
                forged[position..end].copy_from_slice(&lie[..end - position]);
                // What it reads as does not matter.
                let _ = read(message, version, &Bytes::from(forged));
            }
        }
    }
}

#[test]
fn random_mutations_of_every_message_are_survived() {
    let mut random = Rng::with_seed(6);
    for (message, version) in every_version() {
        let bytes = sample_bytes(message, version, 300).bytes;
        for _ in 0..if bytes.is_empty() { 0 } else { cases(80) } {
            let mut mutated = bytes.clone();
            for _ in 0..random.usize(1..4) {
                mutated[random.usize(..bytes.len())] = random.u8(..);
            }
            let _ = read(message, version, &Bytes::from(mutated));
        }
    }
}

#[test]
fn noise_is_survived() {
    let mut random = Rng::with_seed(7);
    for (message, version) in every_version() {
        for _ in 0..cases(60) {
            let small = random.bool();
            let byte = |_| if small { random.u8(..4) } else { random.u8(..) };
            let noise: Vec<u8> = (0..100).map(byte).collect();
            let noise = Bytes::from(noise);
            let _ = read(message, version, &noise.slice(random.usize(..100)..));
        }
    }
}

/// The most that is taken from a stranger: a whole frame of noise, the header included. Two bytes of it make another crate panic.
#[test]
fn requests_of_noise_are_survived() {
    let mut random = Rng::with_seed(8);
    let (mut known, mut unknown) = (0, 0);
    for _ in 0..cases(20_000) {
        let mut noise: Vec<u8> = (0..random.usize(..60)).map(|_| random.u8(..8)).collect();
        // Often enough an API that is known.
        if let [high, low, version_high, ..] = &mut noise[..] {
            (*high, *low, *version_high) = (0, random.u8(..100), 0);
        }
        let frame = Bytes::from(noise);
        let Err(error) = decode_any_request(&frame) else {
            continue;
        };
        assert!(!error.field.is_empty() && error.position <= frame.len());
        match error.kind {
            DecodeErrorKind::UnknownApi(_) => unknown += 1,
            _ => known += 1,
        }
    }
    assert!(known > 1_000 && unknown > 500, "{known} {unknown}");
}

#[test]
fn an_api_that_is_not_there_is_an_error_with_its_number() {
    let body = Bytes::from_static(&[0; 20]);
    for key in (-5..200).filter(|key| !ApiKey::ALL.contains(&ApiKey(*key))) {
        let mut reader = Reader::new(&body);
        let request = AnyRequest::decode(ApiKey(key), &mut reader, ApiVersion(0));
        let response = AnyResponse::decode(ApiKey(key), &mut reader, ApiVersion(0));
        for error in [
            request.expect_err("unknown"),
            response.expect_err("unknown"),
        ] {
            assert_eq!(error.kind, DecodeErrorKind::UnknownApi(key));
        }
        assert_eq!(AnyRequest::default_of(ApiKey(key)), None);
        assert_eq!(AnyResponse::default_of(ApiKey(key)), None);
    }
}

/// W14: whether ids and epochs make sense is for the client to judge, which must see them as they came.
#[test]
fn odd_producer_ids_and_epochs_come_through_as_they_are() {
    let fields = ["producer_id", "producer_epoch"];
    for name in ["InitProducerIdResponse", "EndTxnResponse"] {
        let message = model().message(name);
        let version = message.versions.max.expect("an end");
        for numbers in [[-1, -1], [0, 32767], [i64::MIN, -32768], [i64::MAX, 0]] {
            let Value::Struct(mut values) = model().default_struct(name) else {
                continue;
            };
            for (field, number) in fields.iter().zip(numbers) {
                let declared = model().fields(name);
                let index = declared.iter().position(|other| other.name == *field);
                values[index.expect("declared")] = Value::Int(number);
            }
            let value = Value::Struct(values);
            crate::round_trip::round_trip(message, version, &value).expect("any number");
        }
    }
}
