//! The fuzz targets. What they do with their bytes is written beside the crates that they attack, where `cargo test` goes through the corpus
//! with the same code.

#[path = "../../crates/consumer/tests/corpus/fetch.rs"]
mod consumer;
#[path = "../../crates/wire/tests/corpus/targets/mod.rs"]
#[allow(dead_code, reason = "its table of targets is for `cargo test`")]
mod wire;

/// Each a function of its own, so that a program holds the code of its target and no other.
macro_rules! targets {
    ($($name:ident => $target:path;)*) => {
        $(
            #[doc = concat!("The target `", stringify!($name), "`.")]
            pub fn $name(data: &[u8]) {
                $target(data);
            }
        )*
    };
}

targets! {
    batch => wire::batches::batch;
    batch_repaired => wire::batches::batch_repaired;
    fetch => consumer::fetch;
    frame_splitter => wire::frames::frame_splitter;
    gzip => wire::codecs::gzip;
    headers => wire::headers::headers;
    lz4 => wire::codecs::lz4;
    request => wire::messages::request;
    response => wire::messages::response;
    round_trip => wire::round_trip::round_trip;
    snappy => wire::codecs::snappy;
    zstd => wire::codecs::zstd;
}
