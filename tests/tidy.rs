//! The rules of this tree that a compiler does not know, held by ordinary tests.
//!
//! Layers and dependencies are read from cargo, the rest from the files. Each rule says, where it fails, which file breaks it and why
//! the rule is there. A rule that turns out wrong is changed here, in a commit that says so, and not worked around.

#[path = "tidy/bounds.rs"]
mod bounds;
#[path = "tidy/dependencies.rs"]
mod dependencies;
#[path = "tidy/docs.rs"]
mod docs;
#[path = "tidy/invariants.rs"]
mod invariants;
#[path = "tidy/layers.rs"]
mod layers;
#[path = "tidy/sizes.rs"]
mod sizes;
#[path = "tidy/spdx.rs"]
mod spdx;
#[path = "tidy/tree.rs"]
mod tree;
#[path = "tidy/words.rs"]
mod words;

/// Fails with every finding at once: one run shows all there is to mend.
fn assert_none(findings: &[String], rule: &str) {
    assert!(
        findings.is_empty(),
        "{rule}:\n  {}\n",
        findings.join("\n  ")
    );
}
