//! Values to bytes, by the protocol's rules and nothing else: the second opinion on what the derive writes. It also notes where in the bytes
//! each length, count and tag stands, so that hostile tests know what to forge, and what a version could not carry.

use std::ops::Range;

use super::model::{Field, Kind, Model};
use super::value::Value;

/// A message's body, without header.
#[derive(Debug, Default)]
pub(crate) struct Encoded {
    pub(crate) bytes: Vec<u8>,
    pub(crate) marks: Vec<Mark>,
    /// What an encoder must refuse. The bytes are of no use then.
    pub(crate) losses: Vec<Loss>,
}

/// A place that says how much comes after it.
#[derive(Clone, Debug)]
pub(crate) struct Mark {
    pub(crate) kind: MarkKind,
    /// The name that errors have for it.
    pub(crate) field: String,
    /// The bytes of the mark itself.
    pub(crate) at: Range<usize>,
    /// A varint; otherwise two or four bytes.
    pub(crate) compact: bool,
    /// What a value of the list is, in [`MarkKind::Count`].
    pub(crate) of: Option<Kind>,
    /// Whether null may stand there.
    pub(crate) nullable: bool,
    /// What it says; zero for null.
    pub(crate) value: u32,
    /// Structs around it, the message being the first.
    pub(crate) depth: usize,
}

impl Mark {
    /// The bytes of this mark, were its value another.
    pub(crate) fn say(&self, value: u32) -> Vec<u8> {
        match (self.compact, self.kind) {
            (true, MarkKind::TextLength | MarkKind::BytesLength | MarkKind::Count) => {
                varint(u64::from(value) + 1)
            }
            (true, _) => varint(value.into()),
            (false, _) => value.to_be_bytes()[4 - self.at.len()..].to_vec(),
        }
    }
}

/// Seven bits a byte, low bits first.
pub(crate) fn varint(mut value: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while value > 0x7f {
        bytes.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
    bytes
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MarkKind {
    /// Of a string, with that many bytes behind it.
    TextLength,
    /// Of bytes or records.
    BytesLength,
    /// Of a list.
    Count,
    /// How many tagged fields follow.
    TagCount,
    /// A tag.
    Tag,
    /// The size of a tagged field.
    TagSize,
    /// Whether a struct is null.
    Presence,
}

/// A value that the version cannot carry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Loss {
    pub(crate) field: String,
    pub(crate) kind: LossKind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LossKind {
    NotInVersion,
    NullNotAllowed,
}

/// The bytes of a message's value.
pub(crate) fn encode(model: &Model, message: &str, version: i16, value: &Value) -> Encoded {
    start(model, message, version, 0).finish(message, value)
}

/// The same with `unknown` tagged fields of some later version added to every struct.
pub(crate) fn encode_with_unknown_tags(
    model: &Model,
    message: &str,
    version: i16,
    value: &Value,
    unknown: u32,
) -> Encoded {
    start(model, message, version, unknown).finish(message, value)
}

/// The bytes of a struct inside of a message.
pub(crate) fn encode_part(
    model: &Model,
    message: &str,
    name: &str,
    version: i16,
    value: &Value,
) -> Encoded {
    start(model, message, version, 0).finish(name, value)
}

/// Above all tags that any version has.
const FIRST_UNKNOWN_TAG: u32 = 10_000;

fn start<'m>(model: &'m Model, message: &str, version: i16, unknown: u32) -> Encoder<'m> {
    Encoder {
        model,
        version,
        flexible: model.message(message).is_flexible(version),
        unknown,
        out: Encoded::default(),
        depth: 0,
    }
}

struct Encoder<'m> {
    model: &'m Model,
    version: i16,
    flexible: bool,
    unknown: u32,
    out: Encoded,
    depth: usize,
}

impl Encoder<'_> {
    fn finish(mut self, message: &str, value: &Value) -> Encoded {
        self.structure(message, value);
        self.out
    }

    fn structure(&mut self, name: &str, value: &Value) {
        let model = self.model;
        let fields = model.fields(name);
        let mut tagged = Vec::new();
        self.depth += 1;
        for (field, value) in fields.iter().zip(value.values()) {
            let set = *value != model.default_of(field);
            if !field.versions.contains(self.version) {
                if set && !field.ignorable {
                    self.lose(field, LossKind::NotInVersion);
                }
            } else if let Some(tag) = field.tag {
                if set {
                    tagged.push((tag, field, value));
                }
            } else {
                self.field(field, value);
            }
        }
        if self.flexible {
            tagged.sort_by_key(|(tag, ..)| *tag);
            self.tagged(&tagged);
        } else {
            assert!(tagged.is_empty(), "{name}: tags came with compact lengths");
        }
        self.depth -= 1;
    }

    fn tagged(&mut self, tagged: &[(u32, &Field, &Value)]) {
        let count = u32::try_from(tagged.len()).expect("few") + self.unknown;
        self.mark_varint(MarkKind::TagCount, "tagged fields", count);
        for (tag, field, value) in tagged {
            self.mark_varint(MarkKind::Tag, "tag", *tag);
            // The size stands in front and is known afterwards.
            let (bytes, marks) = (self.out.bytes.len(), self.out.marks.len());
            self.field(field, value);
            let written = self.out.bytes.split_off(bytes);
            let within = self.out.marks.split_off(marks);
            self.mark_varint(MarkKind::TagSize, "tag size", len32(written.len()));
            let moved = self.out.bytes.len() - bytes;
            self.out.bytes.extend_from_slice(&written);
            self.out.marks.extend(within.into_iter().map(|mut mark| {
                mark.at = mark.at.start + moved..mark.at.end + moved;
                mark
            }));
        }
        for number in 0..self.unknown {
            self.mark_varint(MarkKind::Tag, "tag", FIRST_UNKNOWN_TAG + number * 300);
            let size = number * 70;
            self.mark_varint(MarkKind::TagSize, "tag size", size);
            self.out.bytes.extend((0..size).map(|at| at as u8 | 0x80));
        }
    }

    fn field(&mut self, field: &Field, value: &Value) {
        if *value == Value::Null {
            if !field.is_nullable(self.version) {
                self.lose(field, LossKind::NullNotAllowed);
            }
            return self.null(field);
        }
        match value {
            Value::List(items) => {
                self.len(MarkKind::Count, field, Some(items.len()), 4);
                for item in items {
                    self.one(field, item);
                }
            }
            Value::Many(count, item, last) => {
                self.len(MarkKind::Count, field, Some(count + 1), 4);
                let start = self.out.bytes.len();
                let marks = self.out.marks.len();
                self.one(field, item);
                let item = self.out.bytes.split_off(start);
                self.out.marks.truncate(marks);
                self.out.bytes.extend(item.repeat(*count));
                self.one(field, last);
            }
            one => {
                if matches!(field.kind, Kind::Struct(_)) && field.is_nullable(self.version) {
                    self.presence(field, 1);
                }
                self.one(field, one);
            }
        }
    }

    fn null(&mut self, field: &Field) {
        match field.kind {
            Kind::Struct(_) if !field.list => self.presence(field, -1),
            Kind::Text if !field.list => self.len(MarkKind::TextLength, field, None, 2),
            Kind::Bytes | Kind::Records => self.len(MarkKind::BytesLength, field, None, 4),
            _ => self.len(MarkKind::Count, field, None, 4),
        }
    }

    fn one(&mut self, field: &Field, value: &Value) {
        match value {
            Value::Bool(value) => self.out.bytes.push(u8::from(*value)),
            Value::Int(number) => {
                let width = match field.kind {
                    Kind::I8 => 1,
                    Kind::I16 | Kind::U16 | Kind::ErrorCode => 2,
                    Kind::I32 => 4,
                    Kind::I64 => 8,
                    ref other => panic!("{}: {other:?} is no number", field.name),
                };
                self.out
                    .bytes
                    .extend_from_slice(&number.to_be_bytes()[8 - width..]);
            }
            Value::Double(number) => self.out.bytes.extend_from_slice(&number.to_be_bytes()),
            Value::Uuid(bytes) => self.out.bytes.extend_from_slice(bytes),
            Value::Text(text) => {
                self.len(MarkKind::TextLength, field, Some(text.len()), 2);
                self.out.bytes.extend_from_slice(text.as_bytes());
            }
            Value::Bytes(bytes) => {
                self.len(MarkKind::BytesLength, field, Some(bytes.len()), 4);
                self.out.bytes.extend_from_slice(bytes);
            }
            Value::Struct(_) => match &field.kind {
                Kind::Struct(name) => self.structure(name, value),
                other => panic!("{}: {other:?} is no struct", field.name),
            },
            Value::Null | Value::List(_) | Value::Many(..) => {
                panic!("{}: not one value", field.name)
            }
        }
    }

    fn presence(&mut self, field: &Field, presence: i8) {
        let at = self.out.bytes.len();
        self.out.bytes.push(presence.cast_unsigned());
        self.mark(MarkKind::Presence, &field.name, at);
    }

    /// A length or count: one higher as a varint, or of the given width; `None` is null.
    fn len(&mut self, kind: MarkKind, field: &Field, len: Option<usize>, width: usize) {
        let at = self.out.bytes.len();
        let len = len.map(len32);
        if self.flexible {
            self.varint(len.map_or(0, |len| len + 1));
        } else {
            let len = len.map_or(-1, i64::from).to_be_bytes();
            self.out.bytes.extend_from_slice(&len[8 - width..]);
        }
        let counts = kind == MarkKind::Count;
        // Of a list of strings, the list may be null and its strings not.
        let nullable = field.is_nullable(self.version) && counts == field.list;
        let mark = self.mark(kind, &field.name, at);
        mark.value = len.unwrap_or_default();
        mark.nullable = nullable;
        mark.of = counts.then(|| field.kind.clone());
    }

    fn mark_varint(&mut self, kind: MarkKind, field: &str, value: u32) {
        let at = self.out.bytes.len();
        self.varint(value);
        let mark = self.mark(kind, field, at);
        (mark.value, mark.compact) = (value, true);
    }

    fn mark(&mut self, kind: MarkKind, field: &str, start: usize) -> &mut Mark {
        self.out.marks.push(Mark {
            kind,
            field: field.to_owned(),
            at: start..self.out.bytes.len(),
            compact: self.flexible && kind != MarkKind::Presence,
            of: None,
            nullable: false,
            value: 0,
            depth: self.depth,
        });
        self.out.marks.last_mut().expect("just pushed")
    }

    fn varint(&mut self, value: u32) {
        self.out.bytes.extend(varint(value.into()));
    }

    fn lose(&mut self, field: &Field, kind: LossKind) {
        self.out.losses.push(Loss {
            field: field.name.clone(),
            kind,
        });
    }
}

fn len32(len: usize) -> u32 {
    u32::try_from(len).expect("test values are small")
}
