//! Zstandard frames.

#[cfg(feature = "zstd-c")]
mod c;
mod frames;
#[cfg(not(feature = "zstd-c"))]
mod pure;

#[cfg(feature = "zstd-c")]
pub(super) use self::c::{Decoder, Encoder};
#[cfg(not(feature = "zstd-c"))]
pub(super) use self::pure::{Decoder, Encoder};
