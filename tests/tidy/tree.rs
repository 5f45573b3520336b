//! The tree and what cargo says about it.

use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// One text file of the repository.
pub(crate) struct File {
    /// From the root, with `/` on every system.
    pub(crate) path: String,
    pub(crate) text: String,
}

impl File {
    pub(crate) fn is_rust(&self) -> bool {
        self.path.ends_with(".rs")
    }

    /// Checked-in output of a program or of another implementation: nobody writes or reads it line by line.
    pub(crate) fn is_generated(&self) -> bool {
        ["/vectors/", "/generated/", "/snapshots/"]
            .iter()
            .any(|part| self.path.contains(part))
            // Inputs that a fuzzer found, some of which happen to be text.
            || self.path.starts_with("fuzz/corpus/")
    }

    /// The code that ships: up to the tests at the bottom of the file, and nothing of a file that is all tests.
    pub(crate) fn shipped(&self) -> &str {
        let tests = ["/tests/", "/benches/", "/testing/"];
        if tests.iter().any(|part| self.path.contains(part)) || self.path.ends_with("tests.rs") {
            return "";
        }
        // `mod tests;` may stand above code, and the tests are in a file of their own then.
        let mut modules = self.text.match_indices("#[cfg(test)]\nmod ");
        let inline = modules.find(|(at, attribute)| {
            let name = &self.text[at + attribute.len()..];
            name.lines().next().is_some_and(|line| line.ends_with('{'))
        });
        inline.map_or(&self.text, |(at, _)| &self.text[..at])
    }
}

/// The folder of the workspace.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("tests/ is a folder of the workspace")
}

/// Every file that somebody writes: not what is built, not what git keeps.
pub(crate) fn files() -> &'static [File] {
    static FILES: OnceLock<Vec<File>> = OnceLock::new();
    FILES.get_or_init(|| {
        let mut files = Vec::new();
        collect(root(), &mut files);
        assert!(
            files.len() > 30,
            "the tree was not found from {}",
            root().display()
        );
        files.sort_by(|a, b| a.path.cmp(&b.path));
        files
    })
}

/// The text of one file, by its path from the root.
pub(crate) fn read(path: &str) -> &'static str {
    let file = files().iter().find(|file| file.path == path);
    file.map(|file| file.text.as_str())
        .unwrap_or_else(|| panic!("{path} is missing"))
}

/// One package of Cargo.lock.
pub(crate) struct Locked {
    pub(crate) name: &'static str,
    pub(crate) version: &'static str,
    /// Empty for ours.
    pub(crate) source: &'static str,
}

/// Everything that is locked: whatever any platform, feature or test of the workspace would compile, fetched or not.
pub(crate) fn locked() -> Vec<Locked> {
    static LOCK: OnceLock<String> = OnceLock::new();
    let lock = LOCK.get_or_init(|| {
        fs::read_to_string(root().join("Cargo.lock")).expect("the workspace is locked")
    });
    let value = |entry: &'static str, key: &str| {
        let mut lines = entry.lines();
        let line = lines.find_map(|line| line.strip_prefix(key)?.strip_prefix(" = "));
        line.map_or("", |quoted| quoted.trim_matches('"'))
    };
    let entries = lock.split("[[package]]\n").skip(1);
    let packages = entries.map(|entry| Locked {
        name: value(entry, "name"),
        version: value(entry, "version"),
        source: value(entry, "source"),
    });
    let packages: Vec<Locked> = packages.collect();
    assert!(packages.len() > 30, "Cargo.lock is no longer read rightly");
    packages
}

/// `cargo metadata` of the workspace as it is locked, with all features, for this machine's platform.
pub(crate) fn metadata() -> &'static Value {
    static METADATA: OnceLock<Value> = OnceLock::new();
    METADATA.get_or_init(|| {
        let text = cargo(&[
            "metadata",
            "--all-features",
            "--format-version",
            "1",
            "--filter-platform",
            &host(),
        ]);
        serde_json::from_str(&text).expect("cargo metadata prints JSON")
    })
}

/// The names of all crates that building `package` compiles, itself included, for the default features it has in this workspace.
pub(crate) fn compiled(package: &str) -> Vec<String> {
    let text = cargo(&[
        "tree",
        "--package",
        package,
        "--edges",
        "normal,build",
        "--prefix",
        "none",
    ]);
    let names = text
        .lines()
        .filter_map(|line| line.split_whitespace().next());
    let mut names: Vec<String> = names.map(str::to_owned).collect();
    names.sort();
    names.dedup();
    assert!(
        names.iter().any(|name| name == package),
        "cargo tree does not know {package}"
    );
    names
}

/// An array of a JSON value, by key.
pub(crate) fn list<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value[key].as_array().map_or(&[], Vec::as_slice)
}

/// A text of a JSON value, by key; empty if it is null.
pub(crate) fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_default()
}

fn host() -> String {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = Command::new(rustc)
        .arg("-vV")
        .output()
        .expect("rustc built this test");
    let text = String::from_utf8(output.stdout).expect("rustc prints text");
    let host = text.lines().find_map(|line| line.strip_prefix("host: "));
    host.expect("rustc says for which host it is").to_owned()
}

/// Offline: the build has fetched what it needs, and a test must not wait for a network.
fn cargo(arguments: &[&str]) -> String {
    let output = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .args(arguments)
        .arg("--offline")
        .current_dir(root())
        .output()
        .expect("cargo runs this test");
    assert!(
        output.status.success(),
        "cargo {} failed:\n{}",
        arguments.join(" "),
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).expect("cargo prints text")
}

fn collect(folder: &Path, files: &mut Vec<File>) {
    for entry in fs::read_dir(folder)
        .expect("a folder of the tree")
        .flatten()
    {
        let path = entry.path();
        let name = entry.file_name();
        let kind = entry.file_type().expect("the kind of an entry");
        // In a second work tree `.git` is a file.
        if name == ".git" {
            continue;
        }
        if kind.is_dir() {
            // Neither is kept: what is built, and inputs that broke a fuzz target on this machine.
            if name != "target" && name != "artifacts" {
                collect(&path, files);
            }
        } else if kind.is_file()
            && name != "Cargo.lock"
            && let Ok(text) = fs::read_to_string(&path)
        {
            files.push(File {
                path: relative(&path),
                text,
            });
        }
    }
}

fn relative(path: &Path) -> String {
    let path: PathBuf = path
        .strip_prefix(root())
        .expect("a path below the root")
        .into();
    path.to_string_lossy().replace('\\', "/")
}
