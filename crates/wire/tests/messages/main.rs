//! Every message in every version: round trips, another implementation as witness, checked-in bytes, and hostile bytes.

#[path = "../support/mod.rs"]
mod support;

mod hostile;
mod kinds;
mod random;
mod round_trip;
mod vectors;
mod witness;
