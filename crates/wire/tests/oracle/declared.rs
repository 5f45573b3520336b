//! The declarations against the schemas they follow: every name, type, version, default and tag, field by field.

use std::collections::{BTreeMap, BTreeSet};

use milena_wire::ApiKey;

use crate::java::Java;
use crate::schema::{self, Schema, SchemaField};
use crate::support::{Field, Kind, Message, Model, Value};

/// On the brokers' listeners, but only for other brokers, which keep the state of share groups with them.
const BETWEEN_BROKERS: [i16; 5] = [83, 84, 85, 86, 87];

/// Schemas that are found inside fields and records.
const INSIDE: [&str; 10] = [
    "ConsumerProtocolAssignment",
    "ConsumerProtocolSubscription",
    "ControlRecordTypeSchema",
    "DefaultPrincipalData",
    "EndTxnMarker",
    "KRaftVersionRecord",
    "LeaderChangeMessage",
    "SnapshotFooterRecord",
    "SnapshotHeaderRecord",
    "VotersRecord",
];

/// Structs of schemas that must not be called what they are called there: milena-wire has something else of that name.
const TAKEN: [&str; 1] = ["ApiVersion"];

#[test]
fn declarations_are_those_of_kafkas_schemas() {
    let Some(java) = Java::find() else { return };
    let schemas = schema::read(&java.schemas());
    let model = Model::load();
    let wanted = wanted(&schemas);
    let mut comparison = Comparison::new(&model, &wanted);
    for schema in &wanted {
        comparison.schema(schema);
    }
    comparison.none_is_unknown();
    comparison.keys(&wanted);
    let Comparison {
        differences,
        counts,
        ..
    } = comparison;
    assert!(
        differences.is_empty(),
        "{} differences, the schema first:\n{}",
        differences.len(),
        differences.join("\n")
    );
    // All of Kafka 4.3.1: fewer would be a comparison that passes something over.
    let whole = Counts {
        messages: 154,
        structs: 388,
        fields: 1_309,
        versions: 557,
    };
    assert_eq!(counts, whole);
}

/// Headers are written by hand: the schemas must still be what `frame.rs` writes.
#[test]
fn headers_are_those_of_kafkas_schemas() {
    let Some(java) = Java::find() else { return };
    let schemas = schema::read(&java.schemas());
    let shown = |name: &str| {
        let schema = &schemas[name];
        let fields = schema.structs[name].iter().map(|field| {
            let nullable = if field.nullable.is_some() { "?" } else { "" };
            let own = field.flexible.as_deref().unwrap_or("as the header");
            format!("{} {}{nullable} {own}", field.name, field.r#type)
        });
        (schema.flexible, fields.collect::<Vec<_>>())
    };
    let request = [
        "RequestApiKey int16 as the header",
        "RequestApiVersion int16 as the header",
        "CorrelationId int32 as the header",
        "ClientId string? none",
    ];
    assert_eq!(
        shown("RequestHeader"),
        (Some(2), request.map(str::to_owned).to_vec())
    );
    let response = ["CorrelationId int32 as the header"];
    assert_eq!(
        shown("ResponseHeader"),
        (Some(1), response.map(str::to_owned).to_vec())
    );
}

/// What clients meet. Which requests a client's listener takes is in the schemas too; a response has no listener, and is wanted with its
/// request.
fn wanted(schemas: &BTreeMap<String, Schema>) -> Vec<&Schema> {
    let keys: BTreeSet<Option<i16>> = schemas
        .values()
        .filter(|schema| {
            schema.r#type == "request" && schema.is_on_brokers && schema.versions.is_some()
        })
        .map(|schema| schema.key)
        .filter(|key| key.is_some_and(|key| !BETWEEN_BROKERS.contains(&key)))
        .collect();
    let is_wanted = |schema: &&Schema| match schema.key {
        Some(_) => keys.contains(&schema.key),
        None => INSIDE.contains(&schema.name.as_str()),
    };
    schemas.values().filter(is_wanted).collect()
}

#[derive(Debug, Default, PartialEq)]
struct Counts {
    messages: usize,
    structs: usize,
    fields: usize,
    /// Of all messages together.
    versions: usize,
}

struct Comparison<'c> {
    model: &'c Model,
    /// How many schemas have a struct of this name.
    sharing: BTreeMap<&'c str, usize>,
    /// Our structs that were compared, each with the schema it was compared for.
    seen: BTreeMap<String, String>,
    differences: Vec<String>,
    counts: Counts,
}

impl<'c> Comparison<'c> {
    fn new(model: &'c Model, wanted: &[&'c Schema]) -> Self {
        let mut sharing = BTreeMap::new();
        for schema in wanted {
            for name in schema.structs.keys() {
                *sharing.entry(name.as_str()).or_default() += 1;
            }
        }
        Self {
            model,
            sharing,
            seen: BTreeMap::new(),
            differences: Vec::new(),
            counts: Counts::default(),
        }
    }

    fn schema(&mut self, schema: &Schema) {
        let model = self.model;
        let found = model
            .messages
            .iter()
            .find(|message| message.name == schema.name);
        let Some(message) = found else {
            return self
                .differences
                .push(format!("{} is not declared", schema.name));
        };
        self.counts.messages += 1;
        let versions = schema
            .versions
            .expect("those that are wanted have versions");
        self.counts.versions += versions.iter().count();
        self.same(&schema.name, "key", &schema.key, &message.key);
        self.same(&schema.name, "versions", &versions, &message.versions);
        self.same(
            &schema.name,
            "flexible",
            &schema.flexible,
            &message.flexible,
        );
        let response = (schema.r#type == "request").then(|| format!("{}Response", api(schema)));
        self.same(&schema.name, "response", &response, &message.response);
        self.structure(schema, message, &schema.name, &message.name);
    }

    /// Compares the schema's struct `theirs` with our struct `ours`, and all that is in it.
    fn structure(&mut self, schema: &Schema, message: &Message, theirs: &str, ours: &str) {
        let of = format!("{}/{theirs}", schema.name);
        match self.seen.insert(ours.to_owned(), of.clone()) {
            None => {}
            // A struct that the schema itself uses twice.
            Some(before) if before == of => return,
            Some(before) => self
                .differences
                .push(format!("{of}: {ours} is that of {before}")),
        }
        self.struct_name(schema, theirs, ours);
        self.counts.structs += 1;
        let model = self.model;
        let (theirs, ours) = (&schema.structs[theirs], model.fields(ours));
        let names = |fields: &[Field]| {
            fields
                .iter()
                .map(|field| field.name.clone())
                .collect::<Vec<_>>()
        };
        let expected: Vec<String> = theirs.iter().map(|field| snake_case(&field.name)).collect();
        self.same(&of, "fields", &expected, &names(ours));
        for field in theirs {
            let name = snake_case(&field.name);
            if let Some(our) = ours.iter().find(|our| our.name == name) {
                self.counts.fields += 1;
                self.field(schema, message, &format!("{of}.{name}"), field, our);
            }
        }
    }

    fn field(
        &mut self,
        schema: &Schema,
        message: &Message,
        of: &str,
        theirs: &SchemaField,
        ours: &Field,
    ) {
        self.same(of, "versions", &theirs.versions, &ours.versions);
        self.same(of, "nullable", &theirs.nullable, &ours.nullable);
        self.same(of, "ignorable", &theirs.ignorable, &ours.ignorable);
        self.same(of, "tag", &theirs.tag, &ours.tag);
        // A field that is tagged in some versions only is more than our declarations can say.
        let tagged = ours.tag.map(|_| ours.versions);
        self.same(of, "tagged versions", &theirs.tagged, &tagged);
        self.same(of, "flexible", &theirs.flexible, &None);
        self.same(of, "list", &theirs.list, &ours.list);
        match (kind(theirs), &ours.kind) {
            (Kind::Struct(struct_name), Kind::Struct(our_struct)) => {
                self.structure(schema, message, &struct_name, our_struct);
            }
            (theirs, ours) => self.same(of, "type", &theirs, ours),
        }
        let is_struct = matches!(ours.kind, Kind::Struct(_)) && !ours.list;
        match (default(theirs), self.model.default_of(ours)) {
            // A default struct is one with all its fields at their defaults, which are compared on their own.
            (None, Value::Struct(_)) if is_struct => {}
            (theirs, ours) => self.same(of, "default", &theirs, &Some(ours)),
        }
    }

    /// A struct is called what the schema calls it, or, if that is not clear enough, with the API or the message in front.
    fn struct_name(&mut self, schema: &Schema, theirs: &str, ours: &str) {
        let clear = self.sharing[theirs] == 1 && !TAKEN.contains(&theirs);
        let longer = [
            format!("{}{theirs}", api(schema)),
            format!("{}{theirs}", schema.name),
        ];
        if ours != theirs && (clear || !longer.iter().any(|name| name == ours)) {
            self.differences
                .push(format!("{}: {theirs} is called {ours}", schema.name));
        }
    }

    /// What we have and Kafka has not.
    fn none_is_unknown(&mut self) {
        for name in self.model.structs.keys() {
            if !self.seen.contains_key(name) {
                self.differences.push(format!("{name} is in no schema"));
            }
        }
    }

    /// The table of APIs, which is what users go through.
    fn keys(&mut self, wanted: &[&Schema]) {
        let requests = wanted.iter().filter(|schema| schema.r#type == "request");
        let keys: BTreeSet<(i16, String)> = requests
            .map(|schema| {
                (
                    schema.key.expect("requests have keys"),
                    api(schema).to_owned(),
                )
            })
            .collect();
        let ours = ApiKey::ALL.iter().map(|key| (key.0, key.name().to_owned()));
        self.same("ApiKey::ALL", "keys", &keys, &ours.collect());
    }

    fn same<T: PartialEq + std::fmt::Debug>(&mut self, of: &str, what: &str, theirs: &T, ours: &T) {
        if theirs != ours {
            self.differences
                .push(format!("{of}: {what}: {theirs:?} but {ours:?}"));
        }
    }
}

/// The message's name without what it is of the API.
fn api(schema: &Schema) -> &str {
    let name = schema.name.as_str();
    let api = name
        .strip_suffix("Request")
        .or_else(|| name.strip_suffix("Response"));
    api.unwrap_or(name)
}

/// Each capital starts a word.
fn snake_case(name: &str) -> String {
    let mut snake = String::new();
    for (at, character) in name.char_indices() {
        if character.is_ascii_uppercase() && at > 0 {
            snake.push('_');
        }
        snake.push(character.to_ascii_lowercase());
    }
    snake
}

fn kind(field: &SchemaField) -> Kind {
    match field.r#type.as_str() {
        "bool" => Kind::Bool,
        "int8" => Kind::I8,
        "int16" if field.name.ends_with("ErrorCode") => Kind::ErrorCode,
        "int16" => Kind::I16,
        "uint16" => Kind::U16,
        "int32" => Kind::I32,
        "int64" => Kind::I64,
        "float64" => Kind::F64,
        "uuid" => Kind::Uuid,
        "string" => Kind::Text,
        "bytes" => Kind::Bytes,
        "records" => Kind::Records,
        name => Kind::Struct(name.to_owned()),
    }
}

/// What Kafka's generator makes of the field where it is absent. `None` is a struct with all its fields absent.
fn default(field: &SchemaField) -> Option<Value> {
    let text = field.default.as_deref().unwrap_or_default();
    let kind = kind(field);
    // Records have no other default; it must be said of everything else.
    if text == "null" || matches!(kind, Kind::Records) {
        return Some(Value::Null);
    }
    if field.list {
        return Some(Value::List(Vec::new()));
    }
    Some(match kind {
        Kind::Struct(_) => return None,
        Kind::Bool => Value::Bool(text == "true"),
        Kind::F64 => Value::Double(if text.is_empty() {
            0.0
        } else {
            text.parse().expect("a number")
        }),
        Kind::Uuid => Value::Uuid([0; 16]),
        Kind::Text => Value::Text(text.to_owned()),
        Kind::Bytes | Kind::Records => Value::Bytes(Vec::new()),
        _ => Value::Int(int(text)),
    })
}

fn int(text: &str) -> i64 {
    match text.strip_prefix("0x") {
        _ if text.is_empty() => 0,
        Some(digits) => i64::from_str_radix(digits, 16).expect("a number"),
        None => text.parse().expect("a number"),
    }
}
