//! The end-to-end scenarios: each written once, run on the embedded broker and on real Kafka, over both transaction
//! protocols. `cargo test -p milena-tests --test scenarios commit::` runs one topic everywhere,
//! `... embedded` everything that needs nothing but Rust.

mod abort;
mod commit;
mod compression;
mod dropped;
mod fencing;
mod guide;
mod idle;
mod in_flight;
mod late;
mod lost_answers;
mod offsets;
mod order;
mod pipeline;
mod resolve;
mod seek;
mod spawned;
mod tasks;
