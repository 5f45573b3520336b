//! What is done with a fuzzer's bytes.
//!
//! The first bytes of an input choose, the rest is what a peer would have sent. A choice never refuses an input: what is out of range wraps
//! around, so that small changes of an input stay small changes of what it means.

pub(crate) mod batches;
pub(crate) mod codecs;
pub(crate) mod frames;
pub(crate) mod headers;
mod input;
pub(crate) mod messages;
pub(crate) mod round_trip;

use milena_wire::DecodeError;

/// A target: its name, and what it does.
pub(crate) type Target = (&'static str, fn(&[u8]));

/// Every target of this crate.
pub(crate) const TARGETS: &[Target] = &[
    ("batch", batches::batch),
    ("batch_repaired", batches::batch_repaired),
    ("frame_splitter", frames::frame_splitter),
    ("gzip", codecs::gzip),
    ("headers", headers::headers),
    ("lz4", codecs::lz4),
    ("request", messages::request),
    ("response", messages::response),
    ("round_trip", round_trip::round_trip),
    ("snappy", codecs::snappy),
    ("zstd", codecs::zstd),
];

/// An error says where it is, and can be told.
fn check_error(error: &DecodeError, len: usize) {
    assert!(
        error.position <= len,
        "byte {} of {len}: {error}",
        error.position
    );
    assert!(!error.field.is_empty() && !error.to_string().is_empty());
}
