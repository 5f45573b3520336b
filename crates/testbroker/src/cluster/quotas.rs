//! Client quotas: stored and shown, not enforced (a throttle time is a fault).

use std::collections::BTreeMap;

use crate::limits::QUOTA_ENTITIES_MAX;

/// Whom a quota is for: entity type and name, `None` for the default of the type.
pub(crate) type Entity = BTreeMap<String, Option<String>>;

/// The quotas by entity.
#[derive(Debug, Default)]
pub(crate) struct Quotas {
    by_entity: BTreeMap<Entity, BTreeMap<String, f64>>,
}

impl Quotas {
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&Entity, &BTreeMap<String, f64>)> {
        self.by_entity.iter()
    }

    /// Whether an entity has quotas or may still get some.
    pub(crate) fn has_room(&self, entity: &Entity) -> bool {
        self.by_entity.contains_key(entity) || self.by_entity.len() < QUOTA_ENTITIES_MAX
    }

    /// Sets a quota, or takes it away with `None`.
    pub(crate) fn set(&mut self, entity: &Entity, key: &str, value: Option<f64>) {
        let values = self.by_entity.entry(entity.clone()).or_default();
        match value {
            Some(value) => values.insert(key.to_owned(), value),
            None => values.remove(key),
        };
        if values.is_empty() {
            self.by_entity.remove(entity);
        }
    }
}
