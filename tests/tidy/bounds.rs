//! docs/BOUNDS.md says what the code does.

use std::collections::BTreeSet;

use crate::assert_none;
use crate::tree::{File, files, read};

const PAPER: &str = "docs/BOUNDS.md";

/// The crates that users compile.
const LIBRARIES: &[&str] = &[
    "crates/wire/src/",
    "crates/wire-derive/src/",
    "crates/cluster/src/",
    "crates/producer/src/",
    "crates/consumer/src/",
    "crates/engine/src/",
    "crates/client/src/",
];

/// The pieces of code that a table row names, each with its file: "`code` in `path`".
pub(crate) fn named(row: &str) -> Vec<(String, String)> {
    let parts: Vec<&str> = row.split('`').collect();
    let mut named = Vec::new();
    // Between backticks are the odd parts; `code`, " in ", `path`.
    for window in parts.windows(3).skip(1).step_by(2) {
        if let [code, " in ", path] = window {
            named.push((code.replace("\\|", "|"), (*path).to_owned()));
        }
    }
    named
}

fn rows(paper: &str) -> impl Iterator<Item = &str> {
    let rows = paper.lines().filter(|line| line.starts_with("| "));
    rows.filter(|line| !line.starts_with("| what |"))
}

/// A constant as it is declared: its name, and the declaration up to the semicolon.
fn constants(file: &File) -> Vec<(&str, &str)> {
    let lines = file.shipped().lines().map(str::trim_start);
    let declared = lines.filter_map(|line| {
        let line = ["pub(crate) ", "pub(super) ", "pub "]
            .iter()
            .find_map(|visible| line.strip_prefix(visible))
            .unwrap_or(line);
        let (name, _) = line.strip_prefix("const ")?.split_once(':')?;
        Some((name, line.strip_suffix(';')?))
    });
    declared.collect()
}

#[test]
fn every_bound_on_paper_is_in_the_code_with_that_value() {
    let mut findings = Vec::new();
    let mut bounds = 0;
    for row in rows(read(PAPER)) {
        let named = named(row);
        if named.is_empty() {
            findings.push(format!("no code is named: {row}"));
        }
        for (code, path) in named {
            bounds += 1;
            let file = files().iter().find(|file| file.path == path);
            // A constant is named whole, or a larger value would pass for a smaller one that it begins with.
            let wanted = match code.contains("const ") {
                true => format!("{code};"),
                false => code.clone(),
            };
            if !file.is_some_and(|file| file.shipped().contains(&wanted)) {
                findings.push(format!("{path} does not say `{wanted}`"));
            }
        }
    }
    assert!(bounds > 60, "the tables are no longer read rightly");
    assert_none(&findings, "docs/BOUNDS.md says what is not so");
}

#[test]
fn every_maximum_in_the_code_is_on_paper() {
    let on_paper: BTreeSet<(String, String)> = rows(read(PAPER)).flat_map(named).collect();
    let mut maxima = 0;
    let mut findings = Vec::new();
    let libraries = files()
        .iter()
        .filter(|file| file.is_rust() && LIBRARIES.iter().any(|root| file.path.starts_with(root)));
    for file in libraries {
        for (name, declaration) in constants(file) {
            if !(name.ends_with("_MAX") || name.contains("_MAX_")) {
                continue;
            }
            maxima += 1;
            let listed = on_paper
                .iter()
                .any(|(code, path)| *path == file.path && code.ends_with(declaration));
            if !listed {
                findings.push(format!("{}: {declaration}", file.path));
            }
        }
    }
    assert!(maxima > 15, "the constants are no longer found");
    assert_none(
        &findings,
        "limits that docs/BOUNDS.md does not tell, or tells with another value",
    );
}

#[test]
fn code_and_constants_are_found() {
    let row =
        "| a | `x < 2 \\|\\| y` in `a.rs`, `const A_MAX: u8 = 1` in `b.rs` | `other` in words |";
    let expected = [("x < 2 || y", "a.rs"), ("const A_MAX: u8 = 1", "b.rs")];
    let expected = expected.map(|(code, path)| (code.to_owned(), path.to_owned()));
    assert_eq!(named(row), expected);
    let file = File {
        path: "a.rs".to_owned(),
        text: "pub const A_MAX: u8 = 1;\n    const fn b() {}\nconst C: D = D {\n".to_owned(),
    };
    assert_eq!(constants(&file), [("A_MAX", "const A_MAX: u8 = 1")]);
}
