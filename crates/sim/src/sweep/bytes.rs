//! Every connection is closed at every byte, both ways; at some it is reset, stalls, is late, or damages the byte.

use super::case::LATE;
use super::{Case, Summary, Sweep};
use crate::golden::Outcome;
use crate::network::{AtByte, Break, Way};

/// At each so-manieth byte. Primes, so that they meet all places of a frame.
const RESETS: usize = 7;
const STALLS: usize = 11;
const LATES: usize = 13;
const FLIPS: usize = 3;

pub(super) fn make(sweep: &Sweep, golden: &Outcome, summary: &mut Summary) {
    summary
        .counts
        .push(("connections".to_owned(), golden.passed.len() as u64));
    let every = sweep.every.max(1);
    let mut cases = Vec::new();
    for (way, words) in [
        (Way::ToBroker, "towards the broker"),
        (Way::ToClient, "towards the client"),
    ] {
        let places = places(golden, way);
        let count = |what: &str| format!("{what} {words}");
        summary.counts.push((count("bytes"), places.len() as u64));
        let closes = at(&places, every, |_| Break::Close);
        summary.counts.push((count("closed"), closes.len() as u64));
        let resets = at(&places, every * RESETS, |_| Break::Reset);
        summary.counts.push((count("reset"), resets.len() as u64));
        let stalls = at(&places, every * STALLS, |_| Break::Stall);
        summary.counts.push((count("stalled"), stalls.len() as u64));
        let lates = at(&places, every * LATES, |_| Break::Late(LATE));
        summary.counts.push((count("late"), lates.len() as u64));
        cases.extend([closes, resets, stalls, lates].concat());
        if way == Way::ToClient {
            // Each bit in its turn, and all of them.
            let flips = at(&places, every * FLIPS, |number| match number % 9 {
                8 => Break::Flip(0xff),
                bit => Break::Flip(1 << bit),
            });
            summary.counts.push((count("damaged"), flips.len() as u64));
            cases.extend(flips);
        }
    }
    sweep.run_all(&cases, summary);
}

/// Every byte that passes this way, over all connections.
fn places(golden: &Outcome, way: Way) -> Vec<(usize, Way, usize)> {
    let each = |(connection, passed): (usize, &[usize; 2])| {
        let bytes = match way {
            Way::ToBroker => passed[0],
            Way::ToClient => passed[1],
        };
        (0..bytes).map(move |byte| (connection, way, byte))
    };
    golden.passed.iter().enumerate().flat_map(each).collect()
}

fn at(places: &[(usize, Way, usize)], every: usize, what: impl Fn(usize) -> Break) -> Vec<Case> {
    let case = |(number, (connection, way, byte)): (usize, &(usize, Way, usize))| {
        Case::Breaks(AtByte {
            connection: *connection,
            way: *way,
            byte: *byte,
            what: what(number),
        })
    };
    places.iter().step_by(every).enumerate().map(case).collect()
}
