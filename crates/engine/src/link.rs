//! One connection, sans I/O: frames out, frames in, and for each request what became of it.

use std::collections::VecDeque;
use std::io::IoSlice;
use std::time::Instant;

use bytes::{Bytes, BytesMut};
#[cfg(feature = "plants")]
use milena_cluster::plants::{Plant, is_planted};
use milena_wire::{ApiVersion, CorrelationId, Frame, peek_correlation_id, take_frame};

use crate::router::CallId;

#[cfg(feature = "plants")]
mod planted;

/// At most this much is reserved for reading ahead of what has arrived, however long a frame says it is.
const READ_RESERVE_MAX: usize = 256 * 1024;
/// A read of at least this much is offered to the socket.
const READ_RESERVE_MIN: usize = 16 * 1024;
/// Slices offered to one vectored write.
const SLICES_MAX: usize = 64;

/// A request on its way. `Queued` until its first byte is offered to the socket, then `Started`: written whole, or the link
/// dies, and then nobody knows.
#[derive(Debug)]
struct Outgoing {
    call: CallId,
    parts: VecDeque<Bytes>,
    started: bool,
}

/// A request that waits for its answer; answers come in the order of the requests.
#[derive(Debug)]
struct Expected {
    call: CallId,
    correlation: CorrelationId,
    version: ApiVersion,
    deadline: Instant,
}

/// A frame that answers a request.
#[derive(Debug)]
pub(crate) struct Answered {
    pub(crate) call: CallId,
    pub(crate) version: ApiVersion,
    pub(crate) frame: Bytes,
}

/// Why a link's bytes make no sense.
#[derive(Debug)]
pub(crate) enum LinkError {
    /// Not a frame, or none that is a response.
    Frame,
    /// An answer to nothing that was asked, or out of order.
    Correlation,
}

/// What a dead link leaves behind: calls that no byte left for, and calls that may have been served.
#[derive(Debug, Default)]
pub(crate) struct Remains {
    pub(crate) not_sent: Vec<CallId>,
    pub(crate) unsure: Vec<CallId>,
}

#[derive(Debug)]
pub(crate) struct Link {
    frame_bytes_max: usize,
    next_correlation: i32,
    outgoing: VecDeque<Outgoing>,
    outgoing_bytes: usize,
    expected: VecDeque<Expected>,
    read: BytesMut,
    /// Calls whose first byte was offered since last asked.
    newly_started: Vec<CallId>,
    #[cfg(feature = "plants")]
    planted: planted::State,
}

impl Link {
    pub(crate) fn new(frame_bytes_max: usize) -> Self {
        Self {
            frame_bytes_max,
            next_correlation: 0,
            outgoing: VecDeque::new(),
            outgoing_bytes: 0,
            expected: VecDeque::new(),
            read: BytesMut::new(),
            newly_started: Vec::new(),
            #[cfg(feature = "plants")]
            planted: planted::State::default(),
        }
    }

    /// The number for the next request.
    pub(crate) fn correlation(&mut self) -> CorrelationId {
        let id = self.next_correlation;
        self.next_correlation = id.wrapping_add(1) & i32::MAX;
        CorrelationId(id)
    }

    pub(crate) fn enqueue(
        &mut self,
        call: CallId,
        correlation: CorrelationId,
        version: ApiVersion,
        frame: Frame,
        deadline: Instant,
    ) {
        self.outgoing_bytes += frame.len();
        self.outgoing.push_back(Outgoing {
            call,
            parts: frame.into_parts().into(),
            started: false,
        });
        self.expected.push_back(Expected {
            call,
            correlation,
            version,
            deadline,
        });
    }

    /// Whether one more frame may be handed over: the link holds little that is not written.
    pub(crate) fn has_room(&self) -> bool {
        self.outgoing.len() < 2 || self.outgoing_bytes < 16 * 1024
    }

    pub(crate) fn wants_write(&self) -> bool {
        !self.outgoing.is_empty()
    }

    /// Takes a frame back, if no byte of it was offered to the socket.
    pub(crate) fn recall(&mut self, call: CallId) -> bool {
        let Some(index) = self
            .outgoing
            .iter()
            .position(|frame| frame.call == call && !frame.started)
        else {
            return false;
        };
        if let Some(frame) = self.outgoing.remove(index) {
            self.outgoing_bytes -= frame.parts.iter().map(Bytes::len).sum::<usize>();
        }
        self.expected.retain(|expected| expected.call != call);
        true
    }

    pub(crate) fn write_slices<'a>(&'a mut self, slices: &mut Vec<IoSlice<'a>>) {
        let mut count = 0;
        for frame in &mut self.outgoing {
            if count >= SLICES_MAX {
                break;
            }
            count += frame.parts.len();
            if !frame.started {
                frame.started = true;
                self.newly_started.push(frame.call);
            }
        }
        let offered = self
            .outgoing
            .iter()
            .filter(|frame| frame.started)
            .flat_map(|frame| &frame.parts);
        slices.extend(offered.take(SLICES_MAX).map(|part| IoSlice::new(part)));
    }

    pub(crate) fn handle_written(&mut self, mut bytes: usize) {
        self.outgoing_bytes -= bytes;
        while bytes > 0 {
            let Some(frame) = self.outgoing.front_mut() else {
                break;
            };
            while bytes > 0 {
                let Some(part) = frame.parts.front_mut() else {
                    break;
                };
                if part.len() > bytes {
                    #[cfg(feature = "plants")]
                    if is_planted(Plant::PartialWriteResumedFromTheStart) {
                        self.outgoing_bytes += bytes;
                        return;
                    }
                    let _ = part.split_to(bytes);
                    bytes = 0;
                } else {
                    bytes -= part.len();
                    frame.parts.pop_front();
                }
            }
            if !frame.parts.is_empty() {
                break;
            }
            self.outgoing.pop_front();
        }
    }

    pub(crate) fn take_started(&mut self) -> Vec<CallId> {
        std::mem::take(&mut self.newly_started)
    }

    pub(crate) fn read_buffer(&mut self) -> &mut BytesMut {
        let missing = match self.read.get(..4) {
            Some(prefix) => {
                let length = u32::from_be_bytes([prefix[0], prefix[1], prefix[2], prefix[3]]);
                (length as usize + 4).saturating_sub(self.read.len())
            }
            None => 0,
        };
        self.read
            .reserve(missing.clamp(READ_RESERVE_MIN, READ_RESERVE_MAX));
        &mut self.read
    }

    /// The next answer that has arrived whole.
    pub(crate) fn poll_answer(&mut self) -> Result<Option<Answered>, LinkError> {
        let Some(frame) =
            take_frame(&mut self.read, self.frame_bytes_max).map_err(|_| LinkError::Frame)?
        else {
            return Ok(None);
        };
        let correlation = peek_correlation_id(&frame).map_err(|_| LinkError::Frame)?;
        #[cfg(feature = "plants")]
        let Some(correlation) = self.by_order(correlation) else {
            return self.poll_answer();
        };
        match self.expected.pop_front() {
            Some(expected) if expected.correlation == correlation => Ok(Some(Answered {
                call: expected.call,
                version: expected.version,
                frame,
            })),
            Some(expected) => {
                // It stays expected: the link dies now, and its call with it, unsure.
                self.expected.push_front(expected);
                Err(LinkError::Correlation)
            }
            None => Err(LinkError::Correlation),
        }
    }

    /// When the oldest request has waited long enough.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.expected.iter().map(|expected| expected.deadline).min()
    }

    pub(crate) fn into_remains(self) -> Remains {
        let mut remains = Remains::default();
        for expected in self.expected {
            let queued = self
                .outgoing
                .iter()
                .any(|frame| frame.call == expected.call && !frame.started);
            if queued {
                remains.not_sent.push(expected.call)
            } else {
                remains.unsure.push(expected.call)
            }
        }
        remains
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    /// Any frame will do: here a request of 17 bytes.
    fn frame() -> Frame {
        let request = milena_wire::messages::ApiVersionsRequest::default();
        milena_wire::encode_request(&request, ApiVersion(0), CorrelationId(0), Some("a"))
            .expect("it has no fields")
    }

    fn link_with(calls: &[u64]) -> Link {
        #[allow(clippy::disallowed_methods, reason = "a test's deadline")]
        let deadline = Instant::now() + Duration::from_secs(1);
        let mut link = Link::new(1024);
        for call in calls {
            let correlation = link.correlation();
            link.enqueue(CallId(*call), correlation, ApiVersion(0), frame(), deadline);
        }
        link
    }

    #[test]
    fn a_frame_is_sure_not_to_have_left_until_its_first_byte_is_offered() {
        let mut link = link_with(&[1, 2]);
        let mut slices = Vec::new();
        link.write_slices(&mut slices);
        drop(slices);
        let correlation = link.correlation();
        #[allow(clippy::disallowed_methods, reason = "a test's deadline")]
        link.enqueue(
            CallId(3),
            correlation,
            ApiVersion(0),
            frame(),
            Instant::now(),
        );
        assert_eq!(link.take_started(), [CallId(1), CallId(2)]);
        let length = frame().len();
        link.handle_written(length);
        let remains = link.into_remains();
        assert_eq!(
            (remains.unsure, remains.not_sent),
            (vec![CallId(1), CallId(2)], vec![CallId(3)])
        );
    }

    #[test]
    fn only_a_queued_frame_can_be_recalled() {
        let mut link = link_with(&[1]);
        assert!(link.recall(CallId(1)));
        assert!(!link.wants_write());
        let mut link = link_with(&[2]);
        link.write_slices(&mut Vec::new());
        assert!(!link.recall(CallId(2)));
    }

    #[test]
    fn partial_writes_go_on_where_they_stopped() {
        let mut link = link_with(&[1]);
        link.write_slices(&mut Vec::new());
        link.handle_written(3);
        let mut slices = Vec::new();
        link.write_slices(&mut slices);
        assert_eq!(&*slices[0], &frame().to_bytes()[3..]);
    }

    #[test]
    fn an_answer_to_another_question_ends_the_link() {
        let mut link = link_with(&[1]);
        link.read_buffer()
            .extend_from_slice(&[0, 0, 0, 4, 0, 0, 0, 9]);
        assert!(matches!(link.poll_answer(), Err(LinkError::Correlation)));
        assert_eq!(link.into_remains().not_sent, [CallId(1)]);
    }
}
