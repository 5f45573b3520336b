//! What a sequence has learned from one side's answers: each side goes on with its own ids.

use std::collections::BTreeMap;

use milena_wire::Uuid;

/// A topic that no sequence creates by its preparations.
pub(crate) const MISSING: usize = 9;

/// A producer as the last answers describe it.
#[derive(Clone, Debug)]
pub(crate) struct Producer {
    pub(crate) id: i64,
    pub(crate) epoch: i16,
    /// The next sequence number, by topic and partition.
    pub(crate) next: BTreeMap<(usize, i32), i32>,
}

/// A member of a group, of either protocol.
#[derive(Clone, Debug, Default)]
pub(crate) struct Member {
    pub(crate) id: String,
    pub(crate) generation: i32,
    /// The members that its last JoinGroup listed: those a leader hands assignments to.
    pub(crate) listed: Vec<String>,
}

/// One side's.
#[derive(Clone, Debug)]
pub(crate) struct Vars {
    /// In front of every name.
    pub(crate) prefix: String,
    pub(crate) topic_ids: BTreeMap<usize, Uuid>,
    pub(crate) producers: BTreeMap<usize, Producer>,
    pub(crate) session: (i32, i32),
    /// Every fetch session that was opened: they are closed in the end.
    pub(crate) sessions: Vec<i32>,
    pub(crate) members: BTreeMap<usize, Member>,
    /// Values written so far, so that each is another.
    pub(crate) written: u32,
}

impl Vars {
    pub(crate) fn new(prefix: &str) -> Self {
        Self {
            prefix: prefix.to_owned(),
            topic_ids: BTreeMap::new(),
            producers: BTreeMap::new(),
            session: (0, -1),
            sessions: Vec::new(),
            members: BTreeMap::new(),
            written: 0,
        }
    }

    pub(crate) fn topic(&self, index: usize) -> String {
        format!("{}-t{index}", self.prefix)
    }

    /// Which topic a name is.
    pub(crate) fn topic_index(&self, name: &str) -> Option<usize> {
        let rest = name.strip_prefix(&self.prefix)?;
        rest.strip_prefix("-t")?.parse().ok()
    }

    /// The id of a topic; one that nobody has for a topic that is not there.
    pub(crate) fn topic_id(&self, index: usize) -> Uuid {
        let unknown = Uuid([0xee; 16]);
        self.topic_ids.get(&index).copied().unwrap_or(unknown)
    }

    pub(crate) fn topic_of_id(&self, text: &str) -> Option<usize> {
        let mut ids = self.topic_ids.iter();
        ids.find(|(_, id)| id.to_string() == text)
            .map(|(index, _)| *index)
    }

    pub(crate) fn group(&self, index: usize) -> String {
        format!("{}-g{index}", self.prefix)
    }

    pub(crate) fn transactional_id(&self, index: usize) -> String {
        format!("{}-x{index}", self.prefix)
    }

    pub(crate) fn member(&self, index: usize) -> Member {
        let none = || Member {
            generation: -1,
            ..Member::default()
        };
        self.members.get(&index).cloned().unwrap_or_else(none)
    }
}
