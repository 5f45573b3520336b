//! The open transaction: what it has registered, and what it still has to ask for.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use milena_cluster::TopicPartition;

use super::request::OffsetsToCommit;
use super::retry::Retry;

/// How a transaction speaks to the cluster; latched at `begin`, never changed within one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Flavour {
    /// `transaction.version` below 2: the client registers partitions, and keeps its epoch.
    V1,
    /// From 2 on (KIP-890 part 2): the brokers register, and every end gives a new epoch.
    V2,
}

impl Flavour {
    pub(super) fn of(transaction_version: i16) -> Self {
        if transaction_version >= 2 {
            Self::V2
        } else {
            Self::V1
        }
    }

    pub(super) fn is_v2(self) -> bool {
        self == Self::V2
    }
}

/// A transaction between `begin` and its end.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Open {
    pub(super) flavour: Flavour,
    pub(super) partitions: Partitions,
    pub(super) offsets: Offsets,
    /// The coordinator has (TV1) or may have (TV2) something to end.
    started: bool,
    /// When the first attempt to register anything was made. The coordinator's own clock starts
    /// later, so a transaction that it timed out is always older than its time-out by this one.
    started_at: Option<Instant>,
    /// No batch is incomplete: EndTxn may go.
    pub(super) drained: bool,
    /// End it at once, and in a way that keeps out what is late: a stamped batch, or whether anything is registered, is
    /// unresolved.
    pub(super) fence: bool,
    /// The coordinator has lost the producer: it takes no EndTxn from it.
    pub(super) lost: bool,
    /// The identity must not be used after this transaction (TV1).
    pub(super) bump: bool,
    /// The latest time seen: `add_partition` has no clock of its own.
    clock: Instant,
    /// A batch of it was acknowledged: only plants want to know.
    #[cfg(feature = "plants")]
    pub(super) acknowledged: bool,
    /// A new epoch is wanted in the middle: only a plant does so.
    #[cfg(feature = "plants")]
    pub(super) bump_now: bool,
}

/// Partitions on their way into the transaction.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Partitions {
    /// May be produced to.
    pub(super) registered: BTreeSet<TopicPartition>,
    /// In the AddPartitions that was sent, until it is answered for good.
    pub(super) asked: BTreeSet<TopicPartition>,
    /// For the next AddPartitions.
    pub(super) wanted: BTreeSet<TopicPartition>,
    /// A copy of the AddPartitions may have been applied although no answer says so.
    pub(super) uncertain: bool,
    pub(super) retry: Retry,
}

/// Offsets on their way into the transaction.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Offsets {
    /// In the order of the calls: later offsets replace earlier ones.
    pub(super) jobs: VecDeque<OffsetsJob>,
    /// Groups registered (TV1).
    pub(super) groups: BTreeSet<Arc<str>>,
    /// Groups of which a late copy of a TxnOffsetCommit may still be on its way.
    pub(super) in_doubt: BTreeSet<Arc<str>>,
    /// The group whose AddOffsets may have been applied although no answer says so.
    pub(super) uncertain: Option<Arc<str>>,
    /// Any were sent.
    pub(super) any: bool,
    pub(super) add_retry: Retry,
    pub(super) commit_retry: Retry,
}

/// One call of `send_offsets`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct OffsetsJob {
    pub(super) offsets: Arc<OffsetsToCommit>,
    /// A copy was sent whose answer was lost.
    pub(super) unsure: bool,
    /// The caller has been told already; it is only kept to be answered.
    pub(super) reported: bool,
}

impl std::hash::Hash for OffsetsJob {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.offsets.group.group.hash(state);
        self.offsets.offsets.hash(state);
        (self.unsure, self.reported).hash(state);
    }
}

impl OffsetsJob {
    pub(super) fn group(&self) -> &Arc<str> {
        &self.offsets.group.group
    }
}

/// One thing to ask a coordinator for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Work {
    /// InitProducerId outside a transaction.
    Identity,
    AddPartitions,
    AddOffsets(Arc<str>),
    TxnOffsetCommit,
    EndTxn {
        committing: bool,
    },
    /// InitProducerId in place of EndTxn(abort).
    Fence,
}

impl Open {
    pub(super) fn new(flavour: Flavour, now: Instant) -> Self {
        Self {
            flavour,
            partitions: Partitions::default(),
            offsets: Offsets::default(),
            started: false,
            started_at: None,
            drained: false,
            fence: false,
            lost: false,
            bump: false,
            clock: now,
            #[cfg(feature = "plants")]
            acknowledged: false,
            #[cfg(feature = "plants")]
            bump_now: false,
        }
    }

    pub(super) fn see(&mut self, now: Instant) {
        self.clock = now;
    }

    pub(super) fn started(&self) -> bool {
        self.started
    }

    /// Something was registered, or on TV2 may have been.
    pub(super) fn set_started(&mut self) {
        self.attempt();
        self.started = true;
    }

    /// Whether InitProducerId takes the place of EndTxn(abort).
    ///
    /// On TV2 the markers of every abort carry a newer epoch, so EndTxn keeps out what is late as well, and it names its own
    /// epoch: an instance that was paused, and is fenced without knowing it, is refused. InitProducerId is not, while a
    /// transaction of the newer instance is open: the coordinator looks at the producer id only, and aborts that transaction.
    pub(super) fn ends_by_identity(&self) -> bool {
        self.fence && (self.lost || !self.flavour.is_v2())
    }

    /// Nothing that anybody would have to end.
    #[cfg(feature = "plants")]
    pub(super) fn plant_forget(&mut self) {
        (self.started, self.fence, self.bump) = (false, false, false);
    }

    /// The first attempt to register: what the coordinator's time-out is measured against.
    pub(super) fn attempt(&mut self) {
        self.started_at.get_or_insert(self.clock);
    }

    pub(super) fn started_at(&self) -> Option<Instant> {
        self.started_at
    }

    /// How long the coordinator may have had it open, if longer than it allows.
    pub(super) fn overdue(&self, now: Instant, timeout: Duration) -> Option<Duration> {
        let open_for = now.saturating_duration_since(self.started_at?);
        (open_for > timeout).then_some(open_for)
    }

    /// A request of this transaction was left without an answer. On TV1 its late copy would be
    /// welcome to the next transaction, whose epoch is the same (KAFKA-17754); a bump keeps it out.
    pub(super) fn lost_answer(&mut self) {
        if self.flavour == Flavour::V1 {
            self.bump = true;
        }
    }

    /// What must be asked for before the transaction may be committed, by priority.
    pub(super) fn outstanding(&self) -> impl Iterator<Item = (Work, Option<Instant>)> + '_ {
        let partitions = &self.partitions;
        let ask = !partitions.asked.is_empty() || !partitions.wanted.is_empty();
        let add_partitions = ask.then(|| (Work::AddPartitions, partitions.retry.not_before()));
        add_partitions
            .into_iter()
            .chain(self.add_offsets())
            .chain(self.commit_offsets())
    }

    /// What must be repeated before the transaction may be aborted: only what was sent and may have
    /// been applied. Abort is no reason to ask for anything new.
    pub(super) fn unanswered(&self) -> impl Iterator<Item = (Work, Option<Instant>)> + '_ {
        let partitions = &self.partitions;
        let add_partitions = partitions
            .uncertain
            .then(|| (Work::AddPartitions, partitions.retry.not_before()));
        let add_offsets = self
            .offsets
            .uncertain
            .clone()
            .map(|group| (Work::AddOffsets(group), self.offsets.add_retry.not_before()));
        let front = self.offsets.jobs.front().filter(|job| job.unsure);
        let commit_offsets = front.map(|_| {
            (
                Work::TxnOffsetCommit,
                self.offsets.commit_retry.not_before(),
            )
        });
        add_partitions
            .into_iter()
            .chain(add_offsets)
            .chain(commit_offsets)
    }

    /// Drops what was never sent, or was answered with a refusal that leaves no doubt; `in_flight`
    /// stays. Returns how many calls of `send_offsets` have to be told.
    pub(super) fn wind_up(&mut self, in_flight: Option<&Work>) -> usize {
        self.partitions.wanted.clear();
        if !self.partitions.uncertain && in_flight != Some(&Work::AddPartitions) {
            self.partitions.asked.clear();
        }
        let mut unreported = 0;
        for job in &mut self.offsets.jobs {
            unreported += usize::from(!std::mem::replace(&mut job.reported, true));
        }
        let keep = self.offsets.jobs.front().is_some_and(|job| job.unsure)
            || in_flight == Some(&Work::TxnOffsetCommit);
        self.offsets.jobs.truncate(usize::from(keep));
        unreported
    }

    fn add_offsets(&self) -> Option<(Work, Option<Instant>)> {
        if self.flavour.is_v2() {
            return None;
        }
        let offsets = &self.offsets;
        let job = offsets
            .jobs
            .iter()
            .find(|job| !offsets.groups.contains(job.group()))?;
        Some((
            Work::AddOffsets(job.group().clone()),
            offsets.add_retry.not_before(),
        ))
    }

    fn commit_offsets(&self) -> Option<(Work, Option<Instant>)> {
        let job = self.offsets.jobs.front()?;
        let registered = self.flavour.is_v2() || self.offsets.groups.contains(job.group());
        registered.then(|| {
            (
                Work::TxnOffsetCommit,
                self.offsets.commit_retry.not_before(),
            )
        })
    }
}
