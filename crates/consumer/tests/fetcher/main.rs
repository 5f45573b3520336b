//! The fetch core in virtual time, against brokers that are right, wrong, slow, or gone.

mod batch;
mod compressed;
mod errors;
mod hostile;
mod log;
mod memory;
mod messages;
mod parked;
mod progress;
mod random;
mod read_committed;
mod scheduling;
mod start;
mod waiting;
mod world;
