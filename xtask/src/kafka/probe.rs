//! Asks a broker which nodes are registered, by hand: the one question that `start` has, without a client.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

const API_METADATA: i16 = 3;
/// Version 1: the lowest that can ask for no topic at all; served by every broker from 0.10 to 4.x.
const VERSION: i16 = 1;
const ANSWER_BYTES_MAX: usize = 1 << 20;
const WAIT_MAX: Duration = Duration::from_secs(2);

/// The ports of the brokers that the one at `port` knows as alive (registered and not fenced).
pub(crate) fn registered_ports(port: u16) -> io::Result<Vec<u16>> {
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    let mut stream = TcpStream::connect_timeout(&address, WAIT_MAX)?;
    stream.set_read_timeout(Some(WAIT_MAX))?;
    stream.set_write_timeout(Some(WAIT_MAX))?;
    stream.write_all(&request())?;
    let mut length = [0; 4];
    stream.read_exact(&mut length)?;
    let length = usize::try_from(i32::from_be_bytes(length)).unwrap_or(usize::MAX);
    if length > ANSWER_BYTES_MAX {
        return Err(malformed());
    }
    let mut answer = vec![0; length];
    stream.read_exact(&mut answer)?;
    broker_ports(&answer).ok_or_else(malformed)
}

fn request() -> Vec<u8> {
    let mut body = Vec::new();
    body.extend(API_METADATA.to_be_bytes());
    body.extend(VERSION.to_be_bytes());
    body.extend(1_i32.to_be_bytes()); // correlation id
    body.extend((-1_i16).to_be_bytes()); // client id: null
    body.extend(0_i32.to_be_bytes()); // topics: none
    let mut frame = i32::try_from(body.len())
        .expect("a dozen bytes")
        .to_be_bytes()
        .to_vec();
    frame.extend(body);
    frame
}

/// The answer: correlation id, then an array of (node id, host, port, rack), then what is of no interest here.
fn broker_ports(answer: &[u8]) -> Option<Vec<u16>> {
    let mut rest = answer.get(4..)?;
    let mut ports = Vec::new();
    for _ in 0..int32(&mut rest)? {
        int32(&mut rest)?;
        skip_string(&mut rest)?;
        ports.push(u16::try_from(int32(&mut rest)?).ok()?);
        skip_string(&mut rest)?;
    }
    Some(ports)
}

fn int32(rest: &mut &[u8]) -> Option<i32> {
    let (bytes, after) = rest.split_first_chunk::<4>()?;
    *rest = after;
    Some(i32::from_be_bytes(*bytes))
}

/// A length of 16 bits (-1 is null) and that many bytes.
fn skip_string(rest: &mut &[u8]) -> Option<()> {
    let (bytes, after) = rest.split_first_chunk::<2>()?;
    let length = usize::try_from(i16::from_be_bytes(*bytes)).unwrap_or(0);
    *rest = after.get(length..)?;
    Some(())
}

fn malformed() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "not an answer of Kafka")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_read_from_an_answer_and_a_cut_one_is_refused() {
        let mut answer = vec![0, 0, 0, 1, 0, 0, 0, 1]; // correlation id, one broker
        answer.extend([0, 0, 0, 7, 0, 1, b'h', 0, 0, 0x23, 0x84, 0xff, 0xff]);
        assert_eq!(broker_ports(&answer), Some(vec![9092]));
        assert_eq!(broker_ports(&answer[..answer.len() - 1]), None);
    }
}
