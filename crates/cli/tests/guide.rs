//! The Python example of docs/test-broker, run as its readers would.

use std::process::Command;

/// The Python that has the client, if this machine has one.
///
/// # Panics
///
/// With `MILENA_REQUIRE_KAFKA=1`, if there is none.
fn python() -> Option<&'static str> {
    let mut import = Command::new("python3");
    let import = import.args(["-c", "import confluent_kafka"]).output();
    if import.is_ok_and(|output| output.status.success()) {
        return Some("python3");
    }
    let required = std::env::var("MILENA_REQUIRE_KAFKA").is_ok_and(|value| value == "1");
    assert!(!required, "python3 with confluent_kafka is not there");
    None
}

#[test]
fn the_python_example_passes() {
    let Some(python) = python() else {
        eprintln!("left out: python3 with confluent_kafka is not there");
        return;
    };
    let example = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../docs/test-broker/examples/test_orders.py"
    );
    let output = Command::new(python)
        .args(["-B", example])
        .env("MILENA", env!("CARGO_BIN_EXE_milena"))
        .output()
        .expect("python runs");
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}");
}
