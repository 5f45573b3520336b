//! The table of ratios in tiny form: it is whole, and what it says about targets is what it does about them.

use std::process::{Command, Output};

use serde_json::Value;

fn wire(options: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_milena-benches"))
        .args(["wire", "--rounds", "1"])
        .args(options)
        .output()
        .expect("the program was built for this test")
}

#[test]
fn every_row_has_its_figures_and_its_targets() {
    let output = wire(&["--json"]);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    let table: Value = serde_json::from_slice(&output.stdout).expect("it prints JSON");
    let rows = table["rows"].as_array().expect("a list");
    assert_eq!(rows.len(), 9);
    for row in rows {
        let name = row["name"].as_str().expect("a name");
        for who in ["ours", "theirs"] {
            let nanos = row[who]["nanos"].as_f64();
            assert!(nanos.is_some_and(|nanos| nanos > 0.0), "{who} of {name}");
        }
        let ratio = &row["theirs_over_ours"];
        let [min, median, max] = ["min", "median", "max"].map(|key| ratio[key].as_f64());
        assert!(min <= median && median <= max && min.is_some(), "{name}");
        let targets = row["targets"].as_array().expect("a list");
        assert!(!targets.is_empty(), "{name} has no target");
        // Allocations are counted, and so the same in a debug build.
        let none = |target: &&Value| target["target"] == "<= 0.02 allocations";
        if let Some(none) = targets.iter().find(none) {
            assert_eq!(none["reached"], true, "{name}: {}", row["ours"]);
        }
    }
}

#[test]
fn the_table_names_what_is_asked_for_and_no_other() {
    let output = wire(&["--only", "metadata"]);
    let table = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        table.contains("metadata response") && !table.contains("encode"),
        "{table}"
    );
    let nothing = wire(&["--only", "nothing of the kind"]);
    assert_eq!(nothing.status.code(), Some(1));
}
