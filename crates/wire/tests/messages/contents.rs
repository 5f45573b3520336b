//! What the papers say about the declarations is what the declarations say: the table of contents, the list of APIs in `mod.rs`, the first line
//! of each file, and since when each field exists.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use milena_wire::messages::{AnyRequest, AnyResponse};
use milena_wire::{ApiKey, ApiVersion};

use crate::support::*;

const BLESS: &str = "if this is meant, set MILENA_BLESS=1";

fn file(name: &str) -> String {
    let path = Model::directory().join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// The requests by rising key.
fn requests() -> Vec<&'static Message> {
    let messages = model().messages.iter();
    let mut requests: Vec<_> = messages
        .filter(|message| message.response.is_some())
        .collect();
    requests.sort_by_key(|message| message.key);
    requests
}

fn api_name(request: &Message) -> &str {
    let name = request.name.strip_suffix("Request");
    name.unwrap_or_else(|| panic!("{}: requests end in Request", request.name))
}

/// `3-13`, or `1`.
fn range(versions: Versions) -> String {
    let (min, max) = (versions.min, versions.max.expect("an end"));
    if min == max {
        return min.to_string();
    }
    format!("{min}-{max}")
}

/// The rows of the table of contents.
fn contents() -> String {
    let mut rows = String::new();
    for request in requests() {
        let key = request.key.expect("requests have keys");
        let flexible = request.flexible.map(|since| since.to_string());
        let flexible = flexible.as_deref().unwrap_or("-");
        let (name, module) = (api_name(request), &request.module);
        let versions = range(request.versions);
        writeln!(
            rows,
            "//! | {key} | [{name}]({module}) | {versions} | {flexible} |"
        )
        .expect("memory");
    }
    rows
}

#[test]
fn the_table_of_contents_is_what_is_declared() {
    let text = file("mod.rs");
    let head = "//! |---|---|---|---|\n";
    let (before, rest) = text.split_once(head).expect("a table");
    let after = rest.find("//!\n").expect("more text behind the table");
    let (table, after) = rest.split_at(after);
    if std::env::var_os("MILENA_BLESS").is_some() && table != contents() {
        let path = Model::directory().join("mod.rs");
        let text = [before, head, &contents(), after].concat();
        std::fs::write(path, text).expect("a writable checkout");
        return;
    }
    let declared = contents();
    let (table, declared) = (table.lines(), declared.lines());
    for (row, declared) in table.zip(declared) {
        assert_eq!(row, declared, "{BLESS}");
    }
    assert_eq!(rest.find("//!\n"), Some(contents().len()), "{BLESS}");
}

/// The rows of `apis!`: key, constant, name, module, request, response.
fn listed() -> Vec<[String; 6]> {
    let text = file("mod.rs");
    let (_, rows) = text.split_once("any::apis! {\n").expect("the list of APIs");
    let (rows, _) = rows.split_once("\n}").expect("its end");
    let row = |row: &str| {
        let cells: Vec<&str> = row.trim().trim_end_matches(';').split(", ").collect();
        let cells: [&str; 6] = cells
            .try_into()
            .unwrap_or_else(|_| panic!("six cells: {row}"));
        cells.map(|cell| cell.trim_end_matches("<'a>").to_owned())
    };
    rows.lines().map(row).collect()
}

#[test]
fn the_list_of_apis_is_what_is_declared() {
    let declared: Vec<[String; 6]> = requests()
        .into_iter()
        .map(|request| {
            [
                request.key.expect("a request").to_string(),
                request.module.to_uppercase(),
                api_name(request).to_owned(),
                request.module.clone(),
                request.name.clone(),
                request.response.clone().expect("a request"),
            ]
        })
        .collect();
    assert_eq!(listed(), declared);
}

#[test]
fn a_request_and_its_response_agree_on_file_key_versions_and_form() {
    let mut responses = BTreeSet::new();
    for request in requests() {
        let response = model().message(request.response.as_ref().expect("a request"));
        assert_eq!(response.name, format!("{}Response", api_name(request)));
        assert_eq!(response.module, request.module);
        assert_eq!(response.key, request.key, "{}", request.name);
        assert_eq!(response.versions, request.versions, "{}", request.name);
        assert_eq!(response.flexible, request.flexible, "{}", request.name);
        responses.insert(&response.name);
    }
    let others = model()
        .messages
        .iter()
        .filter(|message| message.response.is_none());
    for message in others.filter(|message| message.key.is_some()) {
        assert!(
            responses.contains(&message.name),
            "{} answers nothing",
            message.name
        );
    }
}

#[test]
fn the_keys_know_names_versions_and_forms() {
    let keys: Vec<i16> = ApiKey::ALL.iter().map(|key| key.0).collect();
    let declared: Vec<i16> = requests()
        .iter()
        .filter_map(|request| request.key)
        .collect();
    assert_eq!(keys, declared);
    for request in requests() {
        let key = ApiKey(request.key.expect("a request"));
        assert_eq!(key.name(), api_name(request));
        let versions = key.versions().expect("a known key");
        assert_eq!(versions.min.0, request.versions.min, "{key}");
        assert_eq!(Some(versions.max.0), request.versions.max, "{key}");
        assert_eq!(
            key.flexible_since(),
            request.flexible.map(ApiVersion),
            "{key}"
        );
        assert_eq!(AnyRequest::default_of(key).map(|any| any.key()), Some(key));
        assert_eq!(AnyResponse::default_of(key).map(|any| any.key()), Some(key));
    }
}

#[test]
fn each_file_says_in_its_first_line_what_it_declares() {
    let mut files: BTreeMap<&str, Vec<&Message>> = BTreeMap::new();
    for message in &model().messages {
        files.entry(&message.module).or_default().push(message);
    }
    for (module, messages) in files {
        let text = file(&format!("{module}.rs"));
        let first = text.lines().next().expect("a comment");
        let request = messages.iter().find(|message| message.response.is_some());
        match request {
            Some(request) => {
                assert_eq!(messages.len(), 2, "{module}: one API a file");
                let key = request.key.expect("a request");
                let start = format!("//! {} ({key}): ", api_name(request));
                assert!(first.starts_with(&start), "{module}.rs: {first}");
                let snake = snake_case(api_name(request));
                assert_eq!(snake, module, "the file has the name of its API");
            }
            None => {
                let list = file("mod.rs");
                assert!(list.contains(&format!("pub mod {module};")), "{module}");
                assert!(list.contains(&format!("pub use {module}::*;")), "{module}");
                assert!(
                    list.contains(&format!("[`{module}`]")),
                    "{module} in the table"
                );
                assert!(first.starts_with("//! ") && first.contains(": "), "{first}");
            }
        }
    }
}

fn snake_case(name: &str) -> String {
    let mut snake = String::new();
    for (index, letter) in name.chars().enumerate() {
        if letter.is_uppercase() && index > 0 {
            snake.push('_');
        }
        snake.extend(letter.to_lowercase());
    }
    snake
}

/// What can be declared but makes no sense, or what a reader relies on.
#[test]
fn declarations_keep_to_what_the_protocol_can_say() {
    for message in &model().messages {
        let last = message.versions.max.expect("versions have an end");
        each_field(&message.name, &mut |owner, field| {
            let place = format!("{}: {owner}.{}", message.name, field.name);
            assert!(field.versions.min <= last, "{place} is of no version");
            if field.tag.is_some() {
                let since = message.flexible.expect("tags came with compact lengths");
                assert!(
                    field.versions.min.max(message.versions.min) >= since,
                    "{place}"
                );
                let last_too = field.versions.max.is_none_or(|max| max >= last);
                assert!(last_too, "{place}: a tag is never given up");
            }
        });
        for name in structs_of(&message.name) {
            let tags: Vec<u32> = model().fields(&name).iter().filter_map(|f| f.tag).collect();
            let distinct: BTreeSet<u32> = tags.iter().copied().collect();
            assert_eq!(distinct.len(), tags.len(), "{name}: one tag, one field");
        }
    }
}

/// A field says since or until when it exists, and only where the versions of its message go beyond that.
#[test]
fn fields_say_since_and_until_when_they_exist() {
    let mut wrong = BTreeSet::new();
    for message in &model().messages {
        let all = message.versions;
        each_field(&message.name, &mut |owner, field| {
            let since = (field.versions.min > all.min).then_some(field.versions.min);
            let until = field.versions.max.filter(|max| Some(*max) < all.max);
            let meant = match (since, until) {
                (None, None) => String::new(),
                (Some(since), None) => format!("(since {since})"),
                (None, Some(until)) => format!("(until {until})"),
                (Some(since), Some(until)) if since == until => format!("(only {since})"),
                (Some(since), Some(until)) => format!("({since} to {until})"),
            };
            if !field.doc.contains(&meant) || meant.is_empty() && says_when(&field.doc) {
                wrong.insert(format!(
                    "{owner}.{}: {meant:?}, not {:?}",
                    field.name, field.doc
                ));
            }
        });
    }
    let wrong: Vec<String> = wrong.into_iter().collect();
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

/// Whether there is anything like `(since 3)`, `(until 3)`, `(only 3)` or `(3 to 5)`.
fn says_when(doc: &str) -> bool {
    let words = ["since", "until", "only"];
    let number = |text: &str| text.parse::<i16>().is_ok();
    doc.split('(').skip(1).any(|part| {
        let inside = part.split(')').next().unwrap_or_default();
        match inside.split(' ').collect::<Vec<_>>()[..] {
            [word, version] => words.contains(&word) && number(version),
            [from, "to", to] => number(from) && number(to),
            _ => false,
        }
    })
}

/// Calls `each` with every field of a struct and of those in it, and with the struct's name.
fn each_field(name: &str, each: &mut impl FnMut(&str, &Field)) {
    for field in model().fields(name) {
        each(name, field);
        if let Kind::Struct(inner) = &field.kind {
            each_field(inner, each);
        }
    }
}

fn structs_of(name: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::from([name.to_owned()]);
    for field in model().fields(name) {
        if let Kind::Struct(inner) = &field.kind {
            found.extend(structs_of(inner));
        }
    }
    found
}

/// A struct that no message holds would be tested by nothing.
#[test]
fn every_declared_struct_is_part_of_a_message() {
    let messages = model().messages.iter();
    let held: BTreeSet<String> = messages
        .flat_map(|message| structs_of(&message.name))
        .collect();
    let declared: BTreeSet<String> = model().structs.keys().cloned().collect();
    assert_eq!(declared, held);
}
