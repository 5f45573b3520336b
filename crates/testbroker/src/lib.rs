//! testbroker

#[cfg(feature = "tcp")]
pub mod relay;
