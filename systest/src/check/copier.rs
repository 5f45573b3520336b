//! The transactional copier: its output against its input.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::{Complaints, Exit, Line, Wrong, check_silence, objects};
use crate::java::JavaRecord;

/// Kafka's own drivers give a copy so long.
const COPY_MAX: Duration = Duration::from_secs(240);

/// One start of the program.
#[derive(Clone, Debug)]
pub(crate) struct Incarnation {
    pub(crate) lines: Vec<Line>,
    pub(crate) exit: Exit,
    pub(crate) ended_at: Duration,
    pub(crate) fate: Fate,
}

/// How an incarnation was to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It was to finish.
    Finish,
    /// It was killed.
    Killed,
    /// It was asked to end with SIGTERM: it may have finished just before.
    Terminated,
    /// A second instance took its place.
    Fenced,
    /// It may be fenced, because its transaction timed out; if so, it must end.
    MayBeFenced,
}

/// A partition of the input: its end, and what the group has committed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct InputEnd {
    pub(crate) partition: i32,
    pub(crate) end: i64,
    pub(crate) committed: Option<i64>,
}

/// A partition of the output: how far it goes for the two kinds of reader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct OutputEnd {
    pub(crate) partition: i32,
    pub(crate) last_stable: i64,
    pub(crate) high_watermark: i64,
}

/// What one copy said and left behind.
#[derive(Clone, Debug)]
pub(crate) struct Evidence {
    pub(crate) transactional_id: String,
    pub(crate) incarnations: Vec<Incarnation>,
    pub(crate) took: Duration,
    /// What Java reads as read_committed.
    pub(crate) input: Vec<JavaRecord>,
    pub(crate) output: Vec<JavaRecord>,
    /// What the reader saw that ran all the time.
    pub(crate) seen: Vec<JavaRecord>,
    pub(crate) input_ends: Vec<InputEnd>,
    pub(crate) output_ends: Vec<OutputEnd>,
    /// What Java lists as this id's transaction state, if anything.
    pub(crate) state: Option<String>,
}

/// Everything that is wrong with a copy.
pub(crate) fn check(evidence: &Evidence) -> Complaints {
    let mut complaints = Complaints::default();
    check_output(evidence, &mut complaints);
    check_reader(evidence, &mut complaints);
    check_ends(evidence, &mut complaints);
    for (index, incarnation) in evidence.incarnations.iter().enumerate() {
        check_incarnation(evidence, index, incarnation, &mut complaints);
        check_silence(&incarnation.lines, incarnation.ended_at, &mut complaints);
    }
    if !evidence.incarnations.last().is_some_and(has_finished) {
        complaints.add(
            Wrong::Exit,
            "the last incarnation has not finished the copy",
        );
    }
    if evidence.took > COPY_MAX {
        complaints.add(
            Wrong::Slow,
            format!("the copy took {:.1} s", evidence.took.as_secs_f32()),
        );
    }
    complaints
}

/// Exit 0 and, last, `ShutdownComplete` with nothing remaining: whatever else, a driver starts it again.
pub(crate) fn has_finished(incarnation: &Incarnation) -> bool {
    let last = objects(&incarnation.lines, &mut Complaints::default()).pop();
    incarnation.exit == Exit::Code(0)
        && last.is_some_and(|last| {
            last["stage"] == "ShutdownComplete"
                && last["remaining"]
                    .as_i64()
                    .is_some_and(|remaining| remaining <= 0)
        })
}

type Partitions<'a> = BTreeMap<i32, Vec<&'a JavaRecord>>;

fn by_partition(records: &[JavaRecord]) -> Partitions<'_> {
    let mut partitions = Partitions::new();
    for record in records {
        partitions.entry(record.partition).or_default().push(record);
    }
    for records in partitions.values_mut() {
        records.sort_by_key(|record| record.offset);
    }
    partitions
}

fn check_output(evidence: &Evidence, complaints: &mut Complaints) {
    let (input, output) = (
        by_partition(&evidence.input),
        by_partition(&evidence.output),
    );
    let partitions: BTreeSet<i32> = input.keys().chain(output.keys()).copied().collect();
    for partition in partitions {
        let what = |record: &&JavaRecord| (record.key.clone(), record.value.clone());
        let side = |side: &Partitions<'_>| -> Vec<_> {
            side.get(&partition)
                .into_iter()
                .flatten()
                .map(what)
                .collect()
        };
        let (input, output) = (side(&input), side(&output));
        if input == output {
            continue;
        }
        let mut counts: BTreeMap<_, i64> = BTreeMap::new();
        for record in &output {
            *counts.entry(record).or_default() += 1;
        }
        for record in &input {
            match counts.remove(record) {
                None => {
                    complaints.add(Wrong::Missing, format!("partition {partition}: {record:?}"))
                }
                Some(1) => {}
                Some(count) => complaints.add(
                    Wrong::Twice,
                    format!("partition {partition}: {record:?} {count} times"),
                ),
            }
        }
        for record in counts.keys() {
            complaints.add(Wrong::Stray, format!("partition {partition}: {record:?}"));
        }
        if let Some(place) = input.iter().zip(&output).position(|(a, b)| a != b) {
            let text = format!(
                "partition {partition}, record {place}: {:?} instead of {:?}",
                output[place], input[place]
            );
            complaints.add(Wrong::Order, text);
        }
    }
}

fn check_reader(evidence: &Evidence, complaints: &mut Complaints) {
    let (seen, output) = (by_partition(&evidence.seen), by_partition(&evidence.output));
    let partitions: BTreeSet<i32> = seen.keys().chain(output.keys()).copied().collect();
    for partition in partitions {
        let seen = seen.get(&partition).map_or(&[][..], Vec::as_slice);
        let output = output.get(&partition).map_or(&[][..], Vec::as_slice);
        if seen == output {
            continue;
        }
        let place = seen.iter().zip(output).position(|(a, b)| a != b);
        let place = place.unwrap_or_else(|| seen.len().min(output.len()));
        let text = format!(
            "partition {partition}: {} instead of {} records, the first difference is {:?} instead of {:?}",
            seen.len(),
            output.len(),
            seen.get(place),
            output.get(place)
        );
        complaints.add(Wrong::Reader, text);
    }
}

fn check_ends(evidence: &Evidence, complaints: &mut Complaints) {
    let mut needed: BTreeMap<i32, i64> = BTreeMap::new();
    for record in &evidence.input {
        let needed = needed.entry(record.partition).or_default();
        *needed = (*needed).max(record.offset + 1);
    }
    for end in &evidence.input_ends {
        let needed = needed.remove(&end.partition).unwrap_or(0);
        let committed = end.committed.unwrap_or(0);
        if committed < needed || committed > end.end {
            let text = format!("{end:?}, and the last record needs {needed}");
            complaints.add(Wrong::Group, text);
        }
    }
    for partition in needed.keys() {
        complaints.add(
            Wrong::Group,
            format!("nothing is known of partition {partition}"),
        );
    }
    for end in &evidence.output_ends {
        if end.last_stable != end.high_watermark {
            complaints.add(Wrong::Open, format!("{end:?}"));
        }
    }
    if let Some(state) = &evidence.state
        && !["CompleteCommit", "CompleteAbort", "Empty"].contains(&state.as_str())
    {
        complaints.add(Wrong::Open, format!("the transaction is {state}"));
    }
}

fn check_incarnation(
    evidence: &Evidence,
    index: usize,
    incarnation: &Incarnation,
    complaints: &mut Complaints,
) {
    let lines = objects(&incarnation.lines, complaints);
    let mut processed = 0;
    for (place, line) in lines.iter().enumerate() {
        let stage = line["stage"].as_str().unwrap_or_default();
        let numbers = ["totalProcessed", "consumed", "remaining"];
        if line["transactionalId"] != evidence.transactional_id.as_str()
            || !["ProcessLoop", "ShutdownComplete", "RebalanceComplete"].contains(&stage)
            || numbers.iter().any(|name| line[name].as_i64().is_none())
            || line["totalProcessed"].as_i64() < Some(processed)
            || (stage == "ShutdownComplete" && place + 1 < lines.len())
        {
            complaints.add(
                Wrong::Lines,
                format!("incarnation {index}, line {place}: {line}"),
            );
        }
        processed = line["totalProcessed"].as_i64().unwrap_or(processed);
    }
    let finished = has_finished(incarnation);
    let shut_down = lines
        .last()
        .is_some_and(|last| last["stage"] == "ShutdownComplete");
    let wrong = match incarnation.fate {
        Fate::Finish => !finished,
        Fate::Killed => incarnation.exit != Exit::Signal(9),
        Fate::Terminated => !shut_down || !matches!(incarnation.exit, Exit::Code(0 | 143)),
        Fate::Fenced => incarnation.exit == Exit::Code(0) || shut_down,
        Fate::MayBeFenced => incarnation.exit == Exit::Code(0) && !finished,
    };
    if wrong {
        let text = format!(
            "incarnation {index}, which was to be {:?}, ended with {:?}; its last line is {:?}",
            incarnation.fate,
            incarnation.exit,
            lines.last().map(ToString::to_string)
        );
        complaints.add(Wrong::Exit, text);
    }
    let whole = i64::try_from(evidence.input.len()).unwrap_or(i64::MAX);
    if evidence.incarnations.len() == 1 && finished && processed != whole {
        complaints.add(
            Wrong::Lines,
            format!("{processed} records were processed, of {whole}"),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(partition: i32, offset: i64, value: i64) -> JavaRecord {
        JavaRecord {
            partition,
            offset,
            key: Some(format!("k{value}")),
            value: Some(format!("v{partition}.{value}")),
        }
    }

    fn line(stage: &str, processed: i64) -> Line {
        Line {
            at: Duration::from_secs(1),
            text: format!(
                r#"{{"transactionalId":"x","stage":"{stage}","time":"t","totalProcessed":{processed},"consumed":{processed},"remaining":{}}}"#,
                20 - processed
            ),
        }
    }

    fn finished() -> Incarnation {
        Incarnation {
            lines: vec![
                line("ProcessLoop", 0),
                line("ProcessLoop", 10),
                line("ShutdownComplete", 20),
            ],
            exit: Exit::Code(0),
            ended_at: Duration::from_secs(2),
            fate: Fate::Finish,
        }
    }

    /// Ten records in each of two partitions; the output has a marker after each fifth.
    fn right() -> Evidence {
        let all = |place: fn(i64) -> i64| -> Vec<JavaRecord> {
            (0..2)
                .flat_map(|partition| {
                    (0..10).map(move |value| record(partition, place(value), value))
                })
                .collect()
        };
        let output = all(|value| value + value / 5);
        let ends = |partition| InputEnd {
            partition,
            end: 10,
            committed: Some(10),
        };
        let output_ends = |partition| OutputEnd {
            partition,
            last_stable: 12,
            high_watermark: 12,
        };
        Evidence {
            transactional_id: "x".into(),
            incarnations: vec![finished()],
            took: Duration::from_secs(3),
            input: all(|value| value),
            seen: output.clone(),
            output,
            input_ends: vec![ends(0), ends(1)],
            output_ends: vec![output_ends(0), output_ends(1)],
            state: Some("CompleteCommit".into()),
        }
    }

    fn found(plant: impl FnOnce(&mut Evidence)) -> Vec<Wrong> {
        let mut evidence = right();
        plant(&mut evidence);
        check(&evidence).kinds()
    }

    /// What is planted in the output, every reader sees.
    fn found_in_output(plant: impl FnOnce(&mut Vec<JavaRecord>)) -> Vec<Wrong> {
        found(|evidence| {
            plant(&mut evidence.output);
            evidence.seen = evidence.output.clone();
        })
    }

    #[test]
    fn nothing_is_wrong_with_a_right_copy() {
        let complaints = check(&right());
        assert!(complaints.is_empty(), "{complaints}");
    }

    #[test]
    fn missing_doubled_strange_and_inverted_records_are_found() {
        assert_eq!(
            found_in_output(|output| drop(output.pop())),
            [Wrong::Missing]
        );
        assert_eq!(
            found_in_output(|output| output.push(record(1, 20, 9))),
            [Wrong::Twice]
        );
        assert_eq!(
            found_in_output(|output| output.push(record(1, 20, 55))),
            [Wrong::Stray]
        );
        assert_eq!(
            found_in_output(|output| {
                let (a, b) = (output[3].offset, output[4].offset);
                (output[3].offset, output[4].offset) = (b, a);
            }),
            [Wrong::Order]
        );
        let elsewhere = found_in_output(|output| output[19].partition = 0);
        assert!(elsewhere.contains(&Wrong::Missing) && elsewhere.contains(&Wrong::Stray));
    }

    #[test]
    fn a_changed_key_or_value_is_found() {
        let keyless = found_in_output(|output| output[0].key = None);
        assert!(keyless.contains(&Wrong::Missing) && keyless.contains(&Wrong::Stray));
    }

    #[test]
    fn a_reader_that_saw_less_more_or_elsewhere_is_found() {
        for plant in [
            |seen: &mut Vec<JavaRecord>| drop(seen.pop()),
            |seen: &mut Vec<JavaRecord>| seen.push(record(0, 99, 1)),
            |seen: &mut Vec<JavaRecord>| seen[0].offset = 1,
        ] {
            assert_eq!(found(|evidence| plant(&mut evidence.seen)), [Wrong::Reader]);
        }
    }

    #[test]
    fn group_offsets_before_or_behind_the_input_are_found() {
        for committed in [None, Some(9), Some(11)] {
            let plant = |evidence: &mut Evidence| evidence.input_ends[1].committed = committed;
            assert_eq!(found(plant), [Wrong::Group], "{committed:?}");
        }
        assert_eq!(
            found(|evidence| evidence.input_ends.truncate(1)),
            [Wrong::Group]
        );
    }

    #[test]
    fn an_open_transaction_is_found_by_the_log_and_by_its_state() {
        assert_eq!(
            found(|evidence| evidence.output_ends[0].last_stable = 5),
            [Wrong::Open]
        );
        assert_eq!(
            found(|evidence| evidence.state = Some("Ongoing".into())),
            [Wrong::Open]
        );
    }

    #[test]
    fn incarnations_that_end_otherwise_than_they_should_are_found() {
        let first = |incarnation: Incarnation| {
            move |evidence: &mut Evidence| evidence.incarnations.insert(0, incarnation)
        };
        let fated = |fate, exit, shut_down: bool| {
            let mut incarnation = finished();
            (incarnation.fate, incarnation.exit) = (fate, exit);
            if !shut_down {
                incarnation.lines.pop();
            }
            incarnation
        };
        let (ok, failed, killed) = (Exit::Code(0), Exit::Code(1), Exit::Signal(9));
        for (incarnation, is_right) in [
            (fated(Fate::Killed, killed, false), true),
            (fated(Fate::Killed, failed, false), false),
            (fated(Fate::Fenced, failed, false), true),
            (fated(Fate::Fenced, ok, true), false),
            (fated(Fate::Fenced, failed, true), false),
            (fated(Fate::Terminated, ok, true), true),
            (fated(Fate::Terminated, ok, false), false),
            (fated(Fate::MayBeFenced, failed, false), true),
            (fated(Fate::MayBeFenced, ok, false), false),
            (fated(Fate::Finish, failed, false), false),
        ] {
            let text = format!("{incarnation:?}");
            let expected: &[Wrong] = if is_right { &[] } else { &[Wrong::Exit] };
            assert_eq!(found(first(incarnation)), expected, "{text}");
        }
        let unfinished = |evidence: &mut Evidence| drop(evidence.incarnations[0].lines.pop());
        assert_eq!(found(unfinished), [Wrong::Exit]);
    }

    #[test]
    fn lines_that_go_back_and_silence_and_slowness_are_found() {
        let back = |evidence: &mut Evidence| evidence.incarnations[0].lines.swap(0, 1);
        assert_eq!(found(back), [Wrong::Lines]);
        let silent = |evidence: &mut Evidence| {
            evidence.incarnations[0].ended_at = Duration::from_secs(62);
        };
        assert_eq!(found(silent), [Wrong::Silence]);
        assert_eq!(
            found(|evidence| evidence.took = Duration::from_secs(241)),
            [Wrong::Slow]
        );
    }
}
