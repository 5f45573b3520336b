//! A fault at one byte of one connection, and the count of bytes that says which there are.

use std::time::Duration;

use bytes::{Bytes, BytesMut};

use super::Way;

/// What happens at the byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Break {
    /// The connection closes: both ends get what was under way, and the close.
    Close,
    /// The connection is reset: what was under way is lost, both ways.
    Reset,
    /// From this byte on nothing arrives any more, and nothing says so.
    Stall,
    /// From this byte on everything arrives so much later, the client's own close too.
    Late(Duration),
    /// The byte has other bits.
    Flip(u8),
}

/// A fault at one byte of one connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct AtByte {
    /// Connections in the order in which they were opened, from 0.
    pub(crate) connection: usize,
    pub(crate) way: Way,
    /// So many bytes pass unharmed.
    pub(crate) byte: usize,
    pub(crate) what: Break,
}

/// The bytes that connections have passed, and the one fault among them.
#[derive(Debug, Default)]
pub(crate) struct Bytewise {
    fault: Option<AtByte>,
    struck: bool,
    /// Towards the broker, and towards the client; by connection.
    passed: Vec<[usize; 2]>,
}

/// What is to become of a piece.
pub(super) enum Verdict {
    Passes(Bytes),
    /// The fault strikes between the two.
    Strikes(Bytes, Bytes, Break),
}

impl Bytewise {
    pub(crate) fn plan(&mut self, fault: AtByte) {
        self.fault = Some(fault);
    }

    pub(crate) fn has_struck(&self) -> bool {
        self.struck
    }

    pub(crate) fn passed(&self) -> &[[usize; 2]] {
        &self.passed
    }

    /// The number of a connection that opens.
    pub(super) fn open(&mut self) -> usize {
        self.passed.push([0, 0]);
        self.passed.len() - 1
    }

    pub(super) fn pass(&mut self, connection: usize, way: Way, piece: Bytes) -> Verdict {
        let Some(passed) = self.passed.get_mut(connection) else {
            return Verdict::Passes(piece);
        };
        let passed = match way {
            Way::ToBroker => &mut passed[0],
            Way::ToClient => &mut passed[1],
        };
        let before = *passed;
        *passed += piece.len();
        let here = |fault: &AtByte| {
            fault.connection == connection
                && fault.way == way
                && (before..*passed).contains(&fault.byte)
        };
        match self.fault.filter(here) {
            None => Verdict::Passes(piece),
            Some(fault) => {
                self.struck = true;
                let mut head = piece;
                let tail = head.split_off(fault.byte - before);
                Verdict::Strikes(head, tail, fault.what)
            }
        }
    }
}

/// `bytes` with bits of the first one turned.
pub(super) fn flipped(bytes: &Bytes, mask: u8) -> Bytes {
    let mut flipped = BytesMut::from(&bytes[..]);
    if let Some(first) = flipped.first_mut() {
        *first ^= mask;
    }
    flipped.freeze()
}
