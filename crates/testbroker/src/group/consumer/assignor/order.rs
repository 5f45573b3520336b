//! The order in which Java's hash tables hand out what is in them.
//!
//! Kafka's uniform assignor goes through members and topics in that order, so who gets the odd
//! partition depends on it. Keys of one bucket stay in the order in which they came.

use milena_wire::Uuid;

/// What `Object.hashCode` is for a kind of key.
pub(super) trait JavaHash {
    fn java_hash(&self) -> i32;
}

impl JavaHash for str {
    /// Over UTF-16 units, as `String.hashCode`.
    fn java_hash(&self) -> i32 {
        self.encode_utf16().fold(0_i32, |hash, unit| {
            hash.wrapping_mul(31).wrapping_add(i32::from(unit))
        })
    }
}

impl JavaHash for Uuid {
    /// As `org.apache.kafka.common.Uuid.hashCode`.
    fn java_hash(&self) -> i32 {
        let word = |at: usize| {
            let bytes = [self.0[at], self.0[at + 1], self.0[at + 2], self.0[at + 3]];
            i32::from_be_bytes(bytes)
        };
        word(0) ^ word(4) ^ word(8) ^ word(12)
    }
}

impl JavaHash for i32 {
    fn java_hash(&self) -> i32 {
        *self
    }
}

/// Sorts keys into the order of a table that took them one by one.
pub(super) fn as_in_java<T>(items: &mut [T], hash: impl Fn(&T) -> i32) {
    let mut capacity: usize = 16;
    while items.len() * 4 > capacity * 3 {
        capacity *= 2;
    }
    by_bucket(items, capacity, hash);
}

/// Sorts keys into the order of a `HashSet` that was made of another collection, which is larger
/// from the start.
pub(super) fn as_copied_in_java<T>(items: &mut [T], hash: impl Fn(&T) -> i32) {
    let capacity = (items.len() * 4 / 3 + 1).max(16).next_power_of_two();
    by_bucket(items, capacity, hash);
}

fn by_bucket<T>(items: &mut [T], capacity: usize, hash: impl Fn(&T) -> i32) {
    let mask = u32::try_from(capacity - 1).unwrap_or(u32::MAX);
    items.sort_by_key(|item| {
        let hash = hash(item).cast_unsigned();
        (hash ^ (hash >> 16)) & mask
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_hash_as_in_java() {
        assert_eq!("".java_hash(), 0);
        assert_eq!("m1".java_hash(), 3428);
        assert_eq!("hello".java_hash(), 99_162_322);
    }

    #[test]
    fn small_numbers_come_in_order_and_large_ones_by_bucket() {
        let mut numbers = [0, 3, 16, 17];
        as_in_java(&mut numbers, i32::java_hash);
        assert_eq!(numbers, [0, 16, 17, 3]);
    }
}
