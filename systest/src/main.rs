//! Hits milena's programs on real Kafka.

fn main() {}
