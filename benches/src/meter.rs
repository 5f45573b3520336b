//! What a phase costs the process: time, CPU, allocations, memory, sleeps.

use std::collections::BTreeMap;
use std::fs;
use std::time::{Duration, Instant};

use stats_alloc::Stats;

use crate::{ALLOCATOR, Failure};

/// The kernel's clock for `/proc/self/stat`: always 100 Hz for user space.
const TICK: Duration = Duration::from_millis(10);

/// The name of the engine's thread.
const ENGINE: &str = "milena";

/// The state at the start of a phase.
pub(crate) struct Meter {
    begun: Instant,
    allocated: Stats,
    ticks: Duration,
    threads: BTreeMap<u32, Thread>,
    resident_bytes: u64,
}

/// What a phase cost.
#[derive(Clone, Debug, Default)]
pub(crate) struct Cost {
    pub(crate) elapsed: Duration,
    /// User and system time of all threads, and of the engine's alone.
    pub(crate) cpu: Duration,
    pub(crate) cpu_engine: Duration,
    /// The same of the thread that the application runs on.
    pub(crate) cpu_application: Duration,
    /// Allocations, reallocations included.
    pub(crate) allocations: u64,
    pub(crate) allocated_bytes: u64,
    /// The most memory that was resident during the phase, and what was before it: the allocator keeps what earlier phases
    /// have given back.
    pub(crate) peak_bytes: u64,
    pub(crate) resident_bytes_before: u64,
    pub(crate) threads: usize,
    /// How often a thread slept: waited for a lock, a socket or work.
    pub(crate) sleeps: u64,
    /// How often the engine's thread did, and was woken.
    pub(crate) sleeps_engine: u64,
    /// How often a thread had to make room for another.
    pub(crate) preemptions: u64,
}

#[derive(Clone, Debug, Default)]
struct Thread {
    name: String,
    cpu: Duration,
    sleeps: u64,
    preemptions: u64,
}

impl Meter {
    pub(crate) fn start() -> Result<Self, Failure> {
        // 5 is the peak of the resident memory (proc(5)). Where it may not be reset, the peak is the one of all phases so far.
        let _ = fs::write("/proc/self/clear_refs", "5");
        Ok(Self {
            resident_bytes: memory("VmRSS:")?,
            threads: threads()?,
            ticks: process_cpu()?,
            allocated: ALLOCATOR.stats(),
            begun: now(),
        })
    }

    pub(crate) fn stop(self) -> Result<Cost, Failure> {
        let elapsed = now() - self.begun;
        let allocated = ALLOCATOR.stats() - self.allocated;
        let ticks = process_cpu()?.saturating_sub(self.ticks);
        let threads = threads()?;
        let count = |number: usize| u64::try_from(number).unwrap_or(u64::MAX);
        let mut cost = Cost {
            elapsed,
            allocations: count(allocated.allocations + allocated.reallocations),
            allocated_bytes: count(allocated.bytes_allocated),
            peak_bytes: memory("VmHWM:")?,
            resident_bytes_before: self.resident_bytes,
            threads: threads.len(),
            ..Cost::default()
        };
        let main = std::process::id();
        for (id, thread) in &threads {
            let before = self.threads.get(id).cloned().unwrap_or_default();
            let cpu = thread.cpu.saturating_sub(before.cpu);
            let sleeps = thread.sleeps.saturating_sub(before.sleeps);
            cost.cpu += cpu;
            cost.sleeps += sleeps;
            cost.preemptions += thread.preemptions.saturating_sub(before.preemptions);
            if thread.name == ENGINE {
                cost.cpu_engine += cpu;
                cost.sleeps_engine += sleeps;
            }
            if *id == main {
                cost.cpu_application += cpu;
            }
        }
        // Exact, but without the threads that have ended meanwhile; the ticks are coarse and have them.
        if self.threads.keys().any(|id| !threads.contains_key(id)) || cost.cpu.is_zero() {
            cost.cpu = ticks;
        }
        Ok(cost)
    }
}

#[allow(
    clippy::disallowed_methods,
    reason = "a program that measures, above every core"
)]
pub(crate) fn now() -> Instant {
    Instant::now()
}

fn threads() -> Result<BTreeMap<u32, Thread>, Failure> {
    let mut threads = BTreeMap::new();
    for entry in fs::read_dir("/proc/self/task")? {
        let folder = entry?.path();
        let id = folder.file_name().and_then(|name| name.to_str());
        let Some(id) = id.and_then(|id| id.parse().ok()) else {
            continue;
        };
        // It may have ended since the folder was listed.
        if let (Ok(status), Ok(times)) = (
            fs::read_to_string(folder.join("status")),
            fs::read_to_string(folder.join("schedstat")),
        ) {
            let nanos = times.split_whitespace().next().and_then(|n| n.parse().ok());
            let thread = Thread {
                name: field(&status, "Name:").to_owned(),
                cpu: Duration::from_nanos(nanos.unwrap_or(0)),
                sleeps: number(&status, "voluntary_ctxt_switches:"),
                preemptions: number(&status, "nonvoluntary_ctxt_switches:"),
            };
            threads.insert(id, thread);
        }
    }
    Ok(threads)
}

/// User and system time of the whole process, of threads that have ended, too.
fn process_cpu() -> Result<Duration, Failure> {
    let stat = fs::read_to_string("/proc/self/stat")?;
    // The name of the program, in brackets, may contain anything; the state follows as field 3.
    let fields = stat.rsplit_once(')').map_or("", |(_, fields)| fields);
    let times = fields.split_whitespace().skip(11).take(2);
    let ticks: u32 = times.filter_map(|ticks| ticks.parse::<u32>().ok()).sum();
    Ok(TICK * ticks)
}

fn memory(name: &str) -> Result<u64, Failure> {
    memory_of("self", name)
}

/// What another process has, in bytes.
pub(crate) fn memory_of(process: &str, name: &str) -> Result<u64, Failure> {
    let status = fs::read_to_string(format!("/proc/{process}/status"))?;
    Ok(number(&status, name) * 1024)
}

fn number(status: &str, name: &str) -> u64 {
    let value = field(status, name).split_whitespace().next();
    value.and_then(|value| value.parse().ok()).unwrap_or(0)
}

fn field<'a>(status: &'a str, name: &str) -> &'a str {
    let mut lines = status.lines();
    lines
        .find_map(|line| line.strip_prefix(name))
        .unwrap_or_default()
        .trim()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_done_between_start_and_stop_is_counted() {
        let meter = Meter::start().expect("proc is there");
        let begun = now();
        let mut kept = Vec::new();
        while begun.elapsed() < Duration::from_millis(50) {
            kept.push(Box::new(7_u64));
        }
        let cost = meter.stop().expect("proc is there");
        assert!(cost.allocations >= kept.len() as u64);
        assert!(cost.cpu >= Duration::from_millis(10), "{cost:?}");
        assert!(cost.elapsed >= Duration::from_millis(50));
        assert!(cost.peak_bytes > 1 << 20 && cost.threads >= 1);
    }

    #[test]
    fn a_field_of_a_similar_name_is_another_one() {
        let status =
            "nonvoluntary_ctxt_switches:\t7\nvoluntary_ctxt_switches:\t3\nVmHWM:\t 12 kB\n";
        assert_eq!(number(status, "voluntary_ctxt_switches:"), 3);
        assert_eq!(number(status, "VmHWM:"), 12);
    }
}
