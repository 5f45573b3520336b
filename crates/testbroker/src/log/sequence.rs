//! Sequence numbers: 31 bits that wrap from `i32::MAX` to 0.

/// `sequence + count`, wrapped (`DefaultRecordBatch.incrementSequence`).
pub(crate) fn add(sequence: i32, count: i32) -> i32 {
    wrap(i64::from(sequence) + i64::from(count))
}

/// Whether `next` directly follows `last`; `last` is -1 where nothing was written yet.
pub(crate) fn follows(last: i32, next: i32) -> bool {
    i64::from(next) == i64::from(last) + 1 || (next == 0 && last == i32::MAX)
}

fn wrap(value: i64) -> i32 {
    let wrapped = value.rem_euclid(1 << 31);
    i32::try_from(wrapped).expect("a remainder of 2^31 fits 31 bits")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sequences_wrap_at_two_to_the_31() {
        assert_eq!(add(i32::MAX, 1), 0);
        assert_eq!(add(i32::MAX - 1, 3), 1);
    }

    #[test]
    fn zero_follows_the_largest_sequence_and_nothing() {
        assert!(follows(i32::MAX, 0));
        assert!(follows(-1, 0));
        assert!(!follows(-1, 1));
        assert!(!follows(i32::MAX, 1));
    }
}
