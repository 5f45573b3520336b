//! Hits milena's programs on real Kafka.

mod cluster;
mod failure;
mod java;

fn main() {}
