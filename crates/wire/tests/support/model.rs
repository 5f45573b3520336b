//! The declarations of `src/messages`, as data.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::value::Value;

/// Every declared message and struct.
pub(crate) struct Model {
    /// In the order of their files' names, requests before responses.
    pub(crate) messages: Vec<Message>,
    /// The fields of messages and of what is nested in them, by the name in Rust. They are in wire order, but tagged ones go last on the wire, by
    /// rising tag.
    pub(crate) structs: BTreeMap<String, Vec<Field>>,
}

/// A request, a response, or a schema that lives inside a field.
#[derive(Clone, Debug)]
pub(crate) struct Message {
    /// The struct's name, which is the schema's.
    pub(crate) name: String,
    /// The file without `.rs`.
    pub(crate) module: String,
    pub(crate) key: Option<i16>,
    /// Never open.
    pub(crate) versions: Versions,
    pub(crate) flexible: Option<i16>,
    /// The response's name, on requests.
    pub(crate) response: Option<String>,
}

#[derive(Clone, Debug)]
pub(crate) struct Field {
    /// Without `r#`.
    pub(crate) name: String,
    pub(crate) doc: String,
    /// What one element is, if `list`.
    pub(crate) kind: Kind,
    pub(crate) list: bool,
    pub(crate) versions: Versions,
    /// `Some` on `Option` fields.
    pub(crate) nullable: Option<Versions>,
    /// `None` where the declaration says nothing: zero, empty or null.
    pub(crate) declared_default: Option<Value>,
    pub(crate) tag: Option<u32>,
    pub(crate) ignorable: bool,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Kind {
    Bool,
    I8,
    I16,
    U16,
    I32,
    I64,
    F64,
    ErrorCode,
    Uuid,
    Text,
    Bytes,
    /// Bytes that are not copied.
    Records,
    Struct(String),
}

/// The versions from `min` to `max`, or without end.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Versions {
    pub(crate) min: i16,
    pub(crate) max: Option<i16>,
}

impl Versions {
    pub(crate) fn contains(self, version: i16) -> bool {
        self.min <= version && self.max.is_none_or(|max| version <= max)
    }

    /// All of them; there must be an end.
    pub(crate) fn iter(self) -> impl DoubleEndedIterator<Item = i16> {
        self.min..=self.max.expect("the versions of a message have an end")
    }
}

impl Model {
    /// The declarations of milena-wire.
    pub(crate) fn load() -> Self {
        Self::read(&Self::directory())
    }

    /// Where they are.
    pub(crate) fn directory() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("src/messages")
    }

    /// The declarations in the Rust files of `directory`.
    pub(crate) fn read(directory: &Path) -> Self {
        let entries = std::fs::read_dir(directory).expect("a whole checkout");
        let mut paths: Vec<PathBuf> = entries
            .map(|entry| entry.expect("a readable directory").path())
            .filter(|path| path.extension().is_some_and(|extension| extension == "rs"))
            .collect();
        paths.sort();
        let mut model = Self {
            messages: Vec::new(),
            structs: BTreeMap::new(),
        };
        for path in paths {
            super::parse::add_file(&mut model, &path);
        }
        model.check();
        model
    }

    /// Names must lead somewhere, or a test would pass over what they mean.
    fn check(&self) {
        assert!(!self.messages.is_empty(), "no message declared");
        for field in self.structs.values().flatten() {
            if let Kind::Struct(name) = &field.kind {
                assert!(self.structs.contains_key(name), "{name} is not declared");
            }
        }
        for response in self.messages.iter().filter_map(|m| m.response.as_deref()) {
            self.message(response);
        }
    }

    pub(crate) fn message(&self, name: &str) -> &Message {
        let found = self.messages.iter().find(|message| message.name == name);
        found.unwrap_or_else(|| panic!("{name} is not declared"))
    }

    /// The struct of this name; messages are structs too.
    pub(crate) fn fields(&self, name: &str) -> &[Field] {
        &self.structs[name]
    }

    /// What an absent field reads as.
    pub(crate) fn default_of(&self, field: &Field) -> Value {
        if let Some(value) = &field.declared_default {
            return value.clone();
        }
        if field.nullable.is_some() {
            return Value::Null;
        }
        if field.list {
            return Value::List(Vec::new());
        }
        match &field.kind {
            Kind::Bool => Value::Bool(false),
            Kind::F64 => Value::Double(0.0),
            Kind::Uuid => Value::Uuid([0; 16]),
            Kind::Text => Value::Text(String::new()),
            Kind::Bytes | Kind::Records => Value::Bytes(Vec::new()),
            Kind::Struct(name) => self.default_struct(name),
            Kind::I8 | Kind::I16 | Kind::U16 | Kind::I32 | Kind::I64 | Kind::ErrorCode => {
                Value::Int(0)
            }
        }
    }

    /// The fewest bytes of one item of a list, as a reader reckons that has seen nothing of it yet.
    pub(crate) fn bytes_min(&self, kind: &Kind, version: i16, compact: bool) -> usize {
        match kind {
            Kind::Struct(name) => {
                let fields = self.fields(name).iter();
                let there = fields.filter(|f| f.tag.is_none() && f.versions.contains(version));
                let bytes = there.map(|field| match field.kind {
                    _ if field.list => 1,
                    Kind::Struct(_) | Kind::Text => 1,
                    ref kind => self.bytes_min(kind, version, compact),
                });
                (bytes.sum::<usize>() + usize::from(compact)).max(1)
            }
            Kind::Bool | Kind::I8 | Kind::Bytes | Kind::Records => 1,
            Kind::Text => 2 - usize::from(compact),
            Kind::I16 | Kind::U16 | Kind::ErrorCode => 2,
            Kind::I32 => 4,
            Kind::I64 | Kind::F64 => 8,
            Kind::Uuid => 16,
        }
    }

    /// A struct with all its fields absent.
    pub(crate) fn default_struct(&self, name: &str) -> Value {
        let fields = self.fields(name).iter();
        Value::Struct(fields.map(|field| self.default_of(field)).collect())
    }
}

impl Message {
    pub(crate) fn is_flexible(&self, version: i16) -> bool {
        self.flexible.is_some_and(|since| version >= since)
    }
}

impl Field {
    /// Whether null can be written in `version`.
    pub(crate) fn is_nullable(&self, version: i16) -> bool {
        self.nullable
            .is_some_and(|nullable| nullable.contains(version))
    }
}
