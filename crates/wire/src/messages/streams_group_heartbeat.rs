//! StreamsGroupHeartbeat (88): joins, keeps up and leaves a group of a Kafka Streams application (KIP-1071).

use milena_wire_derive::{Fields, Message};

use crate::{ErrorCode, Numbers};

/// What the member is, runs and holds; from the second time on only what changed.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(key = 88, versions = "0", flexible = "0+", response = StreamsGroupHeartbeatResponse<'a>)]
pub struct StreamsGroupHeartbeatRequest<'a> {
    /// Group.
    #[field(versions = "0+")]
    pub group_id: &'a str,
    /// Member id, chosen by the client and kept as long as it runs.
    #[field(versions = "0+")]
    pub member_id: &'a str,
    /// Epoch of the member; 0 joins, -1 leaves, -2 leaves until the static member is back.
    #[field(versions = "0+")]
    pub member_epoch: i32,
    /// Newest epoch of the endpoint information that the client has.
    #[field(versions = "0+")]
    pub endpoint_information_epoch: i32,
    /// Name of a static member; null if it is not one or nothing changed.
    #[field(versions = "0+", nullable = "0+")]
    pub instance_id: Option<&'a str>,
    /// Rack of the member; null if it has none or nothing changed.
    #[field(versions = "0+", nullable = "0+")]
    pub rack_id: Option<&'a str>,
    /// How long the member may take to give up tasks, in ms; -1 if unchanged.
    #[field(versions = "0+", default = -1)]
    pub rebalance_timeout_ms: i32,
    /// What the application is made of, to set up or check the group; null except when joining.
    #[field(versions = "0+", nullable = "0+")]
    pub topology: Option<StreamsGroupHeartbeatTopology<'a>>,
    /// Active tasks the member runs; null if unchanged.
    #[field(versions = "0+", nullable = "0+")]
    pub active_tasks: Option<Vec<StreamsGroupHeartbeatRequestTaskIds<'a>>>,
    /// Standby tasks it runs; null if unchanged.
    #[field(versions = "0+", nullable = "0+")]
    pub standby_tasks: Option<Vec<StreamsGroupHeartbeatRequestTaskIds<'a>>>,
    /// Warm-up tasks it runs; null if unchanged.
    #[field(versions = "0+", nullable = "0+")]
    pub warmup_tasks: Option<Vec<StreamsGroupHeartbeatRequestTaskIds<'a>>>,
    /// Process the member belongs to, one for all its members; null if unchanged.
    #[field(versions = "0+", nullable = "0+")]
    pub process_id: Option<&'a str>,
    /// Where the application answers interactive queries; null for nowhere or if unchanged.
    #[field(versions = "0+", nullable = "0+")]
    pub user_endpoint: Option<StreamsGroupHeartbeatRequestEndpoint<'a>>,
    /// Tags that spread tasks over racks; null if unchanged.
    #[field(versions = "0+", nullable = "0+")]
    pub client_tags: Option<Vec<StreamsGroupHeartbeatKeyValue<'a>>>,
    /// Positions in the tasks' changelogs, summed up for each task; null if unchanged.
    #[field(versions = "0+", nullable = "0+")]
    pub task_offsets: Option<Vec<StreamsGroupHeartbeatTaskOffset<'a>>>,
    /// Ends of the tasks' changelogs, summed up for each task; null if unchanged.
    #[field(versions = "0+", nullable = "0+")]
    pub task_end_offsets: Option<Vec<StreamsGroupHeartbeatTaskOffset<'a>>>,
    /// Whether to stop all members of the group.
    #[field(versions = "0+")]
    pub shutdown_application: bool,
}

/// What the application is made of.
#[derive(Clone, Debug, PartialEq, Fields)]
pub struct StreamsGroupHeartbeatTopology<'a> {
    /// Epoch of the topology, to compare with the group's.
    #[field(versions = "0+")]
    pub epoch: i32,
    /// Subtopologies.
    #[field(versions = "0+")]
    pub subtopologies: Vec<StreamsGroupHeartbeatSubtopology<'a>>,
}

/// One subtopology and its topics.
#[derive(Clone, Debug, PartialEq, Fields)]
pub struct StreamsGroupHeartbeatSubtopology<'a> {
    /// Name of the subtopology; the same topology always yields the same.
    #[field(versions = "0+")]
    pub subtopology_id: &'a str,
    /// Topics it reads.
    #[field(versions = "0+")]
    pub source_topics: Vec<&'a str>,
    /// Regular expressions for topics it reads.
    #[field(versions = "0+")]
    pub source_topic_regex: Vec<&'a str>,
    /// Changelogs of its state stores; the coordinator creates them.
    #[field(versions = "0+")]
    pub state_changelog_topics: Vec<StreamsGroupHeartbeatTopicInfo<'a>>,
    /// Repartition topics it writes.
    #[field(versions = "0+")]
    pub repartition_sink_topics: Vec<&'a str>,
    /// Repartition topics it reads; the coordinator creates them.
    #[field(versions = "0+")]
    pub repartition_source_topics: Vec<StreamsGroupHeartbeatTopicInfo<'a>>,
    /// Sets of its topics that need the same number of partitions.
    #[field(versions = "0+")]
    pub copartition_groups: Vec<CopartitionGroup<'a>>,
}

/// Topics that need the same number of partitions, as indexes into the subtopology's lists.
#[derive(Clone, Debug, PartialEq, Fields)]
pub struct CopartitionGroup<'a> {
    /// Indexes into `source_topics`.
    #[field(versions = "0+")]
    pub source_topics: Numbers<'a, i16>,
    /// Indexes into `source_topic_regex`.
    #[field(versions = "0+")]
    pub source_topic_regex: Numbers<'a, i16>,
    /// Indexes into `repartition_source_topics`.
    #[field(versions = "0+")]
    pub repartition_source_topics: Numbers<'a, i16>,
}

/// A client tag or a topic's setting.
#[derive(Clone, Debug, PartialEq, Fields)]
pub struct StreamsGroupHeartbeatKeyValue<'a> {
    /// Key of the tag or setting.
    #[field(versions = "0+")]
    pub key: &'a str,
    /// Value.
    #[field(versions = "0+")]
    pub value: &'a str,
}

/// One topic the coordinator is to create.
#[derive(Clone, Debug, PartialEq, Fields)]
pub struct StreamsGroupHeartbeatTopicInfo<'a> {
    /// Topic name.
    #[field(versions = "0+")]
    pub name: &'a str,
    /// Number of partitions; 0 for any, and always for changelogs.
    #[field(versions = "0+")]
    pub partitions: i32,
    /// Number of copies; 0 for the broker's default.
    #[field(versions = "0+")]
    pub replication_factor: i16,
    /// Settings.
    #[field(versions = "0+")]
    pub topic_configs: Vec<StreamsGroupHeartbeatKeyValue<'a>>,
}

/// Where the application answers interactive queries.
#[derive(Clone, Debug, PartialEq, Fields)]
pub struct StreamsGroupHeartbeatRequestEndpoint<'a> {
    /// Host.
    #[field(versions = "0+")]
    pub host: &'a str,
    /// Port.
    #[field(versions = "0+")]
    pub port: u16,
}

/// Sum of positions or ends for one task.
#[derive(Clone, Debug, PartialEq, Fields)]
pub struct StreamsGroupHeartbeatTaskOffset<'a> {
    /// Subtopology of the task.
    #[field(versions = "0+")]
    pub subtopology_id: &'a str,
    /// Partition.
    #[field(versions = "0+")]
    pub partition: i32,
    /// Sum over the task's changelogs.
    #[field(versions = "0+")]
    pub offset: i64,
}

/// Tasks of one subtopology.
#[derive(Clone, Debug, PartialEq, Fields)]
pub struct StreamsGroupHeartbeatRequestTaskIds<'a> {
    /// Subtopology of the tasks.
    #[field(versions = "0+")]
    pub subtopology_id: &'a str,
    /// Partitions the tasks read, one for each task.
    #[field(versions = "0+")]
    pub partitions: Numbers<'a, i32>,
}

/// Where the member stands and which tasks it is to run.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(key = 88, versions = "0", flexible = "0+")]
pub struct StreamsGroupHeartbeatResponse<'a> {
    /// How long the broker holds or held back for a quota.
    #[field(versions = "0+")]
    pub throttle_time_ms: i32,
    /// Error, or none.
    #[field(versions = "0+")]
    pub error_code: ErrorCode,
    /// The error in words.
    #[field(versions = "0+", nullable = "0+")]
    pub error_message: Option<&'a str>,
    /// Member id the client chose.
    #[field(versions = "0+")]
    pub member_id: &'a str,
    /// Epoch of the member.
    #[field(versions = "0+")]
    pub member_epoch: i32,
    /// How long to wait before the next heartbeat, in ms.
    #[field(versions = "0+")]
    pub heartbeat_interval_ms: i32,
    /// How far a warm-up task may lag and still count as caught up, in records.
    #[field(versions = "0+")]
    pub acceptable_recovery_lag: i32,
    /// How often to report the tasks' offsets, in ms.
    #[field(versions = "0+")]
    pub task_offset_interval_ms: i32,
    /// What is amiss with the group, if anything.
    #[field(versions = "0+", nullable = "0+", default = Some(Vec::new()))]
    pub status: Option<Vec<Status<'a>>>,
    /// Active tasks to run; null if unchanged.
    #[field(versions = "0+", nullable = "0+")]
    pub active_tasks: Option<Vec<StreamsGroupHeartbeatResponseTaskIds<'a>>>,
    /// Standby tasks to run; null if unchanged.
    #[field(versions = "0+", nullable = "0+")]
    pub standby_tasks: Option<Vec<StreamsGroupHeartbeatResponseTaskIds<'a>>>,
    /// Warm-up tasks to run; null if unchanged.
    #[field(versions = "0+", nullable = "0+")]
    pub warmup_tasks: Option<Vec<StreamsGroupHeartbeatResponseTaskIds<'a>>>,
    /// Epoch of the endpoint information; the client echoes it.
    #[field(versions = "0+")]
    pub endpoint_information_epoch: i32,
    /// Which member has which partitions, for interactive queries; null if unchanged.
    #[field(versions = "0+", nullable = "0+")]
    pub partitions_by_user_endpoint: Option<Vec<EndpointToPartitions<'a>>>,
}

/// The partitions one member can answer queries about.
#[derive(Clone, Debug, PartialEq, Fields)]
pub struct EndpointToPartitions<'a> {
    /// Where it answers.
    #[field(versions = "0+")]
    pub user_endpoint: StreamsGroupHeartbeatResponseEndpoint<'a>,
    /// Partitions its active tasks hold.
    #[field(versions = "0+")]
    pub active_partitions: Vec<StreamsGroupHeartbeatTopicPartition<'a>>,
    /// Partitions its standby tasks hold.
    #[field(versions = "0+")]
    pub standby_partitions: Vec<StreamsGroupHeartbeatTopicPartition<'a>>,
}

/// One thing amiss with the group.
#[derive(Clone, Debug, PartialEq, Fields)]
pub struct Status<'a> {
    /// Code: 0 old topology, 1 topics missing, 2 wrong partition counts, 3 own topics missing, 4 shutdown, 5 delay.
    #[field(versions = "0+")]
    pub status_code: i8,
    /// The same in words, with the topics concerned.
    #[field(versions = "0+")]
    pub status_detail: &'a str,
}

/// Partitions of one topic.
#[derive(Clone, Debug, PartialEq, Fields)]
pub struct StreamsGroupHeartbeatTopicPartition<'a> {
    /// Topic name.
    #[field(versions = "0+")]
    pub topic: &'a str,
    /// Partitions.
    #[field(versions = "0+")]
    pub partitions: Numbers<'a, i32>,
}

/// Tasks of one subtopology.
#[derive(Clone, Debug, PartialEq, Fields)]
pub struct StreamsGroupHeartbeatResponseTaskIds<'a> {
    /// Subtopology of the tasks.
    #[field(versions = "0+")]
    pub subtopology_id: &'a str,
    /// Partitions the tasks read, one for each task.
    #[field(versions = "0+")]
    pub partitions: Numbers<'a, i32>,
}

/// Where the application answers interactive queries.
#[derive(Clone, Debug, PartialEq, Fields)]
pub struct StreamsGroupHeartbeatResponseEndpoint<'a> {
    /// Host.
    #[field(versions = "0+")]
    pub host: &'a str,
    /// Port.
    #[field(versions = "0+")]
    pub port: u16,
}
