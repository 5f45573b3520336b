//! The guide to the test broker (docs/test-broker): its Rust example runs, and it shows what runs.

#[path = "../../docs/test-broker/examples/lost_commit.rs"]
mod lost_commit;

#[test]
fn the_guide_shows_the_examples_that_are_run() {
    let guide = include_str!("../../docs/test-broker/README.md");
    for (name, text) in [
        (
            "lost_commit.rs",
            include_str!("../../docs/test-broker/examples/lost_commit.rs"),
        ),
        (
            "virtual_time.rs",
            include_str!("../../docs/test-broker/examples/virtual_time.rs"),
        ),
        (
            "test_orders.py",
            include_str!("../../docs/test-broker/examples/test_orders.py"),
        ),
    ] {
        assert!(
            guide.contains(text),
            "README.md does not show {name} as it is"
        );
    }
}
