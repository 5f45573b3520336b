//! Which id of real Kafka is which id of the test broker: bound when first seen, and held to ever after.

use std::collections::BTreeMap;

/// What an id names. Ids of different kinds have nothing to do with each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    Producer,
    Topic,
    Member,
    Session,
    Cluster,
    Host,
    Port,
    Directory,
}

/// The pairs seen so far, each way.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ids {
    ours: BTreeMap<(Kind, String), String>,
    real: BTreeMap<(Kind, String), String>,
}

impl Kind {
    /// By the name of the field, wherever it is.
    pub(crate) fn of_field(field: &str) -> Option<Self> {
        Some(match field {
            "producer_id" => Self::Producer,
            "topic_id" => Self::Topic,
            "member_id" | "leader" => Self::Member,
            "session_id" => Self::Session,
            "cluster_id" => Self::Cluster,
            "host" => Self::Host,
            "port" => Self::Port,
            "log_dir" => Self::Directory,
            _ => return None,
        })
    }

    /// Whether the text is none: then it must be none on the other side as well.
    fn is_none(self, id: &str) -> bool {
        match self {
            Self::Producer | Self::Port => id == "-1",
            Self::Session => id == "0",
            Self::Topic => id == "AAAAAAAAAAAAAAAAAAAAAA",
            _ => id == "\"\"" || id == "None",
        }
    }
}

impl Ids {
    /// Whether the two are the same thing, which they are from now on if neither was seen before.
    pub(crate) fn bind(&mut self, kind: Kind, real: &str, ours: &str) -> bool {
        if kind.is_none(real) || kind.is_none(ours) {
            return real == ours;
        }
        // A producer's id, and also what stands in the field of an answer that has none to tell.
        if kind == Kind::Producer && real == "0" && ours == "0" {
            return true;
        }
        let (real_key, ours_key) = ((kind, real.to_owned()), (kind, ours.to_owned()));
        match (self.ours.get(&real_key), self.real.get(&ours_key)) {
            (None, None) => {
                self.ours.insert(real_key, ours.to_owned());
                self.real.insert(ours_key, real.to_owned());
                true
            }
            (Some(known), _) => known == ours,
            (None, Some(_)) => false,
        }
    }

    /// Whether an id was bound.
    pub(crate) fn knows(&self, kind: Kind, id: &str, is_ours: bool) -> bool {
        let side = if is_ours { &self.real } else { &self.ours };
        let is_clients_own = kind == Kind::Member && !is_made_up(id);
        kind.is_none(id) || is_clients_own || side.contains_key(&(kind, id.to_owned()))
    }

    /// What our id is called on the other side; itself if it is not known there.
    pub(crate) fn real_of(&self, kind: Kind, ours: &str) -> String {
        let real = self.real.get(&(kind, ours.to_owned()));
        real.map_or_else(|| ours.to_owned(), Clone::clone)
    }
}

/// Whether a member id ends as one does that a broker made: in 36 characters of random bits.
pub(crate) fn is_made_up(id: &str) -> bool {
    let id = id.trim_matches('"').as_bytes();
    let Some(start) = id.len().checked_sub(36) else {
        return false;
    };
    [8, 13, 18, 23].iter().all(|dash| id[start + dash] == b'-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_that_are_equal_on_one_side_are_equal_on_the_other() {
        let mut ids = Ids::default();
        assert!(ids.bind(Kind::Producer, "1000", "1"));
        assert!(ids.bind(Kind::Producer, "1000", "1"));
        assert!(!ids.bind(Kind::Producer, "1000", "2"));
        assert!(!ids.bind(Kind::Producer, "1001", "1"));
        assert!(ids.bind(Kind::Producer, "1001", "2"));
        assert!(
            ids.bind(Kind::Session, "1000", "2"),
            "another kind is another matter"
        );
        assert_eq!(ids.real_of(Kind::Producer, "2"), "1001");
    }

    #[test]
    fn no_id_is_no_id_on_both_sides() {
        let mut ids = Ids::default();
        assert!(ids.bind(Kind::Producer, "-1", "-1"));
        assert!(!ids.bind(Kind::Producer, "-1", "5"));
        assert!(!ids.bind(Kind::Session, "77", "0"));
    }
}
