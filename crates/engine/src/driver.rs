//! The seam: what the engine needs of the world, and how the world turns it.
//!
//! tokio and the simulation are the two implementations; neither holds a Kafka decision. Whatever decides lies above, so
//! what the simulation runs is what ships.

use std::fmt;
use std::future::Future;
use std::io::IoSlice;
use std::pin::Pin;
use std::time::Instant;

use bytes::BytesMut;
use milena_cluster::BrokerAddress;

pub use crate::job::{Job, JobDone};

/// A future that the driver makes.
pub type BoxFuture = Pin<Box<dyn Future<Output = ()> + Send>>;

/// What user futures and the engine need of the world.
pub trait Driver: Send + Sync + 'static {
    /// The monotonic clock: every deadline is taken from it.
    fn now(&self) -> Instant;
    /// The wall clock in ms since 1970, for record timestamps only.
    fn wall_clock(&self) -> i64;
    /// Makes the engine's turn come soon: [`crate::Engine::handle_inbox`], then its outputs. Callable from any thread.
    fn wake_engine(&self);
    /// A future that resolves once the deadline is past.
    fn sleep_until(&self, deadline: Instant) -> BoxFuture;
}

/// One connection, past or present; never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LinkId(pub u64);

/// What the engine wants of the driver.
#[derive(Debug)]
pub enum Action {
    /// Connect, then call [`crate::Engine::handle_connected`] or [`crate::Engine::handle_closed`].
    Connect {
        /// The link to be.
        link: LinkId,
        /// Where to.
        address: BrokerAddress,
    },
    /// The link has bytes to write: [`crate::Engine::write_slices`], then [`crate::Engine::handle_written`].
    Transmit {
        /// Which.
        link: LinkId,
    },
    /// Close the connection; nothing more is wanted of it, and no call is to follow.
    Close {
        /// Which.
        link: LinkId,
    },
    /// Run it, anywhere, then call [`crate::Engine::handle_job`].
    Run(Job),
    /// The client was dropped and everything is settled: the engine can go.
    Finished,
}

/// Why a connection is no more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CloseReason {
    /// It never came to be.
    ConnectFailed(String),
    /// The peer closed it, or the network did.
    Closed(String),
}

impl fmt::Display for CloseReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ConnectFailed(text) | Self::Closed(text) => f.write_str(text),
        }
    }
}

impl crate::Engine {
    /// Where the bytes read from `link` are to be appended; then call [`crate::Engine::handle_read`]. `None` for a link
    /// that is closed.
    ///
    /// The buffer has room for what the frame at hand still needs, within a bound, so reads are large and copy nothing.
    pub fn read_buffer(&mut self, link: LinkId) -> Option<&mut BytesMut> {
        self.router.read_buffer(link)
    }

    /// The bytes to offer to the socket of `link`, at most 64 slices. From now on their frames count as started: the broker
    /// may see them, whatever the socket says.
    pub fn write_slices<'a>(&'a mut self, link: LinkId, slices: &mut Vec<IoSlice<'a>>) {
        self.router.write_slices(link, slices);
    }
}
