//! Compares what went in with what came out, both as Java's console consumer read them.

use std::collections::{BTreeMap, BTreeSet};

use crate::java::JavaRecord;
use crate::pipeline_process::Shape;

/// How many examples of each kind of wrong are kept.
const EXAMPLES_MAX: usize = 5;

/// What is wrong with the output, and how much there was.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Audit {
    pub(super) inputs: usize,
    pub(super) outputs: usize,
    /// Input records of which no output is there.
    pub(super) lost: usize,
    /// Outputs that are there more than once, counted without the first.
    pub(super) doubled: usize,
    /// Input records of which one output is there and the other is not, or both, of two steps.
    pub(super) torn: usize,
    /// Outputs that come after the output of a later input record of the same partition.
    pub(super) reordered: usize,
    /// Outputs of no input record, of another one than they say, or in a partition where they do not belong.
    pub(super) strays: usize,
    /// The first of each kind, in words.
    pub(super) examples: Vec<String>,
}

/// What the value of an output record says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Origin {
    partition: i32,
    offset: i64,
    /// Which step of which incarnation.
    by: Step,
}

/// Which input record: partition and offset.
type Place = (i32, i64);
/// Which incarnation, and which of its steps.
pub(super) type Step = (u32, u64);

impl Audit {
    /// Every input record must have exactly one output on each side, both of one step, in the order of the input.
    pub(super) fn of(shape: Shape, inputs: &[JavaRecord], outputs: &[JavaRecord]) -> Self {
        let mut audit = Self {
            inputs: inputs.len(),
            outputs: outputs.len(),
            ..Self::default()
        };
        let keys: BTreeMap<Place, Option<&str>> = inputs
            .iter()
            .map(|record| ((record.partition, record.offset), record.value.as_deref()))
            .collect();
        let mut seen: BTreeMap<Place, [Vec<Step>; 2]> = BTreeMap::new();
        let mut last: BTreeMap<(i32, i32), i64> = BTreeMap::new();
        let mut sorted: Vec<&JavaRecord> = outputs.iter().collect();
        sorted.sort_by_key(|record| (record.partition, record.offset));
        for record in sorted {
            let Some((origin, side)) = audit.origin(shape, &keys, record) else {
                continue;
            };
            let copies = &mut seen.entry((origin.partition, origin.offset)).or_default()[side];
            copies.push(origin.by);
            let last = last
                .entry((record.partition, origin.partition))
                .or_insert(-1);
            // A second copy is counted as doubled, and not as well as out of order.
            if origin.offset < *last && copies.len() == 1 {
                audit.reordered += 1;
                audit.example(audit.reordered, || {
                    format!("out of order, after input offset {last}: {record:?}")
                });
            }
            *last = (*last).max(origin.offset);
        }
        for place in keys.keys() {
            let nothing = [Vec::new(), Vec::new()];
            audit.count(*place, seen.get(place).unwrap_or(&nothing));
        }
        audit
    }

    /// Whether nothing is wrong.
    pub(super) fn is_clean(&self) -> bool {
        self.lost + self.doubled + self.torn + self.reordered + self.strays == 0
    }

    fn count(&mut self, place: Place, [left, right]: &[Vec<Step>; 2]) {
        let copies = left.len().saturating_sub(1) + right.len().saturating_sub(1);
        if copies > 0 {
            self.doubled += copies;
            self.example(self.doubled, || {
                format!("doubled: input {place:?}, by steps {left:?} and {right:?}")
            });
        }
        match (left.first(), right.first()) {
            (None, None) => {
                self.lost += 1;
                self.example(self.lost, || format!("lost: input {place:?}"));
            }
            (Some(one), Some(other)) if one == other => {}
            _ => {
                self.torn += 1;
                self.example(self.torn, || {
                    format!("torn: input {place:?}, by steps {left:?} and {right:?}")
                });
            }
        }
    }

    /// Where an output comes from and on which side it is; None, and counted, if it cannot be.
    fn origin(
        &mut self,
        shape: Shape,
        keys: &BTreeMap<Place, Option<&str>>,
        record: &JavaRecord,
    ) -> Option<(Origin, usize)> {
        let found = origin_of(record).and_then(|origin| {
            let side = (0..2)
                .find(|side| shape.output_partition(origin.partition, *side) == record.partition)?;
            let key = keys.get(&(origin.partition, origin.offset))?;
            (*key == record.key.as_deref()).then_some((origin, side))
        });
        if found.is_none() {
            self.strays += 1;
            self.example(self.strays, || format!("of no input record: {record:?}"));
        }
        found
    }

    fn example(&mut self, count: usize, text: impl FnOnce() -> String) {
        if count <= EXAMPLES_MAX {
            self.examples.push(text());
        }
    }
}

/// The steps of which outputs are in the log that no reader of committed records sees, and how many such outputs.
pub(super) fn aborted(
    uncommitted: &[JavaRecord],
    committed: &[JavaRecord],
) -> (BTreeSet<Step>, usize) {
    let place = |record: &JavaRecord| (record.partition, record.offset);
    let committed: BTreeSet<Place> = committed.iter().map(place).collect();
    let aborted = uncommitted
        .iter()
        .filter(|record| !committed.contains(&place(record)));
    let mut steps = BTreeSet::new();
    let mut count = 0;
    for record in aborted {
        count += 1;
        steps.extend(origin_of(record).map(|origin| origin.by));
    }
    (steps, count)
}

/// Reads what [`crate::pipeline_process::output_value`] wrote.
fn origin_of(record: &JavaRecord) -> Option<Origin> {
    let fields: Vec<&str> = record.value.as_deref()?.split('/').collect();
    let [partition, offset, incarnation, step] = fields.as_slice() else {
        return None;
    };
    Some(Origin {
        partition: partition.parse().ok()?,
        offset: offset.parse().ok()?,
        by: (incarnation.parse().ok()?, step.parse().ok()?),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pipeline_process::output_value;

    const SHAPE: Shape = Shape {
        input_partitions: 2,
        output_partitions: 4,
    };

    fn inputs() -> Vec<JavaRecord> {
        let place = (0..2).flat_map(|partition| (0..10).map(move |offset| (partition, offset)));
        let record = |(partition, offset)| JavaRecord {
            partition,
            offset,
            key: None,
            value: Some(format!("{partition}-{offset}")),
        };
        place.map(record).collect()
    }

    /// What a faultless pipeline makes of [`inputs`].
    fn outputs() -> Vec<JavaRecord> {
        let mut outputs = Vec::new();
        for input in inputs() {
            for side in 0..2 {
                outputs.push(JavaRecord {
                    partition: SHAPE.output_partition(input.partition, side),
                    offset: input.offset * 3,
                    key: input.value.clone(),
                    value: Some(output_value(input.partition, input.offset, 1, 5)),
                });
            }
        }
        outputs
    }

    fn audit(outputs: &[JavaRecord]) -> Audit {
        Audit::of(SHAPE, &inputs(), outputs)
    }

    #[test]
    fn a_faultless_output_is_clean() {
        let audit = audit(&outputs());
        assert!(audit.is_clean(), "{audit:?}");
        assert_eq!((audit.inputs, audit.outputs), (20, 40));
    }

    #[test]
    fn an_input_without_output_is_lost() {
        let mut planted = outputs();
        planted.drain(6..8);
        let audit = audit(&planted);
        assert_eq!((audit.lost, audit.torn), (1, 0), "{audit:?}");
        assert!(!audit.is_clean() && audit.examples.len() == 1);
    }

    #[test]
    fn an_output_that_is_there_twice_is_doubled() {
        let mut planted = outputs();
        let mut copy = planted[4].clone();
        copy.offset = 1_000;
        planted.push(copy);
        let audit = audit(&planted);
        assert_eq!((audit.doubled, audit.reordered), (1, 0), "{audit:?}");
        assert!(!audit.is_clean());
    }

    #[test]
    fn one_side_without_the_other_is_torn() {
        let mut planted = outputs();
        planted.remove(9);
        let audit = audit(&planted);
        assert_eq!((audit.torn, audit.lost), (1, 0), "{audit:?}");
        assert!(!audit.is_clean());
    }

    #[test]
    fn two_sides_of_two_steps_are_torn() {
        let mut planted = outputs();
        planted[9].value = Some(output_value(0, 4, 1, 6));
        assert_eq!(audit(&planted).torn, 1);
    }

    #[test]
    fn outputs_that_changed_places_are_reordered() {
        let mut planted = outputs();
        // Both on the left side of input partition 0.
        (planted[2].offset, planted[4].offset) = (planted[4].offset, planted[2].offset);
        let audit = audit(&planted);
        assert_eq!(audit.reordered, 1, "{audit:?}");
        assert!(!audit.is_clean());
    }

    #[test]
    fn what_no_input_explains_is_a_stray() {
        let wrong_partition = |record: &mut JavaRecord| record.partition = 2;
        let wrong_key = |record: &mut JavaRecord| record.key = Some("1-9".into());
        let no_input = |record: &mut JavaRecord| record.value = Some(output_value(0, 77, 1, 5));
        let no_text = |record: &mut JavaRecord| record.value = None;
        let plants: [&dyn Fn(&mut JavaRecord); 4] =
            [&wrong_partition, &wrong_key, &no_input, &no_text];
        for plant in plants {
            let mut planted = outputs();
            planted.push(planted[0].clone());
            plant(planted.last_mut().expect("just pushed"));
            let audit = audit(&planted);
            assert_eq!((audit.strays, audit.lost), (1, 0), "{audit:?}");
            assert!(!audit.is_clean());
        }
    }

    #[test]
    fn aborted_outputs_are_those_that_only_read_uncommitted_shows() {
        let committed = outputs();
        let mut uncommitted = committed.clone();
        uncommitted.push(JavaRecord {
            partition: 0,
            offset: 500,
            key: None,
            value: Some(output_value(0, 3, 7, 5)),
        });
        let (steps, count) = aborted(&uncommitted, &committed);
        assert_eq!((steps, count), (BTreeSet::from([(7, 5)]), 1));
        assert_eq!(aborted(&committed, &committed), (BTreeSet::new(), 0));
    }
}
