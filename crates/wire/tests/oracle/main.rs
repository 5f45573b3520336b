//! Kafka itself as judge: its schemas of what is declared, its classes and another implementation of the bytes.

#[path = "../support/mod.rs"]
mod support;

mod coverage;
mod declared;
mod defaults;
mod errors;
mod headers;
mod java;
mod later;
mod schema;
mod session;
mod shown;
mod values;
mod vectors;
mod witness;
