//! What the rules want of one request, put together.

use std::time::Duration;

use milena_wire::{ApiKey, ErrorCode};

use super::{Action, HoldId, Level, RuleId};
use crate::cluster::Keep;

/// Partitions as rules name them; `None`: all of a topic.
pub(crate) type Named = Vec<(String, Option<i32>)>;

/// One rule's decision about one request.
#[derive(Clone, Debug)]
pub(crate) struct Decision {
    pub(crate) rule: RuleId,
    pub(crate) action: Action,
    /// The partitions that the rule names; empty: the whole request.
    pub(crate) partitions: Named,
}

/// The way a request goes.
#[derive(Debug, Default)]
pub(crate) struct Course {
    pub(crate) forced: Option<Forced>,
    /// Whether that error has found its place in the answer.
    pub(crate) is_shown: bool,
    /// Whether it stands for all that was asked: nothing is applied.
    pub(crate) is_refused: bool,
    /// The rules that want something of the answer.
    pub(crate) of_the_answer: Vec<(RuleId, Action)>,
    pub(crate) throttle: Duration,
    pub(crate) request_gate: Option<Gate>,
    pub(crate) answer_gate: Option<Gate>,
    pub(crate) before: Option<Before>,
    /// Whose leaders move, and where to.
    pub(crate) leaders: Option<(Named, Option<i32>)>,
    pub(crate) request_bit: Option<Option<usize>>,
    pub(crate) change: Option<Change>,
    /// Bytes a second.
    pub(crate) pace: Option<u64>,
    pub(crate) copy: Option<(Gate, RuleId)>,
    /// This is the late copy that a rule wants: it has happened once that is looked at.
    pub(crate) late_for: Option<RuleId>,
    pub(crate) end: End,
}

/// What a request or an answer waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Gate {
    Time(Duration),
    Hold(HoldId),
    /// So many requests of this API are still to be applied before.
    Applied(ApiKey, u64),
    /// The next request of another connection that this rule meets.
    Swap(RuleId),
}

/// What happens instead of applying.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Before {
    Close,
    Stick,
    BlackHole,
    StopNode(Stop),
    /// The connection is closed, the request goes on behind the gate.
    Detach(Gate, RuleId),
}

/// How a node stops, and when it starts again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stop {
    pub(crate) crash: Option<Keep>,
    pub(crate) restart: Option<Duration>,
}

/// What becomes of the answer's bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    Byte(usize),
    Bit(Option<usize>),
    Records(RuleId, usize),
}

/// What becomes of the answer, and of the connection behind it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum End {
    #[default]
    Send,
    /// It is sent, and then the connection closed: no rule wants that, a handler does.
    Last,
    Close,
    Ignore,
    Cut(usize),
    HalfClose,
    StopNode(Stop),
}

/// An error that a rule puts into the answer.
#[derive(Clone, Debug)]
pub(crate) struct Forced {
    /// Whose wish it is; `None`: of no rule.
    pub(crate) rule: Option<RuleId>,
    pub(crate) error: ErrorCode,
    /// Whether the request is applied all the same.
    pub(crate) apply: bool,
    /// Whether the answer is silent about it.
    pub(crate) silent: bool,
    /// Where it stands; `None`: in the partitions if the rule names some, else everywhere.
    pub(crate) level: Option<Level>,
    /// Which partitions it is about; empty: the whole request.
    pub(crate) partitions: Named,
}

impl Course {
    pub(crate) fn of(api: ApiKey, decisions: &[Decision]) -> Self {
        let mut course = Self::default();
        for decision in decisions {
            course.add(decision);
        }
        if let Some(forced) = &mut course.forced
            && only_reads(api)
        {
            // There is nothing to apply.
            forced.apply = false;
        }
        if let Some(forced) = &mut course.forced
            && forced.level == Some(Level::Top)
            && !has_error_at_the_top(api)
        {
            forced.level = None;
            forced.partitions.clear();
        }
        course
    }

    /// Of a request that is refused because of where its connection stands.
    pub(crate) fn refusal(error: ErrorCode) -> Self {
        let forced = Forced {
            rule: None,
            error,
            apply: false,
            silent: false,
            level: None,
            partitions: Named::new(),
        };
        Self {
            forced: Some(forced),
            end: End::Last,
            ..Self::default()
        }
    }

    fn add(&mut self, decision: &Decision) {
        let named = || decision.partitions.clone();
        let detached = |gate| Some(Before::Detach(gate, decision.rule));
        let copied = |gate| Some((gate, decision.rule));
        let forced = |error, apply, silent, level| {
            Some(Forced {
                rule: Some(decision.rule),
                error,
                apply,
                silent,
                level,
                partitions: named(),
            })
        };
        if decision.action.is_about_the_answer() {
            self.of_the_answer.push((decision.rule, decision.action));
        }
        match decision.action {
            Action::Error(error) => self.forced = forced(error, false, false, None),
            Action::ErrorAt(level, error) => {
                self.forced = forced(error, false, false, Some(level));
            }
            Action::ApplyThenError(error) => self.forced = forced(error, true, false, None),
            Action::LeaveOut => {
                self.forced = forced(ErrorCode::KAFKA_STORAGE_ERROR, false, true, None);
            }
            Action::DropBeforeApply | Action::CutConnection | Action::CutRequest(_) => {
                self.before = Some(Before::Close);
            }
            Action::Ignore => self.before = Some(Before::Stick),
            Action::BlackHole => self.before = Some(Before::BlackHole),
            Action::DropThenApply(delay) => self.before = detached(Gate::Time(delay)),
            Action::DropThenApplyAfter(api, n) => self.before = detached(Gate::Applied(api, n)),
            Action::DropThenHold(hold) => self.before = detached(Gate::Hold(hold)),
            Action::StopNode {
                apply,
                crash,
                restart,
            } => {
                let stop = Stop { crash, restart };
                match apply {
                    true => self.end = End::StopNode(stop),
                    false => self.before = Some(Before::StopNode(stop)),
                }
            }
            Action::Delay(delay) => self.request_gate = Some(Gate::Time(delay)),
            Action::HoldRequest(hold) => self.request_gate = Some(Gate::Hold(hold)),
            Action::HoldRequestUntil(api, n) => self.request_gate = Some(Gate::Applied(api, n)),
            Action::SwapWithNext => self.request_gate = Some(Gate::Swap(decision.rule)),
            Action::DelayAnswer(delay) => self.answer_gate = Some(Gate::Time(delay)),
            Action::HoldAnswer(hold) => self.answer_gate = Some(Gate::Hold(hold)),
            Action::HoldAnswerUntil(api, n) => self.answer_gate = Some(Gate::Applied(api, n)),
            Action::Duplicate(delay) => self.copy = copied(Gate::Time(delay)),
            Action::DuplicateAfter(api, n) => self.copy = copied(Gate::Applied(api, n)),
            Action::SlowAnswer(bytes) => self.pace = Some(bytes.max(1)),
            Action::Throttle(throttle) => self.throttle = throttle,
            Action::CorruptAnswer(place) => self.change = Some(Change::Byte(place)),
            Action::CorruptRecords(place) => {
                self.change = Some(Change::Records(decision.rule, place));
            }
            Action::FlipBit(bit) => self.change = Some(Change::Bit(bit)),
            Action::FlipRequestBit(bit) => self.request_bit = Some(bit),
            Action::ApplyThenDrop => self.end = End::Close,
            Action::ApplyThenIgnore => self.end = End::Ignore,
            Action::CutAnswer(bytes) => self.end = End::Cut(bytes),
            Action::HalfClose => self.end = End::HalfClose,
            Action::MoveLeader(node) => self.leaders = Some((named(), node)),
        }
    }
}

/// Whether requests of this API change nothing: refused or answered with an error, it is the same.
fn only_reads(api: ApiKey) -> bool {
    [
        ApiKey::FETCH,
        ApiKey::LIST_OFFSETS,
        ApiKey::OFFSET_FETCH,
        ApiKey::OFFSET_FOR_LEADER_EPOCH,
        ApiKey::FIND_COORDINATOR,
        ApiKey::API_VERSIONS,
        ApiKey::DESCRIBE_ACLS,
        ApiKey::DESCRIBE_DELEGATION_TOKEN,
        ApiKey::DESCRIBE_GROUPS,
        ApiKey::DESCRIBE_QUORUM,
        ApiKey::DESCRIBE_TOPIC_PARTITIONS,
    ]
    .contains(&api)
}

/// Whether answers of this API have an error field of their own, in the versions that clients use.
fn has_error_at_the_top(api: ApiKey) -> bool {
    ![
        ApiKey::PRODUCE,
        ApiKey::LIST_OFFSETS,
        ApiKey::METADATA,
        ApiKey::OFFSET_COMMIT,
        ApiKey::TXN_OFFSET_COMMIT,
        ApiKey::OFFSET_FOR_LEADER_EPOCH,
        ApiKey::DELETE_RECORDS,
        ApiKey::CREATE_TOPICS,
        ApiKey::DELETE_TOPICS,
        ApiKey::CREATE_PARTITIONS,
    ]
    .contains(&api)
}

impl Forced {
    /// Whether it stands in the answer as a whole.
    pub(crate) fn is_top(&self) -> bool {
        match self.level {
            Some(level) => level == Level::Top,
            None => self.partitions.is_empty(),
        }
    }

    /// Whether it stands in this partition; -1: in the topic.
    pub(crate) fn is_about(&self, topic: &str, partition: i32) -> bool {
        let named = self.partitions.is_empty()
            || self.partitions.iter().any(|(wanted, index)| {
                wanted == topic
                    && (partition < 0 && self.level == Some(Level::Topic)
                        || index.is_none_or(|index| index == partition))
            });
        let here = match self.level {
            None => true,
            Some(Level::Top) => false,
            Some(Level::Topic) => true,
            Some(Level::Partition | Level::Record(_)) => partition >= 0,
        };
        named && here
    }
}
