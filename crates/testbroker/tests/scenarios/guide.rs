//! The example of virtual time in docs/test-broker.

#[path = "../../../../docs/test-broker/examples/virtual_time.rs"]
#[expect(
    clippy::disallowed_methods,
    reason = "virtual time has to start somewhere"
)]
mod virtual_time;
