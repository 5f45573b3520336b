//! Random values of any message, such that the version asked for can carry them.

use super::choices::Choices;
use super::encode::encode;
use super::model::{Field, Kind, Model};
use super::value::Value;

/// How long a varint of one byte can say that something is, and around it: lengths are one higher in the compact form.
const EDGE: std::ops::RangeInclusive<usize> = 125..=129;

/// A value of the message, all of whose fields are carried by `version`; the others are at their defaults.
pub(crate) fn generate(
    model: &Model,
    message: &str,
    version: i16,
    choices: &mut Choices<'_>,
) -> Value {
    Generator {
        model,
        version,
        choices,
        depth: 0,
    }
    .structure(message)
}

/// A value of one field, neither null nor its default.
pub(crate) fn sample(
    model: &Model,
    field: &Field,
    version: i16,
    choices: &mut Choices<'_>,
) -> Value {
    let default = model.default_of(field);
    loop {
        let mut generator = Generator {
            model,
            version,
            choices,
            depth: 1,
        };
        let value = generator.field(field);
        if value != default && value != Value::Null {
            return value;
        }
    }
}

/// Such a value's bytes, without header.
pub(crate) fn generate_bytes(
    model: &Model,
    message: &str,
    version: i16,
    choices: &mut Choices<'_>,
) -> Vec<u8> {
    let value = generate(model, message, version, choices);
    encode(model, message, version, &value).bytes
}

struct Generator<'g, 'c> {
    model: &'g Model,
    version: i16,
    choices: &'g mut Choices<'c>,
    /// Lists around this one; the deeper, the shorter, or a value could have no end worth waiting for.
    depth: u32,
}

impl Generator<'_, '_> {
    fn structure(&mut self, name: &str) -> Value {
        let fields = self.model.fields(name);
        Value::Struct(fields.iter().map(|field| self.field(field)).collect())
    }

    fn field(&mut self, field: &Field) -> Value {
        let default = self.model.default_of(field);
        if !field.versions.contains(self.version) {
            return default;
        }
        let nullable = field.is_nullable(self.version);
        // Zero first: where the choices have run out, everything is plain.
        match self.choices.below(8) {
            0 if default != Value::Null || nullable => default,
            1 | 2 if nullable => Value::Null,
            _ if field.list => self.list(&field.kind),
            _ => self.one(&field.kind),
        }
    }

    fn list(&mut self, kind: &Kind) -> Value {
        let len = match self.choices.below(if self.depth == 0 { 16 } else { 8 }) {
            0 | 1 => 0,
            2..=5 => 1,
            6 => 2,
            7 => 3,
            15 if self.choices.below(3) == 2 => return self.long_list(kind),
            _ => 2,
        };
        self.depth += 1;
        let items = (0..len).map(|_| self.one(kind)).collect();
        self.depth -= 1;
        Value::List(items)
    }

    /// One whose count takes two bytes, or nearly. All the same but the first, so that it does not eat up the choices.
    fn long_list(&mut self, kind: &Kind) -> Value {
        let len = EDGE.start() + self.choices.below(EDGE.count());
        self.depth += 8;
        let first = self.one(kind);
        self.depth -= 8;
        let other = match kind {
            Kind::Struct(name) => self.plain(name),
            _ => first.clone(),
        };
        let mut items = vec![first];
        items.resize(len, other);
        Value::List(items)
    }

    /// The plainest struct that the version carries: a default of null may be one that it does not.
    fn plain(&mut self, name: &str) -> Value {
        let mut none = Choices::from_bytes(&[]);
        let mut generator = Generator {
            model: self.model,
            version: self.version,
            choices: &mut none,
            depth: 0,
        };
        generator.structure(name)
    }

    fn one(&mut self, kind: &Kind) -> Value {
        match kind {
            Kind::Bool => Value::Bool(self.choices.below(2) == 1),
            Kind::I8 => self.number(i8::MIN.into(), i8::MAX.into()),
            Kind::I16 | Kind::ErrorCode => self.number(i16::MIN.into(), i16::MAX.into()),
            Kind::U16 => self.number(0, u16::MAX.into()),
            Kind::I32 => self.number(i32::MIN.into(), i32::MAX.into()),
            Kind::I64 => self.number(i64::MIN, i64::MAX),
            Kind::F64 => self.double(),
            Kind::Uuid => {
                let high = self.choices.word().to_be_bytes();
                let low = self.choices.word().to_be_bytes();
                let mut bytes = [0; 16];
                bytes[..8].copy_from_slice(&high);
                bytes[8..].copy_from_slice(&low);
                Value::Uuid(bytes)
            }
            Kind::Text => self.text(),
            Kind::Bytes | Kind::Records => self.bytes(),
            Kind::Struct(name) => self.structure(name),
        }
    }

    fn number(&mut self, min: i64, max: i64) -> Value {
        Value::Int(match self.choices.below(8) {
            0 => 0,
            1 => min,
            2 => max,
            3 => 1,
            4 => (-1).clamp(min, max),
            _ => {
                let word = self.choices.word().cast_signed();
                match max.checked_sub(min).and_then(|span| span.checked_add(1)) {
                    Some(span) => min + word.rem_euclid(span),
                    None => word,
                }
            }
        })
    }

    /// Not what is no number: it is unequal to itself.
    fn double(&mut self) -> Value {
        let double = f64::from_bits(self.choices.word());
        Value::Double(match self.choices.below(6) {
            0 => 0.0,
            1 => f64::MIN,
            2 => f64::INFINITY,
            3 => -0.5,
            _ if double.is_nan() => 1e300,
            _ => double,
        })
    }

    fn text(&mut self) -> Value {
        let text = match self.choices.below(10) {
            0 => String::new(),
            1 => "payments".to_owned(),
            2 => "broker-1.example".to_owned(),
            // Two, three and four bytes a character.
            3 => "\u{fc}\u{20ac}\u{1f980}".to_owned(),
            4 => "\0\"\\\n".to_owned(),
            5 => ".".repeat(EDGE.start() + self.choices.below(EDGE.count())),
            6 if self.depth < 2 => "\u{e9}".repeat(150),
            _ => char::from(b'a' + (self.choices.byte() % 26)).to_string(),
        };
        Value::Text(text)
    }

    fn bytes(&mut self) -> Value {
        let len = match self.choices.below(8) {
            0 => 0,
            1 => EDGE.start() + self.choices.below(EDGE.count()),
            2 if self.depth < 2 => 300,
            _ => self.choices.below(12),
        };
        let first = self.choices.byte();
        Value::Bytes((0..len).map(|at| first.wrapping_add(at as u8)).collect())
    }
}
