//! The simulation: the shipped engine, accumulator, links and user futures under a second `Driver`, against the embedded
//! broker, in virtual time, with faults.
//!
//! One `u64` seed decides everything: in which order what is due is done, how long bytes and jobs take, where connections are
//! cut, which futures are dropped midway. The same seed gives the same trace. Afterwards the checkers hold what the
//! application was told against the brokers' own logs.
//!
//! ```text
//!   workloads (user futures) --- Driver ---> World: one agenda in virtual time
//!                                              |  engines, jobs, timers, network, faults
//!   Ledger: what was told                      v
//!        '-------------- check <------------ Broker: what is true
//! ```

mod app;
mod check;
mod driver;
mod failure;
mod faults;
mod golden;
mod ledger;
mod network;
mod plan;
#[cfg(feature = "plants")]
pub mod plants;
mod run;
pub mod sweep;
mod trace;
mod workload;
mod world;

pub use failure::{Check, Failure};
pub use faults::{Fault, Tally};
pub use run::{Options, Report, run};
