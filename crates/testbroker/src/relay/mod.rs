//! A small TCP relay in front of any broker, real or embedded, that breaks what a network breaks: it loses requests and
//! answers, holds them, delivers them late, and cuts connections, at exactly the request a test names.
//!
//! ```no_run
//! use milena_testbroker::relay::{ApiKey, Relay, RelayAction, RelayRule};
//!
//! let relay = Relay::start()?;
//! let (host, port) = relay.route("127.0.0.1", 9092);              // give this to the client, and `route` as its `address_map`
//! let lost = relay.add(RelayRule::on(ApiKey::END_TXN).nth(1), RelayAction::LoseAnswer);
//! // ... the client commits through `host:port` ...
//! assert_eq!(relay.fired(lost), 1);
//! # Ok::<(), std::io::Error>(())
//! ```
//!
//! The relay reads nothing of a frame but its length, API key and correlation id; the rest streams through in pieces of
//! up to 64 KiB. Kafka answers a connection's requests in order, so an answer belongs to the oldest request whose
//! correlation id it carries; older ones still waiting then (`acks=0`) are never answered. TLS is not understood.

mod frames;
mod pump;
mod route;
mod rules;
mod state;
#[cfg(test)]
mod tests;

use std::{
    fmt, io,
    net::Ipv4Addr,
    sync::Arc,
    thread::{self, JoinHandle},
};

pub use milena_wire::ApiKey;
use tokio::{
    runtime::{Builder, Handle},
    sync::oneshot,
};

use self::{
    pump::accept,
    route::{Route, listen},
    state::{Shared, State, Target},
};
pub use self::{
    route::RelayPath,
    rules::{HoldToken, RelayAction, RelayRule, RelayRuleId},
};

/// A running relay: a thread of its own with its listeners on loopback.
///
/// Clones are handles of the same relay. When the last one is dropped, every connection and listener is closed.
#[derive(Clone)]
pub struct Relay {
    running: Arc<Running>,
}

impl Relay {
    /// Starts the relay's thread. It listens nowhere until [`route`](Self::route) is called.
    pub fn start() -> io::Result<Self> {
        let runtime = Builder::new_current_thread()
            .enable_io()
            .enable_time()
            .build()?;
        let handle = runtime.handle().clone();
        let (stop, stopped) = oneshot::channel::<()>();
        let thread = thread::Builder::new()
            .name("milena-relay".into())
            .spawn(move || {
                // Ends when `stop` is dropped; dropping the runtime then closes every socket.
                let _ = runtime.block_on(stopped);
            })?;
        let running = Running {
            shared: Arc::new(Shared::default()),
            handle,
            stop: Some(stop),
            thread: Some(thread),
        };
        Ok(Self {
            running: Arc::new(running),
        })
    }

    /// The relay's own address for the broker at `host:port`, opened when first asked for.
    ///
    /// Meant as a client's address map: quick, from any thread, the same answer each time. An address that is already
    /// the relay's own is returned unchanged, so mapping twice is harmless. If no listener can be opened (no file
    /// descriptors left) the broker's own address is returned, and faults for it do not fire.
    pub fn route(&self, host: &str, port: u16) -> (String, u16) {
        let local = |port| (Ipv4Addr::LOCALHOST.to_string(), port);
        let target = (host.to_owned(), port);
        let mut state = self.running.shared.state();
        if let Some(port) = state.route(&target) {
            return local(port);
        }
        match self.open(&mut state, target.clone(), 0) {
            Ok(port) => local(port),
            Err(_) => target,
        }
    }

    /// Listens on `port` for the broker at `host:target_port`; port 0 means any. Returns the relay's port.
    ///
    /// For brokers that advertise the relay's address, as brokers behind a real proxy do: every client goes through it then,
    /// and none needs an address map. A broker has one such port; asked for again, the first one is returned.
    pub fn listen(&self, port: u16, host: &str, target_port: u16) -> io::Result<u16> {
        let target = (host.to_owned(), target_port);
        let mut state = self.running.shared.state();
        match state.route(&target) {
            Some(port) => Ok(port),
            None => self.open(&mut state, target, port),
        }
    }

    fn open(&self, state: &mut State, target: Target, port: u16) -> io::Result<u16> {
        let (listener, port) = listen(port)?;
        let route = Arc::new(Route::new(target, port));
        state.add_route(Arc::clone(&route));
        let shared = Arc::clone(&self.running.shared);
        self.running.handle.spawn(accept(listener, route, shared));
        Ok(port)
    }

    /// Makes the network to the broker at `host:port` so, until it is set otherwise. Returns how many connections stood on
    /// it; `None` if the relay does not lead there.
    pub fn set_path(&self, host: &str, port: u16, path: RelayPath) -> Option<usize> {
        let state = self.running.shared.state();
        state.set_path(&(host.to_owned(), port), path)
    }

    /// Adds a rule. Rules are counted from here on; a request may match several, and then all their actions apply.
    pub fn add(&self, rule: RelayRule, action: RelayAction) -> RelayRuleId {
        self.running.shared.state().rules.add(rule, action)
    }

    /// Adds several actions for the same requests: added one by one they could count differently, since requests go on
    /// coming in between.
    pub fn add_all(&self, rule: &RelayRule, actions: &[RelayAction]) -> Vec<RelayRuleId> {
        let mut state = self.running.shared.state();
        let add = |&action| state.rules.add(rule.clone(), action);
        actions.iter().map(add).collect()
    }

    /// Takes a rule out. What it has already done to requests under way stays done.
    pub fn remove(&self, id: RelayRuleId) {
        self.running.shared.state().rules.remove(id);
    }

    /// How often the rule's fault has happened (an answer is lost when the broker has given it, not before).
    pub fn fired(&self, id: RelayRuleId) -> u64 {
        self.running.shared.state().rules.fired(id)
    }

    /// Lets all answers and copies held under `token` go, and takes the rules that held them out.
    pub fn release(&self, token: HoldToken) {
        self.running.shared.release(token);
    }

    /// Closes every connection now, in both directions; returns how many there were. New ones are accepted at once.
    pub fn cut_all(&self) -> usize {
        self.running.shared.state().cut_all()
    }

    /// How many connections stand.
    pub fn connections(&self) -> usize {
        self.running.shared.state().connections()
    }

    /// Requests of this API seen so far, those lost on purpose included.
    pub fn requests(&self, api: ApiKey) -> u64 {
        self.running.shared.state().requests(api)
    }

    /// Requests of this API under way whose answers are held.
    pub fn pending(&self, api: ApiKey) -> u64 {
        self.running.shared.state().pending(api)
    }
}

impl fmt::Debug for Relay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Relay")
            .field("connections", &self.connections())
            .finish_non_exhaustive()
    }
}

/// What the last handle stops. The relay's tasks hold `Shared` only, so that none of them keeps this alive.
struct Running {
    shared: Arc<Shared>,
    handle: Handle,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // A panic of the relay's thread has been reported there; here it must not become an abort.
            let _ = thread.join();
        }
    }
}
