//! What a scenario is made of.

use std::time::Duration;

use milena_testbroker::relay::{ApiKey, RelayAction, RelayPath, RelayRule};

/// Programs, how they are set, and what strikes them.
#[derive(Clone, Debug)]
pub(crate) struct Scenario {
    pub(crate) name: String,
    /// Whether the short form has it.
    pub(crate) short: bool,
    pub(crate) producer: Option<ProducerPlan>,
    pub(crate) copiers: Option<CopierPlan>,
    /// Whether `milena consume` is compared with Java on every topic of this scenario, while fetches fail.
    pub(crate) consume: bool,
    /// Lines of the properties file.
    pub(crate) settings: Vec<String>,
    pub(crate) strikes: Vec<Strike>,
}

/// A run of the verifiable producer.
#[derive(Clone, Debug)]
pub(crate) struct ProducerPlan {
    pub(crate) records: u64,
    /// Records a second.
    pub(crate) rate: u64,
    pub(crate) keys: Option<u64>,
    pub(crate) partitions: i32,
    /// A fault lasts longer than records have.
    pub(crate) errors_allowed: bool,
}

/// Copiers, one for each of the first partitions of the input.
#[derive(Clone, Debug)]
pub(crate) struct CopierPlan {
    pub(crate) count: i32,
    pub(crate) transaction_size: u64,
    pub(crate) timeout: Duration,
    pub(crate) aborts: bool,
}

/// A fault, and how far the slowest program is when it strikes, in thousandths.
#[derive(Clone, Debug)]
pub(crate) struct Strike {
    pub(crate) at: u64,
    pub(crate) fault: Fault,
}

/// What can break.
#[derive(Clone, Debug)]
pub(crate) enum Fault {
    /// From now on, for the requests that the rule names; each action must have happened so often in the end.
    Requests {
        label: String,
        rule: RelayRule,
        actions: Vec<RelayAction>,
        at_least: u64,
    },
    /// The network to one node, for so long.
    Path {
        node: usize,
        path: RelayPath,
        lasting: Duration,
    },
    /// The network to all nodes, for so long.
    Outage { path: RelayPath, lasting: Duration },
    /// Every connection is closed once.
    CutAll,
    /// SIGKILL, and started again after so long.
    KillNode { node: usize, down: Duration },
    /// SIGSTOP to one node, for so long.
    PauseNode { node: usize, lasting: Duration },
    /// All nodes are killed, and started again.
    KillAll,
    /// All nodes stand still, for so long.
    PauseAll { lasting: Duration },
    /// SIGSTOP to the programs, for so long.
    PausePrograms { lasting: Duration },
    /// SIGKILL to the copiers, which are started again.
    KillCopiers,
    /// SIGTERM to the programs. The copiers are started again.
    Terminate,
    /// A second instance of the first copier. With `pause`, the first stands still meanwhile, and wakes up fenced.
    SecondCopier { pause: Option<Duration> },
}

impl Scenario {
    /// Whether its programs are ended by SIGTERM before they are done.
    pub(crate) fn is_terminated(&self) -> bool {
        let mut strikes = self.strikes.iter();
        strikes.any(|strike| matches!(strike.fault, Fault::Terminate))
    }
}

impl Fault {
    /// The name that its count is printed with.
    pub(crate) fn label(&self) -> String {
        match self {
            Self::Requests { label, .. } => label.clone(),
            Self::Path { path, .. } => path_name(*path).to_owned(),
            Self::Outage { path, .. } => format!("all-{}", path_name(*path)),
            Self::CutAll => "cut-all".to_owned(),
            Self::KillNode { .. } => "broker-killed".to_owned(),
            Self::PauseNode { .. } => "broker-paused".to_owned(),
            Self::KillAll => "all-killed".to_owned(),
            Self::PauseAll { .. } => "all-paused".to_owned(),
            Self::PausePrograms { .. } => "program-paused".to_owned(),
            Self::KillCopiers => "program-killed".to_owned(),
            Self::Terminate => "terminated".to_owned(),
            Self::SecondCopier { pause: None } => "second-instance".to_owned(),
            Self::SecondCopier { pause: Some(_) } => "second-instance-while-paused".to_owned(),
        }
    }
}

fn path_name(path: RelayPath) -> &'static str {
    match path {
        RelayPath::Refused => "refused",
        RelayPath::BlackHole => "black-hole",
        RelayPath::Throttled { .. } => "throttled",
        _ => "open",
    }
}

/// What an API is called in labels.
pub(crate) fn api_name(api: ApiKey) -> String {
    match api {
        ApiKey::PRODUCE => "produce".to_owned(),
        ApiKey::FETCH => "fetch".to_owned(),
        ApiKey::METADATA => "metadata".to_owned(),
        ApiKey::INIT_PRODUCER_ID => "init-producer-id".to_owned(),
        ApiKey::ADD_PARTITIONS_TO_TXN => "add-partitions".to_owned(),
        ApiKey::ADD_OFFSETS_TO_TXN => "add-offsets".to_owned(),
        ApiKey::END_TXN => "end-txn".to_owned(),
        ApiKey::TXN_OFFSET_COMMIT => "txn-offset-commit".to_owned(),
        ApiKey::LIST_OFFSETS => "list-offsets".to_owned(),
        ApiKey::OFFSET_FETCH => "offset-fetch".to_owned(),
        ApiKey::FIND_COORDINATOR => "find-coordinator".to_owned(),
        other => format!("api-{}", other.0),
    }
}
