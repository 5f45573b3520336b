//! Whether a message's values have been everywhere: each field away from its default, and null where null may be.

use std::collections::BTreeSet;

use crate::support::{Field, Kind, Model, Value};

/// Something that values of a message can do in some version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Feat {
    /// Not what an absent field reads as.
    Away,
    Null,
    NotNull,
}

/// What is still to be seen of one message in one version; struct, field and feat.
pub(crate) struct Missing<'m> {
    model: &'m Model,
    version: i16,
    feats: BTreeSet<(&'m str, &'m str, Feat)>,
}

impl<'m> Missing<'m> {
    /// All that can be seen.
    pub(crate) fn all_of(model: &'m Model, message: &'m str, version: i16) -> Self {
        let mut missing = Self {
            model,
            version,
            feats: BTreeSet::new(),
        };
        missing.add_struct(message);
        missing
    }

    fn add_struct(&mut self, name: &'m str) {
        for field in fields_in(self.model, name, self.version) {
            self.feats.insert((name, &field.name, Feat::Away));
            if field.is_nullable(self.version) {
                self.feats.insert((name, &field.name, Feat::Null));
                self.feats.insert((name, &field.name, Feat::NotNull));
            }
            if let Kind::Struct(name) = &field.kind {
                self.add_struct(name);
            }
        }
    }

    /// Whether all has been seen.
    pub(crate) fn is_none(&self) -> bool {
        self.feats.is_empty()
    }

    /// Takes off what this value, of the struct called `name`, does.
    pub(crate) fn take(&mut self, name: &'m str, value: &Value) {
        let model = self.model;
        for (field, value) in model.fields(name).iter().zip(value.values()) {
            if !field.versions.contains(self.version) {
                continue;
            }
            self.take_field(name, field, value);
            let Kind::Struct(inner) = &field.kind else {
                continue;
            };
            match value {
                Value::List(items) => items.iter().for_each(|item| self.take(inner, item)),
                Value::Null => {}
                one => self.take(inner, one),
            }
        }
    }

    fn take_field(&mut self, name: &'m str, field: &'m Field, value: &Value) {
        if *value != self.model.default_of(field) {
            self.feats.remove(&(name, field.name.as_str(), Feat::Away));
        }
        let feat = if *value == Value::Null {
            Feat::Null
        } else {
            Feat::NotNull
        };
        self.feats.remove(&(name, field.name.as_str(), feat));
    }
}

impl std::fmt::Debug for Missing<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.feats.fmt(f)
    }
}

fn fields_in<'m>(model: &'m Model, name: &str, version: i16) -> impl Iterator<Item = &'m Field> {
    let fields = model.fields(name).iter();
    fields.filter(move |field| field.versions.contains(version))
}
