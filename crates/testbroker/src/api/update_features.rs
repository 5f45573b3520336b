//! UpdateFeatures v0-2. Any node takes it, as a node that asks the controller would.
//!
//! In 4.3 one bad update refuses them all and the error is at the top; in 3.9 each is judged by
//! itself. Version 0 cannot lower a level: brokers do not look at its flag.

use std::collections::BTreeMap;

use milena_wire::ErrorCode;
use milena_wire::messages::{
    UpdatableFeatureResult, UpdateFeaturesRequest, UpdateFeaturesResponse,
};

use crate::cluster::Cluster;
use crate::config::Emulate;
use crate::features::{FeatureError, Upgrade};
use crate::request::{Context, Reply};

/// A feature, the level wanted, and how it may get there.
type Update<'a> = (&'a str, i16, Upgrade);

pub(crate) fn handle(
    cluster: &mut Cluster,
    context: &Context<'_>,
    request: &UpdateFeaturesRequest<'_>,
) -> Reply {
    if let Err(error) = context.check() {
        return context.answer(&UpdateFeaturesResponse {
            throttle_time_ms: context.throttle_time_ms,
            error_code: error,
            ..Default::default()
        });
    }
    let updates = updates(request);
    match cluster.config.emulate {
        Emulate::V3_9 => one_by_one(cluster, context, request, &updates),
        Emulate::V4_3 => all_or_none(cluster, context, request, &updates),
    }
}

/// In their order; of several for one feature the last counts.
fn updates<'a>(request: &UpdateFeaturesRequest<'a>) -> Vec<Update<'a>> {
    let mut places = BTreeMap::new();
    let mut updates: Vec<Update<'a>> = Vec::new();
    for update in &request.feature_updates {
        let wanted = (
            update.feature,
            update.max_version_level,
            Upgrade::of_code(update.upgrade_type),
        );
        match places.get(update.feature) {
            Some(place) => {
                let place: &usize = place;
                updates[*place] = wanted;
            }
            None => {
                places.insert(update.feature, updates.len());
                updates.push(wanted);
            }
        }
    }
    updates
}

fn all_or_none(
    cluster: &mut Cluster,
    context: &Context<'_>,
    request: &UpdateFeaturesRequest<'_>,
    updates: &[Update<'_>],
) -> Reply {
    let refused = updates.iter().find_map(|(name, level, upgrade)| {
        let checked = cluster.features.check_update(name, *level, *upgrade);
        checked.err()
    });
    if let Some(error) = refused {
        let message = format!("no feature was updated: {error}");
        return context.answer(&UpdateFeaturesResponse {
            throttle_time_ms: context.throttle_time_ms,
            error_code: ErrorCode::INVALID_UPDATE_VERSION,
            error_message: Some(&message),
            results: Vec::new(),
        });
    }
    if !request.validate_only {
        for (name, level, _) in updates {
            cluster.features.update(name, *level);
        }
    }
    let asked = request.feature_updates.iter();
    let results = asked.map(|update| UpdatableFeatureResult {
        feature: update.feature,
        error_code: ErrorCode::NONE,
        // What Kafka puts there where nothing went wrong.
        error_message: Some("NONE"),
    });
    context.answer(&UpdateFeaturesResponse {
        throttle_time_ms: context.throttle_time_ms,
        error_code: context.shown(ErrorCode::NONE),
        error_message: None,
        results: results.collect(),
    })
}

fn one_by_one(
    cluster: &mut Cluster,
    context: &Context<'_>,
    request: &UpdateFeaturesRequest<'_>,
    updates: &[Update<'_>],
) -> Reply {
    let checked: Vec<(&str, Option<String>)> = updates
        .iter()
        .map(|(name, level, upgrade)| {
            let checked = cluster.features.check_update(name, *level, *upgrade);
            (*name, checked.err().as_ref().map(FeatureError::to_string))
        })
        .collect();
    for ((name, level, _), (_, refused)) in updates.iter().zip(&checked) {
        if refused.is_none() && !request.validate_only {
            cluster.features.update(name, *level);
        }
    }
    let results = checked
        .iter()
        .map(|(feature, refused)| UpdatableFeatureResult {
            feature,
            error_code: match refused {
                Some(_) => ErrorCode::INVALID_UPDATE_VERSION,
                None => ErrorCode::NONE,
            },
            error_message: refused.as_deref(),
        });
    context.answer(&UpdateFeaturesResponse {
        throttle_time_ms: context.throttle_time_ms,
        error_code: context.shown(ErrorCode::NONE),
        error_message: Some(""),
        results: results.collect(),
    })
}
