//! From what a machine has found to what everybody clones.

use std::collections::{BTreeSet, BinaryHeap};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::{Target, campaign, files, fuzz};
use crate::failure::{Context, Failure, Result};

/// What the inputs of a target may be in all; `cargo test` holds the bound on all of them together, 400 KiB.
const BOUNDS: Bounds = Bounds {
    inputs: 100,
    bytes: 30 * 1024,
};
/// libFuzzer calls an input by its SHA-1, in hexadecimal digits. What somebody gave a name, a finding for one, stays.
const HASH_LEN: usize = 40;
const PATIENCE: Duration = Duration::from_secs(1800);

#[derive(Clone, Copy, Debug, PartialEq)]
struct Bounds {
    inputs: usize,
    bytes: u64,
}

/// An input and what it reaches.
#[derive(Clone, Debug, PartialEq)]
struct Input {
    path: PathBuf,
    len: u64,
    /// libFuzzer's numbers for branches and comparisons.
    reaches: Vec<u32>,
}

/// Chooses those of all known inputs that together reach the most, and puts them in place of what is checked in.
pub(super) fn minimise(targets: &[Target]) -> Result<()> {
    println!("\n{:<16} {:>6} {:>8}", "corpus", "inputs", "bytes");
    for target in targets {
        let left = one(target)?;
        println!("{:<16} {:>6} {:>8}", target.name, left.inputs, left.bytes);
    }
    println!("in {}", fuzz().join("corpus").display());
    Ok(())
}

fn one(target: &Target) -> Result<Bounds> {
    let inputs = known(target)?;
    let mut kept = Bounds {
        inputs: 0,
        bytes: 0,
    };
    for path in files(&target.corpus)?.iter().filter(|path| is_named(path)) {
        kept.inputs += 1;
        kept.bytes += path
            .metadata()
            .context(|| path.display().to_string())?
            .len();
    }
    let chosen = choose(inputs, kept, BOUNDS);
    // Read before anything is removed: what is chosen may lie there.
    let mut contents = Vec::new();
    for input in &chosen {
        let content = fs::read(&input.path).context(|| input.path.display().to_string())?;
        contents.push((input.path.file_name().unwrap_or_default(), content));
    }
    for path in files(&target.corpus)? {
        if !is_named(&path) {
            fs::remove_file(&path).context(|| path.display().to_string())?;
        }
    }
    for (name, content) in contents {
        let path = target.corpus.join(name);
        fs::write(&path, content).context(|| path.display().to_string())?;
    }
    Ok(Bounds {
        inputs: kept.inputs + chosen.len(),
        bytes: kept.bytes + chosen.iter().map(|input| input.len).sum::<u64>(),
    })
}

fn is_named(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    name.len() != HASH_LEN || !name.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// Every input that is checked in or in the scratch corpus, and what it reaches: libFuzzer writes that down when it merges.
fn known(target: &Target) -> Result<Vec<Input>> {
    let merged = target.scratch.with_extension("merged");
    let control = target.scratch.with_extension("control");
    for path in [&merged, &control] {
        // Left by a run that was cut off, or not there at all.
        let _ = fs::remove_dir_all(path);
        let _ = fs::remove_file(path);
    }
    fs::create_dir_all(&merged).context(|| merged.display().to_string())?;
    let mut child = campaign::program(target)?
        .args(["-set_cover_merge=1", "-use_counters=0"])
        .arg(format!("-merge_control_file={}", control.display()))
        .args([&merged, &target.corpus, &target.scratch])
        .spawn()
        .context(|| format!("{} could not be started", target.program.display()))?;
    let merges = campaign::wait(&mut child, PATIENCE)?;
    let text = fs::read_to_string(&control).context(|| control.display().to_string());
    let _ = fs::remove_dir_all(&merged);
    let _ = fs::remove_file(&control);
    if !merges {
        return Err(Failure::new(format!(
            "{}: its corpus cannot be merged, see {}",
            target.name,
            target.log.display()
        )));
    }
    let inputs = parse(&text?);
    // An input of no bytes is tried without a file, and one that stays need not be chosen.
    let inputs = inputs.into_iter().filter(|input| {
        let fits = (1..campaign::INPUT_BYTES_MAX as u64).contains(&input.len);
        fits && !is_named(&input.path)
    });
    Ok(inputs.collect())
}

/// Reads libFuzzer's control file: how many inputs, how many of these are in the first folder, their paths, then `STARTED 0 123` (input and
/// length) and `FT 0 7 9` (input and what it reaches) for each.
fn parse(text: &str) -> Vec<Input> {
    let mut lines = text.lines();
    let count = lines.next().and_then(|line| line.parse().ok());
    lines.next();
    let paths = lines.by_ref().take(count.unwrap_or_default());
    let mut inputs: Vec<Input> = paths
        .map(|path| Input {
            path: path.into(),
            len: 0,
            reaches: Vec::new(),
        })
        .collect();
    for line in lines {
        let mut words = line.split_whitespace();
        let kind = words.next();
        let index = words.next().and_then(|word| word.parse::<usize>().ok());
        let Some(input) = index.and_then(|index| inputs.get_mut(index)) else {
            continue;
        };
        match kind {
            Some("STARTED") => {
                input.len = words
                    .next()
                    .and_then(|word| word.parse().ok())
                    .unwrap_or_default()
            }
            Some("FT") => input.reaches = words.filter_map(|word| word.parse().ok()).collect(),
            _ => {}
        }
    }
    inputs
}

/// Again and again the input that adds the most, the shortest of equals, as long as there is room beside what is `kept`.
fn choose(inputs: Vec<Input>, kept: Bounds, bounds: Bounds) -> Vec<Input> {
    let mut reached: BTreeSet<u32> = BTreeSet::new();
    let mut chosen = Vec::new();
    let mut left = Bounds {
        inputs: bounds.inputs.saturating_sub(kept.inputs),
        bytes: bounds.bytes.saturating_sub(kept.bytes),
    };
    let mut by_gain: BinaryHeap<_> = (inputs.iter().enumerate())
        .map(|(index, input)| (input.reaches.len(), std::cmp::Reverse(input.len), index))
        .collect();
    while let Some((gain, len, index)) = by_gain.pop() {
        let input = &inputs[index];
        if gain == 0 || left.inputs == 0 {
            break;
        }
        if input.len > left.bytes {
            continue;
        }
        // What it adds has only fallen since it was counted: if that is still true, nothing else adds more.
        let adds = input
            .reaches
            .iter()
            .filter(|it| !reached.contains(it))
            .count();
        if adds < gain {
            by_gain.push((adds, len, index));
            continue;
        }
        reached.extend(&input.reaches);
        left.inputs -= 1;
        left.bytes -= input.len;
        chosen.push(input.clone());
    }
    chosen
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOTHING: Bounds = Bounds {
        inputs: 0,
        bytes: 0,
    };

    fn input(name: &str, len: u64, reaches: &[u32]) -> Input {
        Input {
            path: name.into(),
            len,
            reaches: reaches.to_vec(),
        }
    }

    fn names(chosen: &[Input]) -> Vec<&str> {
        chosen
            .iter()
            .filter_map(|input| input.path.to_str())
            .collect()
    }

    #[test]
    fn only_what_has_no_name_of_its_own_is_replaced() {
        assert!(is_named(Path::new(
            "corpus/zstd/found-limit-within-a-frame"
        )));
        assert!(!is_named(Path::new(
            "corpus/lz4/0734c01eaf09d6ba98d3d457bdb8c057b7682605"
        )));
    }

    #[test]
    fn what_libfuzzer_writes_down_is_read() {
        let text = "2\n0\nc/one\nc/two\nSTARTED 0 12\nFT 0 1 2 3\nCOV 0 9\nSTARTED 1 4\nFT 1 3\n";
        let expected = [input("c/one", 12, &[1, 2, 3]), input("c/two", 4, &[3])];
        assert_eq!(parse(text), expected);
        assert!(parse("").is_empty());
    }

    #[test]
    fn the_inputs_that_reach_the_most_are_chosen_and_none_for_nothing() {
        let inputs = vec![
            input("part", 1, &[1, 2]),
            input("most", 9, &[1, 2, 3]),
            input("longer", 9, &[4, 5]),
            input("shorter", 3, &[5, 4]),
            input("nothing", 1, &[]),
        ];
        let bounds = Bounds {
            inputs: 10,
            bytes: 100,
        };
        assert_eq!(names(&choose(inputs, NOTHING, bounds)), ["most", "shorter"]);
    }

    #[test]
    fn neither_count_nor_bytes_go_beyond_their_bounds() {
        let inputs = || {
            (1..10)
                .map(|n| input(&n.to_string(), n.into(), &[n]))
                .collect()
        };
        let few = Bounds {
            inputs: 3,
            bytes: 100,
        };
        assert_eq!(names(&choose(inputs(), NOTHING, few)), ["1", "2", "3"]);
        let one = Bounds {
            inputs: 2,
            bytes: 0,
        };
        assert_eq!(names(&choose(inputs(), one, few)), ["1"]);
        let short = Bounds {
            inputs: 100,
            bytes: 7,
        };
        assert_eq!(names(&choose(inputs(), NOTHING, short)), ["1", "2", "3"]);
    }
}
