//! Messages of later versions: tagged fields that nobody knows yet. Kafka keeps them and writes them again, ours passes them by; both must
//! find what they do know.

use bytes::Bytes;

use crate::java::Java;
use crate::session::{self, Answer, Written};
use crate::shown::shown;
use crate::support::{
    Choices, Decoded, Message, Model, Value, encode, encode_with_unknown_tags, generate,
};

/// Values of each message in each version that can have tagged fields.
const VALUES: u64 = 20;

struct Case<'m> {
    message: &'m Message,
    version: i16,
    value: Value,
    bytes: Bytes,
}

#[test]
fn kafka_and_ours_find_the_same_among_unknown_tagged_fields() {
    let Some(java) = Java::find() else { return };
    let model = Model::load();
    let mut cases = Vec::new();
    for message in &model.messages {
        let flexible = message
            .versions
            .iter()
            .filter(|version| message.is_flexible(*version));
        for version in flexible {
            cases.extend((0..VALUES).map(|seed| case(&model, message, version, seed)));
        }
    }
    let found = session::answers(java, &cases, 1, |questions, case| {
        questions.message(
            &case.message.name,
            case.version,
            &[case.version],
            &case.bytes,
        )
    });
    for (case, answer) in cases.iter().zip(found) {
        check(&model, case, answer);
    }
    assert!(cases.len() > 300 * VALUES as usize, "{}", cases.len());
}

fn case<'m>(model: &Model, message: &'m Message, version: i16, seed: u64) -> Case<'m> {
    let value = generate(model, &message.name, version, &mut Choices::seeded(seed));
    let unknown = 1 + (seed % 3) as u32;
    let bytes = encode_with_unknown_tags(model, &message.name, version, &value, unknown).bytes;
    Case {
        message,
        version,
        value,
        bytes: bytes.into(),
    }
}

fn check(model: &Model, case: &Case<'_>, answer: Answer) {
    let (name, version) = (&case.message.name, case.version);
    let of = format!("{name} v{version}");
    match answer {
        Answer::Read { values, written } => {
            assert_eq!(values, shown(model, name, &case.value), "{of}");
            let [Written::Bytes(bytes)] = &*written else {
                panic!("{of}: {written:?}");
            };
            assert_eq!(*bytes, case.bytes, "{of}");
        }
        Answer::Unreadable(why) => panic!("{of}: {why}"),
    }
    let ours = Decoded::decode(case.message, version, &case.bytes);
    let ours = ours.unwrap_or_else(|error| panic!("{of}: {error}"));
    assert_eq!(ours.text(), case.value.text(model, name), "{of}");
    let without = encode(model, name, version, &case.value).bytes;
    assert_eq!(ours.encode(case.message, version), Ok(without), "{of}");
}
