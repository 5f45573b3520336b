//! Sequence numbers: counted in 64 bits, masked to 31 on the wire.

/// The next sequence number of one partition under one producer identity.
///
/// Kafka's sequences run from 0 to 2^31-1 and start over at 0. Arithmetic on the wrapped value has been wrong in most
/// clients at least once (librdkafka's msgid, after which this is modelled, is the exception), so the count here never
/// wraps in practice and only [`SequenceTracker::on_wire`] cuts it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct SequenceTracker {
    next: i64,
}

impl SequenceTracker {
    /// Takes the sequences of a batch of `records` records and returns the first.
    pub fn take(&mut self, records: u32) -> i64 {
        let base = self.next;
        self.next += i64::from(records);
        base
    }

    /// Gives back everything from `base` on: the batches that held those were never offered to a socket.
    pub fn rewind(&mut self, base: i64) {
        debug_assert!(base <= self.next, "a rewind goes back");
        self.next = base;
    }

    /// Starts over at 0, for a new producer identity.
    pub fn reset(&mut self) {
        self.next = 0;
    }

    /// The next sequence to be given out.
    #[must_use]
    pub fn next(&self) -> i64 {
        self.next
    }

    /// How `sequence` is written in a batch header.
    #[must_use]
    pub fn on_wire(sequence: i64) -> i32 {
        i32::try_from(sequence & 0x7fff_ffff).expect("31 bits fit an i32")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sequences_start_over_at_zero_after_the_largest() {
        let mut tracker = SequenceTracker {
            next: i64::from(i32::MAX) - 1,
        };
        assert_eq!(SequenceTracker::on_wire(tracker.take(2)), i32::MAX - 1);
        assert_eq!(SequenceTracker::on_wire(tracker.take(1)), 0);
    }

    #[test]
    fn a_batch_may_straddle_the_wrap_and_the_next_follows_on() {
        let mut tracker = SequenceTracker {
            next: i64::from(i32::MAX),
        };
        assert_eq!(SequenceTracker::on_wire(tracker.take(3)), i32::MAX);
        assert_eq!(SequenceTracker::on_wire(tracker.next()), 2);
    }
}
