//! The programs that Kafka's system tests know, as processes, against the test broker over TCP: what they say, how they end,
//! and whether the logs agree.

mod compressed;
mod consume;
mod copier;
mod copier_ends;
mod producer;
mod refusals;
mod support;
