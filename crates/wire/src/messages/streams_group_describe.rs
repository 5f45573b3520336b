//! StreamsGroupDescribe (89): groups of Kafka Streams applications and their members (KIP-1071).

use milena_wire_derive::{Fields, Message};

use crate::{ErrorCode, Numbers};

/// Groups to describe.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(key = 89, versions = "0", flexible = "0+", response = StreamsGroupDescribeResponse<'a>)]
pub struct StreamsGroupDescribeRequest<'a> {
    /// Groups.
    #[field(versions = "0+")]
    pub group_ids: Vec<&'a str>,
    /// Whether to say what one may do with the groups.
    #[field(versions = "0+")]
    pub include_authorized_operations: bool,
}

/// The groups asked for.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(key = 89, versions = "0", flexible = "0+")]
pub struct StreamsGroupDescribeResponse<'a> {
    /// How long the broker holds or held back for a quota.
    #[field(versions = "0+")]
    pub throttle_time_ms: i32,
    /// Groups.
    #[field(versions = "0+")]
    pub groups: Vec<StreamsGroupDescribeDescribedGroup<'a>>,
}

/// One group.
#[derive(Clone, Debug, PartialEq, Fields)]
pub struct StreamsGroupDescribeDescribedGroup<'a> {
    /// Error, or none.
    #[field(versions = "0+")]
    pub error_code: ErrorCode,
    /// The error in words.
    #[field(versions = "0+", nullable = "0+")]
    pub error_message: Option<&'a str>,
    /// Group.
    #[field(versions = "0+")]
    pub group_id: &'a str,
    /// State by name, such as `Stable`; empty on an error.
    #[field(versions = "0+")]
    pub group_state: &'a str,
    /// Group epoch; each change of members or topology raises it.
    #[field(versions = "0+")]
    pub group_epoch: i32,
    /// Group epoch that the target assignment was made for.
    #[field(versions = "0+")]
    pub assignment_epoch: i32,
    /// What the application is made of; may be null on an error.
    #[field(versions = "0+", nullable = "0+")]
    pub topology: Option<StreamsGroupDescribeTopology<'a>>,
    /// Members.
    #[field(versions = "0+")]
    pub members: Vec<StreamsGroupDescribeMember<'a>>,
    /// What one may do, as bits; `i32::MIN` if not asked.
    #[field(versions = "0+", default = -2147483648)]
    pub authorized_operations: i32,
}

/// What the application is made of.
#[derive(Clone, Debug, PartialEq, Fields)]
pub struct StreamsGroupDescribeTopology<'a> {
    /// Epoch of the topology the group goes by.
    #[field(versions = "0+")]
    pub epoch: i32,
    /// Subtopologies with their actual topics; null if not set up or if source topics are amiss.
    #[field(versions = "0+", nullable = "0+")]
    pub subtopologies: Option<Vec<StreamsGroupDescribeSubtopology<'a>>>,
}

/// One subtopology and its topics.
#[derive(Clone, Debug, PartialEq, Fields)]
pub struct StreamsGroupDescribeSubtopology<'a> {
    /// Name of the subtopology.
    #[field(versions = "0+")]
    pub subtopology_id: &'a str,
    /// Topics it reads.
    #[field(versions = "0+")]
    pub source_topics: Vec<&'a str>,
    /// Repartition topics it writes.
    #[field(versions = "0+")]
    pub repartition_sink_topics: Vec<&'a str>,
    /// Changelogs of its state stores; the coordinator creates them.
    #[field(versions = "0+")]
    pub state_changelog_topics: Vec<StreamsGroupDescribeTopicInfo<'a>>,
    /// Repartition topics it reads; the coordinator creates them.
    #[field(versions = "0+")]
    pub repartition_source_topics: Vec<StreamsGroupDescribeTopicInfo<'a>>,
}

/// One member.
#[derive(Clone, Debug, PartialEq, Fields)]
pub struct StreamsGroupDescribeMember<'a> {
    /// Member id.
    #[field(versions = "0+")]
    pub member_id: &'a str,
    /// Epoch of the member.
    #[field(versions = "0+")]
    pub member_epoch: i32,
    /// Name of a static member; null for others.
    #[field(versions = "0+", nullable = "0+")]
    pub instance_id: Option<&'a str>,
    /// Rack; null for none.
    #[field(versions = "0+", nullable = "0+")]
    pub rack_id: Option<&'a str>,
    /// Client id the member goes by.
    #[field(versions = "0+")]
    pub client_id: &'a str,
    /// Host the member connects from.
    #[field(versions = "0+")]
    pub client_host: &'a str,
    /// Epoch of the topology that the client has.
    #[field(versions = "0+")]
    pub topology_epoch: i32,
    /// Process the member belongs to, one for all its members.
    #[field(versions = "0+")]
    pub process_id: &'a str,
    /// Where it answers interactive queries; null for nowhere.
    #[field(versions = "0+", nullable = "0+")]
    pub user_endpoint: Option<StreamsGroupDescribeEndpoint<'a>>,
    /// Tags that spread tasks over racks.
    #[field(versions = "0+")]
    pub client_tags: Vec<StreamsGroupDescribeKeyValue<'a>>,
    /// Positions in its tasks' changelogs, summed up for each task.
    #[field(versions = "0+")]
    pub task_offsets: Vec<StreamsGroupDescribeTaskOffset<'a>>,
    /// Ends of its tasks' changelogs, summed up for each task.
    #[field(versions = "0+")]
    pub task_end_offsets: Vec<StreamsGroupDescribeTaskOffset<'a>>,
    /// Tasks it runs now.
    #[field(versions = "0+")]
    pub assignment: StreamsGroupDescribeAssignment<'a>,
    /// Tasks it is meant to run in the end.
    #[field(versions = "0+")]
    pub target_assignment: StreamsGroupDescribeAssignment<'a>,
    /// Whether it still speaks the classic protocol.
    #[field(versions = "0+")]
    pub is_classic: bool,
}

/// Where a member answers interactive queries.
#[derive(Clone, Debug, PartialEq, Fields)]
pub struct StreamsGroupDescribeEndpoint<'a> {
    /// Host.
    #[field(versions = "0+")]
    pub host: &'a str,
    /// Port.
    #[field(versions = "0+")]
    pub port: u16,
}

/// Sum of positions or ends for one task.
#[derive(Clone, Debug, PartialEq, Fields)]
pub struct StreamsGroupDescribeTaskOffset<'a> {
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

/// A set of tasks for one member.
#[derive(Clone, Debug, PartialEq, Fields)]
pub struct StreamsGroupDescribeAssignment<'a> {
    /// Active tasks.
    #[field(versions = "0+")]
    pub active_tasks: Vec<StreamsGroupDescribeTaskIds<'a>>,
    /// Standby tasks.
    #[field(versions = "0+")]
    pub standby_tasks: Vec<StreamsGroupDescribeTaskIds<'a>>,
    /// Warm-up tasks.
    #[field(versions = "0+")]
    pub warmup_tasks: Vec<StreamsGroupDescribeTaskIds<'a>>,
}

/// Tasks of one subtopology.
#[derive(Clone, Debug, PartialEq, Fields)]
pub struct StreamsGroupDescribeTaskIds<'a> {
    /// Subtopology of the tasks.
    #[field(versions = "0+")]
    pub subtopology_id: &'a str,
    /// Partitions the tasks read, one for each task.
    #[field(versions = "0+")]
    pub partitions: Numbers<'a, i32>,
}

/// A client tag or a topic's setting.
#[derive(Clone, Debug, PartialEq, Fields)]
pub struct StreamsGroupDescribeKeyValue<'a> {
    /// Key of the tag or setting.
    #[field(versions = "0+")]
    pub key: &'a str,
    /// Value.
    #[field(versions = "0+")]
    pub value: &'a str,
}

/// One of the application's own topics.
#[derive(Clone, Debug, PartialEq, Fields)]
pub struct StreamsGroupDescribeTopicInfo<'a> {
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
    pub topic_configs: Vec<StreamsGroupDescribeKeyValue<'a>>,
}
