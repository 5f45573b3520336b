//! Compressed batches: what we write, what others wrote, and what nobody should have.

mod round_trip;
mod support;
