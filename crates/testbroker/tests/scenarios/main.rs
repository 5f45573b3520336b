//! Each rule of the broker as a client sees it: bytes in, bytes out, virtual time.

#![expect(clippy::unwrap_used, reason = "a test fails where it finds nothing")]

mod adding;
mod admin_cluster;
mod admin_configs;
mod admin_topics;
mod at_random;
mod classic_groups;
mod cluster;
mod compaction;
mod compressed;
mod connections;
mod consumer_groups;
mod coordinator_table;
mod coordinators;
mod faults;
mod features;
mod fencing;
mod fetch_sessions;
mod fetching;
mod followers;
mod guide;
mod harness;
mod offsets;
mod producing;
mod producing_settings;
mod replicas;
mod replicas_at_random;
mod replicas_elections;
mod requests;
mod retention;
mod sasl;
mod skipped;
mod transaction_ends;
mod transaction_failover;
mod transaction_tools;
mod transactions;
mod transactions_tv1;
