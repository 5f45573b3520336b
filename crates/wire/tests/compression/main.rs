//! Compressed batches: what we write, what others wrote, and what nobody should have.

mod damaged;
mod gzip;
mod levels;
mod lz4;
mod odd;
mod others;
mod round_trip;
mod snappy;
mod support;
mod zstd;
