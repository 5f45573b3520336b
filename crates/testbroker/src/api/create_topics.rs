//! CreateTopics v2-7, at any node (a KRaft broker passes it on to the controller).
//!
//! Not done: quotas on creating partitions, policies.

use std::borrow::Cow;
use std::collections::BTreeMap;

use milena_wire::messages::{
    CreatableTopic, CreatableTopicConfigs, CreatableTopicResult, CreateTopicsRequest,
    CreateTopicsResponse,
};
use milena_wire::{ErrorCode, Uuid};

use crate::cluster::{Cluster, TopicConfig};
use crate::config::registry::topic_settings;
use crate::config::sources::Source;
use crate::config::store::Settings;
use crate::refusal::{Refusal, parts};
use crate::request::{Context, Reply};

/// What was, or would be, created.
struct Created {
    id: Uuid,
    partitions: i32,
    replication: i16,
    /// Name, value and source.
    configs: Vec<(&'static str, String, Source)>,
}

pub(crate) fn handle(
    cluster: &mut Cluster,
    context: &Context<'_>,
    request: &CreateTopicsRequest<'_>,
) -> Reply {
    let mut times: BTreeMap<&str, u32> = BTreeMap::new();
    for topic in &request.topics {
        *times.entry(topic.name).or_default() += 1;
    }
    let mut results = Vec::new();
    for topic in &request.topics {
        if times.get(topic.name) == Some(&1) {
            let result = create(cluster, context, topic, request.validate_only);
            results.push((topic.name, result));
        }
    }
    // Behind the others, and once: so does `ControllerApis`.
    for (name, _) in times.iter().filter(|(_, times)| **times > 1) {
        let refusal = Refusal::invalid_request("Duplicate topic name.");
        results.push((*name, Err(refusal)));
    }
    let topics = results
        .iter()
        .map(|(name, result)| answer(context, name, result));
    let response = CreateTopicsResponse {
        throttle_time_ms: context.throttle_time_ms,
        topics: topics.collect(),
    };
    context.answer(&response)
}

fn answer<'a>(
    context: &Context<'_>,
    name: &'a str,
    result: &'a Result<Created, Refusal>,
) -> CreatableTopicResult<'a> {
    let (error_code, error_message) = parts(result);
    let mut answer = CreatableTopicResult {
        name,
        error_code,
        error_message,
        configs: Some(Vec::new()),
        ..Default::default()
    };
    if let Ok(created) = result {
        answer.error_code = context.shown_partition(name, -1, ErrorCode::NONE);
        answer.topic_id = created.id;
        answer.num_partitions = created.partitions;
        answer.replication_factor = created.replication;
        let configs = created.configs.iter();
        let configs = configs.map(|(name, value, source)| CreatableTopicConfigs {
            name,
            value: Some(value),
            read_only: false,
            config_source: *source as i8,
            is_sensitive: false,
        });
        answer.configs = Some(configs.collect());
    }
    answer
}

fn create(
    cluster: &mut Cluster,
    context: &Context<'_>,
    topic: &CreatableTopic<'_>,
    validate_only: bool,
) -> Result<Created, Refusal> {
    context
        .check_partition(topic.name, -1)
        .map_err(Refusal::forced)?;
    if topic.name == "__cluster_metadata" {
        let message = "Creation of internal topic __cluster_metadata is prohibited.";
        return Err(Refusal::invalid_request(message));
    }
    cluster.topics.check_new_name(topic.name)?;
    let settings = settings_of(topic)?;
    cluster.check_topic_settings(&settings)?;
    let assignment = assignment_of(cluster, topic)?;
    let config = cluster.topic_config(settings);
    let created = describe(cluster, &config, &assignment);
    cluster.topics.check_room(0, assignment.len())?;
    // Kafka gives an id that nobody will ever have to a topic that is only validated.
    let id = if validate_only {
        cluster.topics.next_id()
    } else {
        cluster.create_topic_on(topic.name, assignment, config)?
    };
    Ok(Created { id, ..created })
}

fn describe(cluster: &Cluster, config: &TopicConfig, assignment: &[Vec<i32>]) -> Created {
    let replication = assignment.first().map_or(0, Vec::len);
    let configs = topic_settings(cluster.config.emulate).filter_map(|setting| {
        let (value, source) = match config.overrides.get(setting.name) {
            Some(value) => (value.clone(), Source::Topic),
            None => cluster.inherited(setting)?,
        };
        Some((setting.name, value, source))
    });
    Created {
        id: Uuid::ZERO,
        partitions: i32::try_from(assignment.len()).unwrap_or(i32::MAX),
        replication: i16::try_from(replication).unwrap_or(i16::MAX),
        configs: configs.collect(),
    }
}

/// The settings asked for; of one asked for twice the last.
fn settings_of(topic: &CreatableTopic<'_>) -> Result<Settings, Refusal> {
    let nulls = topic.configs.iter().filter(|config| config.value.is_none());
    let nulls: Vec<&str> = nulls.map(|config| config.name).collect();
    if !nulls.is_empty() {
        let message = format!(
            "Null value not supported for topic configs: {}",
            nulls.join(",")
        );
        return Err(Refusal::invalid_config(message));
    }
    let configs = topic.configs.iter();
    let text = |value: Option<&str>| value.unwrap_or_default().to_owned();
    Ok(configs
        .map(|config| (config.name.to_owned(), text(config.value)))
        .collect())
}

/// The replicas of each partition: as the request says, or the nodes in turn.
fn assignment_of(cluster: &Cluster, topic: &CreatableTopic<'_>) -> Result<Vec<Vec<i32>>, Refusal> {
    if !topic.assignments.is_empty() {
        return manual_assignment(cluster, topic);
    }
    if topic.replication_factor < -1 || topic.replication_factor == 0 {
        return Err(Refusal::new(
            ErrorCode::INVALID_REPLICATION_FACTOR,
            "Replication factor must be larger than 0, or -1 to use the default value.",
        ));
    }
    let partitions = match topic.num_partitions {
        -1 => cluster.config.default_partitions,
        count => count,
    };
    let replication = match topic.replication_factor {
        -1 => cluster.default_replication(),
        factor => usize::try_from(factor).unwrap_or(0),
    };
    cluster.spread(0, partitions, replication)
}

fn manual_assignment(
    cluster: &Cluster,
    topic: &CreatableTopic<'_>,
) -> Result<Vec<Vec<i32>>, Refusal> {
    let wrong =
        |message: Cow<'static, str>| Refusal::new(ErrorCode::INVALID_REPLICA_ASSIGNMENT, message);
    let both = |what: &str| {
        Err(Refusal::invalid_request(format!(
            "A manual partition assignment was specified, but {what} was not set to -1."
        )))
    };
    if topic.replication_factor != -1 {
        return both("replication factor");
    }
    if topic.num_partitions != -1 {
        return both("numPartitions");
    }
    let mut assigned: BTreeMap<i32, Vec<i32>> = BTreeMap::new();
    for assignment in &topic.assignments {
        let index = assignment.partition_index;
        let replicas: Vec<i32> = assignment.broker_ids.iter().collect();
        if assigned.contains_key(&index) {
            let message =
                format!("Found multiple manual partition assignments for partition {index}");
            return Err(wrong(message.into()));
        }
        cluster.check_replicas(&replicas)?;
        check_count(assigned.values().next(), replicas.len())?;
        if !replicas.iter().any(|id| cluster.is_up(*id)) {
            let message = format!(
                "All brokers specified in the manual partition assignment for partition {index} \
                 are fenced or in controlled shutdown."
            );
            return Err(wrong(message.into()));
        }
        assigned.insert(index, replicas);
    }
    let consecutive = (0..).zip(assigned.keys()).all(|(index, key)| index == *key);
    if !consecutive {
        let message = "partitions should be a consecutive 0-based integer sequence";
        return Err(wrong(message.into()));
    }
    Ok(assigned.into_values().collect())
}

/// All partitions have as many replicas as the first.
pub(super) fn check_count(first: Option<&Vec<i32>>, count: usize) -> Result<(), Refusal> {
    match first {
        Some(first) if first.len() != count => {
            let expected = first.len();
            Err(Refusal::new(
                ErrorCode::INVALID_REPLICA_ASSIGNMENT,
                format!(
                    "The manual partition assignment includes a partition with {count} replica(s), \
                     but this is not consistent with previous partitions, which have {expected} \
                     replica(s)."
                ),
            ))
        }
        _ => Ok(()),
    }
}
