//! Which protocol a generation speaks, and what its members say of themselves in it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;
use milena_wire::messages::ConsumerProtocolSubscription;
use milena_wire::{ApiVersion, Decode, Reader};

use super::ClassicGroup;

impl ClassicGroup {
    /// Each member votes for the first of its protocols that everybody speaks; most votes win.
    pub(super) fn select_protocol(&self) -> Option<Arc<str>> {
        let everybody_speaks = |name: &str| self.members.values().all(|member| member.speaks(name));
        let mut votes: BTreeMap<Arc<str>, usize> = BTreeMap::new();
        for member in self.members.values() {
            let vote = member
                .protocols
                .iter()
                .find(|protocol| everybody_speaks(&protocol.name));
            if let Some(vote) = vote {
                *votes.entry(vote.name.clone()).or_default() += 1;
            }
        }
        let most = votes.values().copied().max()?;
        // A table of 16 takes twelve, and doubles.
        let buckets = (votes.len() * 4).div_ceil(3).next_power_of_two().max(16);
        let winners = votes.into_iter().filter(|(_, count)| *count == most);
        let winner = winners.min_by_key(|(name, _)| java_bucket(name, buckets));
        winner.map(|(name, _)| name)
    }

    /// The topics all members read, if they are consumers that can be understood.
    pub(super) fn subscribed_topics(&self) -> Option<BTreeSet<String>> {
        if !self.is_of_consumers() {
            return None;
        }
        if self.members.is_empty() {
            return Some(BTreeSet::new());
        }
        let protocol = self.protocol()?;
        let mut topics = BTreeSet::new();
        for member in self.members.values() {
            topics.extend(subscription(&member.metadata(protocol))?);
        }
        Some(topics)
    }
}

/// The topics of a consumer's subscription. Only what version 0 had is looked at: every later one
/// starts with it.
fn subscription(metadata: &Bytes) -> Option<Vec<String>> {
    let mut reader = Reader::new(metadata);
    let version = reader.i16("version").ok()?;
    if version < 0 {
        return None;
    }
    let read = ConsumerProtocolSubscription::decode(&mut reader, ApiVersion(0)).ok()?;
    Some(read.topics.into_iter().map(str::to_owned).collect())
}

/// Where Java's `HashMap` keeps a string: ties between protocols go to the first one it meets.
fn java_bucket(name: &str, buckets: usize) -> usize {
    let hash = name.encode_utf16().fold(0_u32, |hash, unit| {
        hash.wrapping_mul(31).wrapping_add(u32::from(unit))
    });
    let spread = hash ^ (hash >> 16);
    usize::try_from(spread).unwrap_or(0) & (buckets - 1)
}
