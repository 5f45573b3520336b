//! The base line in tiny form, on the embedded broker: it ends well, and nothing is missing in what it prints.

use std::process::{Command, Output};

use serde_json::Value;

/// Runs the program; few records, so that a debug build does it in seconds.
fn tiny(options: &[&str]) -> Output {
    let few = ["--records-100=20000", "--records-1k=4000"];
    baseline(&[&few, options].concat())
}

fn baseline(options: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_milena-benches"))
        .args(["baseline", "--transactions=3", "--partitions=2"])
        .args(options)
        .output()
        .expect("the program was built for this test")
}

fn json(output: &Output) -> Value {
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    serde_json::from_slice(&output.stdout).expect("it prints JSON")
}

/// The median of a figure, between the other two.
fn median(job: &Value, figure: &str) -> f64 {
    let spread = &job["figures"][figure];
    let [min, median, max] = ["min", "median", "max"].map(|key| {
        spread[key]
            .as_f64()
            .unwrap_or_else(|| panic!("{} has no {key} of {figure}", job["job"]))
    });
    assert!(min <= median && median <= max, "{figure}: {spread}");
    median
}

#[test]
fn every_job_is_done_and_every_figure_is_there() {
    let report = json(&tiny(&["--json", "--runs", "2"]));
    assert_eq!(report["broker"], "embedded");
    assert_eq!(report["runs"], 2);
    let jobs = report["jobs"].as_array().expect("a list");
    let (of_records, of_transactions): (Vec<_>, Vec<_>) = jobs
        .iter()
        .partition(|job| !job["allocations_per_record_max"].is_null());
    assert_eq!((of_records.len(), of_transactions.len()), (6, 3));
    for job in of_records {
        for figure in [
            "records_per_s",
            "cpu_ns_per_record",
            "cpu_ns_per_record_engine",
            "cpu_ns_per_record_application",
            "allocations_per_record",
            "allocated_bytes_per_record",
            "sleeps_per_1000_records",
            "engine_wakes_per_1000_records",
            "peak_mib",
            "mib_before",
            "threads",
        ] {
            assert!(median(job, figure) > 0.0, "{figure} of {}", job["job"]);
        }
        // On an idle machine there may be none.
        median(job, "preemptions_per_1000_records");
    }
    for job in of_transactions {
        for figure in [
            "commit_us_p50",
            "commit_us_p99",
            "commit_us_max",
            "transactions_per_s",
            "records_per_s",
            "sends_per_s",
            "cpu_us_per_transaction",
            "cpu_ns_per_record",
            "allocations_per_transaction",
            "sleeps_per_transaction",
            "engine_wakes_per_transaction",
            "peak_mib",
            "mib_before",
            "threads",
        ] {
            assert!(median(job, figure) > 0.0, "{figure} of {}", job["job"]);
        }
    }
}

#[test]
fn records_that_allocate_too_often_fail_the_check() {
    // Twenty records cannot make up for the connections, the topic and the first batches.
    let few = baseline(&["--check", "--only", "100", "--records-100", "20"]);
    assert_eq!(few.status.code(), Some(1));
    let errors = String::from_utf8_lossy(&few.stderr);
    assert!(errors.contains("allocate more often"), "{errors}");
}

#[test]
fn the_table_has_the_same_jobs_as_the_json() {
    let table = tiny(&["--only", "100,transactions"]);
    let text = String::from_utf8_lossy(&table.stdout).into_owned();
    let report = json(&tiny(&["--only", "100,transactions", "--json"]));
    for job in report["jobs"].as_array().expect("a list") {
        let name = job["job"].as_str().expect("a name");
        assert!(text.contains(name), "{name} is not in\n{text}");
    }
}

#[test]
fn an_address_that_is_none_is_a_failure() {
    let nobody = baseline(&["--bootstrap", "nowhere", "--only", "100"]);
    assert_eq!(nobody.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&nobody.stderr).starts_with("error: "));
}
