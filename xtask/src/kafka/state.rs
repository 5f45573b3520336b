//! What is known of a cluster between two runs of xtask: a folder `target/kafka/NAME` of small text files.

use crate::failure::{Context, Failure, Result};
use crate::process::ProcessId;
use std::env;
use std::fmt;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

/// Bytes that must be free on a memory file system before logs are put there.
const SHM_FREE_BYTES_MIN: u64 = 2 << 30;
/// Long, because a machine that also compiles starves a broker for seconds, and a fenced broker would look like a fault of the
/// client.
pub(crate) const SESSION_TIMEOUT_MS: u32 = 18_000;

/// One cluster: what it was started as, and where its files are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Cluster {
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) transaction_version: Option<u8>,
    /// One broker port a node; node ids count from 1.
    pub(crate) ports: Vec<u16>,
    pub(crate) controller_ports: Vec<u16>,
    /// One a node, or none at all: what each node says to clients of its relay listener, where somebody else listens.
    pub(crate) relay_ports: Vec<u16>,
    /// Where those listeners really are.
    pub(crate) relay_targets: Vec<u16>,
    /// After so long without a heartbeat a node is fenced, and a killed one may not register again before.
    pub(crate) session_timeout_ms: u32,
    /// Whether SIGTERM lets a node hand over what it leads.
    pub(crate) controlled_shutdown: bool,
    /// Where the logs of the brokers are: in memory if the machine has room there.
    pub(crate) data: PathBuf,
}

impl Cluster {
    pub(crate) fn load(name: &str) -> Result<Option<Self>> {
        check_name(name)?;
        match fs::read_to_string(directory(name).join("cluster")) {
            Ok(text) => Self::from_text(name, &text).map(Some),
            Err(_) => Ok(None),
        }
    }

    /// Every cluster that left a state folder, running or not.
    pub(crate) fn all() -> Result<Vec<Self>> {
        let mut clusters = Vec::new();
        let Ok(entries) = fs::read_dir(root()) else {
            return Ok(clusters);
        };
        let mut names: Vec<String> = entries
            .flatten()
            .filter(|entry| entry.path().is_dir())
            .map(|entry| entry.file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        for name in names {
            clusters.extend(Self::load(&name)?);
        }
        Ok(clusters)
    }

    pub(crate) fn save(&self) -> Result<()> {
        let numbers = |ports: &[u16]| {
            let ports: Vec<String> = ports.iter().map(u16::to_string).collect();
            ports.join(",")
        };
        let text = format!(
            "version={}\ntransaction_version={}\nports={}\ncontroller_ports={}\nrelay_ports={}\nrelay_targets={}\n\
             session_timeout_ms={}\ncontrolled_shutdown={}\ndata={}\n",
            self.version,
            self.transaction_version
                .map(|v| v.to_string())
                .unwrap_or_default(),
            numbers(&self.ports),
            numbers(&self.controller_ports),
            numbers(&self.relay_ports),
            numbers(&self.relay_targets),
            self.session_timeout_ms,
            self.controlled_shutdown,
            self.data.display(),
        );
        write_whole(&self.directory().join("cluster"), &text)
    }

    fn from_text(name: &str, text: &str) -> Result<Self> {
        let field = |field: &str| {
            let mut lines = text.lines();
            lines
                .find_map(|line| line.strip_prefix(field)?.strip_prefix('='))
                .ok_or_else(|| Failure::new(format!("the state of cluster {name} has no {field}")))
        };
        let ports = |text: &str| -> Result<Vec<u16>> {
            text.split(',')
                .filter(|port| !port.is_empty())
                .map(|port| port.parse().context(|| format!("port {port}")))
                .collect()
        };
        Ok(Self {
            name: name.to_owned(),
            version: field("version")?.to_owned(),
            transaction_version: field("transaction_version")?.parse().ok(),
            ports: ports(field("ports")?)?,
            controller_ports: ports(field("controller_ports")?)?,
            relay_ports: ports(field("relay_ports").unwrap_or_default())?,
            relay_targets: ports(field("relay_targets").unwrap_or_default())?,
            session_timeout_ms: field("session_timeout_ms")
                .ok()
                .and_then(|text| text.parse().ok())
                .unwrap_or(SESSION_TIMEOUT_MS),
            controlled_shutdown: field("controlled_shutdown").is_ok_and(|text| text == "true"),
            data: PathBuf::from(field("data")?),
        })
    }

    pub(crate) fn bootstrap(&self) -> String {
        let addresses: Vec<String> = self
            .ports
            .iter()
            .map(|port| format!("127.0.0.1:{port}"))
            .collect();
        addresses.join(",")
    }

    pub(crate) fn directory(&self) -> PathBuf {
        directory(&self.name)
    }

    /// The folder with the configuration and the log of one node.
    pub(crate) fn node_directory(&self, node: usize) -> PathBuf {
        self.directory().join(format!("node-{node}"))
    }

    pub(crate) fn watch(&self, watched: &ProcessId) -> Result<()> {
        let watchers = self.directory().join("watched");
        fs::create_dir_all(&watchers).context(|| format!("create {}", watchers.display()))?;
        write_whole(
            &watchers.join(watched.pid.to_string()),
            &watched.to_string(),
        )
    }

    /// The processes this cluster lives for; empty means until it is stopped.
    pub(crate) fn watched(&self) -> Vec<ProcessId> {
        let Ok(entries) = fs::read_dir(self.directory().join("watched")) else {
            return Vec::new();
        };
        let texts = entries
            .flatten()
            .filter_map(|entry| fs::read_to_string(entry.path()).ok());
        texts.filter_map(|text| text.parse().ok()).collect()
    }

    pub(crate) fn process(&self, role: &str) -> Option<ProcessId> {
        let text = fs::read_to_string(self.directory().join(format!("{role}.pid"))).ok()?;
        text.parse().ok()
    }

    pub(crate) fn save_process(&self, role: &str, process: &ProcessId) -> Result<()> {
        let file = self.directory().join(format!("{role}.pid"));
        write_whole(&file, &process.to_string())
    }

    /// Forgets a process that has ended, so that whoever waits for its successor does not find it.
    pub(crate) fn forget_process(&self, role: &str) {
        let _ = fs::remove_file(self.directory().join(format!("{role}.pid")));
    }

    pub(crate) fn mark(&self, what: &str) -> Result<()> {
        write_whole(&self.directory().join(what), "")
    }

    pub(crate) fn unmark(&self, what: &str) {
        let _ = fs::remove_file(self.directory().join(what));
    }

    pub(crate) fn is_marked(&self, what: &str) -> bool {
        self.directory().join(what).exists()
    }

    pub(crate) fn is_supervised(&self) -> bool {
        self.process("supervisor")
            .is_some_and(|supervisor| supervisor.is_alive())
    }

    pub(crate) fn is_ready(&self) -> bool {
        self.is_supervised() && self.is_marked("ready") && !self.is_marked("stop")
    }

    /// Removes the data and the state. The brokers must have ended.
    pub(crate) fn remove(&self) {
        let _ = fs::remove_dir_all(&self.data);
        let _ = fs::remove_dir_all(self.directory());
    }
}

impl fmt::Display for Cluster {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "{}: Kafka {}, {} node(s), {}",
            self.name,
            self.version,
            self.ports.len(),
            self.bootstrap()
        )
    }
}

/// Held while a cluster of that name is started, joined or ended, so that these never overlap.
pub(crate) fn lock(name: &str) -> Result<File> {
    let file = lock_file(name)?;
    file.lock().context(|| format!("lock cluster {name}"))?;
    Ok(file)
}

/// The same, or None if another holds it.
pub(crate) fn try_lock(name: &str) -> Result<Option<File>> {
    let file = lock_file(name)?;
    Ok(file.try_lock().is_ok().then_some(file))
}

fn lock_file(name: &str) -> Result<File> {
    check_name(name)?;
    let root = root();
    fs::create_dir_all(&root).context(|| format!("create {}", root.display()))?;
    File::create(root.join(format!("{name}.lock")))
        .context(|| format!("create the lock of cluster {name}"))
}

/// Where a new cluster keeps its logs. Memory where there is room: the disk would be what is measured, not the client.
pub(crate) fn data_directory(name: &str) -> PathBuf {
    let shm = Path::new("/dev/shm");
    if free_bytes(shm).is_some_and(|free| free >= SHM_FREE_BYTES_MIN) {
        // Two checkouts on one machine may each have a cluster of this name.
        let place = root()
            .to_string_lossy()
            .bytes()
            .fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| {
                (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
            });
        return shm.join(format!("milena-kafka-{place:016x}-{name}"));
    }
    directory(name).join("data")
}

fn directory(name: &str) -> PathBuf {
    root().join(name)
}

/// `target/kafka`. Under cargo's target folder, since git ignores it and `cargo clean` removes it.
fn root() -> PathBuf {
    let target = env::var_os("CARGO_TARGET_DIR").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../target"),
        PathBuf::from,
    );
    let target = target.canonicalize().unwrap_or(target);
    target.join("kafka")
}

fn check_name(name: &str) -> Result<()> {
    let plain = name
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
    if plain && !name.is_empty() && !name.starts_with('.') {
        return Ok(());
    }
    Err(Failure::new(format!(
        "{name} is not a name for a cluster: letters, digits, - and _ are"
    )))
}

fn free_bytes(path: &Path) -> Option<u64> {
    let output = std::process::Command::new("df")
        .arg("-Pk")
        .arg(path)
        .output()
        .ok()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let kib: u64 = text
        .lines()
        .nth(1)?
        .split_whitespace()
        .nth(3)?
        .parse()
        .ok()?;
    Some(kib * 1024)
}

/// Written beside and renamed, so that nobody reads half of it.
fn write_whole(path: &Path, text: &str) -> Result<()> {
    let beside = path.with_extension("new");
    fs::write(&beside, text)
        .and_then(|()| fs::rename(&beside, path))
        .context(|| format!("write {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_cannot_leave_the_state_folder() {
        assert!(check_name("tv1-3.9.2").is_ok());
        for wrong in ["", "..", "a/b", ".hidden", "a b"] {
            assert!(check_name(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_state_without_the_later_fields_is_read_as_it_was_meant() {
        let text =
            "version=4.3.1\ntransaction_version=\nports=1,2,3\ncontroller_ports=4,5,6\ndata=d\n";
        let cluster = Cluster::from_text("x", text).expect("complete before there were relays");
        assert!(cluster.relay_ports.is_empty() && cluster.relay_targets.is_empty());
        assert_eq!(cluster.session_timeout_ms, SESSION_TIMEOUT_MS);
        assert!(!cluster.controlled_shutdown);
    }

    #[test]
    fn a_state_that_misses_a_field_says_which() {
        let error = Cluster::from_text("x", "version=4.3.1\n").expect_err("no ports");
        assert!(error.to_string().contains("transaction_version"), "{error}");
    }
}
