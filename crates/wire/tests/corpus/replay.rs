//! The inputs on file.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

/// So small stays what everybody clones.
const CORPORA_BYTES_MAX: u64 = 400 * 1024;
const INPUT_BYTES_MAX: u64 = 16 * 1024;

/// Lets `target` go through all inputs of its corpus, and says which of them broke it.
pub(crate) fn replay(name: &str, target: fn(&[u8])) {
    let inputs = entries(&fuzz().join("corpus").join(name));
    assert!(!inputs.is_empty(), "{name} has no corpus");
    // Nothing at all is an input, too, and no file can be needed for it.
    target(&[]);
    let mut broken = Vec::new();
    for path in inputs {
        let input = std::fs::read(&path).expect("a file of the corpus");
        if catch_unwind(AssertUnwindSafe(|| target(&input))).is_err() {
            broken.push(path.display().to_string());
        }
    }
    assert!(broken.is_empty(), "{name} breaks on {}", broken.join(", "));
}

/// Holds the bounds of fuzz/README.md.
#[allow(dead_code, reason = "once is enough for all corpora")]
pub(crate) fn assert_small() {
    let mut sum = 0;
    for corpus in entries(&fuzz().join("corpus")) {
        for path in entries(&corpus) {
            let len = path.metadata().expect("a file of the corpus").len();
            assert!(len < INPUT_BYTES_MAX, "{} has {len} bytes", path.display());
            sum += len;
        }
    }
    assert!(sum < CORPORA_BYTES_MAX, "the corpora have {sum} bytes");
}

/// What is in a folder of `fuzz/`, in order.
#[allow(dead_code, reason = "once is enough for all corpora")]
pub(crate) fn names(folder: &str) -> Vec<String> {
    let entries = entries(&fuzz().join(folder)).into_iter();
    let names = entries.filter_map(|path| path.file_name()?.to_str().map(str::to_owned));
    names.collect()
}

fn fuzz() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz")
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    let entries =
        std::fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    paths
}
