//! What was copied, and the lines that say so.

use crate::json_lines::quoted;

/// The program's counts. Only what was committed counts.
#[derive(Debug)]
pub(super) struct Progress {
    /// As JSON, quotes included.
    transactional_id: String,
    total: u64,
    remaining: u64,
    max: Option<u64>,
}

impl Progress {
    /// Nothing done, and no end in sight but `max_messages`; below zero there is none.
    pub(super) fn new(transactional_id: &str, max_messages: i64) -> Self {
        let max = u64::try_from(max_messages).ok();
        Self {
            transactional_id: quoted(transactional_id),
            total: 0,
            remaining: max.unwrap_or(i64::MAX.unsigned_abs()),
            max,
        }
    }

    /// So much is between the position and the end.
    pub(super) fn start(&mut self, left: u64) {
        self.remaining = self.max.map_or(left, |max| max.min(left));
    }

    /// How many records are left to copy.
    pub(super) fn remaining(&self) -> u64 {
        self.remaining
    }

    /// A transaction of so many records was committed.
    pub(super) fn committed(&mut self, records: u64) {
        self.total += records;
        self.remaining = self.remaining.saturating_sub(records);
    }

    /// The end is reached. There may be fewer records than offsets: markers and aborted records have offsets, too.
    pub(super) fn reached_end(&mut self) {
        self.remaining = 0;
    }

    /// The line for `stage`, at a time in ms since 1970.
    pub(super) fn line(&self, stage: &str, now_ms: i64) -> String {
        let Self {
            transactional_id,
            total,
            remaining,
            ..
        } = self;
        let time = time_of_day(now_ms);
        format!(
            r#"{{"transactionalId":{transactional_id},"stage":"{stage}","time":"{time}","totalProcessed":{total},"consumed":{total},"remaining":{remaining}}}"#
        )
    }
}

/// `yyyy-MM-dd HH:mm:ss:SSS`, as Kafka's program writes it, in UTC.
fn time_of_day(ms: i64) -> String {
    const DAY_MS: i64 = 24 * 3_600_000;
    let (year, month, day) = date(ms.div_euclid(DAY_MS));
    let ms = ms.rem_euclid(DAY_MS);
    let (hour, minute) = (ms / 3_600_000, ms / 60_000 % 60);
    let (second, ms) = (ms / 1_000 % 60, ms % 1_000);
    format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}:{ms:03}")
}

/// Year, month and day of a day counted from 1970-01-01.
fn date(mut days: i64) -> (i64, i64, i64) {
    let is_leap = |year: i64| year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    // Whole cycles of 400 years first, so that what is left is walked over quickly.
    let mut year = 1970 + 400 * days.div_euclid(146_097);
    days = days.rem_euclid(146_097);
    loop {
        let length = 365 + i64::from(is_leap(year));
        if days < length {
            break;
        }
        days -= length;
        year += 1;
    }
    let february = 28 + i64::from(is_leap(year));
    let mut month = 1;
    for length in [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31] {
        if days < length {
            break;
        }
        days -= length;
        month += 1;
    }
    (year, month, days + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_as_kafkas_program_writes_them() {
        for (ms, text) in [
            (0, "1970-01-01 00:00:00:000"),
            (951_782_399_999, "2000-02-28 23:59:59:999"),
            (951_782_400_000, "2000-02-29 00:00:00:000"),
            (1_709_251_199_001, "2024-02-29 23:59:59:001"),
            (1_735_689_599_000, "2024-12-31 23:59:59:000"),
            (1_767_225_600_000, "2026-01-01 00:00:00:000"),
            (4_107_542_400_000, "2100-03-01 00:00:00:000"),
            (-1, "1969-12-31 23:59:59:999"),
        ] {
            assert_eq!(time_of_day(ms), text);
        }
    }

    #[test]
    fn only_committed_records_count_and_the_rest_is_what_remains() {
        let mut progress = Progress::new("copy\"1", -1);
        progress.start(10);
        progress.committed(4);
        assert_eq!(
            progress.line("ProcessLoop", 0),
            r#"{"transactionalId":"copy\"1","stage":"ProcessLoop","time":"1970-01-01 00:00:00:000","totalProcessed":4,"consumed":4,"remaining":6}"#
        );
        progress.committed(3);
        // Three offsets were markers.
        progress.reached_end();
        assert_eq!(progress.remaining(), 0);
        let line = progress.line("ShutdownComplete", 0);
        assert!(
            line.contains(r#""totalProcessed":7,"consumed":7,"remaining":0"#),
            "{line}"
        );
    }

    #[test]
    fn a_limit_ends_the_copy_before_the_input_does() {
        let mut progress = Progress::new("copy", 3);
        progress.start(10);
        assert_eq!(progress.remaining(), 3);
        progress.start(2);
        assert_eq!(progress.remaining(), 2);
        assert_eq!(Progress::new("copy", 0).remaining(), 0);
    }

    #[test]
    fn before_the_end_is_known_nobody_can_take_the_copy_for_done() {
        assert_eq!(
            Progress::new("copy", -1).remaining(),
            i64::MAX.unsigned_abs()
        );
    }
}
