//! Who may use whom: the table of docs/ARCHITECTURE.md.

use crate::assert_none;
use crate::tree::{compiled, files, list, metadata, text};

/// Each package of the workspace, which of ours it may use, and which it may use besides in its own tests.
const LAYERS: &[(&str, &[&str], &[&str])] = &[
    ("milena-wire-derive", &[], &["milena-wire"]),
    ("milena-wire", &["milena-wire-derive"], &[]),
    ("milena-cluster", &["milena-wire"], &[]),
    ("milena-producer", &["milena-cluster", "milena-wire"], &[]),
    ("milena-consumer", &["milena-cluster", "milena-wire"], &[]),
    (
        "milena-engine",
        &[
            "milena-cluster",
            "milena-consumer",
            "milena-producer",
            "milena-wire",
        ],
        &["milena-testbroker"],
    ),
    ("milena", &["milena-engine"], &["milena-testbroker"]),
    // An independent witness: sharing a client core with it would hide what both get wrong in the same way.
    ("milena-testbroker", &["milena-wire"], &[]),
    ("milena-sim", &["milena-engine", "milena-testbroker"], &[]),
    (
        "milena-cli",
        &["milena", "milena-testbroker"],
        &["milena-wire"],
    ),
    (
        "milena-tests",
        &["milena", "milena-testbroker", "milena-wire"],
        &[],
    ),
    (
        "milena-systest",
        &["milena", "milena-testbroker", "milena-wire"],
        &[],
    ),
    (
        "milena-benches",
        &["milena", "milena-testbroker", "milena-wire"],
        &[],
    ),
    ("xtask", &[], &[]),
];

/// Everything below the public crate, and the simulation, which is there to replace what these stand for.
const WITHOUT_IO: &[&str] = &[
    "milena-wire",
    "milena-cluster",
    "milena-producer",
    "milena-consumer",
    "milena-engine",
    "milena-sim",
    "milena-testbroker",
];

/// Runtimes, sockets, and randomness that no seed decides.
const IO_CRATES: &[&str] = &[
    "tokio",
    "mio",
    "socket2",
    "async-std",
    "smol",
    "async-io",
    "getrandom",
    "rand",
];

/// What would tie a core to this machine; clocks are clippy's business (clippy.toml).
const IO_WORDS: &[&str] = &[
    "TcpStream",
    "TcpListener",
    "UdpSocket",
    "std::fs",
    "std::env",
    "std::thread::spawn",
    "async fn",
];

fn ours() -> impl Iterator<Item = &'static serde_json::Value> {
    let packages = list(metadata(), "packages").iter();
    packages.filter(|package| package["source"].is_null())
}

#[test]
fn every_package_uses_only_what_its_layer_may() {
    let mut findings = Vec::new();
    for package in ours() {
        let name = text(package, "name");
        let Some((_, uses, tests_use)) = LAYERS.iter().find(|(layer, ..)| *layer == name) else {
            findings.push(format!("{name} has no row in the table of layers"));
            continue;
        };
        for dependency in list(package, "dependencies") {
            let used = text(dependency, "name");
            let is_ours = LAYERS.iter().any(|(layer, ..)| *layer == used);
            let in_tests = text(dependency, "kind") == "dev" && tests_use.contains(&used);
            // Its own tests may ask for one of its features by naming it again.
            let itself = text(dependency, "kind") == "dev" && used == name;
            if is_ours && !uses.contains(&used) && !in_tests && !itself {
                findings.push(format!("{name} uses {used}"));
            }
        }
    }
    assert_none(
        &findings,
        "a layer is used from where it must not be known (docs/ARCHITECTURE.md)",
    );
}

/// A bug on demand has no place in a build that nobody asked one for.
#[test]
fn no_plant_is_in_what_users_build() {
    let mut findings = Vec::new();
    for package in ours() {
        let name = text(package, "name");
        let has = |feature: &str| !package["features"][feature].is_null();
        if ["milena", "milena-cli", "milena-testbroker"].contains(&name) && has("plants") {
            findings.push(format!("{name} can be built with plants"));
        }
        if list(&package["features"], "default")
            .iter()
            .any(|feature| feature == "plants")
        {
            findings.push(format!("{name} is built with plants by default"));
        }
        for dependency in list(package, "dependencies") {
            let in_tests = text(dependency, "kind") == "dev";
            let planted = list(dependency, "features").iter().any(|f| f == "plants");
            if planted && !in_tests {
                findings.push(format!("{name} plants {}", text(dependency, "name")));
            }
        }
    }
    let known = ours().any(|package| !package["features"]["plants"].is_null());
    assert!(known, "the feature is no longer called that");
    assert_none(&findings, "plants are for the simulation alone");
}

#[test]
fn the_table_names_no_package_that_is_gone() {
    let names: Vec<&str> = ours().map(|package| text(package, "name")).collect();
    let gone = LAYERS.iter().filter(|(layer, ..)| !names.contains(layer));
    let findings: Vec<String> = gone.map(|(layer, ..)| (*layer).to_owned()).collect();
    assert_none(&findings, "rows without a package");
}

#[test]
fn no_core_compiles_a_runtime_a_socket_or_randomness() {
    let mut findings = Vec::new();
    for package in WITHOUT_IO {
        let compiled = compiled(package);
        let io = compiled
            .iter()
            .filter(|name| IO_CRATES.contains(&name.as_str()));
        findings.extend(io.map(|io| format!("{package} compiles {io}")));
    }
    assert_none(
        &findings,
        "below the public crate there is no I/O, or the simulation would not run what ships",
    );
}

/// Stricter than what is compiled: not even optional, not even for tests.
#[test]
fn no_manifest_of_a_core_names_tokio() {
    let cores = ours().filter(|package| {
        let name = text(package, "name");
        WITHOUT_IO.contains(&name) && name != "milena-testbroker" // has a TCP front, off by default
    });
    let named = cores.filter(|package| {
        list(package, "dependencies")
            .iter()
            .any(|d| text(d, "name") == "tokio")
    });
    let findings: Vec<String> = named
        .map(|package| text(package, "name").to_owned())
        .collect();
    assert_none(
        &findings,
        "tokio is for the public crate and what stands above it",
    );
}

#[test]
fn no_core_reaches_for_sockets_files_or_threads() {
    let mut findings = Vec::new();
    let cores = [
        "crates/wire/src/",
        "crates/cluster/src/",
        "crates/producer/src/",
        "crates/consumer/src/",
        "crates/engine/src/",
    ];
    let rust = files()
        .iter()
        .filter(|file| cores.iter().any(|core| file.path.starts_with(core)) && file.is_rust());
    for file in rust {
        let is_handle = file.path.starts_with("crates/engine/src/handles");
        for (number, line) in (1..).zip(file.shipped().lines()) {
            let code = line.split("//").next().unwrap_or_default();
            let words = IO_WORDS.iter().filter(|word| code.contains(**word));
            // The user's futures may be written so: they wait for the engine and the driver alone, on std::task.
            let words = words.filter(|word| !(**word == "async fn" && is_handle));
            findings.extend(words.map(|word| format!("{}:{number}: {word}", file.path)));
        }
    }
    assert_none(&findings, "a core is moved by its caller alone");
}
