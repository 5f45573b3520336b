//! What is left of a value when it goes through a version.

use super::model::{Field, Kind, Model};
use super::value::Value;

/// The value as a reader of `version` has it: what the version has no room for is at its default.
pub(crate) fn carry(model: &Model, name: &str, version: i16, value: &Value) -> Value {
    let fields = model.fields(name).iter().zip(value.values());
    let carried = fields.map(|(field, value)| {
        if field.versions.contains(version) {
            carry_field(model, field, version, value)
        } else {
            model.default_of(field)
        }
    });
    Value::Struct(carried.collect())
}

fn carry_field(model: &Model, field: &Field, version: i16, value: &Value) -> Value {
    match (value, &field.kind) {
        (Value::List(items), Kind::Struct(inner)) => {
            let items = items.iter();
            Value::List(
                items
                    .map(|item| carry(model, inner, version, item))
                    .collect(),
            )
        }
        (Value::Struct(_), Kind::Struct(inner)) => carry(model, inner, version, value),
        _ => value.clone(),
    }
}
