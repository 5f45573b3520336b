//! What others' code comes in: the rules of deny.toml, held without cargo-deny, and no C in the default build.

use crate::tree::{Locked, compiled, list, locked, metadata, read, text};
use crate::{assert_none, spdx};
use std::collections::{BTreeMap, BTreeSet};

/// What compiles C, looks for a C library or binds to one.
const C_BUILDERS: &[&str] = &[
    "cc",
    "cmake",
    "bindgen",
    "pkg-config",
    "vcpkg",
    "autotools",
    "nasm-rs",
];
/// Names of C bindings that are none: numbers and structures of a kernel, in Rust.
const NOT_C: &[&str] = &["linux-raw-sys", "windows-sys", "js-sys", "web-sys"];
const CRATES_REGISTRY: &str = "registry+https://github.com/rust-lang/crates.io-index";

fn foreign() -> impl Iterator<Item = &'static serde_json::Value> {
    let packages = list(metadata(), "packages").iter();
    packages.filter(|package| !package["source"].is_null())
}

fn is_ours(package: &Locked) -> bool {
    let workspace = list(metadata(), "packages")
        .iter()
        .filter(|package| package["source"].is_null());
    package.source.is_empty()
        && workspace
            .into_iter()
            .any(|ours| text(ours, "name") == package.name)
}

fn described(package: &serde_json::Value) -> String {
    format!("{} {}", text(package, "name"), text(package, "version"))
}

/// The texts of a list in deny.toml, which is written one entry a line.
fn entries_of(key: &str) -> Vec<String> {
    let lines = read("deny.toml").lines();
    let entries = lines
        .skip_while(|line| *line != format!("{key} = ["))
        .skip(1);
    let entries = entries.take_while(|line| *line != "]");
    let entries: Vec<String> = entries
        .filter_map(|line| line.split('"').nth(1))
        .map(str::to_owned)
        .collect();
    assert!(!entries.is_empty(), "deny.toml has no list {key}");
    entries
}

#[test]
fn every_licence_is_allowed() {
    let allowed = entries_of("allow");
    let refused =
        foreign().filter(|package| !spdx::is_satisfied(text(package, "license"), &allowed));
    let findings: Vec<String> = refused
        .map(|package| format!("{}: {}", described(package), text(package, "license")))
        .collect();
    assert_none(&findings, "licences that deny.toml does not allow");
}

#[test]
fn every_crate_comes_from_the_crates_registry() {
    let foreign = locked().into_iter().filter(|package| !is_ours(package));
    let elsewhere = foreign.filter(|package| package.source != CRATES_REGISTRY);
    let findings: Vec<String> = elsewhere
        .map(|package| format!("{} {}: {}", package.name, package.version, package.source))
        .collect();
    assert_none(
        &findings,
        "sources that a reader cannot look up by name and version",
    );
}

#[test]
fn no_banned_crate_is_anywhere_in_the_graph() {
    let banned = entries_of("deny");
    let found = locked()
        .into_iter()
        .filter(|package| banned.iter().any(|name| name == package.name));
    let findings: Vec<String> = found
        .map(|package| format!("{} {}", package.name, package.version))
        .collect();
    assert_none(&findings, "crates that deny.toml bans");
}

#[test]
fn no_crate_is_there_in_two_versions_but_those_that_deny_toml_lists() {
    let mut versions: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for package in locked() {
        versions
            .entry(package.name)
            .or_default()
            .push(package.version);
    }
    versions.retain(|_, versions| versions.len() > 1);
    let mut findings = Vec::new();
    for skipped in entries_of("skip") {
        let (name, version) = skipped.split_once('@').unwrap_or((&skipped, ""));
        match versions.get_mut(name) {
            Some(versions) => versions.retain(|other| !is_version(other, version)),
            None => findings.push(format!("{skipped} is there once, it needs no exception")),
        }
    }
    let doubled = versions.iter().filter(|(_, versions)| versions.len() > 1);
    findings.extend(doubled.map(|(name, versions)| format!("{name}: {}", versions.join(", "))));
    assert_none(
        &findings,
        "what is compiled twice costs every user twice: agree on one version, or list it with the reason",
    );
}

/// Whether `version` is one that `wanted` (`2`, `2.1`) begins.
fn is_version(version: &str, wanted: &str) -> bool {
    let rest = version.strip_prefix(wanted);
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

/// As cargo-deny's `wildcards = "deny"` with `allow-wildcard-paths`: a path within the workspace says enough.
#[test]
fn no_dependency_takes_any_version() {
    let mut findings = Vec::new();
    for package in list(metadata(), "packages")
        .iter()
        .filter(|package| package["source"].is_null())
    {
        let any = list(package, "dependencies")
            .iter()
            .filter(|dependency| dependency["path"].is_null() && text(dependency, "req") == "*");
        findings.extend(
            any.map(|dependency| {
                format!("{}: {}", text(package, "name"), text(dependency, "name"))
            }),
        );
    }
    assert_none(
        &findings,
        "a dependency needs the version it was written for",
    );
}

/// The rules that are not lists: cargo-deny and these tests must mean the same.
#[test]
fn deny_toml_refuses_what_these_tests_refuse() {
    let rules = [
        "all-features = true",
        "multiple-versions = \"deny\"",
        "wildcards = \"deny\"",
        "unknown-registry = \"deny\"",
        "unknown-git = \"deny\"",
    ];
    let missing = rules
        .iter()
        .filter(|rule| !read("deny.toml").lines().any(|line| line == **rule));
    let findings: Vec<String> = missing.map(|rule| (*rule).to_owned()).collect();
    assert_none(&findings, "deny.toml is laxer than the tests");
}

#[test]
fn every_package_of_ours_says_what_it_is_and_under_which_licence() {
    let mut findings = Vec::new();
    for package in list(metadata(), "packages")
        .iter()
        .filter(|package| package["source"].is_null())
    {
        let name = text(package, "name");
        if text(package, "license") != "Apache-2.0" {
            findings.push(format!("{name}: license"));
        }
        if text(package, "description").is_empty() {
            findings.push(format!("{name}: description"));
        }
    }
    let licence = read("LICENSE");
    let parts = [
        "Apache License",
        "Version 2.0, January 2004",
        "9. Accepting Warranty or Additional Liability.",
        "END OF TERMS AND CONDITIONS",
    ];
    let missing = parts.iter().filter(|part| !licence.contains(**part));
    findings.extend(missing.map(|part| format!("LICENSE lacks \"{part}\"")));
    assert_none(&findings, "a user must know what he may do with it");
}

#[test]
fn the_default_build_of_the_client_builds_no_c() {
    let compiled = compiled("milena");
    let builds_c = |name: &str| {
        let links =
            foreign().any(|package| text(package, "name") == name && !package["links"].is_null());
        C_BUILDERS.contains(&name) || links || (name.ends_with("-sys") && !NOT_C.contains(&name))
    };
    let findings: Vec<String> = compiled.into_iter().filter(|name| builds_c(name)).collect();
    assert_none(
        &findings,
        "a user without a C compiler must be able to build milena",
    );
}

#[test]
fn every_dependency_is_explained() {
    let manifest = read("Cargo.toml");
    let (_, table) = manifest
        .split_once("[workspace.dependencies]\n")
        .expect("the table of dependencies");
    let table = table.split("\n[").next().unwrap_or_default();
    let entries = table
        .lines()
        .filter(|line| !line.starts_with('#') && !line.contains("path = "));
    let names = entries.filter_map(|line| line.split_once('=').map(|(name, _)| name.trim()));
    let names: BTreeSet<&str> = names.collect();
    let why = read("docs/decisions/0002-dependencies.md");
    let unexplained = names
        .iter()
        .filter(|name| !why.contains(&format!("`{name}`")));
    let findings: Vec<String> = unexplained.map(|name| (*name).to_owned()).collect();
    assert_none(
        &findings,
        "docs/decisions/0002-dependencies.md does not say why these are here",
    );
}
