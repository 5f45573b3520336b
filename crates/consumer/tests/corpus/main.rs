//! Every Fetch response that a fuzzer found worth keeping, gone through again: see `fuzz/README.md`.

mod fetch;
#[path = "../../../wire/tests/corpus/replay.rs"]
mod replay;

#[test]
fn every_answer_on_file_is_read_as_its_transactions_say() {
    replay::replay("fetch", fetch::fetch);
}
