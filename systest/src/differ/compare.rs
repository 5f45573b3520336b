//! Two answers, field by field.

use milena_wire::ApiKey;

use super::ids::{Ids, Kind, is_made_up};
use super::rules::Tally;
use super::tree::Value;

/// A field that is not the same.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Difference {
    /// Where, such as `topics[0].partitions[1].error_code`.
    pub(crate) path: String,
    /// The last name of the path.
    pub(crate) field: String,
    pub(crate) real: String,
    pub(crate) ours: String,
}

/// Compares the answers of one API.
pub(crate) struct Comparer<'a> {
    pub(crate) api: ApiKey,
    pub(crate) ids: &'a mut Ids,
    pub(crate) tally: &'a mut Tally,
}

/// What an item of a list is told from its neighbours by.
const KEYS: &[&str] = &[
    "name",
    "topic",
    "topic_name",
    "topic_id",
    "resource_name",
    "group_id",
    "transactional_id",
    "member_id",
    "producer_id",
    "api_key",
    "key",
    "node_id",
    "broker_id",
    "partition_index",
    "partition",
    "partition_id",
    "index",
];

/// A member id that the broker made: what the client gave, and 36 characters of its own.
const UUID_LEN: usize = 36;

impl Comparer<'_> {
    /// The first difference that no rule allows.
    pub(crate) fn compare(&mut self, real: &Value, ours: &Value) -> Option<Difference> {
        self.values("", "", real, ours)
    }

    fn values(
        &mut self,
        path: &str,
        field: &str,
        real: &Value,
        ours: &Value,
    ) -> Option<Difference> {
        match (real, ours) {
            (Value::Record(real_fields), Value::Record(ours_fields))
                if real_fields.len() == ours_fields.len() =>
            {
                for ((name, real), (our_name, ours)) in real_fields.iter().zip(ours_fields) {
                    let path = join(path, name);
                    if name != our_name {
                        let found = difference(&path, name, name, our_name);
                        return self.judge(found);
                    }
                    let found = self.values(&path, name, real, ours);
                    if found.is_some() {
                        return found;
                    }
                }
                None
            }
            (Value::List(real_items), Value::List(ours_items)) => {
                if real_items.len() != ours_items.len() {
                    let count =
                        |items: &[Value], list: &Value| format!("{} of {list}", items.len());
                    let (real, ours) = (count(real_items, real), count(ours_items, ours));
                    return self.judge(difference(path, field, &real, &ours));
                }
                self.lists(path, field, real_items, ours_items)
            }
            (Value::Leaf(real), Value::Leaf(ours)) => self.leaves(path, field, real, ours),
            _ => self.judge(difference(path, field, real, ours)),
        }
    }

    /// A member whose own answers were not compared yet has an id on each side of which nobody can say whether they are one.
    fn is_unbound_member(&self, item: &Value, is_ours: bool) -> bool {
        let id = item.get("member_id").map(Value::to_string);
        id.is_some_and(|id| !self.ids.knows(Kind::Member, &id, is_ours))
    }

    fn lists(
        &mut self,
        path: &str,
        field: &str,
        real: &[Value],
        ours: &[Value],
    ) -> Option<Difference> {
        let ours = self.in_order_of(field, real, ours);
        for (index, (real, ours)) in real.iter().zip(ours).enumerate() {
            let path = format!("{path}[{index}]");
            let unbound = self.is_unbound_member(real, false) && self.is_unbound_member(ours, true);
            let found = if unbound {
                self.values(
                    &path,
                    field,
                    &real.without("member_id"),
                    &ours.without("member_id"),
                )
            } else {
                self.values(&path, field, real, ours)
            };
            if found.is_some() {
                return found;
            }
        }
        None
    }

    /// Our items in the order of theirs, as far as they can be told apart.
    fn in_order_of<'v>(
        &mut self,
        field: &str,
        real: &[Value],
        ours: &'v [Value],
    ) -> Vec<&'v Value> {
        let real_keys: Vec<String> = real.iter().map(|item| self.key(item, false)).collect();
        let our_keys: Vec<String> = ours.iter().map(|item| self.key(item, true)).collect();
        let mut sorted = our_keys.clone();
        sorted.sort();
        let mut wanted = real_keys.clone();
        wanted.sort();
        if real_keys == our_keys || sorted != wanted {
            return ours.iter().collect();
        }
        let orders = &mut self.tally.orders;
        *orders
            .entry((self.api.name(), field.to_owned()))
            .or_default() += 1;
        let mut left: Vec<(String, &Value)> = our_keys.into_iter().zip(ours).collect();
        let mut ordered = Vec::new();
        for key in &real_keys {
            let place = left.iter().position(|(ours, _)| ours == key);
            ordered.extend(place.map(|place| left.remove(place).1));
        }
        ordered
    }

    fn key(&self, item: &Value, is_ours: bool) -> String {
        if self.is_unbound_member(item, is_ours) {
            return item.without("member_id").to_string();
        }
        let mut key = String::new();
        let mut named = false;
        let fields = KEYS.iter().filter_map(|name| Some((name, item.get(name)?)));
        for (name, value) in fields {
            let text = value.to_string();
            // A name says enough, and the id may be one that was not seen yet.
            if *name == "topic_id" && named {
                continue;
            }
            named |= !matches!(text.as_str(), "\"\"" | "None");
            let text = match Kind::of_field(name) {
                Some(Kind::Topic) if !self.ids.knows(Kind::Topic, &text, is_ours) => {
                    "new".to_owned()
                }
                Some(kind) if is_ours => self.ids.real_of(kind, &text),
                _ => text,
            };
            key.push_str(&text);
            key.push('/');
        }
        if key.is_empty() {
            return item.to_string();
        }
        key
    }

    fn leaves(&mut self, path: &str, field: &str, real: &str, ours: &str) -> Option<Difference> {
        let same = match Kind::of_field(field) {
            Some(Kind::Member) => self.members(real, ours),
            Some(kind) => self.ids.bind(kind, real, ours),
            None => real == ours,
        };
        if same {
            return None;
        }
        self.judge(difference(path, field, &real, &ours))
    }

    /// The part that the broker did not choose is the same; the whole is bound.
    fn members(&mut self, real: &str, ours: &str) -> bool {
        if !is_made_up(real) || !is_made_up(ours) {
            return real == ours;
        }
        let given = |id: &str| {
            let id = id.trim_matches('"');
            let end = id.len().saturating_sub(UUID_LEN);
            id.get(..end).unwrap_or_default().to_owned()
        };
        given(real) == given(ours) && self.ids.bind(Kind::Member, real, ours)
    }

    fn judge(&mut self, found: Difference) -> Option<Difference> {
        (!self.tally.allows(self.api, &found)).then_some(found)
    }
}

fn difference(
    path: &str,
    field: &str,
    real: &dyn std::fmt::Display,
    ours: &dyn std::fmt::Display,
) -> Difference {
    Difference {
        path: path.to_owned(),
        field: field.to_owned(),
        real: real.to_string(),
        ours: ours.to_string(),
    }
}

fn join(path: &str, name: &str) -> String {
    if path.is_empty() {
        name.to_owned()
    } else {
        format!("{path}.{name}")
    }
}

#[cfg(test)]
mod tests {
    use milena_wire::ErrorCode;
    use milena_wire::messages::{
        AddPartitionsToTxnPartitionResult, AddPartitionsToTxnResponse,
        AddPartitionsToTxnTopicResult, AnyResponse, InitProducerIdResponse,
    };

    use super::*;

    fn compare(
        real: &AnyResponse<'_>,
        ours: &AnyResponse<'_>,
        ids: &mut Ids,
    ) -> Option<Difference> {
        let mut tally = Tally::default();
        let mut comparer = Comparer {
            api: real.key(),
            ids,
            tally: &mut tally,
        };
        comparer.compare(&Value::of(real), &Value::of(ours))
    }

    fn added(topics: &[(&'static str, ErrorCode)]) -> AnyResponse<'static> {
        let topics = topics
            .iter()
            .map(|(name, code)| AddPartitionsToTxnTopicResult {
                name,
                results_by_partition: vec![AddPartitionsToTxnPartitionResult {
                    partition_index: 0,
                    partition_error_code: *code,
                }],
            });
        AddPartitionsToTxnResponse {
            results_by_topic_v3_and_below: topics.collect(),
            ..Default::default()
        }
        .into()
    }

    #[test]
    fn a_code_that_differs_is_found_with_its_path() {
        let (real, ours) = (ErrorCode::NONE, ErrorCode::NOT_COORDINATOR);
        let found = compare(
            &added(&[("a", real)]),
            &added(&[("a", ours)]),
            &mut Ids::default(),
        );
        let found = found.expect("they differ");
        assert_eq!(
            found.path,
            "results_by_topic_v3_and_below[0].results_by_partition[0].partition_error_code"
        );
        assert_eq!(found.ours, "NOT_COORDINATOR (16)");
    }

    #[test]
    fn the_order_of_named_items_is_no_difference_and_what_they_say_is() {
        let (fine, bad) = (ErrorCode::NONE, ErrorCode::NOT_COORDINATOR);
        let real = added(&[("a", fine), ("b", bad)]);
        let mut ids = Ids::default();
        assert_eq!(
            compare(&real, &added(&[("b", bad), ("a", fine)]), &mut ids),
            None
        );
        assert!(compare(&real, &added(&[("b", fine), ("a", bad)]), &mut ids).is_some());
        assert!(compare(&real, &added(&[("a", fine)]), &mut ids).is_some());
    }

    #[test]
    fn an_id_may_differ_once_and_must_then_stay() {
        let answer = |producer_id| {
            InitProducerIdResponse {
                producer_id,
                ..Default::default()
            }
            .into()
        };
        let mut ids = Ids::default();
        assert_eq!(compare(&answer(4000), &answer(0), &mut ids), None);
        assert_eq!(compare(&answer(4000), &answer(0), &mut ids), None);
        assert!(compare(&answer(4000), &answer(1), &mut ids).is_some());
        assert!(compare(&answer(4000), &answer(-1), &mut ids).is_some());
    }
}
