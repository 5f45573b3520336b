//! Every input that a fuzzer found worth keeping, gone through again.
//!
//! The targets are those of `fuzz/`, which shares their code: each takes any bytes and panics if a property does not hold. An input that once
//! broke one lies in the corpus from then on.

mod replay;
mod targets;

#[test]
fn every_input_of_every_corpus_keeps_the_properties() {
    for (name, target) in targets::TARGETS {
        replay::replay(name, *target);
    }
}

#[test]
fn the_corpora_stay_small() {
    replay::assert_small();
}

#[test]
fn every_target_has_a_corpus_and_every_corpus_a_target() {
    // `fetch` is the consumer's: its inputs are gone through there.
    let mut targets: Vec<&str> = targets::TARGETS.iter().map(|(name, _)| *name).collect();
    targets.push("fetch");
    targets.sort_unstable();
    assert_eq!(replay::names("corpus"), targets);
    let programs = replay::names("fuzz_targets");
    let programs: Vec<&str> = (programs.iter())
        .map(|program| program.trim_end_matches(".rs"))
        .collect();
    assert_eq!(programs, targets);
}
