//! `milena demo`: a bank in small.

mod audit;
mod ledger;
mod payment;
mod plan;
mod report;
