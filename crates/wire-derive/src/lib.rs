//! wire-derive
