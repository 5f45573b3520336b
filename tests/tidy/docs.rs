//! What is written about the code agrees with it.

use crate::assert_none;
use crate::tree::{File, files, list, metadata, read, root, text};

#[test]
fn the_rust_version_is_the_same_wherever_it_is_written() {
    let manifest = read("Cargo.toml");
    let mut lines = manifest.lines();
    let version = lines.find_map(|line| line.strip_prefix("rust-version = "));
    let version = version
        .expect("Cargo.toml has a rust-version")
        .trim_matches('"');
    let mut findings = Vec::new();
    for package in list(metadata(), "packages")
        .iter()
        .filter(|package| package["source"].is_null())
    {
        if text(package, "rust_version") != version {
            findings.push(format!(
                "{}: {}",
                text(package, "name"),
                package["rust_version"]
            ));
        }
    }
    if !read("README.md").contains(&format!("Rust {version}")) {
        findings.push(format!("README.md does not say \"Rust {version}\""));
    }
    assert_none(
        &findings,
        "the oldest Rust that builds milena is written down differently",
    );
}

/// Said is not checked: CI must ask that version, wherever a newer one is active.
#[test]
fn the_rust_version_is_checked_in_ci() {
    let asked = read(".ci/run").contains("bash .ci/msrv");
    let by_that_version =
        read(".ci/msrv").contains("\"+$toolchain\" check --workspace --all-targets");
    assert!(
        asked && by_that_version,
        ".ci/run no longer checks the oldest Rust"
    );
}

#[test]
fn links_between_documents_lead_somewhere() {
    let mut findings = Vec::new();
    for file in files().iter().filter(|file| file.path.ends_with(".md")) {
        for link in links(&file.text) {
            if !leads_somewhere(file, link) {
                findings.push(format!("{}: {link}", file.path));
            }
        }
    }
    assert_none(&findings, "dead links");
}

/// The targets of `[text](target)`, outside of code blocks.
fn links(text: &str) -> Vec<&str> {
    let mut in_code = false;
    let mut links = Vec::new();
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            in_code = !in_code;
        }
        let targets = line
            .split("](")
            .skip(1)
            .filter_map(|rest| rest.split(')').next());
        links.extend(targets.filter(|_| !in_code));
    }
    links
}

fn leads_somewhere(file: &File, link: &str) -> bool {
    if link.starts_with("https://") {
        return true;
    }
    let (path, anchor) = link.split_once('#').unwrap_or((link, ""));
    let folder = root().join(&file.path);
    let target = match path {
        "" => folder,
        _ => folder.parent().expect("a file is in a folder").join(path),
    };
    if anchor.is_empty() {
        return target.exists();
    }
    std::fs::read_to_string(target).is_ok_and(|text| {
        text.lines()
            .any(|line| anchor_of(line).as_deref() == Some(anchor))
    })
}

/// The anchor that a heading gets: lower case, dashes for spaces, no punctuation.
fn anchor_of(line: &str) -> Option<String> {
    let heading = line
        .strip_prefix('#')?
        .trim_start_matches('#')
        .strip_prefix(' ')?;
    let kept = heading
        .trim()
        .chars()
        .filter(|c| c.is_alphanumeric() || " -_".contains(*c));
    Some(kept.collect::<String>().to_lowercase().replace(' ', "-"))
}

#[test]
fn every_message_has_a_vector() {
    let mut messages = 0;
    let mut findings = Vec::new();
    for file in files() {
        let name = file.path.strip_prefix("crates/wire/src/messages/");
        let Some(name) = name.and_then(|name| name.strip_suffix(".rs")) else {
            continue;
        };
        // Files of no API, or with schemas that are parts of several, are looked after by the vectors' own test.
        if !file.text.contains("#[message(key") {
            continue;
        }
        messages += 1;
        let vectors = format!("crates/wire/tests/vectors/{}.txt", camel_case(name));
        if !files()
            .iter()
            .any(|file| file.path == vectors && !file.text.is_empty())
        {
            findings.push(format!("{name}: no {vectors}"));
        }
    }
    assert!(
        messages > 0,
        "the messages are no longer where this rule looks"
    );
    assert_none(
        &findings,
        "messages whose bytes are not on file: a change of them would go unseen",
    );
}

/// `end_txn` is EndTxn to Kafka.
fn camel_case(name: &str) -> String {
    let words = name.split('_').map(|word| {
        let (first, rest) = word.split_at(1);
        first.to_uppercase() + rest
    });
    words.collect()
}

#[test]
fn links_and_anchors_are_found() {
    assert_eq!(
        links("[a](b.md#c) and [d](https://e)\n```\n[no](x)\n```\n"),
        ["b.md#c", "https://e"]
    );
    assert_eq!(
        anchor_of("## What works, today").as_deref(),
        Some("what-works-today")
    );
}
