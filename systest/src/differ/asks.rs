//! What can be asked, by area.

pub(crate) mod admin;
pub(crate) mod consumer;
pub(crate) mod fetch;
pub(crate) mod groups;
pub(crate) mod offsets;
pub(crate) mod produce;
pub(crate) mod transactions;

/// Picks one.
pub(crate) fn pick<T: Clone>(random: &mut fastrand::Rng, choices: &[T]) -> T {
    choices[random.usize(..choices.len())].clone()
}

/// Picks the first of `(weight, choice)` that a draw falls on.
pub(crate) fn weighted<T: Clone>(random: &mut fastrand::Rng, choices: &[(u32, T)]) -> T {
    let total: u32 = choices.iter().map(|(weight, _)| weight).sum();
    let mut draw = random.u32(..total);
    for (weight, choice) in choices {
        if draw < *weight {
            return choice.clone();
        }
        draw -= weight;
    }
    choices[0].1.clone()
}

/// `(topic, partition)` pairs put together by topic, in order of their first appearance.
pub(crate) fn by_topic<T: Clone>(parts: &[(usize, T)]) -> Vec<(usize, Vec<T>)> {
    let mut topics: Vec<(usize, Vec<T>)> = Vec::new();
    for (topic, part) in parts {
        match topics.iter_mut().find(|(known, _)| known == topic) {
            Some((_, parts)) => parts.push(part.clone()),
            None => topics.push((*topic, vec![part.clone()])),
        }
    }
    topics
}
