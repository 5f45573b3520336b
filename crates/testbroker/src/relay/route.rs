//! A listener for one broker, and what the network between the two is like just now.

use std::{io, net::Ipv4Addr};

use tokio::sync::watch;

use super::state::Target;

/// What the network between the relay and one broker is like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum RelayPath {
    /// Everything passes.
    #[default]
    Open,
    /// Nothing listens: connections are refused, and those that stood are closed.
    Refused,
    /// Bytes are accepted and never passed on, and nothing is closed. What stands in this moment stays so for ever: a
    /// frame that lost a part of itself cannot be gone on with. Connections made later are served.
    BlackHole,
    /// So many bytes a second pass, each way and on each connection. At least 1.
    Throttled {
        /// The rate.
        bytes_per_second: u32,
    },
}

/// Where a listener leads. Its tasks share it.
#[derive(Debug)]
pub(super) struct Route {
    pub(super) target: Target,
    /// The relay's own port.
    pub(super) port: u16,
    state: watch::Sender<PathState>,
}

/// The path as it is, and how often it was cut off: who only looked at the path would miss one that came and went.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct PathState {
    pub(super) path: RelayPath,
    pub(super) refusals: u64,
    pub(super) black_holes: u64,
}

impl Route {
    pub(super) fn new(target: Target, port: u16) -> Self {
        Self {
            target,
            port,
            state: watch::Sender::default(),
        }
    }

    pub(super) fn state(&self) -> PathState {
        *self.state.borrow()
    }

    pub(super) fn set_path(&self, path: RelayPath) {
        self.state.send_modify(|state| {
            state.path = path;
            state.refusals += u64::from(path == RelayPath::Refused);
            state.black_holes += u64::from(path == RelayPath::BlackHole);
        });
    }

    /// Returns when the path is as `wanted` says; at once if it is already.
    pub(super) async fn until(&self, wanted: impl FnMut(&PathState) -> bool) {
        // It fails only when the sender is gone, which stands as long as `self` does.
        let _ = self.state.subscribe().wait_for(wanted).await;
    }
}

/// Listens on loopback; port 0 means any.
pub(super) fn listen(port: u16) -> io::Result<(std::net::TcpListener, u16)> {
    let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, port))?;
    listener.set_nonblocking(true)?;
    let port = listener.local_addr()?.port();
    Ok((listener, port))
}
