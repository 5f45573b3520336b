//! The same values, in the same bytes: random values of every message in every version are read by Kafka's own classes and written again.

use std::collections::BTreeMap;
use std::sync::mpsc::{Sender, channel};
use std::thread;

use bytes::Bytes;
use milena_wire::EncodeErrorKind;

use crate::coverage::Missing;
use crate::java::Java;
use crate::session::{self, Answer, Questions, Written};
use crate::shown::{camel_case, shown};
use crate::support::{
    Choices, Decoded, Encoded, LossKind, Message, Model, Value, encode, generate,
};

/// Values of each message in each version, at least: more are made until every field has been away from its default.
const VALUES: usize = 200;
const VALUES_MAX: usize = 10_000;
/// Every so many values are written in all other versions, too.
const ACROSS: u64 = 4;

/// One value of one message.
struct Case<'m> {
    message: &'m Message,
    version: i16,
    value: Value,
    bytes: Vec<u8>,
    write_versions: Vec<i16>,
}

#[test]
fn kafkas_classes_find_the_same_values_and_write_the_same_bytes() {
    let Some(java) = Java::find() else { return };
    let model = Model::load();
    let (questions, answers) = session::start(java);
    let mut judge = Judge::default();
    thread::scope(|scope| {
        let (sender, cases) = channel();
        scope.spawn(|| ask(&model, questions, sender));
        // It is dropped here if a check panics: else the other thread would wait for Java for ever.
        let mut answers = answers;
        for case in cases {
            let answer = answers.next(case.write_versions.len());
            judge.case(&model, &case, answer);
            if judge.differences.len() >= 20 {
                break;
            }
        }
    });
    judge.verdict(&model);
}

/// Makes up values and asks Kafka about them. Ends early if nobody listens any more.
fn ask<'m>(model: &'m Model, mut questions: Questions, cases: Sender<Case<'m>>) {
    let mut seed = 0;
    for message in &model.messages {
        for version in message.versions.iter() {
            let mut missing = Missing::all_of(model, &message.name, version);
            let mut made = 0;
            while made < VALUES || !missing.is_none() {
                assert!(
                    made < VALUES_MAX,
                    "{} v{version}: never seen: {missing:?}",
                    message.name
                );
                seed += 1;
                let case = case(model, message, version, seed);
                missing.take(&message.name, &case.value);
                made += 1;
                let asked =
                    questions.message(&message.name, version, &case.write_versions, &case.bytes);
                if asked.is_err() || cases.send(case).is_err() {
                    return;
                }
            }
        }
    }
}

fn case<'m>(model: &'m Model, message: &'m Message, version: i16, seed: u64) -> Case<'m> {
    let value = generate(model, &message.name, version, &mut Choices::seeded(seed));
    let mut write_versions = vec![version];
    if seed.is_multiple_of(ACROSS) {
        write_versions.extend(message.versions.iter().filter(|other| *other != version));
    }
    Case {
        bytes: encode(model, &message.name, version, &value).bytes,
        message,
        version,
        value,
        write_versions,
    }
}

/// Compares, and counts.
#[derive(Default)]
struct Judge {
    differences: Vec<String>,
    values: BTreeMap<(String, i16), usize>,
    written: usize,
    not_in_version: usize,
    null: usize,
}

impl Judge {
    fn case(&mut self, model: &Model, case: &Case<'_>, answer: Answer) {
        let name = &case.message.name;
        *self.values.entry((name.clone(), case.version)).or_default() += 1;
        let bytes = Bytes::from(case.bytes.clone());
        let (ours, theirs) = match (Decoded::decode(case.message, case.version, &bytes), answer) {
            (Ok(ours), Answer::Read { values, written }) => (ours, (values, written)),
            (Ok(_), Answer::Unreadable(why)) => {
                return self.differ(case, &format!("Kafka cannot read it: {why}"));
            }
            (Err(error), _) => return self.differ(case, &format!("ours cannot read it: {error}")),
        };
        let (values, written) = theirs;
        let expected = shown(model, name, &case.value);
        if values != expected {
            return self.differ(case, &format!("Kafka reads\n{values}\nnot\n{expected}"));
        }
        let (text, expected) = (ours.text(), case.value.text(model, name));
        if text != expected {
            return self.differ(case, &format!("ours reads\n{text}\nnot\n{expected}"));
        }
        for (version, theirs) in case.write_versions.iter().zip(written) {
            let ours = ours.encode(case.message, *version);
            let rules = encode(model, name, *version, &case.value);
            let verdict = self.written(&rules, &ours, &theirs);
            if let Err(what) = verdict {
                self.differ(case, &format!("written in v{version}: {what}"));
            }
        }
    }

    /// Both write the same, or both refuse.
    fn written(
        &mut self,
        rules: &Encoded,
        ours: &Result<Vec<u8>, milena_wire::EncodeError>,
        theirs: &Written,
    ) -> Result<(), String> {
        let has = |kind, is_field: &dyn Fn(&str) -> bool| {
            let mut losses = rules.losses.iter();
            losses.any(|loss| loss.kind == kind && is_field(&loss.field))
        };
        // Which loss is met first depends on the order of things inside; a loss it must be.
        let ours_is_right = match ours {
            Ok(bytes) => rules.losses.is_empty() && *bytes == rules.bytes,
            Err(error) => match error.kind {
                EncodeErrorKind::NotInVersion => {
                    has(LossKind::NotInVersion, &|field| field == error.field)
                }
                EncodeErrorKind::NullNotAllowed => {
                    has(LossKind::NullNotAllowed, &|field| field == error.field)
                }
                _ => false,
            },
        };
        let theirs_is_right = match theirs {
            Written::Bytes(bytes) => rules.losses.is_empty() && *bytes == rules.bytes,
            Written::NotInVersion(text) => has(LossKind::NotInVersion, &|field| {
                text.contains(&format!(" {} at version", camel_case(field)))
            }),
            Written::Null => has(LossKind::NullNotAllowed, &|_| true),
            Written::Refused(_) => false,
        };
        match theirs {
            Written::Bytes(_) => self.written += 1,
            Written::NotInVersion(_) => self.not_in_version += 1,
            Written::Null => self.null += 1,
            Written::Refused(_) => {}
        }
        let who = match (ours_is_right, theirs_is_right) {
            (true, true) => return Ok(()),
            (false, true) => "ours against Kafka and the rules",
            (true, false) => "Kafka against ours and the rules",
            (false, false) => "the rules against one of them",
        };
        let theirs = match theirs {
            Written::Refused(why) => why.clone(),
            theirs => format!("{theirs:?}"),
        };
        Err(format!(
            "{who}\nKafka {theirs}\nours  {ours:?}\nrules {:?} {:?}",
            rules.bytes, rules.losses
        ))
    }

    fn differ(&mut self, case: &Case<'_>, what: &str) {
        let (name, version) = (&case.message.name, case.version);
        self.differences.push(format!("{name} v{version}: {what}"));
    }

    fn verdict(self, model: &Model) {
        let differences = self.differences.join("\n");
        assert!(self.differences.is_empty(), "Kafka differs:\n{differences}");
        for message in &model.messages {
            for version in message.versions.iter() {
                let values = self.values.get(&(message.name.clone(), version));
                assert!(
                    values.is_some_and(|count| *count >= VALUES),
                    "{} v{version}: {values:?}",
                    message.name
                );
            }
        }
        let values: usize = self.values.values().sum();
        println!(
            "{} messages and versions, {values} values, written {} times, refused {} times for the version and {} for a null",
            self.values.len(),
            self.written,
            self.not_in_version,
            self.null
        );
        assert!(self.not_in_version > 1_000 && self.null > 1_000);
    }
}
