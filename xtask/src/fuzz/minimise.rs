//! From what a machine has found to what everybody clones.

use std::fs;
use std::path::Path;
use std::time::Duration;

use super::{Target, campaign, files, fuzz};
use crate::failure::{Context, Failure, Result};

/// What the inputs of a target may have in all; `cargo test` holds the bound on all of them together, 400 KiB.
const CORPUS_BYTES_MAX: u64 = 30 * 1024;
/// Inputs that once broke a target begin with this, and stay.
const FOUND: &str = "found-";
const PATIENCE: Duration = Duration::from_secs(1800);

/// Chooses the fewest inputs that reach what all known ones reach, and keeps the smallest of these that fit.
pub(super) fn minimise(targets: &[Target]) -> Result<()> {
    println!("\n{:<16} {:>6} {:>8}", "corpus", "inputs", "bytes");
    for target in targets {
        let (inputs, bytes) = one(target)?;
        println!("{:<16} {inputs:>6} {bytes:>8}", target.name);
    }
    println!("in {}", fuzz().join("corpus").display());
    Ok(())
}

/// How many inputs, of how many bytes, are left.
fn one(target: &Target) -> Result<(usize, u64)> {
    let merged = target.scratch.with_extension("merged");
    if merged.exists() {
        fs::remove_dir_all(&merged).context(|| merged.display().to_string())?;
    }
    fs::create_dir_all(&merged).context(|| merged.display().to_string())?;
    let mut child = campaign::program(target)?
        .args(["-set_cover_merge=1", "-use_counters=0"])
        .args([&merged, &target.corpus, &target.scratch])
        .spawn()
        .context(|| format!("{} could not be started", target.program.display()))?;
    if !campaign::wait(&mut child, PATIENCE)? {
        return Err(Failure::new(format!(
            "{}: its corpus cannot be merged, see {}",
            target.name,
            target.log.display()
        )));
    }
    let left = replace(&merged, &target.corpus)?;
    fs::remove_dir_all(&merged).context(|| merged.display().to_string())?;
    Ok(left)
}

/// Puts what fits of `merged` in place of what is in `corpus`.
fn replace(merged: &Path, corpus: &Path) -> Result<(usize, u64)> {
    let (mut inputs, mut bytes) = (0, 0);
    for path in files(corpus)? {
        let name = path.file_name().map(|name| name.to_string_lossy());
        if name.is_some_and(|name| name.starts_with(FOUND)) {
            (inputs, bytes) = (inputs + 1, bytes + len(&path)?);
        } else {
            fs::remove_file(&path).context(|| path.display().to_string())?;
        }
    }
    let mut merged = files(merged)?
        .into_iter()
        .map(|path| Ok((len(&path)?, path)))
        .collect::<Result<Vec<_>>>()?;
    merged.sort();
    for (len, path) in merged {
        // An input of no bytes is tried without a file.
        if len == 0 || len >= campaign::INPUT_BYTES_MAX as u64 || bytes + len > CORPUS_BYTES_MAX {
            continue;
        }
        let name = path.file_name().unwrap_or_default();
        fs::copy(&path, corpus.join(name)).context(|| path.display().to_string())?;
        (inputs, bytes) = (inputs + 1, bytes + len);
    }
    Ok((inputs, bytes))
}

fn len(path: &Path) -> Result<u64> {
    let metadata = path.metadata().context(|| path.display().to_string())?;
    Ok(metadata.len())
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    #[test]
    fn the_smallest_inputs_that_fit_replace_all_but_findings() {
        let folder = std::env::temp_dir().join(format!("milena-minimise-{}", std::process::id()));
        let (merged, corpus) = (folder.join("merged"), folder.join("corpus"));
        let write = |path: &Path, len: usize| fs::write(path, vec![1; len]).expect("room");
        for folder in [&merged, &corpus] {
            fs::create_dir_all(folder).expect("room");
        }
        write(&corpus.join("found-once"), 10);
        write(&corpus.join("old"), 5);
        write(&merged.join("none"), 0);
        write(&merged.join("small"), 1_000);
        write(&merged.join("medium"), 15_000);
        write(&merged.join("large"), 16_000);
        write(&merged.join("too-long"), campaign::INPUT_BYTES_MAX);
        let left = replace(&merged, &corpus).expect("files");
        assert_eq!(left, (3, 16_010));
        let mut names = files(&corpus).expect("files");
        names.iter_mut().for_each(|path| {
            *path = path.file_name().expect("a name").into();
        });
        fs::remove_dir_all(&folder).expect("ours");
        assert_eq!(names, ["found-once", "medium", "small"].map(PathBuf::from));
    }
}
