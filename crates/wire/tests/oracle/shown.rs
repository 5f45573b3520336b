//! Values as `java/Values.java` shows them.

use std::fmt::Write as _;

use crate::support::{Kind, Model, Value};

/// Fields of versions that are not stable yet, which are not declared: Kafka's classes have them, at their defaults.
const UNSTABLE: [(&str, &str); 2] = [
    (
        "InitProducerIdRequest",
        ",enable2Pc=false,keepPreparedTxn=false}",
    ),
    (
        "InitProducerIdResponse",
        ",ongoingTxnProducerId=-1,ongoingTxnProducerEpoch=-1}",
    ),
];

/// The message called `name`, every field with its value.
pub(crate) fn shown(model: &Model, name: &str, value: &Value) -> String {
    let mut text = String::new();
    print_struct(model, name, value, &mut text);
    if let Some((_, more)) = UNSTABLE.iter().find(|(message, _)| *message == name) {
        text.pop();
        text.push_str(more);
    }
    text
}

fn print_struct(model: &Model, name: &str, value: &Value, text: &mut String) {
    text.push('{');
    for (index, (field, value)) in model.fields(name).iter().zip(value.values()).enumerate() {
        if index > 0 {
            text.push(',');
        }
        push_camel_case(&field.name, text);
        text.push('=');
        print(model, &field.kind, value, text);
    }
    text.push('}');
}

fn print(model: &Model, kind: &Kind, value: &Value, text: &mut String) {
    let written = match value {
        Value::Null => write!(text, "null"),
        Value::Bool(value) => write!(text, "{value}"),
        Value::Int(number) => write!(text, "{number}"),
        Value::Double(number) => write!(text, "{:016x}", number.to_bits()),
        Value::Uuid(bytes) => write!(text, "{:032x}", u128::from_be_bytes(*bytes)),
        Value::Text(content) => write!(text, "\"{content}\""),
        Value::Bytes(bytes) => {
            text.push('#');
            bytes.iter().try_for_each(|byte| write!(text, "{byte:02x}"))
        }
        Value::List(items) => {
            text.push('[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    text.push(',');
                }
                print(model, kind, item, text);
            }
            text.push(']');
            Ok(())
        }
        Value::Struct(_) => {
            let Kind::Struct(name) = kind else {
                panic!("{kind:?} is no struct");
            };
            print_struct(model, name, value, text);
            Ok(())
        }
        Value::Many(..) => panic!("too long to be shown"),
    };
    written.expect("memory");
}

/// A field's name in Java.
pub(crate) fn camel_case(name: &str) -> String {
    let mut text = String::new();
    push_camel_case(name, &mut text);
    text
}

fn push_camel_case(name: &str, text: &mut String) {
    let mut capital = false;
    for character in name.chars() {
        if character == '_' {
            capital = true;
        } else if capital {
            text.push(character.to_ascii_uppercase());
            capital = false;
        } else {
            text.push(character);
        }
    }
}
