//! Groups of the consumer protocol (KIP-848): one heartbeat after the other.

mod at_random;
mod errors;
mod handover;
mod member;
mod offsets;
mod regex;
mod settings;
mod statics;
mod targets;
