//! Lists inside lists, filled with the least that their items can be.

use crate::support::{
    Choices, Encoded, Field, Kind, Message, Model, Value, encode, encode_part, generate,
};

/// A way down into a message, field by field, that ends in a list.
pub(crate) struct Chain<'m> {
    model: &'m Model,
    message: &'m Message,
    version: i16,
    fields: Vec<&'m Field>,
}

/// All of a message in a version.
pub(crate) fn chains<'m>(model: &'m Model, message: &'m Message, version: i16) -> Vec<Chain<'m>> {
    let mut found = Vec::new();
    descend(model, &message.name, version, &mut Vec::new(), &mut found);
    let chain = |fields| Chain {
        model,
        message,
        version,
        fields,
    };
    found.into_iter().map(chain).collect()
}

fn descend<'m>(
    model: &'m Model,
    name: &str,
    version: i16,
    above: &mut Vec<&'m Field>,
    found: &mut Vec<Vec<&'m Field>>,
) {
    for field in model.fields(name) {
        if !field.versions.contains(version) {
            continue;
        }
        above.push(field);
        if field.list {
            found.push(above.clone());
        }
        if let Kind::Struct(inner) = &field.kind {
            descend(model, inner, version, above, found);
        }
        above.pop();
    }
}

impl Chain<'_> {
    /// How many of the fields are lists.
    pub(crate) fn lists(&self) -> usize {
        self.fields.iter().filter(|field| field.list).count()
    }

    /// A message with that many bytes of the plainest items in each list on the way, the last of which holds the next list.
    pub(crate) fn encode(&self, bytes: &[usize]) -> Encoded {
        let value = self.filled(&self.message.name, &self.fields, bytes);
        encode(self.model, &self.message.name, self.version, &value)
    }

    fn filled(&self, name: &str, fields: &[&Field], bytes: &[usize]) -> Value {
        let Value::Struct(mut values) = self.plain(name) else {
            panic!("{name} is a struct")
        };
        let [field, fields @ ..] = fields else {
            return Value::Struct(values);
        };
        let declared = self.model.fields(name);
        let index = declared.iter().position(|other| other.name == field.name);
        let within = usize::from(field.list);
        let last = match &field.kind {
            Kind::Struct(inner) => self.filled(inner, fields, &bytes[within..]),
            kind => least(kind),
        };
        let value = if field.list {
            let (item, size) = self.item(field);
            Value::Many(bytes[0] / size, Box::new(item), Box::new(last))
        } else {
            last
        };
        values[index.expect("a field of the struct")] = value;
        Value::Struct(values)
    }

    /// The plainest item of a list, and how many bytes it takes.
    fn item(&self, field: &Field) -> (Value, usize) {
        let Kind::Struct(inner) = &field.kind else {
            return (
                least(&field.kind),
                self.model.bytes_min(&field.kind, self.version, true),
            );
        };
        let item = self.plain(inner);
        let part = encode_part(self.model, &self.message.name, inner, self.version, &item);
        assert!(!part.bytes.is_empty(), "{inner} takes no bytes");
        (item, part.bytes.len())
    }

    fn plain(&self, name: &str) -> Value {
        let mut plainest = Choices::from_bytes(&[]);
        generate(self.model, name, self.version, &mut plainest)
    }
}

fn least(kind: &Kind) -> Value {
    match kind {
        Kind::Text => Value::Text(String::new()),
        _ => Value::Int(0),
    }
}
