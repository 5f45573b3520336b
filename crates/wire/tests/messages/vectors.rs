//! Checked-in bytes of each API (`tests/vectors`): they catch a change that writer and reader make together. Each entry is a message, its
//! version, its bytes and its fields; the witness has written the same bytes, except of versions it does not know.

use std::fmt::Write as _;
use std::path::PathBuf;

use bytes::Bytes;
use fastrand::Rng;
use milena_wire::{ApiMessage, ApiVersion, Message};

use crate::kinds::{Check, Kind, decode_body, encode_body, for_each_kind};
use crate::random::Random;

fn path(api: &str) -> PathBuf {
    [
        env!("CARGO_MANIFEST_DIR"),
        "tests",
        "vectors",
        &format!("{api}.txt"),
    ]
    .iter()
    .collect()
}

/// Three lines each: message and version, bytes, fields.
struct Compare {
    checked: usize,
}

impl Check for Compare {
    fn check<K: Kind>(&mut self) {
        let (name, key) = (<K::Of<'_> as Message>::NAME, <K::Of<'_> as ApiMessage>::KEY);
        let text = std::fs::read_to_string(path(key.name()))
            .unwrap_or_else(|error| panic!("{key}: {error}"));
        let lines: Vec<&str> = text.lines().collect();
        for entry in lines.chunks(3) {
            let [title, bytes, fields] = entry else {
                panic!("{key}: three lines an entry")
            };
            let Some(version) = title
                .strip_prefix(name)
                .and_then(|rest| rest.strip_prefix(" v"))
            else {
                continue;
            };
            let version = ApiVersion(version.parse().expect("a number"));
            let bytes = from_hex(bytes);
            match decode_body::<K::Of<'_>>(&bytes, version) {
                Ok(message) => {
                    assert_eq!(format!("{message:?}"), *fields, "{title}");
                    assert_eq!(encode_body(&message, version), bytes, "{title}");
                }
                Err(error) => panic!("{title}: {error}"),
            };
            self.checked += 1;
        }
    }
}

/// After a version was added, `MILENA_BLESS=1` records them all anew.
#[test]
fn messages_have_the_bytes_on_record() {
    if std::env::var_os("MILENA_BLESS").is_some() {
        for_each_kind(&mut Empty);
        for_each_kind(&mut Record(Rng::with_seed(10)));
    }
    let mut compare = Compare { checked: 0 };
    for_each_kind(&mut compare);
    assert!(compare.checked >= 28 * 2, "{}", compare.checked);
}

/// Starts each file over: a request and its response share one.
struct Empty;

impl Check for Empty {
    fn check<K: Kind>(&mut self) {
        let key = <K::Of<'_> as ApiMessage>::KEY;
        std::fs::write(path(key.name()), "").expect("a writable checkout");
    }
}

struct Record(Rng);

impl Check for Record {
    fn check<K: Kind>(&mut self) {
        let (name, key) = (<K::Of<'_> as Message>::NAME, <K::Of<'_> as ApiMessage>::KEY);
        let range = <K::Of<'_> as Message>::VERSIONS;
        let mut text = std::fs::read_to_string(path(key.name())).unwrap_or_default();
        let mut versions = vec![range.min, range.max];
        versions.extend(
            <K::Of<'_> as Message>::FLEXIBLE_SINCE
                .filter(|since| *since > range.min && *since < range.max),
        );
        versions.sort();
        for version in versions {
            // The first of a size worth looking at.
            let (message, bytes) = loop {
                let message = K::Of::random(&mut self.0, version.0);
                let bytes = encode_body(&message, version);
                if bytes.len() < 700 && (bytes.len() > 60 || self.0.u8(..50) == 0) {
                    break (message, bytes);
                }
            };
            writeln!(text, "{name} {version}\n{}\n{message:?}", to_hex(&bytes)).expect("memory");
        }
        std::fs::write(path(key.name()), text).expect("a writable checkout");
    }
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
