//! testbroker
