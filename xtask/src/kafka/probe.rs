//! Asks a broker which nodes are registered and which replicas are in sync, by hand: the questions of xtask, without a client.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

const API_METADATA: i16 = 3;
/// Version 1: the lowest that can ask for no topic at all; served by every broker from 0.10 to 4.x.
const VERSION: i16 = 1;
/// The length of the list of topics: an empty list, or null.
const NO_TOPIC: i32 = 0;
const EVERY_TOPIC: i32 = -1;
const ANSWER_BYTES_MAX: usize = 1 << 20;
const WAIT_MAX: Duration = Duration::from_secs(2);

/// The ports of the brokers that the one at `port` knows as alive (registered and not fenced).
pub(crate) fn registered_ports(port: u16) -> io::Result<Vec<u16>> {
    broker_ports(&ask(port, NO_TOPIC)?).ok_or_else(malformed)
}

/// How many partitions there are, as the broker at `port` knows them, and how many of them miss an in-sync replica or a leader.
pub(crate) fn partitions(port: u16) -> io::Result<Partitions> {
    count_partitions(&ask(port, EVERY_TOPIC)?).ok_or_else(malformed)
}

/// What [`partitions`] has counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Partitions {
    pub(crate) all: usize,
    pub(crate) not_whole: usize,
}

fn ask(port: u16, topics: i32) -> io::Result<Vec<u8>> {
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    let mut stream = TcpStream::connect_timeout(&address, WAIT_MAX)?;
    stream.set_read_timeout(Some(WAIT_MAX))?;
    stream.set_write_timeout(Some(WAIT_MAX))?;
    stream.write_all(&request(topics))?;
    let mut length = [0; 4];
    stream.read_exact(&mut length)?;
    let length = usize::try_from(i32::from_be_bytes(length)).unwrap_or(usize::MAX);
    if length > ANSWER_BYTES_MAX {
        return Err(malformed());
    }
    let mut answer = vec![0; length];
    stream.read_exact(&mut answer)?;
    Ok(answer)
}

fn request(topics: i32) -> Vec<u8> {
    let mut body = Vec::new();
    body.extend(API_METADATA.to_be_bytes());
    body.extend(VERSION.to_be_bytes());
    body.extend(1_i32.to_be_bytes()); // correlation id
    body.extend((-1_i16).to_be_bytes()); // client id: null
    body.extend(topics.to_be_bytes());
    let mut frame = i32::try_from(body.len())
        .expect("a dozen bytes")
        .to_be_bytes()
        .to_vec();
    frame.extend(body);
    frame
}

/// The answer: correlation id, then an array of (node id, host, port, rack), then what is of no interest here.
fn broker_ports(answer: &[u8]) -> Option<Vec<u16>> {
    brokers(&mut answer.get(4..)?)
}

fn brokers(rest: &mut &[u8]) -> Option<Vec<u16>> {
    let mut ports = Vec::new();
    for _ in 0..int32(rest)? {
        int32(rest)?;
        skip_string(rest)?;
        ports.push(u16::try_from(int32(rest)?).ok()?);
        skip_string(rest)?;
    }
    Some(ports)
}

/// After the brokers: the controller, then topics of (error, name, internal, partitions of (error, number, leader, replicas,
/// in-sync replicas)).
fn count_partitions(answer: &[u8]) -> Option<Partitions> {
    let mut rest = answer.get(4..)?;
    brokers(&mut rest)?;
    int32(&mut rest)?;
    let mut counted = Partitions::default();
    for _ in 0..int32(&mut rest)? {
        skip(&mut rest, 2)?;
        skip_string(&mut rest)?;
        skip(&mut rest, 1)?;
        for _ in 0..int32(&mut rest)? {
            skip(&mut rest, 2 + 4)?;
            let leader = int32(&mut rest)?;
            let replicas = skip_int32s(&mut rest)?;
            let in_sync = skip_int32s(&mut rest)?;
            counted.all += 1;
            counted.not_whole += usize::from(leader < 0 || in_sync < replicas);
        }
    }
    Some(counted)
}

fn int32(rest: &mut &[u8]) -> Option<i32> {
    let (bytes, after) = rest.split_first_chunk::<4>()?;
    *rest = after;
    Some(i32::from_be_bytes(*bytes))
}

/// An array of numbers of 32 bits; how many there were.
fn skip_int32s(rest: &mut &[u8]) -> Option<usize> {
    let count = usize::try_from(int32(rest)?).ok()?;
    skip(rest, count.checked_mul(4)?)?;
    Some(count)
}

fn skip(rest: &mut &[u8], bytes: usize) -> Option<()> {
    *rest = rest.get(bytes..)?;
    Some(())
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

    #[test]
    fn a_partition_that_misses_a_replica_or_a_leader_is_not_whole() {
        let mut answer = vec![0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1]; // correlation id, no broker, controller
        answer.extend([0, 0, 0, 1, 0, 0, 0, 1, b't', 0]); // one topic
        answer.extend(3_i32.to_be_bytes());
        for (leader, in_sync) in [(1_i32, &[1_i32, 2][..]), (1, &[1][..]), (-1, &[1, 2][..])] {
            answer.extend([0; 6]);
            for number in [leader, 2, 1, 2] {
                answer.extend(number.to_be_bytes());
            }
            answer.extend((in_sync.len() as i32).to_be_bytes());
            in_sync
                .iter()
                .for_each(|replica| answer.extend(replica.to_be_bytes()));
        }
        let counted = Partitions {
            all: 3,
            not_whole: 2,
        };
        assert_eq!(count_partitions(&answer), Some(counted));
        assert_eq!(count_partitions(&answer[..answer.len() - 1]), None);
    }
}
