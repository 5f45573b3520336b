//! The identity of an idempotent producer: asked for once, bumped here (KIP-360), asked for anew when the epochs run out.

use std::time::Instant;

use milena_cluster::recovery::{Operation, Recovery, recover};
use milena_cluster::{Backoff, Outcome, ProducerEpoch, ProducerId, ProducerIdentity};
use milena_wire::messages::InitProducerIdResponse;

use super::Identity;
use crate::engine::{Engine, Owner, requests};
use crate::router::CallOutcome;

#[derive(Debug)]
pub(in crate::engine) struct IdempotentIdentity {
    current: ProducerIdentity,
    state: State,
    attempts: u32,
    retry: Backoff,
    rng: fastrand::Rng,
}

#[derive(Debug)]
enum State {
    Wanted { at: Option<Instant> },
    Asked,
    Known,
}

impl IdempotentIdentity {
    pub(in crate::engine) fn new(retry: Backoff, seed: u64) -> Self {
        Self {
            current: ProducerIdentity::NONE,
            state: State::Wanted { at: None },
            attempts: 0,
            retry,
            rng: fastrand::Rng::with_seed(seed),
        }
    }

    /// The identity to stamp with; none while it is being asked for.
    pub(in crate::engine) fn current(&self) -> ProducerIdentity {
        match self.state {
            State::Known => self.current,
            _ => ProducerIdentity::NONE,
        }
    }

    /// The next epoch. It never wraps: after the last one comes another producer id (librdkafka still wraps, issue 3720).
    pub(in crate::engine) fn bump(&mut self) {
        #[cfg(feature = "plants")]
        {
            use milena_cluster::plants::{Plant, is_planted};
            if is_planted(Plant::StampReusedAfterEpochBump) {
                return;
            }
        }
        match self.current.epoch.0.checked_add(1) {
            Some(epoch) if epoch < i16::MAX => self.current.epoch = ProducerEpoch(epoch),
            _ => self.state = State::Wanted { at: None },
        }
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        match self.state {
            State::Wanted { at } => at,
            _ => None,
        }
    }

    fn poll_request(&mut self, now: Instant) -> bool {
        let due = matches!(self.state, State::Wanted { at } if at.is_none_or(|at| at <= now));
        if due {
            self.state = State::Asked;
        }
        due
    }

    fn handle_answer(&mut self, now: Instant, answer: Result<ProducerIdentity, ()>) {
        match answer {
            Ok(identity) if identity.is_some() => {
                self.current = identity;
                self.state = State::Known;
                self.attempts = 0;
            }
            // An identity that is none would be waited for by every batch, and asked for by nobody.
            Ok(_) | Err(()) => {
                self.attempts = self.attempts.saturating_add(1);
                self.state = State::Wanted {
                    at: Some(now + self.retry.delay(self.attempts, &mut self.rng)),
                };
            }
        }
    }
}

impl Engine {
    pub(super) fn ask_identity(&mut self, now: Instant, index: usize) -> bool {
        let Some(core) = self.producers.get_mut(&index) else {
            return false;
        };
        let idle = core.is_drained();
        let Identity::Idempotent(identity) = &mut core.identity else {
            return false;
        };
        if idle || !identity.poll_request(now) {
            return false;
        }
        let call = self.call(
            now,
            requests::init_producer_id(None, ProducerIdentity::NONE, std::time::Duration::MAX),
            Owner::Identity { producer: index },
        );
        self.router.submit_any(now, call);
        true
    }

    pub(in crate::engine) fn handle_identity(
        &mut self,
        now: Instant,
        producer: usize,
        outcome: &CallOutcome,
    ) {
        let answer = match self.decode::<InitProducerIdResponse>(now, outcome) {
            Outcome::Answered((_, response)) => {
                match recover(Operation::InitProducerId, response.error_code) {
                    Recovery::Ok => Ok(ProducerIdentity {
                        producer_id: ProducerId(response.producer_id),
                        epoch: ProducerEpoch(response.producer_epoch),
                    }),
                    _ => Err(()),
                }
            }
            // An id that was given out and lost is one more unused number, no harm.
            Outcome::NotSent(_) | Outcome::Unsure(_) => Err(()),
        };
        if let Some(core) = self.producers.get_mut(&producer)
            && let Identity::Idempotent(identity) = &mut core.identity
        {
            identity.handle_answer(now, answer);
            core.mark_all_dirty();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn after_the_last_epoch_comes_another_producer_id_and_none_wraps() {
        #[allow(clippy::disallowed_methods, reason = "where the test's time begins")]
        let now = Instant::now();
        let mut identity = IdempotentIdentity::new(Backoff::default(), 1);
        assert!(identity.poll_request(now));
        identity.handle_answer(now, Ok(ProducerIdentity::new(7, 0)));
        for epoch in 1..i16::MAX {
            identity.bump();
            assert_eq!(identity.current(), ProducerIdentity::new(7, epoch));
        }
        identity.bump();
        assert_eq!(identity.current(), ProducerIdentity::NONE);
        assert!(identity.poll_request(now));
        identity.handle_answer(now, Ok(ProducerIdentity::new(8, 0)));
        assert_eq!(identity.current(), ProducerIdentity::new(8, 0));
    }

    #[test]
    fn an_identity_that_is_none_is_asked_for_again() {
        #[allow(clippy::disallowed_methods, reason = "where the test's time begins")]
        let now = Instant::now();
        let mut identity = IdempotentIdentity::new(Backoff::default(), 1);
        assert!(identity.poll_request(now));
        identity.handle_answer(now, Ok(ProducerIdentity::NONE));
        assert!(!identity.poll_request(now), "not at once");
        let later = identity.poll_timeout().expect("it waits for a time");
        assert!(identity.poll_request(later));
    }
}
