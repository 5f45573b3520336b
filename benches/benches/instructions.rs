//! How many instructions batches and messages take, counted by valgrind and held against `instructions.txt`.
//!
//! Instructions are counted, not measured: a busy machine changes nothing, so a change of the code shows at once, and a count
//! that has grown by more than [`TOLERANCE`] fails. `MILENA_BLESS=1` writes the file anew. Without valgrind, or without the
//! program gungraun-runner in the version of the library, this says so and ends well.

use std::collections::BTreeMap;
use std::process::{Command, ExitCode, Stdio};

use serde_json::Value;

/// By how much a count may differ from the one on file: other releases of the compiler and of libc move it by this much.
const TOLERANCE: f64 = 0.05;
/// The counts on file: a name and a number a line.
const ON_FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/instructions.txt");
/// Tells this program, started by itself, to leave everything to gungraun.
const WITHIN: &str = "MILENA_BENCHES_COUNT";

/// What is counted: the work alone, without what sets it up.
#[allow(unused_qualifications, reason = "in what gungraun's macros make")]
mod counted {
    use std::hint::black_box;

    use bytes::Bytes;
    use gungraun::{library_benchmark, library_benchmark_group};
    use milena_benches::cases::records::{Records, Shape};
    use milena_benches::cases::{batch, message};
    use milena_wire::Payload;

    fn encoder(shape: Shape) -> (batch::Encoder, Records) {
        let records = Records::new(shape);
        let mut encoder = batch::Encoder::new();
        // The chunks are there from the second batch on.
        drop(encoder.encode(&records));
        (encoder, records)
    }

    fn encoded(shape: Shape) -> Bytes {
        let (mut encoder, records) = encoder(shape);
        encoder.encode(&records).to_bytes()
    }

    fn request() -> milena_wire::messages::ProduceRequest<'static> {
        message::produce_request(Payload::from(encoded(Shape::LARGE)))
    }

    #[library_benchmark]
    #[bench::small(encoder(Shape::SMALL))]
    #[bench::large(encoder(Shape::LARGE))]
    #[bench::headers(encoder(Shape::HEADERS))]
    fn encode((mut encoder, records): (batch::Encoder, Records)) -> Payload {
        black_box(encoder.encode(black_box(&records)))
    }

    #[library_benchmark]
    #[bench::small(encoded(Shape::SMALL))]
    #[bench::large(encoded(Shape::LARGE))]
    #[bench::headers(encoded(Shape::HEADERS))]
    fn decode(bytes: Bytes) -> u64 {
        black_box(batch::decode(black_box(&bytes)))
    }

    #[library_benchmark]
    #[bench::one(request())]
    fn produce(request: milena_wire::messages::ProduceRequest<'static>) -> milena_wire::Frame {
        black_box(message::encode_produce(black_box(&request)))
    }

    #[library_benchmark]
    #[bench::one(message::metadata_frame())]
    fn metadata(frame: Bytes) -> usize {
        black_box(message::decode_metadata(black_box(&frame)).topics.len())
    }

    library_benchmark_group!(
        name = wire,
        benchmarks = [encode, decode, produce, metadata]
    );
    gungraun::main!(library_benchmark_groups = wire);

    pub(super) fn run() {
        main();
    }
}

fn main() -> ExitCode {
    let counts_now = std::env::args().any(|argument| argument == "--gungraun-run");
    if counts_now || std::env::var_os(WITHIN).is_some() {
        counted::run();
        return ExitCode::SUCCESS;
    }
    for program in ["valgrind", "gungraun-runner"] {
        if !is_there(program) {
            println!("{program} is not there: no instructions are counted");
            return ExitCode::SUCCESS;
        }
    }
    match count().and_then(|counted| compare(&counted)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("error: {failure}");
            ExitCode::FAILURE
        }
    }
}

fn is_there(program: &str) -> bool {
    let mut asked = Command::new(program);
    asked
        .arg("--version")
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    asked.status().is_ok()
}

/// Lets gungraun count, and reads what it prints.
fn count() -> Result<BTreeMap<String, u64>, String> {
    let this = std::env::current_exe().map_err(|error| error.to_string())?;
    let told = Command::new(this)
        .args(std::env::args().skip(1))
        .arg("--output-format=json")
        .env(WITHIN, "1")
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| error.to_string())?;
    if !told.status.success() {
        return Err("gungraun has failed".to_owned());
    }
    let summaries = serde_json::Deserializer::from_slice(&told.stdout).into_iter::<Value>();
    let mut counted = BTreeMap::new();
    for summary in summaries {
        let summary = summary.map_err(|error| error.to_string())?;
        let text = |key: &str| summary[key].as_str().unwrap_or_default().to_owned();
        let name = format!("{} {}", text("function_name"), text("id"));
        let count = instructions(&summary["profiles"]);
        counted.insert(name, count.ok_or("gungraun's summary has no count")?);
    }
    Ok(counted)
}

/// The count of this run in a summary, which has that of the run before beside it.
fn instructions(profiles: &Value) -> Option<u64> {
    let total = &profiles.as_array()?.first()?["data"]["total"];
    total["metrics"]["Ir"]["values"]["new"].as_u64()
}

fn compare(counted: &BTreeMap<String, u64>) -> Result<(), String> {
    if std::env::var_os("MILENA_BLESS").is_some() {
        let lines = counted
            .iter()
            .map(|(name, count)| format!("{name} {count}\n"));
        return std::fs::write(ON_FILE, lines.collect::<String>())
            .map_err(|error| error.to_string());
    }
    let on_file = std::fs::read_to_string(ON_FILE).map_err(|error| error.to_string())?;
    let on_file: BTreeMap<&str, u64> = on_file
        .lines()
        .filter_map(|line| line.rsplit_once(' '))
        .filter_map(|(name, count)| Some((name, count.parse().ok()?)))
        .collect();
    let mut findings = Vec::new();
    for (name, count) in counted {
        let Some(before) = on_file.get(name.as_str()) else {
            findings.push(format!("{name} is not on file"));
            continue;
        };
        let change = *count as f64 / *before as f64 - 1.0;
        println!(
            "{name:<20} {count:>12} instructions, {:+.2} %",
            100.0 * change
        );
        if change > TOLERANCE {
            findings.push(format!(
                "{name} takes {count} instructions, and took {before}"
            ));
        }
        if change < -TOLERANCE {
            println!("    fewer by more than the tolerance: MILENA_BLESS=1 puts it on file");
        }
    }
    // Or a run that counts nothing would find nothing.
    let missing = on_file.keys().filter(|name| !counted.contains_key(**name));
    findings.extend(missing.map(|name| format!("{name} is on file and was not counted")));
    if findings.is_empty() {
        return Ok(());
    }
    Err(findings.join("; "))
}
