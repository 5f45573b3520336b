//! Layer 2, the producing half: from a user's record to a stamped batch, and the transaction it belongs to.
//!
//! [`Accumulator`] is shared by the callers' tasks and the engine; everything else is a core that the engine owns: no I/O, no
//! clock, no randomness but a seed. The [`transaction`] module knows no record.

mod accumulator;
mod batch;
mod budget;
mod completion;
mod error;
mod partitioner;
mod queue;
mod record;
mod sender;
mod sequence;
pub mod sync;
pub mod transaction;

pub use accumulator::{Accumulator, AccumulatorConfig, Appended, Clock, Refused, TopicQueues};
pub use batch::{ClosedBatch, SealJob, SealedJob};
pub use budget::{Budget, Ticket};
pub use completion::{Completion, Delivery, Settled};
pub use error::{Acknowledged, Advice, DeliveryError, DeliveryErrorKind, Persistence};
pub use partitioner::partition_for_key;
pub use queue::PartitionQueue;
pub use record::{Header, IntoPayload, Record};
pub use sender::{
    BatchId, PartitionSender, ProduceAnswer, SendBatch, SenderEvent, SenderFailure, WINDOW,
};
pub use sequence::SequenceTracker;
