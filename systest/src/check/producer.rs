//! The verifiable producer: what it said against what the log holds.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;

use super::{Complaints, Exit, Line, Wrong, check_silence, objects};
use crate::java::JavaRecord;

/// What one run of the program was asked for, said, and left behind.
#[derive(Clone, Debug)]
pub(crate) struct Evidence {
    pub(crate) topic: String,
    /// How many values it was to send; `None` if it was ended by a signal.
    pub(crate) records: Option<u64>,
    /// The number before the point of each value.
    pub(crate) prefix: u64,
    /// How many keys go round and round; `None` for no keys.
    pub(crate) keys: Option<u64>,
    /// Whether records may fail, because a fault lasted longer than they had.
    pub(crate) errors_allowed: bool,
    pub(crate) lines: Vec<Line>,
    pub(crate) exit: Exit,
    pub(crate) ended_at: Duration,
    /// What Java reads.
    pub(crate) log: Vec<JavaRecord>,
}

/// What a value's line said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Said {
    Success { partition: i64, offset: i64 },
    Error,
}

/// Success and error lines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) successes: u64,
    pub(crate) errors: u64,
}

/// Everything that is wrong with a run.
pub(crate) fn check(evidence: &Evidence) -> (Complaints, Counts) {
    let mut complaints = Complaints::default();
    let lines = objects(&evidence.lines, &mut complaints);
    let said = said(evidence, &lines, &mut complaints);
    let mut counts = Counts::default();
    for said in said.values() {
        match said {
            Said::Success { .. } => counts.successes += 1,
            Said::Error => counts.errors += 1,
        }
    }
    check_frame(evidence, &lines, counts, &mut complaints);
    check_values(evidence, &said, &mut complaints);
    check_log(evidence, &said, &mut complaints);
    check_silence(&evidence.lines, evidence.ended_at, &mut complaints);
    let terminated = evidence.records.is_none();
    if evidence.exit != Exit::Code(0) && !(terminated && evidence.exit == Exit::Code(143)) {
        complaints.add(Wrong::Exit, format!("it ended with {:?}", evidence.exit));
    }
    (complaints, counts)
}

/// The line of each value.
fn said(evidence: &Evidence, lines: &[Value], complaints: &mut Complaints) -> BTreeMap<u64, Said> {
    let mut all = BTreeMap::new();
    for line in lines {
        let said = match name(line) {
            "producer_send_success" => Said::Success {
                partition: line["partition"].as_i64().unwrap_or(-2),
                offset: line["offset"].as_i64().unwrap_or(-2),
            },
            "producer_send_error" => Said::Error,
            _ => continue,
        };
        let value = line["value"]
            .as_str()
            .and_then(|value| number(evidence, value));
        let Some(value) = value else {
            complaints.add(Wrong::Lines, format!("not one of the values: {line}"));
            continue;
        };
        if line["topic"] != evidence.topic.as_str()
            || line["key"].as_str().map(str::to_owned) != key(evidence, value)
            || line["timestamp"].as_i64().is_none()
            || (said == Said::Error && line["exception"].as_str().is_none())
        {
            complaints.add(
                Wrong::Lines,
                format!("it does not say what it should: {line}"),
            );
        }
        if said == Said::Error && !evidence.errors_allowed {
            complaints.add(Wrong::Errors, line.to_string());
        }
        if all.insert(value, said).is_some() {
            complaints.add(
                Wrong::Lines,
                format!("value {value} has more than one line"),
            );
        }
    }
    all
}

/// The lines around those of the values.
fn check_frame(evidence: &Evidence, lines: &[Value], counts: Counts, complaints: &mut Complaints) {
    let names: Vec<&str> = lines.iter().map(name).collect();
    if names.first() != Some(&"startup_complete") {
        complaints.add(Wrong::Lines, format!("it began with {:?}", names.first()));
    }
    if !names.ends_with(&["shutdown_complete", "tool_data"]) {
        let last = &names[names.len().saturating_sub(2)..];
        complaints.add(Wrong::Lines, format!("it ended with the lines {last:?}"));
        return;
    }
    let data = &lines[lines.len() - 1];
    let acked = data["acked"].as_u64();
    let sent = data["sent"].as_u64();
    if acked != Some(counts.successes) || sent < acked {
        complaints.add(
            Wrong::Lines,
            format!("{} were acknowledged: {data}", counts.successes),
        );
    }
    let frame = ["startup_complete", "shutdown_complete", "tool_data"];
    for part in frame {
        let count = names.iter().filter(|name| **name == part).count();
        if count != 1 {
            complaints.add(
                Wrong::Lines,
                format!("{part} came {count} times in {}", evidence.topic),
            );
        }
    }
}

/// Every value that was handed over has its line.
fn check_values(evidence: &Evidence, said: &BTreeMap<u64, Said>, complaints: &mut Complaints) {
    let handed_over = evidence
        .records
        .unwrap_or_else(|| said.keys().last().map_or(0, |last| last + 1));
    for value in (0..handed_over).filter(|value| !said.contains_key(value)) {
        complaints.add(Wrong::Lines, format!("value {value} has no line"));
    }
    for value in said.keys().filter(|value| **value >= handed_over) {
        complaints.add(Wrong::Lines, format!("value {value} was not asked for"));
    }
}

fn check_log(evidence: &Evidence, said: &BTreeMap<u64, Said>, complaints: &mut Complaints) {
    let mut places: BTreeMap<u64, Vec<(i64, i64)>> = BTreeMap::new();
    let mut log: Vec<&JavaRecord> = evidence.log.iter().collect();
    log.sort_by_key(|record| (record.partition, record.offset));
    let mut last: BTreeMap<i32, u64> = BTreeMap::new();
    for record in log {
        let value = record.value.as_deref();
        let Some(value) = value.and_then(|value| number(evidence, value)) else {
            complaints.add(Wrong::Stray, format!("nobody sent {record:?}"));
            continue;
        };
        if !said.contains_key(&value) || record.key != key(evidence, value) {
            complaints.add(
                Wrong::Stray,
                format!("value {value} was not sent so: {record:?}"),
            );
        }
        places
            .entry(value)
            .or_default()
            .push((i64::from(record.partition), record.offset));
        if let Some(before) = last.insert(record.partition, value)
            && before > value
        {
            complaints.add(
                Wrong::Order,
                format!(
                    "{value} after {before} at {}/{}",
                    record.partition, record.offset
                ),
            );
        }
    }
    for (value, places) in places.iter().filter(|(_, places)| places.len() > 1) {
        complaints.add(Wrong::Twice, format!("value {value} is at {places:?}"));
    }
    check_offsets(said, &places, complaints);
}

fn check_offsets(
    said: &BTreeMap<u64, Said>,
    places: &BTreeMap<u64, Vec<(i64, i64)>>,
    complaints: &mut Complaints,
) {
    for (value, said) in said {
        let Said::Success { partition, offset } = *said else {
            continue;
        };
        let Some(places) = places.get(value) else {
            let text = format!("value {value}, acknowledged at {partition}/{offset}");
            complaints.add(Wrong::Missing, text);
            continue;
        };
        // -1: the broker knew the batch again, and no longer where it was.
        let is_true =
            |place: &(i64, i64)| place.0 == partition && (offset == -1 || place.1 == offset);
        if !places.iter().any(is_true) {
            let text = format!(
                "value {value} is at {places:?}, and was said to be at {partition}/{offset}"
            );
            complaints.add(Wrong::Offset, text);
        }
    }
}

fn name(line: &Value) -> &str {
    line["name"].as_str().unwrap_or_default()
}

/// `n` of the value `prefix.n`.
fn number(evidence: &Evidence, value: &str) -> Option<u64> {
    let (prefix, number) = value.split_once('.')?;
    if prefix.parse() != Ok(evidence.prefix) {
        return None;
    }
    number.parse().ok()
}

fn key(evidence: &Evidence, value: u64) -> Option<String> {
    evidence.keys.map(|keys| (value % keys).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    const RECORDS: u64 = 12;

    fn line(at: u64, text: String) -> Line {
        Line {
            at: Duration::from_secs(at),
            text,
        }
    }

    fn success(value: u64) -> String {
        format!(
            r#"{{"timestamp":1,"name":"producer_send_success","key":null,"value":"7.{value}","topic":"t","partition":{},"offset":{}}}"#,
            value % 3,
            value / 3
        )
    }

    fn error(value: u64) -> String {
        format!(
            r#"{{"timestamp":1,"name":"producer_send_error","key":null,"value":"7.{value}","topic":"t","exception":"E","message":"m"}}"#
        )
    }

    /// Values round and round over three partitions, all well.
    fn right() -> Evidence {
        let mut lines = vec![line(
            1,
            r#"{"timestamp":1,"name":"startup_complete"}"#.into(),
        )];
        lines.push(line(1, "a word of another kind".into()));
        lines.extend((0..RECORDS).map(|value| line(2, success(value))));
        lines.push(line(
            3,
            r#"{"timestamp":1,"name":"shutdown_complete"}"#.into(),
        ));
        lines.push(line(
            3,
            format!(r#"{{"timestamp":1,"name":"tool_data","sent":{RECORDS},"acked":{RECORDS}}}"#),
        ));
        let log = (0..RECORDS).map(|value| JavaRecord {
            partition: i32::try_from(value % 3).expect("small"),
            offset: i64::try_from(value / 3).expect("small"),
            key: None,
            value: Some(format!("7.{value}")),
        });
        Evidence {
            topic: "t".into(),
            records: Some(RECORDS),
            prefix: 7,
            keys: None,
            errors_allowed: false,
            lines,
            exit: Exit::Code(0),
            ended_at: Duration::from_secs(4),
            log: log.collect(),
        }
    }

    fn found(plant: impl FnOnce(&mut Evidence)) -> Vec<Wrong> {
        let mut evidence = right();
        plant(&mut evidence);
        check(&evidence).0.kinds()
    }

    #[test]
    fn nothing_is_wrong_with_a_right_run() {
        let (complaints, counts) = check(&right());
        assert!(complaints.is_empty(), "{complaints}");
        assert_eq!(
            counts,
            Counts {
                successes: RECORDS,
                errors: 0
            }
        );
    }

    #[test]
    fn an_offset_that_the_broker_did_not_tell_is_no_wrong_one() {
        let unknown = |evidence: &mut Evidence| {
            let text = &mut evidence.lines[2].text;
            *text = text.replace(r#""offset":0"#, r#""offset":-1"#);
        };
        assert_eq!(found(unknown), []);
    }

    #[test]
    fn an_acknowledged_value_that_is_missing_is_found() {
        let lost = |evidence: &mut Evidence| {
            evidence.log.remove(11);
        };
        assert_eq!(found(lost), [Wrong::Missing]);
    }

    #[test]
    fn a_value_twice_is_found_and_so_is_an_inversion() {
        let twice = |evidence: &mut Evidence| {
            let mut copy = evidence.log[11].clone();
            copy.offset = 4;
            evidence.log.push(copy);
        };
        assert_eq!(found(twice), [Wrong::Twice]);
        let inverted = |evidence: &mut Evidence| {
            let (first, second) = (evidence.log[3].offset, evidence.log[6].offset);
            (evidence.log[3].offset, evidence.log[6].offset) = (second, first);
        };
        assert_eq!(found(inverted), [Wrong::Order, Wrong::Offset]);
    }

    #[test]
    fn failed_values_that_are_in_the_log_must_be_there_once_and_in_order() {
        let fail = |evidence: &mut Evidence| {
            evidence.errors_allowed = true;
            evidence.lines[2 + 4].text = error(4);
            let data = evidence.lines.last_mut().expect("lines");
            data.text = data.text.replace(r#""acked":12"#, r#""acked":11"#);
        };
        assert_eq!(found(fail), []);
        let forbidden = |evidence: &mut Evidence| {
            fail(evidence);
            evidence.errors_allowed = false;
        };
        assert_eq!(found(forbidden), [Wrong::Errors]);
        let late = |evidence: &mut Evidence| {
            fail(evidence);
            evidence.log[4].offset = 9;
        };
        assert_eq!(found(late), [Wrong::Order]);
        let absent = |evidence: &mut Evidence| {
            fail(evidence);
            evidence.log.remove(4);
        };
        assert_eq!(found(absent), []);
    }

    #[test]
    fn a_wrong_offset_or_partition_is_found() {
        for (from, to) in [
            (r#""offset":0"#, r#""offset":1"#),
            (r#""partition":0"#, r#""partition":1"#),
        ] {
            let wrong = |evidence: &mut Evidence| {
                let text = &mut evidence.lines[2].text;
                *text = text.replace(from, to);
            };
            assert_eq!(found(wrong), [Wrong::Offset], "{to}");
        }
    }

    #[test]
    fn two_lines_none_and_a_stray_one_are_found() {
        let two = |evidence: &mut Evidence| {
            let copy = evidence.lines[2].clone();
            evidence.lines.insert(3, copy);
        };
        assert_eq!(found(two), [Wrong::Lines]);
        // Its record is in the log all the same: nobody is known to have sent it.
        let none = |evidence: &mut Evidence| {
            evidence.lines.remove(3);
        };
        assert_eq!(found(none), [Wrong::Stray, Wrong::Lines]);
        let other = |evidence: &mut Evidence| {
            let text = &mut evidence.lines[2].text;
            *text = text.replace(r#""7.0""#, r#""8.0""#);
        };
        assert!(found(other).contains(&Wrong::Lines));
    }

    #[test]
    fn strangers_and_wrong_keys_in_the_log_are_found() {
        let stranger = |evidence: &mut Evidence| {
            let mut copy = evidence.log[0].clone();
            copy.offset = 99;
            copy.value = Some("x".into());
            evidence.log.push(copy);
        };
        assert_eq!(found(stranger), [Wrong::Stray]);
        let keyed = |evidence: &mut Evidence| evidence.log[0].key = Some("k".into());
        assert_eq!(found(keyed), [Wrong::Stray]);
    }

    #[test]
    fn silence_an_unfinished_end_and_a_bad_exit_are_found() {
        let silent = |evidence: &mut Evidence| {
            for line in &mut evidence.lines[5..] {
                line.at = Duration::from_secs(63);
            }
            evidence.ended_at = Duration::from_secs(64);
        };
        assert_eq!(found(silent), [Wrong::Silence]);
        let hung = |evidence: &mut Evidence| evidence.ended_at = Duration::from_secs(90);
        assert_eq!(found(hung), [Wrong::Silence]);
        let unfinished = |evidence: &mut Evidence| {
            evidence.lines.pop();
        };
        assert_eq!(found(unfinished), [Wrong::Lines]);
        let failed = |evidence: &mut Evidence| evidence.exit = Exit::Code(1);
        assert_eq!(found(failed), [Wrong::Exit]);
        let terminated = |evidence: &mut Evidence| {
            evidence.exit = Exit::Code(143);
            evidence.records = None;
        };
        assert_eq!(found(terminated), []);
    }
}
