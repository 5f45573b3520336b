//! Words that do not belong into the tree.

use crate::assert_none;
use crate::tree::files;

/// Unfinished work and tests that do not run. In two pieces each, or this file would be the first finding.
const UNFINISHED: &[&str] = &[
    concat!("TO", "DO"),
    concat!("FIX", "ME"),
    concat!("to", "do!("),
    concat!("unimple", "mented!("),
    concat!("#[ig", "nore"),
    concat!("db", "g!("),
];

/// Folders at the root of somebody's machine.
const MACHINE_FOLDERS: &[&str] = &["work", "root", "farm", "home", "Users", "tmp"];

/// Hosts that a machine is set up to fetch from; the tree names packages, and each machine knows where its packages come from.
const REGISTRY_HOSTS: &[&str] = &[
    "repo.",
    "repo1.",
    "static.",
    "index.",
    "registry.",
    "proxy.",
    "deb.",
    "mirror.",
];

#[test]
fn nothing_is_left_unfinished() {
    let mut findings = Vec::new();
    for file in files().iter().filter(|file| !file.is_generated()) {
        for (number, line) in (1..).zip(file.text.lines()) {
            let words = UNFINISHED.iter().filter(|word| line.contains(**word));
            // Prose may speak about an attribute; only code can carry it.
            let words = words.filter(|_| file.is_rust());
            findings.extend(words.map(|word| format!("{}:{number}: {word}", file.path)));
        }
    }
    assert_none(
        &findings,
        "finish it, or open an issue and say in words what is not there",
    );
}

#[test]
fn no_path_of_a_machine_and_no_host_of_a_registry_is_named() {
    let mut findings = Vec::new();
    for file in files().iter().filter(|file| !file.is_generated()) {
        for (number, line) in (1..).zip(file.text.lines()) {
            if let Some(what) = machine_path(line).or_else(|| registry_host(line)) {
                findings.push(format!("{}:{number}: {what}", file.path));
            }
        }
    }
    assert_none(&findings, "the tree must build on any machine");
}

/// A path such as `/x/y` whose first folder is a machine's; not one inside a longer relative path.
fn machine_path(line: &str) -> Option<&str> {
    let starts = line.match_indices('/').filter(|(at, _)| {
        let before = line[..*at].chars().next_back();
        !before.is_some_and(|c| c.is_alphanumeric() || "._-/}*".contains(c))
    });
    let paths = starts.map(|(at, _)| &line[at + 1..]);
    paths.into_iter().find(|path| {
        let mut folders = path.split('/');
        let first = folders
            .next()
            .is_some_and(|folder| MACHINE_FOLDERS.contains(&folder));
        first
            && folders.next().is_some_and(|second| {
                second.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '.')
            })
    })
}

fn registry_host(line: &str) -> Option<&str> {
    let urls = line
        .match_indices("://")
        .map(|(at, separator)| &line[at + separator.len()..]);
    urls.into_iter().find(|host| {
        REGISTRY_HOSTS
            .iter()
            .any(|registry| host.starts_with(registry))
    })
}

#[test]
fn machine_paths_and_registry_hosts_are_found() {
    let path = |root: &str| format!("see \"/{root}/milena/x.rs\"");
    assert!(machine_path(&path("home")).is_some());
    assert!(machine_path(&path("usr")).is_none());
    assert!(machine_path(concat!("crates/", "work/src/lib.rs")).is_none());
    assert!(machine_path("a /root folder").is_none());
    assert!(registry_host(&format!("{}://{}example.org", "https", "repo.")).is_some());
    assert!(registry_host("https://kafka.apache.org").is_none());
}
