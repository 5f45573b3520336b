//! DescribeConfigs v1-4. What a broker has is told by itself only; topics, groups and client
//! metrics subscriptions by every node.
//!
//! Not done: of loggers there is `root` alone. The documentation is ours, and short.

use std::borrow::Cow;
use std::collections::BTreeSet;

use milena_wire::ErrorCode;
use milena_wire::messages::{
    DescribeConfigsRequest, DescribeConfigsResource, DescribeConfigsResourceResult,
    DescribeConfigsResponse, DescribeConfigsResult, DescribeConfigsSynonym,
};

use super::incremental_alter_configs::{check_forced, shown as altered_shown};
use crate::cluster::{Cluster, check_topic_name};
use crate::config::Emulate;
use crate::config::registry::{TopicSetting, broker_settings, group_settings, topic_settings};
use crate::config::sources::{Source, Sourced};
use crate::config::store::{ResourceKind, Settings};
use crate::config::value::{self, Kind};
use crate::refusal::{Refusal, parts};
use crate::request::{Context, Reply};

/// A setting as it is shown.
struct Shown {
    name: Cow<'static, str>,
    kind: Option<Kind>,
    value: Option<String>,
    read_only: bool,
    source: Source,
    synonyms: Vec<Sourced>,
    documentation: &'static str,
}

/// What Kafka says to a request with a type of resource it does not know.
const UNEXPECTED: &str = "This most likely occurs because of a request being malformed by the client \
     library or the message was sent to an incompatible broker. See the broker logs for more details.";

const DOCUMENTATION: &str = "See the documentation of Apache Kafka.";

pub(crate) fn handle(
    cluster: &mut Cluster,
    context: &Context<'_>,
    request: &DescribeConfigsRequest<'_>,
) -> Reply {
    let cluster = &*cluster;
    let known = |resource: &DescribeConfigsResource<'_>| kind_of(cluster, resource).is_some();
    // One unknown type spoils the whole request.
    let sound = request.resources.iter().all(known);
    let mut described = Vec::new();
    for resource in &request.resources {
        let forced = check_forced(context, resource.resource_type, resource.resource_name);
        described.push(match forced {
            Err(refusal) => Err(refusal),
            Ok(()) if sound => describe(cluster, context.node, resource),
            Ok(()) => Err(Refusal::invalid_request(UNEXPECTED)),
        });
    }
    let all = request.resources.iter().zip(&described);
    let results = all.map(|(resource, described)| result(context, request, resource, described));
    let response = DescribeConfigsResponse {
        throttle_time_ms: context.throttle_time_ms,
        results: results.collect(),
    };
    context.answer(&response)
}

fn kind_of(cluster: &Cluster, resource: &DescribeConfigsResource<'_>) -> Option<ResourceKind> {
    let groups = cluster.config.emulate != Emulate::V3_9;
    let kind = ResourceKind::of(resource.resource_type);
    kind.filter(|kind| *kind != ResourceKind::Group || groups)
}

fn result<'a>(
    context: &Context<'_>,
    request: &DescribeConfigsRequest<'a>,
    resource: &DescribeConfigsResource<'a>,
    described: &'a Result<Vec<Shown>, Refusal>,
) -> DescribeConfigsResult<'a> {
    let (error_code, error_message) = parts(described);
    let configs = described.iter().flatten().map(|shown| {
        let secret = shown.kind == Some(Kind::Password);
        let documentation = match shown.source {
            Source::Logger => Some(""),
            _ => request.include_documentation.then_some(shown.documentation),
        };
        DescribeConfigsResourceResult {
            name: &shown.name,
            value: shown.value.as_deref().filter(|_| !secret),
            read_only: shown.read_only,
            config_source: shown.source as i8,
            is_sensitive: secret,
            synonyms: if request.include_synonyms {
                shown
                    .synonyms
                    .iter()
                    .map(|it| synonym(it, secret))
                    .collect()
            } else {
                Vec::new()
            },
            config_type: shown.kind.map_or(0, Kind::number),
            documentation,
        }
    });
    DescribeConfigsResult {
        error_code: altered_shown(
            context,
            resource.resource_type,
            resource.resource_name,
            error_code,
        ),
        error_message: error_message.or(Some("")),
        resource_type: resource.resource_type,
        resource_name: resource.resource_name,
        configs: configs.collect(),
    }
}

fn synonym(sourced: &Sourced, secret: bool) -> DescribeConfigsSynonym<'_> {
    DescribeConfigsSynonym {
        name: &sourced.name,
        value: Some(&*sourced.value).filter(|_| !secret),
        source: sourced.source as i8,
    }
}

fn describe(
    cluster: &Cluster,
    node: i32,
    resource: &DescribeConfigsResource<'_>,
) -> Result<Vec<Shown>, Refusal> {
    let name = resource.resource_name;
    let must_not_be_empty = |what: &str| {
        Err(Refusal::invalid_request(format!(
            "{what} must not be empty"
        )))
    };
    let mut shown = match kind_of(cluster, resource) {
        Some(ResourceKind::Topic) => topic(cluster, name)?,
        Some(ResourceKind::Broker) if name.is_empty() => all_brokers(cluster, node),
        Some(ResourceKind::Broker) => {
            check_id(node, name, "expected {} or empty string, but received")?;
            broker(cluster, node)
        }
        Some(ResourceKind::BrokerLogger) if name.is_empty() => {
            return must_not_be_empty("Broker id");
        }
        Some(ResourceKind::BrokerLogger) => {
            check_id(node, name, "expected {} but received")?;
            loggers()
        }
        Some(ResourceKind::ClientMetrics) if name.is_empty() => {
            return must_not_be_empty("Client metrics subscription name");
        }
        Some(ResourceKind::ClientMetrics) => client_metrics(cluster, name),
        Some(ResourceKind::Group) if name.is_empty() => return must_not_be_empty("Group name"),
        Some(ResourceKind::Group) => group(cluster, node, name),
        None => return Err(Refusal::invalid_request(UNEXPECTED)),
    };
    // No names at all ask for everything, as null does.
    if let Some(keys) = resource
        .configuration_keys
        .as_ref()
        .filter(|it| !it.is_empty())
    {
        let wanted: BTreeSet<&str> = keys.iter().copied().collect();
        shown.retain(|setting| wanted.contains(&*setting.name));
    }
    Ok(shown)
}

fn check_id(node: i32, name: &str, form: &str) -> Result<(), Refusal> {
    match name.parse::<i32>() {
        Err(_) => Err(Refusal::invalid_request(format!(
            "Broker id must be an integer, but it is: {name}"
        ))),
        Ok(id) if id != node => {
            let form = form.replace("{}", &node.to_string());
            let message = format!("Unexpected broker id, {form} {name}");
            Err(Refusal::invalid_request(message))
        }
        Ok(_) => Ok(()),
    }
}

fn topic(cluster: &Cluster, name: &str) -> Result<Vec<Shown>, Refusal> {
    check_topic_name(name)?;
    let Some(topic) = cluster.topics.get(name) else {
        return Err(Refusal::bare(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION));
    };
    let node = cluster.first_node();
    let settings = topic_settings(cluster.config.emulate);
    let shown = settings.filter(|setting| setting.default.is_some());
    Ok(shown
        .map(|setting| topic_setting(cluster, node, setting, &topic.config.overrides))
        .collect())
}

fn topic_setting(
    cluster: &Cluster,
    node: i32,
    setting: &TopicSetting,
    overrides: &Settings,
) -> Shown {
    let own = overrides.get(setting.name);
    let inherited = || cluster.inherited(setting).map(|(value, _)| value);
    let value = own.cloned().or_else(inherited).unwrap_or_default();
    let value = value::normal(setting.kind, &value);
    let first = setting.synonyms.first();
    let mut synonyms = first.map_or_else(Vec::new, |(name, _)| cluster.broker_sources(node, name));
    own_first(
        &mut synonyms,
        setting.name,
        &value,
        own.map(|_| Source::Topic),
    );
    inheriting(
        setting.name,
        setting.kind,
        value,
        synonyms,
        setting.documentation,
    )
}

/// What was set for the resource itself stands before what it would inherit.
fn own_first(synonyms: &mut Vec<Sourced>, name: &'static str, value: &str, own: Option<Source>) {
    if let Some(source) = own {
        let own = Sourced {
            name: Cow::Borrowed(name),
            value: value.to_owned(),
            source,
        };
        synonyms.insert(0, own);
    }
}

/// A setting that comes from the first of its synonyms.
fn inheriting(
    name: &'static str,
    kind: Kind,
    value: String,
    synonyms: Vec<Sourced>,
    documentation: &'static str,
) -> Shown {
    Shown {
        name: Cow::Borrowed(name),
        kind: Some(kind),
        value: Some(value),
        read_only: false,
        source: synonyms.first().map_or(Source::Default, |it| it.source),
        synonyms,
        documentation,
    }
}

fn broker(cluster: &Cluster, node: i32) -> Vec<Shown> {
    let known = broker_settings(cluster.config.emulate);
    let names = known.keys().map(|name| Cow::Borrowed(*name));
    // Those that nobody knows may have been set as well.
    let custom = cluster.configs.get(ResourceKind::Broker, &node.to_string());
    let custom = custom.into_iter().flatten().map(|(name, _)| name);
    let custom = custom.filter(|name| !known.contains_key(name.as_str()));
    names
        .chain(custom.map(|name| Cow::Owned(name.clone())))
        .map(|name| broker_setting(cluster, node, name))
        .collect()
}

/// What was set for all brokers, and nothing else.
fn all_brokers(cluster: &Cluster, node: i32) -> Vec<Shown> {
    let set = cluster.configs.get(ResourceKind::Broker, "");
    let names = set.into_iter().flatten().map(|(name, _)| name.clone());
    let shown = names.map(|name| {
        let mut shown = broker_setting(cluster, node, Cow::Owned(name));
        let own = |it: &Sourced| it.source == Source::AllBrokers;
        shown.synonyms.retain(own);
        shown.source = Source::AllBrokers;
        shown.value = shown.synonyms.first().map(|it| it.value.clone());
        shown
    });
    shown.collect()
}

fn broker_setting(cluster: &Cluster, node: i32, name: Cow<'static, str>) -> Shown {
    let setting = broker_settings(cluster.config.emulate).get(&*name);
    let synonyms = cluster.broker_sources(node, &name);
    let value = cluster.broker_value(node, &name).map(|(value, _)| value);
    let follows = |setting: &&TopicSetting| {
        let mut all = setting.synonyms.iter();
        all.any(|(synonym, _)| *synonym == name)
    };
    let topic = topic_settings(cluster.config.emulate).find(follows);
    Shown {
        kind: setting.map(|setting| setting.kind),
        value: value.map(|value| match setting {
            Some(setting) => value::normal(setting.kind, &value),
            None => value,
        }),
        read_only: setting.is_none_or(|setting| !setting.dynamic),
        source: synonyms.first().map_or(Source::Default, |it| it.source),
        synonyms,
        documentation: topic.map_or(DOCUMENTATION, |topic| topic.documentation),
        name,
    }
}

fn loggers() -> Vec<Shown> {
    vec![Shown {
        name: Cow::Borrowed("root"),
        kind: None,
        value: Some("INFO".to_owned()),
        read_only: false,
        source: Source::Logger,
        synonyms: Vec::new(),
        documentation: "",
    }]
}

fn client_metrics(cluster: &Cluster, name: &str) -> Vec<Shown> {
    let set = cluster.configs.get(ResourceKind::ClientMetrics, name);
    let setting = |name: &'static str, kind, default: &str| {
        let own = set.and_then(|settings| settings.get(name));
        let value = own.map_or_else(|| default.to_owned(), |text| value::normal(kind, text));
        let mut synonyms = Vec::new();
        own_first(
            &mut synonyms,
            name,
            &value,
            own.map(|_| Source::ClientMetrics),
        );
        inheriting(name, kind, value, synonyms, DOCUMENTATION)
    };
    vec![
        setting("interval.ms", Kind::Int, "300000"),
        setting("match", Kind::List, ""),
        setting("metrics", Kind::List, ""),
    ]
}

fn group(cluster: &Cluster, node: i32, name: &str) -> Vec<Shown> {
    let settings = group_settings().iter().map(|setting| {
        let mut synonyms = match setting.synonym {
            Some(synonym) => cluster.broker_sources(node, synonym),
            None => vec![Sourced {
                name: Cow::Borrowed(setting.name),
                value: setting.default.to_owned(),
                source: Source::Default,
            }],
        };
        let inherited = synonyms.first().map(|it| it.value.clone());
        let own = cluster.configs.of_group(name, setting.name);
        let value = match own {
            Some(text) => value::normal(setting.kind, text),
            None => inherited.unwrap_or_else(|| setting.default.to_owned()),
        };
        own_first(
            &mut synonyms,
            setting.name,
            &value,
            own.map(|_| Source::Group),
        );
        inheriting(setting.name, setting.kind, value, synonyms, DOCUMENTATION)
    });
    settings.collect()
}
