//! A request on its way through the broker.

use std::cell::Cell;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use milena_wire::{
    ApiKey, ApiMessage, ApiVersion, CorrelationId, DecodeError, Encode, ErrorCode, Frame,
    encode_response,
};

use crate::connection::ConnectionId;
use crate::faults::{Course, Forced, Gate, Level};
use crate::flow::Trickle;
use crate::history::RequestName;
use crate::timers::TimerKey;

/// A request that is not answered yet.
#[derive(Debug)]
pub(crate) struct InFlight {
    /// `None` once nobody waits for the answer.
    pub(crate) connection: Option<ConnectionId>,
    pub(crate) node: i32,
    pub(crate) name: RequestName,
    pub(crate) frame: Bytes,
    /// The frame as the history keeps it.
    pub(crate) kept: Option<Bytes>,
    /// When it was first looked at: its waiting times count from here.
    pub(crate) received: Option<Instant>,
    /// What the rules want of it, as far as it is still to come.
    pub(crate) course: Course,
    pub(crate) stage: Stage,
    /// What it waits for because a rule wants it.
    pub(crate) gate: Option<Gate>,
    /// The request that goes on once this one is applied.
    pub(crate) overtakes: Option<u64>,
    pub(crate) timer: Option<TimerKey>,
    /// Where it is registered.
    pub(crate) waiting_on: Vec<WaitOn>,
}

impl InFlight {
    pub(crate) fn new(
        connection: Option<ConnectionId>,
        node: i32,
        name: RequestName,
        frame: Bytes,
    ) -> Self {
        Self {
            connection,
            node,
            name,
            frame,
            kept: None,
            received: None,
            course: Course::default(),
            stage: Stage::Unapplied,
            gate: None,
            overtakes: None,
            timer: None,
            waiting_on: Vec::new(),
        }
    }

    /// Whether it is a copy on its way to the broker, which no node has yet.
    pub(crate) fn is_under_way(&self) -> bool {
        self.connection.is_none() && self.received.is_none()
    }
}

/// Where it stands.
#[derive(Debug)]
pub(crate) enum Stage {
    /// To be applied when its timer fires, its barrier falls, or what it waits for happens.
    Unapplied,
    /// Applied; the answer waits for its gate.
    Answered(Frame),
    /// A part of the answer has left.
    Leaving(Trickle),
    /// Nothing more will happen to it.
    Stuck,
}

/// What a handler knows besides the request and the cluster.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Context<'a> {
    pub(crate) now: Instant,
    pub(crate) received: Instant,
    /// The same each time the handler of a waiting request is called, and no other request's.
    pub(crate) request: u64,
    /// `None` once nobody waits for the answer.
    pub(crate) connection: Option<ConnectionId>,
    /// As the request's header has it, while a handler looks at the request.
    pub(crate) client_id: Option<&'a str>,
    pub(crate) node: i32,
    pub(crate) version: i16,
    pub(crate) correlation_id: CorrelationId,
    pub(crate) throttle_time_ms: i32,
    pub(crate) forced: Option<&'a Forced>,
    /// Set once that has found its place in the answer.
    pub(crate) is_shown: &'a Cell<bool>,
}

/// What a request can wait for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum WaitOn {
    /// A partition's log, leader or replicas.
    Partition(Arc<str>, i32),
}

/// What a handler makes of a request.
#[derive(Debug)]
pub(crate) enum Reply {
    Answer(Frame),
    /// There is no answer by protocol (acks=0).
    Nothing,
    /// Ask again at this time, or when one of these changes. The handler is called anew with the
    /// same [`Context::request`].
    Wait {
        until: Instant,
        on: Vec<WaitOn>,
    },
    /// It is answered, and then its connection closed.
    Last(Frame),
    /// The connection cannot be kept.
    Close(String),
}

impl Reply {
    /// The answer is the last on its connection.
    pub(crate) fn and_close(self) -> Self {
        match self {
            Self::Answer(frame) => Self::Last(frame),
            other => other,
        }
    }
}

impl Context<'_> {
    fn show(&self, forced: &Forced) -> ErrorCode {
        self.is_shown.set(true);
        forced.error
    }

    /// Whether a rule refuses the request as a whole.
    pub(crate) fn check(&self) -> Result<(), ErrorCode> {
        match self.forced {
            Some(forced) if !forced.apply && forced.is_top() => Err(self.show(forced)),
            _ => Ok(()),
        }
    }

    /// The error that a rule wants in the answer's own field and nowhere else.
    pub(crate) fn check_top(&self) -> Result<(), ErrorCode> {
        match self.forced {
            Some(forced) if forced.level == Some(Level::Top) => Err(self.show(forced)),
            _ => Ok(()),
        }
    }

    /// The record of a refused batch that is to blame, if a rule names one.
    pub(crate) fn blamed_record(&self, topic: &str, partition: i32) -> Option<i32> {
        match self.forced?.level {
            Some(Level::Record(index)) => self
                .check_partition(topic, partition)
                .is_err()
                .then_some(index),
            _ => None,
        }
    }

    /// Whether a rule refuses this partition, or everything.
    pub(crate) fn check_partition(&self, topic: &str, partition: i32) -> Result<(), ErrorCode> {
        match self.forced {
            Some(forced) if !forced.apply && forced.is_about(topic, partition) => {
                Err(self.show(forced))
            }
            _ => Ok(()),
        }
    }

    /// The error to show for a request that was applied with this result.
    pub(crate) fn shown(&self, result: ErrorCode) -> ErrorCode {
        match self.forced {
            Some(forced) if forced.apply && forced.is_top() => self.show(forced),
            _ => result,
        }
    }

    /// The error to show for a partition that was applied with this result.
    pub(crate) fn shown_partition(
        &self,
        topic: &str,
        partition: i32,
        result: ErrorCode,
    ) -> ErrorCode {
        match self.forced {
            Some(forced) if forced.apply && forced.is_about(topic, partition) => self.show(forced),
            _ => result,
        }
    }

    /// Whether the answer does not speak of this partition.
    pub(crate) fn leaves_out(&self, topic: &str, partition: i32) -> bool {
        self.forced
            .is_some_and(|forced| forced.silent && forced.is_about(topic, partition))
    }

    pub(crate) fn answer<R: ApiMessage + Encode>(&self, response: &R) -> Reply {
        self.answer_in_version(response, self.version)
    }

    pub(crate) fn answer_in_version<R: ApiMessage + Encode>(
        &self,
        response: &R,
        version: i16,
    ) -> Reply {
        match encode_response(response, ApiVersion(version), self.correlation_id) {
            Ok(frame) => Reply::Answer(frame),
            Err(error) => Reply::Close(format!("the answer cannot be encoded: {error}")),
        }
    }
}

/// The fixed start of every request header. The rest depends on the version.
pub(crate) fn peek_name(frame: &[u8]) -> Option<RequestName> {
    let start: [u8; 8] = frame.get(..8)?.try_into().ok()?;
    let [k0, k1, v0, v1, c0, c1, c2, c3] = start;
    Some(RequestName {
        api: ApiKey(i16::from_be_bytes([k0, k1])),
        version: ApiVersion(i16::from_be_bytes([v0, v1])),
        correlation_id: CorrelationId(i32::from_be_bytes([c0, c1, c2, c3])),
    })
}

/// A request that cannot be read costs its sender the connection.
impl From<DecodeError> for Reply {
    fn from(error: DecodeError) -> Self {
        Self::Close(error.to_string())
    }
}
