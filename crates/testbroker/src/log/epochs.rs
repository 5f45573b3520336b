//! Where each leader epoch starts (`LeaderEpochFileCache`).

use std::collections::BTreeMap;

/// A new leader starts writing at `offset`. Epochs that nothing was written in are dropped.
pub(crate) fn assign(starts: &mut BTreeMap<i32, i64>, epoch: i32, offset: i64) {
    starts.retain(|known, start| *known < epoch && *start < offset);
    starts.insert(epoch, offset);
}

/// The log ends at `end` now.
pub(crate) fn truncate_end(starts: &mut BTreeMap<i32, i64>, end: i64) {
    starts.retain(|_, start| *start < end);
}

/// The log starts at `start` now: the epoch of its first record starts there too.
pub(crate) fn truncate_start(starts: &mut BTreeMap<i32, i64>, start: i64) {
    let Some((epoch, _)) = starts.iter().rev().find(|(_, first)| **first <= start) else {
        return;
    };
    let epoch = *epoch;
    starts.retain(|known, _| *known >= epoch);
    starts.insert(epoch, start);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_epoch_without_records_is_dropped_when_the_next_starts() {
        let mut starts = BTreeMap::from([(0, 0)]);
        assign(&mut starts, 1, 5);
        assign(&mut starts, 2, 5);
        assert_eq!(starts, BTreeMap::from([(0, 0), (2, 5)]));
    }

    #[test]
    fn epochs_are_cut_with_the_log() {
        let all = BTreeMap::from([(0, 0), (2, 5), (3, 9)]);
        let mut starts = all.clone();
        truncate_end(&mut starts, 9);
        assert_eq!(starts, BTreeMap::from([(0, 0), (2, 5)]));
        let mut starts = all;
        truncate_start(&mut starts, 6);
        assert_eq!(starts, BTreeMap::from([(2, 6), (3, 9)]));
    }
}
