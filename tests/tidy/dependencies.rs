//! What others' code comes in: the rules of deny.toml, held without cargo-deny, and no C in the default build.

use crate::tree::{compiled, list, metadata, read, text};
use crate::{assert_none, spdx};
use std::collections::BTreeSet;

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

fn described(package: &serde_json::Value) -> String {
    format!("{} {}", text(package, "name"), text(package, "version"))
}

/// The texts of a list in deny.toml, which is written one entry a line.
fn denied_or_allowed(key: &str) -> Vec<String> {
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
    let allowed = denied_or_allowed("allow");
    let refused =
        foreign().filter(|package| !spdx::is_satisfied(text(package, "license"), &allowed));
    let findings: Vec<String> = refused
        .map(|package| format!("{}: {}", described(package), text(package, "license")))
        .collect();
    assert_none(&findings, "licences that deny.toml does not allow");
}

#[test]
fn every_crate_comes_from_the_crates_registry() {
    let elsewhere = foreign().filter(|package| text(package, "source") != CRATES_REGISTRY);
    let findings: Vec<String> = elsewhere
        .map(|package| format!("{}: {}", described(package), text(package, "source")))
        .collect();
    assert_none(
        &findings,
        "sources that a reader cannot look up by name and version",
    );
}

#[test]
fn no_banned_crate_is_anywhere_in_the_graph() {
    let banned = denied_or_allowed("deny");
    let found = foreign().filter(|package| banned.iter().any(|name| name == text(package, "name")));
    let findings: Vec<String> = found.map(described).collect();
    assert_none(&findings, "crates that deny.toml bans");
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
