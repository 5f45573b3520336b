//! A cluster on fixed ports for any Kafka client, until standard input ends.
//!
//! `cargo run -p milena-testbroker --features tcp --example cluster -- 19092 3 2`: first port, nodes,
//! `transaction.version` (`3.9` for a cluster like Kafka 3.9). At the end it prints what happened.

use std::io::Read;

use milena_testbroker::{Emulate, TestBroker};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let port = arguments.next().map_or(Ok(19_092), |port| port.parse())?;
    let nodes = arguments.next().map_or(Ok(1), |nodes| nodes.parse())?;
    let version = arguments.next().unwrap_or_else(|| "2".to_owned());
    let mut builder = TestBroker::builder()
        .port(port)
        .nodes(nodes)
        .auto_create_topics(true);
    builder = match version.as_str() {
        "3.9" => builder.emulate(Emulate::V3_9),
        level => builder.transaction_version(level.parse()?),
    };
    let cluster = builder.start()?;
    println!("{}", cluster.addresses().join(","));
    std::io::stdin().read_to_end(&mut Vec::new())?;
    println!("{}", cluster.with(|broker| broker.dump()));
    Ok(())
}
