//! Kafka's schemas, read from the JSON in its jar.

use std::collections::BTreeMap;

use serde_json::Value as Json;

use crate::support::Versions;

/// One schema: what a message is in all its versions.
#[derive(Debug)]
pub(crate) struct Schema {
    pub(crate) name: String,
    /// `request`, `response`, `header` or `data`.
    pub(crate) r#type: String,
    pub(crate) key: Option<i16>,
    /// The stable ones. `None` of a message that is no more.
    pub(crate) versions: Option<Versions>,
    pub(crate) flexible: Option<i16>,
    /// Whether the newest version is one that brokers offer only if told to.
    pub(crate) is_newest_unstable: bool,
    pub(crate) is_on_brokers: bool,
    /// The structs by name, the message itself under its own.
    pub(crate) structs: BTreeMap<String, Vec<SchemaField>>,
}

/// One field, as the schema has it.
#[derive(Debug)]
pub(crate) struct SchemaField {
    pub(crate) name: String,
    /// The type of one element, if `list`.
    pub(crate) r#type: String,
    pub(crate) list: bool,
    pub(crate) versions: Versions,
    pub(crate) nullable: Option<Versions>,
    pub(crate) tag: Option<u32>,
    pub(crate) tagged: Option<Versions>,
    pub(crate) default: Option<String>,
    pub(crate) ignorable: bool,
    /// Where it has compact lengths, if that is not where the message has them.
    pub(crate) flexible: Option<String>,
}

/// The schemas by name, without unstable versions and what came with them.
pub(crate) fn read(files: &[String]) -> BTreeMap<String, Schema> {
    let mut schemas = BTreeMap::new();
    for file in files {
        let schema = schema(&without_comments(file));
        schemas.insert(schema.name.clone(), schema);
    }
    // Only the request says so, for both.
    let unstable: Vec<Option<i16>> = schemas
        .values()
        .filter(|schema: &&Schema| schema.is_newest_unstable)
        .map(|schema| schema.key)
        .collect();
    for schema in schemas.values_mut() {
        if schema.key.is_some() && unstable.contains(&schema.key) {
            let versions = schema.versions.as_mut().expect("unstable, but there");
            versions.max = versions.max.map(|max| max - 1);
            let stable = *versions;
            for fields in schema.structs.values_mut() {
                fields.retain(|field| stable.max.is_none_or(|max| field.versions.min <= max));
            }
        }
    }
    schemas
}

/// Comments run from `//` to the end of the line, except in strings.
fn without_comments(file: &str) -> String {
    let mut text = String::new();
    for line in file.lines() {
        let (mut in_string, mut escaped) = (false, false);
        let comment = line.char_indices().find(|(at, character)| {
            in_string ^= *character == '"' && !escaped;
            escaped = *character == '\\' && !escaped;
            !in_string && line[*at..].starts_with("//")
        });
        text.push_str(&line[..comment.map_or(line.len(), |(at, _)| at)]);
        text.push('\n');
    }
    text
}

/// Everything that a schema may say is known here: a word that is not would be passed over.
const OF_SCHEMAS: [&str; 9] = [
    "apiKey",
    "commonStructs",
    "fields",
    "flexibleVersions",
    "latestVersionUnstable",
    "listeners",
    "name",
    "type",
    "validVersions",
];
/// `about` and `entityType` are for people, `mapKey` and `zeroCopy` for Java; none of them changes a byte.
const OF_FIELDS: [&str; 14] = [
    "about",
    "default",
    "entityType",
    "fields",
    "flexibleVersions",
    "ignorable",
    "mapKey",
    "name",
    "nullableVersions",
    "tag",
    "taggedVersions",
    "type",
    "versions",
    "zeroCopy",
];

fn schema(text: &str) -> Schema {
    let json: Json = serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"));
    let name = string(&json, "name").expect("schemas have names");
    check_words(&json, &OF_SCHEMAS, &name);
    let mut structs = BTreeMap::new();
    let fields = json.get("fields").map(|fields| list(fields).as_slice());
    add_struct(&mut structs, &name, fields.unwrap_or_default());
    for common in json.get("commonStructs").map(list).into_iter().flatten() {
        let name = string(common, "name").expect("structs have names");
        add_struct(&mut structs, &name, list(&common["fields"]));
    }
    let flexible = string(&json, "flexibleVersions").and_then(|text| versions(&text));
    Schema {
        r#type: string(&json, "type").expect("schemas have types"),
        key: json.get("apiKey").map(|key| int(key) as i16),
        versions: versions(&string(&json, "validVersions").expect("schemas have versions")),
        flexible: flexible.map(|flexible| flexible.min),
        is_newest_unstable: json.get("latestVersionUnstable") == Some(&Json::Bool(true)),
        is_on_brokers: json
            .get("listeners")
            .is_some_and(|listeners| list(listeners).iter().any(|name| name == "broker")),
        structs,
        name,
    }
}

fn add_struct(structs: &mut BTreeMap<String, Vec<SchemaField>>, name: &str, fields: &[Json]) {
    let read = fields.iter().map(|json| field(structs, name, json));
    let read = read.collect();
    let twice = structs.insert(name.to_owned(), read);
    assert!(twice.is_none(), "{name} twice");
}

fn field(structs: &mut BTreeMap<String, Vec<SchemaField>>, of: &str, json: &Json) -> SchemaField {
    let name = string(json, "name").expect("fields have names");
    check_words(json, &OF_FIELDS, &format!("{of}.{name}"));
    let r#type = string(json, "type").expect("fields have types");
    let (list_of, one) = match r#type.strip_prefix("[]") {
        Some(one) => (true, one),
        None => (false, r#type.as_str()),
    };
    if let Some(fields) = json.get("fields") {
        add_struct(structs, one, list(fields));
    }
    let of_versions = |key| string(json, key).and_then(|text| versions(&text));
    SchemaField {
        r#type: one.to_owned(),
        list: list_of,
        versions: of_versions("versions").expect("fields have versions"),
        nullable: of_versions("nullableVersions"),
        tag: json.get("tag").map(|tag| int(tag) as u32),
        tagged: of_versions("taggedVersions"),
        default: string(json, "default"),
        ignorable: json.get("ignorable") == Some(&Json::Bool(true)),
        flexible: string(json, "flexibleVersions"),
        name,
    }
}

fn check_words(json: &Json, known: &[&str], of: &str) {
    let words = json.as_object().expect("an object").keys();
    for word in words {
        assert!(known.contains(&word.as_str()), "{of}: what is {word}?");
    }
}

/// A word, or a number or truth value that stands for one.
fn string(json: &Json, key: &str) -> Option<String> {
    match json.get(key)? {
        Json::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    }
}

fn int(json: &Json) -> i64 {
    json.as_i64().expect("a number")
}

fn list(json: &Json) -> &Vec<Json> {
    json.as_array().expect("a list")
}

/// `0-3`, `2`, `3+` or `none`.
fn versions(text: &str) -> Option<Versions> {
    let number = |text: &str| text.parse().unwrap_or_else(|_| panic!("versions {text}"));
    if text == "none" {
        return None;
    }
    let (min, max) = match text.strip_suffix('+') {
        Some(min) => (min, None),
        None => {
            let (min, max) = text.split_once('-').unwrap_or((text, text));
            (min, Some(number(max)))
        }
    };
    Some(Versions {
        min: number(min),
        max,
    })
}
