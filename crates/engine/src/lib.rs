//! Layer 3: the cores together. [`Engine`] owns every core and every [link](driver::LinkId) and decides nothing about Kafka's
//! semantics; the [`handles`] are what users hold. Both lie above one [`driver::Driver`], of which there are two: tokio's
//! and the simulation's.

mod command;
mod config;
pub mod driver;
mod engine;
pub mod handles;
mod job;
mod link;
mod reply;
mod router;
mod shared;

pub use config::{AddressMap, EngineConfig};
pub use engine::Engine;
pub use handles::ClientHandle;
#[cfg(feature = "plants")]
pub use milena_cluster::plants;

use std::sync::Arc;

/// An engine for `driver` to turn, and the handle from which users' handles are made. All chance comes from `seed`.
#[must_use]
pub fn start(
    config: EngineConfig,
    driver: Arc<dyn driver::Driver>,
    seed: u64,
) -> (Engine, ClientHandle) {
    let core = shared::Core::new(driver);
    (
        Engine::new(config, core.inbox(), seed),
        ClientHandle::new(core),
    )
}
