//! Kafka's own classes, asked by a small Java program in `java/`: compiled once for each state of its sources, kept in the target directory.

use std::hash::{DefaultHasher, Hasher};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::{env, fs, process};

/// The version whose schemas the declarations follow.
const KAFKA: &str = "4.3.1";

/// The compiled program and what it needs.
#[derive(Debug)]
pub(crate) struct Java {
    java: PathBuf,
    class_path: String,
}

impl Java {
    /// `None` if this machine has no Java or no jars, which has then been said.
    ///
    /// # Panics
    ///
    /// With `MILENA_REQUIRE_KAFKA=1`, if something is missing.
    pub(crate) fn find() -> Option<&'static Self> {
        static FOUND: OnceLock<Option<Java>> = OnceLock::new();
        let find = || match Self::prepare() {
            Ok(java) => Some(java),
            Err(missing) if is_required() => panic!("{missing}"),
            Err(missing) => {
                say(&format!(
                    "SKIPPED: the comparison with Kafka's own classes: {missing}"
                ));
                None
            }
        };
        FOUND.get_or_init(find).as_ref()
    }

    fn prepare() -> Result<Self, String> {
        let jars = jars()?;
        let (java, javac) = (program("java"), program("javac"));
        for (program, path) in [("java", &java), ("javac", &javac)] {
            if !runs(path) {
                return Err(format!(
                    "{program} is missing: it needs a JDK, version 17 or later, on PATH or in JAVA_HOME"
                ));
            }
        }
        let jars = format!("{}/*", jars.display());
        let classes = compile(&javac, &jars);
        Ok(Self {
            java,
            class_path: format!("{}{}{jars}", classes.display(), path_separator()),
        })
    }

    /// All schemas, as they lie in the jar.
    pub(crate) fn schemas(&self) -> Vec<String> {
        let text = self.print("schemas");
        let schemas = text.split_terminator('\0').map(str::to_owned);
        schemas.collect()
    }

    /// Lines of an error code and its name.
    pub(crate) fn errors(&self) -> String {
        self.print("errors")
    }

    fn print(&self, what: &str) -> String {
        let output = self.command(what).output().expect("java starts");
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).expect("Java writes UTF-8")
    }

    /// The program, waiting for questions on its standard input.
    pub(crate) fn answering(&self) -> Child {
        let mut command = self.command("answer");
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        command.spawn().expect("java starts")
    }

    fn command(&self, what: &str) -> Command {
        let mut command = Command::new(&self.java);
        // Short-lived and beside other work: one thread for the collector, and no long optimising.
        command.args(["-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"]);
        command.args(["-cp", &self.class_path, "Oracle", what]);
        command
    }
}

/// Where `cargo xtask kafka classpath` puts the jars.
fn jars() -> Result<PathBuf, String> {
    let of = |name| env::var_os(name).filter(|path| !path.is_empty());
    let cache = of("XDG_CACHE_HOME").map(PathBuf::from);
    let cache = cache.or_else(|| Some(Path::new(&of("HOME")?).join(".cache")));
    let jars = cache.map(|cache| cache.join("milena").join(format!("kafka-{KAFKA}")));
    jars.filter(|jars| jars.is_dir()).ok_or_else(|| {
        format!("the jars of Kafka {KAFKA} are missing: cargo xtask kafka classpath --version {KAFKA} fetches them")
    })
}

fn program(name: &str) -> PathBuf {
    match env::var_os("JAVA_HOME") {
        Some(home) if !home.is_empty() => Path::new(&home).join("bin").join(name),
        _ => PathBuf::from(name),
    }
}

fn runs(program: &Path) -> bool {
    let output = Command::new(program).arg("-version").output();
    output.is_ok_and(|output| output.status.success())
}

const fn path_separator() -> char {
    if cfg!(windows) { ';' } else { ':' }
}

/// The folder with the classes. It is named after the sources' content, and whole if it is there.
fn compile(javac: &Path, jars: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/oracle/java");
    let entries = fs::read_dir(&folder).expect("a whole checkout");
    let mut sources: Vec<PathBuf> = entries
        .map(|entry| entry.expect("a readable folder").path())
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "java")
        })
        .collect();
    sources.sort();
    let mut hasher = DefaultHasher::new();
    hasher.write(KAFKA.as_bytes());
    for source in &sources {
        hasher.write(&fs::read(source).expect("a readable file"));
    }
    let parent = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let classes = parent.join(format!("oracle-{:016x}", hasher.finish()));
    if classes.is_dir() {
        return classes;
    }
    let unfinished = parent.join(format!("oracle-unfinished-{}", process::id()));
    let mut command = Command::new(javac);
    command.args(["-Xlint:all,-path", "-Werror", "-cp", jars, "-d"]);
    let output = command.arg(&unfinished).args(&sources).output();
    let output = output.expect("javac starts");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "javac fails:\n{errors}");
    // Another test run may have been faster; its classes are the same.
    if fs::rename(&unfinished, &classes).is_err() {
        assert!(classes.is_dir(), "{} cannot be moved", unfinished.display());
        let _ = fs::remove_dir_all(&unfinished);
    }
    classes
}

fn is_required() -> bool {
    env::var("MILENA_REQUIRE_KAFKA").is_ok_and(|value| value == "1")
}

/// Tells the person at the terminal: the test runner keeps what tests print, but not what is written to the handle.
fn say(line: &str) {
    // Nobody to tell is no reason to fail.
    let _ = writeln!(io::stderr(), "{line}");
}
