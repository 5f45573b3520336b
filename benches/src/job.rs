//! One measured phase, and its figures.

use crate::meter::Cost;

/// How often a record may allocate. Batches and requests do, records must not.
pub(crate) const ALLOCATIONS_MAX: f64 = 0.1;

/// The same for produced records of 1 KiB. Sixteen of them fill a chunk, which is two allocations where it is new, and none where it served
/// an earlier batch: with chunks that are not used again, a record would take 0.19.
pub(crate) const ALLOCATIONS_MAX_1K: f64 = 0.15;

/// The figure that `--check` holds.
const ALLOCATIONS: &str = "allocations_per_record";

/// A phase that was measured.
#[derive(Clone, Debug)]
pub(crate) struct Job {
    pub(crate) name: String,
    pub(crate) figures: Vec<(&'static str, f64)>,
    /// How often a record may allocate, if that is held.
    pub(crate) allocations_max: Option<f64>,
}

impl Job {
    /// The figures of a phase that moved `records`, each of which may allocate `allocations_max` times.
    pub(crate) fn of_records(
        name: String,
        records: u64,
        cost: &Cost,
        allocations_max: f64,
    ) -> Self {
        let records = ratio(records);
        let each = |count: u64| ratio(count) / records;
        let nanos = |time: std::time::Duration| time.as_secs_f64() * 1e9 / records;
        let figures = vec![
            ("records_per_s", records / cost.elapsed.as_secs_f64()),
            ("cpu_ns_per_record", nanos(cost.cpu)),
            ("cpu_ns_per_record_engine", nanos(cost.cpu_engine)),
            ("cpu_ns_per_record_application", nanos(cost.cpu_application)),
            (ALLOCATIONS, each(cost.allocations)),
            ("allocated_bytes_per_record", each(cost.allocated_bytes)),
            ("sleeps_per_1000_records", 1e3 * each(cost.sleeps)),
            (
                "engine_wakes_per_1000_records",
                1e3 * each(cost.sleeps_engine),
            ),
            ("preemptions_per_1000_records", 1e3 * each(cost.preemptions)),
            ("peak_mib", mebibytes(cost.peak_bytes)),
            ("mib_before", mebibytes(cost.resident_bytes_before)),
            ("threads", cost.threads as f64),
        ];
        Self {
            name,
            figures,
            allocations_max: Some(allocations_max),
        }
    }

    /// How often a record allocated, if that is too often.
    pub(crate) fn excess(&self) -> Option<f64> {
        let allocations = self.figures.iter().find(|(name, _)| *name == ALLOCATIONS);
        let (_, value) = *allocations?;
        (value >= self.allocations_max?).then_some(value)
    }
}

/// A count as a figure; exact up to 2^53.
pub(crate) fn ratio(count: u64) -> f64 {
    count as f64
}

pub(crate) fn mebibytes(bytes: u64) -> f64 {
    ratio(bytes) / 1_048_576.0
}
