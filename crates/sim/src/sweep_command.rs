//! `milena-sim sweep`: the sweeps over the golden run, and one case of them in words.

use std::process::ExitCode;

use milena_sim::sweep::{Kind, Sweep, SweepProtocol, Told};

const USAGE: &str = "usage: milena-sim sweep cancel|bytes [options]

  --protocol P  tv1, tv2 or both (both)
  --every K     only each K-th event or byte (1)
  --pairs N     so many runs with two futures dropped, chosen by lot (0)
  --seed S      another order of what is due at the same time (1)
  --threads T   so many runs at a time (2)
  --case C      only this case
  --trace       tell the run of the case in words; without a case, the golden run";

/// Lines told of a run that failed.
const TAIL: usize = 150;

pub(crate) fn run(arguments: impl Iterator<Item = String>) -> ExitCode {
    let arguments = match Arguments::parse(arguments) {
        Ok(arguments) => arguments,
        Err(message) => {
            eprintln!("{message}\n\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    std::panic::set_hook(Box::new(|info| eprintln!("{info}")));
    let mut all_good = true;
    for protocol in &arguments.protocols {
        let sweep = Sweep {
            protocol: *protocol,
            ..arguments.sweep.clone()
        };
        all_good &= if arguments.trace || arguments.case.is_some() {
            match sweep.tell(arguments.case.as_deref()) {
                Ok(told) => print(&told, if arguments.trace { usize::MAX } else { 0 }),
                Err(message) => {
                    eprintln!("{message}\n\n{USAGE}");
                    return ExitCode::from(2);
                }
            }
        } else {
            make(&sweep)
        };
    }
    ExitCode::from(u8::from(!all_good))
}

/// Whether every run of the sweep was exact.
fn make(sweep: &Sweep) -> bool {
    let summary = sweep.make();
    let kind = match sweep.kind {
        Kind::Cancel => "cancel",
        Kind::Bytes => "bytes",
    };
    println!("sweep {kind}, {}\n{summary}", sweep.protocol.name());
    let Some(failure) = summary.failure else {
        return true;
    };
    let case = (!failure.case.is_empty()).then_some(failure.case.as_str());
    if let Ok(told) = sweep.tell(case) {
        print(&told, TAIL);
    }
    for wrong in &failure.failures {
        println!("FAILED {}: {wrong}", failure.words);
    }
    let (protocol, seed) = (sweep.protocol.name(), sweep.seed);
    let again = case.map_or_else(String::new, |case| format!(" --case {case}"));
    println!(
        "\nAll of it: milena-sim sweep {kind} --protocol {protocol} --seed {seed}{again} --trace"
    );
    false
}

fn print(told: &Told, lines_max: usize) -> bool {
    let from = told.lines.len().saturating_sub(lines_max);
    told.lines[from..]
        .iter()
        .for_each(|line| println!("{line}"));
    println!("{}", told.words);
    for failure in &told.failures {
        println!("FAILED {failure}");
    }
    told.failures.is_empty()
}

struct Arguments {
    protocols: Vec<SweepProtocol>,
    sweep: Sweep,
    case: Option<String>,
    trace: bool,
}

impl Arguments {
    fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Self, String> {
        let kind = match arguments.next().as_deref() {
            Some("cancel") => Kind::Cancel,
            Some("bytes") => Kind::Bytes,
            _ => return Err("sweep over what?".to_owned()),
        };
        let mut parsed = Self {
            protocols: vec![SweepProtocol::Tv1, SweepProtocol::Tv2],
            sweep: Sweep {
                threads: 2,
                ..Sweep::new(kind, SweepProtocol::Tv2)
            },
            case: None,
            trace: false,
        };
        while let Some(argument) = arguments.next() {
            if argument == "--trace" {
                parsed.trace = true;
                continue;
            }
            let value = arguments.next().unwrap_or_default();
            let number = || {
                let text = &value;
                text.parse::<usize>()
                    .map_err(|_| format!("{argument} wants a number, not {text:?}"))
            };
            match argument.as_str() {
                "--protocol" => parsed.protocols = protocols(&value)?,
                "--every" => parsed.sweep.every = number()?,
                "--pairs" => parsed.sweep.pairs = number()?,
                "--seed" => parsed.sweep.seed = number()? as u64,
                "--threads" => parsed.sweep.threads = number()?,
                "--case" => parsed.case = Some(value),
                other => return Err(format!("{other:?} is not known")),
            }
        }
        Ok(parsed)
    }
}

fn protocols(name: &str) -> Result<Vec<SweepProtocol>, String> {
    match name {
        "tv1" => Ok(vec![SweepProtocol::Tv1]),
        "tv2" => Ok(vec![SweepProtocol::Tv2]),
        "both" => Ok(vec![SweepProtocol::Tv1, SweepProtocol::Tv2]),
        other => Err(format!("{other:?} is no protocol")),
    }
}
