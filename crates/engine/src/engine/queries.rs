//! Questions to the cluster: repeated with backoff until they are answered or their deadline passes.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use milena_cluster::recovery::{Operation, Recovery, recover};
use milena_cluster::{
    Backoff, BrokerAddress, CoordinatorKey, LeaderEpoch, Outcome, TopicPartition,
};
use milena_consumer::Cursor;
use milena_wire::ErrorCode;
use milena_wire::messages::{
    CreateTopicsResponse, DeleteTopicsResponse, ListOffsetsResponse, MetadataResponse,
    OffsetFetchResponse,
};

use super::{Engine, Owner, REST, requests};
use crate::command::{CommittedPosition, QueryAnswer, QueryKind};
use crate::handles::QueryError;
use crate::reply::Reply;
use crate::router::{CallOutcome, Target};

/// How long a broker may take to create or delete a topic.
const TOPIC_TIMEOUT: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests;

#[derive(Debug)]
pub(super) struct Queries {
    open: BTreeMap<u64, Query>,
    next: u64,
    retry: Backoff,
    rng: fastrand::Rng,
}

#[derive(Debug)]
struct Query {
    kind: QueryKind,
    deadline: Instant,
    reply: Reply<Result<QueryAnswer, QueryError>>,
    stage: Stage,
    attempts: u32,
    /// An attempt was lost: what it asked for may have been done.
    unsure: bool,
    /// Offsets found so far, leader by leader.
    offsets: Vec<(TopicPartition, i64)>,
    last: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Waiting { until: Option<Instant> },
    Asked,
}

/// What an answer means for its query.
enum Verdict {
    Answered(QueryAnswer),
    Failed(QueryError),
    Again(String),
    /// A part is answered; ask for the rest at once.
    Next,
}

impl Queries {
    pub(super) fn new(retry: Backoff, seed: u64) -> Self {
        Self {
            open: BTreeMap::new(),
            next: 0,
            retry,
            rng: fastrand::Rng::with_seed(seed),
        }
    }

    pub(super) fn ask(
        &mut self,
        kind: QueryKind,
        deadline: Instant,
        reply: Reply<Result<QueryAnswer, QueryError>>,
    ) {
        self.next += 1;
        let query = Query {
            kind,
            deadline,
            reply,
            stage: Stage::Waiting { until: None },
            attempts: 0,
            unsure: false,
            offsets: Vec::new(),
            last: "no broker has answered".to_owned(),
        };
        self.open.insert(self.next, query);
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        let due = |query: &Query| match query.stage {
            Stage::Waiting { until: Some(until) } => query.deadline.min(until),
            _ => query.deadline,
        };
        self.open.values().map(due).min()
    }

    /// Nobody coordinates the group for us, and asking on does not help.
    pub(super) fn refuse(&mut self, key: &CoordinatorKey, error: ErrorCode) {
        let CoordinatorKey::Group(refused) = key else {
            return;
        };
        let about = |_: &u64, query: &mut Query| matches!(&query.kind, QueryKind::Committed { group, .. } if group == refused);
        for (_, query) in self.open.extract_if(.., about) {
            query.reply.send(Err(QueryError::Refused {
                error,
                message: None,
            }));
        }
    }

    pub(super) fn clear(&mut self) {
        self.open.clear();
    }

    fn due(&self, now: Instant) -> Vec<u64> {
        let waits = |query: &Query| matches!(query.stage, Stage::Waiting { until } if until.is_none_or(|until| until <= now));
        self.open
            .iter()
            .filter(|(_, query)| waits(query))
            .map(|(id, _)| *id)
            .collect()
    }

    fn again(&mut self, now: Instant, id: u64, why: String) {
        if let Some(query) = self.open.get_mut(&id) {
            query.attempts = query.attempts.saturating_add(1);
            query.stage = Stage::Waiting {
                until: Some(now + self.retry.delay(query.attempts, &mut self.rng)),
            };
            query.last = why;
        }
    }
}

impl Engine {
    pub(super) fn advance_queries(&mut self, now: Instant) -> bool {
        let mut moved = false;
        let done: Vec<u64> = self
            .queries
            .open
            .iter()
            .filter(|(_, query)| query.deadline <= now || query.reply.is_abandoned())
            .map(|(id, _)| *id)
            .collect();
        for id in done {
            moved = true;
            if let Some(query) = self.queries.open.remove(&id) {
                let reason = match self.router.last_failure() {
                    Some(failure) => failure.to_string(),
                    None => query.last,
                };
                query.reply.send(Err(QueryError::TimedOut { reason }));
            }
        }
        for id in self.queries.due(now) {
            moved = true;
            self.ask_query(now, id);
        }
        moved
    }

    fn ask_query(&mut self, now: Instant, id: u64) {
        let Some(query) = self.queries.open.get_mut(&id) else {
            return;
        };
        query.stage = Stage::Asked;
        let kind = query.kind.clone();
        let found: Vec<TopicPartition> = query
            .offsets
            .iter()
            .map(|(partition, _)| partition.clone())
            .collect();
        let (prepared, target) = match kind {
            QueryKind::Nodes => (requests::metadata(Vec::new()), None),
            QueryKind::DescribeTopic { topic } => (requests::metadata(vec![topic]), None),
            QueryKind::CreateTopic {
                topic,
                partitions,
                replication_factor,
                configs,
            } => (
                requests::create_topic(
                    topic,
                    partitions,
                    replication_factor,
                    configs,
                    TOPIC_TIMEOUT,
                ),
                None,
            ),
            QueryKind::DeleteTopic { topic } => {
                (requests::delete_topic(topic, TOPIC_TIMEOUT), None)
            }
            QueryKind::ListOffsets {
                isolation,
                timestamp,
                partitions,
            } => {
                let rest: Vec<TopicPartition> = partitions
                    .into_iter()
                    .filter(|partition| !found.contains(partition))
                    .collect();
                let Some((target, parts)) = self.one_leader(&rest) else {
                    self.queries
                        .again(now, id, "the leaders are not known".to_owned());
                    return;
                };
                let parts = parts
                    .into_iter()
                    .map(|(partition, epoch)| (partition, timestamp, epoch.0))
                    .collect();
                (requests::list_offsets(isolation, parts), Some(target))
            }
            QueryKind::Committed { group, partitions } => {
                let Some(target) = self.group_coordinator(&group) else {
                    let why = format!("the coordinator of group {group} is not known");
                    self.queries.again(now, id, why);
                    return;
                };
                (requests::offset_fetch(group, partitions), Some(target))
            }
        };
        let call = self.call(now, prepared, Owner::Query { id });
        match target {
            Some(target) => self.router.submit(now, target, REST, call),
            None => self.router.submit_any(now, call),
        }
    }

    fn group_coordinator(&mut self, group: &Arc<str>) -> Option<Target> {
        let key = CoordinatorKey::Group(Arc::clone(group));
        self.coordinators.want(&key);
        self.coordinator_target(&key).map(|(_, target)| target)
    }

    /// The leader of the first of `partitions` that has one, and all of them that it leads.
    fn one_leader(
        &mut self,
        partitions: &[TopicPartition],
    ) -> Option<(Target, Vec<(TopicPartition, LeaderEpoch)>)> {
        for partition in partitions {
            self.metadata.want_topic(&partition.topic);
        }
        let leaders: Vec<_> = partitions
            .iter()
            .filter_map(|partition| Some((partition, self.metadata.leader(partition)?)))
            .collect();
        let Some((_, (node, _))) = leaders.first().copied() else {
            self.metadata.request_refresh();
            return None;
        };
        let target = self.node_target(node)?;
        let led = leaders
            .into_iter()
            .filter(|(_, (leader, _))| *leader == node);
        Some((
            target,
            led.map(|(partition, (_, epoch))| (partition.clone(), epoch))
                .collect(),
        ))
    }

    pub(super) fn handle_query(&mut self, now: Instant, id: u64, outcome: &CallOutcome) {
        let Some(query) = self.queries.open.get(&id) else {
            return;
        };
        let kind = query.kind.clone();
        let verdict = match &kind {
            QueryKind::Nodes | QueryKind::DescribeTopic { .. } => {
                match self.decode::<MetadataResponse<'_>>(now, outcome) {
                    Outcome::Answered((_, response)) => judge_metadata(&kind, &response),
                    Outcome::NotSent(failure) | Outcome::Unsure(failure) => {
                        Verdict::Again(failure.to_string())
                    }
                }
            }
            QueryKind::CreateTopic { .. } => {
                match self.decode::<CreateTopicsResponse<'_>>(now, outcome) {
                    Outcome::Answered((_, response)) => match response.topics.first() {
                        Some(topic) => self.judge_admin(id, topic.error_code, topic.error_message),
                        None => Verdict::Again("the answer names no topic".to_owned()),
                    },
                    Outcome::NotSent(failure) => Verdict::Again(failure.to_string()),
                    Outcome::Unsure(failure) => self.unsure(id, &failure),
                }
            }
            QueryKind::DeleteTopic { .. } => {
                match self.decode::<DeleteTopicsResponse<'_>>(now, outcome) {
                    Outcome::Answered((_, response)) => match response.responses.first() {
                        Some(topic) => self.judge_admin(id, topic.error_code, topic.error_message),
                        None => Verdict::Again("the answer names no topic".to_owned()),
                    },
                    Outcome::NotSent(failure) => Verdict::Again(failure.to_string()),
                    Outcome::Unsure(failure) => self.unsure(id, &failure),
                }
            }
            QueryKind::ListOffsets { partitions, .. } => match self
                .decode::<ListOffsetsResponse<'_>>(now, outcome)
            {
                Outcome::Answered((_, response)) => self.judge_offsets(id, partitions, &response),
                Outcome::NotSent(failure) | Outcome::Unsure(failure) => {
                    self.metadata.request_refresh();
                    Verdict::Again(failure.to_string())
                }
            },
            QueryKind::Committed { group, partitions } => {
                match self.decode::<OffsetFetchResponse<'_>>(now, outcome) {
                    Outcome::Answered((_, response)) => {
                        self.judge_committed(group, partitions, &response)
                    }
                    Outcome::NotSent(failure) | Outcome::Unsure(failure) => {
                        self.forget_coordinator(group);
                        Verdict::Again(failure.to_string())
                    }
                }
            }
        };
        self.conclude(now, id, verdict);
    }

    fn conclude(&mut self, now: Instant, id: u64, verdict: Verdict) {
        match verdict {
            Verdict::Again(why) => self.queries.again(now, id, why),
            Verdict::Next => {
                if let Some(query) = self.queries.open.get_mut(&id) {
                    query.stage = Stage::Waiting { until: None };
                }
            }
            Verdict::Answered(answer) => {
                if let Some(query) = self.queries.open.remove(&id) {
                    query.reply.send(Ok(answer));
                }
            }
            Verdict::Failed(error) => {
                if let Some(query) = self.queries.open.remove(&id) {
                    query.reply.send(Err(error));
                }
            }
        }
    }

    fn unsure(&mut self, id: u64, failure: &milena_cluster::SendFailure) -> Verdict {
        if let Some(query) = self.queries.open.get_mut(&id) {
            query.unsure = true;
        }
        Verdict::Again(failure.to_string())
    }

    /// A topic that a lost attempt has created or deleted is not an error of the attempt after it.
    fn judge_admin(&mut self, id: u64, error: ErrorCode, message: Option<&str>) -> Verdict {
        let unsure = self.queries.open.get(&id).is_some_and(|query| query.unsure);
        match error {
            ErrorCode::NONE => Verdict::Answered(QueryAnswer::Done),
            ErrorCode::TOPIC_ALREADY_EXISTS | ErrorCode::UNKNOWN_TOPIC_OR_PARTITION if unsure => {
                Verdict::Answered(QueryAnswer::Done)
            }
            ErrorCode::REQUEST_TIMED_OUT => {
                if let Some(query) = self.queries.open.get_mut(&id) {
                    query.unsure = true;
                }
                Verdict::Again(error.to_string())
            }
            error => match recover(Operation::Admin, error) {
                Recovery::Retry
                | Recovery::RetrySoon
                | Recovery::RefreshMetadata
                | Recovery::FindCoordinator
                    if error != ErrorCode::UNKNOWN_TOPIC_OR_PARTITION =>
                {
                    Verdict::Again(error.to_string())
                }
                _ => Verdict::Failed(QueryError::Refused {
                    error,
                    message: message.map(Arc::from),
                }),
            },
        }
    }

    fn judge_offsets(
        &mut self,
        id: u64,
        partitions: &[TopicPartition],
        response: &ListOffsetsResponse<'_>,
    ) -> Verdict {
        let mut trouble = None;
        let mut found = false;
        let Some(query) = self.queries.open.get_mut(&id) else {
            return Verdict::Next;
        };
        for topic in &response.topics {
            for answer in &topic.partitions {
                let asked = partitions.iter().find(|partition| {
                    *partition.topic == *topic.name && partition.partition == answer.partition_index
                });
                let Some(partition) = asked else { continue };
                if !answer.error_code.is_ok() {
                    trouble = Some(answer.error_code);
                } else if answer.offset >= 0
                    && !query.offsets.iter().any(|(known, _)| known == partition)
                {
                    found = true;
                    query.offsets.push((partition.clone(), answer.offset));
                }
            }
        }
        if query.offsets.len() >= partitions.len() {
            return Verdict::Answered(QueryAnswer::Offsets(std::mem::take(&mut query.offsets)));
        }
        match trouble.map(|error| (error, recover(Operation::ListOffsets, error))) {
            None if found => Verdict::Next,
            None => Verdict::Again("the answer names none of the partitions".to_owned()),
            Some((
                error,
                Recovery::Retry
                | Recovery::RetrySoon
                | Recovery::RefreshMetadata
                | Recovery::FindCoordinator,
            )) => {
                self.metadata.request_refresh();
                Verdict::Again(error.to_string())
            }
            Some((error, _)) => Verdict::Failed(QueryError::Refused {
                error,
                message: None,
            }),
        }
    }

    fn judge_committed(
        &mut self,
        group: &Arc<str>,
        partitions: &[TopicPartition],
        response: &OffsetFetchResponse<'_>,
    ) -> Verdict {
        // Versions 8 and up name the group, the older ones do not: one shape for both.
        let (top, rows) = flatten_offset_fetch(group, response);
        let errors = std::iter::once(top).chain(rows.iter().map(|row| row.error));
        if let Some(error) = errors.into_iter().find(|error| !error.is_ok()) {
            return match recover(Operation::OffsetFetch, error) {
                Recovery::FindCoordinator => {
                    self.forget_coordinator(group);
                    Verdict::Again(error.to_string())
                }
                Recovery::Retry | Recovery::RetrySoon | Recovery::RefreshMetadata => {
                    Verdict::Again(error.to_string())
                }
                _ => Verdict::Failed(QueryError::Refused {
                    error,
                    message: None,
                }),
            };
        }
        let row_of = |partition: &TopicPartition| {
            rows.iter()
                .find(|row| row.topic == &*partition.topic && row.partition == partition.partition)
        };
        // What the answer leaves out it says nothing about. Were it taken for "nothing committed", a pipeline would begin
        // at the beginning again, and a commit in doubt would pass for an aborted one.
        if let Some(partition) = partitions.iter().find(|of| row_of(of).is_none()) {
            return Verdict::Again(format!("the answer leaves out {partition}"));
        }
        self.coordinators
            .confirm(&CoordinatorKey::Group(Arc::clone(group)));
        let found = partitions.iter().map(|partition| {
            let position =
                row_of(partition)
                    .filter(|row| row.offset >= 0)
                    .map(|row| CommittedPosition {
                        cursor: Cursor {
                            position: row.offset,
                            leader_epoch: LeaderEpoch(row.leader_epoch),
                        },
                        metadata: row.metadata.unwrap_or_default().into(),
                    });
            (partition.clone(), position)
        });
        Verdict::Answered(QueryAnswer::Committed(found.collect()))
    }

    fn forget_coordinator(&mut self, group: &Arc<str>) {
        let key = CoordinatorKey::Group(Arc::clone(group));
        if let Some(node) = self.coordinators.node(&key) {
            self.coordinators.invalidate(&key, node);
        }
        self.coordinators.want(&key);
    }
}

struct OffsetRow<'a> {
    topic: &'a str,
    partition: i32,
    offset: i64,
    leader_epoch: i32,
    metadata: Option<&'a str>,
    error: ErrorCode,
}

fn flatten_offset_fetch<'a>(
    asked: &str,
    response: &OffsetFetchResponse<'a>,
) -> (ErrorCode, Vec<OffsetRow<'a>>) {
    let mut top = response.error_code;
    let mut rows = Vec::new();
    for topic in &response.topics {
        rows.extend(topic.partitions.iter().map(|row| OffsetRow {
            topic: topic.name,
            partition: row.partition_index,
            offset: row.committed_offset,
            leader_epoch: row.committed_leader_epoch,
            metadata: row.metadata,
            error: row.error_code,
        }));
    }
    for group in response
        .groups
        .iter()
        .filter(|group| group.group_id == asked)
    {
        if top.is_ok() {
            top = group.error_code;
        }
        for topic in &group.topics {
            rows.extend(topic.partitions.iter().map(|row| OffsetRow {
                topic: topic.name,
                partition: row.partition_index,
                offset: row.committed_offset,
                leader_epoch: row.committed_leader_epoch,
                metadata: row.metadata,
                error: row.error_code,
            }));
        }
    }
    (top, rows)
}

fn judge_metadata(kind: &QueryKind, response: &MetadataResponse<'_>) -> Verdict {
    let QueryKind::DescribeTopic { topic } = kind else {
        let nodes = response.brokers.iter().filter_map(|broker| {
            Some((
                broker.node_id,
                BrokerAddress {
                    host: broker.host.into(),
                    port: u16::try_from(broker.port).ok()?,
                },
            ))
        });
        return Verdict::Answered(QueryAnswer::Nodes(nodes.collect()));
    };
    let Some(answer) = response
        .topics
        .iter()
        .find(|answer| answer.name == Some(topic))
    else {
        return Verdict::Again("the answer names no topic".to_owned());
    };
    match answer.error_code {
        ErrorCode::NONE => {
            let mut leaders: Vec<(i32, Option<i32>)> = answer
                .partitions
                .iter()
                .map(|row| {
                    (
                        row.partition_index,
                        (row.leader_id >= 0).then_some(row.leader_id),
                    )
                })
                .collect();
            leaders.sort_unstable();
            Verdict::Answered(QueryAnswer::Topic(
                leaders.into_iter().map(|(_, leader)| leader).collect(),
            ))
        }
        ErrorCode::LEADER_NOT_AVAILABLE => {
            Verdict::Again(ErrorCode::LEADER_NOT_AVAILABLE.to_string())
        }
        error => Verdict::Failed(QueryError::Refused {
            error,
            message: None,
        }),
    }
}
