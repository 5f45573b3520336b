//! What the benches measure: each case done by milena, by another implementation and by the least code that could do it.
//!
//! The three do the same work on the same bytes, so that a ratio of two of them means something on any machine. The program
//! `milena-benches`, the criterion benches and the instruction counts all take their cases from here.

pub mod cases;
pub mod wire;

/// What ends a run: a sentence.
pub type Failure = Box<dyn std::error::Error>;
