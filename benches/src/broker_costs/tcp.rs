//! One client that waits for each answer, by TCP on loopback.

use std::io::{Read, Write};
use std::net::TcpStream;

use bytes::Bytes;
use milena_testbroker::TestBroker;
use milena_wire::messages::ApiVersionsRequest;
use milena_wire::record::Stamp;
use milena_wire::{ApiVersion, CorrelationId, encode_request};

use super::in_memory::produce_frame;
use crate::Failure;
use crate::meter::now;

pub(super) fn round_trips(requests: u32) -> Result<f64, Failure> {
    let request = ApiVersionsRequest::default();
    let frame = encode_request(&request, ApiVersion(0), CorrelationId(1), None)?;
    ping(&frame.to_bytes(), requests)
}

pub(super) fn produce_round_trips(requests: u32) -> Result<f64, Failure> {
    ping(&produce_frame(None, &Stamp::NONE)?, requests)
}

fn ping(frame: &Bytes, requests: u32) -> Result<f64, Failure> {
    let cluster = TestBroker::builder().topic("bench", 1, None).start()?;
    let mut stream = TcpStream::connect(cluster.bootstrap())?;
    stream.set_nodelay(true)?;
    let mut answer = Vec::new();
    let begun = now();
    for _ in 0..requests {
        stream.write_all(frame)?;
        let mut length = [0; 4];
        stream.read_exact(&mut length)?;
        answer.resize(usize::try_from(u32::from_be_bytes(length))?, 0);
        stream.read_exact(&mut answer)?;
    }
    Ok(f64::from(requests) / begun.elapsed().as_secs_f64())
}
