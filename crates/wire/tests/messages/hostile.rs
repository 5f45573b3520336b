//! Bytes that no honest peer sends: errors, never panics, never memory for what is not there.

use bytes::{Bytes, BytesMut};
use fastrand::Rng;
use milena_wire::{ApiVersion, DecodeError, Message, Reader, decode_request_header};

use crate::kinds::{Check, Kind, decode_body, encode_body, for_each_kind};
use crate::random::Random;

type Outcome = Result<(), DecodeError>;

/// A random message's bytes in every version, given to `attack`.
struct Attack<F>(Rng, F);

impl<F: FnMut(&mut Rng, &Bytes, &dyn Fn(&Bytes) -> Outcome)> Check for Attack<F> {
    fn check<K: Kind>(&mut self) {
        for version in <K::Of<'_> as Message>::VERSIONS.iter() {
            let message = K::Of::random(&mut self.0, version.0);
            let bytes = encode_body(&message, version);
            (self.1)(&mut self.0, &bytes, &|bytes| read::<K>(bytes, version));
        }
    }
}

fn read<K: Kind>(bytes: &Bytes, version: ApiVersion) -> Outcome {
    let outcome = decode_body::<K::Of<'_>>(bytes, version).map(|_| ());
    if let Err(error) = &outcome {
        assert_eq!(error.message, Some(<K::Of<'_> as Message>::NAME));
        assert_eq!(error.version, version);
        assert!(
            error.position <= bytes.len() && !error.field.is_empty(),
            "{error}"
        );
    }
    outcome
}

#[test]
fn every_truncation_of_every_message_is_an_error() {
    for_each_kind(&mut Attack(
        Rng::with_seed(4),
        |_: &mut Rng, bytes: &Bytes, read: &dyn Fn(&Bytes) -> Outcome| {
            for len in 0..bytes.len() {
                assert!(
                    read(&bytes.slice(..len)).is_err(),
                    "{len} of {}",
                    bytes.len()
                );
            }
        },
    ));
}

#[test]
fn counts_and_lengths_of_any_size_at_any_place_are_survived() {
    // Were one believed, the test would ask for up to 2^31 structs at once.
    let lies: [&[u8]; 8] = [
        &[0x7f, 0xff, 0xff, 0xff],
        &[0xff, 0xff, 0xff, 0xff],
        &[0x80, 0, 0, 0],
        &[0x7f, 0xff],
        &[0xff, 0xff, 0xff, 0xff, 0x0f],
        &[0xff, 0xff, 0xff, 0xff, 0xff],
        &[0xff, 0xff, 0xff, 0x07],
        &[0xff, 0x7f],
    ];
    for_each_kind(&mut Attack(
        Rng::with_seed(5),
        |_: &mut Rng, bytes: &Bytes, read: &dyn Fn(&Bytes) -> Outcome| {
            for position in 0..bytes.len() {
                for lie in lies {
                    let mut bytes = BytesMut::from(&bytes[..]);
                    let end = bytes.len().min(position + lie.len());
                    bytes[position..end].copy_from_slice(&lie[..end - position]);
                    // What it reads as does not matter.
                    let _ = read(&bytes.freeze());
                }
            }
        },
    ));
}

#[test]
fn random_mutations_of_every_message_are_survived() {
    for_each_kind(&mut Attack(
        Rng::with_seed(6),
        |random: &mut Rng, bytes: &Bytes, read: &dyn Fn(&Bytes) -> Outcome| {
            for _ in 0..if bytes.is_empty() { 0 } else { 1000 } {
                let mut bytes = BytesMut::from(&bytes[..]);
                for _ in 0..random.usize(1..4) {
                    let position = random.usize(..bytes.len());
                    bytes[position] = random.u8(..);
                }
                let _ = read(&bytes.freeze());
            }
        },
    ));
}

#[test]
fn noise_is_survived() {
    for_each_kind(&mut Attack(
        Rng::with_seed(7),
        |random: &mut Rng, _: &Bytes, read: &dyn Fn(&Bytes) -> Outcome| {
            for _ in 0..300 {
                let len = random.usize(..200);
                let small = random.bool();
                let noise: Vec<u8> = (0..len)
                    .map(|_| if small { random.u8(..4) } else { random.u8(..) })
                    .collect();
                let _ = read(&Bytes::from(noise));
            }
        },
    ));
}

#[test]
fn request_headers_of_noise_are_survived() {
    let mut random = Rng::with_seed(8);
    for _ in 0..20_000 {
        let mut noise: Vec<u8> = (0..random.usize(..40)).map(|_| random.u8(..)).collect();
        // Often enough an API that is known.
        if let [high, low, version_high, ..] = &mut noise[..] {
            (*high, *low, *version_high) = (0, *low & 0x1f, 0);
        }
        let frame = Bytes::from(noise);
        let mut reader = Reader::new(&frame);
        let _ = decode_request_header(&mut reader);
        assert!(reader.position() <= frame.len());
    }
}
