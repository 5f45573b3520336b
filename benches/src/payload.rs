//! What is in the records, so that reading them back shows what was lost, doubled, torn or out of order.

use crate::Failure;

/// The number of the record, and behind it its complement: a value that was torn or mixed up does not have both.
const MARK_BYTES: usize = 16;

/// A value to be sent over and over, with another number each time.
pub(crate) struct Value {
    bytes: Vec<u8>,
}

impl Value {
    pub(crate) fn new(size: usize) -> Self {
        Self {
            bytes: vec![b'm'; size.max(MARK_BYTES)],
        }
    }

    pub(crate) fn numbered(&mut self, number: u64) -> &[u8] {
        self.bytes[..8].copy_from_slice(&number.to_le_bytes());
        let end = self.bytes.len() - 8;
        self.bytes[end..].copy_from_slice(&(!number).to_le_bytes());
        &self.bytes
    }
}

/// Counts the records numbered `0..expected` as they are read.
pub(crate) struct Tally {
    expected: u64,
    size: usize,
    seen: u64,
    sum: u64,
    /// The number that each partition's next record must have at least.
    next: Vec<u64>,
}

impl Tally {
    pub(crate) fn new(expected: u64, size: usize, partitions: i32) -> Self {
        let partitions = usize::try_from(partitions).unwrap_or(0);
        Self {
            expected,
            size: size.max(MARK_BYTES),
            seen: 0,
            sum: 0,
            next: vec![0; partitions],
        }
    }

    /// Takes the next record of a partition. False if it is not what was sent, or comes before one that was sent later.
    pub(crate) fn take(&mut self, partition: usize, value: &[u8]) -> bool {
        let (Some(number), Some(complement)) = (value.first_chunk(), value.last_chunk()) else {
            return false;
        };
        let number = u64::from_le_bytes(*number);
        let whole = value.len() == self.size && u64::from_le_bytes(*complement) == !number;
        let in_order = self
            .next
            .get_mut(partition)
            .is_some_and(|next| number >= std::mem::replace(next, number.wrapping_add(1)));
        self.seen += 1;
        self.sum = self.sum.wrapping_add(number);
        whole && in_order
    }

    pub(crate) fn is_complete(&self) -> bool {
        self.seen >= self.expected
    }

    pub(crate) fn seen(&self) -> u64 {
        self.seen
    }

    /// Holds count and sum against what was sent.
    pub(crate) fn finish(&self) -> Result<(), Failure> {
        let sum = (0..self.expected).fold(0_u64, u64::wrapping_add);
        if self.seen == self.expected && self.sum == sum {
            return Ok(());
        }
        let (seen, expected, found) = (self.seen, self.expected, self.sum);
        Err(format!("{seen} of {expected} records, with the sum {found} instead of {sum}").into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tally_of(numbers: &[u64]) -> (bool, Tally) {
        let mut tally = Tally::new(4, 100, 1);
        let mut value = Value::new(100);
        let good = numbers.iter().all(|n| tally.take(0, value.numbered(*n)));
        (good, tally)
    }

    #[test]
    fn records_in_order_add_up() {
        let (good, tally) = tally_of(&[0, 1, 2, 3]);
        assert!(good && tally.is_complete() && tally.finish().is_ok());
    }

    #[test]
    fn a_record_that_is_doubled_torn_or_out_of_order_is_seen() {
        assert!(!tally_of(&[0, 1, 1, 3]).0);
        assert!(!tally_of(&[0, 2, 1, 3]).0);
        let mut value = Value::new(100);
        let torn = &value.numbered(0)[..99];
        assert!(!Tally::new(1, 100, 1).take(0, torn));
    }

    #[test]
    fn a_lost_record_is_seen() {
        assert!(tally_of(&[0, 1, 3]).1.finish().is_err());
        assert!(tally_of(&[0, 1, 3, 4]).1.finish().is_err());
    }
}
