//! Which fields of a message some values have shown away from their defaults, null, tagged, in long lists.

use std::collections::BTreeMap;

use crate::support::{Field, Kind, Model, Value};

/// What was seen of each field, by the struct's name and the field's.
#[derive(Default)]
pub(crate) struct Coverage(BTreeMap<(String, String), Seen>);

#[derive(Clone, Copy, Default)]
struct Seen {
    default: bool,
    other: bool,
    null: bool,
    empty: bool,
    longer: bool,
}

impl Coverage {
    /// Takes note of a struct's value.
    pub(crate) fn add(&mut self, model: &Model, name: &str, value: &Value) {
        for (field, value) in model.fields(name).iter().zip(value.values()) {
            let seen = self.0.entry((name.to_owned(), field.name.clone()));
            let seen = seen.or_default();
            let default = *value == model.default_of(field);
            seen.default |= default;
            seen.other |= !default && *value != Value::Null;
            seen.null |= *value == Value::Null;
            if let Value::List(items) = value {
                seen.empty |= items.is_empty();
                seen.longer |= items.len() > 1;
            }
            self.add_inner(model, &field.kind, value);
        }
    }

    fn add_inner(&mut self, model: &Model, kind: &Kind, value: &Value) {
        let Kind::Struct(name) = kind else { return };
        match value {
            Value::List(items) => items.iter().for_each(|item| self.add(model, name, item)),
            Value::Struct(_) => self.add(model, name, value),
            _ => (),
        }
    }

    /// How many fields were seen away from their defaults.
    pub(crate) fn others(&self) -> usize {
        self.0.values().filter(|seen| seen.other).count()
    }

    /// The fields of which not all was seen that `version` can carry.
    pub(crate) fn missing(&self, model: &Model, name: &str, version: i16) -> Vec<String> {
        let mut missing = Vec::new();
        for field in model.fields(name) {
            if !field.versions.contains(version) {
                continue;
            }
            let seen = self.0.get(&(name.to_owned(), field.name.clone()));
            if !seen.is_some_and(|seen| seen.all(field, version)) {
                missing.push(format!("{name}.{}", field.name));
            }
            if let Kind::Struct(inner) = &field.kind {
                missing.extend(self.missing(model, inner, version));
            }
        }
        missing
    }
}

impl Seen {
    fn all(self, field: &Field, version: i16) -> bool {
        self.other
            && (self.null || !field.is_nullable(version))
            && (self.default || field.tag.is_none())
            && (self.empty && self.longer || !field.list)
    }
}
