//! The topics that Kafka's coordinators keep their state in. Here they are there to be seen: their
//! partitions stay empty, since the state is in [`Groups`](crate::group::Groups) and
//! [`Transactions`](crate::transaction::Transactions), and who leads one says nothing about who
//! coordinates.

use std::collections::BTreeMap;

use super::{Cluster, CoordinatorKind, OFFSETS_TOPIC};

/// Kafka's internal topic of transactions.
pub(crate) const TRANSACTIONS_TOPIC: &str = "__transaction_state";

/// Whether Kafka keeps this topic for itself.
pub(crate) fn is_internal(name: &str) -> bool {
    matches!(
        name,
        OFFSETS_TOPIC | TRANSACTIONS_TOPIC | "__share_group_state"
    )
}

impl Cluster {
    /// Creates the topic of this kind of coordinator if it does not exist yet: Kafka does when
    /// somebody looks for the first coordinator (`AutoTopicCreationManager`).
    pub(crate) fn create_internal_topic(&mut self, kind: CoordinatorKind) {
        let (name, prefix, own) = match kind {
            CoordinatorKind::Group => (OFFSETS_TOPIC, "offsets.topic", None),
            CoordinatorKind::Transaction => {
                let min_isr = ("min.insync.replicas", "transaction.state.log.min.isr", "2");
                (TRANSACTIONS_TOPIC, "transaction.state.log", Some(min_isr))
            }
        };
        if self.topics.get(name).is_some() {
            return;
        }
        let property = |name: &str, default: &str| {
            let value = self.config.property(name);
            value.unwrap_or_else(|| default.to_owned())
        };
        let number = |suffix: &str, default: &str| {
            let text = property(&format!("{prefix}.{suffix}"), default);
            text.parse::<i32>().unwrap_or(0)
        };
        let segment = property(&format!("{prefix}.segment.bytes"), "104857600");
        let mut settings = BTreeMap::from([
            ("cleanup.policy".to_owned(), "compact".to_owned()),
            ("compression.type".to_owned(), "producer".to_owned()),
            ("segment.bytes".to_owned(), segment),
        ]);
        if let Some((setting, from, default)) = own {
            settings.insert("compression.type".into(), "uncompressed".into());
            settings.insert("unclean.leader.election.enable".into(), "false".into());
            settings.insert(setting.into(), property(from, default));
        }
        // A small cluster has no room for three replicas. Kafka would go on without coordinators.
        let replicas = number("replication.factor", "3").clamp(1, self.config.nodes.max(1));
        let spread = self.spread(
            0,
            number("num.partitions", "50"),
            usize::try_from(replicas).unwrap_or(1),
        );
        // What cannot be created is not shown, and coordinators work all the same.
        let Ok(assignment) = spread else { return };
        let config = self.topic_config(settings);
        let min_isr = config.min_insync_replicas;
        let place = |replicas| self.new_partition(replicas, min_isr);
        let partitions = assignment.into_iter().map(place).collect();
        self.topics.insert(name, config, partitions);
    }
}
