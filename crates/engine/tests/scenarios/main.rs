//! The engine and its handles against the embedded cluster, in virtual time: what happens when things go wrong in an order
//! that real sockets seldom give.

mod compression;
mod consuming;
mod producing;
mod promises;
mod stalls;
mod topics;
mod transactions;
mod world;
