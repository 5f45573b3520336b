//! docs/INVARIANTS.md names tests, checks and plants that there are.

use std::collections::{BTreeMap, BTreeSet};

use crate::assert_none;
use crate::bounds::named;
use crate::tree::{File, files, read};

const PAPER: &str = "docs/INVARIANTS.md";

/// One row of the tables.
struct Promise {
    text: &'static str,
    /// Names and files.
    tests: Vec<(String, String)>,
    checks: Vec<&'static str>,
    plants: Vec<&'static str>,
}

fn promises() -> Vec<Promise> {
    let rows = read(PAPER).lines().filter(|line| line.starts_with("| "));
    let rows = rows.filter(|line| !line.starts_with("| promise |"));
    let promises = rows.map(|row| {
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        let [_, text, tests, checks, plants, _] = cells[..] else {
            panic!("{PAPER}: four columns are needed: {row}");
        };
        let checks = checks.split(',').map(str::trim);
        Promise {
            text,
            tests: named(tests),
            checks: checks.filter(|check| !check.is_empty()).collect(),
            plants: plants.split('`').skip(1).step_by(2).collect(),
        }
    });
    let promises: Vec<Promise> = promises.collect();
    assert!(promises.len() > 40, "the tables are no longer read rightly");
    promises
}

/// What stands in quotes behind `=>`, by the name before it: how plants and checks are declared.
fn declared(path: &str) -> BTreeMap<&'static str, &'static str> {
    let lines = read(path).lines().map(str::trim);
    let entries = lines.filter_map(|line| {
        let (variant, name) = line.strip_suffix("\",")?.split_once(" => \"")?;
        Some((variant, name))
    });
    let entries: BTreeMap<&str, &str> = entries.collect();
    assert!(entries.len() > 5, "{path} is no longer read rightly");
    entries
}

/// Whether `file` has a test of this name that is run.
fn has_test(file: &File, name: &str) -> bool {
    if file.path.starts_with("tests/scenarios/") {
        let listed = file.text.split("scenarios!(").skip(1);
        let listed = listed.filter_map(|rest| rest.split(");").next());
        return file.text.contains(&format!("async fn {name}("))
            && listed
                .flat_map(|list| list.split(','))
                .any(|scenario| scenario.trim() == name);
    }
    let lines: Vec<&str> = file.text.lines().map(str::trim).collect();
    let declared = lines.iter().position(|line| {
        let function = line.strip_prefix("async ").unwrap_or(line);
        function.starts_with(&format!("fn {name}("))
    });
    // Between the attribute and the function there may be others.
    declared.is_some_and(|at| {
        let attributes = lines[..at].iter().rev();
        attributes
            .take_while(|line| line.starts_with("#["))
            .any(|line| *line == "#[test]" || line.starts_with("#[tokio::test"))
    })
}

#[test]
fn every_promise_has_a_test_that_is_there_and_is_run() {
    let mut findings = Vec::new();
    for promise in promises() {
        if promise.tests.is_empty() {
            findings.push(format!("no test is named: {}", promise.text));
        }
        for (name, path) in promise.tests {
            let file = files().iter().find(|file| file.path == path);
            if !file.is_some_and(|file| has_test(file, &name)) {
                findings.push(format!("{path} has no test {name}"));
            }
        }
    }
    assert_none(
        &findings,
        "docs/INVARIANTS.md names tests that are not there",
    );
}

#[test]
fn every_check_on_paper_is_one_of_the_simulations() {
    let declared = declared("crates/sim/src/failure.rs");
    let known: BTreeSet<&str> = declared.into_values().collect();
    let mut findings = Vec::new();
    for promise in promises() {
        let unknown = promise
            .checks
            .iter()
            .filter(|check| !known.contains(*check));
        findings.extend(unknown.map(|check| format!("{check}: {}", promise.text)));
    }
    assert_none(&findings, "checks that the simulation does not have");
}

#[test]
fn every_plant_is_on_paper_with_the_checks_that_catch_it() {
    let plants = declared("crates/cluster/src/plants.rs");
    let mut on_paper: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for promise in promises() {
        for plant in promise.plants {
            on_paper.entry(plant).or_default().extend(&promise.checks);
        }
    }
    let mut findings = Vec::new();
    for (variant, name) in &plants {
        let Some(checks) = on_paper.remove(name) else {
            findings.push(format!("{name} is missing"));
            continue;
        };
        for catching in catching(variant) {
            if !checks.contains(catching) {
                findings.push(format!("{name} is caught by {catching}, too"));
            }
        }
    }
    findings.extend(on_paper.into_keys().map(|name| format!("{name} is gone")));
    assert_none(
        &findings,
        "docs/INVARIANTS.md does not tell the plants as they are",
    );
}

/// The names of the checks that a plant's row in the simulation allows.
fn catching(variant: &str) -> Vec<&'static str> {
    let names = declared("crates/sim/src/failure.rs");
    let tables = files()
        .iter()
        .filter(|file| file.path.starts_with("crates/sim/src/plants"));
    let mut rows = tables.flat_map(|file| file.text.split("row_of(").skip(1));
    let plant = format!("Plant::{variant},");
    let row = rows.find(|row| row.trim_start().starts_with(&plant));
    let checks = row
        .and_then(|row| row.split(']').next())
        .unwrap_or_default();
    let variants = checks.split("Check::").skip(1);
    let variants = variants.filter_map(|rest| rest.split(|c: char| !c.is_alphanumeric()).next());
    variants
        .filter_map(|variant| names.get(variant).copied())
        .collect()
}

#[test]
fn tests_are_found_where_they_are_run_and_only_there() {
    let of = |path: &str, text: &str| File {
        path: path.to_owned(),
        text: text.to_owned(),
    };
    let unit = of(
        "a.rs",
        "    #[test]\n    #[expect(x)]\n    fn a() {}\n\n    fn b() {}\n",
    );
    assert!(has_test(&unit, "a") && !has_test(&unit, "b") && !has_test(&unit, "c"));
    let text =
        "scenarios!(\n    a,\n);\nasync fn a(world: &World) {}\nasync fn b(world: &World) {}\n";
    let scenario = of("tests/scenarios/a.rs", text);
    assert!(has_test(&scenario, "a") && !has_test(&scenario, "b"));
}
