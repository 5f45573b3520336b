//! Every message in every version, as declared: round trips, versions, checked-in bytes, and hostile bytes. A new declaration is tested
//! without a line here.

#[path = "../support/mod.rs"]
mod support;

mod contents;
mod coverage;
mod forge;
mod frames;
mod hostile;
mod round_trip;
mod tags;
mod vectors;
mod versions;
