//! A manager with a clock of its own, and short ways to say what coordinators do.

use std::sync::Arc;
use std::time::{Duration, Instant};

use milena_cluster::{
    Backoff, GroupMetadata, LeaderEpoch, Outcome, ProducerEpoch, ProducerId, ProducerIdentity,
    SendFailure, TopicPartition,
};
use milena_wire::ErrorCode;

use crate::transaction::{
    AbortCause, CommittedOffset, Event, Failure, OffsetsToCommit, Request, RequestId, Response,
    State, TransactionConfig, TransactionManager,
};

pub(super) const TIMEOUT: Duration = Duration::from_secs(60);

/// Some instant; only differences count.
#[expect(
    clippy::disallowed_methods,
    reason = "a test needs an instant to start from, and reads none again"
)]
pub(super) fn start() -> Instant {
    Instant::now()
}

pub(super) fn identity(epoch: i16) -> ProducerIdentity {
    ProducerIdentity {
        producer_id: ProducerId(7),
        epoch: ProducerEpoch(epoch),
    }
}

pub(super) fn partition(index: i32) -> TopicPartition {
    TopicPartition {
        topic: Arc::from("t"),
        partition: index,
    }
}

pub(super) fn offsets(group: &str, offset: i64) -> Arc<OffsetsToCommit> {
    let group = GroupMetadata {
        group: Arc::from(group),
        generation: 3,
        member: Arc::from("m"),
        instance: None,
    };
    let committed = CommittedOffset {
        offset,
        leader_epoch: LeaderEpoch(1),
        metadata: Arc::from(""),
    };
    Arc::new(OffsetsToCommit {
        group,
        offsets: vec![(partition(9), committed)],
    })
}

pub(super) fn send_refused() -> AbortCause {
    AbortCause::SendRefused {
        partition: partition(0),
        error: ErrorCode::MESSAGE_TOO_LARGE,
    }
}

pub(super) fn failed_send() -> Failure {
    Failure::Abortable {
        cause: send_refused(),
        bump: false,
    }
}

pub(super) fn unsure() -> Outcome<Response> {
    Outcome::Unsure(SendFailure::ConnectionClosed)
}

pub(super) fn not_sent() -> Outcome<Response> {
    Outcome::NotSent(SendFailure::ConnectFailed)
}

/// The answer to `request` with `error` in every place; a success brings the next epoch.
pub(super) fn answer(request: &Request, error: ErrorCode) -> Outcome<Response> {
    let results = |partitions: &mut dyn Iterator<Item = TopicPartition>| {
        partitions.map(|partition| (partition, error)).collect()
    };
    Outcome::Answered(match request {
        Request::InitProducerId { expected } => {
            let next = if error.is_ok() {
                identity(expected.epoch.0 + 1)
            } else {
                ProducerIdentity::NONE
            };
            Response::InitProducerId {
                error,
                identity: next,
            }
        }
        Request::AddPartitions { partitions, .. } => Response::AddPartitions {
            results: results(&mut partitions.iter().cloned()),
        },
        Request::AddOffsets { .. } => Response::AddOffsets { error },
        Request::TxnOffsetCommit { offsets, .. } => Response::TxnOffsetCommit {
            results: results(
                &mut offsets
                    .offsets
                    .iter()
                    .map(|(partition, _)| partition.clone()),
            ),
        },
        Request::EndTxn {
            identity: used,
            transaction_v2,
            ..
        } => {
            let next = (*transaction_v2 && error.is_ok()).then(|| identity(used.epoch.0 + 1));
            Response::EndTxn {
                error,
                identity: next,
            }
        }
    })
}

pub(super) struct Rig {
    pub(super) manager: TransactionManager,
    pub(super) now: Instant,
}

impl Rig {
    /// Not initialized.
    pub(super) fn new(version: i16) -> Self {
        let config = TransactionConfig {
            transaction_timeout: TIMEOUT,
            retry: Backoff::default(),
            ..TransactionConfig::new("tid")
        };
        let mut manager = TransactionManager::new(config, 1);
        manager.set_transaction_version(version);
        Self {
            manager,
            now: start(),
        }
    }

    /// Ready, with epoch 0.
    pub(super) fn ready(version: i16) -> Self {
        let mut rig = Self::new(version);
        rig.manager.initialize(rig.now).unwrap();
        rig.succeed();
        assert_eq!(rig.events(), [Event::Initialized(identity(0))]);
        rig
    }

    /// A transaction is open, nothing in it.
    pub(super) fn begun(version: i16) -> Self {
        let mut rig = Self::ready(version);
        rig.manager.begin(rig.now).unwrap();
        rig
    }

    /// A transaction is open, partition 0 in it.
    pub(super) fn started(version: i16) -> Self {
        let mut rig = Self::begun(version);
        let _ = rig.manager.add_partition(&partition(0));
        if version < 2 {
            rig.succeed();
        }
        assert!(rig.manager.is_started());
        rig.events();
        rig
    }

    /// A started transaction, of which EndTxn was polled.
    pub(super) fn ending(version: i16, committing: bool) -> (Self, RequestId, Request) {
        let mut rig = Self::started(version);
        if committing {
            rig.manager.commit(rig.now).unwrap();
        } else {
            rig.manager.abort(rig.now).unwrap();
        }
        rig.manager.handle_drained(rig.now);
        let (id, request) = rig.request();
        assert!(matches!(&request, Request::EndTxn { committing: is, .. } if *is == committing));
        (rig, id, request)
    }

    /// The next request, waiting for it if need be.
    pub(super) fn request(&mut self) -> (RequestId, Request) {
        self.try_request().expect("a request is due")
    }

    pub(super) fn try_request(&mut self) -> Option<(RequestId, Request)> {
        if let Some((id, _, request)) = self.manager.poll_request(self.now) {
            return Some((id, request));
        }
        self.now = self.manager.poll_timeout()?;
        let (id, _, request) = self
            .manager
            .poll_request(self.now)
            .expect("its time has come");
        Some((id, request))
    }

    pub(super) fn complete(&mut self, id: RequestId, outcome: Outcome<Response>) {
        self.manager.handle_completion(self.now, id, outcome);
    }

    pub(super) fn hand_over(&mut self) -> (RequestId, Request) {
        let (id, request) = self.request();
        self.manager.handle_handed_over(id);
        (id, request)
    }

    /// The next request succeeds.
    pub(super) fn succeed(&mut self) -> Request {
        self.answer(ErrorCode::NONE)
    }

    /// The next request is answered with `error`.
    pub(super) fn answer(&mut self, error: ErrorCode) -> Request {
        let (id, request) = self.hand_over();
        self.complete(id, answer(&request, error));
        request
    }

    /// The next request is handed over and its answer lost.
    pub(super) fn lose(&mut self) -> Request {
        let (id, request) = self.hand_over();
        self.complete(id, unsure());
        request
    }

    pub(super) fn events(&mut self) -> Vec<Event> {
        std::iter::from_fn(|| self.manager.poll_event()).collect()
    }

    /// The events but for lost coordinators.
    pub(super) fn news(&mut self) -> Vec<Event> {
        let mut events = self.events();
        events.retain(|event| !matches!(event, Event::CoordinatorLost(..)));
        events
    }

    pub(super) fn state(&self) -> State {
        self.manager.state()
    }

    pub(super) fn sleep(&mut self, duration: Duration) {
        self.now += duration;
    }
}
