//! A seed is a run: the same events, in the same order, at the same times, with the same bytes.

use std::hash::{BuildHasher, RandomState};

use milena_sim::{Options, run};

#[test]
fn the_same_seed_gives_the_same_trace() {
    for seed in [2, 3, 5] {
        let (once, again) = (run(seed, Options::default()), run(seed, Options::default()));
        assert!(once.events > 10_000, "{}", once.events);
        assert_eq!(once.trace_hash, again.trace_hash, "seed {seed}");
        assert_eq!(once.events, again.events, "seed {seed}");
        assert_eq!(once.faults, again.faults, "seed {seed}");
    }
}

#[test]
fn telling_a_run_in_words_does_not_change_it() {
    let options = Options {
        in_words: true,
        ..Options::default()
    };
    let (quiet, told) = (run(4, Options::default()), run(4, options));
    assert_eq!(quiet.trace_hash, told.trace_hash);
    assert!(told.lines.len() > 1_000);
}

#[test]
fn another_seed_gives_another_trace() {
    let (one, other) = (run(2, Options::default()), run(3, Options::default()));
    assert_ne!(one.trace_hash, other.trace_hash);
}

/// The negative control: chance that does not come from the seed shows in the trace, so equal traces mean something.
#[test]
fn chance_from_elsewhere_is_noticed() {
    let perturbed = || Options {
        perturbation: RandomState::new().hash_one("chance") | 1,
        ..Options::default()
    };
    assert_ne!(
        run(2, perturbed()).trace_hash,
        run(2, perturbed()).trace_hash
    );
}
