//! Groups of the classic protocol: generations, members, time-outs, and who is told what.

mod admin;
mod errors;
mod members;
mod offsets;
mod rebalance;
mod static_members;
